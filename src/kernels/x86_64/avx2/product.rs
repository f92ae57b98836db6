//! Products of two computed tensors with AVX2: pairs of 16-bit products, summed in 32 bits.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::vector::{self, BLOCK, Rounding};
use crate::kernels::generic;
use crate::kernels::{ProductParams, Q};

/// Rows of output computed together, [`BLOCK`] columns of each.
const ROWS: usize = 2;
/// Terms up to which there is room for centered rows.
const DEPTH_MAX: usize = 4096;

type Sums = [[i32; BLOCK]; ROWS];

/// `a - a_zero`; zeros behind the last term.
struct Centered {
    rows: [[i16; DEPTH_MAX]; ROWS],
    /// Sum of each row.
    sums: [i32; ROWS],
}

/// See [`crate::kernels::Operators::product`]. With `a - a_zero = d`, `sum(d * (b - b_zero)) = sum(d * b) - b_zero * sum(d)`.
#[target_feature(enable = "avx2")]
pub fn product(a: &[Q], b: &[Q], params: &ProductParams, out: &mut [Q]) {
    let ProductParams { k, n, transposed, mul } = *params;
    if k == 0 || n == 0 || k > DEPTH_MAX || b.len() != k * n || a.len() != out.len() / n * k {
        return generic::product::product(a, b, params, out);
    }
    // SAFETY: this function has AVX2.
    let rounding = unsafe { Rounding::new(mul.zero, mul.low, mul.high) };
    let multiplier = _mm256_set1_ps(mul.multiplier);
    let mut centered = Centered { rows: [[0; DEPTH_MAX]; ROWS], sums: [0; ROWS] };
    for (a, out) in a.chunks(ROWS * k).zip(out.chunks_mut(ROWS * n)) {
        for (index, row) in a.chunks_exact(k).enumerate() {
            let mut sum = 0;
            for (centered, &a) in centered.rows[index].iter_mut().zip(row) {
                *centered = i16::from(a) - mul.a_zero as i16;
                sum += i32::from(*centered);
            }
            centered.sums[index] = sum;
        }
        for first in (0..n).step_by(BLOCK) {
            let mut sums = [[0; BLOCK]; ROWS];
            // SAFETY: this function has AVX2.
            unsafe {
                if transposed {
                    along_rows(&centered, b, k, first, n, &mut sums);
                } else {
                    along_columns(&centered, &b[first..], k, n, &mut sums);
                }
            }
            for (index, line) in out.chunks_exact_mut(n).enumerate() {
                let zeros = _mm256_set1_epi32(mul.b_zero.wrapping_mul(centered.sums[index]));
                let mut reals = [_mm256_setzero_ps(); 4];
                for (eight, real) in reals.iter_mut().enumerate() {
                    // SAFETY: eight sums are read from 0, 8, 16 and 24 of 32.
                    let sums = unsafe { _mm256_loadu_si256(sums[index].as_ptr().add(8 * eight).cast()) };
                    *real = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(sums, zeros)), multiplier);
                }
                let mut block = [0; BLOCK];
                // SAFETY: this function has AVX2.
                unsafe { vector::store(rounding.block(reals), &mut block) };
                let line = &mut line[first..];
                match line.first_chunk_mut() {
                    Some(out) => *out = block,
                    None => line.copy_from_slice(&block[..line.len()]),
                }
            }
        }
    }
}

/// Sums for columns `first..` of `b`, `[k][n]`, which begins with column `first`; behind the last column sums are of no use.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn along_columns(a: &Centered, b: &[Q], k: usize, n: usize, sums: &mut Sums) {
    // SAFETY: AVX2 by this function's contract. Eight sums are written from 0, 8, 16 and 24 of 32.
    unsafe {
        let mut totals = [[_mm256_setzero_si256(); 4]; ROWS];
        for pair in (0..k).step_by(2) {
            // Two rows of `b` become pairs of 16-bit numbers; behind the last row of `b`, zeros.
            let upper = vector::first(&b[pair * n..]);
            let lower = if pair + 1 < k { vector::first(&b[(pair + 1) * n..]) } else { [0; BLOCK] };
            let (upper, lower) = (vector::load(&upper), vector::load(&lower));
            let low = _mm256_unpacklo_epi8(upper, lower);
            let high = _mm256_unpackhi_epi8(upper, lower);
            let pairs = [
                _mm256_cvtepu8_epi16(_mm256_castsi256_si128(low)),
                _mm256_cvtepu8_epi16(_mm256_castsi256_si128(high)),
                _mm256_cvtepu8_epi16(_mm256_extracti128_si256::<1>(low)),
                _mm256_cvtepu8_epi16(_mm256_extracti128_si256::<1>(high)),
            ];
            for (totals, row) in totals.iter_mut().zip(&a.rows) {
                let (even, odd) = (row[pair] as u16, row[(pair + 1) % DEPTH_MAX] as u16);
                let both = _mm256_set1_epi32((u32::from(odd) << 16 | u32::from(even)) as i32);
                for (total, pairs) in totals.iter_mut().zip(pairs) {
                    *total = _mm256_add_epi32(*total, _mm256_madd_epi16(pairs, both));
                }
            }
        }
        for (sums, totals) in sums.iter_mut().zip(totals) {
            for (index, total) in totals.into_iter().enumerate() {
                _mm256_storeu_si256(sums.as_mut_ptr().add(8 * index).cast(), total);
            }
        }
    }
}

/// Sums for rows `first..` of `b`, `[n][k]`; behind the last row they are those of the last.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn along_rows(a: &Centered, b: &[Q], k: usize, first: usize, n: usize, sums: &mut Sums) {
    const TOGETHER: usize = 4;
    // SAFETY: AVX2 by this function's contract. `step` is below `DEPTH_MAX - 15`, as steps are of 16 and it is a multiple; four sums
    // are written from at most 28 of 32.
    unsafe {
        for group in (0..BLOCK.min(n - first)).step_by(TOGETHER) {
            let mut rows = [b; TOGETHER];
            for (index, row) in rows.iter_mut().enumerate() {
                *row = &b[(first + group + index).min(n - 1) * k..][..k];
            }
            let mut totals = [[_mm256_setzero_si256(); TOGETHER]; ROWS];
            for step in (0..k).step_by(16) {
                let mut values = [_mm256_setzero_si256(); TOGETHER];
                for (value, row) in values.iter_mut().zip(rows) {
                    *value = _mm256_cvtepu8_epi16(sixteen(&row[step..]));
                }
                for (totals, row) in totals.iter_mut().zip(&a.rows) {
                    let centered = _mm256_loadu_si256(row.as_ptr().add(step).cast());
                    for (total, value) in totals.iter_mut().zip(values) {
                        *total = _mm256_add_epi32(*total, _mm256_madd_epi16(value, centered));
                    }
                }
            }
            for (sums, [a, b, c, d]) in sums.iter_mut().zip(totals) {
                let halves = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
                let four =
                    _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves));
                _mm_storeu_si128(sums.as_mut_ptr().add(group).cast(), four);
            }
        }
    }
}

/// The first 16 values, zeros where they end.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn sixteen(values: &[Q]) -> __m128i {
    let mut short = [0; 16];
    let block = match values.first_chunk::<16>() {
        Some(block) => block,
        None => {
            short[..values.len()].copy_from_slice(values);
            &short
        }
    };
    // SAFETY: 16 bytes are read from an array of 16.
    unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
}
