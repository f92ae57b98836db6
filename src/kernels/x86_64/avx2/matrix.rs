//! Matrix products in registers of 256 bits: blocks of pixels brought into rows, then tiles over each panel of output
//! channels.

#![allow(unsafe_code)]

use std::ops::{Range, RangeInclusive};

use super::panel::{self, LANES, Panel, channel_of_lane};
use super::requantize::{ADDED, BOUNDED, Formula, PLAIN, Places};
use super::tile::{Columns, Ending, even_part};
use crate::kernels::generic::requantize::requantize;
use crate::kernels::{Epilogue, Output, PackedMatrix, Patches, Scratch};

/// Most pixels of a tile.
const TILE_PIXELS: usize = 6;
/// Bytes of widened patches that stay in the first-level cache.
const BLOCK_BYTES: usize = 20 << 10;
/// Pixels of a block: at least so many that weights from memory are used often.
const BLOCK_PIXELS: RangeInclusive<usize> = 48..=384;

/// How values are multiplied.
pub trait Products {
    /// Terms of a sum that one lane of 32 bits takes at once.
    const TERMS: usize;

    /// Bytes from a row to the next of what `bring` writes.
    fn stride(depth: usize) -> usize;

    /// Bytes that `bring` writes for `rows` rows.
    fn size(rows: usize, depth: usize) -> usize;

    /// Brings the patches of the `count` pixels from `first` on into rows; gives where they begin and the bytes from one
    /// to the next.
    ///
    /// # Safety
    /// The processor has the instructions; pixels of `patches`, whose data reach to their end; `to` has room.
    unsafe fn bring(patches: &Patches, first: usize, count: usize, to: *mut u8) -> (*const u8, usize);

    /// `R` pixels times the `V` registers of a panel, requantized and stored.
    ///
    /// # Safety
    /// The processor has the instructions; rows and panel have all groups of terms; `8 * V` values can be written at each
    /// place of `to` and, if `END` is [`ADDED`], read at `add.0 + r * add.1`.
    unsafe fn tile<const R: usize, const V: usize, const END: u8>(
        columns: &Columns,
        ending: &Ending,
        rows: (*const u8, usize),
        to: Places,
        add: (*const u8, usize),
    );

    /// The sums of one pixel and the `V` registers of a panel.
    ///
    /// # Safety
    /// As for `tile`; the sums can be written.
    unsafe fn sums<const V: usize>(columns: &Columns, row: *const u8, to: *mut i32);
}

/// Most pixels that are brought into rows at once: a multiple of every tile's.
fn block_pixels<P: Products>(depth: usize) -> usize {
    let fit = BLOCK_BYTES / P::stride(depth).max(1);
    fit.clamp(*BLOCK_PIXELS.start(), *BLOCK_PIXELS.end()) / 12 * 12
}

/// See [`crate::kernels::Kernels::matrix_scratch_bytes`].
pub fn scratch_bytes<P: Products>(depth: usize) -> usize {
    P::size(block_pixels::<P>(depth), depth)
}

