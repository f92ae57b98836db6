//! Kernels for x86-64 with AVX512-VNNI: matrix products of 8-bit numbers in 512 bits; the rest is that of AVX2.

mod matrix;
mod panel;
mod tile;

use std::ops::Range;

use super::avx2::operators::HasAvx2;
use super::avx2::{depthwise, filter};
use crate::kernels::{
    Depthwise, Epilogue, Isa, Kernels, Matrix, Output, PackedDepthwise, PackedMatrix, Patches, Scratch,
};

/// The kernels of AVX512-VNNI. A value exists only where the processor has AVX512 F, BW, VL and VNNI, and AVX2.
pub struct Avx512Vnni(());

impl Avx512Vnni {
    /// The kernels, if this processor can run them.
    pub fn new() -> Option<&'static Avx512Vnni> {
        static AVX512_VNNI: Avx512Vnni = Avx512Vnni(());
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        has.then_some(&AVX512_VNNI)
    }
}

// SAFETY: values are made where AVX2 was detected, and nowhere else.
#[allow(unsafe_code)]
unsafe impl HasAvx2 for Avx512Vnni {}

impl Kernels for Avx512Vnni {
    fn isa(&self) -> Isa {
        Isa::Avx512Vnni
    }

    fn pack_matrix(&self, matrix: &Matrix) -> PackedMatrix {
        panel::pack(matrix)
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
        // SAFETY: a value of this type exists only where the processor has these instructions.
        unsafe { matrix::run(patches, weights, channels, epilogue, out, scratch) }
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
