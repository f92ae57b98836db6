//! Padding: with a value that the integers hold, with the edge, or mirrored.

use super::super::program::{Fill, Id, Kind};
use super::value::{Step, Value, contradiction, unsupported};
use super::walk::{Target, Walk};
use crate::onnx::Node;

/// Writes a padding; `constant` is what fills it, if it is one value.
pub(super) fn pad(walk: &mut Walk, node: &Node, id: Id, constant: u8) -> Step<Id> {
    let at = walk.at(node);
    let shape = walk.draft.tensors[id].onnx_shape();
    let rank = shape.len();
    let pads = match node.ints("pads") {
        Some(pads) => pads.to_vec(),
        None => match walk.setting_ints(node, 1) {
            Some(pads) => pads.to_vec(),
            None => return unsupported("its pads are computed at run time"),
        },
    };
    if node.input(3).is_some() {
        return unsupported("pads along given axes");
    }
    let Ok(sizes) = pads.iter().map(|&size| usize::try_from(size)).collect::<Result<Vec<_>, _>>() else {
        return unsupported("pads with negative sizes");
    };
    if sizes.len() != 2 * rank {
        return contradiction(format!("pads {pads:?} of shape {shape:?}"));
    }
    let out = walk.shape(node.output())?.to_vec();
    let fits = |axis: usize| {
        sizes[axis].checked_add(sizes[rank + axis]).and_then(|pad| pad.checked_add(shape[axis]))
            == Some(out[axis])
    };
    if out.len() != rank || !(0..rank).all(fits) {
        return contradiction(format!("pads {shape:?} to {out:?}"));
    }
    if out == shape {
        return Ok(id);
    }
    let fill = match node.text("mode", "constant") {
        "constant" => Fill::Constant(constant),
        "edge" => Fill::Edge,
        "reflect" if (0..rank).all(|axis| sizes[axis].max(sizes[rank + axis]) < shape[axis]) => Fill::Reflect,
        mode => return unsupported(format!("pads by mode {mode}")),
    };
    let axes = walk.draft.axes(id).to_vec();
    let before = axes.iter().map(|&axis| sizes[axis]).collect();
    let (dims, grid) = (axes.iter().map(|&axis| out[axis]).collect(), walk.draft.grid(id));
    Ok(walk.draft.push(at, Kind::Pad { before, fill }, vec![id], (dims, axes), grid))
}

/// The value of a constant padding; 0 where it is left out.
fn fill_real(walk: &Walk, node: &Node) -> Step<f32> {
    match node.input(2) {
        None => Ok(node.float("value", 0.0)),
        Some(name) => match walk.constant(name).and_then(|constant| constant.scalar()) {
            Some(value) => Ok(value),
            None => unsupported(format!("its value {name} is not a constant float")),
        },
    }
}

/// The integer that stands for the value of a constant padding, if there is one.
pub(super) fn fill_value(walk: &Walk, node: &Node, value: &Value) -> Step<Option<u8>> {
    if let Value::Integers { signed, .. } = value {
        let offset = if *signed { 128 } else { 0 };
        let given = match node.input(2) {
            Some(name) => walk.constant(name).and_then(|constant| constant.integers()?.first().copied()),
            None => Some(0),
        };
        return Ok(given.and_then(|given| u8::try_from(given.checked_add(offset)?).ok()));
    }
    let Value::Function(function) = value else {
        return unsupported("pads class numbers");
    };
    if node.text("mode", "constant") != "constant" {
        return Ok(Some(0));
    }
    let real = fill_real(walk, node)?;
    Ok(function.values.iter().position(|&known| known == real).map(|entry| entry as u8))
}

/// A `Pad` with a value between two steps, before a quantize node.
pub(super) fn emit_pad<'a>(walk: &mut Walk<'a>, node: &'a Node, target: &Target) -> Step<Id> {
    let function = walk.function(node, 0)?;
    let fill = target.grid.quantize(fill_real(walk, node)?);
    let id = walk.write_table(target.at, &function, target.grid)?;
    pad(walk, node, id, fill)
}
