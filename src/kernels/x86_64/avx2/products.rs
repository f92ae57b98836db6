//! The products of AVX2: pairs of 16-bit numbers, exact.

#![allow(unsafe_code)]

use super::matrix::Products;
use super::requantize::Places;
use super::rows;
use super::tile::{Columns, Ending, avx2_i16_sums, avx2_i16_tile};
use crate::kernels::Patches;

/// Values widened to 16 bits.
pub struct Wide;

impl Products for Wide {
    const TERMS: usize = 2;

    fn stride(depth: usize) -> usize {
        rows::stride::<2>(depth)
    }

    fn size(rows: usize, depth: usize) -> usize {
        rows::size::<2>(rows, depth)
    }

    #[inline(always)]
    unsafe fn bring(patches: &Patches, first: usize, count: usize, to: *mut u8) -> (*const u8, usize) {
        // SAFETY: the caller's promise.
        unsafe { rows::avx2_u8_rows::<2>(patches, first, count, to) };
        (to, Self::stride(patches.depth()))
    }

    #[inline(always)]
    unsafe fn tile<const R: usize, const V: usize, const END: u8>(
        columns: &Columns,
        ending: &Ending,
        rows: (*const u8, usize),
        to: Places,
        add: (*const u8, usize),
    ) {
        // SAFETY: the caller's promise.
        unsafe { avx2_i16_tile::<R, V, END>(columns, ending, rows.0, rows.1, to, add) }
    }

    #[inline(always)]
    unsafe fn sums<const V: usize>(columns: &Columns, row: *const u8, to: *mut i32) {
        // SAFETY: the caller's promise.
        unsafe { avx2_i16_sums::<1, V>(columns, row, 0, to, 0) }
    }
}
