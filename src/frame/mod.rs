//! Frames as cameras give them, and their way into a network's input.

mod color;
mod crop;
mod prepare;
mod resize;
mod triangle;

pub use color::FrameError;
pub use crop::Crop;
pub use prepare::{ColorOrder, InputRule, Placement, PrepareError, Preparer, ResizeRule};

use std::time::Duration;

/// How a frame's bytes are laid out, row by row from the top, without padding between rows or planes. Y, U and V are
/// BT.601 limited range.
///
/// Where chroma is halved, a sample serves two neighbouring columns (4:2:2), or two columns of two neighbouring rows
/// (4:2:0), counted from the frame's first column and row. Of an odd size the last sample serves what is left: planes
/// are rounded up, and the last group of a packed row has a second Y that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Interleaved R, G, B, 8 bits each.
    Rgb8,
    /// Interleaved B, G, R, 8 bits each.
    Bgr8,
    /// Luminance, 8 bits, full range.
    Gray8,
    /// Groups Y, U, Y, V of two pixels (4:2:2); a row takes `4 * ceil(width / 2)` bytes.
    Yuyv,
    /// Groups U, Y, V, Y of two pixels (4:2:2); a row takes `4 * ceil(width / 2)` bytes.
    Uyvy,
    /// A plane of Y, then one of interleaved U, V, halved in both directions (4:2:0).
    Nv12,
    /// Planes Y, U, V, chroma halved in both directions (4:2:0); V4L2's YU12.
    I420,
    /// Planes Y, U, V, chroma halved in width (4:2:2).
    I422,
    /// Planes Y, U, V at full size (4:4:4).
    I444,
}

impl PixelFormat {
    /// All of them.
    pub const ALL: [PixelFormat; 9] = [
        PixelFormat::Rgb8,
        PixelFormat::Bgr8,
        PixelFormat::Gray8,
        PixelFormat::Yuyv,
        PixelFormat::Uyvy,
        PixelFormat::Nv12,
        PixelFormat::I420,
        PixelFormat::I422,
        PixelFormat::I444,
    ];

    /// Bytes that a frame of `width` x `height` pixels takes.
    pub fn frame_bytes(self, width: u32, height: u32) -> usize {
        let (w, h) = (width as usize, height as usize);
        match self {
            PixelFormat::Rgb8 | PixelFormat::Bgr8 | PixelFormat::I444 => 3 * w * h,
            PixelFormat::Gray8 => w * h,
            PixelFormat::Yuyv | PixelFormat::Uyvy => 4 * w.div_ceil(2) * h,
            PixelFormat::Nv12 | PixelFormat::I420 => w * h + 2 * w.div_ceil(2) * h.div_ceil(2),
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
