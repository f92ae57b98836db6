//! Patches brought into rows, widened to 16 bits or as they are.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use crate::kernels::Patches;

/// Values of one step of the copy.
const STEP: usize = 16;

/// Bytes from one row of `depth` values, `SIZE` bytes each, to the next: whole groups of 4 bytes, and not a large power
/// of two, in which rows would compete for the same lines of the cache.
pub const fn stride<const SIZE: usize>(depth: usize) -> usize {
    let stride = (depth * SIZE).next_multiple_of(4);
    if stride.is_multiple_of(1024) { stride + 64 } else { stride }
}

/// Bytes that `rows` rows take, with what the copy writes past the last.
pub const fn size<const SIZE: usize>(rows: usize, depth: usize) -> usize {
    rows * stride::<SIZE>(depth) + STEP * SIZE
}

/// Writes the patches of the `count` pixels from `first` on to rows of `stride(depth)` bytes, widened to `SIZE` bytes a
/// value: 1 or 2. What lies in a row past its patch is arbitrary (and meets weights of zero).
///
/// # Safety
/// AVX2; pixels of `patches`, whose data reach to [`Patches::end`]; `to` has room for `size(count, depth)` bytes.
#[target_feature(enable = "avx2")]
pub unsafe fn avx2_u8_rows<const SIZE: usize>(patches: &Patches, first: usize, count: usize, to: *mut u8) {
    let run = patches.run;
    let stride = stride::<SIZE>(patches.depth());
    let reach = patches.taps.iter().max().map_or(0, |tap| tap + run.next_multiple_of(STEP));
    let (mut y, mut x) = (first / patches.width, first % patches.width);
    let mut row = 0;
    while row < count {
        let pixels = (patches.width - x).min(count - row);
        let base = y * patches.row_step + x * patches.step;
        // SAFETY: these rows of `to` and `STEP` values past them are the caller's. Runs are written in ascending order
        // and end less than `STEP` values past their own end.
        unsafe {
            let to = to.add(row * stride);
            if let [tap] = patches.taps
                && patches.step == run
                && stride == run * SIZE
            {
                avx2_u8_run::<SIZE>(&patches.data[base + tap..], pixels * run, to);
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
                    avx2_u8_steps::<SIZE>(from.add(top), STEP, to);
                    avx2_u8_steps::<SIZE>(from.add(middle), STEP, to.add(run * SIZE));
                    avx2_u8_steps::<SIZE>(from.add(bottom), STEP, to.add(2 * run * SIZE));
                    (from, to) = (from.wrapping_add(patches.step), to.add(stride));
                }
                done = safe;
            }
            for pixel in done..safe {
                let from = patches.data.as_ptr().add(base + pixel * patches.step);
                let mut to = to.add(pixel * stride);
                for &tap in patches.taps {
                    avx2_u8_steps::<SIZE>(from.add(tap), run, to);
                    to = to.add(run * SIZE);
                }
            }
            for pixel in safe..pixels {
                let mut to = to.add(pixel * stride);
                for &tap in patches.taps {
                    avx2_u8_run::<SIZE>(&patches.data[base + pixel * patches.step + tap..], run, to);
                    to = to.add(run * SIZE);
                }
            }
        }
        row += pixels;
        (y, x) = (y + 1, 0);
    }
}

/// Copies the first `count` values of `from`.
///
/// # Safety
/// AVX2; `from` has `count` values; `count` values, rounded up to whole steps, can be written.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn avx2_u8_run<const SIZE: usize>(from: &[u8], count: usize, to: *mut u8) {
    // Where whole steps would read past the end of the slice, the rest is read one by one.
    let whole = if from.len() >= count.next_multiple_of(STEP) { count } else { count / STEP * STEP };
    // SAFETY: the caller's promise.
    unsafe {
        avx2_u8_steps::<SIZE>(from.as_ptr(), whole, to);
        for (at, &value) in from[..count].iter().enumerate().skip(whole) {
            to.add(at * SIZE)
                .cast::<[u8; SIZE]>()
                .write(std::array::from_fn(|byte| if byte == 0 { value } else { 0 }));
        }
    }
}

/// Copies `count` values in whole steps.
///
/// # Safety
/// AVX2; `count` values, rounded up to whole steps, can be read, and as many written.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn avx2_u8_steps<const SIZE: usize>(from: *const u8, count: usize, to: *mut u8) {
    let mut at = 0;
    while at < count {
        // SAFETY: the caller's promise.
        unsafe {
            let values = _mm_loadu_si128(from.add(at).cast());
            if SIZE == 2 {
                _mm256_storeu_si256(to.add(at * SIZE).cast(), _mm256_cvtepu8_epi16(values));
            } else {
                _mm_storeu_si128(to.add(at * SIZE).cast(), values);
            }
        }
        at += STEP;
    }
}

/// Where the patches of the `count` pixels from `first` on begin in the data, if they can be read where they are: one tap,
/// pixels evenly spaced over rows, and whole groups of 4 bytes within the data.
pub fn in_place(patches: &Patches, first: usize, count: usize) -> Option<usize> {
    let Patches { data, taps, run, step, row_step, width, .. } = *patches;
    let [tap] = *taps else { return None };
    let even = row_step == width * step || first % width + count <= width;
    let start = patches.base(first) + tap;
    let end = start + count.saturating_sub(1) * step + run.next_multiple_of(4);
    (even && end <= data.len()).then_some(start)
}
