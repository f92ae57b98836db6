//! From real numbers to images of stored values with AVX2.

#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::ops::Range;

use super::vector::{self, BLOCK, Rounding};
use crate::kernels::generic;
use crate::kernels::{Output, Q, Quantization};

/// See [`crate::kernels::Operators::quantize`].
#[target_feature(enable = "avx2")]
pub fn quantize(input: &[f32], quantization: &Quantization, out: &mut [Q]) {
    assert_eq!(input.len(), out.len(), "there is a value for each number");
    // SAFETY: this function has AVX2.
    let quantizer = unsafe { Quantizer::new(quantization) };
    let ((blocks, rest), (out, out_rest)) = (input.as_chunks(), out.as_chunks_mut());
    for (block, out) in blocks.iter().zip(out) {
        // SAFETY: this function has AVX2.
        unsafe { vector::store(quantizer.block(block), out) };
    }
    generic::edges::quantize(rest, quantization, out_rest);
}

/// See [`crate::kernels::Operators::quantize_image`]. Images of one channel, or of three next to each other, are fast.
#[target_feature(enable = "avx2")]
pub fn quantize_image(
    input: &[f32],
    plane: usize,
    pixels: Range<usize>,
    quantization: &Quantization,
    out: &mut Output,
) {
    let channels = out.step;
    if ![1, 3].contains(&channels) || input.len() != channels * plane || pixels.end > plane {
        return generic::edges::quantize_image(input, plane, pixels, quantization, out);
    }
    // SAFETY: this function has AVX2.
    let quantizer = unsafe { Quantizer::new(quantization) };
    let width = out.width.max(1);
    for (row, start) in pixels.clone().step_by(width).enumerate() {
        let count = width.min(pixels.end - start);
        let line = &mut out.data[row * out.row_step..][..count * channels];
        if channels == 1 {
            quantize(&input[start..][..count], quantization, line);
            continue;
        }
        for (first, line) in (start..start + count).step_by(BLOCK).zip(line.chunks_mut(3 * BLOCK)) {
            let mut planes = [[0; BLOCK]; 3];
            for (channel, values) in planes.iter_mut().enumerate() {
                let reals = &input[channel * plane + first..];
                match reals.first_chunk() {
                    // SAFETY: this function has AVX2.
                    Some(block) => unsafe { vector::store(quantizer.block(block), values) },
                    None => {
                        let count = line.len() / 3;
                        generic::edges::quantize(&reals[..count], quantization, &mut values[..count]);
                    }
                }
            }
            // SAFETY: this function has AVX2.
            let pixels = unsafe { interleave(&planes) };
            match line.as_chunks_mut() {
                ([a, b, c], _) => [*a, *b, *c] = pixels,
                _ => line.copy_from_slice(&pixels.as_flattened()[..line.len()]),
            }
        }
    }
}

/// A quantization, ready for use.
struct Quantizer {
    scale: __m256,
    rounding: Rounding,
}

impl Quantizer {
    /// # Safety
    /// The processor has AVX2.
    #[inline(always)]
    unsafe fn new(quantization: &Quantization) -> Quantizer {
        // SAFETY: AVX2 by this function's contract.
        unsafe {
            let rounding = Rounding::new(quantization.zero, i32::from(Q::MIN), i32::from(Q::MAX));
            Quantizer { scale: _mm256_set1_ps(quantization.scale), rounding }
        }
    }

    /// # Safety
    /// The processor has AVX2.
    #[inline(always)]
    unsafe fn block(&self, reals: &[f32; BLOCK]) -> __m256i {
        // SAFETY: AVX2 by this function's contract; eight numbers are read from 0, 8, 16 and 24 of 32.
        unsafe {
            let mut steps = [_mm256_setzero_ps(); 4];
            for (index, steps) in steps.iter_mut().enumerate() {
                let quotient = _mm256_div_ps(_mm256_loadu_ps(reals.as_ptr().add(8 * index)), self.scale);
                // NaN becomes 0.
                *steps = _mm256_and_ps(quotient, _mm256_cmp_ps::<_CMP_ORD_Q>(quotient, quotient));
            }
            self.rounding.block(steps)
        }
    }
}

