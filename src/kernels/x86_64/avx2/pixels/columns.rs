//! A resize across with AVX2: weighted sums of pixels side by side.
//!
//! Eight outputs of three channels are made at once, two in the halves of each of four vectors; a product adds two
//! neighbouring pixels, channel by channel, to sums of 32 bits.

use std::arch::x86_64::*;

use super::gray;
use crate::kernels::generic::pixels as generic;
use crate::kernels::{PackedWindows, Windows};

/// Outputs that are made at once.
const BLOCK: usize = 8;
/// Channels that this is for.
const CHANNELS: usize = 3;
/// Weights of one product: two pixels, each four times, for the outputs of both halves.
const STEP: usize = 16;

/// Output `4 * half + vector` of a block lies in this half of this vector; weights are in the order block, vector, step.
pub fn pack(windows: Windows, channels: usize) -> PackedWindows {
    let mut packed = Vec::new();
    if channels != CHANNELS {
        packed = gray::pack(&windows);
    } else {
        let outputs = windows.starts.len();
        let weight = |output: usize, tap: usize| {
            let inside = output < outputs && tap < windows.taps;
            if inside { windows.weights[output * windows.taps + tap] } else { 0 }
        };
        for block in (0..outputs).step_by(BLOCK) {
            for vector in 0..BLOCK / 2 {
                for step in 0..windows.taps.div_ceil(2) {
                    for half in 0..2 {
                        let output = block + half * BLOCK / 2 + vector;
                        for _ in 0..4 {
                            packed.extend([weight(output, 2 * step), weight(output, 2 * step + 1)]);
                        }
                    }
                }
            }
        }
    }
    PackedWindows { windows, channels, packed }
}

/// See [`crate::kernels::Pixels::mix_columns`].
#[target_feature(enable = "avx2")]
pub fn mix_columns(row: &[u8], windows: &PackedWindows, out: &mut [u8]) {
    match windows.channels {
        1 => return gray::mix_columns(row, &windows.windows, &windows.packed, out),
        CHANNELS => (),
        _ => return generic::mix_columns(row, windows, out),
    }
    let (starts, steps) = (&windows.windows.starts, windows.windows.taps.div_ceil(2));
    assert_eq!(out.len(), starts.len() * CHANNELS, "one pixel an output");
    assert_eq!(windows.packed.len(), starts.len().div_ceil(BLOCK) * BLOCK / 2 * steps * STEP, "packed here");
    // Every second step reads 16 bytes, of which it uses four pixels.
    let reach = (steps - 1) / 2 * 4 * CHANNELS + 16;
    let safe = starts.partition_point(|&start| start * CHANNELS + reach <= row.len());
    let mix = match steps {
        1 => mix_block::<1>,
        2 => mix_block::<2>,
        3 => mix_block::<3>,
        4 => mix_block::<4>,
        5 => mix_block::<5>,
        6 => mix_block::<6>,
        _ => mix_block::<0>,
    };
    let precision = windows.windows.precision;
    for (block, (starts, weights)) in
        starts.chunks(BLOCK).zip(windows.packed.chunks_exact(BLOCK / 2 * steps * STEP)).enumerate()
    {
        let first = block * BLOCK;
        let out = &mut out[first * CHANNELS..];
        if first + starts.len() > safe {
            return generic::mix_columns_from::<CHANNELS>(row, &windows.windows, first, out);
        }
        // Of a last block that is not whole, the last output is made again and thrown away.
        let starts = std::array::from_fn(|i| starts[i.min(starts.len() - 1)]);
        // SAFETY: this function has AVX2; `reach` bytes from every start on are in the row, as `safe` says, and the
        // weights are those of a whole block.
        let pixels = unsafe { mix(row.as_ptr(), &starts, weights, steps, precision) };
        match out.first_chunk_mut::<28>() {
            // SAFETY: this function has AVX2; 16 bytes from 0 and from 12 on are in 28.
            Some(out) => unsafe {
                _mm_storeu_si128(out.as_mut_ptr().cast(), _mm256_castsi256_si128(pixels));
                _mm_storeu_si128(out.as_mut_ptr().add(12).cast(), _mm256_extracti128_si256::<1>(pixels));
            },
            None => {
                let mut bytes = [0u8; 32];
                // SAFETY: this function has AVX2; 16 bytes from 0 and from 12 on are in 32.
                unsafe {
                    _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm256_castsi256_si128(pixels));
                    _mm_storeu_si128(
                        bytes.as_mut_ptr().add(12).cast(),
                        _mm256_extracti128_si256::<1>(pixels),
                    );
                }
                let length = out.len().min(BLOCK * CHANNELS);
                out[..length].copy_from_slice(&bytes[..length]);
            }
        }
    }
}

/// Eight outputs: twelve bytes in each half, then zeros. `STEPS` is `steps`, or 0 for any.
///
/// # Safety
/// The processor has AVX2; from `row` plus three times every start on, 16 bytes can be read for every two steps, each 12
/// after the one before; `weights` has 16 values for each step of four vectors.
#[target_feature(enable = "avx2")]
unsafe fn mix_block<const STEPS: usize>(
    row: *const u8,
    starts: &[usize; BLOCK],
    weights: &[i16],
    steps: usize,
    precision: u32,
) -> __m256i {
    let steps = if STEPS == 0 { steps } else { STEPS };
    let both = |low: __m128i| _mm256_broadcastsi128_si256(low);
    // Two pixels, channel by channel, widened: the first two of four and the last two.
    let near = both(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    let far = both(_mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    let mut sums = [_mm256_set1_epi32(1 << (precision - 1)); BLOCK / 2];
    // SAFETY: by this function's contract.
    unsafe {
        let mut weights = weights.as_ptr();
        for (vector, sum) in sums.iter_mut().enumerate() {
            let low = row.add(CHANNELS * starts[vector]);
            let high = row.add(CHANNELS * starts[vector + BLOCK / 2]);
            let mut step = 0;
            while step < steps {
                let at = step / 2 * 4 * CHANNELS;
                let pixels = _mm256_inserti128_si256::<1>(
                    _mm256_castsi128_si256(_mm_loadu_si128(low.add(at).cast())),
                    _mm_loadu_si128(high.add(at).cast()),
                );
                let pair = _mm256_shuffle_epi8(pixels, near);
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pair, _mm256_loadu_si256(weights.cast())));
                weights = weights.add(STEP);
                if step + 1 < steps {
                    let pair = _mm256_shuffle_epi8(pixels, far);
                    *sum =
                        _mm256_add_epi32(*sum, _mm256_madd_epi16(pair, _mm256_loadu_si256(weights.cast())));
                    weights = weights.add(STEP);
                }
                step += 2;
            }
        }
        let shift = _mm_cvtsi32_si128(precision as i32);
        for sum in &mut sums {
            *sum = _mm256_sra_epi32(*sum, shift);
        }
        let [a, b, c, d] = sums;
        let bytes = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
        // A fourth channel is left out.
        let three = both(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
        _mm256_shuffle_epi8(bytes, three)
    }
}
