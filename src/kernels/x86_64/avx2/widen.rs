//! Patches of 8-bit values brought into rows of 16-bit numbers.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use crate::kernels::Patches;

/// Values of one step of the copy.
const STEP: usize = 16;

/// 16-bit numbers from one row to the next: whole steps, and not a large power of two, in which rows would compete for
/// the same lines of the cache.
pub fn stride(depth: usize) -> usize {
    let stride = depth.next_multiple_of(STEP).max(STEP);
    if stride % 512 == 0 { stride + 2 * STEP } else { stride }
}

/// 16-bit numbers that `rows` rows take, with what the copy writes past the last.
pub fn size(rows: usize, depth: usize) -> usize {
    rows * stride(depth) + STEP
}

/// Writes the patches of the `count` pixels from `first` on to rows of `stride(depth)` numbers. What lies in a row past
/// its patch is arbitrary (and meets weights of zero).
///
/// # Safety
/// AVX2; pixels of `patches`, whose data reach to [`Patches::end`]; `to` has room for `size(count, depth)` numbers.
#[target_feature(enable = "avx2")]
pub unsafe fn avx2_u8_to_i16_rows(patches: &Patches, first: usize, count: usize, to: *mut i16) {
    let (data, run) = (patches.data, patches.run);
    let stride = stride(patches.depth());
    let reach = patches.taps.iter().max().map_or(0, |tap| tap + run.next_multiple_of(STEP));
    let (mut y, mut x) = (first / patches.width, first % patches.width);
    for row in 0..count {
        let base = y * patches.row_step + x * patches.step;
        // SAFETY: row `row` of `to` and `STEP` numbers past it are the caller's; runs are written in ascending order,
        // each ends within `STEP - 1` numbers past its own end. Where reading in whole steps stays within the data,
        // pointers are used; elsewhere the reads are checked.
        unsafe {
            let mut to = to.add(row * stride);
            for &tap in patches.taps {
                if base + reach <= data.len() {
                    let from = data.as_ptr().add(base + tap);
                    let mut at = 0;
                    while at < run {
                        let wide = _mm256_cvtepu8_epi16(_mm_loadu_si128(from.add(at).cast()));
                        _mm256_storeu_si256(to.add(at).cast(), wide);
                        at += STEP;
                    }
                } else {
                    for (at, &value) in data[base + tap..][..run].iter().enumerate() {
                        *to.add(at) = i16::from(value);
                    }
                }
                to = to.add(run);
            }
        }
        x += 1;
        if x == patches.width {
            (y, x) = (y + 1, 0);
        }
    }
}
