//! Stages of a chain: weights in the order of the kernels, and where every row is read.

use std::ops::Range;

use crate::engine::program::{Between, Window};
use crate::kernels::{Kernels, LinearParams, PackedConv3x3, PackedDepthwise, PackedMatrix, Q};

/// One operator of a chain.
pub struct Stage {
    /// Its index in the program.
    pub op: usize,
    /// Height, width, channels of its input.
    pub input: [usize; 3],
    /// Height, width, channels of its output.
    pub output: [usize; 3],
    /// Columns of padding at the left and right of the rows that it reads.
    pub margin: [usize; 2],
    /// What padding is filled with.
    pub fill: Q,
    /// The rows that it reads lie in a band of this many, or in the arena.
    pub band: Option<Band>,
    /// Values from a pixel that it reads to the next.
    pub step: usize,
    /// Values from a row that it reads to the next.
    pub row_step: usize,
    /// What it computes.
    pub compute: Compute,
    /// Zero point of its output, stored form.
    pub zero_point: i32,
    /// Bounds of its output, stored form.
    pub bounds: [i32; 2],
    /// The addition in its epilogue.
    pub residual: Option<Addition>,
    /// Tables applied to its output, in order: 256 entries, or 256 for each channel.
    pub tables: Vec<Vec<Q>>,
}

/// Rows kept between two stages.
#[derive(Clone, Copy, Debug)]
pub struct Band {
    /// First value in the bands of a thread.
    pub start: usize,
    /// Rows.
    pub rows: usize,
}

/// Numbers of an addition in an epilogue; see [`crate::kernels::Residual`].
#[derive(Clone, Copy, Debug)]
pub struct Addition {
    /// Zero point of the other tensor.
    pub data_zero: i32,
    /// Factor of the stage's own output.
    pub own: f32,
    /// Factor of the other tensor.
    pub other: f32,
    /// Zero point of the sum.
    pub zero_point: i32,
    /// Bounds of the sum.
    pub bounds: [i32; 2],
}

/// What a stage computes.
pub enum Compute {
    /// A convolution as a product of patches and weights.
    Matrix {
        /// Where its window lies.
        window: Window,
        /// Where the runs of the first patch begin, for the first group.
        taps: Vec<usize>,
        /// Values of a run.
        run: usize,
        /// The weights of each group.
        groups: Vec<PackedMatrix>,
        /// One for each output channel.
        multipliers: Vec<f32>,
    },
    /// A 3x3 convolution of stride 1, with fewer multiplications.
    Conv3x3 {
        /// Where its window lies.
        window: Window,
        /// Where the runs of the first patch begin.
        taps: Vec<usize>,
        /// Values of a run.
        run: usize,
        /// The weights.
        weights: PackedConv3x3,
        /// One for each output channel.
        multipliers: Vec<f32>,
    },
    /// A convolution with one filter a channel.
    Depthwise {
        /// Where its window lies.
        window: Window,
        /// Where the taps of the first pixel begin.
        taps: Vec<usize>,
        /// The filters.
        weights: PackedDepthwise,
        /// One for each channel.
        multipliers: Vec<f32>,
    },
    /// A transposed convolution: every `stride`-th pixel of the output is a convolution with some of the taps.
    Transposed {
        /// Where its window lies, on the output.
        window: Window,
        /// One for each remainder of output row and column modulo the strides.
        phases: Vec<Phase>,
        /// One for each output channel.
        multipliers: Vec<f32>,
    },
    /// Largest of each window.
    MaxPool {
        /// Where the window lies.
        window: Window,
        /// Where the taps of the first pixel begin.
        taps: Vec<usize>,
    },
    /// Mean of each window.
    AveragePool {
        /// Where the window lies.
        window: Window,
        /// Where the taps of the first pixel begin.
        taps: Vec<usize>,
        /// Zero point of the input, stored form.
        input_zero: i32,
        /// One for each pixel of the output.
        factors: Vec<f32>,
    },
    /// Nearest resize.
    Nearest {
        /// Input row of each output row.
        rows: Vec<usize>,
        /// Input column of each output column.
        columns: Vec<usize>,
    },
    /// Linear resize.
    Linear {
        /// Where each output row lies.
        rows: Vec<Between>,
        /// Where each output column lies.
        columns: Vec<Between>,
        /// Its numbers.
        params: LinearParams,
    },
}

