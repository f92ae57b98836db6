//! Registers of 256 bits with AVX-VNNI.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::vector::{GROUP, Job, Vector, WIDEST_LANES, Wanted};
use crate::kernels::Isa;

/// Registers of 256 bits. The processor has `avx2` and `avxvnni`.
pub struct Ymm;

/// Bytes of a register.
const BYTES: usize = 32;
/// For each quad of four rows side by side, the quad's part of each row.
const QUADS_OF_ROWS: [u32; WIDEST_LANES] = [0, 2, 4, 6, 1, 3, 5, 7, 0, 0, 0, 0, 0, 0, 0, 0];

/// The wanted channels of a panel.
#[derive(Clone, Copy)]
pub struct Part {
    wanted: Wanted,
    /// Whether these are all of the panel's.
    whole: bool,
}

// SAFETY: `found` looks for all instructions that the methods use.
unsafe impl Vector for Ymm {
    type Ints = __m256i;
    type Floats = __m256;
    type Mask = Part;
    const ISA: Isa = Isa::AvxVnni;
    const LANES: usize = 8;
    const SUMS: usize = 12;
    const PANEL: usize = 2;
    const OUTPUTS: usize = 2;

    fn found() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni")
    }

    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn enter(job: impl Job) {
        // SAFETY: the caller's promise.
        unsafe { job.run::<Self>() }
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn load(from: *const u8) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn store(value: __m256i, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_si256(to.cast(), value) }
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn repeat_4(from: *const u8) -> __m256i {
        // SAFETY: the caller's promise.
        _mm256_set1_epi32(unsafe { from.cast::<i32>().read_unaligned() })
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn repeat_i32(value: i32) -> __m256i {
        _mm256_set1_epi32(value)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn repeat_i16(value: i16) -> __m256i {
        _mm256_set1_epi16(value)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn repeat_u8(value: u8) -> __m256i {
        _mm256_set1_epi8(value as i8)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn dot(sum: __m256i, values: __m256i, weights: __m256i) -> __m256i {
        _mm256_dpbusd_avx_epi32(sum, values, weights)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn sub_i32(a: __m256i, b: __m256i) -> __m256i {
        _mm256_sub_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn add_i16_saturating(a: __m256i, b: __m256i) -> __m256i {
        _mm256_adds_epi16(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn max_u8(a: __m256i, b: __m256i) -> __m256i {
        _mm256_max_epu8(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn min_u8(a: __m256i, b: __m256i) -> __m256i {
        _mm256_min_epu8(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn pack_i32(a: __m256i, b: __m256i) -> __m256i {
        _mm256_packs_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn pack_u16(a: __m256i, b: __m256i) -> __m256i {
        _mm256_packus_epi16(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn permute(value: __m256i, order: &[u32; WIDEST_LANES]) -> __m256i {
        // SAFETY: eight of the sixteen numbers are a register.
        _mm256_permutevar8x32_epi32(value, unsafe { _mm256_loadu_si256(order.as_ptr().cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn widen_u8(bytes: __m256i, index: usize) -> __m256i {
        // Index 0x80 makes a zero.
        let first = 0x8080_8000_u32 as i32 + 4 * index as i32;
        let order = _mm_setr_epi32(first, first + 1, first + 2, first + 3);
        _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(order))
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn load_f32(from: *const f32) -> __m256 {
        // SAFETY: the caller's promise.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn repeat_f32(value: f32) -> __m256 {
        _mm256_set1_ps(value)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn to_f32(value: __m256i) -> __m256 {
        _mm256_cvtepi32_ps(value)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn to_i32(value: __m256) -> __m256i {
        _mm256_cvtps_epi32(value)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn round(value: __m256) -> __m256 {
        _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(value)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        _mm256_mul_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        _mm256_add_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        _mm256_max_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        _mm256_min_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn interleave_group(rows: [*const u8; 4]) -> [__m256i; GROUP] {
        // SAFETY: the caller's promise.
        let [a, b, c, d] = rows.map(|row| unsafe { Self::load(row) });
        let (ab, cd) = (_mm256_unpacklo_epi8(a, b), _mm256_unpacklo_epi8(c, d));
        let (ab_high, cd_high) = (_mm256_unpackhi_epi8(a, b), _mm256_unpackhi_epi8(c, d));
        [
            _mm256_unpacklo_epi16(ab, cd),
            _mm256_unpackhi_epi16(ab, cd),
            _mm256_unpacklo_epi16(ab_high, cd_high),
            _mm256_unpackhi_epi16(ab_high, cd_high),
        ]
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn interleave_one(rows: [*const u8; 4], count: usize) -> __m256i {
        // SAFETY: only `count` bytes are read; the caller's promise.
        let [a, b, c, d] = rows.map(|row| unsafe { load_up_to_8(row, count) });
        let side_by_side = _mm256_set_m128i(_mm_unpacklo_epi64(c, d), _mm_unpacklo_epi64(a, b));
        // SAFETY: the caller's promise.
        let quads = unsafe { Self::permute(side_by_side, &QUADS_OF_ROWS) };
        let order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        _mm256_shuffle_epi8(quads, _mm256_broadcastsi128_si256(order))
    }

    fn mask(wanted: Wanted, width: usize) -> Part {
        Part { wanted, whole: wanted.count == width * Self::LANES }
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn load_pixels<const V: usize>(from: [*const u8; GROUP], part: Part) -> __m256i {
        // SAFETY: only wanted bytes are read; the caller's promise.
        unsafe {
            if !part.whole {
                let mut bytes = [0u8; BYTES];
                let Wanted { skip, count } = part.wanted;
                for (pixel, from) in bytes.chunks_exact_mut(V * Self::LANES).zip(from) {
                    pixel.as_mut_ptr().add(skip).copy_from_nonoverlapping(from.wrapping_add(skip), count);
                }
                return Self::load(bytes.as_ptr());
            }
            match V {
                1 => {
                    let [a, b, c, d] = from.map(|from| _mm_loadl_epi64(from.cast()));
                    _mm256_set_m128i(_mm_unpacklo_epi64(c, d), _mm_unpacklo_epi64(a, b))
                }
                2 => {
                    let [a, b] = [from[0], from[1]].map(|from| _mm_loadu_si128(from.cast()));
                    _mm256_set_m128i(b, a)
                }
                3 => {
                    let first = _mm_loadu_si128(from[0].cast());
                    _mm256_set_m128i(_mm_loadl_epi64(from[0].add(16).cast()), first)
                }
                _ => Self::load(from[0]),
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn store_pixels<const V: usize>(bytes: __m256i, to: [*mut u8; GROUP], count: usize, part: Part) {
        // SAFETY: only wanted bytes of the first `count` pixels are written; the caller's promise.
        unsafe {
            if !part.whole {
                let mut all = [0u8; BYTES];
                Self::store(bytes, all.as_mut_ptr());
                let Wanted { skip, count: wanted } = part.wanted;
                for (pixel, to) in all.chunks_exact(V * Self::LANES).zip(to).take(count) {
                    pixel.as_ptr().add(skip).copy_to_nonoverlapping(to.wrapping_add(skip), wanted);
                }
                return;
            }
            let (low, high) = (_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
            match V {
                1 => {
                    _mm_storel_epi64(to[0].cast(), low);
                    if count > 1 {
                        _mm_storel_epi64(to[1].cast(), _mm_unpackhi_epi64(low, low));
                    }
                    if count > 2 {
                        _mm_storel_epi64(to[2].cast(), high);
                    }
                    if count > 3 {
                        _mm_storel_epi64(to[3].cast(), _mm_unpackhi_epi64(high, high));
                    }
                }
                2 => {
                    _mm_storeu_si128(to[0].cast(), low);
                    if count > 1 {
                        _mm_storeu_si128(to[1].cast(), high);
                    }
                }
                3 => {
                    _mm_storeu_si128(to[0].cast(), low);
                    _mm_storel_epi64(to[0].add(16).cast(), high);
                }
                _ => Self::store(bytes, to[0]),
            }
        }
    }
}

/// The first `count` bytes, at most 8, and zeros.
///
/// # Safety
/// So many can be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_up_to_8(from: *const u8, count: usize) -> __m128i {
    // SAFETY: the caller's promise.
    unsafe {
        if count == 8 {
            return _mm_loadl_epi64(from.cast());
        }
        let mut bytes = [0u8; 8];
        bytes.as_mut_ptr().copy_from_nonoverlapping(from, count);
        _mm_loadl_epi64(bytes.as_ptr().cast())
    }
}
