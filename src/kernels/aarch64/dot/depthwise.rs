//! Depthwise convolutions with `sdot`: four taps of a channel side by side in a register.
//!
//! Interleaving the values of up to four taps (`zip`) makes quads of them for sixteen channels. Of a filter of three by
//! three a quad is a column, its fourth weight 0, and neighboring outputs share it.

#![allow(unsafe_code)]

use core::arch::aarch64::*;
use core::arch::asm;

use super::super::depthwise::{Filters, GROUP, Line, bias, first_channel, groups, load, start};
use crate::kernels::{Depthwise, Lines, PackedDepthwise, Q};

/// Bytes of the weights of a quad for a group of channels.
const QUAD_BYTES: usize = 4 * GROUP;

/// Taps of each quad: columns of a filter of nine taps, else one after the other.
fn quads(taps: usize) -> impl Iterator<Item = [Option<usize>; 4]> {
    let count = if taps == 9 { 3 } else { taps.div_ceil(4) };
    (0..count).map(move |quad| match taps {
        9 => [Some(quad), Some(quad + 3), Some(quad + 6), None],
        _ => core::array::from_fn(|i| Some(quad * 4 + i).filter(|&tap| tap < taps)),
    })
}

/// See [`crate::kernels::Kernels::pack_depthwise`]: `[group of 16 channels][quad][channel][4]`.
pub fn pack(weights: &Depthwise) -> PackedDepthwise {
    let group_bytes = DotFilters::group_bytes(weights.taps);
    let mut data = Lines::zeros(groups(weights.channels) * group_bytes);
    for group in 0..groups(weights.channels) {
        let first = first_channel(group, weights.channels);
        for (quad, taps) in quads(weights.taps).enumerate() {
            let bytes = &mut data.bytes_mut()[group * group_bytes + quad * QUAD_BYTES..];
            for channel in 0..GROUP.min(weights.channels - first) {
                for (i, tap) in taps.iter().enumerate().filter_map(|(i, tap)| Some((i, (*tap)?))) {
                    bytes[channel * 4 + i] = weights.weights[tap * weights.channels + first + channel] as u8;
                }
            }
        }
    }
    PackedDepthwise {
        channels: weights.channels,
        taps: weights.taps,
        data,
        bias: bias(weights),
        zero_point: weights.zero_point,
    }
}

/// Four dot products of four, added to `sums`.
#[inline(always)]
fn dot(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: only called by kernels that exist where the processor has dot products; registers only.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// Adds a quad's products.
#[inline(always)]
fn dots(sums: &mut [int32x4_t; 4], values: &[int8x16_t; 4], weights: &[int8x16_t; 4]) {
    for i in 0..4 {
        sums[i] = dot(sums[i], values[i], weights[i]);
    }
}

/// Quads of four taps' values.
#[inline(always)]
fn interleave(a: int8x16_t, b: int8x16_t, c: int8x16_t, d: int8x16_t) -> [int8x16_t; 4] {
    // SAFETY: NEON is always there; values only.
    unsafe {
        let pairs = |a, b| [vreinterpretq_s16_s8(vzip1q_s8(a, b)), vreinterpretq_s16_s8(vzip2q_s8(a, b))];
        let (ab, cd) = (pairs(a, b), pairs(c, d));
        [
            vreinterpretq_s8_s16(vzip1q_s16(ab[0], cd[0])),
            vreinterpretq_s8_s16(vzip2q_s16(ab[0], cd[0])),
            vreinterpretq_s8_s16(vzip1q_s16(ab[1], cd[1])),
            vreinterpretq_s8_s16(vzip2q_s16(ab[1], cd[1])),
        ]
    }
}

/// The weights of a quad, or start values.
///
/// # Safety
/// 64 bytes may be read.
#[inline(always)]
unsafe fn quad(weights: *const i8) -> [int8x16_t; 4] {
    // SAFETY: the caller's promise.
    core::array::from_fn(|i| unsafe { vld1q_s8(weights.add(GROUP * i)) })
}

/// Walks over the columns that a line's outputs read.
struct Columns {
    rows: [*const Q; 3],
    step: usize,
}

impl Columns {
    #[inline(always)]
    fn new(line: &Line) -> Columns {
        let &[first, second, _, below, _, _, last, ..] = line.taps else { unreachable!("nine taps") };
        Columns { rows: [first, below, last].map(|tap| line.source.wrapping_add(tap)), step: second - first }
    }

    /// # Safety
    /// The column may be read.
    #[inline(always)]
    unsafe fn next(&mut self) -> [int8x16_t; 4] {
        // SAFETY: the caller's promise.
        let [a, b, c] = self.rows.map(|row| unsafe { vld1q_s8(row) });
        self.rows = self.rows.map(|row| row.wrapping_add(self.step));
        interleave(a, b, c, c)
    }
}

/// Walks over a line's outputs.
struct Outputs<'a> {
    line: &'a Line<'a>,
    out: *mut Q,
    pixel: usize,
    left: usize,
}

