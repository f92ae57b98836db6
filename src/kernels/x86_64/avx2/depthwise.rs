//! Depthwise convolution on AVX2: how the taps lie, and which kernel suits them.

#![allow(unsafe_code)]

use super::filter::{self, CHANNELS, Grid, blocks, offset, weight};
use super::requantize::{ADDED, BOUNDED, Formula, PLAIN};
use super::strip::Strip;
use super::three;
use crate::kernels::generic::requantize::requantize;
use crate::kernels::{Epilogue, Output, PackedDepthwise, Patches};

/// How the taps of a call lie.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Rows and columns of taps.
    pub grid: Grid,
    /// Values from a column of taps to the next.
    pub spacing: usize,
    /// Columns from an output to the next, of those that share columns.
    pub stride: usize,
    /// Every how many outputs share columns: the dilation, if the stride is 1.
    pub phases: usize,
}

impl Layout {
    /// A square if the taps are one and outputs share columns; else scattered.
    pub fn new(patches: &Patches) -> Layout {
        let square = Grid::square(patches.taps.len()).and_then(|grid| {
            let spacing = patches.taps[1].checked_sub(patches.taps[0]).filter(|&spacing| spacing > 0)?;
            let even = patches
                .taps
                .chunks_exact(grid.columns)
                .all(|row| row.iter().enumerate().all(|(column, &tap)| tap == row[0] + column * spacing));
            if even && patches.step > 0 && spacing.is_multiple_of(patches.step) {
                return Some(Layout { grid, spacing, stride: 1, phases: spacing / patches.step });
            }
            let stride = patches.step / spacing;
            let shared = patches.step.is_multiple_of(spacing) && (1..grid.columns).contains(&stride);
            (even && shared).then_some(Layout { grid, spacing, stride, phases: 1 })
        });
        square.unwrap_or(Layout::scattered(patches))
    }

    /// Each tap on its own.
    fn scattered(patches: &Patches) -> Layout {
        let grid = Grid::scattered(patches.taps.len());
        Layout { grid, spacing: patches.step, stride: 1, phases: 1 }
    }

    /// Columns that `outputs` outputs see.
    pub fn columns(&self, outputs: usize) -> usize {
        (outputs - 1) * self.stride + self.grid.columns
    }
}

/// See [`crate::kernels::Kernels::depthwise`].
///
/// # Safety
/// AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn run(patches: &Patches, weights: &PackedDepthwise, epilogue: &Epilogue, out: &mut Output) {
    let (pixels, channels) = (patches.pixels(), weights.channels);
    if pixels == 0 || channels == 0 {
        return;
    }
    assert!(patches.taps.len() == weights.taps && patches.run == channels);
    assert!(patches.data.len() >= patches.end());
    assert!(weights.bias.len() == blocks(channels) * CHANNELS && epilogue.multipliers.len() >= channels);
    assert!(out.width == patches.width && out.data.len() >= out.at(pixels - 1) + channels);
    assert!(out.step >= channels || out.width == 1, "output pixels overlap");
    if let Some(with) = epilogue.residual {
        assert!(with.data.len() >= (pixels - 1) * with.stride + channels);
    }
    let layout = Layout::new(patches);
    let packed = offset(layout.grid, blocks(channels), channels, weights.taps);
    assert!(weights.data.len() >= packed);
    let Some(formula) = Formula::new(epilogue) else {
        return by_definition(patches, weights, epilogue, out);
    };
    // SAFETY: the sizes were checked.
    unsafe {
        let sliding = layout.grid == (Grid { rows: 3, columns: 3 }) && layout.stride <= 2;
        if sliding && channels >= CHANNELS {
            let call = three::Call { patches, weights, epilogue, formula: &formula, layout };
            match (layout.stride, formula.end) {
                (1, PLAIN) => call.run::<1, PLAIN>(out),
                (1, BOUNDED) => call.run::<1, BOUNDED>(out),
                (1, _) => call.run::<1, ADDED>(out),
                (_, PLAIN) => call.run::<2, PLAIN>(out),
                (_, BOUNDED) => call.run::<2, BOUNDED>(out),
                (_, _) => call.run::<2, ADDED>(out),
            }
            return;
        }
        let layout = if layout.phases > 1 { Layout::scattered(patches) } else { layout };
        match Strip::new(patches, weights, epilogue, formula, layout) {
            Some(mut strip) if formula.end == PLAIN => strip.run::<PLAIN>(out),
            Some(mut strip) if formula.end == BOUNDED => strip.run::<BOUNDED>(out),
            Some(mut strip) => strip.run::<ADDED>(out),
            None => by_definition(patches, weights, epilogue, out),
        }
    }
}

/// One by one: for zero points and bounds that no model has, and filters of hundreds of taps.
fn by_definition(patches: &Patches, weights: &PackedDepthwise, epilogue: &Epilogue, out: &mut Output) {
    for pixel in 0..patches.pixels() {
        let (base, at) = (patches.base(pixel), out.at(pixel));
        for channel in 0..weights.channels {
            // The zero point is in the packed bias.
            let bias = filter::bias(weights, channel);
            let sum = patches.taps.iter().enumerate().fold(bias, |sum, (index, tap)| {
                let value = i32::from(patches.data[base + tap + channel]);
                sum.wrapping_add(value * i32::from(weight(weights, index, channel)))
            });
            let residual = epilogue.residual.map(|with| with.data[pixel * with.stride + channel]);
            out.data[at + channel] = requantize(sum, channel, residual, epilogue);
        }
    }
}
