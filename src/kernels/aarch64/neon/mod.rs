//! Kernels of ARMv8.0: Raspberry Pi 3 and 4, Jetson Nano.
//!
//! Products of bytes are summed in 16 bits while that is exact, then added to sums of 32 bits.

mod filters;
mod matrix;
mod pairs;
mod tile;
mod winograd;

use core::ops::Range;

use super::depthwise;
use super::product::{run, scratch_bytes};
use super::shared::forwarded;
use crate::kernels::{
    Depthwise, Epilogue, Isa, Kernels, Matrix, Operators, Output, PackedConv3x3, PackedDepthwise,
    PackedMatrix, Patches, Scratch,
};

/// The kernels of [`Isa::Neon`].
pub struct Neon;

impl Operators for Neon {}

#[allow(unsafe_code)]
impl Kernels for Neon {
    forwarded! { isa: Isa::Neon, product: product, scratch: scratch_bytes::<tile::NeonTiles>, filters: filters::NeonFilters }

    forwarded! { conv3x3: winograd }
}

/// The product with the tiles that suit it.
///
/// # Safety
/// As [`run`].
#[allow(unsafe_code)]
unsafe fn product(
    patches: &Patches,
    weights: &PackedMatrix,
    channels: Range<usize>,
    epilogue: &Epilogue,
    out: &mut Output,
    scratch: &mut Scratch,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if pairs::PairTiles::suit(weights.outputs, weights.depth) {
            run::<pairs::PairTiles>(patches, weights, channels, epilogue, out, scratch);
        } else {
            run::<tile::NeonTiles>(patches, weights, channels, epilogue, out, scratch);
        }
    }
}
