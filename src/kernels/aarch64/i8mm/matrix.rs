//! Packs weights for matrix products: `[panel of 16 channels][depth / 8][channel][8]`.

use super::super::folded_bias;
use super::super::product::{Tiles, padded};
use super::tile::MatrixTiles;
use crate::kernels::{Lines, Matrix, PackedMatrix};

/// See [`crate::kernels::Kernels::pack_matrix`].
pub fn pack(matrix: &Matrix) -> PackedMatrix {
    let depth = padded(matrix.depth, MatrixTiles::DEPTH);
    let mut data = Lines::zeros(matrix.outputs.next_multiple_of(MatrixTiles::CHANNELS) * depth);
    for (channel, row) in (0..matrix.outputs).zip(matrix.weights.chunks(matrix.depth.max(1))) {
        let (panel, lane) = (channel / MatrixTiles::CHANNELS, channel % MatrixTiles::CHANNELS);
        let panel = &mut data.bytes_mut()[panel * MatrixTiles::CHANNELS * depth..];
        for (k, &weight) in row.iter().enumerate() {
            panel[(k / 8 * MatrixTiles::CHANNELS + lane) * 8 + k % 8] = weight as u8;
        }
    }
    // Sums are of two pixels by two channels: the bias of a pair of channels twice.
    let (bias, largest) = folded_bias(matrix);
    let mut pairs = vec![0; matrix.outputs.next_multiple_of(MatrixTiles::CHANNELS) * MatrixTiles::BIAS];
    for (channel, bias) in bias.into_iter().enumerate() {
        let at = channel / 2 * 4 + channel % 2;
        (pairs[at], pairs[at + 2]) = (bias, bias);
    }
    pairs.extend(largest);
    PackedMatrix {
        outputs: matrix.outputs,
        depth: matrix.depth,
        data,
        bias: pairs,
        zero_point: matrix.zero_point,
    }
}
