//! What the operators besides convolutions and products with weights take. Zero points and bounds are those of stored
//! values, bounds inclusive; scales are positive and finite.

use super::Q;

/// The second tensor of an addition or a multiplication; the first has as many values as the output.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// As many values as the output.
    Same(&'a [Q]),
    /// One value for each channel, the last and fastest dim of the output, whose size is a multiple of them.
    Channels(&'a [Q]),
    /// One value for each pixel: each meets the same number of neighbouring values of the output.
    Pixels(&'a [Q]),
    /// One value for all.
    One(Q),
}

/// `round(f32(a - a_zero) * factors[0] + f32(b - b_zero) * factors[1]) + zero`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddParams {
    /// Scale of each tensor over that of the output; negative for a subtraction.
    pub factors: [f32; 2],
    /// Zero point of the first tensor.
    pub a_zero: i32,
    /// Zero point of the second.
    pub b_zero: i32,
    /// Zero point of the output.
    pub zero: i32,
    /// Lowest value of the output.
    pub low: i32,
    /// Highest value of the output.
    pub high: i32,
}

/// `round(f32((a - a_zero) * (b - b_zero)) * multiplier) + zero`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MulParams {
    /// Product of the scales over that of the output.
    pub multiplier: f32,
    /// Zero point of the first tensor.
    pub a_zero: i32,
    /// Zero point of the second.
    pub b_zero: i32,
    /// Zero point of the output.
    pub zero: i32,
    /// Lowest value of the output.
    pub low: i32,
    /// Highest value of the output.
    pub high: i32,
}

/// A product of two computed tensors: `round(f32(sum_k((a - a_zero) * (b - b_zero))) * multiplier) + zero`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProductParams {
    /// Terms of each sum, at most [`LONGEST_PRODUCT`].
    pub k: usize,
    /// Columns of the second matrix.
    pub n: usize,
    /// Whether the second matrix is `[n][k]`; otherwise `[k][n]`.
    pub transposed: bool,
    /// As in a multiplication of elements.
    pub mul: MulParams,
}

/// Terms up to which a sum of products of two differences of 8-bit values surely fits 32 bits.
pub const LONGEST_PRODUCT: usize = i32::MAX as usize / (255 * 255);

/// A mean or a sum: `round(f32(sum(x - input_zero)) * factor) + zero`. The factor is that of the operator or of each pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SumParams {
    /// Zero point of the input.
    pub input_zero: i32,
    /// Zero point of the output.
    pub zero: i32,
    /// Lowest value of the output.
    pub low: i32,
    /// Highest value of the output.
    pub high: i32,
}

/// Terms up to which a sum of differences of 8-bit values surely fits 32 bits.
pub const LONGEST_SUM: usize = i32::MAX as usize / 255;

/// Where an output coordinate of a linear resize lies between two input coordinates:
/// `(1 - fraction) * x[low] + fraction * x[high]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Between {
    /// Input coordinate.
    pub low: usize,
    /// The next one, or the same at a border.
    pub high: usize,
    /// From 0 to 1.
    pub fraction: f32,
}

/// A part of a resize: all channels and columns of some rows of output.
#[derive(Clone, Copy, Debug)]
pub struct Resize<'a, Place> {
    /// Columns of the input.
    pub width: usize,
    /// Channels.
    pub channels: usize,
    /// Where each row of the output lies on the input.
    pub rows: &'a [Place],
    /// Where each column of the output lies on the input.
    pub columns: &'a [Place],
}

/// `v = f32(x - input_zero)`, blended along columns, then along rows; `round(v * multiplier) + zero`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearParams {
    /// Zero point of the input.
    pub input_zero: i32,
    /// Scale of the input over that of the output.
    pub multiplier: f32,
    /// Zero point of the output.
    pub zero: i32,
}

/// Layer normalization of rows of the length of `scale` and `shift`.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormParams<'a> {
    /// For each element of a row, over the scale of the output.
    pub scale: &'a [f32],
    /// For each element of a row, over the scale of the output.
    pub shift: &'a [f32],
    /// Added to the variance, in units of real numbers squared.
    pub epsilon: f32,
    /// Scale of the input.
    pub input_scale: f32,
    /// Zero point of the output.
    pub zero: i32,
}

/// What the elements of a padded tensor become that the input does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// One stored value.
    Constant(Q),
    /// The nearest element.
    Edge,
    /// Mirrored at the border, without repeating it.
    Reflect,
}

/// Step between neighbouring values of a tensor, and the stored value that stands for 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// The step.
    pub scale: f32,
    /// The value.
    pub zero: i32,
}
