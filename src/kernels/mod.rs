//! Integer kernels: slices and parameters in, the same bits out on every processor. They know no graph.
//!
//! [`generic`] is the definition. The kernels of an instruction set (`x86_64`, `aarch64`) override what they do
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

#[cfg(test)]
mod conformance;
pub mod generic;
mod image;
mod isa;
mod matrix;
mod memory;
mod operators;
mod pixels;

#[cfg(target_arch = "aarch64")]
pub mod aarch64;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;

pub use isa::{Isa, IsaError, available, best};
pub use matrix::{
    Depthwise, Epilogue, Matrix, Output, PackedConv3x3, PackedDepthwise, PackedMatrix, Patches, Residual,
};
pub use memory::{Lines, Scratch};
pub use operators::{
    AddParams, Between, LONGEST_PRODUCT, LONGEST_SUM, LayerNormParams, LinearParams, MulParams, Operand,
    Operators, Padding, ProductParams, Quantization, Resize, SumParams,
};
pub use pixels::{LookUp, PackedWindows, PixelRow, Pixels, Windows};

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

/// The kernels of one instruction set; those of operators without weights are in [`Operators`], those of frames in
/// [`Pixels`]. Methods that an instruction set
/// does not override are the definition's.
pub trait Kernels: Operators + Pixels + Send + Sync {
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

    /// Brings the weights of a 3x3 convolution of stride 1, `matrix.depth` being nine times its channels, into the form in
    /// which [`Kernels::conv3x3`] computes the same as [`Kernels::matrix`] with less work: fewer multiplications, or no copies
    /// of patches. `None` where this instruction set has no such kernel, where it would not be faster, or where it might not
    /// be exact.
    fn pack_conv3x3(&self, matrix: &Matrix) -> Option<PackedConv3x3> {
        let _ = matrix;
        None
    }

    /// Bytes of scratch that [`Kernels::conv3x3`] needs for `channels` input channels.
    fn conv3x3_scratch_bytes(&self, channels: usize) -> usize {
        let _ = channels;
        0
    }

    /// What [`Kernels::matrix`] computes from the same arguments, for patches of three runs of three pixels or of nine
    /// taps of one pixel, with `patches.step` equal to the input channels.
    ///
    /// # Panics
    /// For weights that are not of this instruction set's `pack_conv3x3`, and for other patches.
    fn conv3x3(
        &self,
        patches: &Patches,
        weights: &PackedConv3x3,
        channels: std::ops::Range<usize>,
        epilogue: &Epilogue,
        out: &mut Output,
        scratch: &mut Scratch,
    ) {
        let _ = (patches, weights, channels, epilogue, out, scratch);
        panic!("{} has no 3x3 convolution of its own", self.isa());
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
}
