//! Tiles of a matrix product with `sdot`: up to twelve pixels by eight channels, all sums in registers.
//!
//! Register use of the largest tile: 24 vectors of sums, 3 with four terms of twelve pixels, 4 with weights of eight terms.
//! Eight terms are 3 loads and 48 `sdot` (16 products each).

#![allow(unsafe_code)]

use core::arch::aarch64::int32x4_t;
use core::arch::asm;

use super::super::product::{Panel, Places, Terms, Tiles, padded};
use super::super::rounding::Mode;
use super::planes;
use crate::kernels::Q;

/// `sdot` of four terms: registers of weights; for each pixel the register and place of its terms, then its sums.
macro_rules! four {
    ($a:literal, [$([$values:literal $place:literal $sums:literal])*]) => {
        concat!($("sdot v", $sums, ".4s, v", $a, ".16b, v", $values, ".4b[", $place, "]\n",)*)
    };
    ($a:literal $b:literal, [$([$values:literal $place:literal $low:literal $high:literal])*]) => {
        concat!($(
            "sdot v", $low, ".4s, v", $a, ".16b, v", $values, ".4b[", $place, "]\n",
            "sdot v", $high, ".4s, v", $b, ".16b, v", $values, ".4b[", $place, "]\n",
        )*)
    };
}

/// Eight terms: two planes.
macro_rules! eight {
    ($values:literal, $pixels:tt, narrow) => {
        concat!(
            "ldp q0, q1, [{weights}], #32\n",
            $values, four!(0, $pixels), $values, four!(1, $pixels),
        )
    };
    ($values:literal, $pixels:tt) => {
        concat!(
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{weights}], #64\n",
            $values, four!(0 1, $pixels), $values, four!(2 3, $pixels),
        )
    };
}

/// A function that computes the sums of some pixels against a panel of eight channels, or of four if it is narrow.
macro_rules! tile {
    (
        $name:ident, pixels: $count:literal, values: $values:literal, places: $places:tt, bias: [$($bias:literal,)*],
        sums: [$([$low:tt $a:ident $high:tt $b:ident])*]
    ) => {
        tile! {
            @ $name, $count, 2, [$($bias,)*], [eight!($values, $places), eight!($values, $places),],
            [eight!($values, $places),], ["ldp q0, q1, [{weights}]", $values, four!(0 1, $places),],
            [$([$low $a, $high $b,])*]
        }
    };
    (
        $name:ident, pixels: $count:literal, values: $values:literal, places: $places:tt, bias: [$($bias:literal,)*],
        narrow sums: [$([$sums:tt $a:ident])*]
    ) => {
        tile! {
            @ $name, $count, 1, [$($bias,)*], [eight!($values, $places, narrow), eight!($values, $places, narrow),],
            [eight!($values, $places, narrow),], ["ldr q0, [{weights}]", $values, four!(0, $places),],
            [$([$sums $a,])*]
        }
    };
    (
        @ $name:ident, $count:literal, $vectors:literal, [$($bias:expr,)*], [$($sixteen:expr,)*], [$($eight:expr,)*],
        [$($four:expr,)*], [$([$($register:tt $sum:ident,)*])*]
    ) => {
        /// # Safety
        /// As [`Tiles::panel`]; `values` are the planes of these pixels, `pitch` apart.
        #[inline(always)]
        unsafe fn $name(
            panel: &Panel,
            values: *const u8,
            pitch: usize,
            terms: usize,
        ) -> [[int32x4_t; $vectors]; $count] {
            $($(let $sum: int32x4_t;)*)*
            // SAFETY: reads bias, weights and planes as the caller promises; writes registers only.
            unsafe {
                asm!(
                    ".arch_extension dotprod",
                    $($bias,)*
                    "lsr {left}, {terms}, #4",
                    "cbz {left}, 3f",
                    "2:",
                    $($sixteen,)*
                    "subs {left}, {left}, #1",
                    "b.ne 2b",
                    "3:",
                    "tbz {terms}, #3, 4f",
                    $($eight,)*
                    "4:",
                    "tbz {terms}, #2, 5f",
                    $($four,)*
                    "5:",
                    weights = inout(reg) panel.weights => _,
                    values = inout(reg) values => _,
                    pitch = in(reg) pitch,
                    terms = in(reg) terms,
                    bias = in(reg) panel.bias,
                    left = out(reg) _,
                    out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                    $($(out($register) $sum,)*)*
                    options(readonly, nostack),
                );
            }
            [$([$($sum,)*],)*]
        }
    };
}

