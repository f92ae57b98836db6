//! Random draws and dropout. Draws come from libtorch's generator (`tch::manual_seed`); seeds in nodes are not used. What
//! is drawn with a first size of 1 is drawn anew for every picture.

use tch::Tensor;

use super::Table;
use super::call::{Call, one};
use crate::graph::Mode;
use crate::graph::error::{Fault, failed};
use crate::graph::value::Value;

pub(super) const TABLE: Table = &[
    ("Bernoulli", bernoulli),
    ("Dropout", dropout),
    ("RandomNormal", |call| normal(call, of_attribute(call)?)),
    ("RandomNormalLike", |call| normal(call, of_input(call)?)),
    ("RandomUniform", |call| uniform(call, of_attribute(call)?)),
    ("RandomUniformLike", |call| uniform(call, of_input(call)?)),
];

/// A tensor to fill: as large as attribute `shape` says, for every picture.
fn of_attribute(call: &Call) -> Result<Value, Fault> {
    let Some(shape) = call.node.ints("shape") else { return failed("has no shape") };
    let mut shape = shape.to_vec();
    let batch = (shape.first() == Some(&1)).then_some(0);
    if batch.is_some() {
        shape[0] = call.pictures;
    }
    Ok(Value { tensor: Tensor::f_zeros(&shape, (call.kind, call.device))?, batch })
}

/// A tensor to fill: as large as the input.
fn of_input(call: &Call) -> Result<Value, Fault> {
    let x = call.input(0)?;
    Ok(x.like(Tensor::f_zeros(x.tensor.size(), (call.kind, call.device))?))
}

fn uniform(call: &Call, mut value: Value) -> Result<Vec<Value>, Fault> {
    let _ = value.tensor.f_uniform_(call.float("low", 0.0), call.float("high", 1.0))?;
    one(value)
}

fn normal(call: &Call, mut value: Value) -> Result<Vec<Value>, Fault> {
    let _ = value.tensor.f_normal_(call.float("mean", 0.0), call.float("scale", 1.0))?;
    one(value)
}

/// 1 with the probability that the input gives, else 0; without gradients.
fn bernoulli(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    one(x.like(x.tensor.f_detach()?.f_bernoulli()?))
}

/// In training a share `ratio` of the elements becomes 0 and the rest grows by `1 / (1 - ratio)`; at inference nothing
/// happens, unless the graph itself asks for training mode.
fn dropout(call: &Call) -> Result<Vec<Value>, Fault> {
    if call.is_wanted.get(1).is_some_and(|&wanted| wanted) {
        return crate::graph::error::unsupported("its mask as an output");
    }
    let x = call.input(0)?;
    let ratio = match call.number(1)? {
        Some(ratio) => ratio,
        None => call.float("ratio", 0.5),
    };
    let is_asked_for = call.integers(2)?.is_some_and(|values| values.first() == Some(&1));
    one(x.like(x.tensor.f_dropout(ratio, call.mode == Mode::Train || is_asked_for)?))
}
