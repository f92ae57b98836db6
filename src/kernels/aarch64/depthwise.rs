//! The walk over a depthwise convolution that all instruction sets share: rows, groups of sixteen channels, and filters
//! of three columns whose taps neighboring outputs share.
//!
//! The last group begins sixteen channels before the end: it computes some channels again rather than fewer at a time.

#![allow(unsafe_code)]

use core::arch::aarch64::{int8x16_t, int32x4_t, vld1q_s8, vld1q_s32};

use super::rounding::Requantize;
use super::slide::slide;
use super::target::Target;
use super::{folded_sum, largest_sum};
use crate::kernels::{Depthwise, Epilogue, Output, PackedDepthwise, Patches, Q};

/// Channels of a group.
pub const GROUP: usize = 16;

/// Groups of `channels`.
pub fn groups(channels: usize) -> usize {
    channels.div_ceil(GROUP)
}

/// First channel of a group.
pub fn first_channel(group: usize, channels: usize) -> usize {
    (group * GROUP).min(channels.saturating_sub(GROUP))
}

/// Start values of the sums, padded to a whole group, then how far from 0 each sum may be.
pub fn bias(weights: &Depthwise) -> Vec<i32> {
    let filter =
        |channel: usize| (0..weights.taps).map(move |tap| weights.weights[tap * weights.channels + channel]);
    let folded = |channel| folded_sum(weights.bias[channel], filter(channel), weights.zero_point);
    let padding = weights.channels.max(GROUP) - weights.channels;
    (0..weights.channels)
        .map(folded)
        .chain(std::iter::repeat_n(0, padding))
        .chain((0..weights.channels).map(|channel| largest_sum(folded(channel), filter(channel))))
        .collect()
}

/// Outputs of some rows, sixteen channels of them.
pub struct Rows<'a> {
    /// Where the patch of the first output begins, for the group's first channel.
    pub source: *const Q,
    /// The taps' offsets from there.
    pub taps: &'a [usize],
    /// What [`Filters::arrange`] made of them.
    pub quads: &'a [[usize; 4]],
    /// Values from an output's patch to the next one's, and from a row's to the next one's.
    pub step: [usize; 2],
    /// The group's weights.
    pub weights: *const i8,
    /// The group's bias.
    pub bias: *const i32,
    /// Channels that may be read and are stored; sixteen but in tensors that have fewer.
    pub channels: usize,
    /// Outputs of a row; at least 1.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Where the first output goes, for the first channel of all.
    pub out: *mut Q,
    /// Values from an output to the next, and from a row to the next.
    pub out_step: [usize; 2],
    /// Index of the first output pixel.
    pub pixel: usize,
    /// From an output's index to the next one's, and from a row's to the next one's.
    pub pixel_step: [usize; 2],
    /// How sums are stored.
    pub target: Target<'a>,
}

impl Rows<'_> {
    /// Every `count`-th output of each row, from `first` on.
    fn every(self, count: usize, first: usize) -> Self {
        Rows {
            source: self.source.wrapping_add(first * self.step[0]),
            out: self.out.wrapping_add(first * self.out_step[0]),
            pixel: self.pixel + first * self.pixel_step[0],
            step: [self.step[0] * count, self.step[1]],
            out_step: [self.out_step[0] * count, self.out_step[1]],
            pixel_step: [self.pixel_step[0] * count, self.pixel_step[1]],
            width: (self.width - first).div_ceil(count),
            ..self
        }
    }
}

/// Depthwise filters in one instruction set.
///
/// # Safety
/// [`Filters::any`] reads, for each output, `channels` values behind each tap; sixteen biases; the weights that `pack`
/// laid out for a group. [`Filters::weights`] reads those.
pub unsafe trait Filters {
    /// The weights of a filter of three by three in registers.
    type Weights: Copy;
    /// The values of a column of three taps as they are multiplied.
    type Column: Copy;

    /// Bytes of a group's weights.
    fn group_bytes(taps: usize) -> usize;

    /// Offsets of the taps in the order of [`Filters::any`]; how many entries there are, or 0 if `into` is too short.
    fn arrange(taps: &[usize], into: &mut [[usize; 4]]) -> usize;

    /// Whether a filter of nine taps may be computed by columns.
    ///
    /// # Safety
    /// The group's weights may be read.
    unsafe fn by_columns(rows: &Rows) -> bool;

    /// The weights of a filter of three by three.
    ///
    /// # Safety
    /// They may be read.
    unsafe fn weights(from: *const i8) -> Self::Weights;

    /// A column of sixteen channels, from its three rows.
    fn column(rows: [int8x16_t; 3]) -> Self::Column;

    /// Whether two rows of outputs are computed together, so that they share columns of four rows.
    const PAIRS: bool = false;

    /// A column of sixteen channels for two rows of outputs, from its four rows.
    fn column_of_pair(rows: [int8x16_t; 4]) -> Self::Column {
        let _ = rows;
        unreachable!("only called where rows are paired")
    }

    /// The sums of two rows of outputs: start values and the products of three columns, whose weights are read as they are
    /// needed.
    ///
    /// # Safety
    /// The group's bias and weights may be read.
    unsafe fn sums_of_pair(
        bias: *const i32,
        weights: *const i8,
        columns: [&Self::Column; 3],
    ) -> [[int32x4_t; 4]; 2] {
        let _ = (bias, weights, columns);
        unreachable!("only called where rows are paired")
    }

    /// Adds the products of three columns.
    fn add(sums: &mut [int32x4_t; 4], weights: &Self::Weights, columns: [&Self::Column; 3]);

    /// Any filter.
    ///
    /// # Safety
    /// The instruction set is there; what the trait says is readable; outputs may be written.
    unsafe fn any(rows: &Rows);
}

