//! Runs a chain: each thread takes a part of the output's rows and goes through it band by band.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::{Pool, Split, Worker, part, scatter};
use crate::engine::plan::{Chain, Compute, Place, Plan, Stage};
use crate::kernels::{Epilogue, Kernels, Output, Patches, Q, Residual, Resize, Scratch, SumParams};

/// Output channels go to threads in multiples of this.
const CHANNELS_UNIT: usize = 64;

/// One step of an inference.
pub(super) fn run(plan: &Plan, chain: &Chain, arena: &mut [Q], pool: &mut Pool, workers: &[Mutex<Worker>]) {
    let out = plan.place(chain.output);
    let input = plan.place(chain.input);
    let residual = chain.residual.map(|id| plan.place(id));
    let last = &chain.stages[chain.stages.len() - 1];
    let [height, width, channels] = last.output;
    let row = width * out.stride;
    let threads = pool.threads();
    for image in 0..chain.batch {
        let (split, buffer) = Split::new(arena, out);
        let first = &chain.stages[0];
        let source = Source {
            data: &split.read(input)[image * first.input[0] * first.input[1] * input.stride..],
            place: input,
        };
        let other =
            residual.map(|place| (&split.read(place)[image * height * width * place.stride..], place.stride));
        let buffer = &mut buffer[image * height * row..];
        if chain.by_channels {
            let bounds = |thread: usize| {
                let channels = part(channels, threads, thread, CHANNELS_UNIT);
                out.offset + channels.start..out.offset + channels.end
            };
            scatter(pool, buffer, bounds, &|thread, mine| {
                let mut worker = workers[thread].lock().unwrap_or_else(PoisonError::into_inner);
                let channels = part(channels, threads, thread, CHANNELS_UNIT);
                one_pixel(plan.kernels, last, channels, &source, other, mine, &mut worker.scratch);
            });
            continue;
        }
        let len = buffer.len();
        let bounds = |thread: usize| {
            let rows = part(height, threads, thread, chain.rows_unit);
            let end = if rows.end == height { len } else { rows.end * row };
            rows.start * row..end
        };
        scatter(pool, buffer, bounds, &|thread, mine| {
            let rows = part(height, threads, thread, chain.rows_unit);
            if rows.is_empty() {
                return;
            }
            let mut worker = workers[thread].lock().unwrap_or_else(PoisonError::into_inner);
            rows_of(plan, chain, rows, &source, other, &mut mine[out.offset..], out.stride, &mut worker);
        });
    }
}

/// The chain's input: one image.
struct Source<'a> {
    data: &'a [Q],
    place: Place,
}

/// All channels `channels` of an output of one pixel.
fn one_pixel(
    kernels: &dyn Kernels,
    stage: &Stage,
    channels: Range<usize>,
    source: &Source,
    residual: Option<(&[Q], usize)>,
    out: &mut [Q],
    scratch: &mut Scratch,
) {
    let Compute::Matrix { taps, run, groups, multipliers, .. } = &stage.compute else {
        unreachable!("only products are cut by channels")
    };
    if channels.is_empty() {
        return;
    }
    let patches = Patches {
        data: source.data,
        taps,
        run: *run,
        step: stage.step,
        row_step: stage.row_step,
        width: 1,
        height: 1,
    };
    let residual = residual.map(|(data, stride)| (&data[channels.start..], stride));
    let mut output = Output { data: out, step: channels.len(), row_step: channels.len(), width: 1 };
    kernels.matrix(
        &patches,
        &groups[0],
        channels,
        &epilogue(stage, multipliers, residual),
        &mut output,
        scratch,
    );
}

