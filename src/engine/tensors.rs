//! Tract's tensors as ours.

use tract_core::prelude as tract;

use crate::onnx::{Tensor, TensorData};

/// Tract's as ours; `None` for element types that [`Tensor`] has no elements for.
pub(super) fn from_tract(tensor: &tract::Tensor) -> Option<Tensor> {
    fn elements<T: tract::Datum + Copy>(tensor: &tract::Tensor) -> Option<Vec<T>> {
        Some(tensor.to_plain_array_view::<T>().ok()?.iter().copied().collect())
    }
    use tract::DatumType;
    let data = match tensor.datum_type() {
        DatumType::F32 => TensorData::F32(elements(tensor)?),
        DatumType::F64 => TensorData::F64(elements(tensor)?),
        DatumType::U8 => TensorData::U8(elements(tensor)?),
        DatumType::I8 => TensorData::I8(elements(tensor)?),
        DatumType::I32 => TensorData::I32(elements(tensor)?),
        DatumType::I64 => TensorData::I64(elements(tensor)?),
        DatumType::Bool => TensorData::Bool(elements::<bool>(tensor)?.into_iter().map(u8::from).collect()),
        _ => return None,
    };
    Some(Tensor { shape: tensor.shape().to_vec(), data })
}
