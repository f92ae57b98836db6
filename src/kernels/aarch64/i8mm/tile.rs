//! Tiles of a matrix product with `smmla`: six pixels by sixteen channels, or two by sixteen, all sums in registers.
//!
//! A vector of sums is two pixels by two channels; `smmla` adds the products of eight terms to all four. A step of
//! sixteen terms is 6 loads of values and 6 `zip` that bring pairs of pixels together, 8 loads of weight pairs and 48
//! `smmla` (32 products each).

#![allow(unsafe_code)]

use core::arch::aarch64::*;
use core::arch::asm;

use super::super::product::{Panel, Places, Tiles, tiles};
use crate::kernels::Q;

/// Eight terms of two pairs of channels, weights in registers 4 and 7: register of a pair of pixels, of sums.
macro_rules! four_channels {
    ([$($values:literal $first:literal $second:literal,)*]) => {
        concat!(
            "ldp q4, q7, [{weights}], #32\n",
            $("smmla v", $first, ".4s, v", $values, ".16b, v4.16b\n",)*
            $("smmla v", $second, ".4s, v", $values, ".16b, v7.16b\n",)*
        )
    };
}

/// A run of terms: sixteen at a time, then eight. For each pair of pixels: where the first eight values of both come
/// together, where each one's are loaded; the last eight come together in the second one's register.
macro_rules! run {
    ([$([$both:literal $even:literal $a:ident $odd:literal $b:ident])*], [$($low:tt)*], [$($high:tt)*]) => {
        concat!(
            "lsr {left}, {run}, #4\n",
            "cbz {left}, 3f\n",
            "2:\n",
            $(
                "ldr q", $even, ", [{", stringify!($a), "}, {at}]\n",
                "ldr q", $odd, ", [{", stringify!($b), "}, {at}]\n",
            )*
            "add {at}, {at}, #16\n",
            $(
                "zip1 v", $both, ".2d, v", $even, ".2d, v", $odd, ".2d\n",
                "zip2 v", $odd, ".2d, v", $even, ".2d, v", $odd, ".2d\n",
            )*
            $(four_channels!($low),)*
            $(four_channels!($high),)*
            "subs {left}, {left}, #1\n",
            "b.ne 2b\n",
            "3:\n",
            "tbz {run}, #3, 4f\n",
            $(
                "ldr d", $both, ", [{", stringify!($a), "}, {at}]\n",
                "ldr d", $odd, ", [{", stringify!($b), "}, {at}]\n",
                "mov v", $both, ".d[1], v", $odd, ".d[0]\n",
            )*
            $(four_channels!($low),)*
            "4:\n"
        )
    };
}

/// A function that computes the sums of some pairs of pixels against a panel.
macro_rules! tile {
    (
        $name:ident, pixels: $count:literal [$($index:literal $source:ident,)*], pairs: $pairs:tt,
        low: $low:tt, high: $high:tt, bias: [$($bias:literal,)*], sums: [$([$($register:tt $sum:ident,)*],)*]
    ) => {
        /// # Safety
        /// As [`Tiles::panel`].
        #[inline(always)]
        unsafe fn $name(panel: &Panel, sources: &[*const Q; $count]) -> [[int32x4_t; 4]; $count] {
            $($(let mut $sum: int32x4_t;)*)*
            let mut weights = panel.weights;
            // SAFETY: reads bias, weights and values as the trait promises; writes registers only.
            unsafe {
                asm!(
                    ".arch_extension i8mm",
                    $($bias,)*
                    run!($pairs, $low, $high),
                    $($source = in(reg) sources[$index],)*
                    weights = inout(reg) weights,
                    bias = in(reg) panel.bias,
                    run = in(reg) panel.terms.run,
                    at = inout(reg) 0usize => _,
                    left = out(reg) _,
                    out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                    out("v7") _,
                    $($(out($register) $sum,)*)*
                    options(readonly, nostack),
                );
                let mut run = 0;
                while run < panel.terms.more {
                    run += 1;
                    let offset = panel.terms.offset(run);
                    asm!(
                        ".arch_extension i8mm",
                        run!($pairs, $low, $high),
                        $($source = in(reg) sources[$index],)*
                        weights = inout(reg) weights,
                        run = in(reg) panel.terms.run,
                        at = inout(reg) offset => _,
                        left = out(reg) _,
                        out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                        out("v7") _,
                        $($(inout($register) $sum,)*)*
                        options(readonly, nostack),
                    );
                }
            }
            let _ = weights;
            tile!(@rows $([$($sum)*])*)
        }
    };
    // Plainly spelled out: the compiler keeps arrays that it maps over in memory.
    (@rows $([$a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident])*) => {
        [$(
            [first($a, $b), first($c, $d), first($e, $f), first($g, $h)],
            [second($a, $b), second($c, $d), second($e, $f), second($g, $h)],
        )*]
    };
}

