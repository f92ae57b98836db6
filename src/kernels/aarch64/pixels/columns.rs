//! A resize across with NEON: weighted sums of pixels side by side, four outputs of three channels at once.

use core::arch::aarch64::*;

use super::rows::narrow;
use crate::kernels::generic::pixels as generic;
use crate::kernels::{PackedWindows, Windows};

/// Outputs that are made at once.
const BLOCK: usize = 4;
/// Channels that this is for.
const CHANNELS: usize = 3;
/// Pixels that are read at once.
const STEP: usize = 4;

/// Weights with zeros up to a multiple of four for each output.
pub fn pack(windows: Windows, channels: usize) -> PackedWindows {
    let mut packed = Vec::new();
    if channels == CHANNELS && windows.taps > 0 {
        for weights in windows.weights.chunks_exact(windows.taps) {
            packed.extend_from_slice(weights);
            packed.resize(packed.len().next_multiple_of(STEP), 0);
        }
    }
    PackedWindows { windows, channels, packed }
}

/// See [`crate::kernels::Pixels::mix_columns`].
pub fn mix_columns(row: &[u8], windows: &PackedWindows, out: &mut [u8]) {
    if windows.channels != CHANNELS {
        return generic::mix_columns(row, windows, out);
    }
    let (starts, taps) = (&windows.windows.starts, windows.windows.taps);
    let padded = taps.next_multiple_of(STEP);
    assert_eq!(out.len(), starts.len() * CHANNELS, "one pixel an output");
    assert_eq!(windows.packed.len(), starts.len() * padded, "packed here");
    // Every step reads 16 bytes, of which it uses four pixels.
    let reach = (padded - STEP) * CHANNELS + 16;
    let safe = starts.partition_point(|&start| start * CHANNELS + reach <= row.len());
    let mix = match taps {
        1..=2 => mix_block::<2>,
        3..=4 => mix_block::<4>,
        5..=6 => mix_block::<6>,
        7..=8 => mix_block::<8>,
        9..=10 => mix_block::<10>,
        11..=12 => mix_block::<12>,
        _ => mix_block::<0>,
    };
    let precision = windows.windows.precision;
    let whole = safe / BLOCK;
    let (starts, _) = starts.as_chunks::<BLOCK>();
    for (block, starts) in starts[..whole].iter().enumerate() {
        let out = &mut out[block * BLOCK * CHANNELS..];
        let weights = &windows.packed[block * BLOCK * padded..][..BLOCK * padded];
        // SAFETY: `reach` bytes from every start on are in the row, as `safe` says, and the weights are those of four
        // outputs.
        let pixels = unsafe { mix(row.as_ptr(), starts, weights, padded, precision) };
        match out.first_chunk_mut::<16>() {
            // SAFETY: there are 16 bytes; what is written past the twelfth is written again.
            Some(out) => unsafe { vst1q_u8(out.as_mut_ptr(), pixels) },
            None => {
                let mut bytes = [0u8; 16];
                // SAFETY: there are 16 bytes.
                unsafe { vst1q_u8(bytes.as_mut_ptr(), pixels) };
                out[..BLOCK * CHANNELS].copy_from_slice(&bytes[..BLOCK * CHANNELS]);
            }
        }
    }
    let done = whole * BLOCK;
    generic::mix_columns_from::<CHANNELS>(row, windows, done, &mut out[done * CHANNELS..]);
}

/// Four outputs: twelve bytes, then zeros. `TAPS` are the weights of an output that are not all 0, rounded up to an even
/// number, or 0 for all `padded`.
///
/// # Safety
/// From `row` plus three times every start on, 16 bytes can be read for every four taps, each 12 after the one before;
/// `weights` has `padded` values, a multiple of four and at least `TAPS`, for each output.
unsafe fn mix_block<const TAPS: usize>(
    row: *const u8,
    starts: &[usize; BLOCK],
    weights: &[i16],
    padded: usize,
    precision: u32,
) -> uint8x16_t {
    const NONE: u8 = 0xFF;
    // Four pixels, each in four bytes.
    const APART: [u8; 16] = [0, 1, 2, NONE, 3, 4, 5, NONE, 6, 7, 8, NONE, 9, 10, 11, NONE];
    const TOGETHER: [u8; 16] = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, NONE, NONE, NONE, NONE];
    let taps = if TAPS == 0 { padded } else { TAPS };
    // SAFETY: by this function's contract.
    unsafe {
        let apart = vld1q_u8(APART.as_ptr());
        let mut sums = [vdupq_n_s32(1 << (precision - 1)); BLOCK];
        for (output, sum) in sums.iter_mut().enumerate() {
            let from = row.add(CHANNELS * starts[output]);
            let weights = weights.as_ptr().add(output * padded);
            let mut tap = 0;
            while tap < taps {
                let pixels = vqtbl1q_u8(vld1q_u8(from.add(CHANNELS * tap)), apart);
                let weights = vld1_s16(weights.add(tap));
                let near = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(pixels)));
                *sum = vmlal_lane_s16::<0>(*sum, vget_low_s16(near), weights);
                *sum = vmlal_high_lane_s16::<1>(*sum, near, weights);
                if tap + 2 < taps {
                    let far = vreinterpretq_s16_u16(vmovl_high_u8(pixels));
                    *sum = vmlal_lane_s16::<2>(*sum, vget_low_s16(far), weights);
                    *sum = vmlal_high_lane_s16::<3>(*sum, far, weights);
                }
                tap += STEP;
            }
        }
        vqtbl1q_u8(narrow(sums, precision), vld1q_u8(TOGETHER.as_ptr()))
    }
}