/// See [`crate::kernels::Kernels::matrix`].
///
/// # Safety
/// AVX2 and what `P` asks for; `weights` packed for `P`.
#[target_feature(enable = "avx2")]
pub unsafe fn run<P: Products>(
    patches: &Patches,
    weights: &PackedMatrix,
    channels: Range<usize>,
    epilogue: &Epilogue,
    out: &mut Output,
    scratch: &mut Scratch,
) {
    let (pixels, depth) = (patches.pixels(), weights.depth);
    if pixels == 0 || channels.is_empty() {
        return;
    }
    assert!(patches.depth() == depth && patches.data.len() >= patches.end());
    assert!(channels.end <= weights.outputs && channels.end <= epilogue.multipliers.len());
    let groups = depth.div_ceil(P::TERMS);
    assert!(weights.bias.len() == weights.outputs.next_multiple_of(LANES));
    assert!(weights.data.len() >= panel::size(weights.outputs, groups));
    assert!(out.width == patches.width && out.data.len() >= out.at(pixels - 1) + channels.len());
    if let Some(with) = epilogue.residual {
        assert!(with.data.len() >= (pixels - 1) * with.stride + channels.len());
    }
    assert!(scratch.lines.len() >= scratch_bytes::<P>(depth), "scratch is smaller than matrix_scratch_bytes");
    assert!(out.step >= channels.len() || patches.width == 1, "output pixels overlap");

    let formula = Formula::new(epilogue);
    let scratch = scratch.lines.bytes_mut().as_mut_ptr();
    let blocks = pixels.div_ceil(block_pixels::<P>(depth));
    let block = pixels.div_ceil(blocks).next_multiple_of(12);
    let mut offsets = [0; *BLOCK_PIXELS.end()];
    for first in (0..pixels).step_by(block) {
        let count = block.min(pixels - first);
        place(out, first, &mut offsets[..count]);
        // SAFETY: the patches' data reach to their end, and a block is at most `block_pixels`, for which scratch has
        // room.
        let rows = unsafe { P::bring(patches, first, count, scratch) };
        let mut channel = channels.start;
        while channel < channels.end {
            let panel = Panel::holding(channel, weights.outputs);
            let wanted = channel..panel.end().min(channels.end);
            // SAFETY: the panel lies within the packed weights and bias, whose sizes were checked.
            let columns = unsafe {
                Columns {
                    weights: weights.data.bytes().as_ptr().add(panel.offset(groups)),
                    groups,
                    bias: weights.bias.as_ptr().add(panel.start()),
                }
            };
            let block = Block {
                columns,
                panel,
                rows,
                first,
                offsets: &offsets[..count],
                column: channel - channels.start,
                epilogue,
            };
            channel = wanted.end;
            // SAFETY: `rows` holds the patches of the block; the sizes of output and residual were checked.
            unsafe {
                match (&formula, panel.width) {
                    (None, 1) => block.by_definition::<P, 1>(wanted, out),
                    (None, 2) => block.by_definition::<P, 2>(wanted, out),
                    (None, _) => block.by_definition::<P, 3>(wanted, out),
                    (Some(formula), 1) => block.by_formula::<P, 1>(formula, wanted, out),
                    (Some(formula), 2) => block.by_formula::<P, 2>(formula, wanted, out),
                    (Some(formula), _) => block.by_formula::<P, 3>(formula, wanted, out),
                }
            }
        }
    }
}

/// Where the output of the pixels from `first` on begins.
pub fn place(out: &Output, first: usize, offsets: &mut [usize]) {
    let (mut y, mut x) = (first / out.width, first % out.width);
    let mut rest = offsets;
    while !rest.is_empty() {
        let (row, below) = rest.split_at_mut((out.width - x).min(rest.len()));
        let start = y * out.row_step + x * out.step;
        for (index, offset) in row.iter_mut().enumerate() {
            *offset = start + index * out.step;
        }
        (rest, y, x) = (below, y + 1, 0);
    }
}

/// A block of pixels and one panel.
struct Block<'a> {
    columns: Columns,
    panel: Panel,
    /// The patches, and bytes from one to the next.
    rows: (*const u8, usize),
    /// Pixels.
    first: usize,
    /// Where each pixel's output begins.
    offsets: &'a [usize],
    /// Where the first wanted channel goes in the output, counted from the first channel of the call.
    column: usize,
    epilogue: &'a Epilogue<'a>,
}