/// Three planes of 32 values become 32 pixels.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn interleave(planes: &[[Q; BLOCK]; 3]) -> [[Q; BLOCK]; 3] {
    /// For each of three vectors of 16 bytes of output: which byte of which plane goes where.
    const PLACES: [[[u8; 16]; 3]; 3] = places();
    let mut pixels = [[0; BLOCK]; 3];
    for half in 0..2 {
        for (part, places) in PLACES.iter().enumerate() {
            // SAFETY: 16 bytes are read from 0 or 16 of 32, and written from 0, 16, ... 80 of 96; AVX2 by this function's contract.
            unsafe {
                let mut mixed = _mm_setzero_si128();
                for (plane, places) in planes.iter().zip(places) {
                    let values = _mm_loadu_si128(plane.as_ptr().add(half * 16).cast());
                    let places = _mm_loadu_si128(places.as_ptr().cast());
                    mixed = _mm_or_si128(mixed, _mm_shuffle_epi8(values, places));
                }
                let out = pixels.as_flattened_mut().as_mut_ptr().add(half * 48 + part * 16);
                _mm_storeu_si128(out.cast(), mixed);
            }
        }
    }
    pixels
}

const fn places() -> [[[u8; 16]; 3]; 3] {
    // A place with its highest bit set gives 0.
    let mut places = [[[0x80; 16]; 3]; 3];
    let mut byte = 0;
    while byte < 48 {
        places[byte / 16][byte % 3][byte % 16] = (byte / 3) as u8;
        byte += 1;
    }
    places
}

/// See [`crate::kernels::Operators::dequantize_image`].
#[target_feature(enable = "avx2")]
pub fn dequantize_image(
    input: &[Q],
    channels: usize,
    range: Range<usize>,
    quantization: &Quantization,
    out: &mut [f32],
) {
    let pixels = input.len() / channels.max(1);
    if range.end > channels || range.len() < 8 || pixels < BLOCK || out.len() != pixels * range.len() {
        return generic::edges::dequantize_image(input, channels, range, quantization, out);
    }
    let scale = _mm256_set1_ps(quantization.scale);
    // SAFETY: this function has AVX2.
    let zero = unsafe { vector::zero(quantization.zero) };
    // Blocks of 32 pixels by 8 channels; the last ones overlap those before.
    for first_pixel in (0..pixels).step_by(BLOCK) {
        let first_pixel = first_pixel.min(pixels - BLOCK);
        for first in range.clone().step_by(8) {
            let first = first.min(range.end - 8);
            let block = &input[first_pixel * channels + first..];
            assert!(block.len() >= (BLOCK - 1) * channels + 8, "the block lies within the input");
            let out = &mut out[(first - range.start) * pixels + first_pixel..];
            assert!(out.len() >= 7 * pixels + BLOCK, "the block lies within the output");
            // SAFETY: this function has AVX2; rows of eight values `channels` apart are read within the length checked above,
            // and rows of 32 numbers `pixels` apart are written within that of the output.
            unsafe {
                let columns = transpose(block.as_ptr(), channels);
                for (channel, values) in columns.iter().enumerate() {
                    let reals = vector::reals(values, zero);
                    for (index, real) in reals.into_iter().enumerate() {
                        let to = out.as_mut_ptr().add(channel * pixels + index * 8);
                        _mm256_storeu_ps(to, _mm256_mul_ps(real, scale));
                    }
                }
            }
        }
    }
}

/// 32 rows of 8 values become 8 rows of 32.
///
/// # Safety
/// The processor has AVX2, and 8 values may be read at each of 32 places, `step` apart.
#[inline(always)]
unsafe fn transpose(from: *const Q, step: usize) -> [[Q; BLOCK]; 8] {
    let mut columns = [[0; BLOCK]; 8];
    for quarter in 0..4 {
        // SAFETY: by this function's contract; 8 bytes are written from 0, 8, 16 or 24 of 32.
        unsafe {
            let row = |index: usize| _mm_loadl_epi64(from.add((quarter * 8 + index) * step).cast());
            let a = _mm_unpacklo_epi8(row(0), row(1));
            let b = _mm_unpacklo_epi8(row(2), row(3));
            let c = _mm_unpacklo_epi8(row(4), row(5));
            let d = _mm_unpacklo_epi8(row(6), row(7));
            let (ab_low, ab_high) = (_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b));
            let (cd_low, cd_high) = (_mm_unpacklo_epi16(c, d), _mm_unpackhi_epi16(c, d));
            let pairs = [
                _mm_unpacklo_epi32(ab_low, cd_low),
                _mm_unpackhi_epi32(ab_low, cd_low),
                _mm_unpacklo_epi32(ab_high, cd_high),
                _mm_unpackhi_epi32(ab_high, cd_high),
            ];
            for (index, pair) in pairs.into_iter().enumerate() {
                _mm_storel_epi64(columns[2 * index].as_mut_ptr().add(quarter * 8).cast(), pair);
                let high = _mm_unpackhi_epi64(pair, pair);
                _mm_storel_epi64(columns[2 * index + 1].as_mut_ptr().add(quarter * 8).cast(), high);
            }
        }
    }
    columns
}
