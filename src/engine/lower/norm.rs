//! Softmax and the index of the largest value.

use super::super::program::{Id, Kind};
use super::functions::exp;
use super::resize;
use super::shape_ops::axis;
use super::value::{Grid, Step, Value, unsupported};
use super::walk::{Target, Walk};
use crate::onnx::Node;

/// Most classes: their numbers are 8 bits.
const CLASSES_MAX: usize = 256;

/// `exp(-d * scale)` for each difference of two integers.
pub(super) fn exponentials(scale: f32) -> Vec<f32> {
    (0..=255).map(|d| exp(-f64::from(d) * f64::from(scale)) as f32).collect()
}

/// A `Softmax` before a quantize node.
pub(super) fn emit_softmax<'a>(walk: &mut Walk<'a>, node: &'a Node, target: &Target) -> Step<Id> {
    let input = walk.linear(node, 0)?;
    let rank = walk.draft.dims(input).len();
    let newer = walk.model.opset() >= 13;
    let along = axis(node.int("axis", if newer { -1 } else { 1 }), rank)?;
    softmax(walk, input, along, !newer, target)
}

/// Softmax of a tensor on a scale over one axis, or, in old operator sets, over all axes from there on.
pub(super) fn softmax(walk: &mut Walk, input: Id, along: usize, joined: bool, target: &Target) -> Step<Id> {
    let at = target.at;
    let shape = walk.draft.tensors[input].onnx_shape();
    let kind = Kind::Softmax { exponentials: exponentials(walk.draft.grid(input).scale) };
    if joined && shape[along + 1..].iter().any(|&size| size > 1) {
        let flat = [shape[..along].iter().product(), shape[along..].iter().product()];
        let flat = walk.draft.reshape(at, input, &flat);
        let rows = walk.draft.with_last(at, flat, 1);
        let layout = (walk.draft.dims(rows).to_vec(), walk.draft.axes(rows).to_vec());
        let id = walk.draft.push(at, kind, vec![rows], layout, target.grid);
        return Ok(walk.draft.reshape(at, id, &shape));
    }
    let rows = walk.draft.with_last(at, input, along);
    let layout = (walk.draft.dims(rows).to_vec(), walk.draft.axes(rows).to_vec());
    Ok(walk.draft.push(at, kind, vec![rows], layout, target.grid))
}

/// The result of an `ArgMax` of quantized values, or of such values resized before it.
pub(super) fn visit_arg_max<'a>(walk: &mut Walk<'a>, node: &'a Node) -> Step<Value<'a>> {
    if node.int("select_last_index", 0) != 0 {
        return unsupported("takes the last of equal values");
    }
    let at = walk.at(node);
    let name = walk.required(node, 0)?;
    let out = walk.shape(node.output())?.to_vec();
    let input_shape = walk.shape(name)?.to_vec();
    let along = axis(node.int("axis", 0), input_shape.len())?;
    if input_shape[along] > CLASSES_MAX {
        return unsupported(format!("has {} classes; {CLASSES_MAX} are the most", input_shape[along]));
    }
    // Softmax over the classes keeps their order.
    let (value, resized) = behind_softmax(walk, name, along, input_shape.len());
    let id = match value {
        Value::Function(function) => {
            let strict = |values: &[f32]| values.is_sorted_by(|a, b| a < b);
            if function.axis.is_some() || !strict(&function.values) {
                return unsupported("compares values that do not grow with their integers");
            }
            let rows = walk.draft.with_last(at, function.id, along);
            classes(walk, node, Kind::ArgMax, rows)
        }
        Value::Pending(pending) if pending.is_bare() && along == 1 && input_shape.len() == 4 => {
            let resize = &walk.graph().nodes[pending.node];
            if !matches!(resize.standard_op(), "Resize" | "Upsample") {
                return unsupported(format!("its input {resized} is not quantized"));
            }
            let input = walk.linear(resize, 0)?;
            let shape = walk.draft.tensors[input].onnx_shape();
            let (rows, columns) = resize::linear(walk, resize, &shape)?;
            let image = walk.draft.image(at, input)?;
            let (height, width) = (rows.len(), columns.len());
            let layout = (vec![shape[0], height, width], vec![0, 1, 2]);
            walk.draft.push(at, Kind::ResizeArgMax { rows, columns }, vec![image], layout, Grid::CLASSES)
        }
        _ => return unsupported(format!("its input {resized} is not quantized")),
    };
    Ok(Value::Classes(walk.draft.reshape(at, id, &out)))
}

/// What is known of the tensor `name`, or of what a softmax over `along` made it from.
fn behind_softmax<'a>(walk: &Walk<'a>, name: &str, along: usize, rank: usize) -> (Value<'a>, String) {
    if let Some(node) = walk.producer(name).map(|index| &walk.graph().nodes[index])
        && node.standard_op() == "Softmax"
        && let Some(input) = node.input(0)
    {
        let newer = walk.model.opset() >= 13;
        let given = axis(node.int("axis", if newer { -1 } else { 1 }), rank);
        if given == Ok(along) && (newer || along + 1 == rank) {
            return (walk.value(input), input.to_string());
        }
    }
    (walk.value(name), name.to_string())
}

/// Writes an operator that leaves the last dim of `rows` out.
fn classes(walk: &mut Walk, node: &Node, kind: Kind, rows: Id) -> Id {
    let at = walk.at(node);
    let (mut dims, mut axes) = (walk.draft.dims(rows).to_vec(), walk.draft.axes(rows).to_vec());
    dims.pop();
    if let Some(gone) = axes.pop() {
        axes.iter_mut().filter(|axis| **axis > gone).for_each(|axis| *axis -= 1);
    }
    walk.draft.push(at, kind, vec![rows], (dims, axes), Grid::CLASSES)
}
