//! A resize across of one channel with AVX2: four outputs at once, the weights of each in vectors of eight.

use std::arch::x86_64::*;

use crate::kernels::Windows;
use crate::kernels::generic::pixels as generic;

/// Outputs that are made at once.
const BLOCK: usize = 4;
/// Pixels that are read at once; `packed` has a multiple of it for each output.
const STEP: usize = 8;

/// The weights of each output, and zeros.
pub fn pack(windows: &Windows) -> Vec<i16> {
    let mut packed = Vec::new();
    for weights in windows.weights.chunks_exact(windows.taps.max(1)) {
        packed.extend_from_slice(weights);
        packed.resize(packed.len().next_multiple_of(STEP), 0);
    }
    packed
}

/// See [`crate::kernels::Pixels::mix_columns`].
#[target_feature(enable = "avx2")]
pub fn mix_columns(row: &[u8], windows: &Windows, packed: &[i16], out: &mut [u8]) {
    let starts = &windows.starts;
    let padded = windows.taps.next_multiple_of(STEP);
    assert_eq!(out.len(), starts.len(), "one pixel an output");
    assert_eq!(packed.len(), starts.len() * padded, "packed here");
    let safe = starts.partition_point(|&start| start + padded <= row.len());
    let (blocks, _) = starts[..safe].as_chunks::<BLOCK>();
    let (out_blocks, _) = out.as_chunks_mut::<BLOCK>();
    let weights = packed.chunks_exact(BLOCK * padded);
    let half = _mm_set1_epi32(1 << (windows.precision - 1));
    let shift = _mm_cvtsi32_si128(windows.precision as i32);
    for ((starts, weights), out) in blocks.iter().zip(weights).zip(out_blocks) {
        let mut sums = [_mm_setzero_si128(); BLOCK];
        for (output, sum) in sums.iter_mut().enumerate() {
            for tap in (0..padded).step_by(STEP) {
                // SAFETY: `padded` bytes from every start on are in the row, as `safe` says, and each output has as many
                // weights.
                unsafe {
                    let pixels = _mm_loadl_epi64(row.as_ptr().add(starts[output] + tap).cast());
                    let weights = _mm_loadu_si128(weights.as_ptr().add(output * padded + tap).cast());
                    *sum = _mm_add_epi32(*sum, _mm_madd_epi16(_mm_cvtepu8_epi16(pixels), weights));
                }
            }
        }
        let [a, b, c, d] = sums;
        let sums = _mm_add_epi32(_mm_hadd_epi32(_mm_hadd_epi32(a, b), _mm_hadd_epi32(c, d)), half);
        let words = _mm_packs_epi32(_mm_sra_epi32(sums, shift), _mm_setzero_si128());
        *out = _mm_cvtsi128_si32(_mm_packus_epi16(words, words)).to_ne_bytes();
    }
    let done = blocks.len() * BLOCK;
    generic::mix_columns_from::<1>(row, windows, done, &mut out[done..]);
}
