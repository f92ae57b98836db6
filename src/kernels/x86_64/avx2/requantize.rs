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

/// An epilogue whose products cannot leave `i32`, so that bounding them is left to the end.
pub const PLAIN: u8 = 0;
/// An epilogue with multipliers of any size.
pub const BOUNDED: u8 = 1;
/// An epilogue that adds another tensor.
pub const ADDED: u8 = 2;

/// What the formula needs, the same for every channel.
#[derive(Clone, Copy)]
pub struct Formula {
    /// Which of the three.
    pub end: u8,
    /// Bounds of the product's result before its zero point is added.
    low: f32,
    high: f32,
    /// The tensor to be added.
    data_zero: i32,
    own: f32,
    other: f32,
    /// Zero point, lowest and highest stored value of the last step: the addition, or the product if there is none.
    last_zero: i16,
    last_low: u8,
    last_high: u8,
}

impl Formula {
    /// The formula of `epilogue`, if its zero points and bounds are 8-bit values and the scales of an addition are not
    /// absurd, as in every model; what `Formula` computes is the definition's for these.
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
        let scales = own.abs() < 65536.0 && other.abs() < 65536.0 && data_zero.unsigned_abs() < 4096;
        if !bytes(zero_point, low, high) || !scales {
            return None;
        }
        // A sum of 32 bits times less than 1 is within 32 bits.
        let small =
            epilogue.multipliers.iter().fold(true, |small, multiplier| small & (multiplier.abs() < 1.0));
        Some(Formula {
            end: match (epilogue.residual, small) {
                (Some(_), _) => ADDED,
                (None, true) => PLAIN,
                (None, false) => BOUNDED,
            },
            low: (epilogue.low - epilogue.zero_point) as f32,
            high: (epilogue.high - epilogue.zero_point) as f32,
            data_zero,
            own,
            other,
            last_zero: zero_point as i16,
            // The definition bounds from above last.
            last_low: low.min(high) as u8,
            last_high: high as u8,
        })
    }

    /// Eight sums to whole numbers without zero point. `others` are eight values of the tensor to be added (none is unless
    /// `END` is [`ADDED`]).
    ///
    /// The last bounds are left to the end, where they cost two instructions for 32 values. Numbers that do not fit `i32`,
    /// and NaN, become `i32::MIN`, which the saturating packs bring to 0: so what is too high must be bounded here, unless
    /// nothing can be; what is too low and NaN need not, as the definition brings both to its lowest.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn whole<const END: u8>(&self, sums: __m256i, multipliers: __m256, others: __m256i) -> __m256i {
        let real = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), multipliers);
        // The second operand of min and max is the result where one is NaN.
        if END == PLAIN {
            return _mm256_cvtps_epi32(real);
        }
        if END == BOUNDED {
            return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(self.high), real));
        }
        let bounded = _mm256_max_ps(real, _mm256_set1_ps(self.low));
        let bounded = _mm256_min_ps(bounded, _mm256_set1_ps(self.high));
        let own = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(bounded);
        let other = _mm256_cvtepi32_ps(_mm256_sub_epi32(others, _mm256_set1_epi32(self.data_zero)));
        _mm256_cvtps_epi32(_mm256_add_ps(
            _mm256_mul_ps(own, _mm256_set1_ps(self.own)),
            _mm256_mul_ps(other, _mm256_set1_ps(self.other)),
        ))
    }

    /// Two registers of 16-bit numbers with zero point to 32 stored values.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn store(&self, first: __m256i, second: __m256i) -> __m256i {
        let zero = _mm256_set1_epi16(self.last_zero);
        let bytes = _mm256_packus_epi16(_mm256_adds_epi16(first, zero), _mm256_adds_epi16(second, zero));
        let bytes = _mm256_min_epu8(bytes, _mm256_set1_epi8(self.last_high as i8));
        _mm256_max_epu8(bytes, _mm256_set1_epi8(self.last_low as i8))
    }

    /// Writes the 16 channels of the first two of `V` registers of each of `R` pixels, lanes in the order of `channel_of_lane`.
    ///
    /// # Safety
    /// AVX2; 16 values can be written at `to.at(r)`, read at `add + r * add_stride` if `END` is [`ADDED`], for each pixel
    /// `r`; 16 multipliers.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub unsafe fn store_16<const R: usize, const V: usize, const END: u8>(
        &self,
        sums: &[[__m256i; V]; R],
        multipliers: *const f32,
        to: Places,
        (add, add_stride): (*const u8, usize),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let multipliers = [_mm256_loadu_ps(multipliers), _mm256_loadu_ps(multipliers.add(8))];
            // Bytes 0 to 3 and 8 to 11, then 4 to 7 and 12 to 15, each in a lane: shuffling within halves is twice as fast
            // as widening from a register.
            let first_bytes = lanes_of([0, 8]);
            let second_bytes = lanes_of([4, 12]);
            let row = |r: usize| {
                let others = if END == ADDED {
                    let bytes = _mm_loadu_si128(add.add(r * add_stride).cast());
                    let bytes = _mm256_broadcastsi128_si256(bytes);
                    [_mm256_shuffle_epi8(bytes, first_bytes), _mm256_shuffle_epi8(bytes, second_bytes)]
                } else {
                    [_mm256_setzero_si256(); 2]
                };
                _mm256_packs_epi32(
                    self.whole::<END>(sums[r][0], multipliers[0], others[0]),
                    self.whole::<END>(sums[r][1 % V], multipliers[1], others[1]),
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
    pub unsafe fn store_8<const R: usize, const V: usize, const END: u8>(
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
                let others = if END == ADDED {
                    _mm256_cvtepu8_epi32(_mm_loadl_epi64(add.add(r * add_stride).cast()))
                } else {
                    _mm256_setzero_si256()
                };
                self.whole::<END>(sums[r][V - 1], multipliers, others)
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

/// For `_mm256_shuffle_epi8`: bytes `starts[half] ..` to the lanes of each half.
#[inline]
#[target_feature(enable = "avx2")]
fn lanes_of(starts: [i32; 2]) -> __m256i {
    let lane = |half: usize, lane: i32| (starts[half] + lane) | 0x8080_8000u32 as i32;
    _mm256_setr_epi32(
        lane(0, 0),
        lane(0, 1),
        lane(0, 2),
        lane(0, 3),
        lane(1, 0),
        lane(1, 1),
        lane(1, 2),
        lane(1, 3),
    )
}
