//! Shapes as tensors, constants made of them, and changes of type.

use sedge::onnx::{Attribute, DataType};
use tch::{Device, Kind, Tensor};

use super::Table;
use super::call::{Call, one};
use crate::graph::error::{Fault, failed, unsupported};
use crate::graph::tensors::from_stored;
use crate::graph::value::Value;

pub(super) const TABLE: Table = &[
    ("Cast", cast),
    ("ConstantOfShape", constant_of_shape),
    ("Range", range),
    ("Shape", shape),
    ("Size", |call| {
        let x = call.input(0)?;
        let elements = x.shape_of_one(call.pictures).iter().product::<i64>();
        one(Value::fixed(Tensor::f_from_slice(&[elements])?.f_reshape([0i64; 0])?))
    }),
];

/// The shape that one picture would have.
fn shape(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let shape = x.shape_of_one(call.pictures);
    let rank = shape.len() as i64;
    let place = |value: i64| (if value < 0 { value + rank } else { value }).clamp(0, rank) as usize;
    let (start, end) = (place(call.node.int("start", 0)), place(call.node.int("end", rank)));
    one(Value::fixed(Tensor::f_from_slice(shape.get(start..end).unwrap_or_default())?))
}

/// To the network's float type, 64-bit integers or truth values.
fn cast(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let kind = match DataType::from_code(call.node.int("to", 0) as i32) {
        DataType::F32 | DataType::F64 => call.kind,
        DataType::U8 => Kind::Uint8,
        DataType::I8 => Kind::Int8,
        DataType::I32 => Kind::Int,
        DataType::I64 => Kind::Int64,
        DataType::Bool => Kind::Bool,
        other => return unsupported(format!("type {other}")),
    };
    one(x.like(x.tensor.f_to_kind(kind)?))
}

fn constant_of_shape(call: &Call) -> Result<Vec<Value>, Fault> {
    let Some(shape) = call.integers(0)? else { return failed("has no shape") };
    let value = match call.node.attributes.get("value") {
        Some(Attribute::Tensor(stored)) => from_stored(stored, call.kind)?,
        _ => Tensor::f_zeros([1], (call.kind, Device::Cpu))?,
    };
    let device = if value.is_floating_point() { call.device } else { Device::Cpu };
    one(Value::fixed(value.f_reshape([1])?.f_to_device(device)?.f_expand(&shape, false)?))
}

fn range(call: &Call) -> Result<Vec<Value>, Fault> {
    let bound = |index: usize| -> Result<i64, Fault> {
        match call.integers(index)?.as_deref() {
            Some([value]) => Ok(*value),
            _ => failed("has no start, limit or step"),
        }
    };
    if call.input(0)?.tensor.is_floating_point() {
        return unsupported("a range of floats");
    }
    let values = Tensor::f_arange_start_step(bound(0)?, bound(1)?, bound(2)?, (Kind::Int64, Device::Cpu))?;
    one(Value::fixed(values))
}
