//! The QOperator form: operators that hold the scales and zero points of their inputs and output themselves.

use std::rc::Rc;

use super::super::program::Id;
use super::concat::joined;
use super::conv::{self, BiasConstant};
use super::draft::At;
use super::matmul::{self, Product};
use super::quantization::Parameters;
use super::shape_ops::axis;
use super::value::{Constant, Function, Grid, Pending, Step, Value, bad, contradiction, unsupported};
use super::walk::{Target, Walk};
use super::{elementwise, norm, pool, tables};
use crate::onnx::shapes::Shape;
use crate::onnx::{DataType, Node};

/// The standard operator of the same shapes, for an operator of the QOperator form or of ONNX Runtime's own domain, and for those
/// without a shape rule.
pub(super) fn standard_form(node: &Node) -> Option<Node> {
    let (op, inputs): (&str, &[usize]) = match (node.domain.as_str(), node.op.as_str()) {
        ("", "QLinearConv") => ("Conv", &[0, 3]),
        ("", "QLinearMatMul") => ("MatMul", &[0, 3]),
        ("", "ConvInteger") => ("Conv", &[0, 1]),
        ("", "MatMulInteger") => ("MatMul", &[0, 1]),
        ("com.microsoft", "QGemm") => ("Gemm", &[0, 3]),
        ("com.microsoft", "QLinearAdd" | "QLinearMul") => ("Add", &[0, 3]),
        ("com.microsoft", "QLinearAveragePool") => ("AveragePool", &[0]),
        ("com.microsoft", "QLinearGlobalAveragePool") => ("GlobalAveragePool", &[0]),
        ("com.microsoft", "QLinearReduceMean") => ("ReduceMean", &[0]),
        (
            "com.microsoft",
            "QLinearSigmoid" | "QLinearLeakyRelu" | "QLinearSoftmax" | "Gelu" | "FastGelu" | "QuickGelu"
            | "QuantizeLinear" | "DequantizeLinear",
        ) => ("Identity", &[0]),
        ("com.microsoft", "QLinearConcat") => ("Concat", &[]),
        ("", "Celu" | "Sign") => ("Identity", &[0]),
        _ => return None,
    };
    if node.int("channels_last", 0) != 0 {
        return None;
    }
    let inputs: Vec<String> = match op {
        "Concat" => node.inputs.iter().skip(2).step_by(3).cloned().collect(),
        _ => inputs.iter().filter_map(|&index| node.inputs.get(index).cloned()).collect(),
    };
    let (domain, op) = (String::new(), op.to_string());
    Some(Node { domain, op, inputs, ..node.clone() })
}

