//! The walk over a matrix product that all instruction sets share: blocks of pixels, panels of channels.
//!
//! A panel is the weights of a few neighboring output channels, packed so that a kernel reads them from one end to the
//! other. Patches are read where they lie if their runs suit the kernel, and are copied to scratch otherwise. A block of
//! pixels is small enough to stay in the first-level cache while all panels pass.

#![allow(unsafe_code)]

use core::ops::Range;

use super::copies::{copy_patches, joined, pitch};
use super::rounding::Requantize;
use super::target::Target;
use crate::kernels::{Epilogue, Output, PackedMatrix, Patches, Q, Scratch};

/// Most pixels in a block.
const BLOCK_PIXELS_MAX: usize = 192;
/// Bytes of patches in a block, if that leaves it enough pixels.
const BLOCK_BYTES: usize = 24 << 10;
/// The pixels of a block.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// The first value of each patch's first run.
    pub sources: [*const Q; BLOCK_PIXELS_MAX],
    /// Where each pixel's output channels begin.
    pub outs: [*mut Q; BLOCK_PIXELS_MAX],
}

/// The terms of a sum, as they lie behind a pixel's source.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Offset of the first run; every `joined`-th of those behind it begins another one.
    taps: *const usize,
    joined: usize,
    /// Runs after the first.
    pub more: usize,
    /// Values of a run, a multiple of what the kernel asked for.
    pub run: usize,
}

impl Terms {
    /// How far behind the source run `index` begins.
    ///
    /// # Safety
    /// `index <= more`.
    #[inline(always)]
    pub unsafe fn offset(&self, index: usize) -> usize {
        // SAFETY: the caller's promise.
        unsafe { (*self.taps.add(index * self.joined)).wrapping_sub(*self.taps) }
    }
}

/// A panel and what it meets.
pub struct Panel<'a> {
    /// The panel's weights.
    pub weights: *const i8,
    /// What is packed behind the weights of all of [`Tiles::CHANNELS`].
    pub marks: *const i8,
    /// Start values of its sums, [`Tiles::BIAS`] a channel.
    pub bias: *const i32,
    /// The panel's channels: fewer than [`Tiles::CHANNELS`] at the end of a matrix.
    pub channels: usize,
    /// Where the values are.
    pub terms: Terms,
    /// What [`Tiles::prepare`] made of a block's values.
    pub prepared: *const u8,
    /// Where the results go.
    pub target: Target<'a>,
}

/// The inner part of a matrix product in one instruction set.
///
/// # Safety
/// `panel` reads no more than: for each pixel, `terms.run` values of each run; as many weights for each channel of the
/// panel (the number of channels rounded up to what `pack` made of it) and what is packed with them; the panel's bias.
pub unsafe trait Tiles {
    /// Channels of a panel.
    const CHANNELS: usize;
    /// Start values for each channel.
    const BIAS: usize;
    /// Depth is padded to a multiple of this; a single run that is one is read in place.
    const DEPTH: usize;
    /// Several runs are read in place if they are multiples of this.
    const RUN: usize;

    /// Channels that are computed where a panel has `channels`.
    fn width(channels: usize) -> usize;

    /// Bytes of a panel's weights and of what is packed with them.
    fn panel_bytes(depth: usize) -> usize {
        Self::CHANNELS * depth
    }

    /// Bytes that [`Tiles::prepare`] may write for `pixels` patches of `depth` values.
    fn prepared_bytes(pixels: usize, depth: usize) -> usize {
        let _ = (pixels, depth);
        0
    }

    /// Brings the values of a block into an order of the kernel's own, where that has one.
    ///
    /// # Safety
    /// As [`Tiles::panel`]; at `to` there is room for [`Tiles::prepared_bytes`].
    unsafe fn prepare(terms: &Terms, places: &Places, length: usize, to: *mut u8) {
        let _ = (terms, places, length, to);
    }

