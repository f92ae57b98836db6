//! Kernels of every instruction set here, over shapes of the zoo's networks (`shapes.csv`); throughput in multiply-accumulates.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sedge::kernels::{self, Depthwise, Epilogue, Kernels, Matrix, Output, Patches, Q, Scratch};

/// One line of `shapes.csv`.
struct Shape {
    name: String,
    is_depthwise: bool,
    height: usize,
    width: usize,
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
}

fn shapes() -> Vec<Shape> {
    let lines = include_str!("shapes.csv").lines().skip(1);
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let number = |index: usize| fields[index].parse().expect("a number");
            Shape {
                name: format!("{} {}", fields[0], fields[1]),
                is_depthwise: fields[2] == "depthwise",
                height: number(3),
                width: number(4),
                inputs: number(5),
                outputs: number(6),
                kernel: number(7),
                stride: number(8),
            }
        })
        .collect()
}

/// Numbers that repeat too late to matter.
fn bytes(count: usize) -> impl Iterator<Item = u8> {
    (0..count as u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
}

fn kernels(criterion: &mut Criterion) {
    for shape in shapes() {
        let mut group = criterion.benchmark_group(&shape.name);
        let [rows, columns] = [shape.height, shape.width].map(|size| size.div_ceil(shape.stride));
        let depth = shape.kernel * shape.kernel * if shape.is_depthwise { 1 } else { shape.inputs };
        group.throughput(Throughput::Elements((rows * columns * shape.outputs * depth) as u64));
        group.sample_size(20);
        for kernels in kernels::available() {
            let id = BenchmarkId::from_parameter(kernels.isa());
            let mut run = prepared(kernels, &shape, [rows, columns], depth);
            group.bench_function(id, |bencher| bencher.iter(&mut run));
        }
        group.finish();
    }
}

/// One convolution, ready to be run: on padded rows, as the engine runs it.
fn prepared<'a>(
    kernels: &'a dyn Kernels,
    shape: &Shape,
    [rows, columns]: [usize; 2],
    depth: usize,
) -> impl FnMut() + 'a {
    let Shape { inputs, outputs, kernel, stride, is_depthwise, .. } = *shape;
    let row_step = (shape.width + kernel - 1) * inputs;
    let data: Vec<Q> = bytes((shape.height + kernel - 1) * row_step).map(kernels::stored).collect();
    let weights: Vec<i8> = bytes(outputs * depth).map(|byte| byte as i8).collect();
    let bias = vec![100; outputs];
    let multipliers = vec![1e-4; outputs];
    let taps: Vec<usize> =
        (0..kernel).flat_map(|y| (0..kernel).map(move |x| y * row_step + x * inputs)).collect();
    let matrix = Matrix { outputs, depth, weights: &weights, bias: &bias, zero_point: 3 };
    let filters = Depthwise { channels: outputs, taps: depth, weights: &weights, bias: &bias, zero_point: 3 };
    let packed_filters = is_depthwise.then(|| kernels.pack_depthwise(&filters));
    let dense =
        (!is_depthwise && kernel == 3 && stride == 1).then(|| kernels.pack_conv3x3(&matrix)).flatten();
    let packed = kernels.pack_matrix(&matrix);
    let bytes = kernels.matrix_scratch_bytes(depth).max(kernels.conv3x3_scratch_bytes(inputs));
    let mut scratch = Scratch::with_bytes(bytes);
    let mut out: Vec<Q> = vec![0; rows * columns * outputs];
    move || {
        let patches = Patches {
            data: &data,
            taps: &taps,
            run: inputs,
            step: stride * inputs,
            row_step: stride * row_step,
            width: columns,
            height: rows,
        };
        let epilogue = Epilogue {
            multipliers: &multipliers,
            zero_point: 5,
            low: i32::from(Q::MIN),
            high: i32::from(Q::MAX),
            residual: None,
        };
        let mut out = Output { data: &mut out, step: outputs, row_step: columns * outputs, width: columns };
        match (&packed_filters, &dense) {
            (Some(filters), _) => kernels.depthwise(&patches, filters, &epilogue, &mut out),
            (None, Some(dense)) => {
                kernels.conv3x3(&patches, dense, 0..outputs, &epilogue, &mut out, &mut scratch);
            }
            (None, None) => kernels.matrix(&patches, &packed, 0..outputs, &epilogue, &mut out, &mut scratch),
        }
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
