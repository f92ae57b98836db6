//! Depthwise convolution with VNNI: values of four rows brought side by side once, then multiplied for every output that
//! sees them.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use super::filter::{Block, Grid, offset, registers, unpack};
use super::panel::{Panel, by_lanes};
use super::requantize::{Added, Formula, Multipliers, Places, finish};
use super::vector::{GROUP, Job, Vector, WIDEST_BYTES, WIDEST_LANES, Wanted};
use crate::kernels::generic::requantize::requantize;
use crate::kernels::{Epilogue, Output, PackedDepthwise, Patches};

/// Most outputs of a row that share what was brought side by side.
const OUTPUTS: usize = 24;
/// Columns of a plane, four registers each, that are kept: at most 16 KiB.
const KEPT: usize = 64;

/// How the taps of a call lie.
#[derive(Clone, Copy)]
struct Layout {
    grid: Grid,
    /// Values from a column of taps to the next.
    spacing: usize,
    /// Columns from an output to the next.
    stride: usize,
}

impl Layout {
    /// A square if the taps are one and outputs are whole columns apart, so that they share columns; else scattered.
    fn new(patches: &Patches) -> Layout {
        let square = Grid::square(patches.taps.len()).and_then(|grid| {
            let spacing = patches.taps[1].checked_sub(patches.taps[0]).filter(|&spacing| spacing > 0)?;
            let even = patches
                .taps
                .chunks_exact(grid.columns)
                .all(|row| row.iter().enumerate().all(|(column, &tap)| tap == row[0] + column * spacing));
            let stride = patches.step / spacing;
            let shared = patches.step.is_multiple_of(spacing) && (1..grid.columns).contains(&stride);
            (even && shared).then_some(Layout { grid, spacing, stride })
        });
        let scattered = Grid::scattered(patches.taps.len());
        square.unwrap_or(Layout { grid: scattered, spacing: patches.step, stride: 1 })
    }

    /// Columns that `outputs` outputs see.
    fn columns(&self, outputs: usize) -> usize {
        (outputs - 1) * self.stride + self.grid.columns
    }

    /// Most outputs whose columns can be kept; 0 if not even one output's can.
    fn outputs(&self) -> usize {
        let fit = |&outputs: &usize| self.columns(outputs) * self.grid.planes() <= KEPT;
        (1..=OUTPUTS).rev().find(fit).unwrap_or(0)
    }

    /// Of so many columns of the plane one is looked at, whatever the output.
    fn every(&self, plane: usize) -> usize {
        let (mut a, mut b) = (self.grid.advance(plane), self.stride);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    }
}

