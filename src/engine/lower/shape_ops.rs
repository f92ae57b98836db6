//! Operators that only move values: the integers move as the real numbers would, scale and zero point stay.

use std::borrow::Cow;
use std::rc::Rc;

use super::super::program::{Fill, Id, Kind};
use super::draft::{At, canonical, permuted};
use super::resize;
use super::value::{Constant, Function, Grid, Pending, Step, Value, contradiction, unsupported};
use super::walk::{Target, Walk};
use crate::onnx::{DataType, Node, Tensor, TensorData};

/// Most copies that are joined to repeat or gather something.
const PIECES_MAX: usize = 64;

/// Whether an operator only moves values (besides nearest resizes, concatenations and maxima).
pub(super) fn is_move(op: &str) -> bool {
    moves_one(op) || matches!(op, "Split" | "Pad")
}

/// Whether it does so from one tensor to one, without new values.
fn moves_one(op: &str) -> bool {
    matches!(
        op,
        "Cast"
            | "DepthToSpace"
            | "Dropout"
            | "Expand"
            | "Flatten"
            | "Gather"
            | "Identity"
            | "Reshape"
            | "Slice"
            | "SpaceToDepth"
            | "Squeeze"
            | "Tile"
            | "Transpose"
            | "Unsqueeze"
    )
}

/// The integers behind the tensor `name`, and what is known of it.
pub(super) fn source<'a>(walk: &Walk<'a>, name: &str) -> Step<(Id, Value<'a>)> {
    let value = walk.value(name);
    match &value {
        Value::Function(function) if function.axis.is_some() => {
            unsupported("moves values of a function that differs between channels")
        }
        Value::Function(Function { id, .. }) | Value::Integers { id, .. } | Value::Classes(id) => {
            Ok((*id, value))
        }
        _ => unsupported(format!("its input {name} is not quantized")),
    }
}

/// What is known of a tensor made of `id` as `value` is made of its own integers.
pub(super) fn moved(value: Value, id: Id) -> Value {
    match value {
        Value::Function(function) => Value::Function(Function { id, ..function }),
        Value::Integers { signed, .. } => Value::Integers { id, signed },
        Value::Classes(_) => Value::Classes(id),
        other => other,
    }
}

/// The results of an operator that only moves values.
pub(super) fn visit<'a>(walk: &mut Walk<'a>, index: usize, node: &'a Node) -> Step<Vec<Value<'a>>> {
    let name = walk.required(node, 0)?;
    match walk.value(name) {
        Value::Constant(constant) => return fold(walk, node, &constant).map(|value| vec![value]),
        Value::Pending(mut pending) if node.op != "Split" && node.op != "Pad" => {
            // What a product of integers is cast to is a real number already.
            if !matches!(node.op.as_str(), "Cast" | "Dropout" | "Identity") {
                pending.moves.push(index);
            }
            check_cast(node)?;
            return Ok(vec![Value::Pending(pending)]);
        }
        _ => {}
    }
    let (id, value) = source(walk, name)?;
    if matches!(value, Value::Function(_)) {
        check_cast(node)?;
    } else if node.op == "Cast" {
        return unsupported("changes the type of integers");
    }
    match node.standard_op() {
        "Split" => {
            let parts = split(walk, node, id)?;
            Ok(parts.into_iter().map(|id| moved(value.clone(), id)).collect())
        }
        "Pad" => match (fill_value(walk, node, &value)?, &value) {
            (Some(fill), _) => {
                let id = pad(walk, node, id, fill)?;
                Ok(vec![moved(value, id)])
            }
            (None, Value::Function(_)) => Ok(vec![Value::Pending(Pending::new(index))]),
            (None, _) => unsupported("pads with a value of another type"),
        },
        _ => {
            let id = move_one(walk, node, id)?;
            Ok(vec![moved(value, id)])
        }
    }
}

/// A cast of floats to floats changes nothing.
fn check_cast(node: &Node) -> Step<()> {
    match node.op.as_str() {
        "Cast" if node.int("to", 1) != 1 => {
            let to = DataType::from_code(node.int("to", 1) as i32);
            unsupported(format!("casts to {to}"))
        }
        _ => Ok(()),
    }
}

