//! Packs weights for products of bytes that are summed in 16 bits.

use super::super::folded_bias;
use super::super::product::{Tiles, padded};
use super::pairs::{FITS, PairTiles};
use super::tile::{CHAINS, NeonTiles, UNIT};
use crate::kernels::{Lines, Matrix, PackedMatrix};

/// See [`crate::kernels::Kernels::pack_matrix`].
pub fn pack(matrix: &Matrix) -> PackedMatrix {
    if PairTiles::suit(matrix.outputs, matrix.depth) { pack_pairs(matrix) } else { pack_units(matrix) }
}

/// For [`PairTiles`]: for each panel of 32 channels, or 16 at the end, `[depth / 4][channel / 8][2][channel % 8][2]`, then
/// whether 16 bits hold two products.
fn pack_pairs(matrix: &Matrix) -> PackedMatrix {
    let depth = padded(matrix.depth, PairTiles::DEPTH);
    let panel_bytes = PairTiles::panel_bytes(depth);
    let panels = matrix.outputs.div_ceil(PairTiles::CHANNELS);
    let mut data = Lines::zeros(panels * panel_bytes);
    for (index, panel) in data.bytes_mut().chunks_exact_mut(panel_bytes).take(panels).enumerate() {
        let first = index * PairTiles::CHANNELS;
        let channels = (matrix.outputs - first).min(PairTiles::CHANNELS);
        let width = PairTiles::width(channels);
        let mut fits = true;
        for channel in 0..channels {
            let row = &matrix.weights[(first + channel) * matrix.depth..][..matrix.depth];
            for (k, &weight) in row.iter().enumerate() {
                let eight = (k / 4 * width / 8 + channel / 8) * 2 + k / 2 % 2;
                panel[eight * 16 + channel % 8 * 2 + k % 2] = weight as u8;
                fits &= weight != i8::MIN || row.get(k ^ 2) != Some(&i8::MIN);
            }
        }
        panel[PairTiles::CHANNELS * depth] = FITS[usize::from(fits)];
    }
    let (mut bias, largest) = folded_bias(matrix);
    bias.resize(matrix.outputs.next_multiple_of(PairTiles::CHANNELS), 0);
    bias.extend(largest);
    PackedMatrix { outputs: matrix.outputs, depth: matrix.depth, data, bias, zero_point: matrix.zero_point }
}

/// For [`NeonTiles`]: for each panel of 4 channels `[depth / 16][channel][16]`, the last unit
/// of 8 or 16 terms, then for each unit which chains of products 16 bits hold.
fn pack_units(matrix: &Matrix) -> PackedMatrix {
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
            *chain = CHAINS[if !two {
                0
            } else if !four {
                1
            } else {
                2
            }];
        }
    }
    let (bias, largest) = folded_bias(matrix);
    // Sums have four lanes; the bias is in the first.
    let mut lanes = vec![0; matrix.outputs.next_multiple_of(NeonTiles::CHANNELS) * NeonTiles::BIAS];
    for (lanes, bias) in lanes.chunks_exact_mut(NeonTiles::BIAS).zip(bias) {
        lanes[0] = bias;
    }
    lanes.extend(largest);
    PackedMatrix {
        outputs: matrix.outputs,
        depth: matrix.depth,
        data,
        bias: lanes,
        zero_point: matrix.zero_point,
    }
}

/// Whether 16 bits hold the sum of any values times the weights of `row` that are 8 apart, `length` from `unit` on.
fn holds(row: &[i8], unit: usize, length: usize) -> bool {
    let start = unit * UNIT;
    (start..start + 8).all(|k| {
        let weights = (0..length).filter_map(|i| row.get(k + 8 * i));
        weights.map(|weight| u32::from(weight.unsigned_abs())).sum::<u32>() * 128 <= 32767
    })
}
