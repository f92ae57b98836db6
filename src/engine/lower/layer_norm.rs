//! Layer normalization: the operator, and the nodes that say the same in parts.

use super::super::program::{Id, Kind};
use super::shape_ops::axis;
use super::value::{Step, Value, bad, contradiction, unsupported};
use super::walk::{Target, Walk};
use crate::onnx::Node;

/// Most values of a row: factors are kept for each.
const TERMS_MAX: usize = 1 << 20;

/// A `LayerNormalization` before a quantize node.
pub(super) fn emit<'a>(walk: &mut Walk<'a>, node: &'a Node, target: &Target) -> Step<Id> {
    if node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
        return unsupported("gives mean and deviation");
    }
    let input = walk.linear(node, 0)?;
    let rank = walk.draft.dims(input).len();
    let along = axis(node.int("axis", -1), rank)?;
    let reals = |index: usize| match node.input(index) {
        None => Ok(None),
        Some(name) => match walk.constant(name).and_then(|constant| constant.reals()) {
            Some(values) => Ok(Some(values)),
            None => unsupported(format!("its input {name} is computed at run time")),
        },
    };
    let (scale, shift) = (reals(1)?, reals(2)?);
    normalize(walk, input, along, [scale, shift], node.float("epsilon", 1e-5), target)
}

/// Layer normalization of a tensor on a scale over all axes from `along` on.
fn normalize(
    walk: &mut Walk,
    input: Id,
    along: usize,
    [scale, shift]: [Option<Vec<f32>>; 2],
    epsilon: f32,
    target: &Target,
) -> Step<Id> {
    let at = target.at;
    let shape = walk.draft.tensors[input].onnx_shape();
    let terms: usize = shape[along..].iter().product();
    if terms > TERMS_MAX {
        return unsupported(format!("normalizes over {terms} values"));
    }
    let step = f64::from(target.grid.scale);
    let over_step = |values: Option<Vec<f32>>, missing: f32| -> Step<Vec<f32>> {
        let values = values.unwrap_or_else(|| vec![missing]);
        if ![1, terms].contains(&values.len()) {
            return contradiction(format!("{} factors for {terms} values", values.len()));
        }
        let found: Vec<f32> =
            (0..terms).map(|at| (f64::from(values[at % values.len()]) / step) as f32).collect();
        if found.iter().all(|value| value.is_finite()) {
            Ok(found)
        } else {
            bad("its factors are not finite")
        }
    };
    let (scale, shift) = (over_step(scale, 1.0)?, over_step(shift, 0.0)?);
    let input_scale = f64::from(walk.draft.grid(input).scale);
    let in_steps = f64::from(epsilon) / (input_scale * input_scale);
    if !(in_steps.is_finite() && in_steps >= 0.0) {
        return bad("its epsilon over the square of its scale is not a positive number");
    }
    let flat = match along + 1 == shape.len() {
        true => input,
        false => {
            let mut flat = shape[..along].to_vec();
            flat.push(terms);
            walk.draft.reshape(at, input, &flat)
        }
    };
    let rows = walk.draft.with_last(at, flat, along);
    let layout = (walk.draft.dims(rows).to_vec(), walk.draft.axes(rows).to_vec());
    let kind = Kind::LayerNorm { scale, shift, epsilon };
    let id = walk.draft.push(at, kind, vec![rows], layout, target.grid);
    Ok(walk.draft.reshape(at, id, &shape))
}

/// Layer normalization in parts: `(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon)` over the last axis.
pub(super) struct Parts<'a> {
    /// The node that subtracts the mean from `x`.
    centered: &'a Node,
    epsilon: f32,
}

/// The parts of a layer normalization that ends with the division `node`, if it is one.
pub(super) fn parts<'a>(walk: &Walk<'a>, node: &Node) -> Option<Parts<'a>> {
    let made_by = |name: &str, op: &str| {
        let node = &walk.graph().nodes[walk.producer(name)?];
        (node.standard_op() == op).then_some(node)
    };
    let mean_of = |name: &str| -> Option<&'a str> {
        let mean = made_by(name, "ReduceMean")?;
        let input = mean.input(0)?;
        let rank = walk.shape(input).ok()?.len();
        let axes = super::pool::reduced_axes(walk, mean, rank).ok()??;
        (axes == [rank.checked_sub(1)?] && mean.int("keepdims", 1) != 0).then_some(input)
    };
    let centered = made_by(node.input(0)?, "Sub")?;
    if mean_of(centered.input(1)?)? != centered.input(0)? {
        return None;
    }
    let sum = made_by(made_by(node.input(1)?, "Sqrt")?.input(0)?, "Add")?;
    let scalar = |name: &str| walk.constant(name)?.scalar();
    let (variance, epsilon) = match (scalar(sum.input(0)?), scalar(sum.input(1)?)) {
        (None, Some(epsilon)) => (sum.input(0)?, epsilon),
        (Some(epsilon), None) => (sum.input(1)?, epsilon),
        _ => return None,
    };
    let square = mean_of(variance)?;
    let squared = match (made_by(square, "Pow"), made_by(square, "Mul")) {
        (Some(power), _) if scalar(power.input(1)?) == Some(2.0) => power.input(0)?,
        (_, Some(product)) if product.input(0) == product.input(1) => product.input(0)?,
        _ => return None,
    };
    let is_centered = |name: &str| {
        let other = made_by(name, "Sub");
        other.is_some_and(|other| other.inputs == centered.inputs)
    };
    let known = matches!(walk.value(centered.input(0)?), Value::Function(_));
    (known && is_centered(squared)).then_some(Parts { centered, epsilon })
}

/// The division that ends a layer normalization in parts, before a quantize node; factor and shift may have come after it.
pub(super) fn emit_parts(walk: &mut Walk, node: &Node, target: &Target) -> Step<Id> {
    let Some(Parts { centered, epsilon }) = parts(walk, node) else {
        return unsupported("works on two computed tensors");
    };
    let input = walk.linear(centered, 0)?;
    let last = walk.draft.dims(input).len() - 1;
    let given = |values: &[f32]| (!values.is_empty()).then(|| values.to_vec());
    normalize(walk, input, last, [given(target.factor), given(target.shift)], epsilon, target)
}
