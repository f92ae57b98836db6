//! What the kernels of all instruction sets of this architecture have in common.

/// The methods of [`crate::kernels::Kernels`] that only forward to a module of an instruction set: products and depthwise
/// convolutions of each, 3x3 convolutions of those that have them.
macro_rules! forwarded {
    (isa: $isa:expr, product: $product:path, scratch: $scratch:path, filters: $filters:ty) => {
        fn isa(&self) -> Isa {
            $isa
        }

        fn pack_matrix(&self, matrix: &Matrix) -> PackedMatrix {
            matrix::pack(matrix)
        }

        fn matrix_scratch_bytes(&self, depth: usize) -> usize {
            $scratch(depth)
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
            // SAFETY: `self` exists only where the processor has the instructions; the sizes of `weights` are asserted.
            unsafe { $product(patches, weights, channels, epilogue, out, scratch) }
        }

        fn pack_depthwise(&self, weights: &Depthwise) -> PackedDepthwise {
            filters::pack(weights)
        }

        fn depthwise(
            &self,
            patches: &Patches,
            weights: &PackedDepthwise,
            epilogue: &Epilogue,
            out: &mut Output,
        ) {
            // SAFETY: as above.
            unsafe { depthwise::run::<$filters>(patches, weights, epilogue, out) }
        }
    };
    (conv3x3: $module:ident) => {
        fn pack_conv3x3(&self, matrix: &Matrix) -> Option<PackedConv3x3> {
            $module::pack(matrix)
        }

        fn conv3x3_scratch_bytes(&self, channels: usize) -> usize {
            $module::scratch_bytes(channels)
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
            unsafe { $module::run(patches, weights, channels, epilogue, out, scratch) }
        }
    };
}
pub(super) use forwarded;
