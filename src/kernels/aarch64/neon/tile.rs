//! Tiles of a matrix product in ARMv8.0: four pixels by four channels, a vector of partial sums for each pair.
//!
//! Eight terms of a pair are multiplied at once (`smull`, `smlal`) into 16-bit lanes; two or four such products are
//! summed there, as many as the weights allow for any values, before `sadalp` adds them to 32-bit lanes. At the end the
//! four lanes of a pair are added up. A step of 32 terms is 8 pairs of loads, 64 multiplications and 16 or 32 `sadalp`.

#![allow(unsafe_code)]

use core::arch::aarch64::{int32x4_t, vpaddq_s32};
use core::arch::asm;

use super::super::product::{Panel, Places, Tiles, again, tiles};
use crate::kernels::Q;

/// Terms that the weights of a channel lie together for.
pub const UNIT: usize = 16;

/// Marks of a unit, and of the unit and its next: 16 bits hold one product, two, or four.
pub const CHAINS: [u8; 3] = [2, 1, 0];

/// One multiplication for each channel: register of 16-bit sums, of weights.
macro_rules! multiply {
    ($op:literal, $lanes:literal, $values:literal, $([$sum:literal $weights:literal])*) => {
        concat!($($op, " v", $sum, ".8h, v", $values, ".", $lanes, ", v", $weights, ".", $lanes, "\n",)*)
    };
}

/// Adds the 16-bit sums of four channels to those of 32 bits.
macro_rules! widen {
    ($a:literal $b:literal $c:literal $d:literal) => {
        concat!(
            "sadalp v",
            $a,
            ".4s, v10.8h\n",
            "sadalp v",
            $b,
            ".4s, v11.8h\n",
            "sadalp v",
            $c,
            ".4s, v12.8h\n",
            "sadalp v",
            $d,
            ".4s, v13.8h\n"
        )
    };
}

/// Sixteen terms whose weights are in registers 0 to 3, or in 4 to 7.
macro_rules! unit {
    (low, $first:literal, $second:literal, $values:literal) => {
        concat!(
            multiply!($first, "8b", $values, [10 0] [11 1] [12 2] [13 3]),
            multiply!($second, "16b", $values, [10 0] [11 1] [12 2] [13 3])
        )
    };
    (high, $first:literal, $second:literal, $values:literal) => {
        concat!(
            multiply!($first, "8b", $values, [10 4] [11 5] [12 6] [13 7]),
            multiply!($second, "16b", $values, [10 4] [11 5] [12 6] [13 7])
        )
    };
}

/// Thirty-two terms of a pixel, in chains of four.
macro_rules! fours {
    ($a:literal $b:literal $($sums:literal)*) => {
        concat!(unit!(low, "smull", "smlal2", $a), unit!(high, "smlal", "smlal2", $b), widen!($($sums)*))
    };
}

/// Sixteen terms of a pixel, in chains of two.
macro_rules! twos {
    ($weights:ident $a:literal $($sums:literal)*) => {
        concat!(unit!($weights, "smull", "smlal2", $a), widen!($($sums)*))
    };
}

/// Sixteen terms of a pixel, product by product.
macro_rules! ones {
    ($a:literal $($sums:literal)*) => {
        concat!(
            multiply!("smull", "8b", $a, [10 0] [11 1] [12 2] [13 3]), widen!($($sums)*),
            multiply!("smull2", "16b", $a, [10 0] [11 1] [12 2] [13 3]), widen!($($sums)*)
        )
    };
}

/// Eight terms of a pixel: two channels share a register of weights.
macro_rules! eight {
    ($a:literal $($sums:literal)*) => {
        concat!(
            multiply!("smull", "8b", $a, [10 0] [12 1]), multiply!("smull2", "16b", $a, [11 0] [13 1]),
            widen!($($sums)*)
        )
    };
}

/// A run of terms: 32 at a time, then sixteen, then eight.
macro_rules! run {
    ([$($index:literal $at:ident $a:literal $b:literal [$($sums:literal)*],)*]) => {
        concat!(
            "lsr {left}, {run}, #5\n",
            "cbz {left}, 6f\n",
            "2:\n",
            "ldrb {chain:w}, [{chains}], #2\n",
            "ldp q0, q1, [{weights}], #32\nldp q2, q3, [{weights}], #32\n",
            "tbnz {chain:w}, #1, 4f\n",
            "ldp q4, q5, [{weights}], #32\nldp q6, q7, [{weights}], #32\n",
            "cbnz {chain:w}, 3f\n",
            $("ldp q", $a, ", q", $b, ", [{", stringify!($at), "}], #32\n", fours!($a $b $($sums)*),)*
            "subs {left}, {left}, #1\n",
            "b.ne 2b\n",
            "b 6f\n",
            "3:\n",
            $(
                "ldp q", $a, ", q", $b, ", [{", stringify!($at), "}], #32\n",
                twos!(low $a $($sums)*), twos!(high $b $($sums)*),
            )*
            "subs {left}, {left}, #1\n",
            "b.ne 2b\n",
            "b 6f\n",
            "4:\n",
            $("ldr q", $a, ", [{", stringify!($at), "}], #16\n", ones!($a $($sums)*),)*
            "ldp q0, q1, [{weights}], #32\nldp q2, q3, [{weights}], #32\n",
            $("ldr q", $a, ", [{", stringify!($at), "}], #16\n", ones!($a $($sums)*),)*
            "subs {left}, {left}, #1\n",
            "b.ne 2b\n",
            "6:\n",
            "tbz {run}, #4, 8f\n",
            "ldrb {chain:w}, [{chains}], #1\n",
            "ldp q0, q1, [{weights}], #32\nldp q2, q3, [{weights}], #32\n",
            "tbnz {chain:w}, #1, 7f\n",
            $("ldr q", $a, ", [{", stringify!($at), "}], #16\n", twos!(low $a $($sums)*),)*
            "b 8f\n",
            "7:\n",
            $("ldr q", $a, ", [{", stringify!($at), "}], #16\n", ones!($a $($sums)*),)*
            "8:\n",
            "tbz {run}, #3, 9f\n",
            "ldp q0, q1, [{weights}], #32\n",
            $("ld1r {{v", $a, ".2d}}, [{", stringify!($at), "}]\n", eight!($a $($sums)*),)*
            "9:\n"
        )
    };
}

