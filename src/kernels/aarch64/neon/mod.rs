//! Kernels of ARMv8.0: Raspberry Pi 3 and 4, Jetson Nano.
//!
//! Products of bytes are summed in 16 bits while that is exact, then added to sums of 32 bits.

mod depthwise;
mod matrix;
mod pairs;
mod tile;
mod winograd;

use core::ops::Range;

use super::depthwise::run;
use super::product;
use crate::kernels::{
    Depthwise, Epilogue, Isa, Kernels, Matrix, Operators, Output, PackedConv3x3, PackedDepthwise,
    PackedMatrix, Patches, Scratch,
};

/// The kernels of [`Isa::Neon`].
pub struct Neon;

impl Operators for Neon {}

#[allow(unsafe_code)]
impl Kernels for Neon {
    fn isa(&self) -> Isa {
        Isa::Neon
    }

    fn pack_matrix(&self, matrix: &Matrix) -> PackedMatrix {
        matrix::pack(matrix)
    }

    fn matrix_scratch_bytes(&self, depth: usize) -> usize {
        product::scratch_bytes::<tile::NeonTiles>(depth)
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
        // SAFETY: every processor of this architecture has NEON; the sizes of `weights` are asserted.
        unsafe {
            if pairs::PairTiles::suit(weights.outputs, weights.depth) {
                product::run::<pairs::PairTiles>(patches, weights, channels, epilogue, out, scratch);
            } else {
                product::run::<tile::NeonTiles>(patches, weights, channels, epilogue, out, scratch);
            }
        }
    }

    fn pack_conv3x3(&self, matrix: &Matrix) -> Option<PackedConv3x3> {
        winograd::weights::pack(matrix)
    }

    fn conv3x3_scratch_bytes(&self, channels: usize) -> usize {
        winograd::scratch_bytes(channels)
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
        winograd::run(patches, weights, channels, epilogue, out, scratch);
    }

    fn pack_depthwise(&self, weights: &Depthwise) -> PackedDepthwise {
        depthwise::pack(weights)
    }

    fn depthwise(&self, patches: &Patches, weights: &PackedDepthwise, epilogue: &Epilogue, out: &mut Output) {
        // SAFETY: as above.
        unsafe { run::<depthwise::NeonFilters>(patches, weights, epilogue, out) }
    }
}
