//! Rows of pixels with AVX2: color, the two directions of a resize, tables.

#![allow(unsafe_code)]

mod color;
mod columns;
mod gray;
mod rows;

use super::operators::HasAvx2;
use super::table::Table;
use super::vector;
use crate::kernels::generic::pixels as generic;
use crate::kernels::{LookUp, PackedWindows, PixelRow, Pixels, Q, Windows};

impl<T: HasAvx2> Pixels for T {
    fn rgb_row(&self, row: PixelRow, rgb: &mut [u8]) {
        // SAFETY: values of this type exist only where the processor has AVX2.
        unsafe { color::rgb_row(row, rgb) }
    }

    fn gray_row(&self, row: PixelRow, gray: &mut [u8]) {
        #[target_feature(enable = "avx2")]
        fn with_avx2(row: PixelRow, gray: &mut [u8]) {
            generic::gray_row(row, gray);
        }
        // SAFETY: as above.
        unsafe { with_avx2(row, gray) }
    }

    fn mix_rows(&self, data: &[u8], rows: &[usize], weights: &[i16], precision: u32, out: &mut [u8]) {
        // SAFETY: as above.
        unsafe { rows::mix_rows(data, rows, weights, precision, out) }
    }

    fn pack_windows(&self, windows: Windows, channels: usize) -> PackedWindows {
        columns::pack(windows, channels)
    }

    fn mix_columns(&self, row: &[u8], windows: &PackedWindows, out: &mut [u8]) {
        // SAFETY: as above.
        unsafe { columns::mix_columns(row, windows, out) }
    }

    fn look_up(&self, pixels: &[u8], look_up: &LookUp, out: &mut [Q]) {
        // SAFETY: as above.
        unsafe { self::look_up(pixels, look_up, out) }
    }
}

/// See [`Pixels::look_up`]. One table for all bytes is looked up in vectors.
#[target_feature(enable = "avx2")]
fn look_up(pixels: &[u8], look_up: &LookUp, out: &mut [Q]) {
    let Some(entries) = look_up.one_table() else {
        return generic::look_up(pixels, look_up, out);
    };
    assert_eq!(pixels.len(), out.len(), "a table keeps the number of values");
    // SAFETY: this function has AVX2.
    let table = unsafe { Table::new(entries) };
    let (blocks, rest) = pixels.as_chunks();
    let (out_blocks, out_rest) = out.as_chunks_mut();
    for (block, out) in blocks.iter().zip(out_blocks) {
        // SAFETY: this function has AVX2.
        unsafe { vector::store(table.look_up(vector::load(block)), out) };
    }
    for (out, &pixel) in out_rest.iter_mut().zip(rest) {
        *out = entries[usize::from(pixel)];
    }
}
