//! Kernels for x86-64 with 8-bit dot products of four terms (VNNI): one text for registers of 512 and of 256 bits.
//!
//! | file | what |
//! |---|---|
//! | `vector` | what is asked of a register; `zmm` and `ymm` have it |
//! | `panel`, `rows`, `tile`, `matrix` | matrix products: weights, patches, the inner loop, the order of the work |
//! | `filter`, `depthwise` | depthwise convolution: weights, all the rest |
//! | `requantize` | from sums to stored values, for both |
//!
//! The dot product takes unsigned values and signed weights, four pairs a lane, and does not saturate. It knows no zero
//! point: that is folded into the bias.

mod depthwise;
mod filter;
mod matrix;
mod panel;
mod requantize;
mod rows;
#[cfg(test)]
mod tests;
mod tile;
mod vector;
mod ymm;
mod zmm;

use std::marker::PhantomData;
use std::ops::Range;

use super::avx2::operators::HasAvx2;
use crate::kernels::{
    Depthwise, Epilogue, Isa, Kernels, Matrix, Output, PackedDepthwise, PackedMatrix, Patches, Scratch,
};
use vector::Vector;

/// The kernels with registers of one size. A value exists only where the processor has the instructions, and AVX2.
pub struct Vnni<T>(PhantomData<T>);

/// The kernels of AVX512-VNNI.
pub type Avx512Vnni = Vnni<zmm::Zmm>;
/// The kernels of AVX-VNNI.
pub type AvxVnni = Vnni<ymm::Ymm>;

impl<T: Vector> Vnni<T> {
    /// The kernels, if this processor can run them.
    pub fn new() -> Option<&'static Vnni<T>> {
        T::found().then_some(&Vnni(PhantomData))
    }
}

// SAFETY: values are made where AVX2 was found, and nowhere else.
#[allow(unsafe_code)]
unsafe impl<T: Vector> HasAvx2 for Vnni<T> {}

impl<T: Vector> Kernels for Vnni<T> {
    fn isa(&self) -> Isa {
        T::ISA
    }

    fn pack_matrix(&self, matrix: &Matrix) -> PackedMatrix {
        panel::pack::<T>(matrix)
    }

    fn matrix_scratch_bytes(&self, depth: usize) -> usize {
        matrix::scratch_bytes(depth)
    }

    #[allow(unsafe_code)]
    fn matrix(
        &self,
        patches: &Patches,
        weights: &PackedMatrix,
        channels: Range<usize>,
        epilogue: &Epilogue,
        out: &mut Output,
        scratch: &mut Scratch,
    ) {
        // SAFETY: a value of this type exists only where the processor has the instructions.
        unsafe { matrix::run::<T>(patches, weights, channels, epilogue, out, scratch) }
    }

    fn pack_depthwise(&self, weights: &Depthwise) -> PackedDepthwise {
        filter::pack::<T>(weights)
    }

    #[allow(unsafe_code)]
    fn depthwise(&self, patches: &Patches, weights: &PackedDepthwise, epilogue: &Epilogue, out: &mut Output) {
        // SAFETY: a value of this type exists only where the processor has the instructions.
        unsafe { depthwise::run::<T>(patches, weights, epilogue, out) }
    }
}
