//! Blocks of 32 stored values in vectors of AVX2: as real numbers, and back.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use crate::kernels::Q;

/// Values in a block: those of one vector.
pub const BLOCK: usize = 32;

/// A block.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub unsafe fn load(values: &[Q; BLOCK]) -> __m256i {
    // SAFETY: 32 bytes are read from an array of 32, with AVX2 by this function's contract.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// Writes a block.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub unsafe fn store(block: __m256i, out: &mut [Q; BLOCK]) {
    // SAFETY: 32 bytes are written to an array of 32, with AVX2 by this function's contract.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), block) }
}

/// The first values of a slice, and zeros where it ends.
#[inline(always)]
pub fn first(values: &[Q]) -> [Q; BLOCK] {
    match values.first_chunk() {
        Some(block) => *block,
        None => {
            let mut block = [0; BLOCK];
            block[..values.len()].copy_from_slice(values);
            block
        }
    }
}

/// A zero point for [`reals`]: 2^23 more, which [`reals`] adds to values.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub unsafe fn zero(zero: i32) -> __m256 {
    // SAFETY: AVX2 by this function's contract.
    unsafe { _mm256_set1_ps((zero + (1 << 23)) as f32) }
}

/// A block as real numbers, in order, less a [`zero`].
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub unsafe fn reals(values: &[Q; BLOCK], zero: __m256) -> [__m256; 4] {
    // No closures here and below: intrinsics are inlined into functions with AVX2 only, and this one gets there whole.
    // SAFETY: AVX2 by this function's contract.
    unsafe {
        [
            eight_reals(values, 0, zero),
            eight_reals(values, 8, zero),
            eight_reals(values, 16, zero),
            eight_reals(values, 24, zero),
        ]
    }
}

/// The eight values from `first`, at most 24, as real numbers less `zero`.
///
/// # Safety
/// The processor has AVX2, and `first` is at most 24.
#[inline(always)]
unsafe fn eight_reals(values: &[Q; BLOCK], first: usize, zero: __m256) -> __m256 {
    // SAFETY: eight bytes from at most 24 are read of 32, with AVX2 by this function's contract.
    unsafe {
        let eight = _mm_loadl_epi64(values.as_ptr().add(first).cast());
        // 2^23 + x is x below the exponent of 2^23; the difference of two integers up to 2^24 is exact.
        let shifted = _mm256_or_si256(_mm256_cvtepu8_epi32(eight), _mm256_set1_epi32(0x4B00_0000));
        _mm256_sub_ps(_mm256_castsi256_ps(shifted), zero)
    }
}

/// Zero point and bounds of an output; all values between are rounded as the definition does.
#[derive(Clone, Copy)]
pub struct Rounding {
    low: __m256,
    high: __m256,
    zero: __m256i,
}

impl Rounding {
    /// For an output with this zero point and these bounds.
    ///
    /// # Safety
    /// The processor has AVX2.
    #[inline(always)]
    pub unsafe fn new(zero: i32, low: i32, high: i32) -> Rounding {
        // SAFETY: AVX2 by this function's contract.
        unsafe {
            Rounding {
                low: _mm256_set1_ps((low - zero) as f32),
                high: _mm256_set1_ps((high - zero) as f32),
                zero: _mm256_set1_epi16(zero as i16),
            }
        }
    }

    /// Bounded, rounded half to even, and the zero point added; NaN gives the lower bound.
    ///
    /// # Safety
    /// The processor has AVX2.
    #[inline(always)]
    pub unsafe fn block(&self, reals: [__m256; 4]) -> __m256i {
        // SAFETY: AVX2 by this function's contract.
        unsafe {
            // Of NaN and a number, the maximum is the second.
            let mut bounded = reals;
            for x in &mut bounded {
                *x = _mm256_min_ps(_mm256_max_ps(*x, self.low), self.high);
            }
            self.block_in_range(bounded)
        }
    }

    /// As [`Rounding::block`] for numbers within 2^30 of 0 and an output that takes all values: saturation bounds them.
    ///
    /// # Safety
    /// The processor has AVX2.
    #[inline(always)]
    pub unsafe fn block_in_range(&self, reals: [__m256; 4]) -> __m256i {
        // SAFETY: AVX2 by this function's contract.
        unsafe {
            let [a, b, c, d] = reals;
            let low = _mm256_packs_epi32(_mm256_cvtps_epi32(a), _mm256_cvtps_epi32(b));
            let high = _mm256_packs_epi32(_mm256_cvtps_epi32(c), _mm256_cvtps_epi32(d));
            let (low, high) = (_mm256_adds_epi16(low, self.zero), _mm256_adds_epi16(high, self.zero));
            // Packing works within halves of vectors: groups of four are in the order 0 2 4 6 1 3 5 7.
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order)
        }
    }
}
