//! **sedge-train**: the workstation's half of Sedge, which makes the models that a camera board runs.
//!
//! # A model's way
//!
//! 1. [`graph::Network`] takes a float or QDQ ONNX model: initializers become variables, nodes become calls of libtorch,
//!    and gradients come by autograd. There is no second description of any network.
//! 2. [`data`] gives batches: decoded, augmented and prefetched; [`doctor`] has checked the data before.
//! 3. [`fit`] trains: a [`loss`], an [`optimize`]r, a schedule, checkpoints that resume to the same weights.
//! 4. [`distill`] is `fit` with a teacher; [`sweep`] is a grid of either, here or on a cluster.
//! 5. The variables are written back into the ONNX model, with its card; `sedge convert` makes it int8.

pub mod data;
pub mod distill;
pub mod doctor;
pub mod fit;
pub mod graph;
pub mod loss;
pub mod optimize;
pub mod plot;
pub mod sweep;

#[cfg(test)]
mod reference;
