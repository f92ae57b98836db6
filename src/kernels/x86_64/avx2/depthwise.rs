//! Depthwise convolution on AVX2: values of two rows brought side by side once, then multiplied for every output that
//! sees them.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::filter::{CHANNELS, Grid, PAIR_BYTES, block, blocks, offset, weight};
use super::requantize::{Formula, Places};
use crate::kernels::generic::requantize::requantize;
use crate::kernels::{Epilogue, Output, PackedDepthwise, Patches};

/// Most outputs of a row that share what was brought side by side.
const OUTPUTS: usize = 16;
/// Outputs whose sums are in registers at a time.
const TILE: usize = 4;
/// Pairs of values of 16 channels that are kept: 16 KiB.
const KEPT: usize = 256;

/// Two registers of pairs.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Pair([i16; CHANNELS * 2]);

/// How the taps of a call lie.
struct Layout {
    grid: Grid,
    /// Values from a column of taps to the next.
    spacing: usize,
    /// Columns from an output to the next.
    stride: usize,
}

impl Layout {
    /// A square if the taps are one and outputs are whole columns apart, so that they share columns; else scattered.
    fn new(patches: &Patches) -> Layout {
        let square = Grid::square(patches.taps.len()).and_then(|grid| {
            let spacing = patches.taps[1].checked_sub(patches.taps[0]).filter(|&spacing| spacing > 0)?;
            let even = patches.taps.chunks_exact(grid.columns).all(|row| {
                row.iter().enumerate().all(|(column, &tap)| tap == row[0] + column * spacing)
            });
            let stride = patches.step / spacing;
            let shared = patches.step % spacing == 0 && (1..grid.columns).contains(&stride);
            (even && shared).then_some(Layout { grid, spacing, stride })
        });
        let scattered = Grid::scattered(patches.taps.len());
        square.unwrap_or(Layout { grid: scattered, spacing: patches.step, stride: 1 })
    }

    /// Columns that `outputs` outputs see.
    fn columns(&self, outputs: usize) -> usize {
        (outputs - 1) * self.stride + self.grid.columns
    }

    /// Most outputs whose columns can be kept; 0 if not even one output's can.
    fn outputs(&self) -> usize {
        (1..=OUTPUTS).rev().find(|&outputs| self.columns(outputs) * self.grid.planes() <= KEPT).unwrap_or(0)
    }
}

/// See [`crate::kernels::Kernels::depthwise`].
///
/// # Safety
/// AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn run(patches: &Patches, weights: &PackedDepthwise, epilogue: &Epilogue, out: &mut Output) {
    let (pixels, channels) = (patches.pixels(), weights.channels);
    if pixels == 0 || channels == 0 {
        return;
    }
    assert!(patches.taps.len() == weights.taps && patches.run == channels);
    assert!(patches.data.len() >= patches.end());
    assert!(weights.bias.len() >= channels && epilogue.multipliers.len() >= channels);
    assert!(out.width == patches.width && out.data.len() >= out.at(pixels - 1) + channels);
    assert!(out.step >= channels || out.width == 1, "output pixels overlap");
    if let Some(with) = epilogue.residual {
        assert!(with.data.len() >= (pixels - 1) * with.stride + channels);
    }
    let layout = Layout::new(patches);
    let packed = offset(layout.grid, blocks(channels), channels, weights.taps);
    assert!(weights.data.len() >= packed);
    let most = layout.outputs();
    let Some(formula) = Formula::new(epilogue).filter(|_| most > 0) else {
        return by_definition(patches, weights, epilogue, out);
    };
    let mut strip = Strip {
        patches,
        weights,
        epilogue,
        formula,
        kept: [Pair([0; CHANNELS * 2]); KEPT],
        pairs: [0; KEPT],
        pair_count: 0,
        columns: layout.columns(most.min(patches.width)),
        layout,
    };
    for (plane, column) in strip.layout.grid.pairs() {
        strip.pairs[strip.pair_count] = (plane * strip.columns + column) as u32;
        strip.pair_count += 1;
    }
    for y in 0..patches.height {
        for x in (0..patches.width).step_by(most) {
            let count = most.min(patches.width - x);
            for index in 0..blocks(channels) {
                // SAFETY: what is read and written was checked above to lie within its slice.
                unsafe {
                    strip.bring_side_by_side(y, x, count, index);
                    if epilogue.residual.is_some() {
                        strip.multiply::<true>(y, x, count, index, out);
                    } else {
                        strip.multiply::<false>(y, x, count, index, out);
                    }
                }
            }
        }
    }
}

