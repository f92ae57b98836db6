//! Kernels with dot products of four (ARMv8.2): Raspberry Pi 5, Jetson Orin, most phones.

mod direct;
pub mod filters;
mod matrix;
mod planes;
mod tile;

use core::ops::Range;

use super::depthwise;
use super::product::{run, scratch_bytes};
use super::shared::forwarded;
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
    forwarded! {
        isa: Isa::NeonDot, product: run::<tile::DotTiles>, scratch: scratch_bytes::<tile::DotTiles>,
        filters: filters::DotFilters
    }

    forwarded! { conv3x3: direct }
}