/// A node that moves the values of one tensor to another.
pub(super) fn move_one(walk: &mut Walk, node: &Node, id: Id) -> Step<Id> {
    let at = walk.at(node);
    let shape = walk.draft.tensors[id].onnx_shape();
    match node.standard_op() {
        "Cast" | "Dropout" | "Identity" => Ok(id),
        "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => {
            let out = walk.shape(node.output())?.to_vec();
            Ok(walk.draft.reshape(at, id, &out))
        }
        "Transpose" => Ok(walk.draft.transpose(at, id, &order(node, shape.len())?)),
        "DepthToSpace" | "SpaceToDepth" => blocks(walk, node, id),
        "Slice" => slice(walk, node, id),
        "Gather" => gather(walk, node, id),
        "Expand" | "Tile" => repeat(walk, node, id),
        "Resize" | "Upsample" => resize::nearest(walk, node, id),
        op => unsupported(format!("{op} moves no values")),
    }
}

/// A possibly negative axis as an index.
pub(super) fn axis(value: i64, rank: usize) -> Step<usize> {
    let index = if value < 0 { value.saturating_add(rank as i64) } else { value };
    match usize::try_from(index) {
        Ok(index) if index < rank => Ok(index),
        _ => contradiction(format!("axis {value} of a tensor with {rank} dimensions")),
    }
}

/// The order of a `Transpose`.
fn order(node: &Node, rank: usize) -> Step<Vec<usize>> {
    let Some(given) = node.ints("perm") else {
        return Ok((0..rank).rev().collect());
    };
    let order = given.iter().map(|&value| axis(value, rank)).collect::<Step<Vec<usize>>>()?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted.into_iter().eq(0..rank) { Ok(order) } else { contradiction(format!("perm {given:?}")) }
}

fn blocks(walk: &mut Walk, node: &Node, id: Id) -> Step<Id> {
    let at = walk.at(node);
    let out = walk.shape(node.output())?.to_vec();
    let block = usize::try_from(node.int("blocksize", 0)).unwrap_or(0);
    let &[n, c, h, w] = walk.draft.tensors[id].onnx_shape().as_slice() else {
        return unsupported("works on images of two dimensions");
    };
    let (split, order): ([usize; 6], [usize; 6]) = match (node.op.as_str(), node.text("mode", "DCR")) {
        _ if block == 0 => return contradiction("blocks of size 0"),
        ("SpaceToDepth", _) => ([n, c, h / block, block, w / block, block], [0, 3, 5, 1, 2, 4]),
        (_, "DCR") => ([n, block, block, c / (block * block), h, w], [0, 3, 4, 1, 5, 2]),
        (_, "CRD") => ([n, c / (block * block), block, block, h, w], [0, 1, 4, 2, 5, 3]),
        (_, mode) => return contradiction(format!("mode {mode}")),
    };
    let id = walk.draft.reshape(at, id, &split);
    let id = walk.draft.transpose(at, id, &order);
    Ok(walk.draft.reshape(at, id, &out))
}

/// Writes the part of a tensor that starts at `starts` and takes every `steps`-th element, in ONNX axes.
fn cut(walk: &mut Walk, at: At, id: Id, starts: &[usize], steps: &[usize], shape: &[usize]) -> Id {
    if walk.draft.tensors[id].onnx_shape() == shape {
        return id;
    }
    let axes = walk.draft.axes(id).to_vec();
    let in_memory = |values: &[usize]| axes.iter().map(|&axis| values[axis]).collect::<Vec<_>>();
    let kind = Kind::Slice { starts: in_memory(starts), steps: in_memory(steps) };
    let (dims, grid) = (in_memory(shape), walk.draft.grid(id));
    walk.draft.push(at, kind, vec![id], (dims, axes), grid)
}

fn slice(walk: &mut Walk, node: &Node, id: Id) -> Step<Id> {
    let shape = walk.draft.tensors[id].onnx_shape();
    let out = walk.shape(node.output())?.to_vec();
    let given = |attribute: &str, index: usize| match node.ints(attribute) {
        Some(values) => Some(values.to_vec()),
        None => walk.setting_ints(node, index).map(<[i64]>::to_vec),
    };
    let Some(first) = given("starts", 1) else {
        return unsupported("its bounds are computed at run time");
    };
    let axes = given("axes", 3).unwrap_or_else(|| (0..first.len() as i64).collect());
    let strides = given("steps", 4).unwrap_or_else(|| vec![1; first.len()]);
    if axes.len() != first.len() || strides.len() != first.len() {
        return contradiction(format!("{} starts, {} axes", first.len(), axes.len()));
    }
    let (mut starts, mut steps) = (vec![0; shape.len()], vec![1; shape.len()]);
    for ((&start, &along), &step) in first.iter().zip(&axes).zip(&strides) {
        let along = axis(along, shape.len())?;
        let size = shape[along] as i64;
        let start = if start < 0 { start.saturating_add(size) } else { start };
        let Some(step) = usize::try_from(step).ok().filter(|&step| step > 0) else {
            return unsupported("reads backwards");
        };
        starts[along] = start.clamp(0, size) as usize;
        // A step of more than the size never comes to a second element.
        steps[along] = step.min(shape[along]);
    }
    let inside = |axis: usize| out[axis] > 0 && starts[axis] + (out[axis] - 1) * steps[axis] < shape[axis];
    if out.len() != shape.len() || !(0..out.len()).all(inside) {
        return contradiction(format!("cuts {out:?} from {shape:?}"));
    }
    Ok(cut(walk, walk.at(node), id, &starts, &steps, &out))
}

