//! Matrix products with VNNI: patches read where they lie or copied to rows, then tiles over each panel of channels.

#![allow(unsafe_code)]

use std::ops::Range;

use super::panel::{Panel, TERMS, by_lanes, channel_of_lane, steps};
use super::requantize::{Added, Formula, Multipliers, Places, finish};
use super::rows;
use super::tile::{Columns, MOST_PIXELS, Tile, even_part, pixels};
use super::vector::{GROUP, Vector, WIDEST_BYTES, WIDEST_LANES, Wanted};
use crate::kernels::generic::requantize::requantize;
use crate::kernels::{Epilogue, Output, PackedMatrix, Patches, Scratch};

/// Most pixels of a block, and fewest, so that weights from memory are used often.
const MOST: usize = 384;
const FEWEST: usize = 48;
/// Bytes of rows of a block that stay in the first-level cache.
const COPIED_BYTES: usize = 20 << 10;
/// Bytes of patches of a block that stay in the second-level cache, where they are read in place.
const DIRECT_BYTES: usize = 192 << 10;

/// Pixels of a block.
fn block_pixels(bytes: usize, stride: usize) -> usize {
    (bytes / stride.max(1)).clamp(FEWEST, MOST)
}

/// See [`crate::kernels::Kernels::matrix_scratch_bytes`].
pub fn scratch_bytes(depth: usize) -> usize {
    rows::size(block_pixels(COPIED_BYTES, rows::stride(depth)), depth)
}

/// See [`crate::kernels::Kernels::matrix`].
///
/// # Safety
/// The processor has the instructions of `T`.
pub unsafe fn run<T: Vector>(
    patches: &Patches,
    weights: &PackedMatrix,
    channels: Range<usize>,
    epilogue: &Epilogue,
    out: &mut Output,
    scratch: &mut Scratch,
) {
    let (count, depth) = (patches.pixels(), weights.depth);
    if count == 0 || channels.is_empty() {
        return;
    }
    assert!(patches.depth() == depth && patches.data.len() >= patches.end());
    assert!(channels.end <= weights.outputs && channels.end <= epilogue.multipliers.len());
    let padded = weights.outputs.next_multiple_of(T::LANES);
    assert!(weights.bias.len() == padded && weights.data.len() >= padded * steps(depth) * TERMS);
    assert!(out.width == patches.width && out.data.len() >= out.at(count - 1) + channels.len());
    assert!(out.step >= channels.len() || patches.width == 1, "output pixels overlap");
    if let Some(with) = epilogue.residual {
        assert!(with.data.len() >= (count - 1) * with.stride + channels.len());
    }
    assert!(scratch.lines.len() >= scratch_bytes(depth), "scratch is smaller than matrix_scratch_bytes");

    let formula = Formula::new(epilogue);
    let direct = depth == 0 || patches.run.is_multiple_of(TERMS);
    let stride = rows::stride(depth);
    let most = if direct { block_pixels(DIRECT_BYTES, depth) } else { block_pixels(COPIED_BYTES, stride) };
    let size = count.div_ceil(count.div_ceil(most));
    let (mut bases, mut offsets) = ([0; MOST], [0; MOST]);
    for first in (0..count).step_by(size) {
        let count = size.min(count - first);
        place(first, out.width, [out.row_step, out.step], &mut offsets[..count]);
        if direct {
            place(first, out.width, [patches.row_step, patches.step], &mut bases[..count]);
        } else {
            let rows = scratch.lines.bytes_mut();
            rows::copy(patches, first, count, rows);
            place(0, count, [0, stride], &mut bases[..count]);
        }
        let mut block = Block {
            origin: if direct { patches.data.as_ptr() } else { scratch.lines.bytes().as_ptr() },
            bases: &bases[..count],
            taps: if direct { patches.taps } else { &[0] },
            run: if direct { patches.run } else { steps(depth) * TERMS },
            first,
            offsets: &offsets[..count],
            weights,
            epilogue,
            formula,
            sums: Sums([0; SUMS_BYTES]),
        };
        let mut channel = channels.start;
        while channel < channels.end {
            let panel = Panel::holding::<T>(channel, weights.outputs);
            let wanted = channel..panel.end(T::LANES).min(channels.end);
            channel = wanted.end;
            // SAFETY: the caller's promise; all slices were checked above to be large enough.
            unsafe { block.multiply::<T>(panel, wanted.clone(), wanted.start - channels.start, out) };
        }
    }
}

/// Where the pixels from `first` on lie, `width` in a row; `steps` from a row to the next and from a pixel to the next.
fn place(first: usize, width: usize, [row_step, step]: [usize; 2], places: &mut [usize]) {
    let (mut y, mut x) = (first / width, first % width);
    let mut rest = places;
    while !rest.is_empty() {
        let (row, below) = rest.split_at_mut((width - x).min(rest.len()));
        let start = y * row_step + x * step;
        for (index, place) in row.iter_mut().enumerate() {
            *place = start + index * step;
        }
        (rest, y, x) = (below, y + 1, 0);
    }
}

/// Bytes of the sums of a tile and of three registers that are read past them.
const SUMS_BYTES: usize = (2 * MOST_PIXELS + 3) * WIDEST_BYTES;

/// The sums of a tile.
#[repr(C, align(64))]
struct Sums([u8; SUMS_BYTES]);

/// A block of pixels.
struct Block<'a> {
    /// The values, and where in them the patch of each pixel lies.
    origin: *const u8,
    bases: &'a [usize],
    /// Where the runs of a patch begin, and their length: whole dot products.
    taps: &'a [usize],
    run: usize,
    /// The first pixel, counted over all.
    first: usize,
    /// Where each pixel's output begins.
    offsets: &'a [usize],
    weights: &'a PackedMatrix,
    epilogue: &'a Epilogue<'a>,
    formula: Option<Formula>,
    sums: Sums,
}

