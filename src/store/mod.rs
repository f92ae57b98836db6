//! Masks on disk: one file a frame and an index that lists only whole files.
