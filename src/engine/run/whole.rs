//! Runs an operator that is no part of a chain. Its tensors are contiguous; threads take parts of its output.

use super::{Pool, Split, dims, part, scatter};
use crate::engine::plan::Plan;
use crate::engine::program::{Bounds, Fill, Id, Kind};
use crate::kernels::{
    AddParams, LayerNormParams, MulParams, Operand, Padding, ProductParams, Q, Q_OFFSET, Quantization,
    Resize, SumParams, stored,
};

/// Most dims of a tensor.
const DIMS_MAX: usize = 8;

/// One step of an inference.
pub(super) fn run(plan: &Plan, op: usize, arena: &mut [Q], pool: &mut Pool) {
    let op = &plan.program.ops[op];
    if op.kind == Kind::View {
        return;
    }
    let out = plan.place(op.output);
    let (split, buffer) = Split::new(arena, out);
    let buffer = &mut buffer[out.offset..][..plan.program.tensors[op.output].elements()];
    let read = |index: usize| {
        let id = op.inputs[index];
        &split.read(plan.place(id))[..plan.program.tensors[id].elements()]
    };
    let zero = |id: Id| i32::from(plan.program.tensors[id].zero_point) + Q_OFFSET;
    let scale = |id: Id| plan.program.tensors[id].scale;
    let out_dims = dims(plan, op.output);
    let row = out_dims.last().copied().unwrap_or(1).max(1);
    let threads = pool.threads();
    let kernels = plan.kernels;
    let limits = |bounds: &Bounds| (i32::from(bounds.low) + Q_OFFSET, i32::from(bounds.high) + Q_OFFSET);
    let len = buffer.len();
    let rows_of = |thread: usize| part(len, threads, thread, row);
    match &op.kind {
        Kind::View => {}
        Kind::Table { .. } => {
            let (tables, input) = (plan.tables(op.output), read(0));
            scatter(pool, buffer, rows_of, &|thread, mine| {
                kernels.table(tables, &input[rows_of(thread)], mine)
            });
        }
        Kind::Add { factors, bounds } => {
            let (low, high) = limits(bounds);
            let params = AddParams {
                factors: *factors,
                a_zero: zero(op.inputs[0]),
                b_zero: zero(op.inputs[1]),
                zero: zero(op.output),
                low,
                high,
            };
            let swapped = AddParams {
                factors: [factors[1], factors[0]],
                a_zero: params.b_zero,
                b_zero: params.a_zero,
                ..params
            };
            let pair = Pair::new(out_dims, [dims(plan, op.inputs[0]), dims(plan, op.inputs[1])]);
            scatter(pool, buffer, rows_of, &|thread, mine| {
                pair.each(read(0), read(1), rows_of(thread).start, mine, |a, b, is_swapped, out| {
                    kernels.add(a, b, if is_swapped { &swapped } else { &params }, out);
                });
            });
        }
        Kind::Mul { multiplier, bounds } => {
            let (low, high) = limits(bounds);
            let params = MulParams {
                multiplier: *multiplier,
                a_zero: zero(op.inputs[0]),
                b_zero: zero(op.inputs[1]),
                zero: zero(op.output),
                low,
                high,
            };
            let swapped = MulParams { a_zero: params.b_zero, b_zero: params.a_zero, ..params };
            let pair = Pair::new(out_dims, [dims(plan, op.inputs[0]), dims(plan, op.inputs[1])]);
            scatter(pool, buffer, rows_of, &|thread, mine| {
                pair.each(read(0), read(1), rows_of(thread).start, mine, |a, b, is_swapped, out| {
                    kernels.mul(a, b, if is_swapped { &swapped } else { &params }, out);
                });
            });
        }
        Kind::MatMul { transposed, multiplier, bounds } => {
            let (low, high) = limits(bounds);
            let [a_dims, b_dims] = [dims(plan, op.inputs[0]), dims(plan, op.inputs[1])];
            let (m, k) = (a_dims[a_dims.len() - 2], a_dims[a_dims.len() - 1]);
            let mul = MulParams {
                multiplier: *multiplier,
                a_zero: zero(op.inputs[0]),
                b_zero: zero(op.inputs[1]),
                zero: zero(op.output),
                low,
                high,
            };
            let params = ProductParams { k, n: row, transposed: *transposed, mul };
            let (a, b) = (read(0), read(1));
            scatter(pool, buffer, rows_of, &|thread, mine| {
                let mut at = rows_of(thread).start / row;
                let mut rest = mine;
                while !rest.is_empty() {
                    let (batch, first) = (at / m, at % m);
                    let rows = (m - first).min(rest.len() / row);
                    let (part, tail) = rest.split_at_mut(rows * row);
                    let of = |dims: &[usize]| {
                        broadcast(batch, &out_dims[..out_dims.len() - 2], &dims[..dims.len() - 2])
                    };
                    let a = &a[(of(a_dims) * m + first) * k..][..rows * k];
                    kernels.product(a, &b[of(b_dims) * k * row..][..k * row], &params, part);
                    (rest, at) = (tail, at + rows);
                }
            });
        }
        Kind::Concat { dim } => {
            let inner: usize = out_dims[dim + 1..].iter().product();
            let whole = out_dims[*dim] * inner;
            let mut at = 0;
            for (index, &input) in op.inputs.iter().enumerate() {
                let (len, place) = (dims(plan, input)[*dim] * inner, plan.place(input));
                if place.start != out.start {
                    for (from, to) in
                        read(index).chunks_exact(len.max(1)).zip(buffer.chunks_exact_mut(whole.max(1)))
                    {
                        to[at..at + len].copy_from_slice(from);
                    }
                } else if place.offset != out.offset + at {
                    // The tensor is a part more than once: it was written where it is the first time.
                    let first = place.offset - out.offset;
                    for row in buffer.chunks_exact_mut(whole.max(1)) {
                        row.copy_within(first..first + len, at);
                    }
                }
                at += len;
            }
        }
        Kind::Slice { starts, steps } => {
            let from = strides(dims(plan, op.inputs[0]));
            let first: usize = starts.iter().zip(from).map(|(start, stride)| start * stride).sum();
            let mut distances = from;
            distances.iter_mut().zip(steps).for_each(|(distance, step)| *distance *= step);
            if len > 0 {
                kernels.copy_strided(&read(0)[first..], out_dims, &distances[..out_dims.len()], buffer);
            }
        }
        Kind::Permute { order } => {
            let from = strides(dims(plan, op.inputs[0]));
            let mut distances = [0; DIMS_MAX];
            distances.iter_mut().zip(order).for_each(|(distance, &dim)| *distance = from[dim]);
            kernels.copy_strided(read(0), out_dims, &distances[..out_dims.len()], buffer);
        }
        Kind::Pad { before, fill } => {
            let padding = match fill {
                Fill::Constant(value) => Padding::Constant(stored(*value)),
                Fill::Edge => Padding::Edge,
                Fill::Reflect => Padding::Reflect,
            };
            kernels.pad(read(0), dims(plan, op.inputs[0]), before, padding, out_dims, buffer);
        }
        Kind::Reduce { from, to, multiplier, bounds } => {
            let (low, high) = limits(bounds);
            let in_dims = dims(plan, op.inputs[0]);
            let reduced: usize = in_dims[*from..*to].iter().product();
            let inner: usize = in_dims[*to..].iter().product();
            let params = SumParams { input_zero: zero(op.inputs[0]), zero: zero(op.output), low, high };
            let input = read(0);
            let outer = len / inner.max(1);
            if outer == 1 {
                let columns = |thread: usize| part(inner, threads, thread, 32);
                scatter(pool, buffer, columns, &|thread, mine| {
                    kernels.reduce(input, [reduced, inner], columns(thread), *multiplier, &params, mine);
                });
            } else {
                let outers = |thread: usize| part(len, threads, thread, inner.max(1));
                scatter(pool, buffer, outers, &|thread, mine| {
                    let range = outers(thread);
                    let input = &input[range.start * reduced..range.end * reduced];
                    kernels.reduce(input, [reduced, inner], 0..inner, *multiplier, &params, mine);
                });
            }
        }
        Kind::Softmax { exponentials } => {
            let output = Quantization { scale: scale(op.output), zero: zero(op.output) };
            let input = read(0);
            scatter(pool, buffer, rows_of, &|thread, mine| {
                kernels.softmax(&input[rows_of(thread)], row, exponentials, &output, mine);
            });
        }
        Kind::LayerNorm { scale: factors, shift, epsilon } => {
            let params = LayerNormParams {
                scale: factors,
                shift,
                epsilon: *epsilon,
                input_scale: scale(op.inputs[0]),
                zero: zero(op.output),
            };
            let input = read(0);
            scatter(pool, buffer, rows_of, &|thread, mine| {
                kernels.layer_norm(&input[rows_of(thread)], &params, mine);
            });
        }
        Kind::ArgMax => {
            let channels = dims(plan, op.inputs[0]).last().copied().unwrap_or(1);
            let input = read(0);
            let pixels = |thread: usize| part(len, threads, thread, 1);
            scatter(pool, buffer, pixels, &|thread, mine| {
                let range = pixels(thread);
                kernels.argmax(&input[range.start * channels..range.end * channels], channels, mine);
            });
        }
        Kind::ResizeArgMax { rows, columns } => {
            let &[batch, height, width, channels] = dims(plan, op.inputs[0]) else { return };
            let quantization = Quantization { scale: scale(op.inputs[0]), zero: zero(op.inputs[0]) };
            let input = read(0);
            let line = columns.len();
            for image in 0..batch {
                let input = &input[image * height * width * channels..][..height * width * channels];
                let buffer = &mut buffer[image * rows.len() * line..][..rows.len() * line];
                let lines = |thread: usize| part(rows.len() * line, threads, thread, line.max(1));
                scatter(pool, buffer, lines, &|thread, mine| {
                    let range = lines(thread);
                    let rows = &rows[range.start / line.max(1)..range.end / line.max(1)];
                    kernels.resize_argmax(
                        input,
                        &Resize { width, channels, rows, columns },
                        &quantization,
                        mine,
                    );
                });
            }
        }
        Kind::Conv { .. }
        | Kind::ConvTranspose { .. }
        | Kind::MaxPool { .. }
        | Kind::AveragePool { .. }
        | Kind::Nearest { .. }
        | Kind::Linear { .. } => unreachable!("operators on images are stages of chains"),
    }
}

