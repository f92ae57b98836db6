//! Kernels of operators without weights against the interpreter: any values, at random shapes around the widths of vectors.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::ports::{dequantize, onnx_order, quantize};
use super::problems::{ALL, Problem, Random, problem};
use super::{evaluate, tensor::View};
use crate::engine::program::{Bounds, Fill, Kind, Tensor, Window};
use crate::kernels::{
    AddParams, Kernels, LayerNormParams, LinearParams, MulParams, Operand, Output, Padding, Patches,
    ProductParams, Q, Q_OFFSET, Quantization, Resize, SumParams, available, stored, unsigned,
};

/// Zero point of a tensor, stored form.
fn zero(tensor: &Tensor) -> i32 {
    i32::from(tensor.zero_point) + Q_OFFSET
}

fn low_high(bounds: Bounds) -> (i32, i32) {
    (i32::from(bounds.low) + Q_OFFSET, i32::from(bounds.high) + Q_OFFSET)
}

fn all_stored(values: &[u8]) -> Vec<Q> {
    values.iter().map(|&value| stored(value)).collect()
}

/// Solves a problem by kernels, stored values; class numbers are left as they are.
fn solve(kernels: &dyn Kernels, problem: &Problem) -> Vec<u8> {
    let Problem { program, inputs } = problem;
    let op = &program.ops[0];
    let views: Vec<View> =
        (program.tensors.iter().zip(inputs)).map(|(tensor, values)| View { tensor, values }).collect();
    let (x, output) = (&views[0], &program.tensors[op.output]);
    let inputs: Vec<Vec<Q>> = inputs.iter().map(|values| all_stored(values)).collect();
    let input = &inputs[0];
    let quantization = Quantization { scale: output.scale, zero: zero(output) };
    let mut out = vec![stored(77); output.elements()];
    let (a_zero, y_zero) = (zero(x.tensor), zero(output));
    let b_zero = views.get(1).map_or(0, |view| zero(view.tensor));
    match &op.kind {
        Kind::Add { factors, bounds } => {
            let (low, high) = low_high(*bounds);
            let params = AddParams { factors: *factors, a_zero, b_zero, zero: y_zero, low, high };
            kernels.add(input, operand(&inputs[1], &views), &params, &mut out);
        }
        Kind::Mul { multiplier, bounds } => {
            let (low, high) = low_high(*bounds);
            let params = MulParams { multiplier: *multiplier, a_zero, b_zero, zero: y_zero, low, high };
            kernels.mul(input, operand(&inputs[1], &views), &params, &mut out);
        }
        Kind::MatMul { transposed, multiplier, bounds } => {
            let (low, high) = low_high(*bounds);
            let mul = MulParams { multiplier: *multiplier, a_zero, b_zero, zero: y_zero, low, high };
            let (k, n) = (x.tensor.dims[1], output.dims[1]);
            kernels.product(
                input,
                &inputs[1],
                &ProductParams { k, n, transposed: *transposed, mul },
                &mut out,
            );
        }
        Kind::Table { tables } => {
            let tables = all_stored(tables);
            kernels.table(&tables, input, &mut out);
            let mut in_place = input.clone();
            kernels.table_in_place(&tables, &mut in_place);
            assert_eq!(out, in_place, "{}: a table in place", kernels.isa());
        }
        Kind::MaxPool { window } => {
            let padded = Padded::new(x, window, output, 0);
            kernels.max_pool(&padded.patches(output), &mut padded.output(&mut out, output));
        }
        Kind::AveragePool { window, count_include_pad, bounds } => {
            let (low, high) = low_high(*bounds);
            let padded = Padded::new(x, window, output, x.tensor.zero_point);
            let factors = factors(x, window, *count_include_pad, output);
            let params = SumParams { input_zero: a_zero, zero: y_zero, low, high };
            let mut out = padded.output(&mut out, output);
            kernels.average_pool(&padded.patches(output), &factors, &params, &mut out);
        }
        Kind::Reduce { multiplier, bounds, .. } => {
            let (low, high) = low_high(*bounds);
            let params = SumParams { input_zero: a_zero, zero: y_zero, low, high };
            let [outer, reduced, inner] = x.tensor.dims[..] else { unreachable!() };
            // In two parts, as two threads would.
            let mut column = 0;
            for part in [inner / 3, inner - inner / 3] {
                let mut some = vec![stored(9); outer * part];
                let range = column..column + part;
                kernels.reduce(input, [reduced, inner], range, *multiplier, &params, &mut some);
                for (index, &value) in some.iter().enumerate() {
                    out[index / part * inner + column + index % part] = value;
                }
                column += part;
            }
        }
        Kind::Nearest { rows, columns } => {
            let [_, _, width, channels] = x.image();
            kernels.nearest(input, &Resize { width, channels, rows, columns }, &mut out);
        }
        Kind::Linear { rows, columns, multiplier } => {
            let [_, _, width, channels] = x.image();
            let params = LinearParams { input_zero: a_zero, multiplier: *multiplier, zero: y_zero };
            // Into a part of wider pixels, from rows that begin with the first that is needed.
            let first_row = rows.iter().map(|row| row.low.min(row.high)).min().unwrap_or(0);
            let gap = out.len() % 3;
            let (step, pixels) = (channels + gap, rows.len() * columns.len());
            let mut wide = vec![stored(5); pixels * step];
            let mut part =
                Output { data: &mut wide, step, row_step: columns.len() * step, width: columns.len() };
            let resize = Resize { width, channels, rows, columns };
            kernels.linear(&input[first_row * width * channels..], first_row, &resize, &params, &mut part);
            for (pixel, wide) in out.chunks_exact_mut(channels).zip(wide.chunks_exact(step)) {
                pixel.copy_from_slice(&wide[..channels]);
                assert!(
                    wide[channels..].iter().all(|&x| x == stored(5)),
                    "{}: between pixels",
                    kernels.isa()
                );
            }
        }
        Kind::Softmax { exponentials } => {
            kernels.softmax(input, output.dims[1], exponentials, &quantization, &mut out);
        }
        Kind::LayerNorm { scale, shift, epsilon } => {
            let input_scale = x.tensor.scale;
            let params = LayerNormParams { scale, shift, epsilon: *epsilon, input_scale, zero: y_zero };
            kernels.layer_norm(input, &params, &mut out);
        }
        Kind::ArgMax => {
            kernels.argmax(input, x.tensor.dims[1], &mut out);
            return out.into_iter().map(|class| class.to_ne_bytes()[0]).collect();
        }
        Kind::ResizeArgMax { rows, columns } => {
            let [_, _, width, channels] = x.image();
            let quantization = Quantization { scale: x.tensor.scale, zero: a_zero };
            kernels.resize_argmax(input, &Resize { width, channels, rows, columns }, &quantization, &mut out);
            return out.into_iter().map(|class| class.to_ne_bytes()[0]).collect();
        }
        Kind::Permute { order } => {
            let strides = strides(&x.tensor.dims);
            let steps: Vec<usize> = order.iter().map(|&d| strides[d]).collect();
            kernels.copy_strided(input, &output.dims, &steps, &mut out);
        }
        Kind::Slice { starts, steps } => {
            let strides = strides(&x.tensor.dims);
            let first: usize = starts.iter().zip(&strides).map(|(start, stride)| start * stride).sum();
            let steps: Vec<usize> = steps.iter().zip(&strides).map(|(step, stride)| step * stride).collect();
            kernels.copy_strided(&input[first..], &output.dims, &steps, &mut out);
        }
        Kind::Pad { before, fill } => {
            let padding = match fill {
                Fill::Constant(value) => Padding::Constant(stored(*value)),
                Fill::Edge => Padding::Edge,
                Fill::Reflect => Padding::Reflect,
            };
            kernels.pad(input, &x.tensor.dims, before, padding, &output.dims, &mut out);
        }
        other => panic!("no kernel of an operator without weights: {other:?}"),
    }
    out.into_iter().map(unsigned).collect()
}

