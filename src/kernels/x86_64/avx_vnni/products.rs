//! The products of AVX-VNNI: four of 8-bit numbers at once.

#![allow(unsafe_code)]

use super::super::avx2::matrix::Products;
use super::super::avx2::requantize::Places;
use super::super::avx2::rows;
use super::super::avx2::tile::{Columns, Ending, avx_vnni_u8_sums, avx_vnni_u8_tile};
use crate::kernels::Patches;

/// Values as they are stored.
pub struct Bytes;

impl Products for Bytes {
    const TERMS: usize = 4;

    fn stride(depth: usize) -> usize {
        rows::stride::<1>(depth)
    }

    fn size(rows: usize, depth: usize) -> usize {
        rows::size::<1>(rows, depth)
    }

    #[inline(always)]
    unsafe fn bring(patches: &Patches, first: usize, count: usize, to: *mut u8) -> (*const u8, usize) {
        if let Some(start) = rows::in_place(patches, first, count) {
            return (patches.data[start..].as_ptr(), patches.step);
        }
        // SAFETY: the caller's promise.
        unsafe { rows::avx2_u8_rows::<1>(patches, first, count, to) };
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
        unsafe { avx_vnni_u8_tile::<R, V, END>(columns, ending, rows.0, rows.1, to, add) }
    }

    #[inline(always)]
    unsafe fn sums<const V: usize>(columns: &Columns, row: *const u8, to: *mut i32) {
        // SAFETY: the caller's promise.
        unsafe { avx_vnni_u8_sums::<V>(columns, row, to) }
    }
}
