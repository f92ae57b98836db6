//! Dense 3x3 convolution of stride 1 on AVX2 by Winograd's minimal filtering, in whole numbers and exact.
//!
//! F(4x4, 3x3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015): a tile of 6x6 input values
//! `d` gives 4x4 outputs `A' [(G g G') * (B' d B)] A` with 36 multiplications instead of 144. Its rows are scaled here so that
//! all three matrices hold whole numbers; output `(i, j)` comes out times `9 * 2^(SHIFT[i] + SHIFT[j])`.
//!
//! Everything is exact modulo `2^32`: values of `B' d B` are at most 50 * 255 and those of `G g G'` at most 49 * 128 in
//! magnitude, which 16 bits hold; 9 has an inverse modulo `2^32`; and the shift is exact for sums below `2^25` in
//! magnitude, which `weights::pack` makes sure of.

#![allow(unsafe_code)]

mod input;
mod output;
pub mod weights;

use std::ops::Range;

use super::panel::LANES;
use super::requantize::Formula;
use super::tile::{Columns, avx2_i16_sums, even_part};
use crate::kernels::image::Image;
use crate::kernels::{Epilogue, Output, PackedConv3x3, Patches, Scratch};

/// Rows and columns of a tile's output.
const SIZE: usize = PackedConv3x3::ROWS;
/// Rows and columns of a tile's input.
const SEEN: usize = SIZE + 2;
/// Products of a tile and a channel.
const PLACES: usize = SEEN * SEEN;
/// Output channels that are computed together.
const CHANNELS: usize = 2 * LANES;
/// Fewest input channels: what the input's transformation takes at once.
pub const LEAST_CHANNELS: usize = 16;
/// Bytes of transformed input that stay in the second-level cache.
const BLOCK_BYTES: usize = 160 << 10;

/// 16-bit numbers from a tile to the next in transformed input.
fn stride(channels: usize) -> usize {
    super::rows::stride::<2>(channels) / 2
}

/// Tiles that are transformed at once.
fn block_tiles(channels: usize) -> usize {
    (BLOCK_BYTES / (PLACES * 2 * stride(channels))).clamp(12, 24) / 6 * 6
}

/// 16-bit numbers of transformed input of a block.
fn input_size(channels: usize) -> usize {
    (PLACES * block_tiles(channels) * stride(channels)).next_multiple_of(32)
}

/// See [`crate::kernels::Kernels::conv3x3_scratch_bytes`].
pub fn scratch_bytes(channels: usize) -> usize {
    2 * input_size(channels) + 4 * PLACES * CHANNELS * block_tiles(channels)
}

/// See [`crate::kernels::Kernels::conv3x3`].
///
/// # Safety
/// AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn run(
    patches: &Patches,
    weights: &PackedConv3x3,
    channels: Range<usize>,
    epilogue: &Epilogue,
    out: &mut Output,
    scratch: &mut Scratch,
) {
    let (pixels, inputs) = (patches.pixels(), weights.channels);
    if pixels == 0 || channels.is_empty() {
        return;
    }
    let image = Image::new(patches, inputs);
    assert!(channels.end <= weights.outputs && channels.end <= epilogue.multipliers.len());
    let panels = weights.outputs.div_ceil(CHANNELS);
    assert!(inputs >= LEAST_CHANNELS && weights.bias.len() == panels * CHANNELS);
    assert!(weights.data.len() >= panels * weights::panel_bytes(inputs));
    assert!(out.width == patches.width && out.data.len() >= out.at(pixels - 1) + channels.len());
    assert!(out.step >= channels.len() || out.width == 1, "output pixels overlap");
    if let Some(with) = epilogue.residual {
        assert!(with.data.len() >= (pixels - 1) * with.stride + channels.len());
    }
    assert!(scratch.lines.len() >= scratch_bytes(inputs), "scratch is smaller than conv3x3_scratch_bytes");

    let formula = Formula::new(epilogue);
    let most = block_tiles(inputs);
    let transformed = scratch.lines.bytes_mut().as_mut_ptr().cast::<i16>();
    // SAFETY: the sums follow the transformed input in scratch.
    let sums = unsafe { transformed.add(input_size(inputs)).cast::<i32>() };
    let columns = patches.width.div_ceil(SIZE);
    let tiles = patches.height.div_ceil(SIZE) * columns;
    let mut first = 0;
    while first < tiles {
        let count = even_part(tiles - first, most);
        for tile in 0..count {
            let (row, column) = ((first + tile) / columns, (first + tile) % columns);
            // SAFETY: scratch has room for `most` tiles at each place; the image holds the patches.
            unsafe {
                let to = transformed.add(tile * stride(inputs));
                input::avx2_transform_tile(&image, row * SIZE, column * SIZE, to, most * stride(inputs));
            }
        }
        for panel in channels.start / CHANNELS..channels.end.div_ceil(CHANNELS) {
            // SAFETY: the panel's weights were checked to be there; its sums have room in scratch.
            unsafe {
                let at = weights.data.bytes().as_ptr().add(panel * weights::panel_bytes(inputs));
                multiply(at, inputs, transformed, count, sums);
            }
            let ending = output::Ending::new(panel, &channels, weights, epilogue, formula.as_ref());
            for tile in 0..count {
                let (row, column) = ((first + tile) / columns, (first + tile) % columns);
                // SAFETY: the sums of this tile are there; output and residual have the pixels of the patches.
                unsafe {
                    let sums = sums.add(tile * PLACES * CHANNELS);
                    ending.finish(sums, row * SIZE, column * SIZE, patches.height, out);
                }
            }
        }
        first += count;
    }
}

/// Multiplies `count` tiles of transformed input by the transformed weights of one panel, place by place:
/// `sums[tile][place][16]`.
///
/// # Safety
/// AVX2; the sizes as in scratch.
#[target_feature(enable = "avx2")]
unsafe fn multiply(weights: *const u8, inputs: usize, transformed: *const i16, count: usize, sums: *mut i32) {
    static ZEROS: [i32; CHANNELS] = [0; CHANNELS];
    let (stride, most) = (stride(inputs), block_tiles(inputs));
    let groups = inputs.div_ceil(2);
    for place in 0..PLACES {
        // SAFETY: the caller's promise.
        unsafe {
            let weights = weights.add(place * groups * CHANNELS * 4);
            let columns = Columns { weights, groups, bias: ZEROS.as_ptr() };
            let mut tile = 0;
            while tile < count {
                let rows = transformed.add((place * most + tile) * stride).cast();
                let to = sums.add((tile * PLACES + place) * CHANNELS);
                let part = even_part(count - tile, 6);
                match part {
                    1 => avx2_i16_sums::<1, 2>(&columns, rows, 2 * stride, to, PLACES * CHANNELS),
                    2 => avx2_i16_sums::<2, 2>(&columns, rows, 2 * stride, to, PLACES * CHANNELS),
                    3 => avx2_i16_sums::<3, 2>(&columns, rows, 2 * stride, to, PLACES * CHANNELS),
                    4 => avx2_i16_sums::<4, 2>(&columns, rows, 2 * stride, to, PLACES * CHANNELS),
                    5 => avx2_i16_sums::<5, 2>(&columns, rows, 2 * stride, to, PLACES * CHANNELS),
                    _ => avx2_i16_sums::<6, 2>(&columns, rows, 2 * stride, to, PLACES * CHANNELS),
                }
                tile += part;
            }
        }
    }
}
