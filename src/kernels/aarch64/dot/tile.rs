//! Tiles of a matrix product with `sdot`: up to six pixels by up to sixteen channels, all sums in registers.
//!
//! Register use of the largest tile: 24 vectors of sums, 6 with sixteen values of each pixel, 2 with weights. A step of
//! sixteen terms is 6 loads of values, 8 of weight pairs and 96 `sdot` (16 products each).

#![allow(unsafe_code)]

use core::arch::aarch64::int32x4_t;
use core::arch::asm;

use super::super::product::{Panel, Places, Tiles, again, tiles};
use crate::kernels::Q;

/// `sdot` of term quad `$quad` of each pixel: register of values, then of sums.
macro_rules! dots {
    ($quad:literal, $weights:literal, [$($values:literal $sums:literal,)*]) => {
        concat!($("sdot v", $sums, ".4s, v", $weights, ".16b, v", $values, ".4b[", $quad, "]\n",)*)
    };
}

/// One quad of terms: weights of all channels of the panel against all pixels.
macro_rules! quad {
    ($quad:literal, [$first:tt]) => {
        concat!("ldr q6, [{weights}], #16\n", dots!($quad, 6, $first))
    };
    ($quad:literal, [$($left:tt $right:tt)*]) => {
        concat!($("ldp q6, q7, [{weights}], #32\n", dots!($quad, 6, $left), dots!($quad, 7, $right),)*)
    };
}

/// Sixteen terms.
macro_rules! sixteen {
    ([$($values:literal $source:ident,)*], $columns:tt) => {
        concat!(
            $("ldr q", $values, ", [{", stringify!($source), "}], #16\n",)*
            quad!(0, $columns), quad!(1, $columns), quad!(2, $columns), quad!(3, $columns)
        )
    };
}

/// A run of terms: 32 at a time, then sixteen, eight, four.
macro_rules! run {
    ([$($values:literal $source:ident,)*], $columns:tt) => {
        concat!(
            "lsr {left}, {run}, #5\n",
            "cbz {left}, 3f\n",
            "2:\n",
            sixteen!([$($values $source,)*], $columns), sixteen!([$($values $source,)*], $columns),
            "subs {left}, {left}, #1\n",
            "b.ne 2b\n",
            "3:\n",
            "tbz {run}, #4, 4f\n",
            sixteen!([$($values $source,)*], $columns),
            "4:\n",
            "tbz {run}, #3, 5f\n",
            $("ldr d", $values, ", [{", stringify!($source), "}], #8\n",)*
            quad!(0, $columns), quad!(1, $columns),
            "5:\n",
            "tbz {run}, #2, 6f\n",
            $("ldr s", $values, ", [{", stringify!($source), "}]\n",)*
            quad!(0, $columns),
            "6:\n"
        )
    };
}

/// A function that computes the sums of some pixels against a panel.
macro_rules! tile {
    (
        $name:ident, pixels: $count:literal $pixels:tt, vectors: $vectors:literal, bias: [$($bias:literal,)*],
        columns: $columns:tt, sums: [$([$($register:tt $sum:ident,)*],)*]
    ) => {
        tile! { @ $name, $count, $pixels, $pixels, $vectors, [$($bias,)*], $columns, [$([$($register $sum,)*],)*] }
    };
    (
        @ $name:ident, $count:literal, [$($values:literal $source:ident,)*], $pixels:tt, $vectors:literal,
        [$($bias:literal,)*], $columns:tt, [$([$($register:tt $sum:ident,)*],)*]
    ) => {
        /// # Safety
        /// As [`Tiles::panel`].
        #[inline(always)]
        unsafe fn $name(panel: &Panel, sources: &[*const Q; $count]) -> [[int32x4_t; $vectors]; $count] {
            $($(let mut $sum: int32x4_t;)*)*
            let mut weights = panel.weights;
            // SAFETY: reads bias, weights and values as the trait promises; writes registers only.
            unsafe {
                asm!(
                    ".arch_extension dotprod",
                    $($bias,)*
                    run!($pixels, $columns),
                    $($source = inout(reg) sources[$values] => _,)*
                    weights = inout(reg) weights,
                    bias = in(reg) panel.bias,
                    run = in(reg) panel.terms.run,
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
                        ".arch_extension dotprod",
                        run!($pixels, $columns),
                        $($source = inout(reg) again(&sources[$values]).wrapping_add(offset) => _,)*
                        weights = inout(reg) weights,
                        run = in(reg) panel.terms.run,
                        left = out(reg) _,
                        out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                        out("v7") _,
                        $($(inout($register) $sum,)*)*
                        options(readonly, nostack),
                    );
                }
            }
            let _ = weights;
            [$([$($sum,)*],)*]
        }
    };
}

