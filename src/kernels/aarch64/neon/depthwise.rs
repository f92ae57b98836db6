//! Depthwise convolutions in ARMv8.0: products of two taps are summed in 16 bits, pairs in 32.
//!
//! Two products fit 16 bits for any values unless both weights are -128; then each product is added on its own.

#![allow(unsafe_code)]

use core::arch::aarch64::*;

use super::super::depthwise::{Filters, GROUP, Line, bias, first_channel, groups, load, start};
use crate::kernels::{Depthwise, Lines, PackedDepthwise, Q};

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
    // SAFETY: NEON is always there; values only.
    unsafe { [vmull_s8(vget_low_s8(values), vget_low_s8(weights)), vmull_high_s8(values, weights)] }
}

/// The sum of two taps' products.
#[inline(always)]
fn two([a, b]: [int8x16_t; 2], weights: [int8x16_t; 2]) -> [int16x8_t; 2] {
    let [low, high] = multiply(a, weights[0]);
    // SAFETY: NEON is always there; values only.
    unsafe { [vmlal_s8(low, vget_low_s8(b), vget_low_s8(weights[1])), vmlal_high_s8(high, b, weights[1])] }
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

/// Walks over the columns that a line's outputs read.
struct Columns {
    rows: [*const Q; 3],
    step: usize,
}

impl Columns {
    /// # Safety
    /// The column may be read.
    #[inline(always)]
    unsafe fn next(&mut self) -> [int8x16_t; 3] {
        // SAFETY: the caller's promise.
        let column = self.rows.map(|row| unsafe { vld1q_s8(row) });
        self.rows = self.rows.map(|row| row.wrapping_add(self.step));
        column
    }
}

/// Walks over a line's outputs.
struct Outputs<'a> {
    line: &'a Line<'a>,
    out: *mut Q,
    pixel: usize,
    left: usize,
}

impl Outputs<'_> {
    /// Stores the next output; whether it is the last.
    ///
    /// # Safety
    /// There is one, and it may be written; `MODE` is the target's.
    #[inline(always)]
    unsafe fn emit<const MODE: usize>(
        &mut self,
        weights: &[int8x16_t; 9],
        [a, b, c]: [[int8x16_t; 3]; 3],
    ) -> bool {
        let w = weights;
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = start(self.line.bias);
            widen(&mut sums, two([a[0], a[1]], [w[0], w[3]]));
            widen(&mut sums, two([a[2], b[0]], [w[6], w[1]]));
            widen(&mut sums, two([b[1], b[2]], [w[4], w[7]]));
            widen(&mut sums, two([c[0], c[1]], [w[2], w[5]]));
            widen(&mut sums, multiply(c[2], w[8]));
            self.line.target.store_as::<4, 1, MODE>(&[sums], [self.out], self.pixel);
        }
        self.out = self.out.wrapping_add(self.line.out_step);
        self.pixel += self.line.pixel_step;
        self.left -= 1;
        self.left == 0
    }
}

/// The filters of this file.
pub struct NeonFilters;

// SAFETY: columns are read as the taps of each output say, sixteen channels of them, or `channels` if that is fewer; a
// group's weights are sixteen a tap and one mark.
unsafe impl Filters for NeonFilters {
    fn group_bytes(taps: usize) -> usize {
        taps * GROUP + 1
    }

    fn arrange(_: &[usize], _: &mut [[usize; 4]]) -> usize {
        0
    }

    unsafe fn three_by_three<const STRIDE: usize, const MODE: usize>(line: &Line) {
        // SAFETY: columns up to the third of the last output are read, outputs written one by one.
        unsafe {
            if !two_fit(line) {
                return Self::any(line);
            }
            let weights = core::array::from_fn(|tap| vld1q_s8(line.weights.add(tap * GROUP)));
            let &[first, second, _, below, _, _, last, ..] = line.taps else { unreachable!("nine taps") };
            let rows = [first, below, last].map(|tap| line.source.wrapping_add(tap));
            let mut columns = Columns { rows, step: second - first };
            let mut outputs = Outputs { line, out: line.out, pixel: line.pixel, left: line.width };
            let mut a = columns.next();
            if STRIDE == 2 {
                loop {
                    let (b, c) = (columns.next(), columns.next());
                    if outputs.emit::<MODE>(&weights, [a, b, c]) {
                        return;
                    }
                    let b = columns.next();
                    a = columns.next();
                    if outputs.emit::<MODE>(&weights, [c, b, a]) {
                        return;
                    }
                }
            }
            let mut b = columns.next();
            loop {
                let c = columns.next();
                if outputs.emit::<MODE>(&weights, [a, b, c]) {
                    return;
                }
                a = columns.next();
                if outputs.emit::<MODE>(&weights, [b, c, a]) {
                    return;
                }
                b = columns.next();
                if outputs.emit::<MODE>(&weights, [c, a, b]) {
                    return;
                }
            }
        }
    }

    unsafe fn any(line: &Line) {
        // SAFETY: the caller's promise.
        unsafe {
            match (line.channels < GROUP, two_fit(line)) {
                (false, true) => any::<true, true>(line),
                (false, false) => any::<true, false>(line),
                (true, true) => any::<false, true>(line),
                (true, false) => any::<false, false>(line),
            }
        }
    }
}

/// Whether 16 bits hold two products.
///
/// # Safety
/// The group's weights may be read.
unsafe fn two_fit(line: &Line) -> bool {
    // SAFETY: the mark follows the weights.
    unsafe { *line.weights.add(line.taps.len() * GROUP) != 0 }
}

/// See [`Filters::any`]; `WHOLE` if sixteen channels are readable, `TWO` if 16 bits hold two products.
///
/// # Safety
/// As there.
unsafe fn any<const WHOLE: bool, const TWO: bool>(line: &Line) {
    let channels = if WHOLE { GROUP } else { line.channels };
    for x in 0..line.width {
        let source = line.source.wrapping_add(x * line.step);
        // SAFETY: each tap of each output is read for `channels` channels; there are weights for each tap.
        unsafe {
            let mut sums = start(line.bias);
            let mut weights = line.weights;
            let pairs = line.taps.chunks_exact(2);
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
            let out = line.out.wrapping_add(x * line.out_step);
            line.target.store(&[sums], [out], || line.pixel + x * line.pixel_step);
        }
    }
}