/// Distances between neighbours along each of `dims`.
fn strides(dims: &[usize]) -> [usize; DIMS_MAX] {
    let mut strides = [0; DIMS_MAX];
    let mut stride = 1;
    for (slot, &size) in strides[..dims.len()].iter_mut().zip(dims).rev() {
        (*slot, stride) = (stride, stride * size);
    }
    strides
}

/// Index in `dims` (each that of `out` or 1) of what meets index `index` of `out`, both row-major.
fn broadcast(index: usize, out: &[usize], dims: &[usize]) -> usize {
    let (mut rest, mut stride, mut found) = (index, 1, 0);
    for (&size, &own) in out.iter().zip(dims).rev() {
        if own != 1 {
            found += rest % size * stride;
        }
        stride *= own;
        rest /= size;
    }
    found
}

/// Two tensors that are brought to the shape of the output.
struct Pair<'a> {
    out: &'a [usize],
    dims: [&'a [usize]; 2],
    /// Both cover the output in one call.
    whole: Option<(bool, Meets)>,
}

/// How the smaller tensor of a pair meets the larger.
#[derive(Clone, Copy)]
enum Meets {
    Same,
    Channels,
    One,
}

impl<'a> Pair<'a> {
    fn new(out: &'a [usize], dims: [&'a [usize]; 2]) -> Pair<'a> {
        let meets = |dims: &[usize]| {
            let last = dims.len().saturating_sub(1);
            if dims == out {
                Some(Meets::Same)
            } else if dims.iter().all(|&size| size == 1) {
                Some(Meets::One)
            } else if dims[..last].iter().all(|&size| size == 1) && dims.last() == out.last() {
                Some(Meets::Channels)
            } else {
                None
            }
        };
        let whole = if dims[0] == out {
            meets(dims[1]).map(|meets| (false, meets))
        } else if dims[1] == out {
            meets(dims[0]).map(|meets| (true, meets))
        } else {
            None
        };
        Pair { out, dims, whole }
    }

    /// Calls `call(a, b, swapped, out)` until all of `out`, which begins at element `start` of the output, is written; `a` has the
    /// size of `out`.
    fn each(
        &self,
        a: &[Q],
        b: &[Q],
        start: usize,
        out: &mut [Q],
        call: impl Fn(&[Q], Operand, bool, &mut [Q]),
    ) {
        let range = start..start + out.len();
        if let Some((swapped, meets)) = self.whole {
            let (large, small) = if swapped { (b, a) } else { (a, b) };
            let operand = match meets {
                Meets::Same => Operand::Same(&small[range.clone()]),
                Meets::Channels => Operand::Channels(small),
                Meets::One => Operand::One(small[0]),
            };
            return call(&large[range], operand, swapped, out);
        }
        let row = self.out.last().copied().unwrap_or(1).max(1);
        for (index, out) in out.chunks_exact_mut(row).enumerate() {
            let (a, b) = (pick(a, self, 0, start / row + index), pick(b, self, 1, start / row + index));
            match (a.len() == row, b.len() == row) {
                (true, true) => call(a, Operand::Same(b), false, out),
                (true, false) => call(a, Operand::One(b[0]), false, out),
                _ => call(b, Operand::One(a[0]), true, out),
            }
        }
    }
}

/// The last dim of tensor `side` at row `row` of the output.
fn pick<'b>(values: &'b [Q], pair: &Pair, side: usize, row: usize) -> &'b [Q] {
    let dims = pair.dims[side];
    let last = dims.len() - 1;
    let at = broadcast(row, &pair.out[..last], &dims[..last]) * dims[last];
    &values[at..at + dims[last]]
}