fn operand<'a>(b: &'a [Q], views: &[View]) -> Operand<'a> {
    let ([_, h, w, c], [_, bh, bw, bc]) = (views[0].image(), views[1].image());
    match ([bh, bw], bc) {
        _ if [bh, bw, bc] == [h, w, c] => Operand::Same(b),
        ([1, 1], 1) => Operand::One(b[0]),
        ([1, 1], _) => Operand::Channels(b),
        _ => Operand::Pixels(b),
    }
}

fn strides(dims: &[usize]) -> Vec<usize> {
    (0..dims.len()).map(|d| dims[d + 1..].iter().product()).collect()
}

/// A copy of an image with enough padding for every window of an output.
struct Padded {
    data: Vec<Q>,
    taps: Vec<usize>,
    window: Window,
    width: usize,
    channels: usize,
}

impl Padded {
    fn new(x: &View, window: &Window, output: &Tensor, value: u8) -> Padded {
        let [_, h, w, channels] = x.image();
        let extent = |along: usize| {
            (output.dims[1 + along] - 1) * window.strides[along]
                + (window.kernel[along] - 1) * window.dilations[along]
                + 1
        };
        let (height, width) = (extent(0).max(h + window.pads[0]), extent(1).max(w + window.pads[1]));
        let mut data = vec![stored(value); height * width * channels];
        for y in 0..h {
            for x_ in 0..w {
                for c in 0..channels {
                    data[((y + window.pads[0]) * width + x_ + window.pads[1]) * channels + c] =
                        stored(x.at(&[0, y, x_, c]));
                }
            }
        }
        let tap = |index: usize| {
            let (ky, kx) = (index / window.kernel[1], index % window.kernel[1]);
            (ky * window.dilations[0] * width + kx * window.dilations[1]) * channels
        };
        let taps = (0..window.kernel[0] * window.kernel[1]).map(tap).collect();
        Padded { data, taps, window: *window, width, channels }
    }

