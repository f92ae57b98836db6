//! What the conformance suite computes with: numbers, epilogues, and where patches lie.

use crate::kernels::{Epilogue, Patches, Q, Q_OFFSET, Residual};

/// Numbers that follow from a seed.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Stored values; one in four is an end of the range.
    pub fn values(&mut self, count: usize) -> Vec<Q> {
        (0..count).map(|_| [Q::MIN, Q::MAX, self.next() as Q][self.below(8).min(2)]).collect()
    }

    /// Weights; one in four is an end of the range.
    pub fn weights(&mut self, count: usize) -> Vec<i8> {
        (0..count).map(|_| [i8::MIN, i8::MAX, self.next() as i8][self.below(8).min(2)]).collect()
    }
}

/// How large the numbers of a case are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Magnitude {
    /// Results spread over the whole range.
    Usual,
    /// Weights and values at the ends of their ranges only.
    Ends,
    /// Multipliers from denormal to infinite, not a number, negative; biases of any size.
    Extreme,
    /// Results that lie halfway between whole numbers.
    Halves,
}

/// What comes after the sums.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    pub magnitude: Magnitude,
    pub residual: bool,
    /// Zero points and bounds, unsigned: of the input, the product, the residual, the sum.
    pub zeros: [u8; 4],
    pub bounds: [(u8, u8); 2],
    /// Values between one pixel's output and the next one's, and between rows.
    pub gap: usize,
    pub row_gap: usize,
    pub seed: u64,
}

pub const WHOLE: (u8, u8) = (0, 255);
pub const USUAL: Ending = Ending {
    magnitude: Magnitude::Usual,
    residual: false,
    zeros: [128, 0, 7, 200],
    bounds: [WHOLE, WHOLE],
    gap: 0,
    row_gap: 0,
    seed: 1,
};

/// Where the patches of a case lie.
#[derive(Clone, Debug)]
pub struct Shape {
    pub taps: Vec<usize>,
    pub run: usize,
    pub step: usize,
    /// Values at the end of a row that are no pixel's.
    pub row_gap: usize,
    pub width: usize,
    pub height: usize,
}

impl Shape {
    pub fn row_step(&self) -> usize {
        self.width * self.step + self.row_gap
    }

    /// Rows of pixels one after the other, as of a 1x1 convolution.
    pub fn dense(pixels: usize, run: usize) -> Shape {
        Shape { taps: vec![0], run, step: run, row_gap: 0, width: pixels, height: 1 }
    }

    /// A square filter over an image of `channels` whose rows include their padding, with rows of `row` pixels.
    pub fn filter(size: usize, stride: usize, channels: usize, width: usize, height: usize) -> Shape {
        let row = ((width - 1) * stride + size) * channels;
        let taps = (0..size * size).map(|tap| tap / size * row + tap % size * channels).collect();
        let row_gap = stride * row - width * stride * channels;
        Shape { taps, run: channels, step: stride * channels, row_gap, width, height }
    }

    /// A 3x3 filter whose taps are `dilation` pixels apart.
    pub fn dilated(dilation: usize, channels: usize, width: usize, height: usize) -> Shape {
        let row_step = (width + 2 * dilation) * channels;
        let place = |tap: usize| tap / 3 * dilation * row_step + tap % 3 * dilation * channels;
        let row_gap = 2 * dilation * channels;
        Shape { taps: (0..9).map(place).collect(), run: channels, step: channels, row_gap, width, height }
    }

    /// A square filter with the horizontal taps of a row as one run, as of a dense convolution.
    pub fn runs(size: usize, stride: usize, channels: usize, width: usize, height: usize) -> Shape {
        let filter = Shape::filter(size, stride, channels, width, height);
        let taps = filter.taps.iter().step_by(size).copied().collect();
        Shape { taps, run: size * channels, ..filter }
    }

    pub fn patches<'a>(&'a self, data: &'a [Q]) -> Patches<'a> {
        Patches {
            data,
            taps: &self.taps,
            run: self.run,
            step: self.step,
            row_step: self.row_step(),
            width: self.width,
            height: self.height,
        }
    }

    /// The input of a case, exactly as long as the patches reach.
    pub fn data(&self, numbers: &mut Numbers, magnitude: Magnitude) -> Vec<Q> {
        let end = self.patches(&[]).end();
        match magnitude {
            Magnitude::Ends => (0..end).map(|_| [Q::MIN, Q::MAX][numbers.below(8) / 7]).collect(),
            _ => numbers.values(end),
        }
    }
}

/// The numbers that an [`Epilogue`] borrows, and what the kernels are given beside patches.
pub struct Numbered {
    pub weights: Vec<i8>,
    pub bias: Vec<i32>,
    pub multipliers: Vec<f32>,
    pub other: Vec<Q>,
}

impl Numbered {
    pub fn new(
        ending: &Ending,
        numbers: &mut Numbers,
        (outputs, depth): (usize, usize),
        residuals: usize,
    ) -> Numbered {
        let mut weights = numbers.weights(outputs * depth);
        if ending.magnitude == Magnitude::Ends {
            weights.iter_mut().for_each(|weight| *weight = if *weight < 0 { i8::MIN } else { i8::MAX });
        }
        let size = (depth.max(1) as f32).sqrt() * 12_000.0;
        let bias = |n: &mut Numbers| match ending.magnitude {
            Magnitude::Extreme => n.next() as i32 >> n.below(32),
            _ => (n.next() as i32) >> 18,
        };
        let multiplier = |n: &mut Numbers| match ending.magnitude {
            Magnitude::Extreme => match n.below(10) {
                0 => 0.0,
                1 => f32::MIN_POSITIVE / 8.0,
                2 => f32::MAX,
                3 => f32::INFINITY,
                4 => f32::NAN,
                5 => -0.3,
                6 => f32::NEG_INFINITY,
                7 => 1e-12,
                8 => 1e9,
                _ => 1.0,
            },
            Magnitude::Halves => [0.5, 0.25, 0.125, 1.5][n.below(4)] / 1024.0,
            _ => 255.0 / size * (0.2 + n.below(1000) as f32 / 500.0),
        };
        Numbered {
            bias: (0..outputs).map(|_| bias(numbers)).collect(),
            multipliers: (0..outputs).map(|_| multiplier(numbers)).collect(),
            other: numbers.values(residuals),
            weights,
        }
    }

    /// The epilogue; residual values lie `stride` apart.
    pub fn epilogue(&self, ending: &Ending, stride: usize) -> Epilogue<'_> {
        let stored = |unsigned: u8| i32::from(unsigned) + Q_OFFSET;
        let scales = match ending.magnitude {
            Magnitude::Extreme => [(f32::INFINITY, 1.0), (1e30, -1e30), (1e-30, 0.0), (f32::NAN, 1.0)],
            Magnitude::Halves => [(0.5, 0.5), (0.5, 1.0), (1.5, 0.5), (0.25, 0.25)],
            _ => [(0.7, 0.45), (1.0, 1.0), (0.033, 1.9), (1.3, 0.007)],
        };
        let (own, other) = scales[ending.seed as usize % 4];
        Epilogue {
            multipliers: &self.multipliers,
            zero_point: stored(ending.zeros[1]),
            low: stored(ending.bounds[0].0),
            high: stored(ending.bounds[0].1),
            residual: ending.residual.then_some(Residual {
                data: &self.other,
                stride,
                data_zero: stored(ending.zeros[2]),
                own,
                other,
                zero_point: stored(ending.zeros[3]),
                low: stored(ending.bounds[1].0),
                high: stored(ending.bounds[1].1),
            }),
        }
    }
}
