//! Labelled pictures as batches: reading, augmentation, loading ahead.
