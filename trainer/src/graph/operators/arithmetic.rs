//! Functions of several tensors that broadcast to each other: `[...]`, `[...]` to `[...]`.

use tch::{Kind, Tensor};

use super::Table;
use super::call::{Call, one};
use crate::graph::error::{Fault, failed};
use crate::graph::value::{Value, broadcast};

pub(super) const TABLE: Table = &[
    ("Add", |call| binary(call, Tensor::f_add)),
    ("And", |call| binary(call, Tensor::f_logical_and)),
    ("Div", |call| binary(call, divide)),
    ("Equal", |call| binary(call, Tensor::f_eq_tensor)),
    ("Greater", |call| binary(call, Tensor::f_gt_tensor)),
    ("GreaterOrEqual", |call| binary(call, Tensor::f_ge_tensor)),
    ("Less", |call| binary(call, Tensor::f_lt_tensor)),
    ("LessOrEqual", |call| binary(call, Tensor::f_le_tensor)),
    ("Max", |call| fold(call, Tensor::f_maximum)),
    ("Mean", mean),
    ("Min", |call| fold(call, Tensor::f_minimum)),
    ("Mul", |call| binary(call, Tensor::f_mul)),
    ("Or", |call| binary(call, Tensor::f_logical_or)),
    ("Pow", power),
    ("Sub", |call| binary(call, Tensor::f_sub)),
    ("Sum", |call| fold(call, Tensor::f_add)),
    ("Where", choose),
];

type Made = Result<Tensor, tch::TchError>;

fn binary(call: &Call, function: fn(&Tensor, &Tensor) -> Made) -> Result<Vec<Value>, Fault> {
    let (tensors, batch) = broadcast(&[call.input(0)?, call.input(1)?], call.pictures)?;
    let [a, b] = tensors.as_slice() else { return failed("takes two inputs") };
    one(Value { tensor: function(a, b)?, batch })
}

/// Integers are cut off towards 0.
fn divide(a: &Tensor, b: &Tensor) -> Made {
    if a.is_floating_point() { a.f_div(b) } else { a.f_div_tensor_mode(b, "trunc") }
}

fn power(call: &Call) -> Result<Vec<Value>, Fault> {
    // Kernels for a constant exponent are faster, and exact for squares.
    let base = call.input(0)?;
    if let (Some(exponent), Some(value)) = (call.tensor(1), call.optional(1))
        && exponent.numel() == 1
        && value.batch.is_none()
        && exponent.dim() <= base.rank()
        && base.tensor.is_floating_point()
        && let Some(exponent) = call.number(1)?
    {
        return one(base.like(base.tensor.f_pow_tensor_scalar(exponent)?));
    }
    binary(call, |a, b| a.f_pow(&b.f_to_kind(a.kind())?))
}

fn fold(call: &Call, function: fn(&Tensor, &Tensor) -> Made) -> Result<Vec<Value>, Fault> {
    let (tensors, batch) = broadcast(&call.given(), call.pictures)?;
    let mut tensors = tensors.into_iter();
    let Some(mut sum) = tensors.next() else { return failed("has no inputs") };
    for tensor in tensors {
        sum = function(&sum, &tensor)?;
    }
    one(Value { tensor: sum, batch })
}

fn mean(call: &Call) -> Result<Vec<Value>, Fault> {
    let count = call.given().len() as f64;
    let mut sum = fold(call, Tensor::f_add)?;
    for value in &mut sum {
        value.tensor = value.tensor.f_div_scalar(count)?;
    }
    Ok(sum)
}

/// The second input where the first is true, else the third.
fn choose(call: &Call) -> Result<Vec<Value>, Fault> {
    let (tensors, batch) = broadcast(&[call.input(0)?, call.input(1)?, call.input(2)?], call.pictures)?;
    let [condition, yes, no] = tensors.as_slice() else { return failed("takes three inputs") };
    let condition = condition.f_to_kind(Kind::Bool)?;
    one(Value { tensor: yes.f_where_self(&condition, no)?, batch })
}
