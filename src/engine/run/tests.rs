//! Whole programs against the reference interpreter: every instruction set here, several numbers of threads.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::Runner;
use crate::engine::plan::{Plan, Step};
use crate::engine::program::{
    Between, Bounds, Element, Id, Kind, Op, Port, Program, Tensor, Weights, Window,
};
use crate::engine::reference;
use crate::kernels::available;

/// Writes a program operator by operator; weights and scales come from a seed.
struct Builder {
    program: Program,
    state: u64,
}

impl Builder {
    fn new(seed: u64, dims: &[usize]) -> (Builder, Id) {
        let mut builder = Builder { program: Program::default(), state: seed | 1 };
        let input = builder.tensor(dims);
        builder.program.inputs.push(Port { name: "input".to_string(), tensor: input, element: Element::U8 });
        (builder, input)
    }

    /// The next of a sequence of numbers below `limit`.
    fn next(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as usize % limit
    }

    fn tensor(&mut self, dims: &[usize]) -> Id {
        let zero_point = self.next(256) as u8;
        let axes = if dims.len() == 4 { vec![0, 2, 3, 1] } else { (0..dims.len()).collect() };
        let name = format!("t{}", self.program.tensors.len());
        let tensor = Tensor { name, dims: dims.to_vec(), axes, scale: 0.02, zero_point, constant: None };
        self.program.tensors.push(tensor);
        self.program.tensors.len() - 1
    }

    fn op(&mut self, kind: Kind, inputs: &[Id], dims: &[usize]) -> Id {
        let output = self.tensor(dims);
        self.like(kind, inputs, output)
    }

    fn like(&mut self, kind: Kind, inputs: &[Id], output: Id) -> Id {
        let node = format!("op{}", self.program.ops.len());
        self.program.ops.push(Op { node, kind, inputs: inputs.to_vec(), output });
        output
    }

    fn dims(&self, id: Id) -> Vec<usize> {
        self.program.tensors[id].dims.clone()
    }

    fn weights(&mut self, outputs: usize, depth: usize, groups: usize) -> Weights {
        let multiplier = 0.3 / (depth as f32).sqrt() / 64.0;
        Weights {
            values: (0..outputs * depth).map(|_| self.next(256) as u8 as i8).collect(),
            bias: (0..outputs).map(|_| self.next(8001) as i32 - 4000).collect(),
            multipliers: (0..outputs).map(|_| multiplier * (1.0 + self.next(100) as f32 / 50.0)).collect(),
            groups,
        }
    }

    fn conv(&mut self, input: Id, outputs: usize, window: Window, groups: usize) -> Id {
        let dims = self.dims(input);
        let size = |axis: usize| {
            let reach = (window.kernel[axis] - 1) * window.dilations[axis] + 1;
            (dims[axis + 1] + window.pads[axis] + window.pads[axis + 2] - reach) / window.strides[axis] + 1
        };
        let weights = self.weights(outputs, window.kernel[0] * window.kernel[1] * dims[3] / groups, groups);
        let bounds = if self.next(2) == 0 { Bounds::ALL } else { Bounds { low: 20, high: 200 } };
        self.op(Kind::Conv { window, weights, bounds }, &[input], &[dims[0], size(0), size(1), outputs])
    }

    fn same(
        &mut self,
        input: Id,
        outputs: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        groups: usize,
    ) -> Id {
        let pad = (kernel - 1) * dilation / 2;
        let window =
            Window { kernel: [kernel; 2], strides: [stride; 2], pads: [pad; 4], dilations: [dilation; 2] };
        self.conv(input, outputs, window, groups)
    }

    fn transposed(
        &mut self,
        input: Id,
        outputs: usize,
        kernel: usize,
        stride: usize,
        pad: usize,
        groups: usize,
    ) -> Id {
        let dims = self.dims(input);
        let window = Window { kernel: [kernel; 2], strides: [stride; 2], pads: [pad; 4], dilations: [1; 2] };
        let size = |axis: usize| (dims[axis + 1] - 1) * stride + kernel - 2 * pad;
        let weights = self.weights(outputs, kernel * kernel * dims[3] / groups, groups);
        let kind = Kind::ConvTranspose { window, weights, bounds: Bounds::ALL };
        self.op(kind, &[input], &[dims[0], size(0), size(1), outputs])
    }

    fn add(&mut self, a: Id, b: Id) -> Id {
        let dims = self.dims(a);
        self.op(Kind::Add { factors: [0.6, 0.7], bounds: Bounds::ALL }, &[a, b], &dims)
    }

    fn table(&mut self, input: Id) -> Id {
        let tables = (0..256).map(|_| self.next(256) as u8).collect();
        let dims = self.dims(input);
        self.op(Kind::Table { tables }, &[input], &dims)
    }

    fn concat(&mut self, inputs: &[Id]) -> Id {
        let mut dims = self.dims(inputs[0]);
        dims[3] = inputs.iter().map(|&id| self.program.tensors[id].dims[3]).sum();
        self.op(Kind::Concat { dim: 3 }, inputs, &dims)
    }