impl<'a> Outputs<'a> {
    #[inline(always)]
    fn new(line: &'a Line<'a>) -> Outputs<'a> {
        Outputs { line, out: line.out, pixel: line.pixel, left: line.width }
    }

    /// Stores the next output; whether it is the last.
    ///
    /// # Safety
    /// There is one, and it may be written; `MODE` is the target's.
    #[inline(always)]
    unsafe fn emit<const MODE: usize>(
        &mut self,
        weights: &[[int8x16_t; 4]; 3],
        columns: [&[int8x16_t; 4]; 3],
    ) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = start(self.line.bias);
            for (column, weights) in columns.into_iter().zip(weights) {
                dots(&mut sums, column, weights);
            }
            self.line.target.store_as::<4, 1, MODE>(&[sums], [self.out], self.pixel);
        }
        self.out = self.out.wrapping_add(self.line.out_step);
        self.pixel += self.line.pixel_step;
        self.left -= 1;
        self.left == 0
    }
}

/// The filters of this file.
pub struct DotFilters;

// SAFETY: columns are read as the taps of each output say, sixteen channels of them, or `channels` if that is fewer; a
// group's weights are three quads for nine taps, else as many as `quads` says.
unsafe impl Filters for DotFilters {
    fn group_bytes(taps: usize) -> usize {
        quads(taps).count() * QUAD_BYTES
    }

    fn arrange(taps: &[usize], into: &mut [[usize; 4]]) -> usize {
        let count = quads(taps.len()).count();
        if count > into.len() {
            return 0;
        }
        for (into, quad) in into.iter_mut().zip(quads(taps.len())) {
            *into = offsets(taps, quad);
        }
        count
    }

    unsafe fn three_by_three<const STRIDE: usize, const MODE: usize>(line: &Line) {
        // SAFETY: columns up to the third of the last output are read, outputs written one by one.
        unsafe {
            let weights = [
                quad(line.weights),
                quad(line.weights.add(QUAD_BYTES)),
                quad(line.weights.add(2 * QUAD_BYTES)),
            ];
            let mut columns = Columns::new(line);
            let mut outputs = Outputs::new(line);
            let mut a = columns.next();
            if STRIDE == 2 {
                loop {
                    let (b, c) = (columns.next(), columns.next());
                    if outputs.emit::<MODE>(&weights, [&a, &b, &c]) {
                        return;
                    }
                    let b = columns.next();
                    a = columns.next();
                    if outputs.emit::<MODE>(&weights, [&c, &b, &a]) {
                        return;
                    }
                }
            }
            let mut b = columns.next();
            loop {
                let c = columns.next();
                if outputs.emit::<MODE>(&weights, [&a, &b, &c]) {
                    return;
                }
                a = columns.next();
                if outputs.emit::<MODE>(&weights, [&b, &c, &a]) {
                    return;
                }
                b = columns.next();
                if outputs.emit::<MODE>(&weights, [&c, &a, &b]) {
                    return;
                }
            }
        }
    }

    unsafe fn any(line: &Line) {
        // SAFETY: the caller's promise.
        unsafe { if line.channels < GROUP { any::<false>(line) } else { any::<true>(line) } }
    }
}

/// See [`Filters::any`]; `WHOLE` if sixteen channels are readable.
///
/// # Safety
/// As there.
unsafe fn any<const WHOLE: bool>(line: &Line) {
    for x in 0..line.width {
        let source = line.source.wrapping_add(x * line.step);
        // SAFETY: each tap of each output is read for `channels` channels; there are weights for each quad.
        unsafe {
            let mut sums = start(line.bias);
            if line.quads.is_empty() {
                for (index, taps) in quads(line.taps.len()).enumerate() {
                    add_quad::<WHOLE>(&mut sums, line, source, index, &offsets(line.taps, taps));
                }
            } else {
                for (index, taps) in line.quads.iter().enumerate() {
                    add_quad::<WHOLE>(&mut sums, line, source, index, taps);
                }
            }
            let out = line.out.wrapping_add(x * line.out_step);
            line.target.store(&[sums], [out], || line.pixel + x * line.pixel_step);
        }
    }
}

/// Offsets of a quad's taps; what meets a weight of 0 may be anything.
fn offsets(offsets: &[usize], taps: [Option<usize>; 4]) -> [usize; 4] {
    taps.map(|tap| offsets[tap.or(taps[0]).unwrap_or_default()])
}

/// Adds the products of the four taps at `taps`, whose weights are the `index`-th quad.
///
/// # Safety
/// They may be read.
#[inline(always)]
unsafe fn add_quad<const WHOLE: bool>(
    sums: &mut [int32x4_t; 4],
    line: &Line,
    source: *const Q,
    index: usize,
    taps: &[usize; 4],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let [a, b, c, d] = taps.map(|tap| load(source.add(tap), if WHOLE { GROUP } else { line.channels }));
        dots(sums, &interleave(a, b, c, d), &quad(line.weights.add(index * QUAD_BYTES)));
    }
}
