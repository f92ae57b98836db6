//! Tiles of a short matrix product in ARMv8.0: two pixels by 32 channels, or four by sixteen, a lane for each sum.
//!
//! Weights of two terms lie together for each channel, and two values of a pixel are repeated across a register (`dup`):
//! `smull` makes eight products of four channels, `smlal` adds those of the next two terms, `sadalp` adds neighbors to the
//! channels' sums. That is a quarter more instructions for a product than in [`super::tile`], but no sums to add up at
//! the end: better for up to a hundred terms.

#![allow(unsafe_code)]

use core::arch::aarch64::int32x4_t;
use core::arch::asm;

use super::super::product::{Panel, Places, Tiles, tiles};
use crate::kernels::Q;

/// Marks of a panel: whether 16 bits hold two products for any values.
pub const FITS: [u8; 2] = [1, 0];

/// A pair of values of each pixel in a register of its own: register, of the values it comes from, lane.
macro_rules! repeat {
    ($lane:literal, [$($to:literal $values:literal)*]) => {
        concat!($("dup v", $to, ".8h, v", $values, ".h[", $lane, "]\n",)*)
    };
}

/// Four terms of eight channels: weights in registers 0 and 1; for each pixel its two pairs and two sums.
macro_rules! four {
    (fits, [$([$a:literal $b:literal $low:literal $high:literal])*]) => {
        concat!(
            "ldp q0, q1, [{weights}], #32\n",
            $(
                "smull v2.8h, v0.8b, v", $a, ".8b\n", "smull2 v3.8h, v0.16b, v", $a, ".16b\n",
                "smlal v2.8h, v1.8b, v", $b, ".8b\n", "smlal2 v3.8h, v1.16b, v", $b, ".16b\n",
                "sadalp v", $low, ".4s, v2.8h\n", "sadalp v", $high, ".4s, v3.8h\n",
            )*
        )
    };
    (single, [$([$a:literal $b:literal $low:literal $high:literal])*]) => {
        concat!(
            "ldp q0, q1, [{weights}], #32\n",
            $(
                "smull v2.8h, v0.8b, v", $a, ".8b\n", "smull2 v3.8h, v0.16b, v", $a, ".16b\n",
                "sadalp v", $low, ".4s, v2.8h\n", "sadalp v", $high, ".4s, v3.8h\n",
                "smull v2.8h, v1.8b, v", $b, ".8b\n", "smull2 v3.8h, v1.16b, v", $b, ".16b\n",
                "sadalp v", $low, ".4s, v2.8h\n", "sadalp v", $high, ".4s, v3.8h\n",
            )*
        )
    };
}

/// Four terms of all channels, beginning with the values' lane `$first`.
macro_rules! step {
    ($kind:ident, $first:literal $second:literal, $even:tt $odd:tt, [$($eight:tt)*]) => {
        concat!(repeat!($first, $even), repeat!($second, $odd), $(four!($kind, $eight),)*)
    };
}

/// All terms: sixteen at a time, then eight, then four.
macro_rules! sum {
    ($kind:ident, [$([$values:literal $source:ident])*], $even:tt $odd:tt, $eights:tt) => {
        concat!(
            "lsr {left}, {run}, #4\n",
            "cbz {left}, 3f\n",
            "2:\n",
            $("ldr q", $values, ", [{", stringify!($source), "}], #16\n",)*
            step!($kind, 0 1, $even $odd, $eights), step!($kind, 2 3, $even $odd, $eights),
            step!($kind, 4 5, $even $odd, $eights), step!($kind, 6 7, $even $odd, $eights),
            "subs {left}, {left}, #1\n",
            "b.ne 2b\n",
            "3:\n",
            "tbz {run}, #3, 4f\n",
            $("ldr d", $values, ", [{", stringify!($source), "}], #8\n",)*
            step!($kind, 0 1, $even $odd, $eights), step!($kind, 2 3, $even $odd, $eights),
            "4:\n",
            "tbz {run}, #2, 5f\n",
            $("ldr s", $values, ", [{", stringify!($source), "}]\n",)*
            step!($kind, 0 1, $even $odd, $eights),
            "5:\n"
        )
    };
}

/// A function that computes the sums of some pixels against a panel.
macro_rules! tile {
    (
        $name:ident, $kind:ident, pixels: $count:literal [$($index:literal $values:literal $source:ident,)*],
        vectors: $vectors:literal, pairs: $even:tt $odd:tt, eights: $eights:tt, bias: [$($bias:literal,)*],
        sums: [$([$($register:tt $sum:ident,)*],)*]
    ) => {
        /// # Safety
        /// As [`Tiles::panel`].
        #[inline(always)]
        unsafe fn $name(panel: &Panel, sources: &[*const Q; $count]) -> [[int32x4_t; $vectors]; $count] {
            $($(let $sum: int32x4_t;)*)*
            // SAFETY: reads bias, weights and values as the trait promises; writes registers only.
            unsafe {
                asm!(
                    $($bias,)*
                    sum!($kind, [$([$values $source])*], $even $odd, $eights),
                    $($source = inout(reg) sources[$index] => _,)*
                    weights = inout(reg) panel.weights => _,
                    bias = in(reg) panel.bias,
                    run = in(reg) panel.terms.run,
                    left = out(reg) _,
                    out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                    out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
                    out("v14") _, out("v15") _,
                    $($(out($register) $sum,)*)*
                    options(readonly, nostack),
                );
            }
            [$([$($sum,)*],)*]
        }
    };
}

