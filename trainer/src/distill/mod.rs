//! Training a student on a teacher's logits, with its control beside it.
