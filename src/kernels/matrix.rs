//! (NOTE to authors of kernels, delete when read: Output now has step, row_step, width: pixel p goes to out.at(p); rows may lie apart.)
//! What convolutions and matrix products take: patches of an image, weights before and after packing, an epilogue.

use super::{Lines, Q};

/// Where the input of each output pixel lies. The image is in rows that already include their padding, so that a patch
/// is at regular distances: run `t` of the patch of pixel `(y, x)` is
/// `data[taps[t] + y * row_step + x * step ..][..run]`, and its `taps.len() * run` values in this order meet the `k` of
/// the weights.
#[derive(Clone, Copy, Debug)]
pub struct Patches<'a> {
    /// The values.
    pub data: &'a [Q],
    /// Where the runs of the first pixel begin. Runs may overlap or be the same.
    pub taps: &'a [usize],
    /// Contiguous values of a run.
    pub run: usize,
    /// Values from a pixel to the next of its row.
    pub step: usize,
    /// Values from a row to the next.
    pub row_step: usize,
    /// Output pixels in a row.
    pub width: usize,
    /// Rows of output pixels.
    pub height: usize,
}

impl Patches<'_> {
    /// Output pixels.
    pub fn pixels(&self) -> usize {
        self.width * self.height
    }

    /// Values of one patch.
    pub fn depth(&self) -> usize {
        self.taps.len() * self.run
    }

    /// Where the patch of output pixel `index` (row by row) begins, to be added to each tap.
    pub fn base(&self, index: usize) -> usize {
        index / self.width * self.row_step + index % self.width * self.step
    }

    /// One past the last value that any patch reads; 0 if there is none.
    pub fn end(&self) -> usize {
        match self.taps.iter().max() {
            Some(tap) if self.pixels() > 0 && self.run > 0 => {
                tap + (self.height - 1) * self.row_step + (self.width - 1) * self.step + self.run
            }
            _ => 0,
        }
    }
}

/// Weights of a matrix product or of a convolution seen as one.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// Output channels.
    pub outputs: usize,
    /// Terms of each sum.
    pub depth: usize,
    /// `[outputs][depth]`.
    pub weights: &'a [i8],
    /// One for each output channel, in units of the accumulator.
    pub bias: &'a [i32],
    /// Zero point of the input, stored form.
    pub zero_point: i32,
}

/// A [`Matrix`] in the order of one instruction set.
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    /// Output channels.
    pub outputs: usize,
    /// Terms of each sum.
    pub depth: usize,
    /// The weights; their order is the instruction set's affair.
    pub data: Lines,
    /// One for each output channel, padded as the instruction set likes; may have the zero point folded in.
    pub bias: Vec<i32>,
    /// Zero point of the input, stored form.
    pub zero_point: i32,
}

/// Weights of a dense 3x3 convolution of stride 1 for a kernel of its own, which computes [`PackedConv3x3::ROWS`] rows of
/// output together.
#[derive(Clone, Debug)]
pub struct PackedConv3x3 {
    /// Output channels.
    pub outputs: usize,
    /// Input channels.
    pub channels: usize,
    /// The weights; their order is the instruction set's affair.
    pub data: Lines,
    /// One for each output channel, padded as the instruction set likes; may have the zero point folded in.
    pub bias: Vec<i32>,
}

impl PackedConv3x3 {
    /// Rows and columns of a tile. Any number of rows can be computed, a multiple of this without waste.
    pub const ROWS: usize = 4;
}

/// Weights of a depthwise convolution.
#[derive(Clone, Copy, Debug)]
pub struct Depthwise<'a> {
    /// Channels.
    pub channels: usize,
    /// Taps of the filter, e.g. 9.
    pub taps: usize,
    /// `[taps][channels]`.
    pub weights: &'a [i8],
    /// One for each channel, in units of the accumulator.
    pub bias: &'a [i32],
    /// Zero point of the input, stored form.
    pub zero_point: i32,
}

/// A [`Depthwise`] in the order of one instruction set.
#[derive(Clone, Debug)]
pub struct PackedDepthwise {
    /// Channels.
    pub channels: usize,
    /// Taps of the filter.
    pub taps: usize,
    /// The weights; their order is the instruction set's affair.
    pub data: Lines,
    /// One for each channel, padded as the instruction set likes; may have the zero point folded in.
    pub bias: Vec<i32>,
    /// Zero point of the input, stored form.
    pub zero_point: i32,
}

/// From sums to stored values.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// For each output channel of the whole matrix: input scale times weight scale over output scale.
    pub multipliers: &'a [f32],
    /// Zero point of the output, stored form.
    pub zero_point: i32,
    /// Lowest stored value of the output: the type's, or an activation's.
    pub low: i32,
    /// Highest stored value of the output.
    pub high: i32,
    /// Another tensor to be added after requantizing.
    pub residual: Option<Residual<'a>>,
}

/// A tensor added to the requantized output `y` of a product:
/// `round_half_even(clamp(f32(y - y_zero) * own + f32(data - data_zero) * other, low - zero, high - zero)) + zero`
/// (each product rounded to f32, then their sum).
#[derive(Clone, Copy, Debug)]
pub struct Residual<'a> {
    /// Value of output channel `c` of pixel `p` at `[p * stride + c]`, `c` counted from the first channel computed.
    pub data: &'a [Q],
    /// Values from a pixel to the next.
    pub stride: usize,
    /// Zero point of `data`, stored form.
    pub data_zero: i32,
    /// Scale of the product's output over scale of the sum.
    pub own: f32,
    /// Scale of `data` over scale of the sum.
    pub other: f32,
    /// Zero point of the sum, stored form.
    pub zero_point: i32,
    /// Lowest stored value of the sum.
    pub low: i32,
    /// Highest stored value of the sum.
    pub high: i32,
}

/// Where output goes: channel `c` of pixel `(y, x)` at `data[y * row_step + x * step + c]`. Pixels of the patches go row
/// by row, so that pixel `p` is `(p / width, p % width)`: rows may have padding between them, or lie inside a larger
/// tensor, or leave out every other pixel.
#[derive(Debug)]
pub struct Output<'a> {
    /// The values.
    pub data: &'a mut [Q],
    /// Values from a pixel to the next of its row.
    pub step: usize,
    /// Values from a row to the next.
    pub row_step: usize,
    /// Pixels in a row: the width of the patches.
    pub width: usize,
}

impl Output<'_> {
    /// Where the channels of pixel `index` begin.
    pub fn at(&self, index: usize) -> usize {
        index / self.width * self.row_step + index % self.width * self.step
    }
}
