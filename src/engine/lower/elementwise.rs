//! Operators on two tensors: with a constant they are functions of one variable, or a scale and shift of what comes before; of
//! two computed tensors, additions and products of integers.

use super::super::program::{Id, Kind};
use super::conv::is_weighted;
use super::draft::{At, canonical};
use super::functions::{exp, ln};
use super::value::{Constant, Function, Pending, Step, Value, bad, unsupported};
use super::walk::{Target, Walk};
use crate::onnx::Node;

/// Most channels with a table each.
const TABLES_MAX: usize = 1 << 13;

/// The result of an operator on two tensors.
pub(super) fn visit<'a>(walk: &mut Walk<'a>, index: usize, node: &'a Node) -> Step<Value<'a>> {
    let Some(operation) = operation(node.standard_op()).filter(|_| node.inputs.len() == 2) else {
        return unsupported("has not two inputs");
    };
    let names = [walk.required(node, 0)?, walk.required(node, 1)?];
    match (walk.value(names[0]), walk.value(names[1])) {
        (Value::Function(function), Value::Constant(constant)) => {
            with_constant(walk, index, node, &function, &constant, &|x, c| operation(x, c))
        }
        (Value::Constant(constant), Value::Function(function)) => {
            with_constant(walk, index, node, &function, &constant, &|x, c| operation(c, x))
        }
        (Value::Function(a), Value::Function(b)) => match common_base(walk, &a, &b) {
            Some((a, b)) => Ok(Value::Function(joined(&a, &b, operation))),
            None if waits(node) => Ok(Value::Pending(Pending::new(index))),
            None => unsupported("works on two computed tensors"),
        },
        (Value::Pending(pending), Value::Constant(constant)) => affine(walk, node, pending, &constant, false),
        (Value::Constant(constant), Value::Pending(pending)) => affine(walk, node, pending, &constant, true),
        (a, _) => {
            let missing =
                if matches!(a, Value::Function(_) | Value::Constant(_)) { names[1] } else { names[0] };
            unsupported(format!("its input {missing} is not quantized"))
        }
    }
}

/// Whether an operator on two computed tensors has a form in integers.
fn waits(node: &Node) -> bool {
    matches!(node.standard_op(), "Add" | "Sum" | "Sub" | "Mul")
}

fn operation(op: &str) -> Option<fn(f32, f32) -> f32> {
    Some(match op {
        "Add" | "Sum" => |a, b| a + b,
        "Sub" => |a, b| a - b,
        "Mul" => |a, b| a * b,
        "Div" => |a, b| a / b,
        "Pow" => power,
        "Min" => f32::min,
        "Max" => f32::max,
        "PRelu" => |a, slope| if a < 0.0 { slope * a } else { a },
        _ => return None,
    })
}

fn power(base: f32, exponent: f32) -> f32 {
    if exponent == 0.5 {
        return base.sqrt();
    }
    let base = f64::from(base);
    if exponent.fract() == 0.0 && exponent.abs() <= 64.0 {
        let product = (0..exponent.abs() as u32).fold(1.0, |product, _| product * base);
        return (if exponent < 0.0 { 1.0 / product } else { product }) as f32;
    }
    exp(f64::from(exponent) * ln(base)) as f32
}

/// A constant that is one number, or one for each index of one axis of a tensor of `shape`: the axis and the numbers.
pub(super) fn spread(constant: &Constant, shape: &[usize]) -> Option<(Option<usize>, Vec<f32>)> {
    let own = &constant.tensor.shape;
    let missing = shape.len().checked_sub(own.len())?;
    let large: Vec<usize> = (0..own.len()).filter(|&axis| own[axis] > 1).collect();
    let axis = match large.as_slice() {
        [] => None,
        &[axis] if shape[missing + axis] == own[axis] => Some(missing + axis),
        _ => return None,
    };
    (!own.contains(&0)).then(|| Some((axis, constant.reals()?)))?
}

