//! From a frame in its camera's format to rows at their size in a network's input, without a frame in between.
//!
//! For each row of the output the rows of the frame that it needs are brought to RGB (or grey) and kept in a small ring;
//! they are mixed downwards, rounded to bytes, then across. The result is that of turning the whole frame into RGB and
//! resizing it by an 8-bit convolution.

use super::triangle::triangle;
use super::{Crop, Frame, PixelFormat};
use crate::kernels::{Kernels, PackedWindows, Windows};

/// Bytes behind a row for kernels that read whole vectors.
const SLACK: usize = 64;

/// What rows are made from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    /// The frame's part, inside the frame.
    pub(super) crop: Crop,
    /// Width of the rows that are made.
    pub(super) width: u32,
    /// How many are made.
    pub(super) height: u32,
    /// Interleaved channels of the rows: 3 for R, G, B, or 1 for grey.
    pub(super) channels: usize,
}

/// Makes rows, and keeps weights and buffers from frame to frame.
pub(super) struct Resizing {
    kernels: &'static dyn Kernels,
    task: Option<Task>,
    /// Weights downwards, unless the height stays.
    down: Option<Windows>,
    /// Weights across, unless the width stays.
    across: Option<PackedWindows>,
    /// Rows of the frame in `channels`, row `r` in slot `r % slots`.
    ring: Vec<u8>,
    slots: usize,
    /// Bytes of a slot.
    pitch: usize,
    /// Where each row of a window begins.
    rows: Vec<usize>,
    mixed: Vec<u8>,
    row: Vec<u8>,
}

impl Resizing {
    pub(super) fn new(kernels: &'static dyn Kernels) -> Resizing {
        let (ring, rows, mixed, row) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Resizing { kernels, task: None, down: None, across: None, ring, slots: 0, pitch: 0, rows, mixed, row }
    }

    /// Gives every row of the result, from the top, to `take`. `frame` is right, and `task.crop` lies inside it.
    pub(super) fn rows(&mut self, frame: &Frame, task: Task, mut take: impl FnMut(usize, &[u8])) {
        if self.task != Some(task) {
            self.plan(task);
        }
        let Resizing { kernels, down, across, ring, slots, pitch, rows, mixed, row, .. } = self;
        let (down, across) = (down.as_ref(), across.as_ref());
        let source = Source::new(frame, task, *kernels);
        let bytes = task.crop.width as usize * task.channels;
        // Rows of the frame below this one are in the ring, as far as they are still needed.
        let mut next = 0;
        for output in 0..task.height as usize {
            let (first, weights) = match down {
                Some(down) => down.window(output),
                None => (output, [].as_slice()),
            };
            let needed = first..first + weights.len().max(1);
            rows.clear();
            let data = if let Some((pixels, pitch)) = source.in_place() {
                rows.extend(needed.map(|row| row * pitch));
                pixels
            } else {
                for row in next.max(first)..needed.end {
                    source.convert(row, &mut ring[row % *slots * *pitch..][..*pitch]);
                }
                next = next.max(needed.end);
                rows.extend(needed.map(|row| row % *slots * *pitch + source.skipped_bytes()));
                ring.as_slice()
            };
            let mut pixels = &data[rows[0]..];
            if let Some(down) = down {
                kernels.mix_rows(data, rows, weights, down.precision, &mut mixed[..bytes]);
                pixels = mixed;
            }
            if let Some(across) = across {
                kernels.mix_columns(pixels, across, row);
                pixels = row;
            }
            take(output, &pixels[..task.width as usize * task.channels]);
        }
    }

    /// Weights and buffers for another task.
    fn plan(&mut self, task: Task) {
        let Task { crop, width, height, channels } = task;
        self.task = Some(task);
        self.down = (crop.height != height).then(|| triangle(crop.height, height));
        let across = (crop.width != width).then(|| triangle(crop.width, width));
        self.across = across.map(|windows| self.kernels.pack_windows(windows, channels));
        self.slots = self.down.as_ref().map_or(1, |windows| windows.taps);
        // A row may begin a column before the crop.
        self.pitch = ((crop.width as usize + 1) * channels + SLACK).next_multiple_of(SLACK);
        self.ring.resize(self.slots * self.pitch, 0);
        self.rows.reserve(self.slots);
        self.mixed.resize(crop.width as usize * channels + SLACK, 0);
        self.row.resize(width as usize * channels, 0);
    }
}

/// Rows of a frame's part.
struct Source<'a> {
    frame: &'a Frame,
    crop: Crop,
    channels: usize,
    kernels: &'static dyn Kernels,
}

impl<'a> Source<'a> {
    fn new(frame: &'a Frame, task: Task, kernels: &'static dyn Kernels) -> Source<'a> {
        Source { frame, crop: task.crop, channels: task.channels, kernels }
    }

    /// The part's bytes from its first pixel on and the bytes from row to row, where the frame has them as they are wanted.
    fn in_place(&self) -> Option<(&'a [u8], usize)> {
        let own = match self.frame.format {
            PixelFormat::Rgb8 => self.channels == 3,
            PixelFormat::Gray8 => self.channels == 1,
            _ => false,
        };
        let pitch = self.frame.width as usize * self.channels;
        let first = self.crop.y as usize * pitch + self.crop.x as usize * self.channels;
        own.then(|| (&self.frame.data[first..], pitch))
    }

    /// Bytes of a converted row before the part's first pixel: chroma is read from an even column on.
    fn skipped_bytes(&self) -> usize {
        self.crop.x as usize % 2 * self.channels
    }

    /// Writes a row of the part in the wanted channels.
    fn convert(&self, row: usize, out: &mut [u8]) {
        let skipped = self.crop.x as usize % 2;
        let width = self.crop.width as usize + skipped;
        let pixels = self.frame.row(self.crop.y as usize + row, self.crop.x as usize - skipped, width);
        let out = &mut out[..width * self.channels];
        match self.channels {
            1 => self.kernels.gray_row(pixels, out),
            _ => self.kernels.rgb_row(pixels, out),
        }
    }
}
