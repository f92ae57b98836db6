//! Linear resize with AVX2.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::vector::{self, BLOCK, Rounding, reals};
use crate::kernels::generic;
use crate::kernels::generic::resize::same_place;
use crate::kernels::{Between, LinearParams, Output, Q, Resize};

/// Multiplier up to which no result is beyond what a 32-bit integer holds.
const LARGEST_MULTIPLIER: f32 = 1e6;

/// See [`crate::kernels::Operators::linear`].
#[target_feature(enable = "avx2")]
pub fn linear(
    input: &[Q],
    first_row: usize,
    resize: &Resize<Between>,
    params: &LinearParams,
    out: &mut Output,
) {
    let Resize { width, channels, rows, columns } = *resize;
    if params.multiplier.is_nan() || params.multiplier.abs() > LARGEST_MULTIPLIER {
        return generic::resize::linear(input, first_row, resize, params, out);
    }
    let multiplier = _mm256_set1_ps(params.multiplier);
    // SAFETY: this function has AVX2.
    let (rounding, zero) = unsafe {
        let rounding = Rounding::new(params.zero, i32::from(Q::MIN), i32::from(Q::MAX));
        (rounding, vector::zero(params.input_zero))
    };
    let mut done = 0;
    // Rows between the same two rows of input share what is blended along columns.
    for band in rows.chunk_by(same_place) {
        let [top, bottom] = [band[0].low, band[0].high]
            .map(|row| &input[(row - first_row) * width * channels..][..width * channels]);
        for (index, column) in columns.iter().enumerate() {
            let weights = [_mm256_set1_ps(1.0 - column.fraction), _mm256_set1_ps(column.fraction)];
            let [low, high] = [column.low * channels, column.high * channels];
            // Where pixels lie next to each other, what is written behind one of them is written again with the next.
            let room = if out.step == channels { (columns.len() - index) * channels } else { channels };
            for first in (0..channels).step_by(BLOCK) {
                // SAFETY: this function has AVX2.
                let [top, bottom] = unsafe {
                    [
                        blend_values(&top[low + first..], &top[high + first..], zero, weights),
                        blend_values(&bottom[low + first..], &bottom[high + first..], zero, weights),
                    ]
                };
                for (row, place) in band.iter().enumerate() {
                    let weights = [_mm256_set1_ps(1.0 - place.fraction), _mm256_set1_ps(place.fraction)];
                    let at = (done + row) * out.row_step + index * out.step + first;
                    let line = &mut out.data[at..at + room - first];
                    // SAFETY: this function has AVX2.
                    unsafe {
                        let mut blended = blend(top, bottom, weights);
                        for x in &mut blended {
                            *x = _mm256_mul_ps(*x, multiplier);
                        }
                        let block = rounding.block_in_range(blended);
                        match line.first_chunk_mut() {
                            Some(out) => vector::store(block, out),
                            None => {
                                let mut last = [0; BLOCK];
                                vector::store(block, &mut last);
                                line.copy_from_slice(&last[..line.len()]);
                            }
                        }
                    }
                }
            }
        }
        done += band.len();
    }
}

/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn blend_values(low: &[Q], high: &[Q], zero: __m256, weights: [__m256; 2]) -> [__m256; 4] {
    // SAFETY: AVX2 by this function's contract.
    unsafe { blend(reals(&vector::first(low), zero), reals(&vector::first(high), zero), weights) }
}

/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn blend(low: [__m256; 4], high: [__m256; 4], weights: [__m256; 2]) -> [__m256; 4] {
    let mut blended = low;
    for (low, high) in blended.iter_mut().zip(high) {
        // SAFETY: AVX2 by this function's contract.
        unsafe { *low = _mm256_add_ps(_mm256_mul_ps(*low, weights[0]), _mm256_mul_ps(high, weights[1])) };
    }
    blended
}
