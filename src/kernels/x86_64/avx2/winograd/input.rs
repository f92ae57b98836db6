//! Transformed input: `B' d B` of tiles of 6x6 pixels.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{LEAST_CHANNELS as STEP, SEEN};
use crate::kernels::image::Image;

/// Transforms the 6x6 pixels from `(y, x)` on: the value at place `p` of channel `c` goes to `to[p * apart + c]`.
/// Beyond the last row and column, which only outputs beyond the last see, these are repeated.
///
/// # Safety
/// AVX2; `(y, x)` is a pixel; the values can be written.
#[target_feature(enable = "avx2")]
pub unsafe fn avx2_transform_tile(image: &Image, y: usize, x: usize, to: *mut i16, apart: usize) {
    let [rows, columns] = image.square::<SEEN>(y, x);
    let mut done = 0;
    while done < image.channels {
        // The last step begins early, so as to be whole.
        let channel = done.min(image.channels - STEP);
        // SAFETY: the rows and columns were bounded, and 16 channels from `channel` on are a pixel's.
        unsafe {
            let from = image.data.as_ptr().add(channel);
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
