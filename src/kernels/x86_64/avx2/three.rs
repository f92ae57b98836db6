//! Depthwise convolution of 3x3 taps with strides 1 and 2 on AVX2: columns slide through registers.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::depthwise::Layout;
use super::filter::{CHANNELS, Grid, block, blocks, offset};
use super::requantize::{Formula, Places};
use crate::kernels::{Epilogue, Output, PackedDepthwise, Patches};

/// Bytes of three rows that stay in the first-level cache while all channels pass.
const STRIP_BYTES: usize = 16 << 10;
/// Outputs of a strip at least.
const STRIP_OUTPUTS: usize = 8;

/// Two registers: the pairs of 16 channels.
type Pairs = [__m256i; 2];

/// A call of the kernel, whose sizes were checked; at least 16 channels.
pub struct Call<'a> {
    pub patches: &'a Patches<'a>,
    pub weights: &'a PackedDepthwise,
    pub epilogue: &'a Epilogue<'a>,
    pub formula: &'a Formula,
    /// A 3x3 grid.
    pub layout: Layout,
}

impl Call<'_> {
    /// All outputs; `S` is the stride, 1 or 2.
    ///
    /// # Safety
    /// AVX2; input, output, weights and residual have the sizes that the patches and the channels ask for.
    #[target_feature(enable = "avx2")]
    pub unsafe fn run<const S: usize, const END: u8>(&self, out: &mut Output) {
        let Patches { taps, step, row_step, width, height, .. } = *self.patches;
        let (channels, Layout { spacing, phases, .. }) = (self.weights.channels, self.layout);
        let grid = Grid { rows: 3, columns: 3 };
        let most = (STRIP_BYTES / (3 * channels * S)).max(STRIP_OUTPUTS);
        // Every `phases`-th output shares columns with the next.
        for phase in 0..phases.min(width) {
            let outputs = (width - phase).div_ceil(phases);
            let most = outputs.div_ceil(outputs.div_ceil(most)).next_multiple_of(2);
            for (x, y) in strips(outputs, most, height) {
                let count = most.min(outputs - x);
                let first = phase + x * phases;
                for index in 0..blocks(channels) {
                    let start = block(index, channels).start;
                    // SAFETY: the caller's promise; a block is whole.
                    unsafe {
                        let from = self.patches.data.as_ptr().add(y * row_step + first * step + start);
                        let weights = offset(grid, index, channels, self.weights.taps);
                        let filter = Filter {
                            weights: self.weights.data.bytes().as_ptr().add(weights).cast(),
                            bias: self.weights.bias.as_ptr().add(index * CHANNELS).cast(),
                        };
                        let multipliers = lanes(self.epilogue.multipliers.as_ptr().add(start));
                        let mut window = Window::<S>::new(
                            [from.add(taps[0]), from.add(taps[3]), from.add(taps[6])],
                            spacing,
                        );
                        let mut done = 0;
                        while done < count {
                            let x = first + done * phases;
                            let at = y * out.row_step + x * out.step + start;
                            let offsets = [0, phases * out.step];
                            let to = out.data.as_mut_ptr().add(at);
                            let to = Places { data: to, offsets: offsets.as_ptr(), column: 0 };
                            let add = match self.epilogue.residual {
                                Some(with) => {
                                    let at = (y * width + x) * with.stride + start;
                                    (with.data.as_ptr().add(at), phases * with.stride)
                                }
                                None => (std::ptr::null(), 0),
                            };
                            if done + 2 <= count {
                                let sums = [window.slide(&filter), window.slide(&filter)];
                                self.formula.store_16::<2, 2, END>(&sums, multipliers.as_ptr(), to, add);
                            } else {
                                let sums = [window.slide(&filter)];
                                self.formula.store_16::<1, 2, END>(&sums, multipliers.as_ptr(), to, add);
                            }
                            done += 2;
                        }
                    }
                }
            }
        }
    }
}

/// Where strips of `most` outputs begin: column and row. Rows one below the other see the same values, so a strip is done
/// from top to bottom.
fn strips(outputs: usize, most: usize, height: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..outputs).step_by(most).flat_map(move |x| (0..height).map(move |y| (x, y)))
}

