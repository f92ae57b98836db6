//! Patches of 8-bit values brought into rows of 16-bit numbers.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use crate::kernels::Patches;

/// Values of one step of the copy.
const STEP: usize = 16;

/// 16-bit numbers from one row to the next: whole pairs, and not a large power of two, in which rows would compete for
/// the same lines of the cache.
pub fn stride(depth: usize) -> usize {
    let stride = depth.next_multiple_of(2);
    if stride % 512 == 0 { stride + 32 } else { stride }
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
    let run = patches.run;
    let stride = stride(patches.depth());
    let reach = patches.taps.iter().max().map_or(0, |tap| tap + run.next_multiple_of(STEP));
    let (mut y, mut x) = (first / patches.width, first % patches.width);
    let mut row = 0;
    while row < count {
        let pixels = (patches.width - x).min(count - row);
        let base = y * patches.row_step + x * patches.step;
        // SAFETY: these rows of `to` and `STEP` numbers past them are the caller's. Runs are written in ascending order
        // and end less than `STEP` numbers past their own end.
        unsafe {
            let to = to.add(row * stride);
            if let [tap] = patches.taps
                && patches.step == run
                && stride == run
            {
                avx2_u8_to_i16(&patches.data[base + tap..], pixels * run, to);
                row += pixels;
                (y, x) = (y + 1, 0);
                continue;
            }
            // The pixels from whose runs whole steps can be read.
            let safe = match patches.data.len().checked_sub(base + reach) {
                Some(room) => (room / patches.step.max(1) + 1).min(pixels),
                None => 0,
            };
            let mut done = 0;
            if let [top, middle, bottom] = *patches.taps
                && run <= STEP
            {
                // The first layer of most networks: three runs of three pixels of three colors.
                let mut from = patches.data.as_ptr().add(base);
                let mut to = to;
                for _ in 0..safe {
                    avx2_u8_to_i16_steps(from.add(top), STEP, to);
                    avx2_u8_to_i16_steps(from.add(middle), STEP, to.add(run));
                    avx2_u8_to_i16_steps(from.add(bottom), STEP, to.add(2 * run));
                    (from, to) = (from.wrapping_add(patches.step), to.add(stride));
                }
                done = safe;
            }
            for pixel in done..safe {
                let from = patches.data.as_ptr().add(base + pixel * patches.step);
                let mut to = to.add(pixel * stride);
                for &tap in patches.taps {
                    avx2_u8_to_i16_steps(from.add(tap), run, to);
                    to = to.add(run);
                }
            }
            for pixel in safe..pixels {
                let mut to = to.add(pixel * stride);
                for &tap in patches.taps {
                    avx2_u8_to_i16(&patches.data[base + pixel * patches.step + tap..], run, to);
                    to = to.add(run);
                }
            }
        }
        row += pixels;
        (y, x) = (y + 1, 0);
    }
}

/// Widens the first `count` values of `from`.
///
/// # Safety
/// AVX2; `from` has `count` values; `count` numbers, rounded up to whole steps, can be written.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn avx2_u8_to_i16(from: &[u8], count: usize, to: *mut i16) {
    // Where whole steps would read past the end of the slice, the rest is read one by one.
    let whole = if from.len() >= count.next_multiple_of(STEP) { count } else { count / STEP * STEP };
    // SAFETY: the caller's promise.
    unsafe {
        avx2_u8_to_i16_steps(from.as_ptr(), whole, to);
        for (at, &value) in from[..count].iter().enumerate().skip(whole) {
            *to.add(at) = i16::from(value);
        }
    }
}

/// Widens `count` values in whole steps.
///
/// # Safety
/// AVX2; `count` values, rounded up to whole steps, can be read, and as many numbers written.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn avx2_u8_to_i16_steps(from: *const u8, count: usize, to: *mut i16) {
    let mut at = 0;
    while at < count {
        // SAFETY: the caller's promise.
        unsafe {
            let wide = _mm256_cvtepu8_epi16(_mm_loadu_si128(from.add(at).cast()));
            _mm256_storeu_si256(to.add(at).cast(), wide);
        }
        at += STEP;
    }
}
