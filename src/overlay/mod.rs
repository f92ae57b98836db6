//! Drawing masks and legends over frames.
