//! Frames as cameras give them, and their way into a network's input.

mod color;
mod prepare;

pub use color::FrameError;
pub use prepare::{ColorOrder, InputRule, Placement, PrepareError, Preparer, ResizeRule};

use std::time::Duration;

/// How a frame's bytes are laid out. Planar formats hold Y, then U, then V, without row padding; chroma planes of
/// odd sizes are rounded up. Y, U and V are BT.601 limited range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Interleaved R, G, B, 8 bits each.
    Rgb8,
    /// Luminance, 8 bits, full range.
    Gray8,
    /// Planar Y, U, V, chroma halved in both directions (4:2:0).
    I420,
    /// Planar Y, U, V, chroma halved in width (4:2:2).
    I422,
    /// Planar Y, U, V at full size (4:4:4).
    I444,
}

impl PixelFormat {
    /// Bytes that a frame of `width` x `height` pixels takes.
    pub fn frame_bytes(self, width: u32, height: u32) -> usize {
        let (w, h) = (width as usize, height as usize);
        match self {
            PixelFormat::Rgb8 | PixelFormat::I444 => 3 * w * h,
            PixelFormat::Gray8 => w * h,
            PixelFormat::I420 => w * h + 2 * w.div_ceil(2) * h.div_ceil(2),
            PixelFormat::I422 => w * h + 2 * w.div_ceil(2) * h,
        }
    }
}

/// One picture of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Place in the stream, from 0. Broken frames use up their number.
    pub number: u64,
    /// Time since the stream's first frame.
    pub time: Duration,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Layout of `data`.
    pub format: PixelFormat,
    /// Pixels, `format.frame_bytes(width, height)` of them.
    pub data: Vec<u8>,
    /// What the source calls this frame (a file name), where it has a name.
    pub name: Option<String>,
}
