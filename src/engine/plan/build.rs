//! From the operators of a chain to its stages: packs weights, and computes where rows are read and how many bands hold.

use std::ops::Range;

use super::group::Link;
use super::stage::{Addition, Band, Compute, Phase, Stage};
use super::{Chain, Place};
use crate::engine::program::{Bounds, Kind, Op, Program, Tensor, Weights, Window};
use crate::kernels::{
    Depthwise, Kernels, LinearParams, Matrix, PackedConv3x3, PackedMatrix, Q, Q_OFFSET, stored,
};

/// Bands of a chain should stay in a cache of this size.
const BANDS_BYTES: usize = 96 * 1024;

fn image(tensor: &Tensor) -> [usize; 3] {
    [tensor.dims[1], tensor.dims[2], tensor.dims[3]]
}

fn zero(tensor: &Tensor) -> i32 {
    i32::from(tensor.zero_point) + Q_OFFSET
}

fn limits(bounds: Bounds) -> [i32; 2] {
    [i32::from(bounds.low) + Q_OFFSET, i32::from(bounds.high) + Q_OFFSET]
}

/// The stages of `links`.
pub(super) fn chain(
    program: &Program,
    ops: Vec<usize>,
    links: &[Link],
    places: &[Option<Place>],
    kernels: &'static dyn Kernels,
) -> Chain {
    let input = program.ops[links[0].op].inputs[0];
    let mut last_residual = None;
    let mut stages: Vec<Stage> = Vec::with_capacity(links.len());
    for (index, link) in links.iter().enumerate() {
        let op = &program.ops[link.op];
        let (from, to) = (&program.tensors[op.inputs[0]], &program.tensors[op.output]);
        let mut geometry = Geometry { input: image(from), output: image(to), margin: [0, 0] };
        geometry.margin = margins(&op.kind, geometry.input, geometry.output);
        let padded_rows = reads_padding(&op.kind, geometry.input, geometry.output);
        let place = if index == 0 { places[op.inputs[0]] } else { None };
        let direct = match (&op.kind, place) {
            (Kind::Conv { .. } | Kind::ConvTranspose { .. }, Some(place)) if !padded_rows => {
                (geometry.margin == [0, 0]).then_some(place)
            }
            _ => None,
        };
        let channels = geometry.input[2];
        let (step, row_step) = match direct {
            Some(place) => (place.stride, place.stride * geometry.input[1]),
            None => (channels, (geometry.margin[0] + geometry.input[1] + geometry.margin[1]) * channels),
        };
        let residual = link.residual.map(|(add, side)| {
            let sum = &program.ops[add];
            let Kind::Add { factors, bounds } = sum.kind else { unreachable!("a residual is an addition") };
            last_residual = Some(sum.inputs[side]);
            Addition {
                data_zero: zero(&program.tensors[sum.inputs[side]]),
                own: factors[1 - side],
                other: factors[side],
                zero_point: zero(&program.tensors[sum.output]),
                bounds: limits(bounds),
            }
        });
        let tables = link.tables.iter().map(|&table| match &program.ops[table].kind {
            Kind::Table { tables } => tables_stored(tables),
            _ => unreachable!("a link's tables are tables"),
        });
        let bounds = match &op.kind {
            Kind::Conv { bounds, .. }
            | Kind::ConvTranspose { bounds, .. }
            | Kind::AveragePool { bounds, .. } => *bounds,
            _ => Bounds::ALL,
        };
        stages.push(Stage {
            op: link.op,
            input: geometry.input,
            output: geometry.output,
            margin: geometry.margin,
            fill: match op.kind {
                Kind::MaxPool { .. } => Q::MIN,
                _ => stored(from.zero_point),
            },
            // Its rows are counted below.
            band: direct.is_none().then_some(Band { start: 0, rows: 0 }),
            step,
            row_step,
            compute: compute(op, from, to, &geometry, [step, row_step], kernels),
            zero_point: zero(to),
            bounds: limits(bounds),
            residual,
            tables: tables.collect(),
        });
    }
    let output = links[links.len() - 1].output(program);
    let batch = program.tensors[output].dims[0];
    flatten(&mut stages, batch);
    let batch = if stages[0].input[1] == 1 && stages[0].band.is_none() { 1 } else { batch };
    let by_channels = stages.len() == 1
        && stages[0].output[0] * stages[0].output[1] * batch == 1
        && matches!(&stages[0].compute, Compute::Matrix { groups, .. } if groups.len() == 1)
        && stages[0].tables.is_empty()
        && stages[0].band.is_none();
    let (band_rows, bands_len) = size_bands(&mut stages);
    let rows_unit = rows_unit(&stages);
    Chain {
        ops,
        input,
        output,
        residual: last_residual,
        batch,
        stages,
        band_rows,
        rows_unit,
        bands_len,
        by_channels,
    }
}