    fn nearest(&mut self, input: Id, factor: usize) -> Id {
        let dims = self.dims(input);
        let rows = (0..dims[1] * factor).map(|y| y / factor).collect();
        let columns = (0..dims[2] * factor).map(|x| x / factor).collect();
        let kind = Kind::Nearest { rows, columns };
        self.op(kind, &[input], &[dims[0], dims[1] * factor, dims[2] * factor, dims[3]])
    }

    fn linear(&mut self, input: Id, height: usize, width: usize) -> Id {
        let dims = self.dims(input);
        let places = |size: usize, count: usize| -> Vec<Between> {
            (0..count)
                .map(|index| {
                    let at = ((index as f32 + 0.5) / count as f32 * size as f32 - 0.5)
                        .clamp(0.0, size as f32 - 1.0);
                    let low = at as usize;
                    Between { low, high: (low + 1).min(size - 1), fraction: at - low as f32 }
                })
                .collect()
        };
        let kind =
            Kind::Linear { rows: places(dims[1], height), columns: places(dims[2], width), multiplier: 0.9 };
        self.op(kind, &[input], &[dims[0], height, width, dims[3]])
    }

    fn finish(mut self, outputs: &[Id]) -> Program {
        for &tensor in outputs {
            let name = self.program.tensors[tensor].name.clone();
            self.program.outputs.push(Port { name, tensor, element: Element::U8 });
        }
        self.program
    }
}

/// Runs `program` in every way; says where it differs from the reference.
fn check(name: &str, program: &Program, seed: u64) -> Vec<String> {
    let mut failures = Vec::new();
    let mut state = seed;
    let input = &program.tensors[program.inputs[0].tensor];
    let values: Vec<u8> = (0..input.elements())
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as u8
        })
        .collect();
    let expected = reference::evaluate(program, std::slice::from_ref(&values));
    for kernels in available() {
        let plan = Arc::new(Plan::new(program, kernels));
        for threads in [1, 2, 3, 5] {
            let mut runner = Runner::new(plan.clone(), threads).expect("threads");
            for round in 0..2 {
                for (slot, &value) in runner.input_mut(0).iter_mut().zip(&values) {
                    *slot = crate::kernels::stored(value);
                }
                runner.run();
                for (index, expected) in expected.iter().enumerate() {
                    let found: Vec<u8> =
                        runner.output(index).iter().map(|&value| crate::kernels::unsigned(value)).collect();
                    let wrong = found.iter().zip(expected).filter(|(a, b)| a != b).count();
                    if wrong > 0 || found.len() != expected.len() {
                        failures.push(format!(
                            "{name}: {} threads {threads} round {round} output {index}: {wrong} of {} differ",
                            kernels.isa(),
                            expected.len()
                        ));
                    }
                }
            }
        }
    }
    failures
}

fn inverted_residuals(seed: u64, size: usize, wide: usize) -> Program {
    let (mut b, input) = Builder::new(seed, &[1, size, size + 3, 3]);
    let mut x = b.same(input, 16, 3, 2, 1, 1);
    for (outputs, stride) in [(24, 1), (24, 1), (40, 2), (40, 1)] {
        let expanded = b.same(x, wide, 1, 1, 1, 1);
        let filtered = b.same(expanded, wide, 3, stride, 1, wide);
        let y = b.same(filtered, outputs, 1, 1, 1, 1);
        x = if b.dims(x) == b.dims(y) { b.add(y, x) } else { y };
    }
    b.finish(&[x])
}

fn u_net(seed: u64, size: usize) -> Program {
    let (mut b, input) = Builder::new(seed, &[1, size, size, 3]);
    let first = b.same(input, 12, 3, 2, 1, 1);
    let second = b.same(first, 20, 3, 2, 1, 1);
    let up = b.transposed(second, 9, 2, 2, 0, 1);
    let joined = b.concat(&[up, first]);
    for id in [up, first] {
        let (scale, zero_point) = (b.program.tensors[joined].scale, b.program.tensors[joined].zero_point);
        (b.program.tensors[id].scale, b.program.tensors[id].zero_point) = (scale, zero_point);
    }
    let merged = b.same(joined, 17, 3, 1, 1, 1);
    let active = b.table(merged);
    let larger = b.nearest(active, 2);
    let scores = b.same(larger, 5, 1, 1, 1, 1);
    b.finish(&[scores, joined])
}