/// The multipliers of 16 channels in the order of the lanes.
///
/// # Safety
/// 16 multipliers can be read.
unsafe fn lanes(natural: *const f32) -> [f32; CHANNELS] {
    // SAFETY: the caller's promise.
    let mut lanes = unsafe { natural.cast::<[f32; CHANNELS]>().read_unaligned() };
    let natural = lanes;
    lanes[4..8].copy_from_slice(&natural[8..12]);
    lanes[8..12].copy_from_slice(&natural[4..8]);
    lanes
}

/// The filter of 16 channels.
#[derive(Clone, Copy)]
struct Filter {
    /// Pairs of the upper two rows for each column; the first two taps of the last row; zero and its last tap.
    weights: *const Pairs,
    bias: *const Pairs,
}

/// What the next output sees and the last one saw.
struct Window<const S: usize> {
    /// The next column to be read, in each row.
    rows: [*const u8; 3],
    spacing: usize,
    /// The upper two rows of the columns already read, the newest last; one column at stride 2.
    upper: [Pairs; 2],
    /// The last row: the newest two columns side by side (not at stride 2) and the newest column.
    lower: Pairs,
    newest: __m256i,
}

impl<const S: usize> Window<S> {
    /// The window of the first output, but for the columns that `slide` reads.
    ///
    /// # Safety
    /// AVX2; the columns can be read.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn new(rows: [*const u8; 3], spacing: usize) -> Window<S> {
        // SAFETY: the caller's promise.
        unsafe {
            let zero = _mm256_setzero_si256();
            let mut window = Window { rows, spacing, upper: [[zero; 2]; 2], lower: [zero; 2], newest: zero };
            window.upper[1] = window.next_upper();
            window.lower = window.next_lower();
            window.advance();
            if S == 1 {
                window.upper[0] = window.upper[1];
                window.upper[1] = window.next_upper();
                window.lower = window.next_lower();
                window.advance();
            }
            window
        }
    }

    /// The upper two rows of the next column, side by side.
    ///
    /// # Safety
    /// AVX2; the next column can be read.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn next_upper(&self) -> Pairs {
        // SAFETY: the caller's promise.
        unsafe {
            let [a, b] = [widen(self.rows[0]), widen(self.rows[1])];
            [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)]
        }
    }

    /// The last row's newest column and the next, side by side.
    ///
    /// # Safety
    /// AVX2; the next column can be read.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn next_lower(&mut self) -> Pairs {
        // SAFETY: the caller's promise.
        unsafe {
            let (a, b) = (self.newest, widen(self.rows[2]));
            self.newest = b;
            [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)]
        }
    }

    /// Goes on by a column.
    #[inline(always)]
    fn advance(&mut self) {
        self.rows = self.rows.map(|row| row.wrapping_add(self.spacing));
    }

    /// The sums of the next output.
    ///
    /// # Safety
    /// AVX2; its columns can be read; `filter` is one.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn slide(&mut self, filter: &Filter) -> Pairs {
        // SAFETY: the caller's promise.
        unsafe {
            if S == 2 {
                self.upper[0] = self.upper[1];
                self.upper[1] = self.next_upper();
                self.lower = self.next_lower();
                self.advance();
            }
            let weights = |pair: usize| *filter.weights.add(pair);
            let sums = add_products(filter.bias.read_unaligned(), self.upper[0], weights(0));
            let sums = add_products(sums, self.upper[1], weights(1));
            let sums = add_products(sums, self.lower, weights(3));
            self.upper[0] = self.upper[1];
            self.upper[1] = self.next_upper();
            self.lower = self.next_lower();
            self.advance();
            let sums = add_products(sums, self.upper[1], weights(2));
            add_products(sums, self.lower, weights(4))
        }
    }
}

/// 16 values, widened.
///
/// # Safety
/// AVX2; 16 values can be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn widen(from: *const u8) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_cvtepu8_epi16(_mm_loadu_si128(from.cast())) }
}

/// Adds the products of pairs of values and pairs of weights.
#[inline]
#[target_feature(enable = "avx2")]
fn add_products(sums: Pairs, values: Pairs, weights: Pairs) -> Pairs {
    [
        _mm256_add_epi32(sums[0], _mm256_madd_epi16(values[0], weights[0])),
        _mm256_add_epi32(sums[1], _mm256_madd_epi16(values[1], weights[1])),
    ]
}