    fn patches(&self, output: &Tensor) -> Patches<'_> {
        Patches {
            data: &self.data,
            taps: &self.taps,
            run: self.channels,
            step: self.window.strides[1] * self.channels,
            row_step: self.window.strides[0] * self.width * self.channels,
            width: output.dims[2],
            height: output.dims[1],
        }
    }

    fn output<'a>(&self, data: &'a mut [Q], output: &Tensor) -> Output<'a> {
        let width = output.dims[2];
        Output { data, step: self.channels, row_step: width * self.channels, width }
    }
}

/// The factor of each pixel of an average pooling, by counting.
fn factors(x: &View, window: &Window, count_include_pad: bool, output: &Tensor) -> Vec<f32> {
    let count = |along: usize, index: usize| {
        let (size, before, after) = (x.tensor.dims[1 + along], window.pads[along], window.pads[along + 2]);
        let first = index * window.strides[along];
        let taps = (0..window.kernel[along]).map(|tap| first + tap * window.dilations[along]);
        let from = if count_include_pad { 0 } else { before };
        let to = if count_include_pad { before + size + after } else { before + size };
        taps.filter(|tap| (from..to).contains(tap)).count()
    };
    let mut factors = vec![];
    for y in 0..output.dims[1] {
        for x_ in 0..output.dims[2] {
            let count = (count(0, y) * count(1, x_)).max(1) as f64;
            factors.push((f64::from(x.tensor.scale) / f64::from(output.scale) / count) as f32);
        }
    }
    factors
}

