//! Functions of one variable: what a node does to each real number, and tables of what it does to the integers behind them.

use super::super::program::Id;
use super::draft::At;
use super::functions::{erf, exp, ln, tanh};
use super::value::{Function, Grid, Step, Value, contradiction, unsupported};
use super::walk::Walk;
use crate::onnx::{Attribute, Node};

/// The result of a node that is a function of one variable; `None` for any other node.
pub(super) fn visit<'a>(walk: &mut Walk<'a>, node: &'a Node) -> Step<Option<Value<'a>>> {
    if matches!(node.standard_op(), "Relu" | "Clip") {
        let (low, high) = clamp_bounds(walk, node)?;
        return match walk.value(walk.required(node, 0)?) {
            Value::Pending(pending) => Ok(Some(Value::Pending(pending.clamped(low, high)))),
            _ => {
                let function = walk.function(node, 0)?;
                Ok(Some(Value::Function(function.then(|x| x.max(low).min(high)))))
            }
        };
    }
    let Some(unary) = unary(node) else {
        return Ok(None);
    };
    let name = walk.required(node, 0)?;
    match walk.value(name) {
        Value::Function(function) => Ok(Some(Value::Function(function.then(unary)))),
        Value::Pending(_) => unsupported(format!("its input {name} is not quantized before it")),
        _ => unsupported(format!("its input {name} is not quantized")),
    }
}

/// Bounds of a `Relu` or `Clip`.
fn clamp_bounds(walk: &Walk, node: &Node) -> Step<(f32, f32)> {
    if node.op == "Relu" {
        return Ok((0.0, f32::INFINITY));
    }
    let bound = |index: usize, attribute: &str, open: f32| match (
        node.input(index),
        node.attributes.get(attribute),
    ) {
        (Some(name), _) => match walk.constant(name).and_then(|constant| constant.scalar()) {
            Some(bound) => Ok(bound),
            None => unsupported(format!("its bound {name} is computed at run time")),
        },
        (None, Some(Attribute::Float(bound))) => Ok(*bound),
        (None, _) => Ok(open),
    };
    let (low, high) = (bound(1, "min", f32::NEG_INFINITY)?, bound(2, "max", f32::INFINITY)?);
    if low.is_nan() || high.is_nan() {
        return contradiction(format!("clips to [{low}, {high}]"));
    }
    Ok((low, high))
}

/// What a node does to each number, if it does the same to all.
fn unary(node: &Node) -> Option<Box<dyn Fn(f32) -> f32>> {
    let alpha = |default| node.float("alpha", default);
    let through_f64 = |function: fn(f64) -> f64| -> Box<dyn Fn(f32) -> f32> {
        Box::new(move |x| function(f64::from(x)) as f32)
    };
    if node.domain == "com.microsoft" {
        let scale = f64::from(alpha(1.702));
        return match node.op.as_str() {
            "Gelu" => Some(through_f64(gelu)),
            "FastGelu" if node.input(1).is_none() => Some(through_f64(gelu_tanh)),
            "QuickGelu" => Some(Box::new(move |x| (f64::from(x) * sigmoid(scale * f64::from(x))) as f32)),
            _ => None,
        };
    }
    Some(match node.standard_op() {
        "Abs" => Box::new(f32::abs),
        "Ceil" => Box::new(f32::ceil),
        "Celu" => {
            let alpha = f64::from(alpha(1.0));
            Box::new(move |x| {
                let x = f64::from(x);
                (x.max(0.0) + (alpha * (exp(x / alpha) - 1.0)).min(0.0)) as f32
            })
        }
        "Elu" => {
            let alpha = f64::from(alpha(1.0));
            Box::new(move |x| if x < 0.0 { (alpha * (exp(f64::from(x)) - 1.0)) as f32 } else { x })
        }
        "Erf" => through_f64(erf),
        "Exp" => through_f64(exp),
        "Floor" => Box::new(f32::floor),
        "Gelu" if node.text("approximate", "none") == "tanh" => through_f64(gelu_tanh),
        "Gelu" => through_f64(gelu),
        "HardSigmoid" => {
            let (alpha, beta) = (alpha(0.2), node.float("beta", 0.5));
            Box::new(move |x| (alpha * x + beta).clamp(0.0, 1.0))
        }
        "HardSwish" => Box::new(|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        "LeakyRelu" => {
            let alpha = alpha(0.01);
            Box::new(move |x| if x < 0.0 { alpha * x } else { x })
        }
        "Log" => through_f64(ln),
        "Mish" => through_f64(|x| x * tanh(softplus(x))),
        "Neg" => Box::new(|x| -x),
        "Reciprocal" => Box::new(|x| 1.0 / x),
        "Round" => Box::new(f32::round_ties_even),
        "Selu" => {
            let (alpha, gamma) = (f64::from(alpha(1.673_263_2)), f64::from(node.float("gamma", 1.050_701)));
            Box::new(move |x| {
                let x = f64::from(x);
                (if x > 0.0 { gamma * x } else { gamma * alpha * (exp(x) - 1.0) }) as f32
            })
        }
        "Sigmoid" => through_f64(sigmoid),
        "Sign" => Box::new(|x| if x == 0.0 { 0.0 } else { x.signum() }),
        "Softplus" => through_f64(softplus),
        "Softsign" => Box::new(|x| x / (1.0 + x.abs())),
        "Sqrt" => Box::new(f32::sqrt),
        "Tanh" => through_f64(tanh),
        "ThresholdedRelu" => {
            let alpha = alpha(1.0);
            Box::new(move |x| if x > alpha { x } else { 0.0 })
        }
        _ => return None,
    })
}

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + ln(1.0 + exp(-x.abs()))
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2))
}

fn gelu_tanh(x: f64) -> f64 {
    const FACTOR: f64 = 0.797_884_560_802_865_4;
    0.5 * x * (1.0 + tanh(FACTOR * (x + 0.044715 * x * x * x)))
}

impl Walk<'_> {
    /// Writes `function`, quantized to `grid`.
    pub(super) fn write_table(&mut self, at: At, function: &Function, grid: Grid) -> Step<Id> {
        if function.grid == Some(grid) {
            return Ok(self.draft.relabel(at, function.id, grid));
        }
        let tables: Vec<u8> = function.values.iter().map(|&value| grid.quantize(value)).collect();
        let id = match function.axis {
            None => function.id,
            Some(axis) => self.draft.with_last(at, function.id, axis),
        };
        Ok(self.draft.table(at, id, tables, grid))
    }
}
