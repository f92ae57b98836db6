//! From products of transformed values to stored outputs: `A' m A`, bias, epilogue.

#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::panel::channel_of_lane;
use super::super::requantize::{ADDED, BOUNDED, Formula, PLAIN, Places};
use super::{CHANNELS, LANES, SEEN, SIZE};
use crate::kernels::generic::requantize::requantize;
use crate::kernels::{Epilogue, Output, PackedConv3x3};

/// Output `i` of a row or column comes out times `3 * 2^SHIFT[i]`.
const SHIFT: [i32; SIZE] = [3, 2, 1, 1];
/// `9 * NINTH` is 1 modulo `2^32`.
const NINTH: i32 = 0x38e3_8e39;

/// The sums of a tile: rows, columns, two registers.
type Sums = [[[__m256i; 2]; SIZE]; SIZE];

/// What comes after the products of one panel.
pub struct Ending<'a> {
    panel: usize,
    /// Channels of the panel that are wanted, and where the first of them goes in the output.
    wanted: Range<usize>,
    column: usize,
    bias: &'a [i32],
    /// In the order of the lanes.
    multipliers: [f32; CHANNELS],
    epilogue: &'a Epilogue<'a>,
    formula: Option<&'a Formula>,
}

impl<'a> Ending<'a> {
    /// For those of the output channels `channels` that are of panel `panel`.
    pub fn new(
        panel: usize,
        channels: &Range<usize>,
        weights: &'a PackedConv3x3,
        epilogue: &'a Epilogue<'a>,
        formula: Option<&'a Formula>,
    ) -> Ending<'a> {
        let start = panel * CHANNELS;
        let wanted = start.max(channels.start)..(start + CHANNELS).min(channels.end);
        let multipliers = std::array::from_fn(|lane| {
            let channel = start + channel_of_lane(2, lane);
            epilogue.multipliers.get(channel).copied().unwrap_or(0.0)
        });
        let column = wanted.start - channels.start;
        Ending {
            panel,
            wanted,
            column,
            bias: &weights.bias[start..][..CHANNELS],
            multipliers,
            epilogue,
            formula,
        }
    }

    /// Writes the outputs of the tile at `(y, x)`, as far as they lie in the image of `height` rows.
    ///
    /// # Safety
    /// AVX2; the tile's 36 times 16 products; output and residual have the pixels and the wanted channels.
    #[target_feature(enable = "avx2")]
    pub unsafe fn finish(&self, products: *const i32, y: usize, x: usize, height: usize, out: &mut Output) {
        // SAFETY: the caller's promise.
        let sums = unsafe { self.sums(products) };
        let count = SIZE.min(out.width - x);
        for (row, sums) in sums.iter().enumerate().take(height - y) {
            let at = (y + row) * out.row_step + x * out.step + self.column;
            let pixel = (y + row) * out.width + x;
            let Some(formula) = self.formula else {
                self.by_definition(&sums[..count], pixel, at, out);
                continue;
            };
            // SAFETY: the caller's promise.
            unsafe {
                let offsets: [usize; SIZE] = std::array::from_fn(|r| r * out.step);
                let to = out.data.as_mut_ptr().add(at);
                let to = Places { data: to, offsets: offsets.as_ptr(), column: 0 };
                let add = match self.epilogue.residual {
                    Some(with) => (with.data.as_ptr().add(pixel * with.stride + self.column), with.stride),
                    None => (std::ptr::null(), 0),
                };
                match formula.end {
                    PLAIN => self.store::<PLAIN>(formula, sums, count, to, add),
                    BOUNDED => self.store::<BOUNDED>(formula, sums, count, to, add),
                    _ => self.store::<ADDED>(formula, sums, count, to, add),
                }
            }
        }
    }

    /// `A' m A`, divided, with the bias.
    ///
    /// # Safety
    /// AVX2; 36 times 16 products.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn sums(&self, products: *const i32) -> Sums {
        let mut sums = [[[_mm256_setzero_si256(); 2]; SIZE]; SIZE];
        for (half, bias) in self.bias.chunks_exact(LANES).enumerate() {
            // SAFETY: the caller's promise; the bias has 16 lanes.
            unsafe {
                let products = products.add(half * LANES);
                let bias = _mm256_loadu_si256(bias.as_ptr().cast());
                let mut rows = [[_mm256_setzero_si256(); SEEN]; SIZE];
                for column in 0..SEEN {
                    let mut values = [_mm256_setzero_si256(); SEEN];
                    for (row, value) in values.iter_mut().enumerate() {
                        let place = row * SEEN + column;
                        *value = _mm256_loadu_si256(products.add(place * CHANNELS).cast());
                    }
                    let values = transform(values);
                    for (row, value) in rows.iter_mut().zip(&values) {
                        row[column] = *value;
                    }
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (column, (sum, value)) in sums.iter_mut().zip(&transform(rows[row])).enumerate() {
                        let shift = _mm_cvtsi32_si128(SHIFT[row] + SHIFT[column]);
                        let ninth = _mm256_mullo_epi32(*value, _mm256_set1_epi32(NINTH));
                        sum[half] = _mm256_add_epi32(_mm256_sra_epi32(ninth, shift), bias);
                    }
                }
            }
        }
        sums
    }

    /// Writes `count` pixels of a row.
    ///
    /// # Safety
    /// AVX2; the pixels can be written and, if `END` is [`ADDED`], read.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store<const END: u8>(
        &self,
        formula: &Formula,
        sums: &[[__m256i; 2]; SIZE],
        count: usize,
        to: Places,
        (add, add_stride): (*const u8, usize),
    ) {
        let multipliers = self.multipliers.as_ptr();
        // SAFETY: the caller's promise; where pixels or channels of the tile are not wanted, it goes through memory of
        // its own.
        unsafe {
            if count == SIZE && self.wanted.len() == CHANNELS {
                formula.store_16::<SIZE, 2, END>(sums, multipliers, to, (add, add_stride));
                return;
            }
            let (skipped, wanted) = (self.wanted.start - self.panel * CHANNELS, self.wanted.len());
            let mut other = [0u8; SIZE * CHANNELS];
            let mut result = [0u8; SIZE * CHANNELS];
            let offsets: [usize; SIZE] = std::array::from_fn(|r| r * CHANNELS);
            let part = Places { data: result.as_mut_ptr(), offsets: offsets.as_ptr(), column: 0 };
            for r in 0..if END == ADDED { count } else { 0 } {
                let other = other.as_mut_ptr().add(r * CHANNELS + skipped);
                add.add(r * add_stride).copy_to_nonoverlapping(other, wanted);
            }
            formula.store_16::<SIZE, 2, END>(sums, multipliers, part, (other.as_ptr(), CHANNELS));
            for r in 0..count {
                let result = result.as_ptr().add(r * CHANNELS + skipped);
                result.copy_to_nonoverlapping(to.at(r), wanted);
            }
        }
    }

    /// One by one: for zero points and bounds that no model has. The first pixel goes to `at`.
    #[cold]
    #[target_feature(enable = "avx2")]
    fn by_definition(&self, sums: &[[__m256i; 2]], pixel: usize, at: usize, out: &mut Output) {
        for (r, sums) in sums.iter().enumerate() {
            let mut lanes = [0i32; CHANNELS];
            // SAFETY: two registers are 16 lanes.
            unsafe { lanes.as_mut_ptr().cast::<[__m256i; 2]>().write_unaligned(*sums) };
            for (lane, &sum) in lanes.iter().enumerate() {
                let channel = self.panel * CHANNELS + channel_of_lane(2, lane);
                if self.wanted.contains(&channel) {
                    let index = channel - self.wanted.start;
                    let residual = self
                        .epilogue
                        .residual
                        .map(|with| with.data[(pixel + r) * with.stride + self.column + index]);
                    out.data[at + r * out.step + index] = requantize(sum, channel, residual, self.epilogue);
                }
            }
        }
    }
}

/// `A'` times six values, each row divided by what it has in common:
/// ```text
/// 1  4  4  1  1  0     24 times the output
/// 0  2 -2  1 -1  0     12
/// 0  1  1  1  1  0      6
/// 0  1 -1  2 -2  1      6
/// ```
#[inline]
#[target_feature(enable = "avx2")]
fn transform(m: [__m256i; SEEN]) -> [__m256i; SIZE] {
    let (sum_1, difference_1) = (_mm256_add_epi32(m[1], m[2]), _mm256_sub_epi32(m[1], m[2]));
    let (sum_2, difference_2) = (_mm256_add_epi32(m[3], m[4]), _mm256_sub_epi32(m[3], m[4]));
    let twice = |value| _mm256_add_epi32(value, value);
    [
        _mm256_add_epi32(_mm256_add_epi32(m[0], _mm256_slli_epi32::<2>(sum_1)), sum_2),
        _mm256_add_epi32(twice(difference_1), difference_2),
        _mm256_add_epi32(sum_1, sum_2),
        _mm256_add_epi32(_mm256_add_epi32(difference_1, twice(difference_2)), m[5]),
    ]
}