#[test]
fn programs_give_what_the_reference_gives() {
    let mut failures = Vec::new();
    for (size, wide) in [(17, 24), (32, 96), (64, 144), (151, 48)] {
        failures.extend(check(
            &format!("inverted residuals {size} {wide}"),
            &inverted_residuals(3, size, wide),
            5,
        ));
    }
    for size in [8, 20, 64] {
        failures.extend(check(&format!("u-net {size}"), &u_net(11, size), 7));
    }
    type Case = (&'static str, fn(&mut Builder, Id) -> Id);
    let cases: [Case; 15] = [
        ("conv 5x5", |b, x| b.same(x, 7, 5, 1, 1, 1)),
        ("conv 3x3 dilation 3", |b, x| b.same(x, 9, 3, 1, 3, 1)),
        ("conv 3x3 of 4 groups", |b, x| b.same(x, 12, 3, 2, 1, 4)),
        ("conv 1x1 stride 2", |b, x| b.same(x, 12, 1, 2, 1, 1)),
        ("depthwise 5x5 stride 2", |b, x| b.same(x, 8, 5, 2, 1, 8)),
        ("depthwise 3x3 dilation 2", |b, x| b.same(x, 8, 3, 1, 2, 8)),
        ("transposed 3x3 stride 2", |b, x| b.transposed(x, 5, 3, 2, 1, 1)),
        ("transposed 4x4 stride 2", |b, x| b.transposed(x, 6, 4, 2, 1, 2)),
        ("transposed 16x16 stride 8", |b, x| b.transposed(x, 3, 16, 8, 4, 1)),
        ("transposed 2x2 stride 3", |b, x| b.transposed(x, 3, 2, 3, 0, 1)),
        ("the same part twice", |b, x| {
            let x = b.same(x, 6, 3, 1, 1, 1);
            let y = b.same(x, 5, 1, 1, 1, 1);
            let joined = b.concat(&[x, y, x, y]);
            let (scale, zero_point) = (b.program.tensors[joined].scale, b.program.tensors[joined].zero_point);
            for id in [x, y] {
                (b.program.tensors[id].scale, b.program.tensors[id].zero_point) = (scale, zero_point);
            }
            b.same(joined, 4, 3, 1, 1, 1)
        }),
        ("linear", |b, x| b.linear(x, 31, 22)),
        ("linear between convolutions", |b, x| {
            let x = b.same(x, 6, 3, 1, 1, 1);
            let x = b.linear(x, 64, 64);
            b.same(x, 6, 3, 2, 1, 1)
        }),
        ("max pool", |b, x| {
            let window = Window { kernel: [3; 2], strides: [2; 2], pads: [1; 4], dilations: [1; 2] };
            let dims = b.dims(x);
            let output = b.tensor(&[dims[0], dims[1].div_ceil(2), dims[2].div_ceil(2), dims[3]]);
            let like = b.program.tensors[x].zero_point;
            b.program.tensors[output].zero_point = like;
            b.like(Kind::MaxPool { window }, &[x], output)
        }),
        ("average pool", |b, x| {
            let window = Window { kernel: [3, 2], strides: [2, 1], pads: [1, 1, 1, 0], dilations: [1; 2] };
            let dims = b.dims(x);
            let kind = Kind::AveragePool { window, count_include_pad: false, bounds: Bounds::ALL };
            b.op(kind, &[x], &[dims[0], dims[1].div_ceil(2), dims[2], dims[3]])
        }),
    ];
    for (name, case) in cases {
        for dims in [[1, 9, 14, 8], [2, 12, 5, 8]] {
            let (mut b, input) = Builder::new(17, &dims);
            let output = case(&mut b, input);
            failures.extend(check(&format!("{name} {dims:?}"), &b.finish(&[output]), 23));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn random_chains_give_what_the_reference_gives() {
    let shape = (1usize..3, 4usize..40, 4usize..40, 1usize..40);
    let links = proptest::collection::vec((0usize..7, 1usize..4, 1usize..3), 1..6);
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    runner
        .run(&(any::<u64>(), shape, links), |(seed, (n, h, w, c), links)| {
            let (mut b, mut x) = Builder::new(seed, &[n, h, w, c]);
            for (kind, kernel, stride) in links {
                let dims = b.dims(x);
                let outputs = 1 + b.next(48);
                let kernel = 2 * kernel - 1;
                x = match kind {
                    0 | 1 => b.same(x, outputs, 1, 1, 1, 1),
                    2 => b.same(x, outputs, kernel, stride, 1, 1),
                    3 => b.same(x, dims[3], kernel, stride, 1, dims[3]),
                    4 => b.table(x),
                    5 if dims[1] < 40 && dims[2] < 40 => b.nearest(x, 2),
                    _ => {
                        let y = b.same(x, dims[3], 1, 1, 1, 1);
                        b.add(x, y)
                    }
                };
            }
            let program = b.finish(&[x]);
            let failures = check("random", &program, seed);
            prop_assert!(failures.is_empty(), "{}", failures.join("\n"));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn wide_blocks_stream_and_take_less_memory() {
    let program = inverted_residuals(3, 151, 144);
    let plan = Plan::new(&program, available()[0]);
    let stages = plan.steps.iter().filter_map(Step::chain).map(|chain| chain.stages.len()).max();
    assert_eq!(stages, Some(3), "an expansion, its depthwise convolution and its projection are one step");
    let widest = 76 * 77 * 144;
    assert!(plan.arena_len + plan.bands_len < widest, "{} + {}", plan.arena_len, plan.bands_len);
}
