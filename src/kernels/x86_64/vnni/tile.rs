//! The inner loop of matrix products: a few pixels times one panel of output channels, all sums in registers.

#![allow(unsafe_code)]

use super::panel::TERMS;
use super::vector::{Job, Vector};

/// The weights of one panel.
#[derive(Clone, Copy)]
pub struct Columns {
    /// `[steps][registers][lanes][4]`.
    pub weights: *const u8,
    /// Where sums begin, in the order of the lanes.
    pub bias: *const i32,
}

/// Most pixels of a tile.
pub const MOST_PIXELS: usize = 12;

/// Most pixels of a tile with `width` registers of channels each. With more of one register there would be too few
/// general registers to point at them.
pub const fn pixels<T: Vector>(width: usize) -> usize {
    if width == 1 { 10 } else { T::SUMS / width }
}

/// How many of `rest` go into the next tile, so that tiles of at most `most` are as few and as even as can be.
pub fn even_part(rest: usize, most: usize) -> usize {
    if rest >= 2 * most { most } else { rest.div_ceil(rest.div_ceil(most).max(1)) }
}

/// The same pointer, of which the compiler does not know how it was made: so it keeps one for each row of a tile, where
/// it would otherwise compute them from each other in the inner loop.
#[allow(clippy::pointers_in_nomem_asm_block)] // nothing is read or written through it
#[inline(always)]
fn unrelated(mut pointer: *const u8) -> *const u8 {
    // SAFETY: no instruction at all.
    unsafe {
        std::arch::asm!("/* {} */", inout(reg) pointer, options(pure, nomem, nostack, preserves_flags))
    };
    pointer
}

/// The sums of `R` pixels and `V` registers of channels: `[pixels][registers]`.
///
/// To be run where `run` bytes, whole dot products, can be read from each tap of each row, and `columns` has the weights
/// of all of them.
pub struct Tile<'a, const R: usize, const V: usize> {
    /// The weights.
    pub columns: Columns,
    /// The pixels.
    pub rows: [*const u8; R],
    /// Where a pixel's runs begin.
    pub taps: &'a [usize],
    /// Bytes of a run.
    pub run: usize,
    /// Where the sums go.
    pub sums: *mut u8,
}

impl<const R: usize, const V: usize> Job for Tile<'_, R, V> {
    #[inline(always)]
    unsafe fn run<T: Vector>(self) {
        let Columns { mut weights, bias } = self.columns;
        let bytes = T::LANES * 4;
        // SAFETY: the job's promise.
        unsafe {
            let mut sums = [[T::repeat_i32(0); V]; R];
            for row in &mut sums {
                for (v, sum) in row.iter_mut().enumerate() {
                    *sum = T::load(bias.cast::<u8>().add(v * bytes));
                }
            }
            let rows = self.rows.map(unrelated);
            for &tap in self.taps {
                let mut at = tap;
                let end = tap + self.run;
                while at < end {
                    let mut column = [T::repeat_i32(0); V];
                    for (v, column) in column.iter_mut().enumerate() {
                        *column = T::load(weights.add(v * bytes));
                    }
                    for (row, sums) in rows.iter().zip(&mut sums) {
                        let values = T::repeat_4(row.add(at));
                        for (sum, &column) in sums.iter_mut().zip(&column) {
                            *sum = T::dot(*sum, values, column);
                        }
                    }
                    weights = weights.add(V * bytes);
                    at += TERMS;
                }
            }
            for (r, row) in sums.iter().enumerate() {
                for (v, &sum) in row.iter().enumerate() {
                    T::store(sum, self.sums.add((r * V + v) * bytes));
                }
            }
        }
    }
}
