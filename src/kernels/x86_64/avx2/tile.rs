//! The inner loops of matrix products: a few pixels times one panel of output channels, all sums in registers.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::panel::LANES;
use super::requantize::{Formula, Places};

/// The weights of one panel.
#[derive(Clone, Copy)]
pub struct Columns {
    /// `[groups][registers][lanes][terms of a group]`.
    pub weights: *const u8,
    /// Groups of terms.
    pub groups: usize,
    /// Where sums begin, in the order of the lanes.
    pub bias: *const i32,
}

/// The epilogue of one panel.
#[derive(Clone, Copy)]
pub struct Ending<'a> {
    /// Multipliers in the order of the lanes.
    pub multipliers: &'a [f32; 3 * LANES],
    /// The rest.
    pub formula: &'a Formula,
}

/// How many of `rest` go into the next tile, so that tiles of at most `most` are as few and as even as can be.
#[inline(always)]
pub fn even_part(rest: usize, most: usize) -> usize {
    if rest >= 2 * most { most } else { rest.div_ceil(rest.div_ceil(most).max(1)) }
}

/// The same pointer, of which the compiler does not know how it was made: so it keeps one for each row of a tile, where
/// it would otherwise compute them from each other in the inner loop.
#[inline(always)]
fn unrelated(mut pointer: *const u8) -> *const u8 {
    // SAFETY: no instruction at all.
    unsafe {
        std::arch::asm!("/* {} */", inout(reg) pointer, options(pure, readonly, nostack, preserves_flags))
    };
    pointer
}

/// Adds the products of one group of terms: four of 8 bits if `VNNI`, or two of 16.
///
/// # Safety
/// AVX2 or AVX-VNNI; `group` lies in each of the rows, `weights` has `V` registers.
#[inline(always)]
unsafe fn multiply<const VNNI: bool, const R: usize, const V: usize>(
    sums: &mut [[__m256i; V]; R],
    rows: &[*const i32; R],
    group: usize,
    weights: *const __m256i,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for (row, sums) in rows.iter().zip(sums) {
            let values = _mm256_set1_epi32(row.add(group).read_unaligned());
            for (v, sum) in sums.iter_mut().enumerate() {
                let weights = _mm256_loadu_si256(weights.add(v));
                *sum = if VNNI {
                    _mm256_dpbusd_avx_epi32(*sum, values, weights)
                } else {
                    _mm256_add_epi32(*sum, _mm256_madd_epi16(values, weights))
                };
            }
        }
    }
}

/// The sums of `R` pixels and `V` registers of channels. `rows` are `stride` bytes from a pixel to the next.
///
/// # Safety
/// AVX2 or AVX-VNNI; `4 * groups` bytes in each of `R` rows; `columns` of a panel of `V` registers.
#[inline(always)]
unsafe fn sums<const VNNI: bool, const R: usize, const V: usize>(
    columns: &Columns,
    rows: *const u8,
    stride: usize,
) -> [[__m256i; V]; R] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[_mm256_setzero_si256(); V]; R];
        for row in &mut sums {
            for (v, sum) in row.iter_mut().enumerate() {
                *sum = _mm256_loadu_si256(columns.bias.add(v * LANES).cast());
            }
        }
        let mut weights = columns.weights.cast::<__m256i>();
        let rows: [*const i32; R] = std::array::from_fn(|r| unrelated(rows.add(r * stride)).cast());
        let mut group = 0;
        while group + 2 <= columns.groups {
            multiply::<VNNI, R, V>(&mut sums, &rows, group, weights);
            multiply::<VNNI, R, V>(&mut sums, &rows, group + 1, weights.add(V));
            weights = weights.add(2 * V);
            group += 2;
        }
        if group < columns.groups {
            multiply::<VNNI, R, V>(&mut sums, &rows, group, weights);
        }
        sums
    }
}

/// Requantizes and stores the sums of `R` pixels.
///
/// # Safety
/// AVX2; `8 * V` values can be written at place `r` of `to` and, if `END` is [`ADDED`], read at `add.0 + r * add.1`, for each pixel
/// `r`.
#[inline(always)]
unsafe fn store<const R: usize, const V: usize, const END: u8>(
    sums: [[__m256i; V]; R],
    ending: &Ending,
    to: Places,
    add: (*const u8, usize),
) {
    // SAFETY: the caller's promise; where `V` is 3, the third register's channels are 16 values on.
    unsafe {
        let multipliers = ending.multipliers.as_ptr();
        if V == 1 {
            ending.formula.store_8::<R, V, END>(&sums, multipliers, to, add);
            return;
        }
        ending.formula.store_16::<R, V, END>(&sums, multipliers, to, add);
        if V == 3 {
            let to = Places { column: to.column + 16, ..to };
            let add = (add.0.wrapping_add(16), add.1);
            ending.formula.store_8::<R, V, END>(&sums, multipliers.add(16), to, add);
        }
    }
}

/// `R` pixels times the `V` registers of a panel, requantized and stored.
///
/// # Safety
/// As for `sums` and `store`.
#[target_feature(enable = "avx2")]
pub unsafe fn avx2_i16_tile<const R: usize, const V: usize, const END: u8>(
    columns: &Columns,
    ending: &Ending,
    rows: *const u8,
    stride: usize,
    to: Places,
    add: (*const u8, usize),
) {
    // SAFETY: the caller's promise.
    unsafe { store::<R, V, END>(sums::<false, R, V>(columns, rows, stride), ending, to, add) }
}

/// The sums of `R` pixels and the `V` registers of a panel, to memory: `to[r * apart ..][.. 8 * V]`.
///
/// # Safety
/// As for `sums`; the sums can be written.
#[target_feature(enable = "avx2")]
pub unsafe fn avx2_i16_sums<const R: usize, const V: usize>(
    columns: &Columns,
    rows: *const u8,
    stride: usize,
    to: *mut i32,
    apart: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for (r, sums) in sums::<false, R, V>(columns, rows, stride).into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                _mm256_storeu_si256(to.add(r * apart + v * LANES).cast(), sum);
            }
        }
    }
}

/// As `avx2_i16_tile`, of 8-bit values.
///
/// # Safety
/// As for `sums` and `store`; AVX-VNNI.
#[target_feature(enable = "avx2,avxvnni")]
pub unsafe fn avx_vnni_u8_tile<const R: usize, const V: usize, const END: u8>(
    columns: &Columns,
    ending: &Ending,
    rows: *const u8,
    stride: usize,
    to: Places,
    add: (*const u8, usize),
) {
    // SAFETY: the caller's promise.
    unsafe { store::<R, V, END>(sums::<true, R, V>(columns, rows, stride), ending, to, add) }
}

/// As `avx2_i16_sums`, of one pixel's 8-bit values.
///
/// # Safety
/// As for `sums`; AVX-VNNI; the sums can be written.
#[target_feature(enable = "avx2,avxvnni")]
pub unsafe fn avx_vnni_u8_sums<const V: usize>(columns: &Columns, row: *const u8, to: *mut i32) {
    // SAFETY: the caller's promise.
    unsafe {
        let [sums] = sums::<true, 1, V>(columns, row, 0);
        for (v, sum) in sums.into_iter().enumerate() {
            _mm256_storeu_si256(to.add(v * LANES).cast(), sum);
        }
    }
}