/// One by one: for zero points and bounds that no model has, and filters of hundreds of taps.
fn by_definition(patches: &Patches, weights: &PackedDepthwise, epilogue: &Epilogue, out: &mut Output) {
    for pixel in 0..patches.pixels() {
        let (base, at) = (patches.base(pixel), out.at(pixel));
        for channel in 0..weights.channels {
            // The zero point is in the packed bias.
            let sum = patches.taps.iter().enumerate().fold(weights.bias[channel], |sum, (index, tap)| {
                let value = i32::from(patches.data[base + tap + channel]);
                sum.wrapping_add(value * i32::from(weight(weights, index, channel)))
            });
            let residual = epilogue.residual.map(|with| with.data[pixel * with.stride + channel]);
            out.data[at + channel] = requantize(sum, channel, residual, epilogue);
        }
    }
}

/// Some outputs of a row, and what is kept for them.
struct Strip<'a> {
    patches: &'a Patches<'a>,
    weights: &'a PackedDepthwise,
    epilogue: &'a Epilogue<'a>,
    formula: Formula,
    layout: Layout,
    /// `[planes][columns]`.
    kept: [Pair; KEPT],
    /// Columns of a plane.
    columns: usize,
    /// For each pair of taps, where the first output's values are kept.
    pairs: [u32; KEPT],
    pair_count: usize,
}

