//! The inner loops of matrix products: a few pixels times one panel of output channels, all sums in registers.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::panel::LANES;
use crate::kernels::{Epilogue, Residual};

/// What the tiles of one panel share.
pub struct Columns {
    /// `[groups][registers][16 lanes][4]`.
    pub weights: *const i8,
    /// Groups of four terms.
    pub groups: usize,
    /// Where sums begin, of whole registers.
    pub bias: *const i32,
    /// For each register, which of its channels are wanted.
    pub wanted: [u16; 4],
    /// Of channels that are wanted.
    pub multipliers: *const f32,
}

/// Where the values of each pixel lie: read, written, and added.
#[derive(Clone, Copy)]
pub struct Rows {
    /// Patches and bytes from one to the next.
    pub patches: (*const u8, usize),
    /// Where the output begins, shifted so that the panel's first channel is at 0.
    pub to: *mut u8,
    /// For each pixel, where its channels begin.
    pub offsets: *const usize,
    /// The tensor to be added, shifted likewise, and values from a pixel to the next.
    pub add: (*const u8, usize),
}

/// The sums of `R` pixels and the `V` registers of a panel.
///
/// # Safety
/// AVX512 F and VNNI; `4 * groups` bytes in each of `R` rows; `columns` of a panel of `V` registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn sums<const R: usize, const V: usize>(
    columns: &Columns,
    rows: (*const u8, usize),
) -> [[__m512i; V]; R] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[_mm512_setzero_si512(); V]; R];
        for row in &mut sums {
            for (v, sum) in row.iter_mut().enumerate() {
                *sum = _mm512_loadu_si512(columns.bias.add(v * LANES).cast());
            }
        }
        let mut weights = columns.weights.cast::<__m512i>();
        for group in 0..columns.groups {
            let mut registers = [_mm512_setzero_si512(); V];
            for (v, register) in registers.iter_mut().enumerate() {
                *register = _mm512_loadu_si512(weights.add(v));
            }
            for (r, row) in sums.iter_mut().enumerate() {
                let values = rows.0.add(r * rows.1 + group * 4).cast::<i32>().read_unaligned();
                let values = _mm512_set1_epi32(values);
                for (sum, weights) in row.iter_mut().zip(&registers) {
                    *sum = _mm512_dpbusd_epi32(*sum, values, *weights);
                }
            }
            weights = weights.add(V);
        }
        sums
    }
}

/// Whole numbers from `real`, between the bounds of stored values, stored.
///
/// The second operand of max is the result where one is NaN, as the definition has it.
#[inline]
#[target_feature(enable = "avx512f")]
fn round(real: __m512, zero_point: i32, low: i32, high: i32) -> __m512i {
    let bounded = _mm512_max_ps(real, _mm512_set1_ps((low - zero_point) as f32));
    let bounded = _mm512_min_ps(bounded, _mm512_set1_ps((high - zero_point) as f32));
    _mm512_add_epi32(_mm512_cvtps_epi32(bounded), _mm512_set1_epi32(zero_point))
}

/// `R` pixels times the `V` registers of a panel, requantized and stored.
///
/// # Safety
/// AVX512 F, BW, VL and VNNI; as for `sums`; the wanted channels can be written and, if `residual`, read for each pixel;
/// zero points and bounds are small enough that none of their differences overflows.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub unsafe fn avx512_vnni_u8_tile<const R: usize, const V: usize>(
    columns: &Columns,
    rows: &Rows,
    epilogue: &Epilogue,
    residual: Option<&Residual>,
) {
    // SAFETY: the caller's promise; masks keep what is not wanted from being read and written.
    unsafe {
        let sums = sums::<R, V>(columns, rows.patches);
        for v in 0..V {
            let wanted = columns.wanted[v];
            let multipliers = _mm512_maskz_loadu_ps(wanted, columns.multipliers.wrapping_add(v * LANES));
            for (r, sums) in sums.iter().enumerate() {
                let real = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[v]), multipliers);
                let mut stored = round(real, epilogue.zero_point, epilogue.low, epilogue.high);
                if let Some(with) = residual {
                    let own = _mm512_sub_epi32(stored, _mm512_set1_epi32(epilogue.zero_point));
                    let other = rows.add.0.wrapping_add(r * rows.add.1 + v * LANES);
                    let other = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(wanted, other.cast()));
                    let other = _mm512_sub_epi32(other, _mm512_set1_epi32(with.data_zero));
                    let sum = _mm512_add_ps(
                        _mm512_mul_ps(_mm512_cvtepi32_ps(own), _mm512_set1_ps(with.own)),
                        _mm512_mul_ps(_mm512_cvtepi32_ps(other), _mm512_set1_ps(with.other)),
                    );
                    stored = round(sum, with.zero_point, with.low, with.high);
                }
                let to = rows.to.wrapping_add(*rows.offsets.add(r) + v * LANES);
                _mm_mask_storeu_epi8(to.cast(), wanted, _mm512_cvtepi32_epi8(stored));
            }
        }
    }
}
