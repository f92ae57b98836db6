//! Depthwise convolutions with `sdot`: four taps of a channel side by side in a register.
//!
//! Interleaving the values of up to four taps (`zip`) makes quads of them for sixteen channels. Of a filter of three by
//! three a quad is a column, its fourth weight 0, and neighboring outputs share it; with a fourth row as its fourth value,
//! an output and the one below it share it too, the weights of the lower one beginning with a 0.

#![allow(unsafe_code)]

use core::arch::aarch64::*;
use core::arch::asm;

use super::super::depthwise::{Filters, GROUP, Rows, bias, first_channel, groups, load, start};
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

/// Bytes from a quad's weights to the next one's.
fn step(taps: usize) -> usize {
    if taps == 9 { 2 * QUAD_BYTES } else { QUAD_BYTES }
}

/// See [`crate::kernels::Kernels::pack_depthwise`]: `[group of 16 channels][quad][channel][4]`; for nine taps, each quad is
/// followed by the one for the output below.
pub fn pack(weights: &Depthwise) -> PackedDepthwise {
    let group_bytes = DotFilters::group_bytes(weights.taps);
    let mut data = Lines::zeros(groups(weights.channels) * group_bytes);
    for group in 0..groups(weights.channels) {
        let first = first_channel(group, weights.channels);
        for (quad, taps) in quads(weights.taps).enumerate() {
            let start = group * group_bytes + quad * step(weights.taps);
            let bytes = &mut data.bytes_mut()[start..start + step(weights.taps)];
            for channel in 0..GROUP.min(weights.channels - first) {
                for (i, tap) in taps.iter().enumerate().filter_map(|(i, tap)| Some((i, (*tap)?))) {
                    let weight = weights.weights[tap * weights.channels + first + channel] as u8;
                    bytes[channel * 4 + i] = weight;
                    if weights.taps == 9 {
                        bytes[QUAD_BYTES + channel * 4 + i + 1] = weight;
                    }
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

/// The filters of this file.
pub struct DotFilters;

// SAFETY: columns are read as the taps of each output say, sixteen channels of them, or `channels` if that is fewer; a
// group's weights are three quads for nine taps, else as many as `quads` says.
unsafe impl Filters for DotFilters {
    type Weights = [[int8x16_t; 4]; 3];
    type Column = [int8x16_t; 4];

    fn group_bytes(taps: usize) -> usize {
        quads(taps).count() * step(taps)
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

    unsafe fn by_columns(_: &Rows) -> bool {
        true
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Self::Weights {
        // SAFETY: the caller's promise.
        unsafe { [quad(from), quad(from.add(2 * QUAD_BYTES)), quad(from.add(4 * QUAD_BYTES))] }
    }

    #[inline(always)]
    fn column([a, b, c]: [int8x16_t; 3]) -> Self::Column {
        interleave(a, b, c, c)
    }

    const PAIRS: bool = true;

    #[inline(always)]
    fn column_of_pair([a, b, c, d]: [int8x16_t; 4]) -> Self::Column {
        interleave(a, b, c, d)
    }

    #[inline(always)]
    unsafe fn sums_of_pair(
        bias: *const i32,
        weights: *const i8,
        [a, b, c]: [&Self::Column; 3],
    ) -> [[int32x4_t; 4]; 2] {
        let mut sums: [[int32x4_t; 4]; 2];
        // SAFETY: the caller's promise.
        unsafe {
            let zero = vdupq_n_s32(0);
            sums = [[zero; 4]; 2];
            let [[s0, s1, s2, s3], [t0, t1, t2, t3]] = &mut sums;
            // A column's weights for the upper output, then those for the lower one.
            macro_rules! column {
                ($a:literal $b:literal $c:literal $d:literal) => {
                    concat!(
                        column!("4" $a, "5" $b, "6" $c, "7" $d),
                        column!("16" $a, "17" $b, "18" $c, "19" $d)
                    )
                };
                ($($sum:literal $values:literal),*) => {
                    concat!(
                        "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{weights}], #64\n",
                        column!(@ $($sum $values)*)
                    )
                };
                (@ $s:literal $a:literal $t:literal $b:literal $u:literal $c:literal $v:literal $d:literal) => {
                    concat!(
                        "sdot v", $s, ".4s, {", $a, ":v}.16b, v0.16b\n",
                        "sdot v", $t, ".4s, {", $b, ":v}.16b, v1.16b\n",
                        "sdot v", $u, ".4s, {", $c, ":v}.16b, v2.16b\n",
                        "sdot v", $v, ".4s, {", $d, ":v}.16b, v3.16b\n",
                    )
                };
            }
            asm!(
                ".arch_extension dotprod",
                "ld1 {{v4.4s, v5.4s, v6.4s, v7.4s}}, [{bias}]",
                "ld1 {{v16.4s, v17.4s, v18.4s, v19.4s}}, [{bias}]",
                column!("a0" "a1" "a2" "a3"), column!("b0" "b1" "b2" "b3"), column!("c0" "c1" "c2" "c3"),
                a0 = in(vreg) a[0], a1 = in(vreg) a[1], a2 = in(vreg) a[2], a3 = in(vreg) a[3],
                b0 = in(vreg) b[0], b1 = in(vreg) b[1], b2 = in(vreg) b[2], b3 = in(vreg) b[3],
                c0 = in(vreg) c[0], c1 = in(vreg) c[1], c2 = in(vreg) c[2], c3 = in(vreg) c[3],
                bias = in(reg) bias, weights = inout(reg) weights => _,
                out("v0") _, out("v1") _, out("v2") _, out("v3") _,
                out("v4") *s0, out("v5") *s1, out("v6") *s2, out("v7") *s3,
                out("v16") *t0, out("v17") *t1, out("v18") *t2, out("v19") *t3,
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        sums
    }

    #[inline(always)]
    fn add(sums: &mut [int32x4_t; 4], weights: &Self::Weights, columns: [&Self::Column; 3]) {
        for (column, weights) in columns.into_iter().zip(weights) {
            dots(sums, column, weights);
        }
    }

    unsafe fn any(rows: &Rows) {
        // SAFETY: the caller's promise.
        unsafe { if rows.channels < GROUP { any::<false>(rows) } else { any::<true>(rows) } }
    }
}

/// See [`Filters::any`]; `WHOLE` if sixteen channels are readable.
///
/// # Safety
/// As there.
unsafe fn any<const WHOLE: bool>(rows: &Rows) {
    for y in 0..rows.height {
        for x in 0..rows.width {
            let source = rows.source.wrapping_add(y * rows.step[1] + x * rows.step[0]);
            // SAFETY: each tap of each output is read for `channels` channels; there are weights for each quad.
            unsafe {
                let mut sums = start(rows.bias);
                if rows.quads.is_empty() {
                    for (index, taps) in quads(rows.taps.len()).enumerate() {
                        add_quad::<WHOLE>(&mut sums, rows, source, index, &offsets(rows.taps, taps));
                    }
                } else {
                    for (index, taps) in rows.quads.iter().enumerate() {
                        add_quad::<WHOLE>(&mut sums, rows, source, index, taps);
                    }
                }
                let out = rows.out.wrapping_add(y * rows.out_step[1] + x * rows.out_step[0]);
                rows.target
                    .store(&[sums], [out], || rows.pixel + y * rows.pixel_step[1] + x * rows.pixel_step[0]);
            }
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
    rows: &Rows,
    source: *const Q,
    index: usize,
    taps: &[usize; 4],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let [a, b, c, d] = taps.map(|tap| load(source.add(tap), if WHOLE { GROUP } else { rows.channels }));
        dots(sums, &interleave(a, b, c, d), &quad(rows.weights.add(index * step(rows.taps.len()))));
    }
}
