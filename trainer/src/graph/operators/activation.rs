//! Functions of single elements, and softmax: `[...]` to `[...]`.

use tch::{Scalar, Tensor};

use super::Table;
use super::call::{Call, one};
use crate::graph::error::{Fault, failed, unsupported};
use crate::graph::value::{Value, broadcast};

pub(super) const TABLE: Table = &[
    ("Abs", |call| unary(call, Tensor::f_abs)),
    ("Ceil", |call| unary(call, Tensor::f_ceil)),
    ("Clip", clip),
    ("Cos", |call| unary(call, Tensor::f_cos)),
    ("Elu", elu),
    ("Erf", |call| unary(call, Tensor::f_erf)),
    ("Exp", |call| unary(call, Tensor::f_exp)),
    ("Floor", |call| unary(call, Tensor::f_floor)),
    ("Gelu", gelu),
    ("HardSigmoid", hard_sigmoid),
    ("HardSwish", |call| unary(call, Tensor::f_hardswish)),
    ("Identity", |call| one(call.input(0)?.clone())),
    ("LeakyRelu", leaky_relu),
    ("Log", |call| unary(call, Tensor::f_log)),
    ("LogSoftmax", |call| softmax(call, |x, axis| x.f_log_softmax(axis, None))),
    ("Mish", |call| unary(call, Tensor::f_mish)),
    ("Neg", |call| unary(call, Tensor::f_neg)),
    ("Not", |call| unary(call, Tensor::f_logical_not)),
    ("PRelu", prelu),
    ("Reciprocal", |call| unary(call, Tensor::f_reciprocal)),
    ("Relu", |call| unary(call, Tensor::f_relu)),
    ("Round", |call| unary(call, Tensor::f_round)),
    ("Selu", selu),
    ("Sigmoid", |call| unary(call, Tensor::f_sigmoid)),
    ("Sign", |call| unary(call, Tensor::f_sign)),
    ("Sin", |call| unary(call, Tensor::f_sin)),
    ("Softmax", |call| softmax(call, |x, axis| x.f_softmax(axis, None))),
    ("Softplus", |call| unary(call, Tensor::f_softplus)),
    ("Softsign", softsign),
    ("Sqrt", |call| unary(call, Tensor::f_sqrt)),
    ("Tanh", |call| unary(call, Tensor::f_tanh)),
];

type Made = Result<Tensor, tch::TchError>;

fn unary(call: &Call, function: fn(&Tensor) -> Made) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    one(x.like(function(&x.tensor)?))
}

/// `min(max(x, low), high)`, bounds from inputs or, before operator set 11, attributes.
fn clip(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let bound = |name: &str, index: usize| -> Result<Option<f64>, Fault> {
        Ok(match call.number(index)? {
            Some(bound) => Some(bound),
            None => call.node.attributes.contains_key(name).then(|| call.float(name, 0.0)),
        })
    };
    let y = match (bound("min", 1)?, bound("max", 2)?) {
        // One kernel in both directions, where a clamp's gradient takes four.
        (Some(0.0), Some(6.0)) => x.tensor.f_relu6()?,
        (Some(0.0), None) => x.tensor.f_relu()?,
        (Some(low), Some(high)) => x.tensor.f_clamp(scalar(low, &x.tensor), scalar(high, &x.tensor))?,
        (Some(low), None) => x.tensor.f_clamp_min(scalar(low, &x.tensor))?,
        (None, Some(high)) => x.tensor.f_clamp_max(scalar(high, &x.tensor))?,
        (None, None) => x.tensor.shallow_clone(),
    };
    one(x.like(y))
}

/// A number of the tensor's own sort: integers stay integers.
fn scalar(value: f64, tensor: &Tensor) -> Scalar {
    if tensor.is_floating_point() { Scalar::float(value) } else { Scalar::int(value as i64) }
}

/// `x` above 0, `alpha * (exp(x) - 1)` below.
fn elu(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    one(x.like(exponential(&x.tensor, call.float("alpha", 1.0))?))
}

fn exponential(x: &Tensor, alpha: f64) -> Made {
    let below = x.f_clamp_max(0.0)?.f_expm1()?.f_mul_scalar(alpha)?;
    x.f_relu()?.f_add(&below)
}

/// `gamma * elu(x, alpha)`
fn selu(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let y = exponential(&x.tensor, call.float("alpha", 1.673_263_2))?;
    one(x.like(y.f_mul_scalar(call.float("gamma", 1.050_701))?))
}

fn gelu(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    one(x.like(x.tensor.f_gelu(call.node.text("approximate", "none"))?))
}

/// `clamp(alpha * x + beta, 0, 1)`
fn hard_sigmoid(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let (alpha, beta) = (call.float("alpha", 0.2), call.float("beta", 0.5));
    let y = if (alpha - 1.0 / 6.0).abs() < 1e-6 && beta == 0.5 {
        x.tensor.f_hardsigmoid()?
    } else {
        x.tensor.f_mul_scalar(alpha)?.f_add_scalar(beta)?.f_clamp(0.0, 1.0)?
    };
    one(x.like(y))
}

/// `x` above 0, `alpha * x` below.
fn leaky_relu(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let alpha = Tensor::f_full([1], call.float("alpha", 0.01), (x.tensor.kind(), x.tensor.device()))?;
    one(x.like(x.tensor.f_internal_prelu_kernel(&alpha)?))
}

/// `x` above 0, `slope * x` below; the slopes broadcast to `x`.
fn prelu(call: &Call) -> Result<Vec<Value>, Fault> {
    let (tensors, batch) = broadcast(&[call.input(0)?, call.input(1)?], call.pictures)?;
    let [x, slope] = tensors.as_slice() else { return failed("takes two inputs") };
    let y = x.f_relu()?.f_sub(&x.f_neg()?.f_relu()?.f_mul(slope)?)?;
    one(Value { tensor: y, batch })
}

/// `x / (1 + |x|)`
fn softsign(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    one(x.like(x.tensor.f_div(&x.tensor.f_abs()?.f_add_scalar(1.0)?)?))
}

/// Along one axis; before operator set 13, along all axes from `axis` together.
fn softmax(call: &Call, function: fn(&Tensor, i64) -> Made) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    if x.rank() == 0 {
        return unsupported("a tensor without dimensions");
    }
    let is_old = call.opset < 13;
    let axis = call.axis(if is_old { 1 } else { -1 }, x.rank())?;
    if !is_old || axis + 1 == x.rank() {
        x.keep_apart(axis)?;
        return one(x.like(function(&x.tensor, axis as i64)?));
    }
    if x.batch.is_some_and(|batch| batch >= axis) {
        return failed("would mix the pictures of a batch");
    }
    let shape = x.tensor.size();
    let mut together = shape[..axis].to_vec();
    together.push(-1);
    one(x.like(function(&x.tensor.f_reshape(&together)?, axis as i64)?.f_reshape(&shape)?))
}
