//! The definition of matrix products and of convolutions seen as such.

use std::ops::Range;

use super::requantize::requantize;
use crate::kernels::{Epilogue, Lines, Matrix, Output, PackedMatrix, Patches};

/// Keeps the weights in their order, `[outputs][depth]`.
pub fn pack(matrix: &Matrix) -> PackedMatrix {
    let mut data = Lines::zeros(matrix.weights.len());
    for (byte, &weight) in data.bytes_mut().iter_mut().zip(matrix.weights) {
        *byte = weight as u8;
    }
    PackedMatrix {
        outputs: matrix.outputs,
        depth: matrix.depth,
        data,
        bias: matrix.bias.to_vec(),
        zero_point: matrix.zero_point,
    }
}

/// See [`crate::kernels::Kernels::matrix`].
pub fn run(
    patches: &Patches,
    weights: &PackedMatrix,
    channels: Range<usize>,
    epilogue: &Epilogue,
    out: &mut Output,
) {
    debug_assert_eq!(patches.depth(), weights.depth);
    for pixel in 0..patches.pixels() {
        let (base, at) = (patches.base(pixel), out.at(pixel));
        for (index, channel) in channels.clone().enumerate() {
            let row = &weights.data.bytes()[channel * weights.depth..][..weights.depth];
            let mut acc = weights.bias[channel];
            for (tap, row) in patches.taps.iter().zip(row.chunks_exact(patches.run.max(1))) {
                for (&value, &weight) in patches.data[base + tap..][..patches.run].iter().zip(row) {
                    let product = (i32::from(value) - weights.zero_point) * i32::from(weight as i8);
                    acc = acc.wrapping_add(product);
                }
            }
            let residual = epilogue.residual.map(|with| with.data[pixel * with.stride + index]);
            out.data[at + index] = requantize(acc, channel, residual, epilogue);
        }
    }
}