tile! {
    tile_12, pixels: 12, values: "ld1 {{v4.16b, v5.16b, v6.16b}}, [{values}], {pitch}\n",
    places: [
        [4 0 8 9] [4 1 10 11] [4 2 12 13] [4 3 14 15] [5 0 16 17] [5 1 18 19] [5 2 20 21] [5 3 22 23]
        [6 0 24 25] [6 1 26 27] [6 2 28 29] [6 3 30 31]
    ],
    bias: [
        "ld1 {{v8.4s, v9.4s, v10.4s, v11.4s}}, [{bias}]", "ld1 {{v12.4s, v13.4s, v14.4s, v15.4s}}, [{bias}]",
        "ld1 {{v16.4s, v17.4s, v18.4s, v19.4s}}, [{bias}]", "ld1 {{v20.4s, v21.4s, v22.4s, v23.4s}}, [{bias}]",
        "ld1 {{v24.4s, v25.4s, v26.4s, v27.4s}}, [{bias}]", "ld1 {{v28.4s, v29.4s, v30.4s, v31.4s}}, [{bias}]",
    ],
    sums: [
        ["v8" a "v9" b] ["v10" c "v11" d] ["v12" e "v13" f] ["v14" g "v15" h] ["v16" i "v17" j] ["v18" k "v19" l]
        ["v20" m "v21" n] ["v22" o "v23" p] ["v24" q "v25" r] ["v26" s "v27" t] ["v28" u "v29" v] ["v30" w "v31" x]
    ]
}
tile! {
    tile_8, pixels: 8, values: "ld1 {{v4.16b, v5.16b}}, [{values}], {pitch}\n",
    places: [
        [4 0 8 9] [4 1 10 11] [4 2 12 13] [4 3 14 15] [5 0 16 17] [5 1 18 19] [5 2 20 21] [5 3 22 23]
    ],
    bias: [
        "ld1 {{v8.4s, v9.4s, v10.4s, v11.4s}}, [{bias}]", "ld1 {{v12.4s, v13.4s, v14.4s, v15.4s}}, [{bias}]",
        "ld1 {{v16.4s, v17.4s, v18.4s, v19.4s}}, [{bias}]", "ld1 {{v20.4s, v21.4s, v22.4s, v23.4s}}, [{bias}]",
    ],
    sums: [
        ["v8" a "v9" b] ["v10" c "v11" d] ["v12" e "v13" f] ["v14" g "v15" h] ["v16" i "v17" j] ["v18" k "v19" l]
        ["v20" m "v21" n] ["v22" o "v23" p]
    ]
}
tile! {
    tile_4, pixels: 4, values: "ld1 {{v4.16b}}, [{values}], {pitch}\n",
    places: [[4 0 8 9] [4 1 10 11] [4 2 12 13] [4 3 14 15]],
    bias: [
        "ld1 {{v8.4s, v9.4s, v10.4s, v11.4s}}, [{bias}]", "ld1 {{v12.4s, v13.4s, v14.4s, v15.4s}}, [{bias}]",
    ],
    sums: [["v8" a "v9" b] ["v10" c "v11" d] ["v12" e "v13" f] ["v14" g "v15" h]]
}
tile! {
    tile_1, pixels: 1, values: "ld1r {{v4.4s}}, [{values}], {pitch}\n",
    places: [[4 0 8 9]],
    bias: ["ld1 {{v8.4s, v9.4s}}, [{bias}]",],
    sums: [["v8" a "v9" b]]
}

tile! {
    narrow_12, pixels: 12, values: "ld1 {{v4.16b, v5.16b, v6.16b}}, [{values}], {pitch}\n",
    places: [
        [4 0 8] [4 1 9] [4 2 10] [4 3 11] [5 0 12] [5 1 13] [5 2 14] [5 3 15] [6 0 16] [6 1 17] [6 2 18] [6 3 19]
    ],
    bias: [
        "ld1 {{v8.4s, v9.4s, v10.4s, v11.4s}}, [{bias}]", "ld1 {{v12.4s, v13.4s, v14.4s, v15.4s}}, [{bias}]",
        "ld1 {{v16.4s, v17.4s, v18.4s, v19.4s}}, [{bias}]",
    ],
    narrow sums: [
        ["v8" a] ["v9" b] ["v10" c] ["v11" d] ["v12" e] ["v13" f] ["v14" g] ["v15" h] ["v16" i] ["v17" j] ["v18" k]
        ["v19" l]
    ]
}
tile! {
    narrow_4, pixels: 4, values: "ld1 {{v4.16b}}, [{values}], {pitch}\n",
    places: [[4 0 8] [4 1 9] [4 2 10] [4 3 11]],
    bias: ["ld1 {{v8.4s, v9.4s, v10.4s, v11.4s}}, [{bias}]",],
    narrow sums: [["v8" a] ["v9" b] ["v10" c] ["v11" d]]
}
tile! {
    narrow_1, pixels: 1, values: "ld1r {{v4.4s}}, [{values}], {pitch}\n",
    places: [[4 0 8]], bias: ["ldr q8, [{bias}]",], narrow sums: [["v8" a]]
}

