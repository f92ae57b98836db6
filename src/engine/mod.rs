//! Running a model: a [`Session`] gives logits for prepared inputs.
