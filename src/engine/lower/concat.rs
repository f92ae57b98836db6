//! Concatenation: without a new scale where all inputs have the same, else each through a table.

use super::super::program::{Id, Kind};
use super::draft::{At, canonical};
use super::shape_ops::axis;
use super::value::{Function, Grid, Pending, Step, Value, unsupported};
use super::walk::{Target, Walk};
use crate::onnx::Node;

/// The result of a `Concat`: without a new scale where all inputs have the same.
pub(super) fn visit<'a>(walk: &mut Walk<'a>, index: usize, node: &'a Node) -> Step<Vec<Value<'a>>> {
    let mut values = Vec::with_capacity(node.inputs.len());
    for name in &node.inputs {
        let value = walk.value(name);
        match &value {
            Value::Function(_) | Value::Integers { .. } | Value::Constant(_) => values.push(value),
            _ => return unsupported(format!("its input {name} is not quantized")),
        }
    }
    walk.shape(node.output())?;
    let along = node.int("axis", 0);
    if let Some(Value::Integers { signed, .. }) = values.first() {
        let mut ids = Vec::with_capacity(values.len());
        for value in &values {
            match value {
                Value::Integers { id, signed: other } if other == signed => ids.push(*id),
                _ => return unsupported("joins integers of other types"),
            }
        }
        let axis = axis(along, walk.draft.dims(ids[0]).len())?;
        let id = joined(walk, walk.at(node), ids, axis);
        return Ok(vec![Value::Integers { id, signed: *signed }]);
    }
    let grids: Vec<Option<Grid>> = values
        .iter()
        .map(|value| if let Value::Function(function) = value { function.grid } else { None })
        .collect();
    let Some(first) =
        values.iter().find_map(|value| if let Value::Function(f) = value { Some(f.id) } else { None })
    else {
        return unsupported("joins constants");
    };
    let axis = axis(along, walk.draft.dims(first).len())?;
    match grids[0] {
        Some(grid) if grids.iter().all(|other| *other == Some(grid)) => {
            let mut ids = Vec::with_capacity(values.len());
            for value in &values {
                if let Value::Function(function) = value {
                    ids.push(walk.linear_of(walk.at(node), function)?);
                }
            }
            let id = joined(walk, walk.at(node), ids, axis);
            Ok(vec![Value::Function(Function::dequantized(id, grid))])
        }
        _ => Ok(vec![Value::Pending(Pending::new(index))]),
    }
}

/// A `Concat` before a quantize node, each input quantized on its own.
pub(super) fn emit<'a>(walk: &mut Walk<'a>, node: &'a Node, target: &Target) -> Step<Id> {
    let mut ids = Vec::with_capacity(node.inputs.len());
    for name in &node.inputs {
        let at = At { node: &node.name, name };
        ids.push(match walk.value(name) {
            Value::Function(function) => walk.write_table(at, &function, target.grid)?,
            Value::Constant(constant) => {
                let Some(reals) = constant.reals() else {
                    return unsupported(format!("joins a constant of {}", constant.tensor.data_type()));
                };
                let values = reals.iter().map(|&value| target.grid.quantize(value)).collect();
                walk.draft.constant(name, &constant.tensor.shape, values, target.grid)
            }
            _ => return unsupported(format!("its input {name} is not quantized")),
        });
    }
    let axis = axis(node.int("axis", 0), walk.shape(node.output())?.len())?;
    Ok(joined(walk, target.at, ids, axis))
}

/// Tensors one after another along an ONNX axis; the scale is that of the first.
pub(super) fn joined(walk: &mut Walk, at: At, ids: Vec<Id>, axis: usize) -> Id {
    if let &[id] = ids.as_slice() {
        return id;
    }
    let grid = walk.draft.grid(ids[0]);
    let usual = canonical(walk.draft.dims(ids[0]).len());
    let computed = ids.iter().copied().filter(|&id| walk.draft.tensors[id].constant.is_none());
    let mut orders = computed.map(|id| walk.draft.axes(id));
    let order = match orders.clone().any(|axes| axes == usual) {
        true => usual,
        false => orders.next().map_or(usual, <[usize]>::to_vec),
    };
    let ids: Vec<Id> = ids
        .into_iter()
        .map(|id| {
            let id = walk.draft.arrange(at, id, &order);
            walk.draft.relabel(at, id, grid)
        })
        .collect();
    let dim = order.iter().position(|&known| known == axis).unwrap_or(0);
    let mut dims = walk.draft.dims(ids[0]).to_vec();
    dims[dim] = ids.iter().map(|&id| walk.draft.dims(id)[dim]).sum();
    walk.draft.push(at, Kind::Concat { dim }, ids, (dims, order), grid)
}
