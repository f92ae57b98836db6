//! Depthwise convolution of any taps on AVX2: values of two rows brought side by side once, then multiplied for every
//! output that sees them.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::depthwise::Layout;
use super::filter::{CHANNELS, PAIR_BYTES, block, blocks, offset};
use super::requantize::{ADDED, Formula, Places};
use super::tile::even_part;
use crate::kernels::{Epilogue, Output, PackedDepthwise, Patches};

/// Most outputs of a row that share what was brought side by side.
const OUTPUTS: usize = 30;
/// Outputs whose sums are in registers at a time.
const TILE: usize = 6;
/// Pairs of values of 16 channels that are kept: 16 KiB.
const KEPT: usize = 256;

/// Two registers of pairs.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Pair([i16; CHANNELS * 2]);

/// Some outputs of a row, and what is kept for them.
pub struct Strip<'a> {
    patches: &'a Patches<'a>,
    weights: &'a PackedDepthwise,
    epilogue: &'a Epilogue<'a>,
    formula: Formula,
    layout: Layout,
    /// `[planes][columns]`.
    kept: [Pair; KEPT],
    /// Most outputs at once, and the columns that they see.
    most: usize,
    columns: usize,
    /// For each pair of taps, where the first output's values are kept.
    pairs: [u32; KEPT],
    pair_count: usize,
}

