//! How AVX2 lays out depthwise filters: blocks of 16 channels, pairs of taps side by side.

use std::ops::Range;

use super::panel::channel_of_lane;
use crate::kernels::{Depthwise, Lines, PackedDepthwise};

/// Channels of a block.
pub const CHANNELS: usize = 16;
/// Bytes of a pair of taps of a block: two registers.
pub const PAIR_BYTES: usize = CHANNELS * 4;

/// Taps in rows and columns. Two rows are read side by side; of an odd last row, two columns are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Rows of taps.
    pub rows: usize,
    /// Taps of a row, evenly spaced.
    pub columns: usize,
}

impl Grid {
    /// Each tap on its own.
    pub fn scattered(taps: usize) -> Grid {
        Grid { rows: taps, columns: 1 }
    }

    /// A square filter's, if `taps` is a square.
    pub fn square(taps: usize) -> Option<Grid> {
        let size = taps.isqrt();
        (size > 1 && size * size == taps).then_some(Grid { rows: size, columns: size })
    }

    /// Pairs of rows, an odd last row counted as one.
    pub fn planes(self) -> usize {
        self.rows.div_ceil(2)
    }

    /// Whether plane `plane` is an odd last row.
    pub fn single(self, plane: usize) -> bool {
        plane * 2 + 1 == self.rows
    }

    /// The pairs of taps in the order of the packed weights: the plane and the first column of each. An odd last row of
    /// an odd number of taps ends with the last two columns, of which the first was in the pair before and counts zero.
    pub fn pairs(self) -> impl Iterator<Item = (usize, usize)> {
        let columns = self.columns;
        (0..self.planes()).flat_map(move |plane| {
            let single = self.single(plane);
            let step = if single { 2 } else { 1 };
            (0..columns).step_by(step).map(move |column| {
                let last = single && column + 1 == columns;
                (plane, if last { column.saturating_sub(1) } else { column })
            })
        })
    }

    /// The two taps of a pair, of which one may be none.
    fn taps(self, (plane, column): (usize, usize)) -> [Option<usize>; 2] {
        let first = plane * 2 * self.columns + column;
        match self.single(plane) {
            false => [Some(first), Some(first + self.columns)],
            true if self.columns == 1 => [Some(first), None],
            true if column % 2 == 1 => [None, Some(first + 1)],
            true => [Some(first), Some(first + 1)],
        }
    }
}

/// Number of blocks for `channels` channels.
pub fn blocks(channels: usize) -> usize {
    channels.div_ceil(CHANNELS)
}

/// The channels of block `index`. The last block begins early, so as to be whole, unless there are too few channels.
pub fn block(index: usize, channels: usize) -> Range<usize> {
    let start = (index * CHANNELS).min(channels.saturating_sub(CHANNELS));
    start..(start + CHANNELS).min(channels)
}

/// Where the weights of block `index` laid out for `grid` begin, in bytes, and those of the next: first come all blocks
/// laid out for scattered taps, then, if the filter may be square, all blocks laid out for that.
pub fn offset(grid: Grid, index: usize, channels: usize, taps: usize) -> usize {
    let scattered = taps.div_ceil(2) * PAIR_BYTES;
    if grid.columns == 1 {
        index * scattered
    } else {
        blocks(channels) * scattered + index * grid.pairs().count() * PAIR_BYTES
    }
}

/// Packs to `[grids][blocks][pairs of taps][16 lanes][2]` of `i16`, lanes as in a panel of the matrix product. The bias is
/// `[blocks][16 lanes]` and has the zero point folded in.
pub fn pack(weights: &Depthwise) -> PackedDepthwise {
    let (channels, taps) = (weights.channels, weights.taps);
    let grids = [Some(Grid::scattered(taps)), Grid::square(taps)];
    let last = Grid::square(taps).unwrap_or(Grid::scattered(taps));
    let mut data = Lines::zeros(offset(last, blocks(channels), channels, taps));
    for grid in grids.into_iter().flatten() {
        for index in 0..blocks(channels) {
            let range = block(index, channels);
            let start = offset(grid, index, channels, taps);
            for (pair, place) in grid.pairs().enumerate() {
                for (half, tap) in grid.taps(place).into_iter().enumerate() {
                    let Some(tap) = tap else { continue };
                    for lane in 0..CHANNELS {
                        let channel = range.start + channel_of_lane(2, lane);
                        if channel < range.end {
                            let weight = i16::from(weights.weights[tap * channels + channel]);
                            let at = start + pair * PAIR_BYTES + lane * 4 + half * 2;
                            data.bytes_mut()[at..at + 2].copy_from_slice(&weight.to_le_bytes());
                        }
                    }
                }
            }
        }
    }
    let mut bias = vec![0; blocks(channels) * CHANNELS];
    for (index, bias) in bias.chunks_exact_mut(CHANNELS).enumerate() {
        let range = block(index, channels);
        for (lane, bias) in bias.iter_mut().enumerate() {
            let channel = range.start + channel_of_lane(2, lane);
            if channel < range.end {
                let column = (0..taps).map(|tap| i32::from(weights.weights[tap * channels + channel]));
                let sum = column.fold(0i32, i32::wrapping_add);
                *bias = weights.bias[channel].wrapping_sub(sum.wrapping_mul(weights.zero_point));
            }
        }
    }
    PackedDepthwise { channels, taps, data, bias, zero_point: weights.zero_point }
}

/// The lane of `channel` and its block. (`channel_of_lane` exchanges two groups, so it is its own inverse.)
fn lane(channel: usize, channels: usize) -> (usize, usize) {
    let index = channel / CHANNELS;
    (index, channel_of_lane(2, channel - block(index, channels).start))
}

/// The packed bias of one channel.
pub fn bias(weights: &PackedDepthwise, channel: usize) -> i32 {
    let (index, lane) = lane(channel, weights.channels);
    weights.bias[index * CHANNELS + lane]
}

/// The weight of one tap and channel of packed weights.
pub fn weight(weights: &PackedDepthwise, tap: usize, channel: usize) -> i8 {
    let (index, lane) = lane(channel, weights.channels);
    let at = offset(Grid::scattered(weights.taps), index, weights.channels, weights.taps);
    weights.data.bytes()[at + tap / 2 * PAIR_BYTES + lane * 4 + tap % 2 * 2] as i8
}
