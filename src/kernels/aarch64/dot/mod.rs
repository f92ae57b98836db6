//! Kernels with dot products of four (ARMv8.2): Raspberry Pi 5, Jetson Orin, most phones.

mod depthwise;
mod direct;
mod matrix;
mod planes;
mod tile;

use core::ops::Range;

use super::depthwise::run;
use super::product;
use crate::kernels::{
    Depthwise, Epilogue, Isa, Kernels, Matrix, Operators, Output, PackedConv3x3, PackedDepthwise,
    PackedMatrix, Patches, Scratch,
};

/// The kernels of [`Isa::NeonDot`]; a value exists only where the processor has the instructions.
pub struct NeonDot(());

static NEON_DOT: NeonDot = NeonDot(());

impl NeonDot {
    /// The kernels, if this processor can run them.
    pub fn detected() -> Option<&'static NeonDot> {
        std::arch::is_aarch64_feature_detected!("dotprod").then_some(&NEON_DOT)
    }
}

impl Operators for NeonDot {}

#[allow(unsafe_code)]
impl Kernels for NeonDot {
    fn isa(&self) -> Isa {
        Isa::NeonDot
    }

    fn pack_matrix(&self, matrix: &Matrix) -> PackedMatrix {
        matrix::pack(matrix)
    }

    fn matrix_scratch_bytes(&self, depth: usize) -> usize {
        product::scratch_bytes::<tile::DotTiles>(depth)
    }

    fn matrix(
        &self,
        patches: &Patches,
        weights: &PackedMatrix,
        channels: Range<usize>,
        epilogue: &Epilogue,
        out: &mut Output,
        scratch: &mut Scratch,
    ) {
        // SAFETY: `self` exists only where the processor has dot products; the sizes of `weights` are asserted.
        unsafe { product::run::<tile::DotTiles>(patches, weights, channels, epilogue, out, scratch) }
    }

    fn pack_conv3x3(&self, matrix: &Matrix) -> Option<PackedConv3x3> {
        direct::pack(matrix)
    }

    fn conv3x3_scratch_bytes(&self, channels: usize) -> usize {
        direct::scratch_bytes(channels)
    }

    fn conv3x3(
        &self,
        patches: &Patches,
        weights: &PackedConv3x3,
        channels: Range<usize>,
        epilogue: &Epilogue,
        out: &mut Output,
        scratch: &mut Scratch,
    ) {
        // SAFETY: as above.
        unsafe { direct::run(patches, weights, channels, epilogue, out, scratch) }
    }

    fn pack_depthwise(&self, weights: &Depthwise) -> PackedDepthwise {
        depthwise::pack(weights)
    }

    fn depthwise(&self, patches: &Patches, weights: &PackedDepthwise, epilogue: &Epilogue, out: &mut Output) {
        // SAFETY: as above.
        unsafe { run::<depthwise::DotFilters>(patches, weights, epilogue, out) }
    }
}