fn with_constant<'a>(
    walk: &mut Walk<'a>,
    index: usize,
    node: &Node,
    function: &Function,
    constant: &Constant,
    operation: &dyn Fn(f32, f32) -> f32,
) -> Step<Value<'a>> {
    let shape = walk.draft.tensors[function.id].onnx_shape();
    let grows = walk.shape(node.output())? != shape;
    let numbers = if grows { None } else { spread(constant, &shape) };
    let quantized = waits(node) && constant.scaling.as_ref().is_some_and(|scaling| scaling.scales.len() == 1);
    match numbers {
        // Integers with one scale multiply and add faster than a table for each channel looks up.
        Some((Some(_), _)) | None if quantized => Ok(Value::Pending(Pending::new(index))),
        Some((_, numbers)) if numbers.len() > TABLES_MAX => {
            unsupported(format!("its constant holds {} numbers, each of which needs a table", numbers.len()))
        }
        Some((axis, numbers)) => match function.axis {
            Some(known) if axis.is_some_and(|axis| axis != known) => {
                unsupported("its constants lie along another axis than those before it")
            }
            known => {
                let channels = numbers.len().max(function.values.len() / 256);
                let value = |at: usize| {
                    let of_channel = function.values[at % function.values.len()];
                    operation(of_channel, numbers[at / 256 % numbers.len()])
                };
                let values = (0..channels * 256).map(value).collect();
                let values = std::rc::Rc::new(values);
                Ok(Value::Function(Function { id: function.id, values, axis: axis.or(known), grid: None }))
            }
        },
        None => unsupported("its constant is neither quantized nor one number for each channel"),
    }
}

/// The two as functions of the same integers, if one table leads from these to both.
fn common_base(walk: &Walk, a: &Function, b: &Function) -> Option<(Function, Function)> {
    let chain = |function: &Function| {
        let mut chain = vec![function.clone()];
        while let Some(before) = chain.last().and_then(|last| before(walk, last)) {
            chain.push(before);
        }
        chain
    };
    let (chain_a, chain_b) = (chain(a), chain(b));
    let (a, b) = chain_a.iter().find_map(|a| Some((a, chain_b.iter().find(|b| b.id == a.id)?)))?;
    let fits = a.axis.is_none() || b.axis.is_none() || a.axis == b.axis;
    fits.then(|| (a.clone(), b.clone()))
}

/// A function of what a table makes as a function of what the table reads.
fn before(walk: &Walk, function: &Function) -> Option<Function> {
    let op = walk.draft.writer(function.id)?;
    let Kind::Table { tables } = &op.kind else {
        return None;
    };
    if tables.len() != 256 {
        return None;
    }
    let through =
        |values: &[f32]| tables.iter().map(|&entry| values[usize::from(entry)]).collect::<Vec<f32>>();
    let values = function.values.chunks(256).flat_map(through).collect();
    Some(Function { id: op.inputs[0], values: std::rc::Rc::new(values), axis: function.axis, grid: None })
}

/// Two functions of the same integers as one.
fn joined(a: &Function, b: &Function, operation: fn(f32, f32) -> f32) -> Function {
    let count = a.values.len().max(b.values.len());
    let value = |at: usize| operation(a.values[at % a.values.len()], b.values[at % b.values.len()]);
    let values = (0..count).map(value).collect();
    Function { id: a.id, values: std::rc::Rc::new(values), axis: a.axis.or(b.axis), grid: None }
}

/// A scale, shift or bound after an operator that waits to be quantized.
fn affine<'a>(
    walk: &Walk<'a>,
    node: &Node,
    mut pending: Pending,
    constant: &Constant,
    constant_first: bool,
) -> Step<Value<'a>> {
    let op = node.standard_op();
    if let (Some(bound), "Min" | "Max") = (constant.scalar(), op) {
        if bound.is_nan() {
            return bad("its bound is not a number");
        }
        let (low, high) = if op == "Min" { (f32::NEG_INFINITY, bound) } else { (bound, f32::INFINITY) };
        return Ok(Value::Pending(pending.clamped(low, high)));
    }
    let before = &walk.graph().nodes[pending.node];
    // A division waits only where it ends a layer normalization.
    let is_norm = before.standard_op() == "Div";
    let open = pending.low == f32::NEG_INFINITY && pending.high == f32::INFINITY;
    let folds = open
        && pending.moves.is_empty()
        && (is_weighted(before.standard_op()) || is_norm)
        && matches!((op, constant_first), ("Add" | "Sum" | "Mul", _) | ("Sub" | "Div", false));
    if !folds {
        return unsupported("what it works on is not quantized before it");
    }
    let shape = walk.shape(before.output())?;
    let channel_axis = if before.op.starts_with("Conv") { 1 } else { shape.len() - 1 };
    let numbers = if walk.shape(node.output())? == shape { spread(constant, shape) } else { None };
    let Some((_, mut numbers)) = numbers.filter(|(axis, _)| axis.is_none_or(|axis| axis == channel_axis))
    else {
        return unsupported("what it works on is not quantized before it");
    };
    match op {
        "Mul" | "Div" => {
            if op == "Div" {
                numbers.iter_mut().for_each(|number| *number = 1.0 / *number);
            }
            if !numbers.iter().all(|number| number.is_finite() && (*number > 0.0 || is_norm)) {
                return unsupported(
                    "scales what is not quantized before it by a number that is not positive",
                );
            }
            pending.factor = zipped(&pending.factor, &numbers, 1.0, |a, b| a * b);
            if !pending.shift.is_empty() {
                pending.shift = zipped(&pending.shift, &numbers, 0.0, |a, b| a * b);
            }
        }
        _ => {
            let sign = if op == "Sub" { -1.0 } else { 1.0 };
            if !numbers.iter().all(|number| number.is_finite()) {
                return bad("shifts by a number that is not finite");
            }
            pending.shift = zipped(&pending.shift, &numbers, 0.0, |a, b| a + sign * b);
        }
    }
    Ok(Value::Pending(pending))
}

