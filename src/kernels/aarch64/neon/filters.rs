//! Depthwise convolutions in ARMv8.0: products of two taps are summed in 16 bits, pairs in 32.
//!
//! Two products fit 16 bits for any values unless both weights are -128; then each product is added on its own.

#![allow(unsafe_code)]

use core::arch::aarch64::*;
use core::arch::asm;

use super::super::depthwise::{Filters, GROUP, Rows, bias, first_channel, groups, load, start};
use crate::kernels::{Depthwise, Lines, PackedDepthwise};

/// See [`crate::kernels::Kernels::pack_depthwise`]: for each group of 16 channels `[tap][channel]`, then whether 16 bits
/// hold two products.
pub fn pack(weights: &Depthwise) -> PackedDepthwise {
    let group_bytes = NeonFilters::group_bytes(weights.taps);
    let mut data = Lines::zeros(groups(weights.channels) * group_bytes);
    for (group, bytes) in
        data.bytes_mut().chunks_exact_mut(group_bytes).take(groups(weights.channels)).enumerate()
    {
        let first = first_channel(group, weights.channels);
        let mut lowest = [0; GROUP];
        for (tap, row) in weights.weights.chunks_exact(weights.channels).enumerate() {
            for (channel, &weight) in row[first..].iter().take(GROUP).enumerate() {
                bytes[tap * GROUP + channel] = weight as u8;
                lowest[channel] += usize::from(weight == i8::MIN);
            }
        }
        bytes[weights.taps * GROUP] = lowest.iter().all(|&count| count < 2).into();
    }
    PackedDepthwise {
        channels: weights.channels,
        taps: weights.taps,
        data,
        bias: bias(weights),
        zero_point: weights.zero_point,
    }
}

/// Products of sixteen channels in 16 bits.
#[inline(always)]
fn multiply(values: int8x16_t, weights: int8x16_t) -> [int16x8_t; 2] {
    let (low, high): (int16x8_t, int16x8_t);
    // Assembly, because the compiler would move the upper halves to registers of their own, of which there are too few.
    // SAFETY: registers only.
    unsafe {
        asm!(
            "smull {low:v}.8h, {values:v}.8b, {weights:v}.8b", "smull2 {high:v}.8h, {values:v}.16b, {weights:v}.16b",
            low = out(vreg) low, high = lateout(vreg) high, values = in(vreg) values, weights = in(vreg) weights,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    [low, high]
}

/// The sum of two taps' products.
#[inline(always)]
fn two([a, b]: [int8x16_t; 2], weights: [int8x16_t; 2]) -> [int16x8_t; 2] {
    let [mut low, mut high] = multiply(a, weights[0]);
    // SAFETY: as above.
    unsafe {
        asm!(
            "smlal {low:v}.8h, {values:v}.8b, {weights:v}.8b", "smlal2 {high:v}.8h, {values:v}.16b, {weights:v}.16b",
            low = inout(vreg) low, high = inout(vreg) high, values = in(vreg) b, weights = in(vreg) weights[1],
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    [low, high]
}

/// Adds sixteen channels' products.
#[inline(always)]
fn widen(sums: &mut [int32x4_t; 4], [low, high]: [int16x8_t; 2]) {
    // SAFETY: NEON is always there; values only.
    unsafe {
        sums[0] = vaddw_s16(sums[0], vget_low_s16(low));
        sums[1] = vaddw_high_s16(sums[1], low);
        sums[2] = vaddw_s16(sums[2], vget_low_s16(high));
        sums[3] = vaddw_high_s16(sums[3], high);
    }
}

/// The filters of this file.
pub struct NeonFilters;

// SAFETY: columns are read as the taps of each output say, sixteen channels of them, or `channels` if that is fewer; a
// group's weights are sixteen a tap and one mark.
unsafe impl Filters for NeonFilters {
    type Weights = [int8x16_t; 9];
    type Column = [int8x16_t; 3];

    fn group_bytes(taps: usize) -> usize {
        taps * GROUP + 1
    }

    fn arrange(_: &[usize], _: &mut [[usize; 4]]) -> usize {
        0
    }

    unsafe fn by_columns(rows: &Rows) -> bool {
        // SAFETY: the mark follows the weights.
        unsafe { *rows.weights.add(rows.taps.len() * GROUP) != 0 }
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Self::Weights {
        // SAFETY: the caller's promise.
        core::array::from_fn(|tap| unsafe { vld1q_s8(from.add(tap * GROUP)) })
    }

    #[inline(always)]
    fn column(rows: [int8x16_t; 3]) -> Self::Column {
        rows
    }

    #[inline(always)]
    fn add(sums: &mut [int32x4_t; 4], w: &Self::Weights, [a, b, c]: [&Self::Column; 3]) {
        widen(sums, two([a[0], a[1]], [w[0], w[3]]));
        widen(sums, two([a[2], b[0]], [w[6], w[1]]));
        widen(sums, two([b[1], b[2]], [w[4], w[7]]));
        widen(sums, two([c[0], c[1]], [w[2], w[5]]));
        widen(sums, multiply(c[2], w[8]));
    }

    unsafe fn any(rows: &Rows) {
        // SAFETY: the caller's promise.
        unsafe {
            match (rows.channels < GROUP, Self::by_columns(rows)) {
                (false, true) => any::<true, true>(rows),
                (false, false) => any::<true, false>(rows),
                (true, true) => any::<false, true>(rows),
                (true, false) => any::<false, false>(rows),
            }
        }
    }
}

/// See [`Filters::any`]; `WHOLE` if sixteen channels are readable, `TWO` if 16 bits hold two products.
///
/// # Safety
/// As there.
unsafe fn any<const WHOLE: bool, const TWO: bool>(rows: &Rows) {
    let channels = if WHOLE { GROUP } else { rows.channels };
    for y in 0..rows.height {
        for x in 0..rows.width {
            let source = rows.source.wrapping_add(y * rows.step[1] + x * rows.step[0]);
            // SAFETY: each tap of each output is read for `channels` channels; there are weights for each tap.
            unsafe {
                let mut sums = start(rows.bias);
                let mut weights = rows.weights;
                let pairs = rows.taps.chunks_exact(2);
                let odd = pairs.remainder();
                for pair in pairs {
                    let values = [load(source.add(pair[0]), channels), load(source.add(pair[1]), channels)];
                    let both = [vld1q_s8(weights), vld1q_s8(weights.add(GROUP))];
                    weights = weights.add(2 * GROUP);
                    if TWO {
                        widen(&mut sums, two(values, both));
                    } else {
                        widen(&mut sums, multiply(values[0], both[0]));
                        widen(&mut sums, multiply(values[1], both[1]));
                    }
                }
                for &tap in odd {
                    widen(&mut sums, multiply(load(source.add(tap), channels), vld1q_s8(weights)));
                }
                let out = rows.out.wrapping_add(y * rows.out_step[1] + x * rows.out_step[0]);
                rows.target
                    .store(&[sums], [out], || rows.pixel + y * rows.pixel_step[1] + x * rows.pixel_step[0]);
            }
        }
    }
}
