//! Pooling and reductions: largest values, means and sums.

use super::super::program::{Id, Kind, Window};
use super::conv::{push_image, spatial, spatial_of};
use super::elementwise::multiplier;
use super::value::{Step, Value, contradiction, unsupported};
use super::walk::{Target, Walk};
use super::{shape_ops, window};
use crate::onnx::Node;

/// Most 8-bit integers whose sum surely fits into 32 bits.
const TERMS_MAX: usize = i32::MAX as usize / 255;

/// The result of a `MaxPool` or `GlobalMaxPool`: values of its input, which need no new scale.
pub(super) fn visit_max<'a>(walk: &mut Walk<'a>, node: &'a Node) -> Step<Value<'a>> {
    if node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
        return unsupported("gives indices");
    }
    let name = walk.required(node, 0)?;
    let (id, value) = shape_ops::source(walk, name)?;
    if let Value::Function(function) = &value
        && !function.is_monotone()
    {
        return unsupported("takes the largest of values that do not grow with their integers");
    }
    let out = walk.shape(node.output())?.to_vec();
    let at = walk.at(node);
    let grid = walk.draft.grid(id);
    let image = walk.draft.image(at, id)?;
    let window = whole_or_sliding(node, spatial(walk.draft.dims(image)), spatial_of(&out)?)?;
    let target = Target { at, grid, factor: &[], shift: &[], low: 0.0, high: 0.0 };
    let id = push_image(walk, &target, Kind::MaxPool { window }, image, &out)?;
    Ok(shape_ops::moved(value, id))
}

fn whole_or_sliding(node: &Node, input: [usize; 2], output: [usize; 2]) -> Step<Window> {
    if node.op.contains("Global") {
        return Ok(Window { kernel: input, strides: [1, 1], pads: [0; 4], dilations: [1, 1] });
    }
    let kernel: Option<Vec<usize>> = node.ints("kernel_shape").and_then(|kernel| {
        kernel.iter().map(|&size| usize::try_from(size).ok().filter(|&size| size < 1 << 20)).collect()
    });
    match kernel {
        Some(kernel) => window::sliding(node, &kernel, input, output),
        None => contradiction("has no kernel_shape"),
    }
}

/// An `AveragePool` or `GlobalAveragePool` before a quantize node.
pub(super) fn emit_average<'a>(walk: &mut Walk<'a>, node: &'a Node, target: &Target) -> Step<Id> {
    let input = walk.linear(node, 0)?;
    average(walk, node, input, target)
}

/// The mean of each window, or of each channel, of a tensor on a scale.
pub(super) fn average(walk: &mut Walk, node: &Node, input: Id, target: &Target) -> Step<Id> {
    let out = walk.shape(node.output())?.to_vec();
    if node.op.contains("Global") {
        let rank = walk.draft.dims(input).len();
        let axes: Vec<usize> = (2..rank).collect();
        return reduce(walk, input, &axes, true, &out, target);
    }
    let image = walk.draft.image(target.at, input)?;
    let sizes = spatial(walk.draft.dims(image));
    let outputs = spatial_of(&out)?;
    let mut window = whole_or_sliding(node, sizes, outputs)?;
    let count_include_pad = node.int("count_include_pad", 0) != 0;
    if count_include_pad && matches!(node.text("auto_pad", "NOTSET"), "NOTSET" | "") {
        // What lies beyond the padding does not count.
        let given = window::end_pads(node, out.len() - 2)?;
        window.pads[2..].copy_from_slice(&given);
    }
    multiplier(walk.draft.grid(input).scale / target.grid.scale)?;
    let bounds = target.bounds();
    push_image(walk, target, Kind::AveragePool { window, count_include_pad, bounds }, image, &out)
}

/// A `ReduceMean` or `ReduceSum` before a quantize node.
pub(super) fn emit_reduce<'a>(walk: &mut Walk<'a>, node: &'a Node, target: &Target) -> Step<Id> {
    let input = walk.linear(node, 0)?;
    reduce_node(walk, node, input, target)
}

/// The mean or sum, as the node says, of a tensor on a scale.
pub(super) fn reduce_node(walk: &mut Walk, node: &Node, input: Id, target: &Target) -> Step<Id> {
    let rank = walk.draft.dims(input).len();
    let Some(axes) = reduced_axes(walk, node, rank)? else {
        return unsupported("reduces nothing");
    };
    let out = walk.shape(node.output())?.to_vec();
    reduce(walk, input, &axes, node.op.contains("Mean"), &out, target)
}

/// The axes that a reduction sums over; `None` if it passes its input on.
pub(super) fn reduced_axes(walk: &Walk, node: &Node, rank: usize) -> Step<Option<Vec<usize>>> {
    let second = if node.op.starts_with("Reduce") { node.input(1) } else { None };
    let given = match (node.ints("axes"), second) {
        (Some(axes), _) => axes.to_vec(),
        (None, None) => Vec::new(),
        (None, Some(name)) => match walk.setting_ints(node, 1) {
            Some(axes) => axes.to_vec(),
            None => return unsupported(format!("its axes {name} are computed at run time")),
        },
    };
    if given.is_empty() {
        let passes = node.int("noop_with_empty_axes", 0) != 0;
        return Ok((!passes).then(|| (0..rank).collect()));
    }
    let axes = given.iter().map(|&axis| shape_ops::axis(axis, rank)).collect::<Step<Vec<usize>>>()?;
    Ok(Some(axes))
}

/// Sum or mean over `axes`.
fn reduce(
    walk: &mut Walk,
    input: Id,
    axes: &[usize],
    mean: bool,
    out: &[usize],
    target: &Target,
) -> Step<Id> {
    let at = target.at;
    let shape = walk.draft.tensors[input].onnx_shape();
    let is_reduced = |axis: &usize| axes.contains(axis);
    // Those summed over must lie together; where they do not, they go last.
    let mut order = walk.draft.axes(input).to_vec();
    let large: Vec<usize> = order.iter().copied().filter(|&axis| shape[axis] > 1).collect();
    let first = large.iter().position(is_reduced);
    let last = large.iter().rposition(is_reduced);
    let together = match (first, last) {
        (Some(first), Some(last)) => large[first..=last].iter().all(is_reduced),
        _ => true,
    };
    let (kept, reduced): (Vec<usize>, Vec<usize>) = order.iter().partition(|axis| !is_reduced(axis));
    let split = match (together, first) {
        (true, Some(first)) => kept
            .iter()
            .position(|&axis| shape[axis] > 1 && large.iter().position(|&known| known == axis) > Some(first)),
        _ => None,
    };
    let split = split.unwrap_or(kept.len());
    order.clear();
    order.extend(&kept[..split]);
    order.extend(&reduced);
    order.extend(&kept[split..]);
    let arranged = walk.draft.arrange(at, input, &order);
    let (from, to) = (split, split + reduced.len());
    let mut dims = walk.draft.dims(arranged).to_vec();
    let terms: usize = dims[from..to].iter().product();
    if terms > TERMS_MAX {
        return unsupported(format!("a sum of {terms} values may not fit into 32 bits"));
    }
    let ratio = f64::from(walk.draft.grid(input).scale) / f64::from(target.grid.scale);
    let multiplier = multiplier((if mean { ratio / terms as f64 } else { ratio }) as f32)?;
    dims[from..to].fill(1);
    let kind = Kind::Reduce { from, to, multiplier, bounds: target.bounds() };
    let sums = walk.draft.push(at, kind, vec![arranged], (dims, order), target.grid);
    Ok(walk.draft.reshape(at, sums, out))
}
