//! Rows of RGB from other formats with AVX2.

use std::arch::x86_64::*;

use crate::kernels::PixelRow;
use crate::kernels::generic::pixels::{
    self as generic, B_OFFSET, G_OFFSET, R_OFFSET, U_TO_B, U_TO_G, V_TO_G, V_TO_R, Y_GAIN,
};

/// Pixels of halved chroma in a vector: eight groups of Y, U, Y, V.
const PIXELS: usize = 16;
/// Pixels of three bytes that one turn of the channels handles.
const TURNED: usize = 5;

/// See [`crate::kernels::Pixels::rgb_row`].
#[target_feature(enable = "avx2")]
pub fn rgb_row(row: PixelRow, rgb: &mut [u8]) {
    let width = rgb.len() / 3;
    assert!(row.holds(width), "a row has {width} pixels");
    let whole = width / PIXELS;
    // SAFETY: all pointers below go through slices that hold `whole` times 16 pixels (asserted above), of which each step
    // reads those of its own 16: 32 bytes of groups, 16 Y, 16 bytes of chroma pairs, 8 of a chroma plane. Each step writes
    // 48 bytes of `rgb` at 48 times its number. This function has AVX2.
    unsafe {
        let out = rgb.as_mut_ptr();
        match row {
            PixelRow::Yuyv(groups) => {
                for i in 0..whole {
                    write(load(groups.as_ptr().add(32 * i)), out.add(48 * i));
                }
            }
            PixelRow::Uyvy(groups) => {
                for i in 0..whole {
                    let groups = load(groups.as_ptr().add(32 * i));
                    let turned =
                        _mm256_or_si256(_mm256_slli_epi16::<8>(groups), _mm256_srli_epi16::<8>(groups));
                    write(turned, out.add(48 * i));
                }
            }
            PixelRow::Pairs { y, uv } => {
                for i in 0..whole {
                    let y = _mm_loadu_si128(y.as_ptr().add(16 * i).cast());
                    let uv = _mm_loadu_si128(uv.as_ptr().add(16 * i).cast());
                    write(grouped(y, uv), out.add(48 * i));
                }
            }
            PixelRow::Halved { y, u, v } => {
                for i in 0..whole {
                    let y = _mm_loadu_si128(y.as_ptr().add(16 * i).cast());
                    let u = _mm_loadl_epi64(u.as_ptr().add(8 * i).cast());
                    let v = _mm_loadl_epi64(v.as_ptr().add(8 * i).cast());
                    write(grouped(y, _mm_unpacklo_epi8(u, v)), out.add(48 * i));
                }
            }
            PixelRow::Bgr(pixels) => return turn(&pixels[..3 * width], rgb),
            PixelRow::Rgb(_) | PixelRow::Gray(_) | PixelRow::Full { .. } => {
                return generic::rgb_row(row, rgb);
            }
        }
    }
    generic::rgb_row(row.from(whole * PIXELS), &mut rgb[whole * PIXELS * 3..]);
}

/// # Safety
/// 32 bytes can be read at `from`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(from: *const u8) -> __m256i {
    // SAFETY: by this function's contract.
    unsafe { _mm256_loadu_si256(from.cast()) }
}

/// Groups of 16 Y and 8 pairs of U and V.
#[inline]
#[target_feature(enable = "avx2")]
fn grouped(y: __m128i, uv: __m128i) -> __m256i {
    _mm256_set_m128i(_mm_unpackhi_epi8(y, uv), _mm_unpacklo_epi8(y, uv))
}

/// Writes R, G, B of eight groups, 48 bytes. The sums are those of the definition, modulo 2^32 in each step.
///
/// # Safety
/// The processor has AVX2; 48 bytes can be written at `out`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn write(groups: __m256i, out: *mut u8) {
    // SAFETY: by this function's contract.
    unsafe {
        let byte = _mm256_set1_epi32(0xFF);
        let gain = _mm256_set1_epi32(Y_GAIN);
        let even = _mm256_mullo_epi32(_mm256_and_si256(groups, byte), gain);
        let odd = _mm256_mullo_epi32(_mm256_and_si256(_mm256_srli_epi32::<16>(groups), byte), gain);
        let u = _mm256_and_si256(_mm256_srli_epi32::<8>(groups), byte);
        let v = _mm256_srli_epi32::<24>(groups);
        let times = |samples, factor| _mm256_mullo_epi32(samples, _mm256_set1_epi32(factor));
        let plus = |products, offset| _mm256_add_epi32(products, _mm256_set1_epi32(offset));
        let r = plus(times(v, V_TO_R), R_OFFSET);
        let g = plus(_mm256_add_epi32(times(u, -U_TO_G), times(v, -V_TO_G)), G_OFFSET);
        let b = plus(times(u, U_TO_B), B_OFFSET);
        // Sums divided by 2^16 fit in 16 bits: of an even pixel they come down, of an odd one they are there already.
        let pixels = |chroma| {
            let even = _mm256_srli_epi32::<16>(_mm256_add_epi32(even, chroma));
            _mm256_blend_epi16::<0b1010_1010>(even, _mm256_add_epi32(odd, chroma))
        };
        // In each half, eight pixels: all their R, all their G; all their B twice.
        let rg = _mm256_packus_epi16(pixels(r), pixels(g));
        let b = pixels(b);
        let b = _mm256_packus_epi16(b, b);
        let both = |low: __m128i| _mm256_broadcastsi128_si256(low);
        let first_rg = both(_mm_setr_epi8(0, 8, -1, 1, 9, -1, 2, 10, -1, 3, 11, -1, 4, 12, -1, 5));
        let first_b = both(_mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1));
        let last_rg = both(_mm_setr_epi8(13, -1, 6, 14, -1, 7, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1));
        let last_b = both(_mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, -1, -1, -1, -1, -1, -1));
        let first = _mm256_or_si256(_mm256_shuffle_epi8(rg, first_rg), _mm256_shuffle_epi8(b, first_b));
        let last = _mm256_or_si256(_mm256_shuffle_epi8(rg, last_rg), _mm256_shuffle_epi8(b, last_b));
        _mm_storeu_si128(out.cast(), _mm256_castsi256_si128(first));
        _mm_storel_epi64(out.add(16).cast(), _mm256_castsi256_si128(last));
        _mm_storeu_si128(out.add(24).cast(), _mm256_extracti128_si256::<1>(first));
        _mm_storel_epi64(out.add(40).cast(), _mm256_extracti128_si256::<1>(last));
    }
}

/// Turns B, G, R into R, G, B: five pixels at a time, with one byte more that the next step overwrites.
#[target_feature(enable = "avx2")]
fn turn(pixels: &[u8], rgb: &mut [u8]) {
    let steps = (pixels.len().min(rgb.len()) / 3).saturating_sub(1) / TURNED;
    let order = _mm_setr_epi8(2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9, 14, 13, 12, -1);
    for i in 0..steps {
        // SAFETY: a pixel more than those of all steps is there, so that 16 bytes lie in both slices.
        unsafe {
            let five = _mm_loadu_si128(pixels.as_ptr().add(3 * TURNED * i).cast());
            _mm_storeu_si128(rgb.as_mut_ptr().add(3 * TURNED * i).cast(), _mm_shuffle_epi8(five, order));
        }
    }
    let done = 3 * TURNED * steps;
    generic::rgb_row(PixelRow::Bgr(&pixels[done..]), &mut rgb[done..]);
}
