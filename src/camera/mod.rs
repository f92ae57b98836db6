//! Where frames come from: one image, a folder, a clip, a pipe, a pattern; all behind [`Source`].

use crate::frame::Frame;

/// What is known of a stream before its first frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceInfo {
    /// What to call the stream in messages: a path, an address, a pattern.
    pub name: String,
    /// Number of frames, where the source knows it.
    pub frames: Option<u64>,
    /// Frames per second, where the source has a rate.
    pub fps: Option<f64>,
}

/// Why a frame could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// One frame is broken; the stream goes on after it.
    #[error("{name}: frame {frame} is broken: {reason}")]
    BrokenFrame {
        /// The stream, or the frame's own file.
        name: String,
        /// Its number.
        frame: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl SourceError {
    /// Whether only this frame is lost and the stream goes on.
    pub fn is_broken_frame(&self) -> bool {
        matches!(self, SourceError::BrokenFrame { .. })
    }
}

/// A stream of frames.
pub trait Source {
    /// What is known of the stream.
    fn info(&self) -> &SourceInfo;

    /// The next frame; `None` at the end. After an error for which [`SourceError::is_broken_frame`] holds, the
    /// stream goes on; after any other error it has ended and gives `None`.
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>>;
}
