//! Patches copied to rows of their own, where their runs are not whole dot products.

#![allow(unsafe_code)]

use super::panel::TERMS;
use crate::kernels::{Patches, Q};

/// Bytes of one step of the copy.
const STEP: usize = 16;

/// Bytes from one row to the next: whole dot products, and not a large power of two, in which rows would compete for the
/// same lines of the cache.
pub fn stride(depth: usize) -> usize {
    let stride = depth.next_multiple_of(TERMS);
    if stride.is_multiple_of(512) { stride + 64 } else { stride }
}

/// Bytes that `rows` rows take, with what the copy writes past the last.
pub fn size(rows: usize, depth: usize) -> usize {
    rows * stride(depth) + STEP
}

/// Copies the patches of the `count` pixels from `first` on to rows of `stride(depth)` bytes. What lies in a row past its
/// patch is arbitrary (and meets weights of zero).
pub fn copy(patches: &Patches, first: usize, count: usize, to: &mut [Q]) {
    let (run, stride) = (patches.run, stride(patches.depth()));
    assert!(patches.data.len() >= patches.end() && first + count <= patches.pixels());
    assert!(to.len() >= size(count, patches.depth()));
    let reach = patches.taps.iter().max().map_or(0, |tap| tap + run.next_multiple_of(STEP));
    let (mut y, mut x) = (first / patches.width, first % patches.width);
    let mut row = 0;
    while row < count {
        let pixels = (patches.width - x).min(count - row);
        let base = y * patches.row_step + x * patches.step;
        // The pixels from whose runs whole steps can be read.
        let safe = match patches.data.len().checked_sub(base + reach) {
            Some(room) => (room / patches.step.max(1) + 1).min(pixels),
            None => 0,
        };
        // SAFETY: all runs are in the data, those of the first `safe` pixels also with what whole steps read past them.
        // Runs are written in ascending order and end less than `STEP` bytes past their own end, for which there is room.
        unsafe {
            let from = patches.data.as_ptr().add(base);
            let to = to.as_mut_ptr().add(row * stride);
            match *patches.taps {
                // The first layer of most networks: three runs of three pixels of three colors.
                [top, middle, bottom] if run <= STEP => {
                    for pixel in 0..safe {
                        let (from, to) = (from.add(pixel * patches.step), to.add(pixel * stride));
                        copy_step(from.add(top), to);
                        copy_step(from.add(middle), to.add(run));
                        copy_step(from.add(bottom), to.add(2 * run));
                    }
                }
                _ => {
                    for pixel in 0..safe {
                        let from = from.add(pixel * patches.step);
                        let mut to = to.add(pixel * stride);
                        for &tap in patches.taps {
                            for at in (0..run).step_by(STEP) {
                                copy_step(from.add(tap + at), to.add(at));
                            }
                            to = to.add(run);
                        }
                    }
                }
            }
            for pixel in safe..pixels {
                let from = from.add(pixel * patches.step);
                for (index, &tap) in patches.taps.iter().enumerate() {
                    from.add(tap).copy_to_nonoverlapping(to.add(pixel * stride + index * run), run);
                }
            }
        }
        row += pixels;
        (y, x) = (y + 1, 0);
    }
}

/// # Safety
/// `STEP` bytes can be read and written.
#[inline(always)]
unsafe fn copy_step(from: *const Q, to: *mut Q) {
    // SAFETY: the caller's promise; an array of bytes needs no alignment.
    unsafe { to.cast::<[u8; STEP]>().write(from.cast::<[u8; STEP]>().read()) }
}
