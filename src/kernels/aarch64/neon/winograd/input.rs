//! Transformed input: `B' d B` of tiles of 6x6 pixels.

#![allow(unsafe_code)]

use core::arch::aarch64::*;

use super::{PLACES, SEEN, STEP};
use crate::kernels::image::Image;

/// Transforms the 6x6 pixels from `(y, x)` on: the value at place `p` of channel `c` goes to `to[p * apart + c]`.
/// Beyond the last row and column, which only outputs beyond the last see, these are repeated.
///
/// # Safety
/// `(y, x)` is a pixel; the values can be written.
pub unsafe fn transform_tile(image: &Image, y: usize, x: usize, to: *mut i16, apart: usize) {
    let [rows, columns] = image.square::<SEEN>(y, x);
    for done in (0..image.channels).step_by(STEP) {
        // The last step begins early, so as to be whole.
        let channel = done.min(image.channels - STEP);
        let mut half = [0i16; PLACES * STEP];
        let half = half.as_mut_ptr();
        // SAFETY: the rows and columns were bounded, and eight channels from `channel` on are a pixel's.
        unsafe {
            let from = image.data.as_ptr().add(channel);
            for (column, at) in columns.into_iter().enumerate() {
                let values = transform(rows.map(|row| vmovl_s8(vld1_s8(from.add(row + at)))));
                for (row, value) in values.into_iter().enumerate() {
                    vst1q_s16(half.add((row * SEEN + column) * STEP), value);
                }
            }
            for row in 0..SEEN {
                let from = half.add(row * SEEN * STEP);
                let values = transform(core::array::from_fn(|column| vld1q_s16(from.add(column * STEP))));
                for (column, value) in values.into_iter().enumerate() {
                    vst1q_s16(to.add((row * SEEN + column) * apart + channel), value);
                }
            }
        }
    }
}

/// `B'` times six values:
/// ```text
/// 4  0 -5  0  1  0
/// 0 -4 -4  1  1  0
/// 0  4 -4 -1  1  0
/// 0 -2 -1  2  1  0
/// 0  2 -1 -2  1  0
/// 0  4  0 -5  0  1
/// ```
#[inline(always)]
fn transform(d: [int16x8_t; SEEN]) -> [int16x8_t; SEEN] {
    // SAFETY: NEON is always there; values only.
    unsafe {
        let from_4_2 = vsubq_s16(d[4], d[2]);
        let from_3_1 = vsubq_s16(d[3], d[1]);
        let twice = vaddq_s16(from_3_1, from_3_1);
        let even = vmlsq_n_s16(d[4], d[2], 4);
        let odd = vmlsq_n_s16(d[3], d[1], 4);
        [
            vmlaq_n_s16(from_4_2, vsubq_s16(d[0], d[2]), 4),
            vaddq_s16(even, odd),
            vsubq_s16(even, odd),
            vaddq_s16(from_4_2, twice),
            vsubq_s16(from_4_2, twice),
            vmlsq_n_s16(vsubq_s16(d[5], d[3]), from_3_1, 4),
        ]
    }
}