struct Geometry {
    input: [usize; 3],
    output: [usize; 3],
    margin: [usize; 2],
}

/// A single convolution of one pixel at a time has no rows: all its pixels are rows of one pixel.
fn flatten(stages: &mut [Stage], batch: usize) {
    let [stage] = stages else { return };
    if let (Compute::Matrix { window, .. }, None) = (&stage.compute, stage.band)
        && window.kernel == [1, 1]
        && window.strides == [1, 1]
        && stage.row_step == stage.step * stage.input[1]
    {
        let pixels = batch * stage.input[0] * stage.input[1];
        (stage.input, stage.output) = ([pixels, 1, stage.input[2]], [pixels, 1, stage.output[2]]);
        stage.row_step = stage.step;
    }
}

/// Gives each band its rows and its place; as many rows of output at a time as fit a cache.
fn size_bands(stages: &mut [Stage]) -> (usize, usize) {
    let height = stages[stages.len() - 1].output[0];
    if stages.iter().all(|stage| stage.band.is_none()) {
        return (height, 0);
    }
    let rows_of = |stages: &[Stage], band: usize| -> Vec<usize> {
        let mut most = vec![0; stages.len()];
        for start in 0..height {
            let mut rows = start..(start + band).min(height);
            for (index, stage) in stages.iter().enumerate().rev() {
                let needed = stage.input_rows(rows);
                most[index] = most[index].max((needed.end - needed.start) as usize);
                rows = needed.start.max(0) as usize..(needed.end.max(0) as usize).min(stage.input[0]);
            }
        }
        most
    };
    let total = |stages: &[Stage], rows: &[usize]| -> usize {
        let bands = stages.iter().zip(rows).filter(|(stage, _)| stage.band.is_some());
        bands.map(|(stage, rows)| (stage.row_len() * rows).next_multiple_of(64)).sum()
    };
    let mut band_rows = rows_unit(stages);
    while band_rows < height && total(stages, &rows_of(stages, band_rows * 2)) <= BANDS_BYTES {
        band_rows *= 2;
    }
    let band_rows = band_rows.min(height);
    let rows = rows_of(stages, band_rows);
    let mut start = 0;
    for (stage, rows) in stages.iter_mut().zip(rows) {
        let len = (stage.row_len() * rows).next_multiple_of(64);
        if let Some(band) = &mut stage.band {
            *band = Band { start, rows };
            start += len;
        }
    }
    (band_rows, start)
}

/// Rows of output that are best computed at a time.
fn rows_unit(stages: &[Stage]) -> usize {
    let is_tiled = stages.iter().any(|stage| matches!(stage.compute, Compute::Conv3x3 { .. }));
    if is_tiled { PackedConv3x3::ROWS } else { 1 }
}

/// Columns left and right of the input that some output column reads.
fn margins(kind: &Kind, input: [usize; 3], output: [usize; 3]) -> [usize; 2] {
    let columns = reach(kind, 1, output[1]);
    [(-columns.start).max(0) as usize, (columns.end - input[1] as isize).max(0) as usize]
}

/// Whether some output row reads above or below the input.
fn reads_padding(kind: &Kind, input: [usize; 3], output: [usize; 3]) -> bool {
    let rows = reach(kind, 0, output[0]);
    rows.start < 0 || rows.end > input[0] as isize
}

