//! A resize downwards with AVX2: weighted sums of rows.

use std::arch::x86_64::*;

use crate::kernels::generic::pixels as generic;

/// Bytes of a vector.
const BLOCK: usize = 32;
/// The most rows whose weights stay in registers, half of them.
const PAIRS: usize = 4;

/// See [`crate::kernels::Pixels::mix_rows`].
#[target_feature(enable = "avx2")]
pub fn mix_rows(data: &[u8], rows: &[usize], weights: &[i16], precision: u32, out: &mut [u8]) {
    if out.len() < BLOCK || rows.len() > 2 * PAIRS || rows.is_empty() {
        return generic::mix_rows(data, rows, weights, precision, out);
    }
    assert_eq!(rows.len(), weights.len(), "one weight a row");
    // An odd row out meets itself with weight 0.
    let mut pointers = [[data.as_ptr(); 2]; PAIRS];
    let mut pairs = [_mm256_setzero_si256(); PAIRS];
    for (i, pair) in rows.chunks(2).enumerate() {
        let [first, second] = [pair[0], pair[pair.len() - 1]];
        pointers[i] = [data[first..][..out.len()].as_ptr(), data[second..][..out.len()].as_ptr()];
        let second = weights.get(2 * i + 1).copied().unwrap_or(0);
        pairs[i] = both(weights[2 * i], second);
    }
    let mix = match rows.len().div_ceil(2) {
        1 => mix::<1>,
        2 => mix::<2>,
        3 => mix::<3>,
        _ => mix::<4>,
    };
    // SAFETY: this function has AVX2, and every pointer that is read has as many bytes behind it as `out`.
    unsafe { mix(&pointers, &pairs, precision, out) }
}

/// Two weights in every lane of 32 bits.
#[target_feature(enable = "avx2")]
fn both(first: i16, second: i16) -> __m256i {
    _mm256_set1_epi32(i32::from(second) << 16 | i32::from(first) & 0xFFFF)
}

/// # Safety
/// The processor has AVX2, `out` at least 32 bytes, and the first `COUNT` pairs of pointers as many bytes as `out`.
#[target_feature(enable = "avx2")]
unsafe fn mix<const COUNT: usize>(
    pointers: &[[*const u8; 2]; PAIRS],
    weights: &[__m256i; PAIRS],
    precision: u32,
    out: &mut [u8],
) {
    let half = _mm256_set1_epi32(1 << (precision - 1));
    let shift = _mm_cvtsi32_si128(precision as i32);
    let zero = _mm256_setzero_si256();
    for at in (0..out.len()).step_by(BLOCK) {
        // The last block overlaps the one before.
        let at = at.min(out.len() - BLOCK);
        // SAFETY: `at` leaves 32 bytes of `out`, and so of every row.
        unsafe {
            let mut sums = [half; 4];
            for i in 0..COUNT {
                let [first, second] = pointers[i];
                let first = _mm256_loadu_si256(first.add(at).cast());
                let second = _mm256_loadu_si256(second.add(at).cast());
                let (low, high) = (_mm256_unpacklo_epi8(first, second), _mm256_unpackhi_epi8(first, second));
                let lanes = [
                    _mm256_unpacklo_epi8(low, zero),
                    _mm256_unpackhi_epi8(low, zero),
                    _mm256_unpacklo_epi8(high, zero),
                    _mm256_unpackhi_epi8(high, zero),
                ];
                for (sum, lane) in sums.iter_mut().zip(lanes) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(lane, weights[i]));
                }
            }
            for sum in &mut sums {
                *sum = _mm256_sra_epi32(*sum, shift);
            }
            let [a, b, c, d] = sums;
            let bytes = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
            _mm256_storeu_si256(out.as_mut_ptr().add(at).cast(), bytes);
        }
    }
}