impl Block<'_> {
    /// The wanted channels of one panel; they go to `column` of each pixel's output.
    ///
    /// # Safety
    /// The processor has the instructions of `T`; patches, weights, output and residual, if there is one, are as large as
    /// the block says.
    unsafe fn multiply<T: Vector>(
        &mut self,
        panel: Panel,
        wanted: Range<usize>,
        column: usize,
        out: &mut Output,
    ) {
        // SAFETY: the panel lies within the packed weights and bias.
        let columns = unsafe {
            Columns {
                weights: self.weights.data.bytes().as_ptr().add(panel.offset(self.weights.depth, T::LANES)),
                bias: self.weights.bias.as_ptr().add(panel.start(T::LANES)),
            }
        };
        let mut multipliers = [0.0; GROUP * WIDEST_LANES];
        let lanes = &mut multipliers[..panel.width * T::LANES];
        by_lanes(panel, T::LANES, self.epilogue.multipliers, 0.0, lanes);
        let multipliers = Multipliers::new(multipliers);
        let skip = wanted.start - panel.start(T::LANES);
        let part = Wanted { skip, count: wanted.len() };
        let column = column.wrapping_sub(skip);
        let mut row = 0;
        while row < self.bases.len() {
            let count = even_part(self.bases.len() - row, pixels::<T>(panel.width));
            let rows = row..row + count;
            // SAFETY: the caller's promise.
            unsafe {
                match panel.width {
                    1 => self.tile::<T, 1>(columns, rows.clone()),
                    2 => self.tile::<T, 2>(columns, rows.clone()),
                    3 if T::PANEL >= 3 => self.tile::<T, 3>(columns, rows.clone()),
                    4 if T::PANEL >= 4 => self.tile::<T, 4>(columns, rows.clone()),
                    width => unreachable!("no panel has {width} registers"),
                }
                if let Some(formula) = &self.formula {
                    let added = self.epilogue.residual.map(|with| {
                        let at = ((self.first + row) * with.stride).wrapping_add(column);
                        Added { data: with.data.as_ptr().wrapping_add(at), stride: with.stride }
                    });
                    let offsets = &self.offsets[rows];
                    let to = Places { data: out.data.as_mut_ptr(), offsets, column };
                    let sums = self.sums.0.as_ptr();
                    finish::<T>(panel.width, sums, &multipliers, formula, to, added, part);
                } else {
                    self.by_definition(panel, T::LANES, rows, &wanted, column, out);
                }
            }
            row += count;
        }
    }

    /// Computes the sums of some pixels.
    ///
    /// # Safety
    /// As for `multiply`; there are such pixels, as many as a tile may have.
    unsafe fn tile<T: Vector, const V: usize>(&mut self, columns: Columns, rows: Range<usize>) {
        // SAFETY: the caller's promise.
        unsafe {
            match rows.len() {
                1 => self.tile_of::<T, 1, V>(columns, rows),
                2 => self.tile_of::<T, 2, V>(columns, rows),
                3 => self.tile_of::<T, 3, V>(columns, rows),
                4 if pixels::<T>(V) >= 4 => self.tile_of::<T, 4, V>(columns, rows),
                5 if pixels::<T>(V) >= 5 => self.tile_of::<T, 5, V>(columns, rows),
                6 if pixels::<T>(V) >= 6 => self.tile_of::<T, 6, V>(columns, rows),
                7 if pixels::<T>(V) >= 7 => self.tile_of::<T, 7, V>(columns, rows),
                8 if pixels::<T>(V) >= 8 => self.tile_of::<T, 8, V>(columns, rows),
                9 if pixels::<T>(V) >= 9 => self.tile_of::<T, 9, V>(columns, rows),
                10 if pixels::<T>(V) >= 10 => self.tile_of::<T, 10, V>(columns, rows),
                11 if pixels::<T>(V) >= 11 => self.tile_of::<T, 11, V>(columns, rows),
                12 if pixels::<T>(V) >= 12 => self.tile_of::<T, 12, V>(columns, rows),
                count => unreachable!("a tile of {V} registers has no {count} pixels"),
            }
        }
    }

    /// # Safety
    /// As for `tile`; there are `R` rows.
    unsafe fn tile_of<T: Vector, const R: usize, const V: usize>(
        &mut self,
        columns: Columns,
        rows: Range<usize>,
    ) {
        let bases = &self.bases[rows];
        let rows = std::array::from_fn(|r| self.origin.wrapping_add(bases[r]));
        let sums = self.sums.0.as_mut_ptr();
        // SAFETY: the caller's promise; sums have room.
        unsafe { T::enter(Tile::<R, V> { columns, rows, taps: self.taps, run: self.run, sums }) }
    }

    /// Requantizes the sums one by one: for zero points and bounds that no model has.
    fn by_definition(
        &self,
        panel: Panel,
        lanes: usize,
        rows: Range<usize>,
        wanted: &Range<usize>,
        column: usize,
        out: &mut Output,
    ) {
        let mut sums = self.sums.0.as_chunks::<4>().0.iter().map(|bytes| i32::from_ne_bytes(*bytes));
        for row in rows {
            for (lane, sum) in (0..panel.width * lanes).zip(&mut sums) {
                let within = channel_of_lane(panel.width, lane / lanes, lane % lanes);
                let channel = panel.start(lanes) + within;
                if wanted.contains(&channel) {
                    let column = column.wrapping_add(within);
                    let pixel = self.first + row;
                    let residual = self.epilogue.residual.map(|with| with.data[pixel * with.stride + column]);
                    out.data[self.offsets[row] + column] = requantize(sum, channel, residual, self.epilogue);
                }
            }
        }
    }
}
