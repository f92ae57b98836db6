//! From products of transformed values to stored outputs: `A' m A`, bias, epilogue.

#![allow(unsafe_code)]

use core::arch::aarch64::*;
use std::ops::Range;

use super::super::super::rounding::Requantize;
use super::super::super::target::Target;
use super::{CHANNELS, SEEN, SIZE};
use crate::kernels::{Output, PackedConv3x3, Patches};

/// Output `i` of a row or column comes out times `3 * 2^SHIFT[i]`.
const SHIFT: [i32; SIZE] = [3, 2, 1, 1];
/// `9 * NINTH` is 1 modulo `2^32`.
const NINTH: i32 = 0x38e3_8e39;
/// Output channels of a vector.
const LANES: usize = 4;

/// What comes after the products for four output channels.
pub struct Part<'a> {
    requantize: &'a Requantize<'a>,
    /// Where in a panel these channels are.
    lane: usize,
    bias: int32x4_t,
    multipliers: [f32; LANES],
    /// The first of them, counted in all outputs.
    channel: usize,
    /// Those that are wanted, counted from the first.
    wanted: Range<usize>,
    column: usize,
}

/// The parts of panel `panel` that have channels of `channels`.
pub fn parts<'a>(
    panel: usize,
    channels: &'a Range<usize>,
    requantize: &'a Requantize<'a>,
    weights: &'a PackedConv3x3,
) -> impl Iterator<Item = Part<'a>> {
    (0..CHANNELS).step_by(LANES).filter_map(move |lane| {
        let channel = panel * CHANNELS + lane;
        let wanted = channel.max(channels.start)..(channel + LANES).min(channels.end);
        let bias = &weights.bias[channel..channel + LANES];
        (!wanted.is_empty()).then(|| Part {
            requantize,
            lane,
            // SAFETY: four numbers.
            bias: unsafe { vld1q_s32(bias.as_ptr()) },
            multipliers: core::array::from_fn(|i| {
                requantize.epilogue.multipliers.get(channel + i).copied().unwrap_or(0.0)
            }),
            channel,
            column: wanted.start - channels.start,
            wanted: wanted.start - channel..wanted.end - channel,
        })
    })
}

impl Part<'_> {
    /// Where results go.
    pub fn target(&self) -> Target<'_> {
        Target {
            mode: self.requantize.mode(self.wanted.len() == LANES),
            requantize: self.requantize,
            multipliers: self.multipliers.as_ptr(),
            channel: self.channel,
            first: self.wanted.start,
            count: self.wanted.len(),
            column: self.column,
        }
    }

    /// Writes the outputs of the tile at `(y, x)`, as far as they are pixels of the patches.
    ///
    /// # Safety
    /// The tile's 36 times 16 products; output and residual have the pixels and the wanted channels.
    pub unsafe fn finish(
        &self,
        target: &Target,
        products: *const i32,
        (y, x): (usize, usize),
        patches: &Patches,
        out: &mut Output,
    ) {
        // SAFETY: the caller's promise.
        let sums = unsafe { self.sums(products.add(self.lane)) };
        let count = SIZE.min(patches.width - x);
        for (row, sums) in sums.iter().enumerate().take(patches.height - y) {
            let pixel = (y + row) * patches.width + x;
            let to = out.data.as_mut_ptr().wrapping_add((y + row) * out.row_step + x * out.step);
            let at = |i: usize| to.wrapping_add(i * out.step);
            // SAFETY: `count` pixels of this row are there.
            unsafe {
                if count == SIZE {
                    let sums = sums.map(|sums| [sums]);
                    target.store::<1, SIZE>(&sums, core::array::from_fn(at), || pixel);
                } else {
                    for (i, &sums) in sums.iter().enumerate().take(count) {
                        target.store::<1, 1>(&[[sums]], [at(i)], || pixel + i);
                    }
                }
            }
        }
    }

    /// `A' m A`, divided, with the bias.
    ///
    /// # Safety
    /// 36 vectors of products, 16 numbers apart.
    #[inline(always)]
    unsafe fn sums(&self, products: *const i32) -> [[int32x4_t; SIZE]; SIZE] {
        let columns: [[int32x4_t; SIZE]; SEEN] = core::array::from_fn(|column| {
            transform(core::array::from_fn(|row| {
                // SAFETY: the caller's promise.
                unsafe { vld1q_s32(products.add((row * SEEN + column) * CHANNELS)) }
            }))
        });
        core::array::from_fn(|row| {
            let outputs = transform(core::array::from_fn(|column| columns[column][row]));
            core::array::from_fn(|column| {
                // SAFETY: NEON is always there; values only.
                unsafe {
                    let shift = vdupq_n_s32(-(SHIFT[row] + SHIFT[column]));
                    let sum = vshlq_s32(vmulq_n_s32(outputs[column], NINTH), shift);
                    vaddq_s32(sum, self.bias)
                }
            })
        })
    }
}

/// `A'` times six values, of which the middle ones come scaled:
/// ```text
/// 1  4  4  1  1  0
/// 0  2 -2  1 -1  0
/// 0  1  1  1  1  0
/// 0  1 -1  2 -2  1
/// ```
#[inline(always)]
fn transform(m: [int32x4_t; SEEN]) -> [int32x4_t; SIZE] {
    // SAFETY: NEON is always there; values only.
    unsafe {
        let (sum_1, difference_1) = (vaddq_s32(m[1], m[2]), vsubq_s32(m[1], m[2]));
        let (sum_2, difference_2) = (vaddq_s32(m[3], m[4]), vsubq_s32(m[3], m[4]));
        [
            vaddq_s32(vmlaq_n_s32(m[0], sum_1, 4), sum_2),
            vaddq_s32(vaddq_s32(difference_1, difference_1), difference_2),
            vaddq_s32(sum_1, sum_2),
            vaddq_s32(vaddq_s32(difference_1, m[5]), vaddq_s32(difference_2, difference_2)),
        ]
    }
}