/// Input coordinates along `axis` that outputs `0..size` read.
fn reach(kind: &Kind, axis: usize, size: usize) -> Range<isize> {
    let far = |window: &Window| ((window.kernel[axis] - 1) * window.dilations[axis]) as isize;
    let last = size as isize - 1;
    match kind {
        Kind::Conv { window, .. } | Kind::MaxPool { window } | Kind::AveragePool { window, .. } => {
            let (stride, pad) = (window.strides[axis] as isize, window.pads[axis] as isize);
            -pad..last * stride - pad + far(window) + 1
        }
        Kind::ConvTranspose { window, .. } => {
            let (stride, pad) = (window.strides[axis] as isize, window.pads[axis] as isize);
            (pad - far(window)).div_euclid(stride)..(last + pad).div_euclid(stride) + 1
        }
        _ => 0..0,
    }
}

fn compute(
    op: &Op,
    from: &Tensor,
    to: &Tensor,
    geometry: &Geometry,
    [step, row_step]: [usize; 2],
    kernels: &'static dyn Kernels,
) -> Compute {
    let channels = geometry.input[2];
    let taps = |window: &Window| -> Vec<usize> {
        let rows = (0..window.kernel[0]).map(|y| y * window.dilations[0] * row_step);
        rows.flat_map(|row| (0..window.kernel[1]).map(move |x| row + x * window.dilations[1] * step))
            .collect()
    };
    match &op.kind {
        Kind::Conv { window, weights, .. } => {
            let outputs = geometry.output[2];
            if weights.groups == channels && channels == outputs && channels > 1 {
                return Compute::Depthwise {
                    window: *window,
                    taps: taps(window),
                    weights: kernels.pack_depthwise(&Depthwise {
                        channels,
                        taps: window.kernel[0] * window.kernel[1],
                        weights: &transposed(&weights.values, channels),
                        bias: &weights.bias,
                        zero_point: zero(from),
                    }),
                    multipliers: weights.multipliers.clone(),
                };
            }
            // Taps next to each other are one longer run.
            let joined = weights.groups == 1 && window.dilations[1] == 1 && step == channels;
            let (taps, run) = if joined {
                let rows = (0..window.kernel[0]).map(|y| y * window.dilations[0] * row_step).collect();
                (rows, window.kernel[1] * channels)
            } else {
                (taps(window), channels / weights.groups)
            };
            let is_three = window.kernel == [3, 3] && window.strides == [1, 1] && window.dilations == [1, 1];
            if is_three && joined {
                let matrix = Matrix {
                    outputs,
                    depth: 9 * channels,
                    weights: &weights.values,
                    bias: &weights.bias,
                    zero_point: zero(from),
                };
                if let Some(packed) = kernels.pack_conv3x3(&matrix) {
                    let (window, multipliers) = (*window, weights.multipliers.clone());
                    return Compute::Conv3x3 { window, taps, run, weights: packed, multipliers };
                }
            }
            let all: Vec<usize> = (0..window.kernel[0] * window.kernel[1]).collect();
            Compute::Matrix {
                window: *window,
                taps,
                run,
                groups: pack_groups(weights, &all, window, channels, zero(from), kernels),
                multipliers: weights.multipliers.clone(),
            }
        }
        Kind::ConvTranspose { window, weights, .. } => Compute::Transposed {
            window: *window,
            phases: phases(window, weights, geometry, zero(from), kernels),
            multipliers: weights.multipliers.clone(),
        },
        Kind::MaxPool { window } => Compute::MaxPool { window: *window, taps: taps(window) },
        Kind::AveragePool { window, count_include_pad, .. } => {
            let ratio = f64::from(from.scale) / f64::from(to.scale);
            let counts = |axis: usize| -> Vec<usize> {
                let all = window.kernel[axis];
                let inside = |index: usize| {
                    let first = (index * window.strides[axis]) as isize - window.pads[axis] as isize;
                    let tap = |tap: usize| first + (tap * window.dilations[axis]) as isize;
                    (0..all).filter(|&index| (0..geometry.input[axis] as isize).contains(&tap(index))).count()
                };
                (0..geometry.output[axis])
                    .map(|index| if *count_include_pad { all } else { inside(index) })
                    .collect()
            };
            let (rows, columns) = (counts(0), counts(1));
            let factor = |count: usize| (ratio / count.max(1) as f64) as f32;
            Compute::AveragePool {
                window: *window,
                taps: taps(window),
                input_zero: zero(from),
                factors: rows
                    .iter()
                    .flat_map(|row| columns.iter().map(move |column| factor(row * column)))
                    .collect(),
            }
        }
        Kind::Nearest { rows, columns } => Compute::Nearest { rows: rows.clone(), columns: columns.clone() },
        Kind::Linear { rows, columns, multiplier } => Compute::Linear {
            rows: rows.clone(),
            columns: columns.clone(),
            params: LinearParams { input_zero: zero(from), multiplier: *multiplier, zero: zero(to) },
        },
        _ => unreachable!("a stage works on images"),
    }
}