/// The first pixel's sums of four channels.
#[inline(always)]
fn first(a: int32x4_t, b: int32x4_t) -> int32x4_t {
    // SAFETY: NEON is always there; values only.
    unsafe { vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b))) }
}

/// The second pixel's.
#[inline(always)]
fn second(a: int32x4_t, b: int32x4_t) -> int32x4_t {
    // SAFETY: as above.
    unsafe { vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b))) }
}

tile! {
    tile_6x16, pixels: 6 [0 s0, 1 s1, 2 s2, 3 s3, 4 s4, 5 s5,],
    pairs: [[6 0 s0 1 s1] [0 2 s2 3 s3] [2 4 s4 5 s5]],
    low: [
        [6 8 9, 0 16 17, 2 24 25,] [6 10 11, 0 18 19, 2 26 27,] [6 12 13, 0 20 21, 2 28 29,]
        [6 14 15, 0 22 23, 2 30 31,]
    ],
    high: [
        [1 8 9, 3 16 17, 5 24 25,] [1 10 11, 3 18 19, 5 26 27,] [1 12 13, 3 20 21, 5 28 29,]
        [1 14 15, 3 22 23, 5 30 31,]
    ],
    bias: [
        "ldp q8, q9, [{bias}]", "ldp q10, q11, [{bias}, #32]", "ldp q12, q13, [{bias}, #64]",
        "ldp q14, q15, [{bias}, #96]", "ldp q16, q17, [{bias}]", "ldp q18, q19, [{bias}, #32]",
        "ldp q20, q21, [{bias}, #64]", "ldp q22, q23, [{bias}, #96]", "ldp q24, q25, [{bias}]",
        "ldp q26, q27, [{bias}, #32]", "ldp q28, q29, [{bias}, #64]", "ldp q30, q31, [{bias}, #96]",
    ],
    sums: [
        ["v8" a, "v9" b, "v10" c, "v11" d, "v12" e, "v13" f, "v14" g, "v15" h,],
        ["v16" i, "v17" j, "v18" k, "v19" l, "v20" m, "v21" n, "v22" o, "v23" p,],
        ["v24" q, "v25" r, "v26" s, "v27" t, "v28" u, "v29" v, "v30" w, "v31" x,],
    ]
}
tile! {
    tile_2x16, pixels: 2 [0 s0, 1 s1,], pairs: [[6 0 s0 1 s1]],
    low: [[6 8 9,] [6 10 11,] [6 12 13,] [6 14 15,]],
    high: [[1 8 9,] [1 10 11,] [1 12 13,] [1 14 15,]],
    bias: [
        "ldp q8, q9, [{bias}]", "ldp q10, q11, [{bias}, #32]", "ldp q12, q13, [{bias}, #64]",
        "ldp q14, q15, [{bias}, #96]",
    ],
    sums: [["v8" a, "v9" b, "v10" c, "v11" d, "v12" e, "v13" f, "v14" g, "v15" h,],]
}

/// A pixel that has no neighbor is its own.
///
/// # Safety
/// As [`Tiles::panel`].
#[inline(always)]
unsafe fn tile_1x16(panel: &Panel, sources: &[*const Q; 1]) -> [[int32x4_t; 4]; 1] {
    // SAFETY: the caller's promise.
    unsafe { [tile_2x16(panel, &[sources[0]; 2])[0]] }
}

/// The tiles of this file.
pub struct MatrixTiles;

// SAFETY: the loops read sixteen or eight values at a time, never more than `run` behind an offset, and as many weights
// for each of sixteen channels as `pack` laid out; sums start with two biases a channel.
unsafe impl Tiles for MatrixTiles {
    const CHANNELS: usize = 16;
    const BIAS: usize = 2;
    const DEPTH: usize = 8;
    const RUN: usize = 8;

    fn width(_: usize) -> usize {
        Self::CHANNELS
    }

    unsafe fn panel(panel: &Panel, places: &Places, length: usize, first: usize) {
        tiles!(panel, places, length, first, 6 tile_6x16, 2 tile_2x16, 1 tile_1x16)
    }
}