fn split(walk: &mut Walk, node: &Node, id: Id) -> Step<Vec<Id>> {
    let shape = walk.draft.tensors[id].onnx_shape();
    let along = axis(node.int("axis", 0), shape.len())?;
    let parts = node.outputs.len();
    let given = match node.ints("split") {
        Some(values) => Some(values.to_vec()),
        None => walk.setting_ints(node, 1).map(<[i64]>::to_vec),
    };
    let sizes: Vec<usize> = match given {
        Some(values) => values.iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect(),
        None => {
            let part = shape[along].div_ceil(parts.max(1));
            (0..parts).map(|at| part.min(shape[along].saturating_sub(at.saturating_mul(part)))).collect()
        }
    };
    let total = sizes.iter().try_fold(0usize, |total, &size| total.checked_add(size));
    if sizes.len() != parts || total != Some(shape[along]) || sizes.contains(&0) {
        return unsupported(format!("splits {} into {sizes:?}", shape[along]));
    }
    let mut start = 0;
    let mut ids = Vec::with_capacity(parts);
    for (size, name) in sizes.into_iter().zip(&node.outputs) {
        let (mut starts, mut part) = (vec![0; shape.len()], shape.clone());
        (starts[along], part[along]) = (start, size);
        start += size;
        ids.push(cut(walk, At { node: &node.name, name }, id, &starts, &vec![1; shape.len()], &part));
    }
    Ok(ids)
}

fn gather(walk: &mut Walk, node: &Node, id: Id) -> Step<Id> {
    let at = walk.at(node);
    let shape = walk.draft.tensors[id].onnx_shape();
    let out = walk.shape(node.output())?.to_vec();
    let along = axis(node.int("axis", 0), shape.len())?;
    let indices = walk.constant(walk.required(node, 1)?);
    let indices: Vec<i64> = match indices.as_ref().map(|constant| &constant.tensor.data) {
        Some(TensorData::I64(values)) => values.clone(),
        Some(TensorData::I32(values)) => values.iter().map(|&value| i64::from(value)).collect(),
        _ => return unsupported("its indices are computed at run time"),
    };
    let places = indices.iter().map(|&index| axis(index, shape[along])).collect::<Step<Vec<usize>>>()?;
    // Runs with equal steps are cut at once.
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    for place in places {
        match runs.last_mut() {
            Some((start, step, count)) if *count == 1 && place > *start => {
                (*step, *count) = (place - *start, 2)
            }
            Some((start, step, count)) if *count > 1 && place == *start + *step * *count => *count += 1,
            _ => runs.push((place, 1, 1)),
        }
    }
    if runs.is_empty() || runs.len() > PIECES_MAX {
        return unsupported("gathers from many places");
    }
    let mut pieces = Vec::with_capacity(runs.len());
    for (start, step, count) in runs {
        let (mut starts, mut steps, mut part) = (vec![0; shape.len()], vec![1; shape.len()], shape.clone());
        (starts[along], steps[along], part[along]) = (start, step, count);
        pieces.push(cut(walk, at, id, &starts, &steps, &part));
    }
    let gathered = concat(walk, at, pieces, along);
    Ok(walk.draft.reshape(at, gathered, &out))
}

