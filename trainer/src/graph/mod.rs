//! ONNX graphs executed by libtorch, with gradients.
//!
//! 1. [`Network::new`] takes a [`sedge::onnx::Model`]. `variables` decides which initializers training changes, `logits`
//!    where the network ends for a loss (before a last softmax or arg max), and a trial run checks every node.
//! 2. [`Network::forward`] runs the nodes in order, each through its function in the table of `operators`, and drops every
//!    tensor after its last use. Gradients come by libtorch's autograd.
//! 3. [`Network::model`] writes the variables back into the ONNX model; `grid` quantizes anew what a QDQ model stores as
//!    integers.
//!
//! # Batches
//!
//! Graphs are written for one picture: constants of `Reshape` begin with 1, and `RandomUniform` names its shape. Here a
//! batch of N runs through them exactly as N single runs would. Each tensor is a `Value`, which knows the axis that
//! counts pictures; shapes that the graph sees (`Shape`, `Reshape`, `Expand`) are those of one picture, and each
//! operator puts the N back. What would mix the pictures of a batch is an error. Only batch norms in training look
//! across pictures: that is their purpose.

mod error;
mod execute;
mod grid;
mod logits;
mod memory_order;
mod model;
mod network;
mod operators;
mod pattern;
mod plan;
mod tensors;
mod value;
mod variables;

pub use error::GraphError;
pub use network::Network;
pub use variables::{Role, Variable};

/// What a forward pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch norms use the batch's statistics and follow them, dropout is live.
    Train,
    /// Batch norms use their running statistics, dropout is off unless the graph itself turns it on.
    Evaluate,
}