/// `[channels][taps]` as `[taps][channels]`.
fn transposed(weights: &[i8], channels: usize) -> Vec<i8> {
    let taps = weights.len() / channels.max(1);
    (0..taps).flat_map(|tap| (0..channels).map(move |channel| weights[channel * taps + tap])).collect()
}

/// Packs, for each group, the weights of `taps` (numbers in the kernel, row by row).
fn pack_groups(
    weights: &Weights,
    taps: &[usize],
    window: &Window,
    channels: usize,
    zero_point: i32,
    kernels: &'static dyn Kernels,
) -> Vec<PackedMatrix> {
    let (outputs, inputs) = (weights.bias.len() / weights.groups, channels / weights.groups);
    let all_taps = window.kernel[0] * window.kernel[1];
    (0..weights.groups)
        .map(|group| {
            let rows = group * outputs..(group + 1) * outputs;
            let chosen: Vec<i8> = rows
                .clone()
                .flat_map(|row| taps.iter().map(move |tap| (row * all_taps + tap) * inputs))
                .flat_map(|start| weights.values[start..start + inputs].iter().copied())
                .collect();
            kernels.pack_matrix(&Matrix {
                outputs,
                depth: taps.len() * inputs,
                weights: &chosen,
                bias: &weights.bias[rows],
                zero_point,
            })
        })
        .collect()
}

/// Output pixel `y` sums over taps `t` with `(y + pad - t * dilation) % stride == 0`, of input pixel `(y + pad - t * dilation) / stride`.
fn phases(
    window: &Window,
    weights: &Weights,
    geometry: &Geometry,
    zero_point: i32,
    kernels: &'static dyn Kernels,
) -> Vec<Phase> {
    let taps_of = |axis: usize, remainder: usize| -> Vec<usize> {
        let (dilation, stride) = (window.dilations[axis], window.strides[axis]);
        (0..window.kernel[axis]).filter(|tap| tap * dilation % stride == remainder).collect()
    };
    let mut phases = Vec::new();
    for remainder in 0..window.strides[0] {
        for column in 0..window.strides[1].min(geometry.output[1]) {
            let rows = taps_of(0, remainder);
            let columns = taps_of(1, (column + window.pads[1]) % window.strides[1]);
            let taps: Vec<usize> = rows
                .iter()
                .flat_map(|row| columns.iter().map(move |column| row * window.kernel[1] + column))
                .collect();
            let input_column = |tap: &usize| {
                let reached = (column + window.pads[1]) as isize - (tap * window.dilations[1]) as isize;
                (reached.div_euclid(window.strides[1] as isize) + geometry.margin[0] as isize) as usize
            };
            let input_row = |tap: &usize| (tap * window.dilations[0] - remainder) / window.strides[0];
            phases.push(Phase {
                column,
                width: (geometry.output[1] - column).div_ceil(window.strides[1]),
                remainder,
                taps_columns: columns.iter().map(input_column).collect(),
                taps_rows: rows.iter().map(input_row).collect(),
                groups: pack_groups(weights, &taps, window, geometry.input[2], zero_point, kernels),
            });
        }
    }
    phases
}

/// Entry `unsigned(x)` of a stored table is the stored form of entry `x`.
pub(super) fn tables_stored(tables: &[u8]) -> Vec<Q> {
    tables.iter().map(|&value| stored(value)).collect()
}
