//! A resize across with NEON: weighted sums of pixels side by side, four outputs of three channels at once.

use core::arch::aarch64::*;

use super::gray;
use super::rows::narrow;
use crate::kernels::generic::pixels as generic;
use crate::kernels::{PackedWindows, Windows};

/// Outputs that are made at once.
const BLOCK: usize = 4;
/// Channels that this is for.
const CHANNELS: usize = 3;
/// Pixels that are read at once.
const STEP: usize = 4;

/// Weights with zeros up to a multiple of four for each output, of eight for one channel.
pub fn pack(windows: Windows, channels: usize) -> PackedWindows {
    let mut packed = Vec::new();
    let step = if channels == CHANNELS { STEP } else { gray::STEP };
    for weights in windows.weights.chunks_exact(windows.taps.max(1)) {
        packed.extend_from_slice(weights);
        packed.resize(packed.len().next_multiple_of(step), 0);
    }
    PackedWindows { windows, channels, packed }
}

/// See [`crate::kernels::Pixels::mix_columns`].
pub fn mix_columns(row: &[u8], windows: &PackedWindows, out: &mut [u8]) {
    match windows.channels {
        1 => return gray::mix_columns(row, &windows.windows, &windows.packed, out),
        CHANNELS => (),
        _ => return generic::mix_columns(row, windows, out),
    }
    match windows.windows.taps {
        1..=2 => mix::<2>(row, windows, out),
        3..=4 => mix::<4>(row, windows, out),
        5..=6 => mix::<6>(row, windows, out),
        7..=8 => mix::<8>(row, windows, out),
        9..=10 => mix::<10>(row, windows, out),
        11..=12 => mix::<12>(row, windows, out),
        _ => mix::<0>(row, windows, out),
    }
}

/// `TAPS` are the weights of an output that are not all 0, rounded up to an even number, or 0 for any number.
fn mix<const TAPS: usize>(row: &[u8], windows: &PackedWindows, out: &mut [u8]) {
    let PackedWindows { windows, packed, .. } = windows;
    let padded = if TAPS == 0 { windows.taps } else { TAPS }.next_multiple_of(STEP);
    let starts = &windows.starts;
    assert_eq!(out.len(), starts.len() * CHANNELS, "one pixel an output");
    assert_eq!(packed.len(), starts.len() * padded, "packed here");
    // Every step reads 16 bytes, of which it uses four pixels.
    let reach = (padded - STEP) * CHANNELS + 16;
    let safe = starts.partition_point(|&start| start * CHANNELS + reach <= row.len());
    let whole = safe / BLOCK;
    let (starts, _) = starts.as_chunks::<BLOCK>();
    let weights = packed.chunks_exact(BLOCK * padded);
    let from = |start: usize| row.as_ptr().wrapping_add(CHANNELS * start);
    // SAFETY: `reach` bytes from every start on are in the row, as `safe` says, and each output has `padded` weights. A
    // block writes 16 bytes where there are as many, and those past the twelfth are written again.
    unsafe {
        let order = [vld1q_u8(APART.as_ptr()), vld1q_u8(TOGETHER.as_ptr())];
        let half = vdupq_n_s32(1 << (windows.precision - 1));
        for (block, (&[a, b, c, d], weights)) in starts[..whole].iter().zip(weights).enumerate() {
            let weights = weights.as_ptr();
            let sums = [
                sum::<TAPS>(half, from(a), weights, padded, order[0]),
                sum::<TAPS>(half, from(b), weights.add(padded), padded, order[0]),
                sum::<TAPS>(half, from(c), weights.add(2 * padded), padded, order[0]),
                sum::<TAPS>(half, from(d), weights.add(3 * padded), padded, order[0]),
            ];
            let pixels = vqtbl1q_u8(narrow(sums, windows.precision), order[1]);
            let out = &mut out[block * BLOCK * CHANNELS..];
            if let Some(out) = out.first_chunk_mut::<16>() {
                vst1q_u8(out.as_mut_ptr(), pixels);
            } else {
                let mut bytes = [0u8; 16];
                vst1q_u8(bytes.as_mut_ptr(), pixels);
                out[..BLOCK * CHANNELS].copy_from_slice(&bytes[..BLOCK * CHANNELS]);
            }
        }
    }
    let done = whole * BLOCK;
    generic::mix_columns_from::<CHANNELS>(row, windows, done, &mut out[done * CHANNELS..]);
}

/// No byte: a table gives 0.
const NONE: u8 = 0xFF;
/// Four pixels, each in four bytes.
const APART: [u8; 16] = [0, 1, 2, NONE, 3, 4, 5, NONE, 6, 7, 8, NONE, 9, 10, 11, NONE];
/// Back again.
const TOGETHER: [u8; 16] = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, NONE, NONE, NONE, NONE];

/// The sums of one output's three channels, which begin with `half`; `apart` is [`APART`].
///
/// # Safety
/// From `from` on 16 bytes can be read for every four taps, each 12 after the one before; at `weights` there are
/// `padded`, a multiple of four and at least `TAPS`.
#[inline(always)]
unsafe fn sum<const TAPS: usize>(
    half: int32x4_t,
    from: *const u8,
    weights: *const i16,
    padded: usize,
    apart: uint8x16_t,
) -> int32x4_t {
    let taps = if TAPS == 0 { padded } else { TAPS };
    let (mut sum, mut tap) = (half, 0);
    // SAFETY: by this function's contract.
    unsafe {
        while tap < taps {
            let pixels = vqtbl1q_u8(vld1q_u8(from.add(CHANNELS * tap)), apart);
            let weights = vld1_s16(weights.add(tap));
            let near = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(pixels)));
            sum = vmlal_lane_s16::<0>(sum, vget_low_s16(near), weights);
            sum = vmlal_high_lane_s16::<1>(sum, near, weights);
            if tap + 2 < taps {
                let far = vreinterpretq_s16_u16(vmovl_high_u8(pixels));
                sum = vmlal_lane_s16::<2>(sum, vget_low_s16(far), weights);
                sum = vmlal_high_lane_s16::<3>(sum, far, weights);
            }
            tap += STEP;
        }
    }
    sum
}
