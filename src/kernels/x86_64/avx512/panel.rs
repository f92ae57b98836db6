//! How registers of 512 bits want weights: panels of 64 output channels (the last one of 16, 32, 48 or 64), four terms of a
//! sum in each lane.

use crate::kernels::{Lines, Matrix, PackedMatrix};

/// 32-bit sums of a register.
pub const LANES: usize = 16;
/// Channels of a panel but the last.
pub const CHANNELS: usize = 4 * LANES;

/// Groups of four terms that a sum of `depth` terms takes.
pub fn groups(depth: usize) -> usize {
    depth.div_ceil(4)
}

/// Registers of the panel that begins at channel `start`.
pub fn width(start: usize, outputs: usize) -> usize {
    (outputs - start).min(CHANNELS).div_ceil(LANES)
}

/// Where the weights of the panel that begins at channel `start` begin, in bytes; for `start` past the last channel, the
/// size of all.
pub fn offset(start: usize, depth: usize) -> usize {
    start * groups(depth) * 4
}

/// Packs to `[panels][groups][registers][16 lanes][4]`. The bias has the zero point folded in, which also holds where it
/// wraps.
pub fn pack(matrix: &Matrix) -> PackedMatrix {
    let (outputs, depth) = (matrix.outputs, matrix.depth);
    let padded = outputs.next_multiple_of(LANES);
    let mut data = Lines::zeros(offset(padded, depth));
    let mut bias = vec![0; padded];
    for channel in 0..outputs {
        let start = channel / CHANNELS * CHANNELS;
        let row_bytes = width(start, outputs) * LANES * 4;
        let weights = &mut data.bytes_mut()[offset(start, depth)..];
        let row = &matrix.weights[channel * depth..][..depth];
        for (term, &weight) in row.iter().enumerate() {
            weights[term / 4 * row_bytes + (channel - start) * 4 + term % 4] = weight as u8;
        }
        let sum = row.iter().fold(0i32, |sum, &weight| sum.wrapping_add(i32::from(weight)));
        bias[channel] = matrix.bias[channel].wrapping_sub(sum.wrapping_mul(matrix.zero_point));
    }
    PackedMatrix { outputs, depth, data, bias, zero_point: matrix.zero_point }
}