tile! {
    tile_6x16, pixels: 6 [0 s0, 1 s1, 2 s2, 3 s3, 4 s4, 5 s5,], vectors: 4,
    bias: [
        "ldp q8, q9, [{bias}]", "ldp q10, q11, [{bias}, #32]", "ldp q12, q13, [{bias}]",
        "ldp q14, q15, [{bias}, #32]", "ldp q16, q17, [{bias}]", "ldp q18, q19, [{bias}, #32]",
        "ldp q20, q21, [{bias}]", "ldp q22, q23, [{bias}, #32]", "ldp q24, q25, [{bias}]",
        "ldp q26, q27, [{bias}, #32]", "ldp q28, q29, [{bias}]", "ldp q30, q31, [{bias}, #32]",
    ],
    columns: [
        [0 8, 1 12, 2 16, 3 20, 4 24, 5 28,] [0 9, 1 13, 2 17, 3 21, 4 25, 5 29,]
        [0 10, 1 14, 2 18, 3 22, 4 26, 5 30,] [0 11, 1 15, 2 19, 3 23, 4 27, 5 31,]
    ],
    sums: [
        ["v8" a, "v9" b, "v10" c, "v11" d,], ["v12" e, "v13" f, "v14" g, "v15" h,],
        ["v16" i, "v17" j, "v18" k, "v19" l,], ["v20" m, "v21" n, "v22" o, "v23" p,],
        ["v24" q, "v25" r, "v26" s, "v27" t,], ["v28" u, "v29" v, "v30" w, "v31" x,],
    ]
}
tile! {
    tile_4x16, pixels: 4 [0 s0, 1 s1, 2 s2, 3 s3,], vectors: 4,
    bias: [
        "ldp q8, q9, [{bias}]", "ldp q10, q11, [{bias}, #32]", "ldp q12, q13, [{bias}]",
        "ldp q14, q15, [{bias}, #32]", "ldp q16, q17, [{bias}]", "ldp q18, q19, [{bias}, #32]",
        "ldp q20, q21, [{bias}]", "ldp q22, q23, [{bias}, #32]",
    ],
    columns: [
        [0 8, 1 12, 2 16, 3 20,] [0 9, 1 13, 2 17, 3 21,] [0 10, 1 14, 2 18, 3 22,] [0 11, 1 15, 2 19, 3 23,]
    ],
    sums: [
        ["v8" a, "v9" b, "v10" c, "v11" d,], ["v12" e, "v13" f, "v14" g, "v15" h,],
        ["v16" i, "v17" j, "v18" k, "v19" l,], ["v20" m, "v21" n, "v22" o, "v23" p,],
    ]
}
tile! {
    tile_1x16, pixels: 1 [0 s0,], vectors: 4,
    bias: ["ldp q8, q9, [{bias}]", "ldp q10, q11, [{bias}, #32]",],
    columns: [[0 8,] [0 9,] [0 10,] [0 11,]],
    sums: [["v8" a, "v9" b, "v10" c, "v11" d,],]
}
tile! {
    tile_6x8, pixels: 6 [0 s0, 1 s1, 2 s2, 3 s3, 4 s4, 5 s5,], vectors: 2,
    bias: [
        "ldp q8, q9, [{bias}]", "ldp q12, q13, [{bias}]", "ldp q16, q17, [{bias}]", "ldp q20, q21, [{bias}]",
        "ldp q24, q25, [{bias}]", "ldp q28, q29, [{bias}]",
    ],
    columns: [[0 8, 1 12, 2 16, 3 20, 4 24, 5 28,] [0 9, 1 13, 2 17, 3 21, 4 25, 5 29,]],
    sums: [
        ["v8" a, "v9" b,], ["v12" e, "v13" f,], ["v16" i, "v17" j,], ["v20" m, "v21" n,], ["v24" q, "v25" r,],
        ["v28" u, "v29" v,],
    ]
}
tile! {
    tile_1x8, pixels: 1 [0 s0,], vectors: 2, bias: ["ldp q8, q9, [{bias}]",], columns: [[0 8,] [0 9,]],
    sums: [["v8" a, "v9" b,],]
}
tile! {
    tile_6x4, pixels: 6 [0 s0, 1 s1, 2 s2, 3 s3, 4 s4, 5 s5,], vectors: 1,
    bias: [
        "ldr q8, [{bias}]", "ldr q12, [{bias}]", "ldr q16, [{bias}]", "ldr q20, [{bias}]", "ldr q24, [{bias}]",
        "ldr q28, [{bias}]",
    ],
    columns: [[0 8, 1 12, 2 16, 3 20, 4 24, 5 28,]],
    sums: [["v8" a,], ["v12" e,], ["v16" i,], ["v20" m,], ["v24" q,], ["v28" u,],]
}
tile! {
    tile_1x4, pixels: 1 [0 s0,], vectors: 1, bias: ["ldr q8, [{bias}]",], columns: [[0 8,]], sums: [["v8" a,],]
}

/// The tiles of this file.
pub struct DotTiles;

// SAFETY: the loops read sixteen, eight or four values at a time, never more than `run` behind an offset, and as many
// weights for each channel of the panel as `pack` laid out; sums start with one bias a channel.
unsafe impl Tiles for DotTiles {
    const CHANNELS: usize = 16;
    const BIAS: usize = 1;
    const DEPTH: usize = 4;
    const RUN: usize = 4;

    fn width(channels: usize) -> usize {
        channels.next_power_of_two().max(4)
    }

    unsafe fn panel(panel: &Panel, places: &Places, length: usize, first: usize) {
        match panel.channels {
            9.. => tiles!(panel, places, length, first, 6 tile_6x16, 4 tile_4x16, 1 tile_1x16),
            5..=8 => tiles!(panel, places, length, first, 6 tile_6x8, 1 tile_1x8),
            _ => tiles!(panel, places, length, first, 6 tile_6x4, 1 tile_1x4),
        }
    }
}
