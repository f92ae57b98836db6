//! Products of transformed input and transformed weights, place by place: up to six tiles by sixteen channels at a time.
//!
//! `smlal` by element multiplies a value of a tile by the weights of four channels. A step of eight input channels is six
//! loads of values, 8 of weights and 192 `smlal` (4 products each).

#![allow(unsafe_code)]

use core::arch::asm;

use super::{CHANNELS, PLACES, STEP};

/// One input channel against all tiles: register of values, then of the sums of four times four channels.
macro_rules! channel {
    ($lane:literal, [$($values:literal [$a:literal $b:literal $c:literal $d:literal],)*]) => {
        concat!(
            "ldp q6, q7, [{weights}], #32\n",
            $(
                "smlal v", $a, ".4s, v6.4h, v", $values, ".h[", $lane, "]\n",
                "smlal2 v", $b, ".4s, v6.8h, v", $values, ".h[", $lane, "]\n",
                "smlal v", $c, ".4s, v7.4h, v", $values, ".h[", $lane, "]\n",
                "smlal2 v", $d, ".4s, v7.8h, v", $values, ".h[", $lane, "]\n",
            )*
        )
    };
}

/// A function that multiplies some tiles by the weights of a place.
macro_rules! tiles {
    ($name:ident, $tiles:tt, [$($values:literal $row:ident [$a:literal $b:literal $c:literal $d:literal],)*]) => {
        /// The sums of the tile in row `i` of values go to `to[i * PLACES * CHANNELS]`; rows are `stride` apart.
        ///
        /// # Safety
        /// `stride` values of each row can be read, `stride * CHANNELS` weights too; the sums can be written.
        unsafe fn $name(weights: *const i16, stride: usize, values: *const i16, to: *mut i32) {
            // SAFETY: the caller's promise.
            unsafe {
                asm!(
                    $(
                        concat!("movi v", $a, ".4s, #0"), concat!("movi v", $b, ".4s, #0"),
                        concat!("movi v", $c, ".4s, #0"), concat!("movi v", $d, ".4s, #0"),
                    )*
                    "2:",
                    $(concat!("ldr q", $values, ", [{", stringify!($row), "}], #16"),)*
                    channel!(0, $tiles), channel!(1, $tiles), channel!(2, $tiles), channel!(3, $tiles),
                    channel!(4, $tiles), channel!(5, $tiles), channel!(6, $tiles), channel!(7, $tiles),
                    "subs {left}, {left}, #8",
                    "b.ne 2b",
                    $(
                        concat!("stp q", $a, ", q", $b, ", [{to}]"), concat!("stp q", $c, ", q", $d, ", [{to}, #32]"),
                        "add {to}, {to}, {apart}",
                    )*
                    weights = inout(reg) weights => _,
                    left = inout(reg) stride => _,
                    to = inout(reg) to => _,
                    apart = in(reg) PLACES * CHANNELS * size_of::<i32>(),
                    $($row = inout(reg) values.add($values * stride) => _,)*
                    out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                    out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
                    out("v14") _, out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _,
                    out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _,
                    out("v28") _, out("v29") _, out("v30") _, out("v31") _,
                    options(nostack),
                );
            }
        }
    };
}

tiles! {
    six,
    [
        0 [8 9 10 11], 1 [12 13 14 15], 2 [16 17 18 19], 3 [20 21 22 23], 4 [24 25 26 27], 5 [28 29 30 31],
    ],
    [
        0 r0 [8 9 10 11], 1 r1 [12 13 14 15], 2 r2 [16 17 18 19], 3 r3 [20 21 22 23], 4 r4 [24 25 26 27],
        5 r5 [28 29 30 31],
    ]
}
tiles! {
    four,
    [0 [8 9 10 11], 1 [12 13 14 15], 2 [16 17 18 19], 3 [20 21 22 23],],
    [0 r0 [8 9 10 11], 1 r1 [12 13 14 15], 2 r2 [16 17 18 19], 3 r3 [20 21 22 23],]
}
tiles! { one, [0 [8 9 10 11],], [0 r0 [8 9 10 11],] }

/// Multiplies `count` tiles of transformed input, of which a place has room for `most`, by the transformed weights of one
/// panel: `sums[tile][place][16]`.
///
/// # Safety
/// The sizes as in scratch; `stride` is a multiple of [`STEP`] and not 0.
pub unsafe fn multiply(
    mut weights: *const i16,
    stride: usize,
    transformed: *const i16,
    most: usize,
    count: usize,
    sums: *mut i32,
) {
    debug_assert!(stride > 0 && stride.is_multiple_of(STEP));
    for place in 0..PLACES {
        let mut tile = 0;
        while tile < count {
            // SAFETY: the caller's promise.
            unsafe {
                let values = transformed.add((place * most + tile) * stride);
                let to = sums.add((tile * PLACES + place) * CHANNELS);
                match count - tile {
                    6.. => {
                        six(weights, stride, values, to);
                        tile += 6;
                    }
                    4.. => {
                        four(weights, stride, values, to);
                        tile += 4;
                    }
                    _ => {
                        one(weights, stride, values, to);
                        tile += 1;
                    }
                }
            }
        }
        weights = weights.wrapping_add(stride * CHANNELS);
    }
}