/// The pixels of a transposed convolution's output that are `row`, `column` modulo the strides.
pub struct Phase {
    /// First output column of the phase.
    pub column: usize,
    /// Output columns of the phase.
    pub width: usize,
    /// Output rows of the phase are those with `(y + pad) % stride == remainder`.
    pub remainder: usize,
    /// Input column of the first output column's first tap, relative to the first column with its margin.
    pub taps_columns: Vec<usize>,
    /// Input rows of taps: `(y + pad - remainder) / stride - taps_rows[i]`.
    pub taps_rows: Vec<usize>,
    /// For each group, the weights of these taps.
    pub groups: Vec<PackedMatrix>,
}

impl Stage {
    /// Input rows (some of them padding, when below 0 or beyond the height) that output rows `rows` need.
    pub fn input_rows(&self, rows: Range<usize>) -> Range<isize> {
        if rows.is_empty() {
            return 0..0;
        }
        let (first, last) = (rows.start as isize, rows.end as isize - 1);
        match &self.compute {
            Compute::Matrix { window, .. }
            | Compute::Conv3x3 { window, .. }
            | Compute::Depthwise { window, .. }
            | Compute::MaxPool { window, .. }
            | Compute::AveragePool { window, .. } => {
                let (stride, pad) = (window.strides[0] as isize, window.pads[0] as isize);
                let reach = ((window.kernel[0] - 1) * window.dilations[0]) as isize;
                first * stride - pad..last * stride - pad + reach + 1
            }
            Compute::Transposed { window, .. } => {
                let (stride, pad) = (window.strides[0] as isize, window.pads[0] as isize);
                let reach = ((window.kernel[0] - 1) * window.dilations[0]) as isize;
                let low = (first + pad - reach).div_euclid(stride);
                low..(last + pad).div_euclid(stride) + 1
            }
            Compute::Nearest { rows: sources, .. } => {
                let sources = &sources[rows];
                let low = sources.iter().min().copied().unwrap_or(0);
                let high = sources.iter().max().copied().unwrap_or(0);
                low as isize..high as isize + 1
            }
            Compute::Linear { rows: sources, .. } => {
                let sources = &sources[rows];
                let low = sources.iter().map(|between| between.low.min(between.high)).min().unwrap_or(0);
                let high = sources.iter().map(|between| between.low.max(between.high)).max().unwrap_or(0);
                low as isize..high as isize + 1
            }
        }
    }

    /// Bytes of scratch that its kernels take.
    pub fn scratch_bytes(&self, kernels: &dyn Kernels) -> usize {
        let of_groups = |groups: &[PackedMatrix]| {
            // More terms may need less scratch, so all of them count.
            groups.iter().map(|group| kernels.matrix_scratch_bytes(group.depth)).max().unwrap_or(0)
        };
        match &self.compute {
            Compute::Matrix { groups, .. } => of_groups(groups),
            Compute::Transposed { phases, .. } => {
                phases.iter().map(|phase| of_groups(&phase.groups)).max().unwrap_or(0)
            }
            Compute::Conv3x3 { weights, .. } => kernels.conv3x3_scratch_bytes(weights.channels),
            _ => 0,
        }
    }

    /// Bytes of its packed weights.
    pub fn weight_bytes(&self) -> usize {
        match &self.compute {
            Compute::Matrix { groups, .. } => groups.iter().map(|group| group.data.len()).sum(),
            Compute::Conv3x3 { weights, .. } => weights.data.len(),
            Compute::Depthwise { weights, .. } => weights.data.len(),
            Compute::Transposed { phases, .. } => {
                phases.iter().flat_map(|phase| &phase.groups).map(|group| group.data.len()).sum()
            }
            _ => 0,
        }
    }

    /// Taps of its largest phase, if it is a transposed convolution.
    pub fn phase_taps_max(&self) -> usize {
        match &self.compute {
            Compute::Transposed { phases, .. } => {
                phases.iter().map(|phase| phase.taps_rows.len() * phase.taps_columns.len()).max().unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Values of a row that it reads, with its margin.
    pub fn row_len(&self) -> usize {
        (self.margin[0] + self.input[1] + self.margin[1]) * self.input[2]
    }
}
