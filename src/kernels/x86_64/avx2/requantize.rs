//! From 32-bit sums to stored values, by the definition's formula.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use crate::kernels::{Epilogue, Residual};

/// Where the output of the pixels of a tile goes.
#[derive(Clone, Copy)]
pub struct Places {
    /// Where the output begins.
    pub data: *mut u8,
    /// For each pixel, where its channels begin.
    pub offsets: *const usize,
    /// Where the first channel that is written lies in a pixel.
    pub column: usize,
}

impl Places {
    /// Where pixel `r` of the tile goes.
    ///
    /// # Safety
    /// There is such a pixel.
    #[inline(always)]
    pub unsafe fn at(self, r: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.data.add(*self.offsets.add(r) + self.column) }
    }
}

/// What the formula needs, the same for every channel.
#[derive(Clone, Copy)]
pub struct Formula {
    /// Bounds of the product's result before its zero point is added.
    low: f32,
    high: f32,
    /// The tensor to be added.
    data_zero: i32,
    own: f32,
    other: f32,
    /// Highest result, before the zero point is added, of the last step: the addition, or the product if there is none.
    last_high: f32,
    /// Zero point and lowest stored value of the last step.
    last_zero: i16,
    last_low: u8,
}

impl Formula {
    /// The formula of `epilogue`, if its zero points and bounds are 8-bit values, as those of a model are; what
    /// `Formula` computes is the definition's for these.
    pub fn new(epilogue: &Epilogue) -> Option<Formula> {
        let byte = |value: i32| (0..=255).contains(&value);
        let bytes = |zero: i32, low: i32, high: i32| byte(zero) && byte(low) && byte(high);
        if !bytes(epilogue.zero_point, epilogue.low, epilogue.high) {
            return None;
        }
        let Residual { data_zero, own, other, zero_point, low, high, .. } =
            epilogue.residual.unwrap_or(Residual {
                data: &[],
                stride: 0,
                data_zero: 0,
                own: 1.0,
                other: 0.0,
                zero_point: epilogue.zero_point,
                low: epilogue.low,
                high: epilogue.high,
            });
        bytes(zero_point, low, high).then_some(Formula {
            low: (epilogue.low - epilogue.zero_point) as f32,
            high: (epilogue.high - epilogue.zero_point) as f32,
            data_zero,
            own,
            other,
            last_high: (high - zero_point) as f32,
            last_zero: zero_point as i16,
            // The definition bounds from above last.
            last_low: low.min(high) as u8,
        })
    }

    /// Eight sums to whole numbers without zero point, at most `last_high`, of any size downwards. `others` are eight
    /// values of the tensor to be added (none is if `ADD` is false).
    ///
    /// Bounding from below is left to the end, where it costs one instruction for 32 values: a number too low for `i32`
    /// and NaN become `i32::MIN`, which the saturating packs bring to 0, as the definition brings both to its lowest.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn whole<const ADD: bool>(&self, sums: __m256i, multipliers: __m256, others: __m256i) -> __m256i {
        let real = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), multipliers);
        // The second operand of min and max is the result where one is NaN.
        if !ADD {
            return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(self.last_high), real));
        }
        let bounded = _mm256_max_ps(real, _mm256_set1_ps(self.low));
        let bounded = _mm256_min_ps(bounded, _mm256_set1_ps(self.high));
        let own = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(bounded);
        let other = _mm256_cvtepi32_ps(_mm256_sub_epi32(others, _mm256_set1_epi32(self.data_zero)));
        let sum = _mm256_add_ps(
            _mm256_mul_ps(own, _mm256_set1_ps(self.own)),
            _mm256_mul_ps(other, _mm256_set1_ps(self.other)),
        );
        _mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(self.last_high), sum))
    }

    /// Two registers of 16-bit numbers with zero point to 32 stored values.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn store(&self, first: __m256i, second: __m256i) -> __m256i {
        let zero = _mm256_set1_epi16(self.last_zero);
        let bytes = _mm256_packus_epi16(_mm256_adds_epi16(first, zero), _mm256_adds_epi16(second, zero));
        _mm256_max_epu8(bytes, _mm256_set1_epi8(self.last_low as i8))
    }

    /// Writes the 16 channels of the first two of `V` registers of each of `R` pixels, lanes in the order of `channel_of_lane`.
    ///
    /// # Safety
    /// AVX2; 16 values can be written at `to.at(r)`, read at `add + r * add_stride` if `ADD`, for each pixel
    /// `r`; 16 multipliers.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub unsafe fn store_16<const R: usize, const V: usize, const ADD: bool>(
        &self,
        sums: &[[__m256i; V]; R],
        multipliers: *const f32,
        to: Places,
        (add, add_stride): (*const u8, usize),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let multipliers = [_mm256_loadu_ps(multipliers), _mm256_loadu_ps(multipliers.add(8))];
            let row = |r: usize| {
                let others = if ADD {
                    let bytes = _mm_loadu_si128(add.add(r * add_stride).cast());
                    let bytes = _mm_shuffle_epi32::<0b11_01_10_00>(bytes);
                    [_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(bytes, bytes))]
                } else {
                    [_mm256_setzero_si256(); 2]
                };
                _mm256_packs_epi32(
                    self.whole::<ADD>(sums[r][0], multipliers[0], others[0]),
                    self.whole::<ADD>(sums[r][1 % V], multipliers[1], others[1]),
                )
            };
            for r in (0..R).step_by(2) {
                let first = row(r);
                let second = if r + 1 < R { row(r + 1) } else { first };
                let bytes = self.store(first, second);
                let (low, high) = (_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
                _mm_storeu_si128(to.at(r).cast(), _mm_unpacklo_epi64(low, high));
                if r + 1 < R {
                    _mm_storeu_si128(to.at(r + 1).cast(), _mm_unpackhi_epi64(low, high));
                }
            }
        }
    }

    /// Writes the 8 channels of the last of `V` registers of each of `R` pixels, lanes in order.
    ///
    /// # Safety
    /// As for [`Formula::store_16`], with 8 for 16.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub unsafe fn store_8<const R: usize, const V: usize, const ADD: bool>(
        &self,
        sums: &[[__m256i; V]; R],
        multipliers: *const f32,
        to: Places,
        (add, add_stride): (*const u8, usize),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let multipliers = _mm256_loadu_ps(multipliers);
            let row = |r: usize| {
                let others = if ADD {
                    _mm256_cvtepu8_epi32(_mm_loadl_epi64(add.add(r * add_stride).cast()))
                } else {
                    _mm256_setzero_si256()
                };
                self.whole::<ADD>(sums[r][V - 1], multipliers, others)
            };
            for r in (0..R).step_by(2) {
                let first = row(r);
                let second = if r + 1 < R { row(r + 1) } else { first };
                // Both halves hold four channels of each pixel.
                let packed = _mm256_packs_epi32(first, second);
                let bytes = self.store(packed, packed);
                let low = _mm256_castsi256_si128(bytes);
                let pixels = _mm_unpacklo_epi32(low, _mm256_extracti128_si256::<1>(bytes));
                _mm_storel_epi64(to.at(r).cast(), pixels);
                if r + 1 < R {
                    let second = _mm_unpackhi_epi64(pixels, pixels);
                    _mm_storel_epi64(to.at(r + 1).cast(), second);
                }
            }
        }
    }
}