/// Two lists of one number, or one for each channel, joined; an empty one stands for `missing`.
fn zipped(a: &[f32], b: &[f32], missing: f32, join: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    let at = |list: &[f32], index: usize| if list.is_empty() { missing } else { list[index % list.len()] };
    (0..a.len().max(b.len())).map(|index| join(at(a, index), at(b, index))).collect()
}

/// A factor between scales, which must not be lost in rounding.
pub(super) fn multiplier(value: f32) -> Step<f32> {
    if value.is_finite() && value != 0.0 {
        Ok(value)
    } else {
        bad(format!("its scales are so far apart that one over the other is {value}"))
    }
}

/// An `Add`, `Sub` or `Mul` of two tensors.
pub(super) fn emit<'a>(walk: &mut Walk<'a>, node: &'a Node, target: &Target) -> Step<Id> {
    let inputs = [walk.linear_or_constant(node, 0)?, walk.linear_or_constant(node, 1)?];
    let shape = walk.shape(node.output())?.to_vec();
    join(walk, node.standard_op(), inputs, &shape, target)
}

/// The sum, difference or product `op` of two tensors on scales.
pub(super) fn join(walk: &mut Walk, op: &str, inputs: [Id; 2], shape: &[usize], target: &Target) -> Step<Id> {
    let inputs = together(walk, target.at, &inputs, shape);
    let axes = walk.draft.axes(inputs[0]).to_vec();
    let layout = (axes.iter().map(|&axis| shape[axis]).collect(), axes);
    let scales = [0, 1].map(|index| walk.draft.grid(inputs[index]).scale);
    let bounds = target.bounds();
    let kind = match op {
        "Mul" => Kind::Mul { multiplier: multiplier(scales[0] * scales[1] / target.grid.scale)?, bounds },
        _ => {
            let [a, b] = scales.map(|scale| multiplier(scale / target.grid.scale));
            let factors = [a?, if op == "Sub" { -b? } else { b? }];
            Kind::Add { factors, bounds }
        }
    };
    Ok(walk.draft.push(target.at, kind, inputs, layout, target.grid))
}

/// Tensors that broadcast to `shape`, all in one order of memory with as many dims.
pub(super) fn together(walk: &mut Walk, at: At, inputs: &[Id], shape: &[usize]) -> Vec<Id> {
    let rank = shape.len();
    let aligned: Vec<Id> = inputs
        .iter()
        .map(|&id| {
            let own = walk.draft.tensors[id].onnx_shape();
            let mut padded = vec![1; rank - own.len().min(rank)];
            padded.extend(own);
            walk.draft.reshape(at, id, &padded)
        })
        .collect();
    // The order of a tensor that would have to be copied otherwise.
    let usual = canonical(rank);
    let full: Vec<&Id> = aligned
        .iter()
        .filter(|&&id| {
            let tensor = &walk.draft.tensors[id];
            tensor.constant.is_none() && tensor.onnx_shape() == shape
        })
        .collect();
    let order = match full.iter().any(|&&id| walk.draft.axes(id) == usual) {
        true => usual,
        false => full.first().map_or(usual, |&&id| walk.draft.axes(id).to_vec()),
    };
    aligned.into_iter().map(|id| walk.draft.arrange(at, id, &order)).collect()
}
