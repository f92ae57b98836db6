//! Kernels for x86-64 with 8-bit dot products of four terms (VNNI): one text for registers of 512 and of 256 bits.

mod depthwise;
mod filter;
mod matrix;
mod panel;
mod requantize;
mod rows;
mod tile;
mod vector;
mod ymm;
mod zmm;

use std::ops::Range;

use super::avx2::operators::HasAvx2;
use crate::kernels::{
    Depthwise, Epilogue, Isa, Kernels, Matrix, Output, PackedDepthwise, PackedMatrix, Patches, Scratch,
};
use ymm::Ymm;
use zmm::Zmm;

/// The kernels of AVX512-VNNI. A value exists only where the processor has it, and AVX2.
pub struct Avx512Vnni(());

impl Avx512Vnni {
    /// The kernels, if this processor can run them.
    pub fn new() -> Option<&'static Avx512Vnni> {
        static KERNELS: Avx512Vnni = Avx512Vnni(());
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        found.then_some(&KERNELS)
    }
}

/// The kernels of AVX-VNNI. A value exists only where the processor has it, and AVX2.
pub struct AvxVnni(());

impl AvxVnni {
    /// The kernels, if this processor can run them.
    pub fn new() -> Option<&'static AvxVnni> {
        static KERNELS: AvxVnni = AvxVnni(());
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni")).then_some(&KERNELS)
    }
}

// SAFETY: values are made where AVX2 was detected, and nowhere else.
#[allow(unsafe_code)]
unsafe impl HasAvx2 for Avx512Vnni {}

// SAFETY: values are made where AVX2 was detected, and nowhere else.
#[allow(unsafe_code)]
unsafe impl HasAvx2 for AvxVnni {}

impl Kernels for Avx512Vnni {
    fn isa(&self) -> Isa {
        Isa::Avx512Vnni
    }

    fn pack_matrix(&self, matrix: &Matrix) -> PackedMatrix {
        panel::pack::<Zmm>(matrix)
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
        unsafe { matrix::run::<Zmm>(patches, weights, channels, epilogue, out, scratch) }
    }

    fn pack_depthwise(&self, weights: &Depthwise) -> PackedDepthwise {
        filter::pack::<Zmm>(weights)
    }

    #[allow(unsafe_code)]
    fn depthwise(&self, patches: &Patches, weights: &PackedDepthwise, epilogue: &Epilogue, out: &mut Output) {
        // SAFETY: a value of this type exists only where the processor has the instructions.
        unsafe { depthwise::run::<Zmm>(patches, weights, epilogue, out) }
    }
}

impl Kernels for AvxVnni {
    fn isa(&self) -> Isa {
        Isa::AvxVnni
    }

    fn pack_matrix(&self, matrix: &Matrix) -> PackedMatrix {
        panel::pack::<Ymm>(matrix)
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
        unsafe { matrix::run::<Ymm>(patches, weights, channels, epilogue, out, scratch) }
    }

    fn pack_depthwise(&self, weights: &Depthwise) -> PackedDepthwise {
        filter::pack::<Ymm>(weights)
    }

    #[allow(unsafe_code)]
    fn depthwise(&self, patches: &Patches, weights: &PackedDepthwise, epilogue: &Epilogue, out: &mut Output) {
        // SAFETY: a value of this type exists only where the processor has the instructions.
        unsafe { depthwise::run::<Ymm>(patches, weights, epilogue, out) }
    }
}