/// The tiles of this file.
pub struct DotTiles;

/// Channels of a narrow panel.
pub const NARROW: usize = 4;

/// Bytes of a plane of `pixels`.
fn pitch(pixels: usize) -> usize {
    4 * pixels.next_multiple_of(4)
}

// SAFETY: planes have as many terms as there are weights for each channel, and a tile reads its own pixels of them; sums
// start with one bias a channel, which lie there twice.
unsafe impl Tiles for DotTiles {
    const CHANNELS: usize = 8;
    const BIAS: usize = 2;
    const DEPTH: usize = 4;
    const RUN: usize = 4;

    fn width(channels: usize) -> usize {
        if channels <= NARROW { NARROW } else { Self::CHANNELS }
    }

    fn prepared_bytes(pixels: usize, depth: usize) -> usize {
        padded(depth, Self::DEPTH) / 4 * pitch(pixels)
    }

    unsafe fn prepare(terms: &Terms, places: &Places, length: usize, to: *mut u8) {
        let pitch = pitch(length);
        for run in 0..=terms.more {
            // SAFETY: the caller's promise.
            unsafe {
                let offset = terms.offset(run);
                let source = |x: usize| places.sources[x].wrapping_add(offset);
                planes::split(source, terms.run, length, to.add(run * terms.run / 4 * pitch), pitch);
            }
        }
    }

    unsafe fn panel(panel: &Panel, places: &Places, length: usize, first: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if panel.channels <= NARROW {
                return narrow_panel(panel, places, length, first);
            }
            match panel.target.mode {
                Mode::Even => panel_as::<{ Mode::Even as usize }>(panel, places, length, first),
                Mode::Odd => panel_as::<{ Mode::Odd as usize }>(panel, places, length, first),
                Mode::Bounded => panel_as::<{ Mode::Bounded as usize }>(panel, places, length, first),
                Mode::Added => panel_as::<{ Mode::Added as usize }>(panel, places, length, first),
                Mode::Part => panel_as::<{ Mode::Part as usize }>(panel, places, length, first),
                Mode::Any => panel_as::<{ Mode::Any as usize }>(panel, places, length, first),
            }
        }
    }
}

/// [`Tiles::panel`] of up to four channels.
///
/// # Safety
/// As there.
unsafe fn narrow_panel(panel: &Panel, places: &Places, length: usize, first: usize) {
    let (pitch, terms) = (pitch(length), panel.terms.run * (panel.terms.more + 1));
    let mut done = 0;
    macro_rules! tiles {
        ($($count:literal $tile:ident),*) => {$(
            while length - done >= $count {
                // SAFETY: at least as many pixels are left; the rest is the caller's promise.
                unsafe {
                    let sums = $tile(panel, panel.prepared.add(4 * done), pitch, terms);
                    let outs = *places.outs.as_ptr().add(done).cast::<[*mut Q; $count]>();
                    panel.target.store(&sums, outs, || first + done);
                }
                done += $count;
            }
        )*};
    }
    tiles!(12 narrow_12, 4 narrow_4, 1 narrow_1);
}

/// [`Tiles::panel`] where `MODE` is the target's mode.
///
/// # Safety
/// As there.
unsafe fn panel_as<const MODE: usize>(panel: &Panel, places: &Places, length: usize, first: usize) {
    let (pitch, terms) = (pitch(length), panel.terms.run * (panel.terms.more + 1));
    let constants = panel.target.requantize.constants();
    let mut done = 0;
    macro_rules! tiles {
        ($($count:literal $tile:ident),*) => {$(
            while length - done >= $count {
                // SAFETY: at least as many pixels are left; the rest is the caller's promise.
                unsafe {
                    let sums = $tile(panel, panel.prepared.add(4 * done), pitch, terms);
                    let outs = &*places.outs.as_ptr().add(done).cast::<[*mut Q; $count]>();
                    let step = outs[$count.min(2) - 1].offset_from_unsigned(outs[0]);
                    // Rows never lie closer than pixels.
                    if outs[$count - 1] == outs[0].wrapping_add(($count - 1) * step) {
                        panel.target.store_row::<$count, MODE>(&constants, &sums, outs[0], step, first + done);
                    } else {
                        panel.target.store_as::<2, $count, MODE>(&constants, &sums, *outs, first + done);
                    }
                }
                done += $count;
            }
        )*};
    }
    tiles!(12 tile_12, 8 tile_8, 4 tile_4, 1 tile_1);
}