    /// All pixels of a block.
    ///
    /// # Safety
    /// The instruction set is there; the block was prepared; all that the trait's contract lists is readable; outputs are as [`Target::store`]
    /// wants them; the first `length` of `places` are used; `first` is the index of the first pixel.
    unsafe fn panel(panel: &Panel, places: &Places, length: usize, first: usize);
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
    block_pixels(depth) * pitch(depth) + T::prepared_bytes(block_pixels(depth), depth)
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
    let whole = weights.outputs / T::CHANNELS * T::CHANNELS;
    let padded_outputs = whole + if whole < weights.outputs { T::width(weights.outputs - whole) } else { 0 };
    let panels = weights.outputs.div_ceil(T::CHANNELS);
    assert!(weights.data.len() >= panels * T::panel_bytes(depth), "weights packed for this instruction set");
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
        Terms { taps: patches.taps.as_ptr(), joined, more: count - 1, run }
    } else {
        Terms { taps: &0, joined: 1, more: 0, run: depth }
    };
    let first_tap = patches.taps.first().copied().unwrap_or_default();
    let mut places = Places {
        sources: [core::ptr::null(); BLOCK_PIXELS_MAX],
        outs: [core::ptr::null_mut(); BLOCK_PIXELS_MAX],
    };
    let block = block_pixels(weights.depth);
    let pitch = pitch(weights.depth);
    let values = if in_place || weights.depth == 0 { 0 } else { block * pitch };
    let prepared_bytes = T::prepared_bytes(block.min(pixels), weights.depth);
    let bytes = &mut scratch.lines.bytes_mut()[..values + prepared_bytes];
    let (copies, prepared) = bytes.split_at_mut(values);
    let (copies, prepared) = (copies.as_mut_ptr().cast::<Q>(), prepared.as_mut_ptr());

    let (mut y, mut x) = (0, 0);
    for first in (0..pixels).step_by(block) {
        let length = block.min(pixels - first);
        let mut done = 0;
        while done < length {
            let count = (patches.width - x).min(length - done);
            let base = y * patches.row_step + x * patches.step;
            let (mut source, source_step) = if values > 0 {
                let to = copies.wrapping_add(done * pitch);
                // SAFETY: the copies of a block's patches are inside `copies`.
                unsafe { copy_patches(patches, joined, base, count, to, pitch) };
                (to.cast_const(), pitch)
            } else {
                (patches.data.as_ptr().wrapping_add(base + first_tap), patches.step)
            };
            let mut to = out.data.as_mut_ptr().wrapping_add(y * out.row_step + x * out.step);
            let sources = &mut places.sources[done..done + count];
            for (from, place) in sources.iter_mut().zip(&mut places.outs[done..done + count]) {
                (*from, *place) = (source, to);
                (source, to) = (source.wrapping_add(source_step), to.wrapping_add(out.step));
            }
            (done, x) = (done + count, x + count);
            if x == patches.width {
                (y, x) = (y + 1, 0);
            }
        }
        // SAFETY: patches lie inside the data or the copies.
        unsafe { T::prepare(&terms, &places, length, prepared) };
        let mut channel = channels.start / T::CHANNELS * T::CHANNELS;
        while channel < channels.end {
            let width = T::CHANNELS.min(weights.outputs - channel);
            let start = channel.max(channels.start);
            let mut tail = [0.0; 32];
            let multipliers = if width == T::CHANNELS {
                epilogue.multipliers[channel..][..width].as_ptr()
            } else {
                tail[..width].copy_from_slice(&epilogue.multipliers[channel..][..width]);
                tail.as_ptr()
            };
            let count = channels.end.min(channel + width) - start;
            let target = Target {
                mode: requantize.mode(count == T::width(width)),
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
                let first_byte = channel / T::CHANNELS * T::panel_bytes(depth);
                let weights_of_panel = weights.data.bytes().as_ptr().cast::<i8>().add(first_byte);
                let bias = weights.bias.as_ptr().add(channel * T::BIAS);
                let marks = weights_of_panel.wrapping_add(T::CHANNELS * depth);
                let panel = Panel {
                    weights: weights_of_panel,
                    marks,
                    bias,
                    channels: width,
                    terms,
                    prepared,
                    target,
                };
                T::panel(&panel, &places, length, first);
            }
            channel += T::CHANNELS;
        }
    }
}

/// A source, read once more: the compiler would keep a copy in a register, also where there is no second run.
#[inline(always)]
pub fn again(source: &*const Q) -> *const Q {
    // SAFETY: a reference is readable.
    unsafe { core::ptr::read_volatile(source) }
}

/// All pixels of a block, the largest tiles first: `tiles!(panel, places, length, first, 4 four, 1 one)` calls `four`
/// while four pixels are left, then `one`.
macro_rules! tiles {
    ($panel:ident, $places:ident, $length:ident, $first:ident, $($count:literal $tile:ident),*) => {{
        let mut done = 0;
        $(
            while $length - done >= $count {
                // SAFETY: at least as many pixels are left; the rest is the caller's promise.
                unsafe {
                    let sums = $tile($panel, &*$places.sources.as_ptr().add(done).cast::<[*const Q; $count]>());
                    let outs = *$places.outs.as_ptr().add(done).cast::<[*mut Q; $count]>();
                    $panel.target.store(&sums, outs, || $first + done);
                }
                done += $count;
            }
        )*
    }};
}
pub(super) use tiles;