/// See [`crate::kernels::Kernels::depthwise`].
///
/// # Safety
/// The processor has the instructions of `T`.
pub unsafe fn run<T: Vector>(
    patches: &Patches,
    weights: &PackedDepthwise,
    epilogue: &Epilogue,
    out: &mut Output,
) {
    let (pixels, channels) = (patches.pixels(), weights.channels);
    if pixels == 0 || channels == 0 {
        return;
    }
    assert!(patches.taps.len() == weights.taps && patches.run == channels);
    assert!(patches.data.len() >= patches.end());
    let packed = registers::<T>(channels);
    assert!(weights.bias.len() == packed * T::LANES && epilogue.multipliers.len() >= channels);
    assert!(out.width == patches.width && out.data.len() >= out.at(pixels - 1) + channels);
    assert!(out.step >= channels || out.width == 1, "output pixels overlap");
    if let Some(with) = epilogue.residual {
        assert!(with.data.len() >= (pixels - 1) * with.stride + channels);
    }
    let layout = Layout::new(patches);
    assert!(weights.data.len() >= offset::<T>(layout.grid, packed, channels, weights.taps));
    let most = layout.outputs();
    let Some(formula) = Formula::new(epilogue).filter(|_| most > 0) else {
        return by_definition::<T>(patches, weights, epilogue, out);
    };
    let mut strip = Strip {
        patches,
        weights,
        epilogue,
        formula,
        layout,
        offsets: std::array::from_fn(|output| output * out.step),
        columns: layout.columns(most.min(patches.width)),
        dots: [0; KEPT],
        dot_count: 0,
        kept: MaybeUninit::uninit(),
        sums: Registers([0; (OUTPUTS * GROUP + 3) * WIDEST_BYTES]),
    };
    for (plane, column) in layout.grid.dots() {
        strip.dots[strip.dot_count] = plane * strip.columns + column;
        strip.dot_count += 1;
    }
    for block in Block::all::<T>(channels) {
        let panel = Panel { first: 0, width: block.width };
        let mut multipliers = [0.0; GROUP * WIDEST_LANES];
        let values = &epilogue.multipliers[block.start..block.start + block.count];
        by_lanes(panel, T::LANES, values, 0.0, &mut multipliers[..block.width * T::LANES]);
        let multipliers = Multipliers::new(multipliers);
        for y in 0..patches.height {
            for x in (0..patches.width).step_by(most) {
                let outputs = Outputs { y, x, count: most.min(patches.width - x) };
                // SAFETY: what is read and written was checked above to lie within its slice.
                unsafe {
                    if block.width == GROUP {
                        strip.bring_side_by_side::<T, GROUP>(outputs, block);
                    } else {
                        strip.bring_side_by_side::<T, 1>(outputs, block);
                    }
                    strip.multiply::<T>(outputs, block);
                    strip.finish::<T>(outputs, block, &multipliers, out);
                }
            }
        }
    }
}

/// One by one: for zero points and bounds that no model has, and filters of hundreds of taps.
fn by_definition<T: Vector>(
    patches: &Patches,
    weights: &PackedDepthwise,
    epilogue: &Epilogue,
    out: &mut Output,
) {
    for channel in 0..weights.channels {
        for pixel in 0..patches.pixels() {
            let base = patches.base(pixel) + channel;
            // The zero point is in the packed bias.
            let (bias, taps) = unpack::<T>(weights, channel);
            let sum = patches.taps.iter().zip(taps).fold(bias, |sum, (tap, weight)| {
                sum.wrapping_add(i32::from(patches.data[base + tap]) * i32::from(weight))
            });
            let residual = epilogue.residual.map(|with| with.data[pixel * with.stride + channel]);
            let at = out.at(pixel) + channel;
            out.data[at] = requantize(sum, channel, residual, epilogue);
        }
    }
}

/// Some outputs of a row.
#[derive(Clone, Copy)]
struct Outputs {
    y: usize,
    x: usize,
    count: usize,
}

/// Memory for whole registers.
#[repr(C, align(64))]
struct Registers<const BYTES: usize>([u8; BYTES]);

/// What is kept for some outputs of a row.
struct Strip<'a> {
    patches: &'a Patches<'a>,
    weights: &'a PackedDepthwise,
    epilogue: &'a Epilogue<'a>,
    formula: Formula,
    layout: Layout,
    /// Where each output goes, counted from the first.
    offsets: [usize; OUTPUTS],
    /// Columns of a plane.
    columns: usize,
    /// For each dot product, which of the kept columns it takes for the first output.
    dots: [usize; KEPT],
    dot_count: usize,
    /// `[planes][columns][registers]`. Nothing is read that was not written before.
    kept: MaybeUninit<Registers<{ KEPT * GROUP * WIDEST_BYTES }>>,
    /// `[outputs][registers]`, and three registers that are read past them.
    sums: Registers<{ (OUTPUTS * GROUP + 3) * WIDEST_BYTES }>,
}

