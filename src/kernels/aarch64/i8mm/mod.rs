//! Kernels with products of 2x8 by 8x2 matrices (ARMv8.6): recent phones and servers.

mod matrix;
mod tile;

use core::ops::Range;

use super::{NeonDot, product};
use crate::kernels::{
    Depthwise, Epilogue, Isa, Kernels, Matrix, Operators, Output, PackedDepthwise, PackedMatrix, Patches,
    Scratch,
};

/// The kernels of [`Isa::NeonI8mm`]; a value exists only where the processor has the instructions. Depthwise
/// convolutions are those of [`NeonDot`].
pub struct NeonI8mm(&'static NeonDot);

impl NeonI8mm {
    /// The kernels, if this processor can run them.
    pub fn detected() -> Option<&'static NeonI8mm> {
        static FOUND: std::sync::OnceLock<Option<NeonI8mm>> = std::sync::OnceLock::new();
        let detect =
            || NeonDot::detected().filter(|_| std::arch::is_aarch64_feature_detected!("i8mm")).map(NeonI8mm);
        FOUND.get_or_init(detect).as_ref()
    }
}

impl Operators for NeonI8mm {}

#[allow(unsafe_code)]
impl Kernels for NeonI8mm {
    fn isa(&self) -> Isa {
        Isa::NeonI8mm
    }

    fn pack_matrix(&self, matrix: &Matrix) -> PackedMatrix {
        matrix::pack(matrix)
    }

    fn matrix_scratch_bytes(&self, depth: usize) -> usize {
        product::scratch_bytes::<tile::MatrixTiles>(depth)
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
        // SAFETY: `self` exists only where the processor has these products; the sizes of `weights` are asserted.
        unsafe { product::run::<tile::MatrixTiles>(patches, weights, channels, epilogue, out, scratch) }
    }

    fn pack_depthwise(&self, weights: &Depthwise) -> PackedDepthwise {
        self.0.pack_depthwise(weights)
    }

    fn depthwise(&self, patches: &Patches, weights: &PackedDepthwise, epilogue: &Epilogue, out: &mut Output) {
        self.0.depthwise(patches, weights, epilogue, out);
    }
}
