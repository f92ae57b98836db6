//! A resize across of one channel with NEON: four outputs at once, the weights of each in vectors of eight.

use core::arch::aarch64::*;

use super::rows::narrow;
use crate::kernels::Windows;
use crate::kernels::generic::pixels as generic;

/// Outputs that are made at once.
const BLOCK: usize = 4;
/// Pixels that are read at once; `packed` has a multiple of it for each output.
pub const STEP: usize = 8;

/// See [`crate::kernels::Pixels::mix_columns`].
pub fn mix_columns(row: &[u8], windows: &Windows, packed: &[i16], out: &mut [u8]) {
    let starts = &windows.starts;
    let padded = windows.taps.next_multiple_of(STEP);
    assert_eq!(out.len(), starts.len(), "one pixel an output");
    assert_eq!(packed.len(), starts.len() * padded, "packed here");
    let safe = starts.partition_point(|&start| start + padded <= row.len());
    let (blocks, _) = starts[..safe].as_chunks::<BLOCK>();
    let (out_blocks, _) = out.as_chunks_mut::<BLOCK>();
    let weights = packed.chunks_exact(BLOCK * padded);
    for ((starts, weights), out) in blocks.iter().zip(weights).zip(out_blocks) {
        // SAFETY: `padded` bytes from every start on are in the row, as `safe` says, and each output has as many weights.
        unsafe {
            let mut sums = [vdupq_n_s32(0); BLOCK];
            for (output, sum) in sums.iter_mut().enumerate() {
                let from = row.as_ptr().add(starts[output]);
                let weights = weights.as_ptr().add(output * padded);
                for tap in (0..padded).step_by(STEP) {
                    let pixels = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(from.add(tap))));
                    let weights = vld1q_s16(weights.add(tap));
                    *sum = vmlal_s16(*sum, vget_low_s16(pixels), vget_low_s16(weights));
                    *sum = vmlal_high_s16(*sum, pixels, weights);
                }
            }
            let [a, b, c, d] = sums;
            let half = vdupq_n_s32(1 << (windows.precision - 1));
            let sums = vaddq_s32(vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)), half);
            let bytes = narrow([sums; 4], windows.precision);
            *out = vgetq_lane_u32::<0>(vreinterpretq_u32_u8(bytes)).to_ne_bytes();
        }
    }
    let done = blocks.len() * BLOCK;
    generic::mix_columns_from::<1>(row, windows, done, &mut out[done..]);
}