impl<'a> Strip<'a> {
    /// For a call whose sizes were checked. `None` if there are too many taps for what can be kept.
    pub fn new(
        patches: &'a Patches<'a>,
        weights: &'a PackedDepthwise,
        epilogue: &'a Epilogue<'a>,
        formula: Formula,
        layout: Layout,
    ) -> Option<Strip<'a>> {
        let fits = |&outputs: &usize| layout.columns(outputs) * layout.grid.planes() <= KEPT;
        let most = (1..=OUTPUTS.min(patches.width)).rev().find(fits)?;
        let columns = layout.columns(most);
        let mut pairs = [0; KEPT];
        let mut pair_count = 0;
        for (plane, column) in layout.grid.pairs() {
            pairs[pair_count] = (plane * columns + column) as u32;
            pair_count += 1;
        }
        let kept = [Pair([0; CHANNELS * 2]); KEPT];
        Some(Strip { patches, weights, epilogue, formula, layout, kept, most, columns, pairs, pair_count })
    }

    /// All outputs.
    ///
    /// # Safety
    /// AVX2; input, output, weights and residual have the sizes that the patches and the channels ask for.
    #[target_feature(enable = "avx2")]
    pub unsafe fn run<const END: u8>(&mut self, out: &mut Output) {
        let (width, height) = (self.patches.width, self.patches.height);
        // Rows one below the other see the same values: a strip is done from top to bottom.
        for x in (0..width).step_by(self.most) {
            let count = self.most.min(width - x);
            for y in 0..height {
                for index in 0..blocks(self.weights.channels) {
                    // SAFETY: the caller's promise.
                    unsafe {
                        self.bring_side_by_side(y, x, count, index);
                        self.multiply::<END>(y, x, count, index, out);
                    }
                }
            }
        }
    }

    /// Brings the values of each pair of rows side by side for all columns that `count` outputs from `(y, x)` on see.
    ///
    /// # Safety
    /// AVX2; the outputs are pixels of the patches, whose data reach to their end; `count` is at most the layout's.
    #[target_feature(enable = "avx2")]
    unsafe fn bring_side_by_side(&mut self, y: usize, x: usize, count: usize, index: usize) {
        let Patches { data, taps, step, row_step, .. } = *self.patches;
        let Layout { grid, spacing, .. } = self.layout;
        let columns = self.layout.columns(count);
        let channels = block(index, self.weights.channels);
        let base = y * row_step + x * step + channels.start;
        for plane in 0..grid.planes() {
            let single = grid.single(plane);
            let first = base + taps[plane * 2 * grid.columns];
            let second = if single { first } else { base + taps[(plane * 2 + 1) * grid.columns] };
            let to = self.kept[plane * self.columns..][..columns].as_mut_ptr().cast::<__m256i>();
            let last = (columns - 1) * spacing;
            let from = [data[first..].as_ptr(), data[second..].as_ptr()];
            // SAFETY: where whole registers would read past the data, only the block's channels of each column are read.
            unsafe {
                if first.max(second) + last + CHANNELS > data.len() {
                    let load = |from: *const u8| {
                        let mut bytes = [0u8; CHANNELS];
                        from.copy_to_nonoverlapping(bytes.as_mut_ptr(), channels.len());
                        _mm_loadu_si128(bytes.as_ptr().cast())
                    };
                    avx2_u8_to_i16_pairs(from, columns, spacing, usize::from(single), load, to);
                } else {
                    let load = |from: *const u8| _mm_loadu_si128(from.cast());
                    if single {
                        avx2_u8_to_i16_pairs(from, columns, spacing, 1, load, to);
                    } else {
                        avx2_u8_to_i16_pairs(from, columns, spacing, 0, load, to);
                    }
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
    unsafe fn multiply<const END: u8>(
        &self,
        y: usize,
        x: usize,
        count: usize,
        index: usize,
        out: &mut Output,
    ) {
        let channels = block(index, self.weights.channels);
        let mut multipliers = [0.0; CHANNELS];
        multipliers[..channels.len()].copy_from_slice(&self.epilogue.multipliers[channels.clone()]);
        // In the order of the lanes.
        let natural = multipliers;
        multipliers[4..8].copy_from_slice(&natural[8..12]);
        multipliers[8..12].copy_from_slice(&natural[4..8]);
        let start = offset(self.layout.grid, index, self.weights.channels, self.weights.taps);
        let block = Block {
            // SAFETY: the weights of each block were checked to be there.
            weights: unsafe { self.weights.data.bytes().as_ptr().add(start).cast() },
            bias: self.weights.bias[index * CHANNELS..][..CHANNELS].as_ptr().cast(),
            multipliers,
        };
        let offsets: [usize; TILE] = std::array::from_fn(|r| r * out.step);
        let mut first = 0;
        while first < count {
            let tile = even_part(count - first, TILE);
            let at = y * out.row_step + (x + first) * out.step + channels.start;
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
                if channels.len() < CHANNELS {
                    self.part::<END>(tile, first, channels.len(), &block, to, add);
                } else if tile == TILE {
                    self.tile::<TILE, END>(first, &block, to, add);
                } else {
                    self.tile_of::<END>(tile, first, &block, to, add);
                }
            }
            first += tile;
        }
    }

    /// A tile of fewer channels than a block has.
    ///
    /// # Safety
    /// As for `tile`, of these channels only.
    #[target_feature(enable = "avx2")]
    unsafe fn part<const END: u8>(
        &self,
        count: usize,
        first: usize,
        channels: usize,
        block: &Block,
        to: Places,
        (add, add_stride): (*const u8, usize),
    ) {
        let mut other = [0u8; TILE * CHANNELS];
        let mut result = [0u8; TILE * CHANNELS];
        let offsets: [usize; TILE] = std::array::from_fn(|r| r * CHANNELS);
        let part = Places { data: result.as_mut_ptr(), offsets: offsets.as_ptr(), column: 0 };
        // SAFETY: the caller's promise; a block has at most `CHANNELS` channels.
        unsafe {
            for r in 0..if END == ADDED { count } else { 0 } {
                let other = other.as_mut_ptr().add(r * CHANNELS);
                add.add(r * add_stride).copy_to_nonoverlapping(other, channels);
            }
            self.tile_of::<END>(count, first, block, part, (other.as_ptr(), CHANNELS));
            for r in 0..count {
                result.as_ptr().add(r * CHANNELS).copy_to_nonoverlapping(to.at(r), channels);
            }
        }
    }

    /// # Safety
    /// As for `tile` with `count` outputs.
    #[inline(never)]
    #[target_feature(enable = "avx2")]
    unsafe fn tile_of<const END: u8>(
        &self,
        count: usize,
        first: usize,
        block: &Block,
        to: Places,
        add: (*const u8, usize),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match count {
                1 => self.tile::<1, END>(first, block, to, add),
                2 => self.tile::<2, END>(first, block, to, add),
                3 => self.tile::<3, END>(first, block, to, add),
                4 => self.tile::<4, END>(first, block, to, add),
                5 => self.tile::<5, END>(first, block, to, add),
                _ => self.tile::<6, END>(first, block, to, add),
            }
        }
    }

    /// `R` outputs of one block, `first` counted from the first column kept.
    ///
    /// # Safety
    /// AVX2; the columns of these outputs are kept; 16 values of each can be written, and read if `END` is [`ADDED`].
    #[target_feature(enable = "avx2")]
    unsafe fn tile<const R: usize, const END: u8>(
        &self,
        first: usize,
        block: &Block,
        to: Places,
        add: (*const u8, usize),
    ) {
        let stride = self.layout.stride;
        // SAFETY: the caller's promise.
        unsafe {
            let mut weights = block.weights;
            let kept = self.kept.as_ptr().add(first * stride);
            let mut sums = [[_mm256_loadu_si256(block.bias), _mm256_loadu_si256(block.bias.add(1))]; R];
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
            self.formula.store_16::<R, 2, END>(&sums, block.multipliers.as_ptr(), to, add);
        }
    }
}

/// One block of channels.
struct Block {
    /// `[pairs of taps][2]`.
    weights: *const __m256i,
    bias: *const __m256i,
    /// In the order of the lanes.
    multipliers: [f32; CHANNELS],
}

/// Widens 16 values of each of `columns` columns from two places and interleaves them: `to[column][2]`. The second
/// values are those of `ahead` columns on, at most the last column.
///
/// # Safety
/// AVX2; `load` may be called for each column of both places; `to` has room.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn avx2_u8_to_i16_pairs(
    from: [*const u8; 2],
    columns: usize,
    spacing: usize,
    ahead: usize,
    load: impl Fn(*const u8) -> __m128i,
    to: *mut __m256i,
) {
    for column in 0..columns {
        // SAFETY: the caller's promise.
        unsafe {
            let a = load(from[0].add(column * spacing));
            let b = load(from[1].add((column + ahead).min(columns - 1) * spacing));
            let [a, b] = [_mm256_cvtepu8_epi16(a), _mm256_cvtepu8_epi16(b)];
            _mm256_store_si256(to.add(2 * column), _mm256_unpacklo_epi16(a, b));
            _mm256_store_si256(to.add(2 * column + 1), _mm256_unpackhi_epi16(a, b));
        }
    }
}
