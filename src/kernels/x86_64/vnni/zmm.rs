//! Registers of 512 bits with AVX512-VNNI.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::vector::{GROUP, Job, Vector, WIDEST_LANES, Wanted};
use crate::kernels::Isa;

/// Registers of 512 bits. The processor has `avx512f`, `avx512bw`, `avx512vl` and `avx512vnni`.
pub struct Zmm;

/// For each quad of four rows side by side, the quad's part of each row.
const QUADS_OF_ROWS: [u32; WIDEST_LANES] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];

// SAFETY: `found` looks for all instructions that the methods use.
unsafe impl Vector for Zmm {
    type Ints = __m512i;
    type Floats = __m512;
    type Mask = u64;
    const ISA: Isa = Isa::Avx512Vnni;
    const LANES: usize = 16;
    const SUMS: usize = 24;
    const PANEL: usize = 4;
    const OUTPUTS: usize = 6;

    fn found() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn enter(job: impl Job) {
        // SAFETY: the caller's promise.
        unsafe { job.run::<Self>() }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn load(from: *const u8) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn store(value: __m512i, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { _mm512_storeu_si512(to.cast(), value) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn repeat_4(from: *const u8) -> __m512i {
        // SAFETY: the caller's promise.
        _mm512_set1_epi32(unsafe { from.cast::<i32>().read_unaligned() })
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn repeat_i32(value: i32) -> __m512i {
        _mm512_set1_epi32(value)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn repeat_i16(value: i16) -> __m512i {
        _mm512_set1_epi16(value)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn repeat_u8(value: u8) -> __m512i {
        _mm512_set1_epi8(value as i8)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn dot(sum: __m512i, values: __m512i, weights: __m512i) -> __m512i {
        _mm512_dpbusd_epi32(sum, values, weights)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn sub_i32(a: __m512i, b: __m512i) -> __m512i {
        _mm512_sub_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn add_i16_saturating(a: __m512i, b: __m512i) -> __m512i {
        _mm512_adds_epi16(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn max_u8(a: __m512i, b: __m512i) -> __m512i {
        _mm512_max_epu8(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn min_u8(a: __m512i, b: __m512i) -> __m512i {
        _mm512_min_epu8(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn pack_i32(a: __m512i, b: __m512i) -> __m512i {
        _mm512_packs_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn pack_u16(a: __m512i, b: __m512i) -> __m512i {
        _mm512_packus_epi16(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn permute(value: __m512i, order: &[u32; WIDEST_LANES]) -> __m512i {
        // SAFETY: sixteen numbers are a register.
        _mm512_permutexvar_epi32(unsafe { _mm512_loadu_si512(order.as_ptr().cast()) }, value)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn widen_u8(bytes: __m512i, index: usize) -> __m512i {
        // Index 0x80 makes a zero.
        let first = 0x8080_8000_u32 as i32 + 4 * index as i32;
        let order = _mm_setr_epi32(first, first + 1, first + 2, first + 3);
        _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(order))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn load_f32(from: *const f32) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn repeat_f32(value: f32) -> __m512 {
        _mm512_set1_ps(value)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn to_f32(value: __m512i) -> __m512 {
        _mm512_cvtepi32_ps(value)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn to_i32(value: __m512) -> __m512i {
        _mm512_cvtps_epi32(value)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn round(value: __m512) -> __m512 {
        _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(value)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        _mm512_mul_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        _mm512_add_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        _mm512_max_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        _mm512_min_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn interleave_group(rows: [*const u8; 4]) -> [__m512i; GROUP] {
        // SAFETY: the caller's promise.
        let [a, b, c, d] = rows.map(|row| unsafe { Self::load(row) });
        let (ab, cd) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
        let (ab_high, cd_high) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
        [
            _mm512_unpacklo_epi16(ab, cd),
            _mm512_unpackhi_epi16(ab, cd),
            _mm512_unpacklo_epi16(ab_high, cd_high),
            _mm512_unpackhi_epi16(ab_high, cd_high),
        ]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn interleave_one(rows: [*const u8; 4], count: usize) -> __m512i {
        let mask = ((1u32 << count) - 1) as u16;
        // SAFETY: only `count` bytes are read; the caller's promise.
        let [a, b, c, d] = rows.map(|row| unsafe { _mm_maskz_loadu_epi8(mask, row.cast()) });
        let side_by_side = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b);
        let side_by_side = _mm512_inserti32x4::<2>(side_by_side, c);
        let side_by_side = _mm512_inserti32x4::<3>(side_by_side, d);
        // SAFETY: the caller's promise.
        let quads = unsafe { Self::permute(side_by_side, &QUADS_OF_ROWS) };
        let order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        _mm512_shuffle_epi8(quads, _mm512_broadcast_i32x4(order))
    }

    fn mask(wanted: Wanted, _: usize) -> u64 {
        (((1u128 << wanted.count) - 1) << wanted.skip) as u64
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn load_pixels<const V: usize>(from: [*const u8; GROUP], mask: u64) -> __m512i {
        // SAFETY: only wanted bytes are read; the caller's promise.
        unsafe {
            match V {
                1 => {
                    let [a, b, c, d] = from.map(|from| _mm_maskz_loadu_epi8(mask as u16, from.cast()));
                    let bytes = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b);
                    let bytes = _mm512_inserti32x4::<2>(bytes, c);
                    _mm512_inserti32x4::<3>(bytes, d)
                }
                2 => {
                    let [a, b] =
                        [from[0], from[1]].map(|from| _mm256_maskz_loadu_epi8(mask as u32, from.cast()));
                    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(a), b)
                }
                _ => _mm512_maskz_loadu_epi8(mask, from[0].cast()),
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn store_pixels<const V: usize>(bytes: __m512i, to: [*mut u8; GROUP], count: usize, mask: u64) {
        // SAFETY: only wanted bytes of the first `count` pixels are written; the caller's promise.
        unsafe {
            match V {
                1 => {
                    let mask = mask as u16;
                    _mm_mask_storeu_epi8(to[0].cast(), mask, _mm512_castsi512_si128(bytes));
                    if count > 1 {
                        _mm_mask_storeu_epi8(to[1].cast(), mask, _mm512_extracti32x4_epi32::<1>(bytes));
                    }
                    if count > 2 {
                        _mm_mask_storeu_epi8(to[2].cast(), mask, _mm512_extracti32x4_epi32::<2>(bytes));
                    }
                    if count > 3 {
                        _mm_mask_storeu_epi8(to[3].cast(), mask, _mm512_extracti32x4_epi32::<3>(bytes));
                    }
                }
                2 => {
                    let mask = mask as u32;
                    _mm256_mask_storeu_epi8(to[0].cast(), mask, _mm512_castsi512_si256(bytes));
                    if count > 1 {
                        let second = _mm512_extracti64x4_epi64::<1>(bytes);
                        _mm256_mask_storeu_epi8(to[1].cast(), mask, second);
                    }
                }
                _ => _mm512_mask_storeu_epi8(to[0].cast(), mask, bytes),
            }
        }
    }
}
