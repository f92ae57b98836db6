//! Packs weights for dot products of four: `[panel of 16 channels][depth / 4][channel][4]`.

use super::super::folded_bias;
use super::super::product::{Tiles, padded};
use super::tile::DotTiles;
use crate::kernels::{Lines, Matrix, PackedMatrix};

/// See [`crate::kernels::Kernels::pack_matrix`]. The last panel has 4, 8 or 16 channels.
pub fn pack(matrix: &Matrix) -> PackedMatrix {
    let depth = padded(matrix.depth, DotTiles::DEPTH);
    let mut data = Lines::zeros(matrix.outputs.next_multiple_of(DotTiles::CHANNELS) * depth);
    for first in (0..matrix.outputs).step_by(DotTiles::CHANNELS) {
        let stored = (matrix.outputs - first).min(DotTiles::CHANNELS);
        let width = stored.next_power_of_two().max(4);
        let panel = &mut data.bytes_mut()[first * depth..];
        for channel in 0..stored {
            let row = &matrix.weights[(first + channel) * matrix.depth..][..matrix.depth];
            for (k, &weight) in row.iter().enumerate() {
                panel[(k / 4 * width + channel) * 4 + k % 4] = weight as u8;
            }
        }
    }
    let (mut bias, largest) = folded_bias(matrix);
    bias.resize(matrix.outputs.next_multiple_of(DotTiles::CHANNELS), 0);
    bias.extend(largest);
    PackedMatrix { outputs: matrix.outputs, depth: matrix.depth, data, bias, zero_point: matrix.zero_point }
}
