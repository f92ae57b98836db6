//! Kernels for x86-64 with AVX2: products of 16-bit numbers, which are exact, where pairs of 8-bit products saturate.

mod argmax;
pub(super) mod depthwise;
mod edges;
mod elementwise;
pub(super) mod filter;
pub(super) mod matrix;
pub mod operators;
pub(super) mod panel;
mod pixels;
mod product;
mod products;
pub(super) mod requantize;
mod resize;
pub(super) mod rows;
mod strip;
mod table;
mod three;
pub(super) mod tile;
mod vector;
mod winograd;

use std::ops::Range;

use matrix::Products;
use products::Wide;

use crate::kernels::{
    Depthwise, Epilogue, Isa, Kernels, Matrix, Output, PackedConv3x3, PackedDepthwise, PackedMatrix, Patches,
    Scratch,
};

/// The kernels of AVX2. A value exists only where the processor has AVX2.
pub struct Avx2(());

impl Avx2 {
    /// The kernels, if this processor can run them.
    pub fn new() -> Option<&'static Avx2> {
        static AVX2: Avx2 = Avx2(());
        is_x86_feature_detected!("avx2").then_some(&AVX2)
    }
}

// SAFETY: values are made where AVX2 was detected, and nowhere else.
#[allow(unsafe_code)]
unsafe impl operators::HasAvx2 for Avx2 {}

impl Kernels for Avx2 {
    fn isa(&self) -> Isa {
        Isa::Avx2
    }

    fn pack_matrix(&self, matrix: &Matrix) -> PackedMatrix {
        panel::pack::<{ Wide::TERMS }>(matrix)
    }

    fn matrix_scratch_bytes(&self, depth: usize) -> usize {
        matrix::scratch_bytes::<Wide>(depth)
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
        // SAFETY: a value of this type exists only where the processor has AVX2.
        unsafe { matrix::run::<Wide>(patches, weights, channels, epilogue, out, scratch) }
    }

    fn pack_conv3x3(&self, matrix: &Matrix) -> Option<PackedConv3x3> {
        winograd::weights::pack(matrix)
    }

    fn conv3x3_scratch_bytes(&self, channels: usize) -> usize {
        winograd::scratch_bytes(channels)
    }

    #[allow(unsafe_code)]
    fn conv3x3(
        &self,
        patches: &Patches,
        weights: &PackedConv3x3,
        channels: Range<usize>,
        epilogue: &Epilogue,
        out: &mut Output,
        scratch: &mut Scratch,
    ) {
        // SAFETY: a value of this type exists only where the processor has AVX2.
        unsafe { winograd::run(patches, weights, channels, epilogue, out, scratch) }
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