fn epilogue<'a>(stage: &Stage, multipliers: &'a [f32], residual: Option<(&'a [Q], usize)>) -> Epilogue<'a> {
    Epilogue {
        multipliers,
        zero_point: stage.zero_point,
        low: stage.bounds[0],
        high: stage.bounds[1],
        residual: stage.residual.zip(residual).map(|(with, (data, stride))| Residual {
            data,
            stride,
            data_zero: with.data_zero,
            own: with.own,
            other: with.other,
            zero_point: with.zero_point,
            low: with.bounds[0],
            high: with.bounds[1],
        }),
    }
}

/// Rows `rows` of one image's output; `out` begins with the first of them.
#[allow(clippy::too_many_arguments)]
fn rows_of(
    plan: &Plan,
    chain: &Chain,
    rows: Range<usize>,
    source: &Source,
    residual: Option<(&[Q], usize)>,
    out: &mut [Q],
    stride: usize,
    worker: &mut Worker,
) {
    let stages = &chain.stages;
    let last = stages.len() - 1;
    let width = stages[last].output[1];
    worker.held.clear();
    worker.held.resize(stages.len(), 0..0);
    worker.needed.clear();
    worker.needed.resize(stages.len(), 0..0);
    let mut start = rows.start;
    while start < rows.end {
        let end = (start + chain.band_rows).min(rows.end);
        let mut wanted = start..end;
        for (index, stage) in stages.iter().enumerate().rev() {
            worker.needed[index] = stage.input_rows(wanted.clone());
            wanted = real(&worker.needed[index], stage.input[0]);
        }
        for index in 0..stages.len() {
            fill_band(plan.kernels, stages, index, source, worker);
        }
        let at = (start - rows.start) * width * stride;
        let mut output = Output { data: &mut out[at..], step: stride, row_step: width * stride, width };
        let other = residual.map(|(data, stride)| (&data[start * width * stride..], stride));
        let bands = worker.bands.values();
        let input = stage_input(&stages[last], bands, source, &worker.needed[last]);
        let memory = (&mut worker.scratch, &mut worker.taps);
        compute(plan.kernels, &stages[last], input, start..end, other, &mut output, memory);
        start = end;
    }
}

/// The rows of `rows` that are not padding.
fn real(rows: &Range<isize>, height: usize) -> Range<usize> {
    let height = height as isize;
    let start = rows.start.clamp(0, height);
    start as usize..rows.end.clamp(start, height) as usize
}

/// What a stage reads: values, and the row that they begin with.
struct Input<'a> {
    data: &'a [Q],
    first_row: isize,
}

fn stage_input<'a>(stage: &Stage, bands: &'a [Q], source: &Source<'a>, needed: &Range<isize>) -> Input<'a> {
    match stage.band {
        Some(band) => {
            Input { data: &bands[band.start..][..band.rows * stage.row_step], first_row: needed.start }
        }
        None => Input { data: source.data, first_row: 0 },
    }
}

/// Brings the rows that stage `index` needs into its band: those held already are moved to its beginning, the others come
/// from the stage before, or from the chain's input.
fn fill_band(kernels: &dyn Kernels, stages: &[Stage], index: usize, source: &Source, worker: &mut Worker) {
    let stage = &stages[index];
    let Some(band) = stage.band else { return };
    let (held, needed) = (worker.held[index].clone(), worker.needed[index].clone());
    let row = stage.row_len();
    let kept = needed.start.max(held.start)..held.end.min(needed.end);
    let fresh = if kept.is_empty() { needed.clone() } else { kept.end..needed.end };
    let (before, bands) = worker.bands.values_mut().split_at_mut(band.start);
    let bands = &mut bands[..band.rows * row];
    if !kept.is_empty() && held.start < needed.start {
        let from = (kept.start - held.start) as usize * row;
        bands.copy_within(from..from + (kept.end - kept.start) as usize * row, 0);
    }
    worker.held[index] = needed.clone();

    let (left, right) = (stage.margin[0] * stage.input[2], stage.margin[1] * stage.input[2]);
    let inside = real(&fresh, stage.input[0]);
    for y in fresh.clone() {
        let line = &mut bands[(y - needed.start) as usize * row..][..row];
        if inside.contains(&(y.max(0) as usize)) && y >= 0 {
            line[..left].fill(stage.fill);
            line[row - right..].fill(stage.fill);
        } else {
            line.fill(stage.fill);
        }
    }
    if inside.is_empty() {
        return;
    }
    let [_, width, channels] = stage.input;
    let to = (inside.start as isize - needed.start) as usize * row + left;
    if index == 0 {
        for (line, y) in bands[to..].chunks_mut(row).zip(inside) {
            let from = &source.data[y * width * source.place.stride..];
            copy_row(from, source.place.stride, channels, &mut line[..width * channels]);
        }
        return;
    }
    let mut output = Output { data: &mut bands[to..], step: channels, row_step: row, width };
    let producer = &stages[index - 1];
    let input = stage_input(producer, before, source, &worker.needed[index - 1]);
    compute(kernels, producer, input, inside, None, &mut output, (&mut worker.scratch, &mut worker.taps));
}