impl Block<'_> {
    /// Requantizes the sums one by one: for zero points and bounds that no model has.
    ///
    /// # Safety
    /// AVX2; rows and weights of the block; `V` is the panel's width.
    #[target_feature(enable = "avx2")]
    unsafe fn by_definition<P: Products, const V: usize>(&self, wanted: Range<usize>, out: &mut Output) {
        let mut sums = [0; 3 * LANES];
        for (row, &offset) in self.offsets.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe {
                let row = self.rows.0.add(row * self.rows.1);
                P::sums::<V>(&self.columns, row, sums.as_mut_ptr());
            }
            for (lane, &sum) in sums[..V * LANES].iter().enumerate() {
                let channel = self.panel.start() + channel_of_lane(V, lane);
                if wanted.contains(&channel) {
                    let (pixel, column) = (self.first + row, self.column + channel - wanted.start);
                    let residual = self.epilogue.residual.map(|with| with.data[pixel * with.stride + column]);
                    out.data[offset + column] = requantize(sum, channel, residual, self.epilogue);
                }
            }
        }
    }

    /// The tiles of the block.
    ///
    /// # Safety
    /// AVX2; rows and weights of the block; `V` is the panel's width; output and residual, if there is one, have the
    /// wanted channels of every pixel of the block.
    #[target_feature(enable = "avx2")]
    unsafe fn by_formula<P: Products, const V: usize>(
        &self,
        formula: &Formula,
        wanted: Range<usize>,
        out: &mut Output,
    ) {
        let mut multipliers = [0.0; 3 * LANES];
        for (lane, multiplier) in multipliers[..V * LANES].iter_mut().enumerate() {
            let channel = self.panel.start() + channel_of_lane(V, lane);
            *multiplier = self.epilogue.multipliers.get(channel).copied().unwrap_or(0.0);
        }
        let ending = Ending { multipliers: &multipliers, formula };
        // SAFETY: the caller's promise.
        unsafe {
            match formula.end {
                PLAIN => self.tiles::<P, V, PLAIN>(&ending, wanted, out),
                BOUNDED => self.tiles::<P, V, BOUNDED>(&ending, wanted, out),
                _ => self.tiles::<P, V, ADDED>(&ending, wanted, out),
            }
        }
    }

    /// # Safety
    /// As for `by_formula`.
    #[target_feature(enable = "avx2")]
    unsafe fn tiles<P: Products, const V: usize, const END: u8>(
        &self,
        ending: &Ending,
        wanted: Range<usize>,
        out: &mut Output,
    ) {
        let most = if V == 3 { 4 } else { TILE_PIXELS };
        let whole = wanted.len() == V * LANES;
        let with = self.epilogue.residual;
        let (other, other_stride) =
            with.map_or((std::ptr::null(), 0), |with| (with.data.as_ptr(), with.stride));
        let mut row = 0;
        while row < self.offsets.len() {
            let count = even_part(self.offsets.len() - row, most);
            // SAFETY: the caller's promise; a tile of part of a panel goes through memory of its own.
            unsafe {
                let rows = (self.rows.0.add(row * self.rows.1), self.rows.1);
                let offsets = self.offsets.as_ptr().add(row);
                let to = Places { data: out.data.as_mut_ptr(), offsets, column: self.column };
                let add = (other.wrapping_add((self.first + row) * other_stride + self.column), other_stride);
                if whole && count == most && V == 3 {
                    P::tile::<4, V, END>(&self.columns, ending, rows, to, add);
                } else if whole && count == most {
                    P::tile::<TILE_PIXELS, V, END>(&self.columns, ending, rows, to, add);
                } else if whole {
                    self.tile::<P, V, END>(count, ending, rows, to, add);
                } else {
                    self.part::<P, V, END>(count, ending, &wanted, rows, to, add);
                }
            }
            row += count;
        }
    }

    /// A tile of which only some channels are wanted.
    ///
    /// # Safety
    /// As for `Products::tile` with `count` pixels, of which the wanted channels can be written and read.
    #[target_feature(enable = "avx2")]
    unsafe fn part<P: Products, const V: usize, const END: u8>(
        &self,
        count: usize,
        ending: &Ending,
        wanted: &Range<usize>,
        rows: (*const u8, usize),
        to: Places,
        (add, add_stride): (*const u8, usize),
    ) {
        const STRIDE: usize = 3 * LANES;
        let skipped = wanted.start - self.panel.start();
        let mut other = [0u8; TILE_PIXELS * STRIDE];
        let mut result = [0u8; TILE_PIXELS * STRIDE];
        let offsets: [usize; TILE_PIXELS] = std::array::from_fn(|r| r * STRIDE);
        let part = Places { data: result.as_mut_ptr(), offsets: offsets.as_ptr(), column: 0 };
        // SAFETY: the caller's promise; the wanted channels lie within the panel, of at most `STRIDE` channels.
        unsafe {
            for r in 0..if END == ADDED { count } else { 0 } {
                let other = other.as_mut_ptr().add(r * STRIDE + skipped);
                add.add(r * add_stride).copy_to_nonoverlapping(other, wanted.len());
            }
            self.tile::<P, V, END>(count, ending, rows, part, (other.as_ptr(), STRIDE));
            for r in 0..count {
                let result = result.as_ptr().add(r * STRIDE + skipped);
                result.copy_to_nonoverlapping(to.at(r), wanted.len());
            }
        }
    }

    /// # Safety
    /// As for `Products::tile` with `count` pixels.
    #[inline(never)]
    #[target_feature(enable = "avx2")]
    unsafe fn tile<P: Products, const V: usize, const END: u8>(
        &self,
        count: usize,
        ending: &Ending,
        rows: (*const u8, usize),
        to: Places,
        add: (*const u8, usize),
    ) {
        let columns = &self.columns;
        // SAFETY: the caller's promise.
        unsafe {
            match count {
                1 => P::tile::<1, V, END>(columns, ending, rows, to, add),
                2 => P::tile::<2, V, END>(columns, ending, rows, to, add),
                3 => P::tile::<3, V, END>(columns, ending, rows, to, add),
                4 => P::tile::<4, V, END>(columns, ending, rows, to, add),
                5 if V < 3 => P::tile::<5, V, END>(columns, ending, rows, to, add),
                _ if V < 3 => P::tile::<6, V, END>(columns, ending, rows, to, add),
                _ => unreachable!("tiles of three registers have at most four pixels"),
            }
        }
    }
}
