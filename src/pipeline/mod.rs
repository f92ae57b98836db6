//! The five steps of a frame, from source to mask on disk, with the time of each.
//!
//! [`Segmenter`] is one frame's way to its mask. [`Pipeline`] takes a whole stream there in three threads, so that a slow
//! disk never holds up the camera:
//!
//! ```text
//! capture (source) -> frames -> segment (network) -> masks -> write (sink)
//! ```
//!
//! The queues between them are bounded. A clip waits for room in them; a camera does not wait, so the oldest item goes and
//! is counted.

mod capture;
mod classifier;
mod durable;
mod error;
mod exchange;
mod last_resize;
mod latency;
mod network;
mod run;
mod segment;
mod segmenter;
mod sink;
mod steady;
mod summary;
#[cfg(test)]
mod tests;
mod write;

pub use classifier::Classifier;
pub use durable::{DurableStore, StoreLimits};
pub use error::PipelineError;
pub use last_resize::without_last_resize;
pub use latency::Latency;
pub use run::{Event, Parts, Pipeline, Rules, Settings, Viewer};
pub use segment::Segment;
pub use segmenter::{MaskSize, Segmenter, Times};
pub use sink::{PictureFolder, Saved, Sink};
pub use steady::{Phase, SteadyReport, SteadyRule, SteadyWatch};
pub use summary::{Stage, Summary};