impl Strip<'_> {
    /// Brings the values of each plane side by side for all columns that the outputs see.
    ///
    /// # Safety
    /// The processor has the instructions of `T`; the outputs are pixels of the patches, whose data reach to their end,
    /// and at most as many as can be kept; the block, of `V` registers, is one of the filter.
    unsafe fn bring_side_by_side<T: Vector, const V: usize>(&mut self, outputs: Outputs, block: Block) {
        let Patches { data, taps, step, row_step, .. } = *self.patches;
        let Layout { grid, spacing, .. } = self.layout;
        let base = outputs.y * row_step + outputs.x * step + block.start;
        for plane in 0..grid.planes() {
            let values = grid.values(plane);
            let first = plane * self.columns * V * T::LANES * 4;
            let kept = self.kept.as_mut_ptr().cast::<u8>();
            let job = Interleave::<V> {
                from: values.map(|(row, _)| data[base + taps[row * grid.columns]..].as_ptr()),
                ahead: values.map(|(_, column)| column),
                columns: self.layout.columns(outputs.count),
                every: self.layout.every(plane),
                spacing,
                count: block.count,
                to: kept.wrapping_add(first),
            };
            // SAFETY: the caller's promise.
            unsafe { T::enter(job) };
        }
    }

    /// Computes the sums of the outputs.
    ///
    /// # Safety
    /// As for `bring_side_by_side`, which was called for these outputs and this block.
    unsafe fn multiply<T: Vector>(&mut self, outputs: Outputs, block: Block) {
        let start = offset::<T>(self.layout.grid, block.first, self.weights.channels, self.weights.taps);
        let sums = Sums {
            kept: self.kept.as_ptr().cast(),
            dots: &self.dots[..self.dot_count],
            stride: self.layout.stride,
            weights: self.weights.data.bytes()[start..].as_ptr(),
            bias: self.weights.bias[block.first * T::LANES..].as_ptr().cast(),
            count: outputs.count,
            to: self.sums.0.as_mut_ptr(),
        };
        // SAFETY: the caller's promise.
        unsafe {
            match (block.width, T::OUTPUTS) {
                (GROUP, 6) => T::enter(Multiply::<6, GROUP>(sums)),
                (GROUP, _) => T::enter(Multiply::<2, GROUP>(sums)),
                _ => T::enter(Multiply::<8, 1>(sums)),
            }
        }
    }

    /// Requantizes and stores the outputs.
    ///
    /// # Safety
    /// As for `multiply`, which was called for these outputs and this block; output and residual, if there is one, have
    /// these pixels.
    unsafe fn finish<T: Vector>(
        &self,
        outputs: Outputs,
        block: Block,
        multipliers: &Multipliers,
        out: &mut Output,
    ) {
        let Outputs { y, x, count } = outputs;
        let added = self.epilogue.residual.map(|with| {
            let at = (y * self.patches.width + x) * with.stride + block.start;
            Added { data: with.data[at..].as_ptr(), stride: with.stride }
        });
        let to = Places {
            data: out.data[y * out.row_step + x * out.step + block.start..].as_mut_ptr(),
            offsets: &self.offsets[..count],
            column: 0,
        };
        let wanted = Wanted { skip: 0, count: block.count };
        let sums = self.sums.0.as_ptr();
        // SAFETY: the caller's promise.
        unsafe { finish::<T>(block.width, sums, multipliers, &self.formula, to, added, wanted) }
    }
}

/// Brings the values of `V` registers of channels of each column side by side: `to[column][V]`.
///
/// To be run where `count` values of each column, all that `V` registers hold or fewer than one holds, can be read from
/// all four places, and `to` has room.
struct Interleave<const V: usize> {
    /// Where the four values of the first column lie.
    from: [*const u8; 4],
    /// So many columns further on, at most the last one, each of the four is read.
    ahead: [usize; 4],
    columns: usize,
    /// Only every so manieth column is written.
    every: usize,
    /// Values from a column to the next.
    spacing: usize,
    count: usize,
    to: *mut u8,
}