impl Strip<'_> {
    /// Brings the values of each pair of rows side by side for all columns that `count` outputs from `(y, x)` on see.
    ///
    /// # Safety
    /// AVX2; the outputs are pixels of the patches, whose data reach to their end; `count` is at most the layout's.
    #[target_feature(enable = "avx2")]
    unsafe fn bring_side_by_side(&mut self, y: usize, x: usize, count: usize, index: usize) {
        let Patches { data, taps, step, row_step, .. } = *self.patches;
        let grid = self.layout.grid;
        let columns = self.layout.columns(count);
        let channels = block(index, self.weights.channels);
        let base = y * row_step + x * step + channels.start;
        for plane in 0..grid.planes() {
            let row = |row: usize| base + taps[row * grid.columns];
            let first = row(plane * 2);
            let (second, both) = if grid.single(plane) {
                // The second of a pair is the next column; past the last one, where it meets a weight of zero, the last.
                (first, 1)
            } else {
                (row(plane * 2 + 1), 0)
            };
            // An odd last row is looked up at even columns only if outputs are an even number of columns apart.
            let every = if both == 1 && self.layout.stride % 2 == 0 { 2 } else { 1 };
            let end = first.max(second) + (columns - 1) * self.layout.spacing + CHANNELS;
            let kept = self.kept[plane * self.columns..][..columns].as_mut_ptr();
            for column in (0..columns).step_by(every) {
                let at = [column, (column + both).min(columns - 1)];
                let at = [first + at[0] * self.layout.spacing, second + at[1] * self.layout.spacing];
                // SAFETY: values up to `end` lie within the data, or only `channels` values of each column are read.
                unsafe {
                    let bytes = if end <= data.len() {
                        at.map(|at| _mm_loadu_si128(data.as_ptr().add(at).cast()))
                    } else {
                        at.map(|at| {
                            let mut bytes = [0u8; CHANNELS];
                            bytes[..channels.len()].copy_from_slice(&data[at..][..channels.len()]);
                            _mm_loadu_si128(bytes.as_ptr().cast())
                        })
                    };
                    let [a, b] = [_mm256_cvtepu8_epi16(bytes[0]), _mm256_cvtepu8_epi16(bytes[1])];
                    let kept = kept.add(column).cast::<__m256i>();
                    _mm256_store_si256(kept, _mm256_unpacklo_epi16(a, b));
                    _mm256_store_si256(kept.add(1), _mm256_unpackhi_epi16(a, b));
                }
            }
        }
    }

    /// The outputs of one block of channels.
    ///
    /// # Safety
    /// AVX2; the columns of these outputs were brought side by side; output and residual, if there is one, have these
    /// pixels.
    #[target_feature(enable = "avx2")]
    unsafe fn multiply<const ADD: bool>(&self, y: usize, x: usize, count: usize, index: usize, out: &mut Output) {
        let channels = block(index, self.weights.channels);
        let mut ending = Ending { bias: [0; CHANNELS], multipliers: [0.0; CHANNELS] };
        for lane in 0..CHANNELS {
            let channel = channels.start + super::panel::channel_of_lane(2, lane);
            if channel < channels.end {
                ending.bias[lane] = self.weights.bias[channel];
                ending.multipliers[lane] = self.epilogue.multipliers[channel];
            }
        }
        for first in (0..count).step_by(TILE) {
            let tile = TILE.min(count - first);
            let at = y * out.row_step + (x + first) * out.step + channels.start;
            let offsets: [usize; TILE] = std::array::from_fn(|r| r * out.step);
            // SAFETY: the caller's promise.
            unsafe {
                let to = Places { data: out.data.as_mut_ptr().add(at), offsets: offsets.as_ptr(), column: 0 };
                let add = match self.epilogue.residual {
                    Some(with) => {
                        let pixel = y * self.patches.width + x + first;
                        (with.data.as_ptr().add(pixel * with.stride + channels.start), with.stride)
                    }
                    None => (std::ptr::null(), 0),
                };
                if channels.len() == CHANNELS {
                    self.tile_of::<ADD>(tile, first, index, &ending, to, add);
                } else {
                    self.part::<ADD>(tile, first, index, &ending, to, add);
                }
            }
        }
    }

    /// A tile of fewer channels than a block has.
    ///
    /// # Safety
    /// As for `tile`, of these channels only.
    #[target_feature(enable = "avx2")]
    unsafe fn part<const ADD: bool>(
        &self,
        count: usize,
        first: usize,
        index: usize,
        ending: &Ending,
        to: Places,
        (add, add_stride): (*const u8, usize),
    ) {
        let channels = block(index, self.weights.channels).len();
        let mut other = [0u8; TILE * CHANNELS];
        let mut result = [0u8; TILE * CHANNELS];
        let offsets: [usize; TILE] = std::array::from_fn(|r| r * CHANNELS);
        let part = Places { data: result.as_mut_ptr(), offsets: offsets.as_ptr(), column: 0 };
        // SAFETY: the caller's promise; a block has at most `CHANNELS` channels.
        unsafe {
            for r in 0..if ADD { count } else { 0 } {
                let other = other.as_mut_ptr().add(r * CHANNELS);
                add.add(r * add_stride).copy_to_nonoverlapping(other, channels);
            }
            self.tile_of::<ADD>(count, first, index, ending, part, (other.as_ptr(), CHANNELS));
            for r in 0..count {
                result.as_ptr().add(r * CHANNELS).copy_to_nonoverlapping(to.at(r), channels);
            }
        }
    }

    /// # Safety
    /// As for `tile` with `count` outputs.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn tile_of<const ADD: bool>(
        &self,
        count: usize,
        first: usize,
        index: usize,
        ending: &Ending,
        to: Places,
        add: (*const u8, usize),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match count {
                1 => self.tile::<1, ADD>(first, index, ending, to, add),
                2 => self.tile::<2, ADD>(first, index, ending, to, add),
                3 => self.tile::<3, ADD>(first, index, ending, to, add),
                _ => self.tile::<4, ADD>(first, index, ending, to, add),
            }
        }
    }

    /// `R` outputs of one block, `first` counted from the first column kept.
    ///
    /// # Safety
    /// AVX2; the columns of these outputs are kept; 16 values of each can be written, and read if `ADD`.
    #[target_feature(enable = "avx2")]
    unsafe fn tile<const R: usize, const ADD: bool>(
        &self,
        first: usize,
        index: usize,
        ending: &Ending,
        to: Places,
        add: (*const u8, usize),
    ) {
        let Layout { grid, stride, .. } = self.layout;
        let start = offset(grid, index, self.weights.channels, self.weights.taps);
        // SAFETY: the caller's promise; the weights of each block were checked to be there.
        unsafe {
            let mut weights = self.weights.data.bytes().as_ptr().add(start).cast::<__m256i>();
            let kept = self.kept.as_ptr().add(first * stride);
            let bias = ending.bias.as_ptr().cast::<__m256i>();
            let mut sums = [[_mm256_loadu_si256(bias), _mm256_loadu_si256(bias.add(1))]; R];
            for &pair in &self.pairs[..self.pair_count] {
                let kept = kept.add(pair as usize);
                let pair = [_mm256_load_si256(weights), _mm256_load_si256(weights.add(1))];
                for (r, sums) in sums.iter_mut().enumerate() {
                    let values = kept.add(r * stride).cast::<__m256i>();
                    let low = _mm256_madd_epi16(pair[0], _mm256_load_si256(values));
                    let high = _mm256_madd_epi16(pair[1], _mm256_load_si256(values.add(1)));
                    *sums = [_mm256_add_epi32(sums[0], low), _mm256_add_epi32(sums[1], high)];
                }
                weights = weights.byte_add(PAIR_BYTES);
            }
            self.formula.store_16::<R, ADD>(|r| sums[r], ending.multipliers.as_ptr(), to, add);
        }
    }
}

/// The epilogue of one block, in the order of the lanes.
struct Ending {
    bias: [i32; CHANNELS],
    multipliers: [f32; CHANNELS],
}
