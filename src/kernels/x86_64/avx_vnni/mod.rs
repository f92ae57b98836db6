//! Kernels for x86-64 with AVX-VNNI: matrix products of 8-bit numbers in 256 bits; the rest is that of AVX2.

mod products;

use std::ops::Range;

use super::avx2::matrix::{self, Products};
use super::avx2::operators::HasAvx2;
use super::avx2::{depthwise, filter, panel};
use crate::kernels::{
    Depthwise, Epilogue, Isa, Kernels, Matrix, Output, PackedDepthwise, PackedMatrix, Patches, Scratch,
};
use products::Bytes;

/// The kernels of AVX-VNNI. A value exists only where the processor has AVX-VNNI and AVX2.
pub struct AvxVnni(());

impl AvxVnni {
    /// The kernels, if this processor can run them.
    pub fn new() -> Option<&'static AvxVnni> {
        static AVX_VNNI: AvxVnni = AvxVnni(());
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni")).then_some(&AVX_VNNI)
    }
}

// SAFETY: values are made where AVX2 was detected, and nowhere else.
#[allow(unsafe_code)]
unsafe impl HasAvx2 for AvxVnni {}

impl Kernels for AvxVnni {
    fn isa(&self) -> Isa {
        Isa::AvxVnni
    }

    fn pack_matrix(&self, matrix: &Matrix) -> PackedMatrix {
        panel::pack::<{ Bytes::TERMS }>(matrix)
    }

    fn matrix_scratch_bytes(&self, depth: usize) -> usize {
        matrix::scratch_bytes::<Bytes>(depth)
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
        // SAFETY: a value of this type exists only where the processor has AVX2 and AVX-VNNI.
        unsafe { matrix::run::<Bytes>(patches, weights, channels, epilogue, out, scratch) }
    }

    fn pack_depthwise(&self, weights: &Depthwise) -> PackedDepthwise {
        filter::pack(weights)
    }

    #[allow(unsafe_code)]
    fn depthwise(&self, patches: &Patches, weights: &PackedDepthwise, epilogue: &Epilogue, out: &mut Output) {
        // SAFETY: a value of this type exists only where the processor has AVX2.
        unsafe { depthwise::run(patches, weights, epilogue, out) }
    }
}
