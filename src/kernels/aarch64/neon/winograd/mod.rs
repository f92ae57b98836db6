//! Dense 3x3 convolution of stride 1 in ARMv8.0 by Winograd's minimal filtering, in whole numbers and exact.
//!
//! F(4x4, 3x3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015): a tile of 6x6 input values
//! `d` gives 4x4 outputs `A' [(G g G') * (B' d B)] A` with 36 multiplications instead of 144. `G`'s rows are scaled so that
//! all three matrices hold whole numbers; output `(i, j)` comes out times `9 * 2^(SHIFT[i] + SHIFT[j])`.
//!
//! Everything is exact modulo `2^32`: values of `B' d B` are at most 100 * 128 and those of `G g G'` at most 49 * 128 in
//! magnitude, which 16 bits hold; 9 has an inverse modulo `2^32`; and the shift is exact for sums below `2^25` in
//! magnitude, which [`pack`] makes sure of.

#![allow(unsafe_code)]

mod input;
mod output;
mod products;
mod weights;

pub use weights::pack;

use std::ops::Range;

use super::super::rounding::Requantize;
use crate::kernels::image::Image;
use crate::kernels::{Epilogue, Output, PackedConv3x3, Patches, Scratch};

/// Rows and columns of a tile's output.
const SIZE: usize = PackedConv3x3::ROWS;
/// Rows and columns of a tile's input.
const SEEN: usize = SIZE + 2;
/// Products of a tile and a channel.
const PLACES: usize = SEEN * SEEN;
/// Output channels that are computed together.
const CHANNELS: usize = 16;
/// Input channels that are transformed together.
const STEP: usize = 8;
/// Bytes of transformed input in a block.
const BLOCK_BYTES: usize = 128 << 10;

/// 16-bit numbers of a tile at one place.
fn stride(channels: usize) -> usize {
    channels.next_multiple_of(STEP)
}

/// Tiles that are transformed at once.
fn block_tiles(channels: usize) -> usize {
    (BLOCK_BYTES / (PLACES * 2 * stride(channels))).clamp(6, 24) / 6 * 6
}

/// Bytes of transformed input of a block.
fn input_bytes(channels: usize) -> usize {
    PLACES * block_tiles(channels) * stride(channels) * size_of::<i16>()
}

/// See [`crate::kernels::Kernels::conv3x3_scratch_bytes`].
pub fn scratch_bytes(channels: usize) -> usize {
    input_bytes(channels) + PLACES * CHANNELS * block_tiles(channels) * size_of::<i32>()
}

/// See [`crate::kernels::Kernels::conv3x3`].
///
/// # Panics
/// For patches that are not of a 3x3 convolution of stride 1, and when a slice is too short.
///
/// # Safety
/// The processor has NEON, as all of this architecture have.
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
    let panels = weights.outputs.div_ceil(CHANNELS);
    assert!(inputs >= STEP, "channels of the input");
    assert!(channels.end <= weights.outputs, "channels of the convolution");
    assert!(
        weights.data.len() >= panels * weights::panel_bytes(inputs),
        "weights packed for this instruction set"
    );
    assert!(
        weights.bias.len() == panels * CHANNELS + weights.outputs,
        "bias packed for this instruction set"
    );
    assert_eq!(patches.width, out.width, "pixels of a row");
    let out_end = (patches.height - 1) * out.row_step + (patches.width - 1) * out.step + channels.len();
    assert!(out_end <= out.data.len(), "output lies inside its data");
    if let Some(with) = &epilogue.residual {
        assert!(
            (pixels - 1) * with.stride + channels.len() <= with.data.len(),
            "one value to add for each output"
        );
    }
    assert!(scratch.lines.len() >= scratch_bytes(inputs), "scratch of the size asked for");

    let requantize = Requantize::new(epilogue, channels.clone(), &weights.bias[panels * CHANNELS..]);
    let most = block_tiles(inputs);
    let transformed = scratch.lines.bytes_mut().as_mut_ptr().cast::<i16>();
    let sums = transformed.wrapping_byte_add(input_bytes(inputs)).cast::<i32>();
    let columns = patches.width.div_ceil(SIZE);
    let tiles = patches.height.div_ceil(SIZE) * columns;
    let corner = |tile: usize| (tile / columns * SIZE, tile % columns * SIZE);
    for first in (0..tiles).step_by(most) {
        let count = most.min(tiles - first);
        for tile in 0..count {
            let (y, x) = corner(first + tile);
            // SAFETY: scratch has room for `most` tiles at each place.
            unsafe {
                input::transform_tile(
                    &image,
                    y,
                    x,
                    transformed.add(tile * stride(inputs)),
                    most * stride(inputs),
                )
            };
        }
        for panel in channels.start / CHANNELS..channels.end.div_ceil(CHANNELS) {
            // SAFETY: the panel's weights are there, and scratch has room for the products of `most` tiles.
            unsafe {
                let from = weights.data.bytes().as_ptr().add(panel * weights::panel_bytes(inputs)).cast();
                products::multiply(from, stride(inputs), transformed, most, count, sums);
            }
            for part in output::parts(panel, &channels, &requantize, weights) {
                let target = part.target();
                for tile in 0..count {
                    // SAFETY: the products of this tile are there; output and residual have the pixels of the patches.
                    unsafe {
                        let products = sums.add(tile * PLACES * CHANNELS);
                        part.finish(&target, products, corner(first + tile), patches, out);
                    }
                }
            }
        }
    }
}
