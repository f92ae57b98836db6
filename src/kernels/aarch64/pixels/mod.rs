//! Rows of pixels with NEON, which every processor of this architecture has: color, the two directions of a resize,
//! tables.

#![allow(unsafe_code)]

mod color;
mod columns;
mod gray;
mod rows;
mod table;

use super::{Neon, NeonDot, NeonI8mm};
use crate::kernels::{LookUp, PackedWindows, PixelRow, Pixels, Q, Windows};

/// The same kernels for several instruction sets.
macro_rules! with_neon {
    ($($kernels:ty),*) => {
        $(
            impl Pixels for $kernels {
                fn rgb_row(&self, row: PixelRow, rgb: &mut [u8]) {
                    color::rgb_row(row, rgb);
                }

                fn mix_rows(&self, data: &[u8], rows: &[usize], weights: &[i16], precision: u32, out: &mut [u8]) {
                    rows::mix_rows(data, rows, weights, precision, out);
                }

                fn pack_windows(&self, windows: Windows, channels: usize) -> PackedWindows {
                    columns::pack(windows, channels)
                }

                fn mix_columns(&self, row: &[u8], windows: &PackedWindows, out: &mut [u8]) {
                    columns::mix_columns(row, windows, out);
                }

                fn look_up(&self, pixels: &[u8], look_up: &LookUp, out: &mut [Q]) {
                    table::look_up(pixels, look_up, out);
                }
            }
        )*
    };
}

with_neon!(Neon, NeonDot, NeonI8mm);