/// The results of an operator of the QOperator form; `None` for any other.
pub(super) fn visit<'a>(walk: &mut Walk<'a>, index: usize, node: &'a Node) -> Step<Option<Vec<Value<'a>>>> {
    let at = walk.at(node);
    let (grid, signed, id) = match (node.domain.as_str(), node.op.as_str()) {
        ("", "ConvInteger" | "MatMulInteger") => {
            integer_input(walk, node)?;
            return Ok(Some(vec![Value::Pending(Pending::new(index))]));
        }
        ("", "QLinearConv") => {
            let (grid, signed) = result(walk, node, 6)?;
            let input = operand(walk, node, 0)?;
            let weights = weights(walk, node, 3, |_| 0)?;
            let bias = accumulator_bias(walk, node, 8)?;
            (grid, signed, conv::sliding(walk, node, input, &weights, bias, &open(at, grid))?)
        }
        ("", "QLinearMatMul") => {
            let (grid, signed) = result(walk, node, 6)?;
            let input = operand(walk, node, 0)?;
            let target = open(at, grid);
            let is_constant = walk.constant(walk.required(node, 3)?);
            let id = match is_constant.filter(|right| right.tensor.shape.len() == 2) {
                Some(_) => {
                    let constant = weights(walk, node, 3, |shape| shape.len() as i64 - 1)?;
                    let bias = BiasConstant::None;
                    let product = Product { constant: &constant, transposed: false, alpha: 1.0, bias };
                    matmul::with_weights(walk, node, input, product, &target)?
                }
                None => {
                    let right = operand(walk, node, 3)?;
                    let shape = walk.shape(node.output())?.to_vec();
                    matmul::computed(walk, [input, right], 1.0, shape, &target)?
                }
            };
            (grid, signed, id)
        }
        ("com.microsoft", "QGemm") => {
            if node.input(7).is_none() {
                return unsupported("gives floats");
            }
            let (grid, signed) = result(walk, node, 7)?;
            let mut input = operand(walk, node, 0)?;
            if node.int("transA", 0) != 0 {
                input = walk.draft.transpose(at, input, &[1, 0]);
            }
            let transposed = node.int("transB", 0) != 0;
            let constant = weights(walk, node, 3, |_| if transposed { 0 } else { 1 })?;
            let bias = accumulator_bias(walk, node, 6)?;
            let alpha = node.float("alpha", 1.0);
            if !(alpha.is_finite() && alpha > 0.0) {
                return unsupported(format!("its alpha is {alpha}"));
            }
            let product = Product { constant: &constant, transposed, alpha, bias };
            (grid, signed, matmul::with_weights(walk, node, input, product, &open(at, grid))?)
        }
        ("com.microsoft", "QLinearAdd" | "QLinearMul") => {
            let (grid, signed) = result(walk, node, 6)?;
            let inputs = [operand(walk, node, 0)?, operand(walk, node, 3)?];
            let op = node.op.trim_start_matches("QLinear");
            let [a, b] = inputs.map(|id| Function::dequantized(id, walk.draft.grid(id)));
            let id = match elementwise::of_one_base(walk, op, &a, &b) {
                Some(function) => walk.write_table(at, &function, grid)?,
                None => {
                    let shape = walk.shape(node.output())?.to_vec();
                    elementwise::join(walk, op, inputs, &shape, &open(at, grid))?
                }
            };
            (grid, signed, id)
        }
        ("com.microsoft", "QLinearConcat") => {
            let (grid, signed) = result(walk, node, 0)?;
            let mut ids = Vec::new();
            for first in (2..node.inputs.len()).step_by(3) {
                let id = operand(walk, node, first)?;
                let function = Function::dequantized(id, walk.draft.grid(id));
                ids.push(walk.write_table(at, &function, grid)?);
            }
            if ids.is_empty() {
                return contradiction("joins nothing");
            }
            let along = axis(node.int("axis", 0), walk.draft.dims(ids[0]).len())?;
            (grid, signed, joined(walk, at, ids, along))
        }
        ("com.microsoft", "QLinearAveragePool" | "QLinearGlobalAveragePool") => {
            if node.int("channels_last", 0) != 0 {
                return unsupported("has its channels last");
            }
            let (grid, signed) = result(walk, node, 3)?;
            let input = operand(walk, node, 0)?;
            (grid, signed, pool::average(walk, node, input, &open(at, grid))?)
        }
        ("com.microsoft", "QLinearReduceMean") => {
            let (grid, signed) = result(walk, node, 3)?;
            let input = operand(walk, node, 0)?;
            (grid, signed, pool::reduce_node(walk, node, input, &open(at, grid))?)
        }
        ("com.microsoft", "QLinearSigmoid" | "QLinearLeakyRelu") => {
            let (grid, signed) = result(walk, node, 3)?;
            let id = operand(walk, node, 0)?;
            let function = Function::dequantized(id, walk.draft.grid(id));
            let alpha = node.float("alpha", 0.01);
            let function = match node.op.as_str() {
                "QLinearSigmoid" => function.then(|x| tables::sigmoid(f64::from(x)) as f32),
                _ => function.then(|x| if x < 0.0 { alpha * x } else { x }),
            };
            (grid, signed, walk.write_table(at, &function, grid)?)
        }
        ("com.microsoft", "QLinearSoftmax") => {
            let (grid, signed) = result(walk, node, 3)?;
            let input = operand(walk, node, 0)?;
            let rank = walk.draft.dims(input).len();
            let newer = node.int("opset", 13) >= 13;
            let along = axis(node.int("axis", if newer { -1 } else { 1 }), rank)?;
            (grid, signed, norm::softmax(walk, input, along, !newer, &open(at, grid))?)
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![Value::Integers { id: walk.draft.relabel(at, id, grid), signed }]))
}