/// Copies pixels that are `stride` apart next to each other.
fn copy_row(from: &[Q], stride: usize, channels: usize, to: &mut [Q]) {
    if stride == channels {
        to.copy_from_slice(&from[..to.len()]);
        return;
    }
    for (pixel, to) in to.chunks_exact_mut(channels).enumerate() {
        to.copy_from_slice(&from[pixel * stride..][..channels]);
    }
}

/// Output rows `rows` of `stage`.
fn compute(
    kernels: &dyn Kernels,
    stage: &Stage,
    input: Input,
    rows: Range<usize>,
    residual: Option<(&[Q], usize)>,
    out: &mut Output,
    (scratch, taps_room): (&mut Scratch, &mut Vec<usize>),
) {
    let [_, width, channels] = stage.output;
    let (step, row_step) = (stage.step, stage.row_step);
    let first = |stride: usize, pad: usize| {
        ((rows.start * stride) as isize - pad as isize - input.first_row) as usize * row_step
    };
    match &stage.compute {
        Compute::Matrix { window, taps, run, groups, multipliers } => {
            let base = first(window.strides[0], window.pads[0]);
            // Pixels that are rows of their own are one row to the kernel.
            let flat = width == 1 && window.strides[0] == 1 && out.row_step == out.step;
            let (patch_width, patch_height, pixel) =
                if flat { (rows.len(), 1, row_step) } else { (width, rows.len(), window.strides[1] * step) };
            let outputs = channels / groups.len();
            for (group, weights) in groups.iter().enumerate() {
                let patches = Patches {
                    data: &input.data[base + group * (stage.input[2] / groups.len())..],
                    taps,
                    run: *run,
                    step: pixel,
                    row_step: window.strides[0] * row_step,
                    width: patch_width,
                    height: patch_height,
                };
                let residual = residual.map(|(data, stride)| (&data[group * outputs..], stride));
                let epilogue = epilogue(stage, &multipliers[group * outputs..][..outputs], residual);
                let mut part = Output {
                    data: &mut out.data[group * outputs..],
                    step: out.step,
                    row_step: out.row_step,
                    width: patch_width,
                };
                kernels.matrix(&patches, weights, 0..outputs, &epilogue, &mut part, scratch);
            }
        }
        Compute::Conv3x3 { window, taps, run, weights, multipliers } => {
            let patches = Patches {
                data: &input.data[first(window.strides[0], window.pads[0])..],
                taps,
                run: *run,
                step,
                row_step,
                width,
                height: rows.len(),
            };
            let epilogue = epilogue(stage, multipliers, residual);
            kernels.conv3x3(&patches, weights, 0..channels, &epilogue, out, scratch);
        }
        Compute::Depthwise { window, taps, weights, multipliers } => {
            let patches = Patches {
                data: &input.data[first(window.strides[0], window.pads[0])..],
                taps,
                run: channels,
                step: window.strides[1] * step,
                row_step: window.strides[0] * row_step,
                width,
                height: rows.len(),
            };
            kernels.depthwise(&patches, weights, &epilogue(stage, multipliers, residual), out);
        }
        Compute::Transposed { window, phases, multipliers } => {
            let (stride, pad) = (window.strides[0], window.pads[0]);
            for phase in phases {
                let skip = (phase.remainder + stride - (rows.start + pad) % stride) % stride;
                let y = rows.start + skip;
                if y >= rows.end {
                    continue;
                }
                let height = (rows.end - y).div_ceil(stride);
                let source_row = ((y + pad - phase.remainder) / stride) as isize - input.first_row;
                let at = skip * out.row_step + phase.column * out.step;
                taps_room.clear();
                for tap_row in &phase.taps_rows {
                    let line = (source_row - *tap_row as isize) as usize * row_step;
                    taps_room.extend(phase.taps_columns.iter().map(|column| line + column * step));
                }
                let outputs = channels / phase.groups.len();
                let inputs = stage.input[2] / phase.groups.len();
                for (group, weights) in phase.groups.iter().enumerate() {
                    let patches = Patches {
                        data: &input.data[group * inputs..],
                        taps: taps_room,
                        run: inputs,
                        step,
                        row_step,
                        width: phase.width,
                        height,
                    };
                    let mut part = Output {
                        data: &mut out.data[at + group * outputs..],
                        step: window.strides[1] * out.step,
                        row_step: stride * out.row_step,
                        width: phase.width,
                    };
                    let epilogue = epilogue(stage, &multipliers[group * outputs..][..outputs], None);
                    kernels.matrix(&patches, weights, 0..outputs, &epilogue, &mut part, scratch);
                }
            }
        }
        Compute::MaxPool { window, taps } | Compute::AveragePool { window, taps, .. } => {
            let patches = Patches {
                data: &input.data[first(window.strides[0], window.pads[0])..],
                taps,
                run: channels,
                step: window.strides[1] * step,
                row_step: window.strides[0] * row_step,
                width,
                height: rows.len(),
            };
            let Compute::AveragePool { input_zero, factors, .. } = &stage.compute else {
                kernels.max_pool(&patches, out);
                return tables(kernels, stage, rows.len(), out);
            };
            let params = SumParams {
                input_zero: *input_zero,
                zero: stage.zero_point,
                low: stage.bounds[0],
                high: stage.bounds[1],
            };
            kernels.average_pool(&patches, &factors[rows.start * width..][..patches.pixels()], &params, out);
        }
        Compute::Nearest { rows: sources, columns } => {
            let sources = &sources[rows.clone()];
            for (index, source) in sources.iter().enumerate() {
                if index > 0 && sources[index - 1] == *source && out.step == channels {
                    let above = (index - 1) * out.row_step;
                    out.data.copy_within(above..above + columns.len() * channels, index * out.row_step);
                    continue;
                }
                let line = (*source as isize - input.first_row) as usize * row_step;
                for (x, column) in columns.iter().enumerate() {
                    let to = index * out.row_step + x * out.step;
                    out.data[to..to + channels]
                        .copy_from_slice(&input.data[line + column * step..][..channels]);
                }
            }
        }
        Compute::Linear { rows: sources, columns, params } => {
            let first_row = input.first_row.max(0) as usize;
            let resize = Resize { width: stage.input[1], channels, rows: &sources[rows.clone()], columns };
            kernels.linear(input.data, first_row, &resize, params, out);
        }
    }
    tables(kernels, stage, rows.len(), out);
}

/// Applies the tables of `stage` to rows just written.
fn tables(kernels: &dyn Kernels, stage: &Stage, rows: usize, out: &mut Output) {
    let [_, width, channels] = stage.output;
    for table in &stage.tables {
        for y in 0..rows {
            let row = &mut out.data[y * out.row_step..];
            if out.step == channels {
                kernels.table_in_place(table, &mut row[..width * channels]);
                continue;
            }
            for x in 0..width {
                kernels.table_in_place(table, &mut row[x * out.step..][..channels]);
            }
        }
    }
}
