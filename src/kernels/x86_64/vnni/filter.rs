//! How VNNI lays out depthwise filters: blocks of four registers of channels or of one, four taps side by side.

use super::panel::{channel_of_lane, fold};
use super::vector::{GROUP, Vector};
use crate::kernels::{Depthwise, Lines, PackedDepthwise};

/// Taps of a dot product.
const TAPS: usize = 4;

/// Taps in rows and columns. Four rows are read side by side; of one or two rows that are left, four or two columns are.
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

    /// Rows read side by side.
    pub fn planes(self) -> usize {
        self.rows.div_ceil(TAPS)
    }

    /// Rows and columns of the plane `plane` that are read side by side.
    fn side_by_side(self, plane: usize) -> (usize, usize) {
        let rows = (self.rows - plane * TAPS).min(TAPS);
        (rows, TAPS / rows)
    }

    /// Columns of the plane `plane` from one that a dot product begins with to the next.
    pub fn advance(self, plane: usize) -> usize {
        self.side_by_side(plane).1
    }

    /// The row (of all) and the column (of those read side by side) of each of the four values of a plane. What is left
    /// over repeats the first value; its weight is zero. No column is further ahead than the last value's.
    pub fn values(self, plane: usize) -> [(usize, usize); TAPS] {
        let (rows, columns) = self.side_by_side(plane);
        std::array::from_fn(|index| {
            let index = if index < rows * columns { index } else { 0 };
            (plane * TAPS + index % rows, index / rows)
        })
    }

    /// The dot products in the order of the packed weights: the plane and the first column of each.
    pub fn dots(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.planes()).flat_map(move |plane| {
            (0..self.columns).step_by(self.advance(plane)).map(move |column| (plane, column))
        })
    }

    /// The taps of a dot product.
    fn taps(self, (plane, first): (usize, usize)) -> [Option<usize>; TAPS] {
        let (rows, columns) = self.side_by_side(plane);
        let values = self.values(plane);
        std::array::from_fn(|index| {
            let (row, column) = (values[index].0, first + values[index].1);
            (index < rows * columns && column < self.columns).then_some(row * self.columns + column)
        })
    }
}

/// Neighboring channels that are computed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The first channel.
    pub start: usize,
    /// Channels; fewer than the registers hold only where the filter has no more.
    pub count: usize,
    /// Registers: [`GROUP`] or 1.
    pub width: usize,
    /// Registers of all blocks before.
    pub first: usize,
}

impl Block {
    /// The blocks of `channels` channels: as many wide ones as there are, then narrow ones. The last narrow one begins
    /// early, so as to be whole, unless there are too few channels.
    pub fn all<T: Vector>(channels: usize) -> impl Iterator<Item = Block> {
        let wide = channels / (GROUP * T::LANES);
        let registers = wide * GROUP + (channels % (GROUP * T::LANES)).div_ceil(T::LANES);
        let widths = (0..wide).map(|index| (index * GROUP, GROUP));
        widths.chain((wide * GROUP..registers).map(|first| (first, 1))).map(move |(first, width)| {
            let start = (first * T::LANES).min(channels.saturating_sub(width * T::LANES));
            Block { start, count: (width * T::LANES).min(channels - start), width, first }
        })
    }
}

/// Registers of all blocks.
pub fn registers<T: Vector>(channels: usize) -> usize {
    Block::all::<T>(channels).last().map_or(0, |last| last.first + last.width)
}

/// Where the weights that are laid out for `grid` begin after `first` registers of blocks, in bytes: first come all blocks
/// laid out for scattered taps, then, if the filter may be square, all blocks laid out for that.
pub fn offset<T: Vector>(grid: Grid, first: usize, channels: usize, taps: usize) -> usize {
    let register = T::LANES * TAPS;
    let scattered = Grid::scattered(taps).dots().count() * register;
    if grid.columns == 1 {
        first * scattered
    } else {
        registers::<T>(channels) * scattered + first * grid.dots().count() * register
    }
}

/// Packs to `[grids][blocks][dot products][registers][lanes][4]`, lanes as in a panel of the matrix product. The bias is
/// `[blocks][registers][lanes]` and has the zero point folded in.
pub fn pack<T: Vector>(weights: &Depthwise) -> PackedDepthwise {
    let (channels, taps) = (weights.channels, weights.taps);
    let grids = [Some(Grid::scattered(taps)), Grid::square(taps)];
    let last = Grid::square(taps).unwrap_or(Grid::scattered(taps));
    let mut data = Lines::zeros(offset::<T>(last, registers::<T>(channels), channels, taps));
    let mut bias = vec![0; registers::<T>(channels) * T::LANES];
    for block in Block::all::<T>(channels) {
        for lane in 0..block.width * T::LANES {
            let channel = channel_of_lane(block.width, lane / T::LANES, lane % T::LANES);
            if channel >= block.count {
                continue;
            }
            let channel = block.start + channel;
            let weight = |tap: usize| weights.weights[tap * channels + channel];
            bias[block.first * T::LANES + lane] =
                fold(weights.bias[channel], (0..taps).map(weight), weights.zero_point);
            for grid in grids.into_iter().flatten() {
                let start = offset::<T>(grid, block.first, channels, taps);
                for (dot, place) in grid.dots().enumerate() {
                    for (index, tap) in grid.taps(place).into_iter().enumerate() {
                        if let Some(tap) = tap {
                            let at = start + (dot * block.width * T::LANES + lane) * TAPS + index;
                            data.bytes_mut()[at] = weight(tap) as u8;
                        }
                    }
                }
            }
        }
    }
    PackedDepthwise { channels, taps, data, bias, zero_point: weights.zero_point }
}

/// The packed bias of a channel and its weights, tap by tap.
pub fn unpack<T: Vector>(weights: &PackedDepthwise, channel: usize) -> (i32, impl Iterator<Item = i8>) {
    let (channels, taps) = (weights.channels, weights.taps);
    let found =
        Block::all::<T>(channels).find(|block| (block.start..block.start + block.count).contains(&channel));
    let block = found.unwrap_or(Block { start: 0, count: 0, width: 1, first: 0 });
    let lanes = 0..block.width * T::LANES;
    let within = |&lane: &usize| {
        block.start + channel_of_lane(block.width, lane / T::LANES, lane % T::LANES) == channel
    };
    let lane = lanes.clone().find(within).unwrap_or(0);
    let start = offset::<T>(Grid::scattered(taps), block.first, channels, taps);
    let bytes = weights.data.bytes();
    let weight = move |tap: usize| bytes[start + (tap / TAPS * lanes.end + lane) * TAPS + tap % TAPS] as i8;
    (weights.bias[block.first * T::LANES + lane], (0..taps).map(weight))
}