/// The same tile for panels that fit 16 bits and for those that do not.
macro_rules! both {
    ($fits:ident $single:ident, $($rest:tt)*) => {
        tile! { $fits, fits, $($rest)* }
        tile! { $single, single, $($rest)* }
    };
}

both! {
    tile_2x32 single_2x32, pixels: 2 [0 4 s0, 1 5 s1,], vectors: 8,
    pairs: [6 4 8 5] [7 4 9 5],
    eights: [
        [[6 7 16 17] [8 9 24 25]] [[6 7 18 19] [8 9 26 27]] [[6 7 20 21] [8 9 28 29]] [[6 7 22 23] [8 9 30 31]]
    ],
    bias: [
        "ldp q16, q17, [{bias}]", "ldp q18, q19, [{bias}, #32]", "ldp q20, q21, [{bias}, #64]",
        "ldp q22, q23, [{bias}, #96]", "ldp q24, q25, [{bias}]", "ldp q26, q27, [{bias}, #32]",
        "ldp q28, q29, [{bias}, #64]", "ldp q30, q31, [{bias}, #96]",
    ],
    sums: [
        ["v16" a, "v17" b, "v18" c, "v19" d, "v20" e, "v21" f, "v22" g, "v23" h,],
        ["v24" i, "v25" j, "v26" k, "v27" l, "v28" m, "v29" n, "v30" o, "v31" p,],
    ]
}
both! {
    tile_1x32 single_1x32, pixels: 1 [0 4 s0,], vectors: 8,
    pairs: [6 4] [7 4],
    eights: [[[6 7 16 17]] [[6 7 18 19]] [[6 7 20 21]] [[6 7 22 23]]],
    bias: [
        "ldp q16, q17, [{bias}]", "ldp q18, q19, [{bias}, #32]", "ldp q20, q21, [{bias}, #64]",
        "ldp q22, q23, [{bias}, #96]",
    ],
    sums: [["v16" a, "v17" b, "v18" c, "v19" d, "v20" e, "v21" f, "v22" g, "v23" h,],]
}
both! {
    tile_4x16 single_4x16, pixels: 4 [0 4 s0, 1 5 s1, 2 14 s2, 3 15 s3,], vectors: 4,
    pairs: [6 4 8 5 10 14 12 15] [7 4 9 5 11 14 13 15],
    eights: [
        [[6 7 16 17] [8 9 20 21] [10 11 24 25] [12 13 28 29]] [[6 7 18 19] [8 9 22 23] [10 11 26 27] [12 13 30 31]]
    ],
    bias: [
        "ldp q16, q17, [{bias}]", "ldp q18, q19, [{bias}, #32]", "ldp q20, q21, [{bias}]",
        "ldp q22, q23, [{bias}, #32]", "ldp q24, q25, [{bias}]", "ldp q26, q27, [{bias}, #32]",
        "ldp q28, q29, [{bias}]", "ldp q30, q31, [{bias}, #32]",
    ],
    sums: [
        ["v16" a, "v17" b, "v18" c, "v19" d,], ["v20" e, "v21" f, "v22" g, "v23" h,],
        ["v24" i, "v25" j, "v26" k, "v27" l,], ["v28" m, "v29" n, "v30" o, "v31" p,],
    ]
}
both! {
    tile_1x16 single_1x16, pixels: 1 [0 4 s0,], vectors: 4,
    pairs: [6 4] [7 4], eights: [[[6 7 16 17]] [[6 7 18 19]]],
    bias: ["ldp q16, q17, [{bias}]", "ldp q18, q19, [{bias}, #32]",],
    sums: [["v16" a, "v17" b, "v18" c, "v19" d,],]
}

/// The tiles of this file.
pub struct PairTiles;

impl PairTiles {
    /// Whether these tiles are the better ones for a matrix.
    pub fn suit(outputs: usize, depth: usize) -> bool {
        let computed = outputs.next_multiple_of(16);
        depth <= 96 && computed * 10 <= outputs * 11
    }
}

// SAFETY: sixteen, eight or four values are read at a time, never more than `run`, which is all terms, and as many
// weights for each channel as `pack` laid out; sums start with one bias a channel.
unsafe impl Tiles for PairTiles {
    const CHANNELS: usize = 32;
    const BIAS: usize = 1;
    const DEPTH: usize = 4;
    // Only what lies together: these products are short.
    const RUN: usize = usize::MAX;

    fn width(channels: usize) -> usize {
        channels.next_multiple_of(16)
    }

    fn panel_bytes(depth: usize) -> usize {
        Self::CHANNELS * depth + 1
    }

    unsafe fn panel(panel: &Panel, places: &Places, length: usize, first: usize) {
        // SAFETY: the mark lies behind the weights.
        let fits = unsafe { *panel.marks } as u8 == FITS[1];
        match (panel.channels > 16, fits) {
            (true, true) => tiles!(panel, places, length, first, 2 tile_2x32, 1 tile_1x32),
            (true, false) => tiles!(panel, places, length, first, 2 single_2x32, 1 single_1x32),
            (false, true) => tiles!(panel, places, length, first, 4 tile_4x16, 1 tile_1x16),
            (false, false) => tiles!(panel, places, length, first, 4 single_4x16, 1 single_1x16),
        }
    }
}
