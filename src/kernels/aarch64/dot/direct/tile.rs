//! Tiles of a direct 3x3 convolution: up to twelve neighboring pixels by eight output channels, all sums in registers.
//!
//! Register use of the largest tile: 24 vectors of sums, 4 with four channels of sixteen columns, 4 with weights of two
//! columns of the filter. Eight channels of one row of the filter are 5 loads and 144 `sdot`.

#![allow(unsafe_code)]

use core::arch::aarch64::int32x4_t;
use core::arch::asm;

use super::super::super::rounding::Mode;
use super::super::super::target::Target;
use super::CHANNELS;
use crate::kernels::Q;

/// Pixels of the largest tile.
pub const WIDTH: usize = 12;

/// `sdot` of one column of the filter: registers of weights; for each pixel the register and place of its column; sums.
macro_rules! tap {
    ($a:literal $b:literal, [$([$values:literal $place:literal])*], [$([$low:literal $high:literal])*]) => {
        concat!($(
            "sdot v", $low, ".4s, v", $a, ".16b, v", $values, ".4b[", $place, "]\n",
            "sdot v", $high, ".4s, v", $b, ".16b, v", $values, ".4b[", $place, "]\n",
        )*)
    };
}

/// Two planes, that is eight channels of one row of the filter.
macro_rules! planes {
    ($values:literal, $first:tt $second:tt $third:tt, $sums:tt) => {
        concat!(
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{weights}], #64\n",
            $values, tap!(0 1, $first, $sums), tap!(2 3, $second, $sums),
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{weights}], #64\n",
            tap!(0 1, $third, $sums), $values, tap!(2 3, $first, $sums),
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{weights}], #64\n",
            tap!(0 1, $second, $sums), tap!(2 3, $third, $sums),
        )
    };
}

/// A function that computes the sums of neighboring pixels.
macro_rules! tile {
    (
        $name:ident, pixels: $count:literal, values: $values:literal, columns: $first:tt $second:tt $third:tt,
        bias: [$($bias:literal,)*], sums: $sums:tt, [$([$low:tt $a:ident $high:tt $b:ident])*]
    ) => {
        /// # Safety
        /// As [`Panel::row`].
        #[inline(always)]
        unsafe fn $name(panel: &Panel, values: *const u8) -> [[int32x4_t; 2]; $count] {
            $(let ($a, $b): (int32x4_t, int32x4_t);)*
            // SAFETY: reads bias, weights and planes as the caller promises; writes registers only.
            unsafe {
                asm!(
                    ".arch_extension dotprod",
                    $($bias,)*
                    "lsr {left}, {pairs}, #1",
                    "cbz {left}, 3f",
                    "2:",
                    planes!($values, $first $second $third, $sums),
                    planes!($values, $first $second $third, $sums),
                    "subs {left}, {left}, #1",
                    "b.ne 2b",
                    "3:",
                    "tbz {pairs}, #0, 4f",
                    planes!($values, $first $second $third, $sums),
                    "4:",
                    weights = inout(reg) panel.weights => _,
                    values = inout(reg) values => _,
                    pitch = in(reg) panel.pitch,
                    pairs = in(reg) panel.pairs,
                    bias = in(reg) panel.bias,
                    left = out(reg) _,
                    out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                    out("v7") _,
                    $(out($low) $a, out($high) $b,)*
                    options(readonly, nostack),
                );
            }
            [$([$a, $b],)*]
        }
    };
}