/// `Expand` and `Tile`.
fn repeat(walk: &mut Walk, node: &Node, id: Id) -> Step<Id> {
    let at = walk.at(node);
    let out = walk.shape(node.output())?.to_vec();
    let own = walk.draft.tensors[id].onnx_shape();
    let Some(missing) = out.len().checked_sub(own.len()) else {
        return contradiction(format!("repeats {own:?} to {out:?}"));
    };
    let mut shape = vec![1; missing];
    shape.extend(&own);
    let mut id = walk.draft.reshape(at, id, &shape);
    for axis in 0..out.len() {
        if !out[axis].is_multiple_of(shape[axis]) {
            return contradiction(format!("repeats {own:?} to {out:?}"));
        }
        let count = out[axis] / shape[axis];
        if count == 1 {
            continue;
        }
        let before = shape[axis];
        shape[axis] = out[axis];
        if out.len() == 4 && axis >= 2 && out[axis] <= resize::SIDE_MAX {
            let take = |d: usize| {
                let size = if d == axis { before } else { shape[d] };
                (0..shape[d]).map(|at| at % size).collect()
            };
            id = resize::take_pixels(walk, at, id, take(2), take(3), &shape)?;
        } else if count <= PIECES_MAX {
            id = concat(walk, at, vec![id; count], axis);
        } else {
            return unsupported(format!("repeats its input {count} times"));
        }
    }
    Ok(id)
}

/// Writes a padding; `constant` is what fills it, if it is one value.
fn pad(walk: &mut Walk, node: &Node, id: Id, constant: u8) -> Step<Id> {
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
fn fill_value(walk: &Walk, node: &Node, value: &Value) -> Step<Option<u8>> {
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

/// The result of a `Concat`: without a new scale where all inputs have the same.
pub(super) fn visit_concat<'a>(walk: &mut Walk<'a>, index: usize, node: &'a Node) -> Step<Vec<Value<'a>>> {
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
        let id = concat(walk, walk.at(node), ids, axis);
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
                    ids.push(walk.to_linear(walk.at(node), function)?);
                }
            }
            let id = concat(walk, walk.at(node), ids, axis);
            Ok(vec![Value::Function(Function::dequantized(id, grid))])
        }
        _ => Ok(vec![Value::Pending(Pending::new(index))]),
    }
}

/// A `Concat` before a quantize node, each input quantized on its own.
pub(super) fn emit_concat<'a>(walk: &mut Walk<'a>, node: &'a Node, target: &Target) -> Step<Id> {
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
    Ok(concat(walk, target.at, ids, axis))
}

/// Tensors one after another along an ONNX axis; the scale is that of the first.
pub(super) fn concat(walk: &mut Walk, at: At, ids: Vec<Id>, axis: usize) -> Id {
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

/// A constant after a node that moves values.
fn fold<'a>(walk: &Walk<'a>, node: &Node, constant: &Constant<'a>) -> Step<Value<'a>> {
    let shape = &constant.tensor.shape;
    let mut scaling = constant.scaling.clone();
    let folded = match node.standard_op() {
        "Identity" | "Dropout" => constant.tensor.clone(),
        "Cast" if node.int("to", 1) == 1 && constant.reals().is_some() => constant.tensor.clone(),
        "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => {
            let out = walk.shape(node.output())?.to_vec();
            if let Some(scaling) = &mut scaling
                && scaling.scales.len() > 1
            {
                let inner = |shape: &[usize], axis: usize| shape[axis + 1..].iter().product::<usize>();
                let (size, after) = (shape[scaling.axis], inner(shape, scaling.axis));
                match (0..out.len()).find(|&axis| out[axis] == size && inner(&out, axis) == after) {
                    Some(axis) => scaling.axis = axis,
                    None => return unsupported("reshapes a constant across its scales"),
                }
            }
            Cow::Owned(Tensor { shape: out, data: constant.tensor.data.clone() })
        }
        "Transpose" => {
            let order = order(node, shape.len())?;
            if let Some(scaling) = &mut scaling {
                scaling.axis = order.iter().position(|&from| from == scaling.axis).unwrap_or(0);
            }
            let data = match &constant.tensor.data {
                TensorData::F32(values) => TensorData::F32(permuted(values, shape, &order)),
                TensorData::U8(values) => TensorData::U8(permuted(values, shape, &order)),
                TensorData::I8(values) => TensorData::I8(permuted(values, shape, &order)),
                TensorData::I32(values) => TensorData::I32(permuted(values, shape, &order)),
                _ => return unsupported("works on a constant"),
            };
            Cow::Owned(Tensor { shape: order.iter().map(|&axis| shape[axis]).collect(), data })
        }
        _ => return unsupported("works on a constant"),
    };
    Ok(Value::Constant(Rc::new(Constant { tensor: folded, scaling })))
}
