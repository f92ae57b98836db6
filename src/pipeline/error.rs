//! Why frames do not become masks.

use crate::camera::SourceError;
use crate::engine::EngineError;
use crate::frame::{FrameError, PrepareError};
use crate::mask::MaskError;
use crate::overlay::OverlayError;
use crate::store::StoreError;

/// Why frames do not become masks.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The model's card does not say how a frame becomes its input.
    #[error(
        "{model}: does not say how a frame becomes its input; give --color, --mean and --std, or a card with --card"
    )]
    NoInputRule {
        /// The model.
        model: String,
    },
    /// The input rule and the graph's input differ in channels.
    #[error("{model}: takes {channels} channels, but its color order has {rule}; give another --color")]
    Channels {
        /// The model.
        model: String,
        /// Channels of the graph's input.
        channels: usize,
        /// Channels of the rule.
        rule: usize,
    },
    /// The model gives no logits of the kind that the task needs.
    #[error("{model}: output {output} has shape {shape:?}; {needed}")]
    Output {
        /// The model.
        model: String,
        /// The output.
        output: String,
        /// Its shape.
        shape: Vec<usize>,
        /// What the task needs.
        needed: &'static str,
    },
    /// Logits are not numbers.
    #[error("{model}: gives logits that are not numbers (NaN) for frame {frame}; the model is broken")]
    NotANumber {
        /// The model.
        model: String,
        /// The frame's number.
        frame: u64,
    },
    /// Names and logits differ in number.
    #[error(
        "{model}: gives logits of {logits} classes, but {names} are named; correct its card, --classes or --labels"
    )]
    Classes {
        /// The model.
        model: String,
        /// Classes in the logits.
        logits: usize,
        /// Classes with a name.
        names: usize,
    },
    /// A thread of the pipeline could not be started, or ended by a panic.
    #[error("the {thread} thread of the pipeline failed: {reason}")]
    Thread {
        /// Which.
        thread: &'static str,
        /// What the system said, or that it panicked.
        reason: String,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A frame is not what it says.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame does not become an input.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Logits do not become a mask.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// The overlay failed.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
