//! Packs weights for dot products of four: `[panel of 8 channels, or 4 at the end][depth / 4][channel][4]`.

use super::super::folded_bias;
use super::super::product::{Tiles, padded};
use super::tile::{DotTiles, NARROW};
use crate::kernels::{Lines, Matrix, PackedMatrix};

/// See [`crate::kernels::Kernels::pack_matrix`].
pub fn pack(matrix: &Matrix) -> PackedMatrix {
    let depth = padded(matrix.depth, DotTiles::DEPTH);
    let mut data = Lines::zeros(matrix.outputs.next_multiple_of(DotTiles::CHANNELS) * depth);
    for first in (0..matrix.outputs).step_by(DotTiles::CHANNELS) {
        let panel = &mut data.bytes_mut()[first * depth..];
        let channels = DotTiles::CHANNELS.min(matrix.outputs - first);
        let width = DotTiles::width(channels);
        for channel in 0..channels {
            let row = &matrix.weights[(first + channel) * matrix.depth..][..matrix.depth];
            for (k, &weight) in row.iter().enumerate() {
                panel[(k / 4 * width + channel) * 4 + k % 4] = weight as u8;
            }
        }
    }
    let (folded, largest) = folded_bias(matrix);
    let mut bias = twice(folded);
    let last = matrix.outputs % DotTiles::CHANNELS;
    if (1..=NARROW).contains(&last) {
        // A narrow panel's four times, those of four pixels.
        let at = bias.len() - DotTiles::CHANNELS * DotTiles::BIAS;
        for pixel in 1..4 {
            bias.copy_within(at..at + NARROW, at + pixel * NARROW);
        }
    }
    bias.extend(largest);
    PackedMatrix { outputs: matrix.outputs, depth: matrix.depth, data, bias, zero_point: matrix.zero_point }
}

/// The bias of each panel twice, so that one instruction loads those of two pixels.
pub fn twice(mut bias: Vec<i32>) -> Vec<i32> {
    bias.resize(bias.len().next_multiple_of(DotTiles::CHANNELS), 0);
    bias.chunks_exact(DotTiles::CHANNELS).flat_map(|panel| [panel, panel]).flatten().copied().collect()
}
