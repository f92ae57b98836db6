//! The largest of each pixel's values with AVX2.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::vector::{self, BLOCK};
use crate::kernels::generic::argmax::{self as definition, CLASSES, Candidate, LANES, Scan};
use crate::kernels::{Between, Q, Quantization, Resize};

/// See [`crate::kernels::Operators::argmax`].
#[target_feature(enable = "avx2")]
pub fn argmax(input: &[Q], channels: usize, out: &mut [Q]) {
    // SAFETY: this function has AVX2.
    definition::argmax_by(&unsafe { Vectors::new(channels) }, input, channels, out);
}

/// See [`crate::kernels::Operators::resize_argmax`].
#[target_feature(enable = "avx2")]
pub fn resize_argmax(input: &[Q], resize: &Resize<Between>, quantization: &Quantization, out: &mut [Q]) {
    // SAFETY: this function has AVX2.
    let scan = unsafe { Vectors::new(resize.channels) };
    definition::resize_argmax_by(&scan, input, resize, quantization, out);
}

/// Made where there is AVX2 only.
struct Vectors {
    channels: usize,
    /// Ones where the last block of a pixel has values.
    last: __m256i,
}

impl Vectors {
    /// # Safety
    /// The processor has AVX2.
    #[inline(always)]
    unsafe fn new(channels: usize) -> Vectors {
        let mut mask = [0; BLOCK];
        for slot in &mut mask[..channels - (channels.max(1) - 1) / BLOCK * BLOCK] {
            *slot = u8::MAX;
        }
        // SAFETY: AVX2 by this function's contract.
        Vectors { channels, last: unsafe { vector::load(&mask) } }
    }

    /// The block of a pixel's values from `first`, zeros behind the last of them.
    #[inline(always)]
    fn block(&self, values: &[Q], first: usize) -> __m256i {
        let values = &values[first..];
        // SAFETY: a value of this type exists only where there is AVX2.
        unsafe {
            let block = match values.first_chunk() {
                Some(block) => vector::load(block),
                None => vector::load(&vector::first(values)),
            };
            if first + BLOCK >= self.channels { _mm256_and_si256(block, self.last) } else { block }
        }
    }
}

impl Scan for Vectors {
    #[inline(always)]
    fn winner(&self, values: &[Q]) -> u8 {
        if self.channels <= BLOCK {
            let block = self.block(values, 0);
            // SAFETY: a value of this type exists only where there is AVX2.
            let mask = unsafe {
                let largest = _mm256_set1_epi8(highest(block) as i8);
                _mm256_movemask_epi8(_mm256_cmpeq_epi8(largest, block))
            };
            return mask.trailing_zeros() as u8;
        }
        let mut largest = self.block(values, 0);
        // SAFETY: a value of this type exists only where there is AVX2.
        unsafe {
            for first in (BLOCK..self.channels).step_by(BLOCK) {
                largest = _mm256_max_epu8(largest, self.block(values, first));
            }
            let largest = _mm256_set1_epi8(highest(largest) as i8);
            for first in (0..self.channels).step_by(BLOCK) {
                let equal = _mm256_cmpeq_epi8(largest, self.block(values, first));
                let mask = _mm256_movemask_epi8(equal) as u32;
                if mask != 0 {
                    return (first as u32 + mask.trailing_zeros()) as u8;
                }
            }
        }
        0
    }

    #[inline(always)]
    fn choose(&self, corners: [&[Q]; 4], classes: &mut [u8; CLASSES]) -> usize {
        let [a, b, c, d] = corners;
        let mut count = 0;
        // SAFETY: a value of this type exists only where there is AVX2.
        unsafe {
            let mut floor = _mm256_setzero_si256();
            for first in (0..self.channels).step_by(BLOCK) {
                let top = _mm256_min_epu8(self.block(a, first), self.block(b, first));
                let bottom = _mm256_min_epu8(self.block(c, first), self.block(d, first));
                floor = _mm256_max_epu8(floor, _mm256_min_epu8(top, bottom));
            }
            let floor = _mm256_set1_epi8(highest(floor) as i8);
            for first in (0..self.channels).step_by(BLOCK) {
                let top = _mm256_max_epu8(self.block(a, first), self.block(b, first));
                let bottom = _mm256_max_epu8(self.block(c, first), self.block(d, first));
                let highest = _mm256_max_epu8(top, bottom);
                let reach = _mm256_cmpeq_epi8(_mm256_max_epu8(highest, floor), highest);
                let mut mask = _mm256_movemask_epi8(reach) as u32;
                // With a floor of 0 what is no class comes up to it, too.
                if self.channels - first < BLOCK {
                    mask &= (1 << (self.channels - first)) - 1;
                }
                while mask != 0 {
                    classes[count % CLASSES] = (first as u32 + mask.trailing_zeros()) as u8;
                    count += 1;
                    mask &= mask - 1;
                }
            }
        }
        count
    }

    #[inline(always)]
    fn largest(&self, fraction: f32, candidates: &[Candidate]) -> [Q; LANES] {
        // SAFETY: a value of this type exists only where there is AVX2; arrays of eight f32 are read.
        unsafe {
            let weights = [_mm256_set1_ps(1.0 - fraction), _mm256_set1_ps(fraction)];
            let mut best = _mm256_set1_ps(f32::NEG_INFINITY);
            let mut classes = _mm256_setzero_ps();
            for candidate in candidates {
                let top = _mm256_mul_ps(_mm256_loadu_ps(candidate.top.as_ptr()), weights[0]);
                let bottom = _mm256_mul_ps(_mm256_loadu_ps(candidate.bottom.as_ptr()), weights[1]);
                let value = _mm256_add_ps(top, bottom);
                let wins = _mm256_cmp_ps::<_CMP_GT_OQ>(value, best);
                let class = _mm256_castsi256_ps(_mm256_set1_epi32(i32::from(candidate.class)));
                best = _mm256_blendv_ps(best, value, wins);
                classes = _mm256_blendv_ps(classes, class, wins);
            }
            let classes = _mm256_castps_si256(classes);
            let pairs =
                _mm_packs_epi32(_mm256_castsi256_si128(classes), _mm256_extracti128_si256::<1>(classes));
            (_mm_cvtsi128_si64(_mm_packus_epi16(pairs, pairs)) as u64).to_le_bytes()
        }
    }
}

/// The largest of 32 values.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn highest(values: __m256i) -> u8 {
    // SAFETY: AVX2, which includes SSE4.1, by this function's contract.
    unsafe {
        let half = _mm_max_epu8(_mm256_castsi256_si128(values), _mm256_extracti128_si256::<1>(values));
        // The smallest of eight 16-bit numbers is one instruction; of complements, smallest means largest.
        let complements = _mm_xor_si128(half, _mm_set1_epi8(-1));
        let pairs = _mm_min_epu8(complements, _mm_srli_epi16::<8>(complements));
        let smallest = _mm_minpos_epu16(_mm_and_si128(pairs, _mm_set1_epi16(0xFF)));
        !(_mm_cvtsi128_si32(smallest) as u8)
    }
}
