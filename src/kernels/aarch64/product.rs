//! The walk over a matrix product that all instruction sets share: blocks of pixels, panels of channels.
//!
//! A panel is the weights of a few neighboring output channels, packed so that a kernel reads them from one end to the
//! other. Patches are read where they lie if their runs suit the kernel, and are copied to scratch otherwise. A block of
//! pixels is small enough to stay in the first-level cache while all panels pass.

#![allow(unsafe_code)]

use core::ops::Range;

use super::requantize::{Requantize, Target};
use crate::kernels::{Epilogue, Output, PackedMatrix, Patches, Q, Scratch};

/// Most pixels in a block.
const BLOCK_PIXELS_MAX: usize = 96;
/// Bytes of patches in a block, if that leaves it enough pixels.
const BLOCK_BYTES: usize = 24 << 10;
/// From a copied patch to the next: copying may write fifteen bytes past the end.
const fn pitch(depth: usize) -> usize {
    depth.next_multiple_of(16) + 16
}

/// The terms of a sum, as they lie behind a pixel's address: `count` runs of `run` values, the next one's offset
/// `tap_bytes` behind the last one's in `taps`.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Offsets of the runs.
    pub taps: *const usize,
    /// Bytes from an offset to the next one that counts.
    pub tap_bytes: usize,
    /// Runs; at least 1.
    pub count: usize,
    /// Values of a run, a multiple of what the kernel asked for.
    pub run: usize,
}

/// A panel and what it meets.
pub struct Panel<'a> {
    /// The panel's weights.
    pub weights: *const i8,
    /// Start values of its sums, [`Tiles::BIAS`] a channel.
    pub bias: *const i32,
    /// The panel's channels: fewer than [`Tiles::CHANNELS`] at the end of a matrix.
    pub channels: usize,
    /// Where the values are.
    pub terms: Terms,
    /// Where the results go.
    pub target: Target<'a>,
}

/// The inner part of a matrix product in one instruction set.
///
/// # Safety
/// `panel` reads no more than: for each of `sources`, `terms.run` values behind each offset; `terms.count * terms.run`
/// weights for each channel of the panel (their number rounded up to what `pack` made of it); the panel's bias.
pub unsafe trait Tiles {
    /// Channels of a panel.
    const CHANNELS: usize;
    /// Start values for each channel.
    const BIAS: usize;
    /// Depth is padded to a multiple of this; a single run that is one is read in place.
    const DEPTH: usize;
    /// Several runs are read in place if they are multiples of this.
    const RUN: usize;

    /// All pixels of a block.
    ///
    /// # Safety
    /// The instruction set is there; all that the trait's contract lists is readable; `outs`, as many as `sources`, are
    /// addresses of output pixels as [`Target::store`] wants them; `pixel` is the first one's index.
    unsafe fn panel(panel: &Panel, sources: &[*const Q], outs: &[*mut Q], pixel: usize);
}

/// Bytes that `depth` weights of a channel take.
pub const fn padded(depth: usize, unit: usize) -> usize {
    depth.next_multiple_of(unit)
}

/// Pixels in a block of patches of `depth` values.
fn block_pixels(depth: usize) -> usize {
    (BLOCK_BYTES / depth.max(1)).clamp(12, BLOCK_PIXELS_MAX) / 12 * 12
}

/// Bytes of scratch for patches of `depth` values.
pub fn scratch_bytes<T: Tiles>(depth: usize) -> usize {
    block_pixels(depth) * pitch(depth)
}

/// How many runs in a row are one: each begins where the one before ends.
fn joined(taps: &[usize], run: usize) -> usize {
    let follows = |i: usize| taps[i] == taps[i - 1] + run;
    let length = (1..taps.len()).find(|&i| !follows(i)).unwrap_or(taps.len()).max(1);
    let regular =
        taps.len().is_multiple_of(length) && (1..taps.len()).all(|i| follows(i) != i.is_multiple_of(length));
    if regular { length } else { 1 }
}