/// A function that computes the sums of some pixels against a panel.
macro_rules! tile {
    (
        $name:ident, pixels: $count:literal $pixels:tt, bias: [$($bias:literal,)*],
        sums: [$([$($register:tt $sum:ident,)*],)*]
    ) => {
        tile! { @ $name, $count, $pixels, $pixels, [$($bias,)*], [$([$($register $sum,)*],)*] }
    };
    (
        @ $name:ident, $count:literal, [$($index:literal $at:ident $a:literal $b:literal $sums:tt,)*], $pixels:tt,
        [$($bias:literal,)*], [$([$($register:tt $sum:ident,)*],)*]
    ) => {
        /// # Safety
        /// As [`Tiles::panel`].
        #[inline(always)]
        unsafe fn $name(panel: &Panel, sources: &[*const Q; $count]) -> [[int32x4_t; 1]; $count] {
            $($(let mut $sum: int32x4_t;)*)*
            let mut weights = panel.weights;
            let mut chains = panel.marks;
            // SAFETY: reads bias, weights and values as the trait promises; writes registers only.
            unsafe {
                asm!(
                    $($bias,)*
                    run!($pixels),
                    $($at = inout(reg) sources[$index] => _,)*
                    weights = inout(reg) weights,
                    chains = inout(reg) chains,
                    bias = in(reg) panel.bias,
                    run = in(reg) panel.terms.run,
                    left = out(reg) _,
                    chain = out(reg) _,
                    out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                    out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
                    out("v14") _, out("v15") _,
                    $($(out($register) $sum,)*)*
                    options(readonly, nostack),
                );
                let mut run = 0;
                while run < panel.terms.more {
                    run += 1;
                    let offset = panel.terms.offset(run);
                    asm!(
                        run!($pixels),
                        $($at = inout(reg) again(&sources[$index]).wrapping_add(offset) => _,)*
                        weights = inout(reg) weights,
                        chains = inout(reg) chains,
                        run = in(reg) panel.terms.run,
                        left = out(reg) _,
                        chain = out(reg) _,
                        out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                        out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
                        out("v14") _, out("v15") _,
                        $($(inout($register) $sum,)*)*
                        options(readonly, nostack),
                    );
                }
            }
            let _ = (weights, chains);
            [$([add_lanes([$($sum,)*])],)*]
        }
    };
}

/// The sums of four channels.
#[inline(always)]
fn add_lanes(sums: [int32x4_t; 4]) -> int32x4_t {
    // SAFETY: NEON is always there; values only.
    unsafe { vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3])) }
}

tile! {
    tile_4x4, pixels: 4 [
        0 a0 8 9 [16 17 18 19], 1 a1 14 15 [20 21 22 23], 2 a2 8 9 [24 25 26 27], 3 a3 14 15 [28 29 30 31],
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
tile! {
    tile_1x4, pixels: 1 [0 a0 8 9 [16 17 18 19],],
    bias: ["ldp q16, q17, [{bias}]", "ldp q18, q19, [{bias}, #32]",],
    sums: [["v16" a, "v17" b, "v18" c, "v19" d,],]
}

/// The tiles of this file.
pub struct NeonTiles;

// SAFETY: the loops read 32, 16 or 8 values at a time, never more than `run` behind an offset, and as many weights as
// `pack` laid out; sums start with four numbers a channel.
unsafe impl Tiles for NeonTiles {
    const CHANNELS: usize = 4;
    const BIAS: usize = 4;
    const DEPTH: usize = 8;
    const RUN: usize = UNIT;

    fn width(_: usize) -> usize {
        Self::CHANNELS
    }

    fn panel_bytes(depth: usize) -> usize {
        Self::CHANNELS * depth + depth.div_ceil(UNIT)
    }

    unsafe fn panel(panel: &Panel, places: &Places, length: usize, first: usize) {
        tiles!(panel, places, length, first, 4 tile_4x4, 1 tile_1x4)
    }
}
