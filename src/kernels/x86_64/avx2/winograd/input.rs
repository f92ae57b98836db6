//! Transformed input: `B' d B` of tiles of 6x6 pixels.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{LEAST_CHANNELS as STEP, SEEN};
use crate::kernels::Patches;

/// The pixels that the patches of a convolution see.
pub struct Image<'a> {
    /// The values from the first pixel on.
    data: &'a [u8],
    channels: usize,
    row_step: usize,
    /// Last row and column that any patch sees.
    last: [usize; 2],
}

impl<'a> Image<'a> {
    /// The image of patches of 3x3 neighboring pixels of `channels` values, of which there is one at least.
    ///
    /// # Panics
    /// For other patches.
    pub fn new(patches: &Patches<'a>, channels: usize) -> Image<'a> {
        let Patches { data, taps, run, step, row_step, width, height } = *patches;
        let regular = match taps.len() {
            3 => run == 3 * channels && (0..3).all(|tap| taps[tap] == taps[0] + tap * row_step),
            9 => {
                let place = |tap: usize| taps[0] + tap / 3 * row_step + tap % 3 * channels;
                run == channels && (0..9).all(|tap| taps[tap] == place(tap))
            }
            _ => false,
        };
        assert!(regular && step == channels, "not the patches of a 3x3 convolution of stride 1");
        assert!(data.len() >= patches.end());
        Image { data: &data[taps[0]..], channels, row_step, last: [height + 1, width + 1] }
    }

    /// Transforms the 6x6 pixels from `(y, x)` on: the value at place `p` of channel `c` goes to `to[p * apart + c]`.
    /// Beyond the last row and column, which only outputs beyond the last see, these are repeated.
    ///
    /// # Safety
    /// AVX2; `(y, x)` is a pixel; the values can be written.
    #[target_feature(enable = "avx2")]
    pub unsafe fn avx2_transform(&self, y: usize, x: usize, to: *mut i16, apart: usize) {
        let rows: [usize; SEEN] = std::array::from_fn(|row| (y + row).min(self.last[0]) * self.row_step);
        let columns: [usize; SEEN] =
            std::array::from_fn(|column| (x + column).min(self.last[1]) * self.channels);
        let mut done = 0;
        while done < self.channels {
            // The last step begins early, so as to be whole.
            let channel = done.min(self.channels - STEP);
            // SAFETY: the rows and columns were bounded, and 16 channels from `channel` on are a pixel's.
            unsafe {
                let from = self.data.as_ptr().add(channel);
                let mut half = [[_mm256_setzero_si256(); SEEN]; SEEN];
                for (column, &at) in columns.iter().enumerate() {
                    let mut values = [_mm256_setzero_si256(); SEEN];
                    for (value, &row) in values.iter_mut().zip(&rows) {
                        *value = _mm256_cvtepu8_epi16(_mm_loadu_si128(from.add(row + at).cast()));
                    }
                    let values = transform(values);
                    for (row, value) in half.iter_mut().zip(&values) {
                        row[column] = *value;
                    }
                }
                for (row, values) in half.iter().enumerate() {
                    for (column, value) in transform(*values).iter().enumerate() {
                        let place = row * SEEN + column;
                        _mm256_storeu_si256(to.add(place * apart + channel).cast(), *value);
                    }
                }
            }
            done += STEP;
        }
    }
}

/// `B'` times six values:
/// ```text
/// 4  0 -5  0  1  0
/// 0 -4 -4  1  1  0
/// 0  4 -4 -1  1  0
/// 0 -2 -1  2  1  0
/// 0  2 -1 -2  1  0
/// 0  4  0 -5  0  1
/// ```
#[inline]
#[target_feature(enable = "avx2")]
fn transform(d: [__m256i; SEEN]) -> [__m256i; SEEN] {
    let times_4 = |value| _mm256_slli_epi16::<2>(value);
    let from_4_2 = _mm256_sub_epi16(d[4], d[2]);
    let from_3_1 = _mm256_sub_epi16(d[3], d[1]);
    let twice = _mm256_add_epi16(from_3_1, from_3_1);
    let even = _mm256_sub_epi16(d[4], times_4(d[2]));
    let odd = _mm256_sub_epi16(d[3], times_4(d[1]));
    [
        _mm256_add_epi16(times_4(_mm256_sub_epi16(d[0], d[2])), from_4_2),
        _mm256_add_epi16(even, odd),
        _mm256_sub_epi16(even, odd),
        _mm256_add_epi16(from_4_2, twice),
        _mm256_sub_epi16(from_4_2, twice),
        _mm256_sub_epi16(_mm256_sub_epi16(d[5], d[3]), _mm256_add_epi16(twice, twice)),
    ]
}
