//! Kernels with products of 2x8 by 8x2 matrices (ARMv8.6): recent phones and servers.

mod matrix;
mod tile;

use core::ops::Range;

use super::depthwise;
use super::dot::{NeonDot, filters};
use super::product::{run, scratch_bytes};
use super::shared::forwarded;
use crate::kernels::{
    Depthwise, Epilogue, Isa, Kernels, Matrix, Operators, Output, PackedDepthwise, PackedMatrix, Patches,
    Scratch,
};

/// The kernels of [`Isa::NeonI8mm`]; a value exists only where the processor has the instructions. Depthwise
/// convolutions are those of [`NeonDot`].
pub struct NeonI8mm(());

impl NeonI8mm {
    /// The kernels, if this processor can run them.
    pub fn detected() -> Option<&'static NeonI8mm> {
        static FOUND: std::sync::OnceLock<Option<NeonI8mm>> = std::sync::OnceLock::new();
        let detect = || {
            NeonDot::detected()
                .filter(|_| std::arch::is_aarch64_feature_detected!("i8mm"))
                .map(|_| NeonI8mm(()))
        };
        FOUND.get_or_init(detect).as_ref()
    }
}

impl Operators for NeonI8mm {}

#[allow(unsafe_code)]
impl Kernels for NeonI8mm {
    forwarded! {
        isa: Isa::NeonI8mm, product: run::<tile::MatrixTiles>, scratch: scratch_bytes::<tile::MatrixTiles>,
        filters: filters::DotFilters
    }
}