/// A result with all its 256 values.
fn open(at: At, grid: Grid) -> Target {
    Target { at, grid, factor: &[], shift: &[], low: f32::NEG_INFINITY, high: f32::INFINITY }
}

/// Scale and zero point of the result, in inputs `scale` and the next.
fn result(walk: &Walk, node: &Node, scale: usize) -> Step<(Grid, bool)> {
    walk.parameters(node, scale, scale + 1)?.single()
}

/// The tensor in input `index`, its scale and zero point in the next two.
fn operand<'a>(walk: &mut Walk<'a>, node: &'a Node, index: usize) -> Step<Id> {
    let parameters = walk.parameters(node, index + 1, index + 2)?;
    integers(walk, node, index, &parameters)
}

/// The tensor in input `index` as integers on the one scale of `parameters`.
fn integers<'a>(walk: &mut Walk<'a>, node: &'a Node, index: usize, parameters: &Parameters) -> Step<Id> {
    let name = walk.required(node, index)?;
    match walk.value(name) {
        Value::Constant(constant) if constant.scaling.is_none() => {
            let Parameters { scales, zeros, element } = parameters.clone();
            if element.is_some_and(|element| element != constant.tensor.data_type()) {
                return bad(format!("the zero point of {name} has another type"));
            }
            let scaling = Some(super::value::Scaling { scales, zeros, axis: 0 });
            let constant = Constant { tensor: constant.tensor.clone(), scaling };
            match constant.quantized() {
                Some((values, grid)) => Ok(walk.draft.constant(name, &constant.tensor.shape, values, grid)),
                None => unsupported(format!("constant {name} is not quantized to 8 bits with one scale")),
            }
        }
        Value::Integers { id, signed } => {
            let stored = if signed { DataType::I8 } else { DataType::U8 };
            if parameters.element.is_some_and(|element| element != stored) {
                return bad(format!("the zero point of {name} is not {stored}"));
            }
            let (grid, _) = Parameters { element: Some(stored), ..parameters.clone() }.single()?;
            Ok(walk.draft.relabel(At { node: &node.name, name }, id, grid))
        }
        Value::Outside => {
            if parameters.element.is_none() {
                return unsupported(format!("the type of its input {name} is not known"));
            }
            let (grid, signed) = parameters.single()?;
            let shape = walk.shape(name)?.to_vec();
            walk.fed_integers(name, signed, &shape, grid)
        }
        _ => contradiction(format!("its input {name} is not 8-bit integers")),
    }
}

/// Constant weights in input `index` with scales and zero points in the next two, along the axis that `along` says.
fn weights<'a>(
    walk: &Walk<'a>,
    node: &Node,
    index: usize,
    along: impl Fn(&Shape) -> i64,
) -> Step<Rc<Constant<'a>>> {
    let parameters = walk.parameters(node, index + 1, index + 2)?;
    scaled_weights(walk, node, index, &parameters, along)
}