#[test]
fn kernels_agree_with_the_interpreter() {
    let mut failures = vec![];
    for (name, make) in ALL {
        let mut runner =
            TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
        let result = runner.run(&any::<u64>(), |seed| {
            let problem = problem(make, &mut Random(seed | 1));
            let expected = evaluate(&problem.program, &problem.inputs).remove(0);
            for kernels in available() {
                let found = solve(kernels, &problem);
                let place = expected.iter().zip(&found).position(|(a, b)| a != b);
                prop_assert!(
                    place.is_none(),
                    "{} at {place:?} of {:?}",
                    kernels.isa(),
                    problem.program.ops[0]
                );
            }
            Ok(())
        });
        if let Err(failure) = result {
            failures.push(format!("{name}: {failure}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn edges_agree_with_the_interpreter() {
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let result = runner.run(&any::<u64>(), |seed| {
        let random = &mut Random(seed | 1);
        let (height, width) = (random.within(1, 5), random.within(1, 90));
        let channels = random.channels();
        let channels = random.one_of(&[1, 2, 3, 4, channels]);
        let tensor = random.tensor(&[1, height, width, channels]);
        let quantization = Quantization { scale: tensor.scale, zero: zero(&tensor) };
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -0.0, 1e-42];
        let reals: Vec<f32> = (0..tensor.elements())
            .map(|_| match random.within(0, 9) {
                0 => random.one_of(&odd),
                1..5 => (f32::from(random.byte()) - 128.0) * tensor.scale * 0.5,
                _ => (random.next() as u32 as f32 / 1e9 - 2.1) * 60.0 * tensor.scale,
            })
            .collect();
        let expected = quantize(&tensor, &reals);
        let (pixels, elements) = (height * width, tensor.elements());
        for kernels in available() {
            // The image's rows lie apart in the output.
            let (step, gap) = (channels + random.within(0, 2), random.within(0, 3));
            let row_step = width * step + gap;
            let mut data = vec![stored(7); height * row_step];
            let split = random.within(0, height) * width;
            for pixels in [0..split, split..pixels] {
                let data = &mut data[pixels.start / width * row_step..];
                let mut out = Output { data, step, row_step, width };
                kernels.quantize_image(&reals, height * width, pixels, &quantization, &mut out);
            }
            for (index, &value) in data.iter().enumerate() {
                let (y, x, c) = (index / row_step, index % row_step / step, index % row_step % step);
                let inside = x < width && c < channels;
                let expected = if inside { expected[(y * width + x) * channels + c] } else { 7 };
                prop_assert_eq!(unsigned(value), expected, "{} at {:?}", kernels.isa(), (y, x, c));
            }
            let mut flat = vec![0; elements];
            kernels.quantize(&reals, &quantization, &mut flat);
            let flat: Vec<u8> = flat.into_iter().map(unsigned).collect();
            prop_assert_eq!(onnx_order(&tensor, &expected), flat, "{} flat", kernels.isa());
            let values = all_stored(&expected);
            let split = random.within(0, channels);
            let mut planes = vec![0.5; elements];
            let (first, rest) = planes.split_at_mut(split * pixels);
            kernels.dequantize_image(&values, channels, 0..split, &quantization, first);
            kernels.dequantize_image(&values, channels, split..channels, &quantization, rest);
            let reals = dequantize(&tensor, &expected);
            prop_assert_eq!(&reals, &planes, "{} planes", kernels.isa());
            let mut flat = vec![0.5; elements];
            kernels.dequantize(&all_stored(&onnx_order(&tensor, &expected)), &quantization, &mut flat);
            prop_assert_eq!(&reals, &flat, "{} flat numbers", kernels.isa());
        }
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
}

#[test]
fn sums_of_the_highest_values_are_whole() {
    let mut failures = vec![];
    for kernels in available() {
        for count in [256, 257, 258, 514, 515, 70_000] {
            let sum = SumParams { input_zero: Q_OFFSET, zero: Q_OFFSET, low: Q_OFFSET, high: 255 + Q_OFFSET };
            let mut check = |what: &str, out: &[Q]| {
                if out.iter().any(|&x| x != stored(200)) {
                    failures.push(format!("{}: {what} of {count}: {:?}", kernels.isa(), out[0]));
                }
            };
            // The mean of 255 in steps of 255 / 200.
            let factor = (200.0 / 255.0 / count as f64) as f32;
            for inner in [1, 3, 16, 70] {
                let mut out = vec![0; inner];
                let input = vec![stored(255); count * inner];
                kernels.reduce(&input, [count, inner], 0..inner, factor, &sum, &mut out);
                check("sums of columns", &out);
            }
            for run in [3, 40] {
                let (data, taps) = (vec![stored(255); run], vec![0; count]);
                let mut out = vec![0; run];
                let patches =
                    Patches { data: &data, taps: &taps, run, step: 0, row_step: 0, width: 1, height: 1 };
                let mut output = Output { data: &mut out, step: run, row_step: run, width: 1 };
                kernels.average_pool(&patches, &[factor], &sum, &mut output);
                check("a window", &out);
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn nothing_in_nothing_out() {
    for kernels in available() {
        let add = AddParams { factors: [1.0; 2], a_zero: 0, b_zero: 0, zero: 0, low: 0, high: 9 };
        kernels.add(&[], Operand::Same(&[]), &add, &mut []);
        kernels.add(&[], Operand::Channels(&[1]), &add, &mut []);
        kernels.table(&[0; 256], &[], &mut []);
        kernels.argmax(&[], 3, &mut []);
        kernels.copy_strided(&[], &[2, 0, 3], &[0, 3, 1], &mut []);
        let quantization = Quantization { scale: 1.0, zero: 0 };
        kernels.quantize(&[], &quantization, &mut []);
        kernels.dequantize(&[], &quantization, &mut []);
        kernels.dequantize_image(&[], 3, 1..2, &quantization, &mut []);
        let empty = Resize { width: 1, channels: 1, rows: &[], columns: &[] };
        kernels.resize_argmax(&[0], &empty, &quantization, &mut []);
        let sum = SumParams { input_zero: 3, zero: 5, low: 0, high: 9 };
        let mut one = [0];
        kernels.reduce(&[], [0, 1], 0..1, 1.0, &sum, &mut one);
        assert_eq!(one, [5], "{}: the sum of nothing is 0", kernels.isa());
    }
}