impl<const V: usize> Job for Interleave<V> {
    #[inline(always)]
    unsafe fn run<T: Vector>(self) {
        let Interleave { from, ahead, columns, every, spacing, .. } = self;
        let whole = columns.saturating_sub(ahead[3]);
        let mut rows = from;
        for (row, ahead) in rows.iter_mut().zip(ahead) {
            *row = row.wrapping_add(ahead * spacing);
        }
        let mut column = 0;
        // SAFETY: the job's promise; of the four values, the last is furthest ahead.
        unsafe {
            while column < whole {
                self.column::<T>(rows, column);
                rows = rows.map(|row| row.wrapping_add(every * spacing));
                column += every;
            }
            while column < columns {
                let at = ahead.map(|ahead| (column + ahead).min(columns - 1) * spacing);
                let rows = std::array::from_fn(|index| from[index].wrapping_add(at[index]));
                self.column::<T>(rows, column);
                column += every;
            }
        }
    }
}

impl<const V: usize> Interleave<V> {
    /// # Safety
    /// As for the job; `rows` are those of this column.
    #[inline(always)]
    unsafe fn column<T: Vector>(&self, rows: [*const u8; 4], column: usize) {
        let bytes = T::LANES * 4;
        // SAFETY: the caller's promise.
        unsafe {
            let to = self.to.add(column * V * bytes);
            if V == GROUP {
                for (v, value) in T::interleave_group(rows).into_iter().enumerate() {
                    T::store(value, to.add(v * bytes));
                }
            } else {
                T::store(T::interleave_one(rows, self.count), to);
            }
        }
    }
}

/// What the sums of some outputs are computed from, and where they go.
#[derive(Clone, Copy)]
struct Sums<'a> {
    /// `[columns][registers]`.
    kept: *const u8,
    /// For each dot product, which column it takes for the first output.
    dots: &'a [usize],
    /// Columns from an output to the next.
    stride: usize,
    /// `[dot products][registers]`.
    weights: *const u8,
    /// `[registers]`.
    bias: *const u8,
    /// Outputs.
    count: usize,
    /// `[outputs][registers]`.
    to: *mut u8,
}

/// The sums of `V` registers of channels, `R` outputs at a time.
///
/// To be run where the columns of all outputs are kept, with weights of every dot product, and sums have room.
struct Multiply<'a, const R: usize, const V: usize>(Sums<'a>);

impl<const R: usize, const V: usize> Job for Multiply<'_, R, V> {
    #[inline(always)]
    unsafe fn run<T: Vector>(self) {
        let count = self.0.count;
        // SAFETY: the job's promise.
        unsafe {
            if count < R {
                for output in 0..count {
                    self.0.outputs::<T, 1, V>(output);
                }
                return;
            }
            // The last outputs are computed together with some that are already there.
            let mut first = 0;
            loop {
                self.0.outputs::<T, R, V>(first);
                if first + R == count {
                    return;
                }
                first = (first + R).min(count - R);
            }
        }
    }
}

impl Sums<'_> {
    /// The sums of `R` outputs.
    ///
    /// # Safety
    /// As for [`Multiply`]; there are these outputs.
    #[inline(always)]
    unsafe fn outputs<T: Vector, const R: usize, const V: usize>(&self, first: usize) {
        let bytes = T::LANES * 4;
        let step = self.stride * V * bytes;
        // SAFETY: the caller's promise.
        unsafe {
            let kept = self.kept.add(first * step);
            let mut weights = self.weights;
            let mut sums = [[T::repeat_i32(0); V]; R];
            for output in &mut sums {
                for (v, sum) in output.iter_mut().enumerate() {
                    *sum = T::load(self.bias.add(v * bytes));
                }
            }
            for &dot in self.dots {
                let kept = kept.add(dot * V * bytes);
                let mut filter = [T::repeat_i32(0); V];
                for (v, filter) in filter.iter_mut().enumerate() {
                    *filter = T::load(weights.add(v * bytes));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = T::dot(*sum, T::load(kept.add(r * step + v * bytes)), filter[v]);
                    }
                }
                weights = weights.add(V * bytes);
            }
            for (r, sums) in sums.iter().enumerate() {
                for (v, &sum) in sums.iter().enumerate() {
                    T::store(sum, self.to.add(((first + r) * V + v) * bytes));
                }
            }
        }
    }
}