/// Values between the columns of a filter of three by three, if its taps are at regular distances.
fn column_distance(taps: &[usize]) -> Option<usize> {
    let &[a, b, _, d, .., g, _, _] = taps else { return None };
    let (column, row) = (b.checked_sub(a)?, d.checked_sub(a)?);
    let regular =
        taps.len() == 9 && taps.iter().enumerate().all(|(i, &tap)| tap == a + i / 3 * row + i % 3 * column);
    (regular && g >= a).then_some(column)
}

/// The convolution; see [`crate::kernels::Kernels::depthwise`].
///
/// # Panics
/// When a slice is too short for the sizes given.
///
/// # Safety
/// The instruction set is there, and `weights` are what `pack` of the same one made.
pub unsafe fn run<F: Filters>(
    patches: &Patches,
    weights: &PackedDepthwise,
    epilogue: &Epilogue,
    out: &mut Output,
) {
    let (pixels, channels) = (patches.pixels(), weights.channels);
    if pixels == 0 || channels == 0 {
        return;
    }
    assert_eq!((patches.taps.len(), patches.run), (weights.taps, channels), "patches against weights");
    assert!(patches.end() <= patches.data.len(), "patches lie inside their data");
    assert_eq!(patches.width, out.width, "pixels of a row");
    let out_end = (patches.height - 1) * out.row_step + (patches.width - 1) * out.step + channels;
    assert!(out_end <= out.data.len(), "output lies inside its data");
    if let Some(with) = &epilogue.residual {
        assert!((pixels - 1) * with.stride + channels <= with.data.len(), "one value to add for each output");
    }
    let group_bytes = F::group_bytes(weights.taps);
    assert!(weights.data.len() >= groups(channels) * group_bytes, "weights packed for this instruction set");
    assert!(weights.bias.len() >= channels.max(GROUP) + channels, "bias packed for this instruction set");

    let requantize = Requantize::new(epilogue, 0..channels, &weights.bias[weights.bias.len() - channels..]);
    let multipliers = &epilogue.multipliers[..channels];
    let mut few = [0.0; GROUP];
    if channels < GROUP {
        few[..channels].copy_from_slice(multipliers);
    }
    let column = column_distance(patches.taps).filter(|_| channels >= GROUP);
    let mut quads = [[0; 4]; 16];
    let count = F::arrange(patches.taps, &mut quads);
    let chunk = rows_at_once(patches);
    for y in (0..patches.height).step_by(chunk) {
        for group in 0..groups(channels) {
            let channel = first_channel(group, channels);
            let target = Target {
                mode: requantize.mode(channels >= GROUP),
                requantize: &requantize,
                multipliers: if channels < GROUP { few.as_ptr() } else { multipliers[channel..].as_ptr() },
                channel,
                first: 0,
                count: GROUP.min(channels),
                column: channel,
            };
            // SAFETY: patches, outputs, weights and bias lie inside what was asserted above.
            unsafe {
                let rows = Rows {
                    source: patches.data.as_ptr().wrapping_add(y * patches.row_step + channel),
                    taps: patches.taps,
                    quads: &quads[..count],
                    step: [patches.step, patches.row_step],
                    weights: weights.data.bytes().as_ptr().cast::<i8>().add(group * group_bytes),
                    bias: weights.bias.as_ptr().add(channel),
                    channels: GROUP.min(channels),
                    width: patches.width,
                    height: chunk.min(patches.height - y),
                    out: out.data.as_mut_ptr().add(y * out.row_step),
                    out_step: [out.step, out.row_step],
                    pixel: y * patches.width,
                    pixel_step: [1, patches.width],
                    target,
                };
                match column.filter(|_| F::by_columns(&rows)) {
                    Some(column) if column * 2 == patches.step => slide::<F, 2>(&rows),
                    Some(column) if column == patches.step => slide::<F, 1>(&rows),
                    Some(column) if patches.step > 0 && column > 0 && column.is_multiple_of(patches.step) => {
                        dilated::<F>(rows, column / patches.step);
                    }
                    _ => F::any(&rows),
                }
            }
        }
    }
}

/// Rows of outputs to compute for a group before the next one: as many as leave their input in the first-level cache.
fn rows_at_once(patches: &Patches) -> usize {
    const BYTES: usize = 48 << 10;
    let row_bytes = patches.width * patches.step;
    match (BYTES / row_bytes.max(1)).saturating_sub(2).clamp(1, 8) {
        1 => 1,
        // Pairs of rows may be computed together.
        rows => rows / 2 * 2,
    }
}

/// A filter whose columns are `dilation` outputs apart is one of neighboring columns for every `dilation`-th output.
///
/// # Safety
/// As [`slide`].
unsafe fn dilated<F: Filters>(rows: Rows, dilation: usize) {
    for first in 0..dilation.min(rows.width) {
        let target = Target { ..rows.target };
        // SAFETY: the caller's promise; these are some of the outputs.
        unsafe { slide::<F, 1>(&Rows { target, ..rows }.every(dilation, first)) }
    }
}

/// Sixteen start values.
///
/// # Safety
/// They may be read.
#[inline(always)]
pub unsafe fn start(bias: *const i32) -> [int32x4_t; 4] {
    // SAFETY: the caller's promise.
    core::array::from_fn(|i| unsafe { vld1q_s32(bias.add(4 * i)) })
}

/// The values of `channels` channels, at most sixteen.
///
/// # Safety
/// They may be read.
#[inline(always)]
pub unsafe fn load(from: *const Q, channels: usize) -> int8x16_t {
    // SAFETY: the caller's promise.
    unsafe {
        if channels >= GROUP {
            return vld1q_s8(from);
        }
        let mut lanes = [0; GROUP];
        core::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), channels);
        vld1q_s8(lanes.as_ptr())
    }
}
