//! Every kernel of this architecture against the definition, bit for bit.

use crate::kernels::generic::{self, Generic};
use crate::kernels::{
    Depthwise, Epilogue, Kernels, Matrix, Output, Patches, Q, Residual, Scratch, aarch64::available,
};

/// Numbers of a linear congruence (Knuth's), good enough to fill tensors.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }

    /// All values, extremes often.
    fn bytes(&mut self, count: usize, extremes: bool) -> Vec<i8> {
        let one = |random: u32| match random % 4 {
            0 if extremes => i8::MIN,
            1 if extremes => i8::MAX,
            _ => (random >> 8) as i8,
        };
        (0..count).map(|_| one(self.next())).collect()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Case {
    /// Output pixels `(height, width)`.
    pixels: (usize, usize),
    /// Rows and columns of the filter.
    kernel: (usize, usize),
    stride: usize,
    dilation: usize,
    inputs: usize,
    outputs: usize,
    /// Channels computed, all if empty.
    channels: (usize, usize),
    /// Values between the pixels of the input that are not read.
    gap: usize,
    residual: bool,
    bounds: (i32, i32, i32),
    extremes: bool,
    infinite: bool,
}

const PLAIN: Case = Case {
    pixels: (3, 5),
    kernel: (1, 1),
    stride: 1,
    dilation: 1,
    inputs: 16,
    outputs: 16,
    channels: (0, 0),
    gap: 0,
    residual: false,
    bounds: (-128, -128, 127),
    extremes: false,
    infinite: false,
};

/// Runs one case on `kernels` and on the definition; what differs.
fn differs(kernels: &dyn Kernels, case: &Case, depthwise: bool, seed: u64) -> Option<String> {
    let mut numbers = Numbers(seed);
    let step = case.inputs + case.gap;
    let (height, width) = case.pixels;
    let image_width = width.saturating_sub(1) * case.stride + (case.kernel.1 - 1) * case.dilation + 1;
    let image_height = height.saturating_sub(1) * case.stride + (case.kernel.0 - 1) * case.dilation + 1;
    let row = image_width * step;
    let data = numbers.bytes((image_height * row).saturating_sub(case.gap), case.extremes);
    let taps: Vec<usize> = (0..case.kernel.0 * case.kernel.1)
        .map(|tap| (tap / case.kernel.1 * row + tap % case.kernel.1 * step) * case.dilation)
        .collect();
    let patches = Patches {
        data: &data,
        taps: &taps,
        run: case.inputs,
        step: case.stride * step,
        row_step: case.stride * row,
        width,
        height,
    };
    let outputs = if depthwise { case.inputs } else { case.outputs };
    let channels = match case.channels {
        (0, 0) => 0..outputs,
        (start, end) if !depthwise => start..end,
        _ => 0..outputs,
    };
    let depth = if depthwise { taps.len() } else { taps.len() * case.inputs };
    let weights = numbers.bytes(depth * outputs, case.extremes);
    let bias: Vec<i32> = (0..outputs).map(|_| numbers.next() as i32 >> 18).collect();
    let factor = |n: usize| if case.infinite && n == 3 { f32::INFINITY } else { 0.3 + n as f32 };
    let multipliers: Vec<f32> =
        (0..outputs).map(|_| factor(numbers.below(9)) * 0.01 / (depth as f32).sqrt().max(1.0)).collect();
    let others = numbers.bytes(height * width * (outputs + 3), case.extremes);
    let (zero_point, low, high) = case.bounds;
    let residual = case.residual.then_some(Residual {
        data: &others,
        stride: channels.len() + 3,
        data_zero: 7,
        own: 0.71,
        other: 0.5,
        zero_point: -3,
        low: -120,
        high: 127,
    });
    let epilogue = Epilogue { multipliers: &multipliers, zero_point, low, high, residual };
    let zero = numbers.below(256) as i32 - 128;
    let (out_step, out_row) = (channels.len() + 2, width * (channels.len() + 2) + 5);
    let compute = |kernels: &dyn Kernels| {
        let mut data = vec![77 as Q; height * out_row];
        let mut out = Output { data: &mut data, step: out_step, row_step: out_row, width };
        if depthwise {
            let weights = Depthwise {
                channels: outputs,
                taps: taps.len(),
                weights: &weights,
                bias: &bias,
                zero_point: zero,
            };
            kernels.depthwise(&patches, &kernels.pack_depthwise(&weights), &epilogue, &mut out);
        } else {
            let matrix = Matrix { outputs, depth, weights: &weights, bias: &bias, zero_point: zero };
            let mut scratch = Scratch::with_bytes(kernels.matrix_scratch_bytes(depth));
            let packed = kernels.pack_matrix(&matrix);
            kernels.matrix(&patches, &packed, channels.clone(), &epilogue, &mut out, &mut scratch);
        }
        data
    };
    let (want, have) = (compute(&Generic), compute(kernels));
    let first = want.iter().zip(&have).position(|(want, have)| want != have)?;
    let count = want.iter().zip(&have).filter(|(want, have)| want != have).count();
    Some(format!(
        "{}: {case:?}: {count} of {} values differ, the first at {first}: {} for {}",
        kernels.isa(),
        want.len(),
        have[first],
        want[first]
    ))
}

fn check(cases: &[Case], depthwise: bool) {
    let mut failures = vec![];
    for kernels in available() {
        for (seed, case) in cases.iter().enumerate() {
            for (extremes, bounds) in [(false, case.bounds), (true, (5, -128, 127)), (false, (-7, -100, 90))]
            {
                let case = Case { extremes: case.extremes | extremes, bounds, ..*case };
                failures.extend(differs(kernels, &case, depthwise, seed as u64));
            }
        }
    }
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
}

/// Cases with every field drawn.
fn drawn(count: usize) -> Vec<Case> {
    let mut numbers = Numbers(5);
    let mut one = |_| {
        let outputs = 1 + numbers.below(50);
        let start = numbers.below(outputs);
        Case {
            pixels: (1 + numbers.below(4), 1 + numbers.below(15)),
            kernel: [(1, 1), (3, 3), (1, 1), (2, 2), (5, 5), (3, 1)][numbers.below(6)],
            stride: 1 + numbers.below(2),
            dilation: 1 + numbers.below(2),
            inputs: [1, 3, 4, 8, 12, 16, 20, 24, 32, 40, 48, 56, 64, 72, 96, 33][numbers.below(16)],
            outputs,
            channels: if numbers.below(2) == 0 {
                (0, 0)
            } else {
                (start, start + 1 + numbers.below(outputs - start))
            },
            gap: numbers.below(2) * 3,
            residual: numbers.below(3) == 0,
            bounds: (-128, -128, [127, 60][numbers.below(2)]),
            extremes: numbers.below(2) == 0,
            infinite: numbers.below(10) == 0,
        }
    };
    (0..count).map(&mut one).collect()
}

#[test]
fn products_equal_the_definition() {
    let mut cases = vec![
        PLAIN,
        Case { pixels: (0, 0), ..PLAIN },
        Case { pixels: (1, 1), inputs: 1, outputs: 1, ..PLAIN },
        Case { inputs: 3, kernel: (3, 3), stride: 2, outputs: 32, ..PLAIN },
        Case { inputs: 64, kernel: (3, 3), outputs: 21, ..PLAIN },
        Case { pixels: (11, 37), inputs: 24, outputs: 144, residual: true, ..PLAIN },
        Case { pixels: (7, 7), inputs: 960, outputs: 40, ..PLAIN },
        Case { infinite: true, residual: true, ..PLAIN },
        Case { outputs: 40, channels: (5, 39), ..PLAIN },
    ];
    cases.extend(drawn(150));
    check(&cases, false);
}

#[test]
fn depthwise_convolutions_equal_the_definition() {
    let mut cases = vec![];
    for kernel in [(3, 3), (5, 5), (1, 1), (2, 3), (7, 7), (12, 12)] {
        for stride in 1..3 {
            for inputs in [1, 8, 15, 16, 17, 24, 32, 40, 96] {
                for dilation in 1..3 {
                    cases.push(Case { kernel, stride, dilation, inputs, pixels: (4, 9), ..PLAIN });
                }
            }
            for width in 1..8 {
                cases.push(Case {
                    kernel,
                    stride,
                    inputs: 40,
                    pixels: (5, width),
                    residual: true,
                    gap: 8,
                    ..PLAIN
                });
            }
        }
    }
    cases.extend(drawn(100));
    check(&cases, true);
}

#[test]
fn rounding_equals_the_definition() {
    // One product a channel, multiplied so that ties, infinities and both ends of every type are met.
    let multipliers =
        [0.5, -0.5, 0.25, 1.0, 1e-3, 300.0, 1e9, 3e38, -3e38, 0.0, -0.0, 1e-40, 0.1, 2.0, 16.5, 7e4];
    let data: Vec<i8> = (-128..=127).collect();
    let bias = [0, 1, -1, 3, i32::MAX, i32::MIN, 1 << 24, 0, 0, 5, 0, 8, 2, (1 << 24) + 1, 40, 0];
    let mut failures = vec![];
    for kernels in available() {
        for (zero_point, low, high) in
            [(-128, -128, 127), (-127, -128, 127), (3, -128, 127), (127, -50, 50), (0, 9, -9)]
        {
            let patches =
                Patches { data: &data, taps: &[0], run: 1, step: 1, row_step: 256, width: 256, height: 1 };
            let epilogue = Epilogue { multipliers: &multipliers, zero_point, low, high, residual: None };
            let compute = |kernels: &dyn Kernels| {
                let matrix = Matrix { outputs: 16, depth: 1, weights: &[1; 16], bias: &bias, zero_point: 9 };
                let packed = kernels.pack_matrix(&matrix);
                let mut out = vec![0 as Q; 256 * 16];
                let mut scratch = Scratch::with_bytes(kernels.matrix_scratch_bytes(1));
                let mut output = Output { data: &mut out, step: 16, row_step: 0, width: 256 };
                kernels.matrix(&patches, &packed, 0..16, &epilogue, &mut output, &mut scratch);
                out
            };
            let (want, have) = (compute(&generic::Generic), compute(kernels));
            if let Some(at) = (0..want.len()).find(|&at| want[at] != have[at]) {
                let (value, factor) = (data[at / 16], multipliers[at % 16]);
                let (isa, have, want) = (kernels.isa(), have[at], want[at]);
                failures.push(format!(
                    "{isa} {zero_point} {low} {high}: {value} times {factor}: {have} for {want}"
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