tile! {
    tile_12, pixels: 12, values: "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{values}], {pitch}\n",
    columns:
        [[4 0] [4 1] [4 2] [4 3] [5 0] [5 1] [5 2] [5 3] [6 0] [6 1] [6 2] [6 3]]
        [[4 1] [4 2] [4 3] [5 0] [5 1] [5 2] [5 3] [6 0] [6 1] [6 2] [6 3] [7 0]]
        [[4 2] [4 3] [5 0] [5 1] [5 2] [5 3] [6 0] [6 1] [6 2] [6 3] [7 0] [7 1]],
    bias: [
        "ld1 {{v8.4s, v9.4s, v10.4s, v11.4s}}, [{bias}]", "ld1 {{v12.4s, v13.4s, v14.4s, v15.4s}}, [{bias}]",
        "ld1 {{v16.4s, v17.4s, v18.4s, v19.4s}}, [{bias}]", "ld1 {{v20.4s, v21.4s, v22.4s, v23.4s}}, [{bias}]",
        "ld1 {{v24.4s, v25.4s, v26.4s, v27.4s}}, [{bias}]", "ld1 {{v28.4s, v29.4s, v30.4s, v31.4s}}, [{bias}]",
    ],
    sums: [[8 9] [10 11] [12 13] [14 15] [16 17] [18 19] [20 21] [22 23] [24 25] [26 27] [28 29] [30 31]],
    [
        ["v8" a "v9" b] ["v10" c "v11" d] ["v12" e "v13" f] ["v14" g "v15" h] ["v16" i "v17" j] ["v18" k "v19" l]
        ["v20" m "v21" n] ["v22" o "v23" p] ["v24" q "v25" r] ["v26" s "v27" t] ["v28" u "v29" v] ["v30" w "v31" x]
    ]
}
tile! {
    tile_8, pixels: 8, values: "ld1 {{v4.16b, v5.16b, v6.16b}}, [{values}], {pitch}\n",
    columns:
        [[4 0] [4 1] [4 2] [4 3] [5 0] [5 1] [5 2] [5 3]] [[4 1] [4 2] [4 3] [5 0] [5 1] [5 2] [5 3] [6 0]]
        [[4 2] [4 3] [5 0] [5 1] [5 2] [5 3] [6 0] [6 1]],
    bias: [
        "ld1 {{v8.4s, v9.4s, v10.4s, v11.4s}}, [{bias}]", "ld1 {{v12.4s, v13.4s, v14.4s, v15.4s}}, [{bias}]",
        "ld1 {{v16.4s, v17.4s, v18.4s, v19.4s}}, [{bias}]", "ld1 {{v20.4s, v21.4s, v22.4s, v23.4s}}, [{bias}]",
    ],
    sums: [[8 9] [10 11] [12 13] [14 15] [16 17] [18 19] [20 21] [22 23]],
    [
        ["v8" a "v9" b] ["v10" c "v11" d] ["v12" e "v13" f] ["v14" g "v15" h] ["v16" i "v17" j] ["v18" k "v19" l]
        ["v20" m "v21" n] ["v22" o "v23" p]
    ]
}
tile! {
    tile_4, pixels: 4, values: "ld1 {{v4.16b, v5.16b}}, [{values}], {pitch}\n",
    columns: [[4 0] [4 1] [4 2] [4 3]] [[4 1] [4 2] [4 3] [5 0]] [[4 2] [4 3] [5 0] [5 1]],
    bias: [
        "ld1 {{v8.4s, v9.4s, v10.4s, v11.4s}}, [{bias}]", "ld1 {{v12.4s, v13.4s, v14.4s, v15.4s}}, [{bias}]",
    ],
    sums: [[8 9] [10 11] [12 13] [14 15]],
    [["v8" a "v9" b] ["v10" c "v11" d] ["v12" e "v13" f] ["v14" g "v15" h]]
}
tile! {
    tile_2, pixels: 2, values: "ld1 {{v4.16b}}, [{values}], {pitch}\n",
    columns: [[4 0] [4 1]] [[4 1] [4 2]] [[4 2] [4 3]],
    bias: ["ld1 {{v8.4s, v9.4s, v10.4s, v11.4s}}, [{bias}]",],
    sums: [[8 9] [10 11]], [["v8" a "v9" b] ["v10" c "v11" d]]
}
tile! {
    tile_1, pixels: 1, values: "ld1 {{v4.16b}}, [{values}], {pitch}\n",
    columns: [[4 0]] [[4 1]] [[4 2]],
    bias: ["ld1 {{v8.4s, v9.4s}}, [{bias}]",],
    sums: [[8 9]], [["v8" a "v9" b]]
}

/// The filters of eight output channels, and what becomes of their sums.
pub struct Panel<'a> {
    /// The weights.
    pub weights: *const i8,
    /// Start values of the sums, twice.
    pub bias: *const i32,
    /// Pairs of planes of three rows.
    pub pairs: usize,
    /// Bytes from a plane to the next.
    pub pitch: usize,
    /// Where the results go.
    pub target: Target<'a>,
}

impl Panel<'_> {
    /// `width` neighboring pixels, `pixel` being the index of the first, whose output is at `out`; the next one's is `step`
    /// values behind. Its planes begin at `values`.
    ///
    /// # Safety
    /// The processor has dot products; weights and bias of [`CHANNELS`] are there, and planes of three rows, of which up to
    /// sixteen columns from each pixel on are read; outputs are as [`Target::store`] wants them.
    pub unsafe fn row(&self, values: *const u8, width: usize, out: *mut Q, step: usize, pixel: usize) {
        const { assert!(CHANNELS == 8) };
        // SAFETY: the caller's promise.
        unsafe {
            match self.target.mode {
                Mode::Even => self.row_as::<{ Mode::Even as usize }>(values, width, out, step, pixel),
                Mode::Odd => self.row_as::<{ Mode::Odd as usize }>(values, width, out, step, pixel),
                Mode::Bounded => self.row_as::<{ Mode::Bounded as usize }>(values, width, out, step, pixel),
                Mode::Added => self.row_as::<{ Mode::Added as usize }>(values, width, out, step, pixel),
                Mode::Part => self.row_as::<{ Mode::Part as usize }>(values, width, out, step, pixel),
                Mode::Any => self.row_as::<{ Mode::Any as usize }>(values, width, out, step, pixel),
            }
        }
    }

    /// [`Panel::row`] where `MODE` is the target's mode.
    ///
    /// # Safety
    /// As there.
    unsafe fn row_as<const MODE: usize>(
        &self,
        mut values: *const u8,
        width: usize,
        mut out: *mut Q,
        step: usize,
        mut pixel: usize,
    ) {
        let constants = self.target.requantize.constants();
        let mut left = width;
        macro_rules! tiles {
            ($($count:literal $tile:ident),*) => {$(
                while left >= $count {
                    // SAFETY: at least as many pixels are left; the rest is the caller's promise.
                    unsafe {
                        let sums = $tile(self, values);
                        self.target.store_row::<$count, MODE>(&constants, &sums, out, step, pixel);
                    }
                    values = values.wrapping_add(4 * $count);
                    out = out.wrapping_add($count * step);
                    pixel += $count;
                    left -= $count;
                }
            )*};
        }
        tiles!(12 tile_12, 8 tile_8, 4 tile_4, 2 tile_2, 1 tile_1);
    }
}