/// The product; see [`crate::kernels::Kernels::matrix`].
///
/// # Panics
/// When a slice is too short for the sizes given.
///
/// # Safety
/// The instruction set is there, and `weights` are what `pack` of the same one made.
pub unsafe fn run<T: Tiles>(
    patches: &Patches,
    weights: &PackedMatrix,
    channels: Range<usize>,
    epilogue: &Epilogue,
    out: &mut Output,
    scratch: &mut Scratch,
) {
    let (pixels, depth) = (patches.pixels(), padded(weights.depth, T::DEPTH));
    if pixels == 0 || channels.is_empty() {
        return;
    }
    assert_eq!(patches.depth(), weights.depth, "values of a patch against terms of a sum");
    assert!(patches.end() <= patches.data.len(), "patches lie inside their data");
    assert!(channels.end <= weights.outputs, "channels of the matrix");
    assert_eq!(patches.width, out.width, "pixels of a row");
    let out_end = (patches.height - 1) * out.row_step + (patches.width - 1) * out.step + channels.len();
    assert!(out_end <= out.data.len(), "output lies inside its data");
    if let Some(with) = &epilogue.residual {
        assert!(
            (pixels - 1) * with.stride + channels.len() <= with.data.len(),
            "one value to add for each output"
        );
    }
    let tail_channels = (weights.outputs % T::CHANNELS).next_power_of_two();
    let padded_outputs = weights.outputs / T::CHANNELS * T::CHANNELS
        + if weights.outputs.is_multiple_of(T::CHANNELS) { 0 } else { tail_channels.max(4) };
    assert!(weights.data.len() >= padded_outputs * depth, "weights packed for this instruction set");
    assert!(
        weights.bias.len() >= padded_outputs * T::BIAS + weights.outputs,
        "bias packed for this instruction set"
    );

    let largest = &weights.bias[weights.bias.len() - weights.outputs..];
    let requantize = Requantize::new(epilogue, channels.clone(), largest);
    let joined = joined(patches.taps, patches.run);
    let (count, run) = (patches.taps.len() / joined.max(1), patches.run * joined);
    let in_place = weights.depth > 0 && run.is_multiple_of(if count == 1 { T::DEPTH } else { T::RUN });
    let terms = if in_place {
        Terms { taps: patches.taps.as_ptr(), tap_bytes: joined * size_of::<usize>(), count, run }
    } else {
        Terms { taps: &0, tap_bytes: 0, count: 1, run: depth }
    };
    let mut sources = [core::ptr::null(); BLOCK_PIXELS_MAX];
    let mut outs = [core::ptr::null_mut(); BLOCK_PIXELS_MAX];
    let block = block_pixels(weights.depth);
    let pitch = pitch(weights.depth);
    let values = if in_place || weights.depth == 0 { 0 } else { block * pitch };
    let copies = &mut scratch.lines.bytes_mut()[..values];
    let copies = copies.as_mut_ptr().cast::<Q>();

    let (mut y, mut x) = (0, 0);
    for first in (0..pixels).step_by(block) {
        let length = block.min(pixels - first);
        let mut done = 0;
        while done < length {
            let count = (patches.width - x).min(length - done);
            let base = y * patches.row_step + x * patches.step;
            let (mut source, mut to) =
                (patches.data.as_ptr().wrapping_add(base), y * out.row_step + x * out.step);
            for i in done..done + count {
                sources[i] = source;
                outs[i] = out.data.as_mut_ptr().wrapping_add(to);
                source = source.wrapping_add(patches.step);
                to += out.step;
            }
            if values > 0 {
                let to = copies.wrapping_add(done * pitch);
                // SAFETY: the copies of a block's patches are inside `copies`.
                unsafe { copy_patches(patches, joined, base, count, to, pitch) };
                for i in 0..count {
                    sources[done + i] = to.wrapping_add(i * pitch);
                }
            }
            (done, x) = (done + count, x + count);
            if x == patches.width {
                (y, x) = (y + 1, 0);
            }
        }
        let mut channel = channels.start / T::CHANNELS * T::CHANNELS;
        while channel < channels.end {
            let width = T::CHANNELS.min(weights.outputs - channel);
            let start = channel.max(channels.start);
            let mut tail = [0.0; 16];
            let multipliers = if width == T::CHANNELS {
                epilogue.multipliers[channel..][..width].as_ptr()
            } else {
                tail[..width].copy_from_slice(&epilogue.multipliers[channel..][..width]);
                tail.as_ptr()
            };
            let count = channels.end.min(channel + width) - start;
            let target = Target {
                mode: requantize
                    .mode(count == T::CHANNELS || count == width && count.is_power_of_two() && count >= 4),
                requantize: &requantize,
                multipliers,
                channel,
                first: start - channel,
                count,
                column: start - channels.start,
            };
            // SAFETY: panel `channel / CHANNELS` and its bias lie inside what was asserted above, patches inside the
            // data or the copies, outputs inside theirs.
            unsafe {
                let weights_of_panel = weights.data.bytes().as_ptr().cast::<i8>().add(channel * depth);
                let bias = weights.bias.as_ptr().add(channel * T::BIAS);
                let panel = Panel { weights: weights_of_panel, bias, channels: width, terms, target };
                T::panel(&panel, &sources[..length], &outs[..length], first);
            }
            channel += T::CHANNELS;
        }
    }
}

/// Copies `count` patches, `pitch` apart, the first one's at `base`: sixteen values at a time where the data allow it.
/// What is written past the end of a run is overwritten by the next run, or meets weights of 0.
///
/// # Safety
/// The patches lie inside the data; at `to` there is room for `count` times `pitch`.
unsafe fn copy_patches(
    patches: &Patches,
    joined: usize,
    base: usize,
    count: usize,
    to: *mut Q,
    pitch: usize,
) {
    let run = patches.run * joined;
    for (index, tap) in patches.taps.iter().step_by(joined).enumerate() {
        let end = base + tap + run.next_multiple_of(16);
        let whole = match patches.data.len().checked_sub(end) {
            Some(left) => (left / patches.step.max(1) + 1).min(count),
            None => 0,
        };
        let mut from = patches.data[base + tap..].as_ptr();
        let mut to = to.wrapping_add(index * run);
        // SAFETY: reading past a run happens only inside the data; a pitch is long enough for writing past it.
        unsafe {
            for _ in 0..whole {
                let mut i = 0;
                while i < run {
                    to.add(i)
                        .cast::<[Q; 16]>()
                        .write_unaligned(from.add(i).cast::<[Q; 16]>().read_unaligned());
                    i += 16;
                }
                (from, to) = (from.wrapping_add(patches.step), to.wrapping_add(pitch));
            }
            for _ in whole..count {
                core::ptr::copy_nonoverlapping(from, to, run);
                (from, to) = (from.wrapping_add(patches.step), to.wrapping_add(pitch));
            }
        }
    }
}
