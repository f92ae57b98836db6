//! Where every tensor lies.

use super::Place;
use super::group::Group;
use crate::engine::program::{Id, Kind, Program};

/// Places of all tensors.
pub struct Layout {
    /// One for each tensor; `None` for those that only live inside a chain.
    pub places: Vec<Option<Place>>,
    /// Values in the arena.
    pub len: usize,
}

/// Buffers begin on a cache line.
const ALIGNMENT: usize = 64;

/// Where a tensor lies relative to another that holds it.
#[derive(Clone, Copy)]
struct Inside {
    holder: Id,
    offset: usize,
    /// Values from a pixel to the next, where they are not those of the tensor itself.
    stride: Option<usize>,
}

/// Gives tensors that cross steps a place in the arena.
pub fn lay_out(program: &Program, groups: &[Group]) -> Layout {
    let inside = holders(program, groups);
    let root = |mut id: Id| {
        let (mut offset, mut stride, own) = (0, None, last_dim(program, id));
        while let Some(inside) = inside[id] {
            offset += inside.offset;
            stride = inside.stride.or(stride);
            id = inside.holder;
        }
        (id, offset, stride.unwrap_or(own))
    };
    // First and last step at which something of a buffer is alive.
    let mut alive: Vec<Option<(usize, usize)>> = vec![None; program.tensors.len()];
    let mut touch = |tensor: Id, step: usize| {
        let (buffer, _, _) = root(tensor);
        let (first, last) = alive[buffer].unwrap_or((step, step));
        alive[buffer] = Some((first.min(step), last.max(step)));
    };
    for port in &program.inputs {
        touch(port.tensor, 0);
    }
    for (tensor, value) in program.tensors.iter().enumerate() {
        if value.constant.is_some() {
            touch(tensor, 0);
            touch(tensor, groups.len());
        }
    }
    for (step, group) in groups.iter().enumerate() {
        // A step's threads run side by side, and what it reads is alive while it writes.
        for tensor in group.inputs(program).into_iter().chain([group.output(program)]) {
            touch(tensor, step);
        }
    }
    for port in &program.outputs {
        touch(port.tensor, groups.len());
    }
    let buffers: Vec<Buffer> = alive
        .iter()
        .enumerate()
        .filter_map(|(id, alive)| {
            let (first, last) = (*alive)?;
            let len = program.tensors[id].elements().max(1).next_multiple_of(ALIGNMENT);
            Some(Buffer { id, len, first, last, start: 0 })
        })
        .collect();
    let (buffers, len) = assign(buffers);
    let mut starts = vec![None; program.tensors.len()];
    for buffer in &buffers {
        starts[buffer.id] = Some((buffer.start, program.tensors[buffer.id].elements()));
    }
    let places = (0..program.tensors.len())
        .map(|id| {
            let (buffer, offset, stride) = root(id);
            starts[buffer].map(|(start, len)| Place { start, len, offset, stride })
        })
        .collect();
    Layout { places, len }
}

struct Buffer {
    id: Id,
    len: usize,
    first: usize,
    last: usize,
    start: usize,
}

/// Greedy by size: the largest buffers first, each at the lowest start where it meets no buffer alive at the same time
/// (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
fn assign(mut buffers: Vec<Buffer>) -> (Vec<Buffer>, usize) {
    buffers.sort_by_key(|buffer| (std::cmp::Reverse(buffer.len), buffer.first));
    let mut placed: Vec<Buffer> = Vec::with_capacity(buffers.len());
    for mut buffer in buffers {
        let mut others: Vec<(usize, usize)> = placed
            .iter()
            .filter(|other| other.first <= buffer.last && buffer.first <= other.last)
            .map(|other| (other.start, other.start + other.len))
            .collect();
        others.sort_unstable();
        for (start, end) in others {
            if buffer.start + buffer.len <= start {
                break;
            }
            buffer.start = buffer.start.max(end);
        }
        placed.push(buffer);
    }
    let len = placed.iter().map(|buffer| buffer.start + buffer.len).max().unwrap_or(0);
    (placed, len)
}

fn last_dim(program: &Program, id: Id) -> usize {
    program.tensors[id].dims.last().copied().unwrap_or(1)
}

/// Which tensors lie inside another: views in what they show, parts of a concatenation in the whole, slices of channels in
/// what they are cut from.
fn holders(program: &Program, groups: &[Group]) -> Vec<Option<Inside>> {
    let mut inside: Vec<Option<Inside>> = vec![None; program.tensors.len()];
    let fixed = |id: Id| {
        program.tensors[id].constant.is_some() || program.inputs.iter().any(|port| port.tensor == id)
    };
    let is_output = |id: Id| program.outputs.iter().any(|port| port.tensor == id);
    for op in &program.ops {
        if op.kind == Kind::View {
            let input = op.inputs[0];
            inside[op.output] = Some(Inside { holder: input, offset: 0, stride: None });
        }
    }
    let is_view = |id: Id| program.ops.iter().any(|op| op.kind == Kind::View && op.output == id);
    let is_viewed = |id: Id| program.ops.iter().any(|op| op.kind == Kind::View && op.inputs[0] == id);
    for op in &program.ops {
        let Kind::Concat { dim } = op.kind else { continue };
        let dims = &program.tensors[op.output].dims;
        let outer: usize = dims[..dim].iter().product();
        let inner: usize = dims[dim + 1..].iter().product();
        let by_channels = dim + 1 == dims.len();
        let mut at = 0;
        for (index, &input) in op.inputs.iter().enumerate() {
            let size = program.tensors[input].dims[dim];
            let strided = by_channels && outer > 1;
            let possible = (outer == 1 || by_channels)
                && inside[input].is_none()
                && !fixed(input)
                && !is_output(input)
                && !is_view(input)
                && !op.inputs[..index].contains(&input)
                && (!strided || !is_viewed(input))
                && groups
                    .iter()
                    .all(|group| leaves_room(program, group, input, op.output, &op.inputs, strided));
            if possible {
                let stride = strided.then(|| last_dim(program, op.output));
                inside[input] = Some(Inside { holder: op.output, offset: at * inner, stride });
            }
            at += size;
        }
    }
    inside
}

/// Whether `group` can work with `part` lying inside `whole`, next to `parts`: it reads and writes with strides where it has
/// to, and never reads one part of a buffer while it writes another.
fn leaves_room(program: &Program, group: &Group, part: Id, whole: Id, parts: &[Id], strided: bool) -> bool {
    let (inputs, output) = (group.inputs(program), group.output(program));
    let is_concat = matches!(group, Group::Whole(op) if program.ops[*op].output == whole);
    if is_concat {
        return true;
    }
    let touches = inputs.contains(&part) || output == part;
    if strided && touches && !matches!(group, Group::Chain(_)) {
        return false;
    }
    let is_part = |id: &Id| parts.contains(id);
    !(is_part(&output) && inputs.iter().any(is_part) && (touches || output == part))
}
