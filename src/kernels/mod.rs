//! Integer kernels: slices and parameters in, the same bits out on every processor. They know no graph.
//!
//! [`generic`] is the definition. The kernels of an instruction set ([`x86_64`], [`aarch64`]) override what they do
//! faster and give the same bits for any input. [`best`] chooses at run time; `SEDGE_ISA` forces one.
//!
//! # Arithmetic
//!
//! A quantized value `q` stands for `(q - zero_point) * scale`. Activations are stored as [`Q`]: unsigned on x86, whose
//! dot products take `u8 x i8`, signed on ARM, whose dot products take `i8 x i8`. [`Q_OFFSET`] is the difference between
//! the stored value and the unsigned one; zero points and bounds given to kernels are those of stored values, so results
//! mean the same everywhere. Convolutions and matrix products compute
//!
//! ```text
//! acc[i32] = bias[c] + sum((x - x_zero) * w[c])
//! y        = round_half_even(clamp(f32(acc) * multiplier[c], low - y_zero, high - y_zero)) + y_zero
//! ```
//!
//! where `i32 -> f32` rounds to nearest even and the product is one f32 multiplication, never fused with an addition.

pub mod generic;
#[cfg(test)]
mod conformance;
mod isa;
mod matrix;
mod memory;
mod operators;

#[cfg(target_arch = "aarch64")]
pub mod aarch64;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;

pub use isa::{Isa, IsaError, available, best};
pub use matrix::{Depthwise, Epilogue, Matrix, Output, PackedDepthwise, PackedMatrix, Patches, Residual};
pub use memory::{Lines, Scratch};
pub use operators::{
    AddParams, Between, LONGEST_PRODUCT, LONGEST_SUM, LayerNormParams, LinearParams, MulParams, Operand,
    Padding, ProductParams, Quantization, Resize, SumParams,
};

/// A stored activation.
#[cfg(target_arch = "aarch64")]
pub type Q = i8;
/// A stored activation.
#[cfg(not(target_arch = "aarch64"))]
pub type Q = u8;

/// Stored value minus unsigned value.
pub const Q_OFFSET: i32 = Q::MIN as i32;

/// The stored form of an unsigned 8-bit value.
#[inline(always)]
pub fn stored(unsigned: u8) -> Q {
    (i32::from(unsigned) + Q_OFFSET) as Q
}

/// The unsigned 8-bit value of a stored one.
#[inline(always)]
pub fn unsigned(stored: Q) -> u8 {
    (i32::from(stored) - Q_OFFSET) as u8
}

/// The kernels of one instruction set. Methods that an instruction set does not override are the definition's.
pub trait Kernels: Send + Sync {
    /// Which instruction set.
    fn isa(&self) -> Isa;

    /// Brings the weights of a matrix product into the order in which this instruction set reads them.
    fn pack_matrix(&self, matrix: &Matrix) -> PackedMatrix {
        generic::matrix::pack(matrix)
    }

    /// Bytes of scratch that [`Kernels::matrix`] needs for a product of `depth` terms.
    fn matrix_scratch_bytes(&self, depth: usize) -> usize {
        let _ = depth;
        0
    }

    /// Products of patches and weights, requantized: `out[p][c] = requantize(bias[c] + sum_k((patch[p][k] - zero) * w[c][k]))`
    /// for output channels `channels` of the packed matrix (the first of them goes to `out.data[0]`).
    fn matrix(
        &self,
        patches: &Patches,
        weights: &PackedMatrix,
        channels: std::ops::Range<usize>,
        epilogue: &Epilogue,
        out: &mut Output,
        scratch: &mut Scratch,
    ) {
        let _ = scratch;
        generic::matrix::run(patches, weights, channels, epilogue, out);
    }

    /// Brings the weights of a depthwise convolution into the order in which this instruction set reads them.
    fn pack_depthwise(&self, weights: &Depthwise) -> PackedDepthwise {
        generic::depthwise::pack(weights)
    }

    /// Depthwise convolution, one filter a channel: `out[p][c] = requantize(bias[c] + sum_t((tap[p][t][c] - zero) * w[t][c]))`.
    /// `patches.run` is the number of channels.
    fn depthwise(&self, patches: &Patches, weights: &PackedDepthwise, epilogue: &Epilogue, out: &mut Output) {
        generic::depthwise::run(patches, weights, epilogue, out);
    }

    // Operators without weights. `round` rounds half to even after bounding; NaN becomes the lower bound.

    /// `out[i] = tables[c][unsigned(x[i])]`, `c = i % channels`; `tables` is `[channels][256]` of stored values, and the size
    /// of `input` and `out` is a multiple of the channels.
    fn table(&self, tables: &[Q], input: &[Q], out: &mut [Q]) {
        generic::table::table(tables, input, out);
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
        range: std::ops::Range<usize>,
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

    /// Linear resize of `input`, `[height][width][channels]`: `out` is `[rows][columns][channels]`. See [`LinearParams`].
    fn linear(&self, input: &[Q], resize: &Resize<Between>, params: &LinearParams, out: &mut [Q]) {
        generic::resize::linear(input, resize, params, out);
    }

    /// Index of the largest value of each row of `channels` (1..=256) values, the first of equals; class numbers are
    /// written as `class as u8 as Q`, without the offset of activations.
    fn argmax(&self, input: &[Q], channels: usize, out: &mut [Q]) {
        generic::argmax::argmax(input, channels, out);
    }

    /// [`Kernels::argmax`] of `input`, `[height][width][channels]`, dequantized to `f32(x - zero) * scale` and resized (along
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

    /// [`Kernels::quantize`] from planes to pixels: channel `c` of pixel `p` of the image is `input[c * plane + p]`; the part
    /// `pixels` of them is written, its pixel `p` at `out.at(p)`.
    fn quantize_image(
        &self,
        input: &[f32],
        plane: usize,
        pixels: std::ops::Range<usize>,
        quantization: &Quantization,
        out: &mut Output,
    ) {
        generic::edges::quantize_image(input, plane, pixels, quantization, out);
    }

    /// `f32(q - zero) * scale`.
    fn dequantize(&self, input: &[Q], quantization: &Quantization, out: &mut [f32]) {
        generic::edges::dequantize(input, quantization, out);
    }

    /// [`Kernels::dequantize`] from pixels to planes: `input` is `[pixels][channels]`, `out` `[range.len()][pixels]`, the
    /// channels `range` only.
    fn dequantize_image(
        &self,
        input: &[Q],
        channels: usize,
        range: std::ops::Range<usize>,
        quantization: &Quantization,
        out: &mut [f32],
    ) {
        generic::edges::dequantize_image(input, channels, range, quantization, out);
    }
}
