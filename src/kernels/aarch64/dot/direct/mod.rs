//! Dense 3x3 convolution of stride 1 with `sdot`, without a copy of each patch: a register holds four channels of four
//! neighboring pixels, and as `sdot` takes any of the four for all of its lanes, what is loaded for one column of the
//! filter serves the other two as well.
//!
//! Rows are first brought into planes of four channels, `[row][channel / 4][column][channel % 4]`, a strip of columns and
//! a few rows at a time. Then each panel of eight output channels passes over them.

#![allow(unsafe_code)]

mod tile;

use std::ops::Range;

use super::super::folded_bias;
use super::super::rounding::Requantize;
use super::super::target::Target;
use super::matrix::twice;
use super::planes;
use crate::kernels::image::Image;
use crate::kernels::{Epilogue, Lines, Matrix, Output, PackedConv3x3, Patches, Scratch};

/// Output channels of a panel.
const CHANNELS: usize = 8;
/// Numbers of a panel's bias: twice its channels, so that one instruction loads those of two pixels.
const BIAS: usize = 2 * CHANNELS;
/// Input channels are padded to a multiple of this.
const DEPTH: usize = 8;
/// Fewest input and output channels for which this is faster than the matrix product.
const LEAST_CHANNELS: usize = 16;
/// Rows of output that are computed together.
const ROWS: usize = PackedConv3x3::ROWS;
/// Rows that they see.
const SEEN: usize = ROWS + 2;
/// Bytes of planes that stay in the first-level cache.
const PLANES_BYTES: usize = 40 << 10;
/// Tiles read up to sixteen columns from their first one on.
const COLUMNS_READ: usize = 16;

/// Columns of output that are computed together.
fn strip(channels: usize) -> usize {
    let columns = PLANES_BYTES / (SEEN * channels.next_multiple_of(DEPTH));
    columns.clamp(2 * tile::WIDTH, 32 * tile::WIDTH) / tile::WIDTH * tile::WIDTH
}

/// Bytes of one plane's row.
fn pitch(channels: usize) -> usize {
    4 * (strip(channels) + 4)
}

/// See [`crate::kernels::Kernels::conv3x3_scratch_bytes`].
pub fn scratch_bytes(channels: usize) -> usize {
    SEEN * channels.next_multiple_of(DEPTH) / 4 * pitch(channels) + 4 * COLUMNS_READ
}

/// Bytes of the weights of one panel.
fn panel_bytes(channels: usize) -> usize {
    9 * channels.next_multiple_of(DEPTH) * CHANNELS
}

/// See [`crate::kernels::Kernels::pack_conv3x3`]: `[panel][filter row][channel / 4][filter column][8 outputs][4]`.
pub fn pack(matrix: &Matrix) -> Option<PackedConv3x3> {
    let (outputs, channels) = (matrix.outputs, matrix.depth / 9);
    if channels < LEAST_CHANNELS || outputs < CHANNELS || matrix.depth != 9 * channels {
        return None;
    }
    let (panels, quads) = (outputs.div_ceil(CHANNELS), channels.next_multiple_of(DEPTH) / 4);
    let mut data = Lines::zeros(panels * panel_bytes(channels));
    for (output, row) in matrix.weights.chunks_exact(matrix.depth).enumerate() {
        let panel = &mut data.bytes_mut()[output / CHANNELS * panel_bytes(channels)..];
        for (index, &weight) in row.iter().enumerate() {
            let (tap, channel) = (index / channels, index % channels);
            let step = (tap / 3 * quads + channel / 4) * 3 + tap % 3;
            panel[(step * CHANNELS + output % CHANNELS) * 4 + channel % 4] = weight as u8;
        }
    }
    let (folded, largest) = folded_bias(matrix);
    let bias = twice(folded).into_iter().chain(largest).collect();
    Some(PackedConv3x3 { outputs, channels, data, bias })
}

/// See [`crate::kernels::Kernels::conv3x3`].
///
/// # Panics
/// For patches that are not of a 3x3 convolution of stride 1, and when a slice is too short.
///
/// # Safety
/// The processor has dot products.
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
    assert!(inputs >= LEAST_CHANNELS, "channels of the input");
    assert!(channels.end <= weights.outputs, "channels of the convolution");
    assert!(weights.data.len() >= panels * panel_bytes(inputs), "weights packed for this instruction set");
    assert!(weights.bias.len() == panels * BIAS + weights.outputs, "bias packed for this instruction set");
    assert_eq!(patches.width, out.width, "pixels of a row");
    let out_end = (patches.height - 1) * out.row_step + (patches.width - 1) * out.step + channels.len();
    assert!(out_end <= out.data.len(), "output lies inside its data");
    if let Some(with) = &epilogue.residual {
        let end = (pixels - 1) * with.stride + channels.len();
        assert!(end <= with.data.len(), "one value to add for each output");
    }
    assert!(scratch.lines.len() >= scratch_bytes(inputs), "scratch of the size asked for");

    let requantize = Requantize::new(epilogue, channels.clone(), &weights.bias[panels * BIAS..]);
    let planes = scratch.lines.bytes_mut().as_mut_ptr();
    let pitch = pitch(inputs);
    let row_bytes = inputs.next_multiple_of(DEPTH) / 4 * pitch;
    for y in (0..patches.height).step_by(ROWS) {
        let rows = ROWS.min(patches.height - y);
        for x in (0..patches.width).step_by(strip(inputs)) {
            let columns = strip(inputs).min(patches.width - x);
            for row in 0..rows + 2 {
                let from = image.data.as_ptr().wrapping_add((y + row) * image.row_step + x * inputs);
                // SAFETY: these pixels are the image's; scratch has room for `SEEN` rows of as many columns.
                unsafe {
                    let pixel = |x: usize| from.wrapping_add(x * inputs);
                    planes::split(pixel, inputs, columns + 2, planes.add(row * row_bytes), pitch);
                }
            }
            for panel in channels.start / CHANNELS..channels.end.div_ceil(CHANNELS) {
                let first = panel * CHANNELS;
                let wanted = first.max(channels.start)..(first + CHANNELS).min(channels.end);
                let multipliers: [f32; CHANNELS] =
                    core::array::from_fn(|i| epilogue.multipliers.get(first + i).copied().unwrap_or(0.0));
                let panel = tile::Panel {
                    weights: weights.data.bytes()[panel * panel_bytes(inputs)..].as_ptr().cast(),
                    bias: weights.bias[panel * BIAS..].as_ptr(),
                    pairs: 3 * inputs.div_ceil(DEPTH),
                    pitch,
                    target: Target {
                        mode: requantize.mode(wanted.len() == CHANNELS),
                        requantize: &requantize,
                        multipliers: multipliers.as_ptr(),
                        channel: first,
                        first: wanted.start - first,
                        count: wanted.len(),
                        column: wanted.start - channels.start,
                    },
                };
                for row in 0..rows {
                    let at = (y + row) * out.row_step + x * out.step;
                    let to = out.data.as_mut_ptr().wrapping_add(at);
                    let pixel = (y + row) * patches.width + x;
                    // SAFETY: the planes of three rows are there, and these outputs may be written.
                    unsafe { panel.row(planes.add(row * row_bytes), columns, to, out.step, pixel) };
                }
            }
        }
    }
}
