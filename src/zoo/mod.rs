//! The zoo: every network as an ONNX graph, costed before it is trained.
//!
//! 1. [`find`] looks a name up in [`NETWORKS`].
//! 2. [`Blueprint::of`] lays the network out for given [`Settings`]: nodes, and parameters by name and shape. Nothing
//!    is allocated for weights yet, so that costs are known at once whatever the network's size.
//! 3. [`Blueprint::model`] draws the weights from a seed and gives a [`Model`](crate::onnx::Model) with its card.
//! 4. [`transfer::transfer`] may then take weights from another model.
//!
//! Batch norms are explicit, so that the network can be trained. A segmenter gives logits `[1,classes,H,W]` as large
//! as its input; a classifier gives logits `[1,classes]`. Each family is one file, which names the paper or library
//! that it follows.

mod blueprint;
mod builder;
mod layers;
mod nearest;
mod parameter;
mod registry;
mod settings;
mod tensors;
pub mod transfer;

mod deeplab;
mod fcn;
mod fcn_mnv2;
mod hair_vit;
mod kd;
mod lraspp;
mod mobilenetv2;
mod mobilenetv3;
mod resnet;
mod segformer;
mod segnet;
mod unet;
mod vgg;
mod xception;

pub use blueprint::Blueprint;
pub use parameter::{Initial, Parameter, Role};
pub use registry::{InputValues, NETWORKS, Network, find};
pub use settings::{Backbone, Head, Setting, Settings, Sizes};

use crate::onnx::OnnxError;

/// Why a network cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ZooError {
    /// No network has this name.
    #[error("{name} is not in the zoo; the nearest names are {}; `sedge zoo` lists all", .nearest.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// Names that differ least from it.
        nearest: Vec<&'static str>,
    },
    /// The strides do not divide the input's size.
    #[error("{network} cannot take an input of {height}x{width}; it takes {rule}, for example {example}")]
    Size {
        /// The network.
        network: &'static str,
        /// The input's height.
        height: usize,
        /// The input's width.
        width: usize,
        /// Which sizes it takes.
        rule: String,
        /// One of them, near the size asked for.
        example: String,
    },
    /// A setting is out of range or not one of the network's.
    #[error("{network} cannot be built with {reason}")]
    Setting {
        /// The network.
        network: &'static str,
        /// The setting and what it may be.
        reason: String,
    },
    /// The graph does not fit together.
    #[error(
        "{network} cannot be built with these settings: {reason}; choose another size or settings nearer to the usual"
    )]
    Graph {
        /// The network.
        network: &'static str,
        /// The node and what is wrong.
        reason: String,
    },
    /// The network is too large for one ONNX file.
    #[error(
        "{network} needs {bytes} bytes of weights, but an ONNX file holds 2 GiB at most; choose a smaller input or fewer \
         channels"
    )]
    TooLarge {
        /// The network.
        network: &'static str,
        /// Bytes of its weights.
        bytes: u64,
    },
    /// The model to start from is wrong.
    #[error(transparent)]
    Source(#[from] OnnxError),
    /// The model to start from cannot be folded.
    #[error(transparent)]
    Fold(#[from] crate::quantize::QuantizeError),
    /// The model to start from has nothing in common with the network.
    #[error(
        "{model} gives nothing to start from: no tensor has the name and shape of one of the network's, and its layers \
         are others; choose the model of the same backbone and width"
    )]
    NothingTaken {
        /// The model.
        model: String,
    },
}

#[cfg(test)]
mod tests;
