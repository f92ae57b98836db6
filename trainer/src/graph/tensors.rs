//! Tensors of ONNX files as libtorch's, and back.

use sedge::onnx::{DataType, Tensor as Stored, TensorData};
use tch::{Kind, Tensor};

use super::error::{Fault, unsupported};

/// A stored tensor in main memory; floats become `kind`.
pub(super) fn from_stored(stored: &Stored, kind: Kind) -> Result<Tensor, Fault> {
    let shape: Vec<i64> = stored.shape.iter().map(|&size| size as i64).collect();
    let tensor = match &stored.data {
        TensorData::F32(data) => Tensor::f_from_slice(data)?.f_to_kind(kind)?,
        TensorData::F64(data) => Tensor::f_from_slice(data)?.f_to_kind(kind)?,
        TensorData::U8(data) => Tensor::f_from_slice(data)?,
        TensorData::I8(data) => Tensor::f_from_slice(data)?,
        TensorData::I32(data) => Tensor::f_from_slice(data)?,
        TensorData::I64(data) => Tensor::f_from_slice(data)?,
        TensorData::Bool(data) => Tensor::f_from_slice(data)?.f_to_kind(Kind::Bool)?,
        TensorData::Other(code, _) => {
            return unsupported(format!("a constant of type {}", DataType::from_code(*code)));
        }
    };
    Ok(tensor.f_reshape(&shape)?)
}

/// The elements of any tensor as f32, in row-major order.
pub(super) fn floats(tensor: &Tensor) -> Result<Vec<f32>, tch::TchError> {
    let flat = tensor.f_detach()?.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    let mut values = vec![0.0f32; flat.numel()];
    let count = values.len();
    if count > 0 {
        flat.f_copy_data(&mut values, count)?;
    }
    Ok(values)
}

/// The elements of an integer tensor, in row-major order.
pub(super) fn integers(tensor: &Tensor) -> Result<Vec<i64>, tch::TchError> {
    let flat = tensor.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Int64)?.f_contiguous()?;
    let mut values = vec![0i64; flat.numel()];
    let count = values.len();
    if count > 0 {
        flat.f_copy_data(&mut values, count)?;
    }
    Ok(values)
}

/// The elements of a stored tensor of integers.
pub(super) fn stored_integers(stored: &Stored) -> Option<Vec<i64>> {
    match &stored.data {
        TensorData::I64(data) => Some(data.clone()),
        TensorData::I32(data) => Some(data.iter().map(|&v| i64::from(v)).collect()),
        TensorData::I8(data) => Some(data.iter().map(|&v| i64::from(v)).collect()),
        TensorData::U8(data) | TensorData::Bool(data) => Some(data.iter().map(|&v| i64::from(v)).collect()),
        _ => None,
    }
}

/// The elements of a stored tensor of floats.
pub(super) fn stored_floats(stored: &Stored) -> Option<Vec<f64>> {
    match &stored.data {
        TensorData::F32(data) => Some(data.iter().map(|&v| f64::from(v)).collect()),
        TensorData::F64(data) => Some(data.clone()),
        _ => None,
    }
}
