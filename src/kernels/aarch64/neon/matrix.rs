//! Packs weights for products of bytes that are summed in 16 bits.

use super::super::folded_bias;
use super::super::product::{Tiles, padded};
use super::tile::{CHAINS, NeonTiles, UNIT};
use crate::kernels::{Lines, Matrix, PackedMatrix};

/// See [`crate::kernels::Kernels::pack_matrix`]: for each panel of 4 channels `[depth / 16][channel][16]`, the last unit
/// of 8 or 16 terms, then for each unit which chains of products 16 bits hold.
pub fn pack(matrix: &Matrix) -> PackedMatrix {
    let depth = padded(matrix.depth, NeonTiles::DEPTH);
    let panel_bytes = NeonTiles::panel_bytes(depth);
    let mut data = Lines::zeros(matrix.outputs.div_ceil(NeonTiles::CHANNELS) * panel_bytes);
    for first in (0..matrix.outputs).step_by(NeonTiles::CHANNELS) {
        let rows: Vec<&[i8]> = (first..(first + NeonTiles::CHANNELS).min(matrix.outputs))
            .map(|channel| &matrix.weights[channel * matrix.depth..][..matrix.depth])
            .collect();
        let panel = &mut data.bytes_mut()[first / NeonTiles::CHANNELS * panel_bytes..][..panel_bytes];
        let (weights, chains) = panel.split_at_mut(NeonTiles::CHANNELS * depth);
        for (channel, row) in rows.iter().enumerate() {
            for (k, &weight) in row.iter().enumerate() {
                let unit = k / UNIT * UNIT;
                let terms = UNIT.min(depth - unit);
                weights[unit * NeonTiles::CHANNELS + channel * terms + k % UNIT] = weight as u8;
            }
        }
        for (unit, chain) in chains.iter_mut().enumerate() {
            let two = rows.iter().all(|row| holds(row, unit, 2) && holds(row, unit + 1, 2));
            let four = rows.iter().all(|row| holds(row, unit, 4));
            *chain = CHAINS[if !two { 0 } else if !four { 1 } else { 2 }];
        }
    }
    let (bias, largest) = folded_bias(matrix);
    // Sums have four lanes; the bias is in the first.
    let mut lanes = vec![0; matrix.outputs.next_multiple_of(NeonTiles::CHANNELS) * NeonTiles::BIAS];
    for (lanes, bias) in lanes.chunks_exact_mut(NeonTiles::BIAS).zip(bias) {
        lanes[0] = bias;
    }
    lanes.extend(largest);
    PackedMatrix { outputs: matrix.outputs, depth: matrix.depth, data, bias: lanes, zero_point: matrix.zero_point }
}

/// Whether 16 bits hold the sum of any values times the weights of `row` that are 8 apart, `length` from `unit` on.
fn holds(row: &[i8], unit: usize, length: usize) -> bool {
    let start = unit * UNIT;
    (start..start + 8).all(|k| {
        let weights = (0..length).filter_map(|i| row.get(k + 8 * i));
        weights.map(|weight| u32::from(weight.unsigned_abs())).sum::<u32>() * 128 <= 32767
    })
}
