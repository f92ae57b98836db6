//! Operators besides convolutions and products with weights, and what they take.

use std::ops::Range;

use super::{Output, Patches, Q, generic};

/// The kernels of operators without weights. Methods that an instruction set does not override are the definition's.
///
/// Zero points and bounds are those of stored values, bounds inclusive; scales are positive and finite. `round` rounds half to
/// even, results are bounded; NaN becomes the lower bound.
pub trait Operators {
    /// `out[i] = tables[c][unsigned(x[i])]`, `c = i % channels`; `tables` is `[channels][256]` of stored values, and the size
    /// of `input` and `out` is a multiple of the channels.
    fn table(&self, tables: &[Q], input: &[Q], out: &mut [Q]) {
        generic::table::table(tables, input, out);
    }

    /// [`Operators::table`] with the output in the place of the input.
    fn table_in_place(&self, tables: &[Q], values: &mut [Q]) {
        generic::table::table_in_place(tables, values);
    }

    /// See [`AddParams`]. `a` has the size of `out`.
    fn add(&self, a: &[Q], b: Operand, params: &AddParams, out: &mut [Q]) {
        generic::elementwise::add(a, b, params, out);
    }

    /// See [`MulParams`]. `a` has the size of `out`.
    fn mul(&self, a: &[Q], b: Operand, params: &MulParams, out: &mut [Q]) {
        generic::elementwise::mul(a, b, params, out);
    }

    /// See [`ProductParams`]: `a` is `[m][k]`, `out` `[m][n]`.
    fn product(&self, a: &[Q], b: &[Q], params: &ProductParams, out: &mut [Q]) {
        generic::product::product(a, b, params, out);
    }

    /// `out[p][c]` = largest of `patch[p][tap][c]` over taps; padding in `patches.data` is `Q::MIN`, `patches.run` the
    /// number of channels.
    fn max_pool(&self, patches: &Patches, out: &mut Output) {
        generic::pool::max_pool(patches, out);
    }

    /// Sum over the taps of each patch, times `factors[p]` (one for each pixel of `patches`); padding in `patches.data` is
    /// the input's zero point, `patches.run` the number of channels. See [`SumParams`].
    fn average_pool(&self, patches: &Patches, factors: &[f32], params: &SumParams, out: &mut Output) {
        generic::pool::average_pool(patches, factors, params, out);
    }

    /// Sums of `input`, `[outer][reduced][inner]`, over `reduced` (at most [`LONGEST_SUM`]), times `factor`, for the part
    /// `range` of `inner`: `out` is `[outer][range.len()]`. See [`SumParams`].
    fn reduce(
        &self,
        input: &[Q],
        [reduced, inner]: [usize; 2],
        range: Range<usize>,
        factor: f32,
        params: &SumParams,
        out: &mut [Q],
    ) {
        generic::pool::reduce(input, [reduced, inner], range, factor, params, out);
    }

    /// Nearest resize of `input`, `[height][width][channels]`: `out[i][j] = input[rows[i]][columns[j]]`.
    fn nearest(&self, input: &[Q], resize: &Resize<usize>, out: &mut [Q]) {
        generic::resize::nearest(input, resize, out);
    }

    /// Linear resize of an image: pixel `(i, j)` of `out` lies between the input's rows `rows[i]` and columns `columns[j]`.
    /// `input` is `[height][width][channels]` and begins with row `first_row` of the image. See [`LinearParams`].
    fn linear(
        &self,
        input: &[Q],
        first_row: usize,
        resize: &Resize<Between>,
        params: &LinearParams,
        out: &mut Output,
    ) {
        generic::resize::linear(input, first_row, resize, params, out);
    }

    /// Index of the largest value of each row of `channels` (1..=256) values, the first of equals; class numbers are
    /// written as `class as u8 as Q`, without the offset of activations.
    fn argmax(&self, input: &[Q], channels: usize, out: &mut [Q]) {
        generic::argmax::argmax(input, channels, out);
    }

    /// [`Operators::argmax`] of `input`, `[height][width][channels]`, dequantized to `f32(x - zero) * scale` and resized (along
    /// columns first, then along rows, in f32): `out` is `[rows][columns]`.
    fn resize_argmax(
        &self,
        input: &[Q],
        resize: &Resize<Between>,
        quantization: &Quantization,
        out: &mut [Q],
    ) {
        generic::argmax::resize_argmax(input, resize, quantization, out);
    }

    /// Softmax of each row of `length` values: with `e = exponentials[largest x - x]`, `round(e / sum(e) / scale) + zero`;
    /// the sum goes from the first element to the last. `exponentials` has 256 entries, `output` is the output's quantization.
    fn softmax(
        &self,
        input: &[Q],
        length: usize,
        exponentials: &[f32],
        output: &Quantization,
        out: &mut [Q],
    ) {
        generic::normalize::softmax(input, length, exponentials, output, out);
    }

    /// Layer normalization of each row. With `u = unsigned(x)`, `mean` and `variance` of `u` over the row computed exactly
    /// and rounded to f64, `mean` and `deviation = sqrt(variance + f64(epsilon) / f64(input_scale)^2)` rounded to f32:
    /// `round((f32(u) - mean) / deviation * scale[c] + shift[c]) + zero`.
    fn layer_norm(&self, input: &[Q], params: &LayerNormParams, out: &mut [Q]) {
        generic::normalize::layer_norm(input, params, out);
    }

    /// Copies into the dims `dims` of `out`, where neighbours along dim `d` are `steps[d]` values apart in `input`: a
    /// permutation, or a part of a tensor (`input` begins at its first element).
    fn copy_strided(&self, input: &[Q], dims: &[usize], steps: &[usize], out: &mut [Q]) {
        generic::moves::copy_strided(input, dims, steps, out);
    }

    /// A larger tensor: element `i` along dim `d` of `out` is element `i - before[d]` of `input` where that exists. `input` has
    /// the sizes `dims`, `out` the sizes `out_dims`.
    fn pad(
        &self,
        input: &[Q],
        dims: &[usize],
        before: &[usize],
        padding: Padding,
        out_dims: &[usize],
        out: &mut [Q],
    ) {
        generic::moves::pad(input, dims, before, padding, out_dims, out);
    }

    /// `saturate(round_half_even(x / scale) + zero)`; NaN becomes the zero point.
    fn quantize(&self, input: &[f32], quantization: &Quantization, out: &mut [Q]) {
        generic::edges::quantize(input, quantization, out);
    }

    /// [`Operators::quantize`] from planes to pixels: channel `c` of pixel `p` of the image is `input[c * plane + p]`; the part
    /// `pixels` of them is written, its pixel `p` at `out.at(p)`.
    fn quantize_image(
        &self,
        input: &[f32],
        plane: usize,
        pixels: Range<usize>,
        quantization: &Quantization,
        out: &mut Output,
    ) {
        generic::edges::quantize_image(input, plane, pixels, quantization, out);
    }

    /// `f32(q - zero) * scale`.
    fn dequantize(&self, input: &[Q], quantization: &Quantization, out: &mut [f32]) {
        generic::edges::dequantize(input, quantization, out);
    }

    /// [`Operators::dequantize`] from pixels to planes: `input` is `[pixels][channels]`, `out` `[range.len()][pixels]`, the
    /// channels `range` only.
    fn dequantize_image(
        &self,
        input: &[Q],
        channels: usize,
        range: Range<usize>,
        quantization: &Quantization,
        out: &mut [f32],
    ) {
        generic::edges::dequantize_image(input, channels, range, quantization, out);
    }
}

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