fn scaled_weights<'a>(
    walk: &Walk<'a>,
    node: &Node,
    index: usize,
    parameters: &Parameters,
    along: impl Fn(&Shape) -> i64,
) -> Step<Rc<Constant<'a>>> {
    let name = walk.required(node, index)?;
    let Some(constant) = walk.constant(name) else {
        return unsupported(format!("its weights {name} are computed at run time"));
    };
    if constant.scaling.is_some() || constant.integers().is_none() {
        return contradiction(format!("its weights {name} are not integers"));
    }
    if parameters.element.is_some_and(|element| element != constant.tensor.data_type()) {
        return bad(format!("the zero point of {name} is not {}", constant.tensor.data_type()));
    }
    let shape = &constant.tensor.shape;
    let scaling = parameters.along(along(shape), shape)?;
    Ok(Rc::new(Constant { tensor: constant.tensor.clone(), scaling: Some(scaling) }))
}

/// A bias of 32-bit integers in units of the accumulator.
fn accumulator_bias(walk: &Walk, node: &Node, index: usize) -> Step<BiasConstant> {
    let Some(name) = node.input(index) else {
        return Ok(BiasConstant::None);
    };
    let Some(constant) = walk.constant(name) else {
        return unsupported(format!("its bias {name} is computed at run time"));
    };
    match (constant.tensor.data_type(), constant.integers()) {
        (DataType::I32, Some(values)) => Ok(BiasConstant::Integers(values, None)),
        (other, _) => bad(format!("its bias {name} is {other}, not 32-bit integers")),
    }
}

/// Zero points of `ConvInteger` and `MatMulInteger` in input `index`, on a scale of 1; 0 if they are left out.
fn whole(walk: &Walk, node: &Node, index: usize, element: DataType) -> Step<Parameters> {
    let Some(name) = node.input(index) else {
        return Ok(Parameters { scales: vec![1.0], zeros: vec![0], element: Some(element) });
    };
    let Some(constant) = walk.constant(name) else {
        return unsupported(format!("its zero point {name} is computed at run time"));
    };
    match constant.integers() {
        Some(zeros) if constant.tensor.data_type() == element && !zeros.is_empty() => {
            Ok(Parameters { scales: vec![1.0; zeros.len()], zeros, element: Some(element) })
        }
        _ => bad(format!("its zero point {name} is not {element}")),
    }
}

/// The input of a `ConvInteger` or `MatMulInteger` on a scale of 1.
fn integer_input<'a>(walk: &mut Walk<'a>, node: &'a Node) -> Step<Id> {
    let name = walk.required(node, 0)?;
    let element = match walk.value(name) {
        Value::Integers { signed: true, .. } => DataType::I8,
        Value::Integers { .. } => DataType::U8,
        Value::Outside => match node.input(2).and_then(|zero| walk.constant(zero)) {
            Some(zero) => zero.tensor.data_type(),
            None => return unsupported(format!("its input {name} is not quantized to known integers")),
        },
        _ => return contradiction(format!("its input {name} is not 8-bit integers")),
    };
    let parameters = whole(walk, node, 2, element)?;
    integers(walk, node, 0, &parameters)
}

/// A `ConvInteger` or `MatMulInteger` whose result is scaled by constants and quantized.
pub(super) fn emit_integer<'a>(walk: &mut Walk<'a>, node: &'a Node, target: &Target) -> Step<Id> {
    let input = integer_input(walk, node)?;
    let name = walk.required(node, 1)?;
    let Some(element) = walk.constant(name).map(|constant| constant.tensor.data_type()) else {
        return unsupported(format!("its weights {name} are computed at run time"));
    };
    let parameters = whole(walk, node, 3, element)?;
    let is_conv = node.op == "ConvInteger";
    let along = |shape: &Shape| if is_conv { 0 } else { shape.len() as i64 - 1 };
    let constant = scaled_weights(walk, node, 1, &parameters, along)?;
    if is_conv {
        return conv::sliding(walk, node, input, &constant, BiasConstant::None, target);
    }
    let product = Product { constant: &constant, transposed: false, alpha: 1.0, bias: BiasConstant::None };
    matmul::with_weights(walk, node, input, product, target)
}
