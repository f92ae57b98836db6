//! The integer grid of a QDQ model's tensor: scale, zero point and limits; fake quantization on it, and storing.
//!
//! A value `x` becomes `clamp(round(x / scale) + zero_point, low, high)`, rounded half to even, and comes back as
//! `(q - zero_point) * scale`. Gradients pass straight through where `q` lies within the limits and are zero outside
//! (Jacob et al., *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*, 2018).

use std::collections::BTreeMap;

use sedge::onnx::{DataType, Node, Tensor as Stored, TensorData};
use tch::{Device, Kind, Tensor};

use super::error::{Fault, failed, unsupported};
use super::tensors::stored_integers;

/// Largest magnitude of a bias in 32 bits: half of what fits, so that the accumulator has room for the sum.
const BIAS_LIMIT: i64 = 1 << 30;

/// Scale, zero point and limits of a tensor's integers.
#[derive(Debug)]
pub(super) struct Grid {
    data_type: DataType,
    scales: Vec<f32>,
    zeros: Vec<i64>,
    /// The axis that the scales belong to; `None` for a single scale.
    axis: Option<i64>,
    low: i64,
    high: i64,
    /// Scales and zero points of a grid with an axis, on the device.
    per_channel: Option<(Tensor, Tensor)>,
    /// Whether it rounds the image itself. Pixels may lie half way between two steps, all of them at once, so that a
    /// division and libtorch's product with the reciprocal round them differently.
    pub(super) reads_pixels: bool,
}

impl Grid {
    /// The grid of a `QuantizeLinear` or `DequantizeLinear`; `stored` is the constant that the latter reads.
    pub(super) fn of(
        node: &Node,
        initializers: &BTreeMap<String, Stored>,
        stored: Option<&Stored>,
        device: Device,
    ) -> Result<Grid, Fault> {
        let constant = |index: usize| node.input(index).map(|name| (name, initializers.get(name)));
        let scales = match constant(1) {
            Some((_, Some(scale))) => match &scale.data {
                TensorData::F32(values) => values.clone(),
                _ => return unsupported(format!("scales of type {}", scale.data_type())),
            },
            _ => return unsupported("a scale that is no constant"),
        };
        let zero = match constant(2) {
            Some((name, None)) => return unsupported(format!("a zero point, {name}, that is no constant")),
            Some((_, zero)) => zero,
            None => None,
        };
        let code = node.int("output_dtype", 0) as i32;
        let data_type = stored.or(zero).map(Stored::data_type).unwrap_or(if code == 0 {
            DataType::U8
        } else {
            DataType::from_code(code)
        });
        let mut low_high = match data_type {
            DataType::U8 => (0, 255),
            DataType::I8 => (-128, 127),
            DataType::I32 => (-BIAS_LIMIT, BIAS_LIMIT),
            other => return unsupported(format!("integers of type {other}")),
        };
        let zeros = match zero.map(stored_integers) {
            None => vec![0; scales.len()],
            Some(Some(zeros)) if zeros.len() == scales.len() => zeros,
            _ => return failed("its zero points do not fit its scales"),
        };
        // Symmetric weights without -128 stay so: kernels may rely on it.
        if let Some(TensorData::I8(values)) = stored.map(|stored| &stored.data)
            && zeros.iter().all(|&zero| zero == 0)
            && !values.contains(&-128)
        {
            low_high.0 = -127;
        }
        if node.int("block_size", 0) != 0 {
            return unsupported("scales of blocks");
        }
        if let Some(scale) = scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
            return failed(format!("has scale {scale}; scales are above 0"));
        }
        let (axis, per_channel) = if scales.len() > 1 {
            let kinds = (Tensor::f_from_slice(&scales)?, Tensor::f_from_slice(&zeros)?);
            let on_device =
                (kinds.0.f_to_device(device)?, kinds.1.f_to_kind(Kind::Int)?.f_to_device(device)?);
            (Some(node.int("axis", 1)), Some(on_device))
        } else {
            (None, None)
        };
        Ok(Grid {
            data_type,
            scales,
            zeros,
            axis,
            low: low_high.0,
            high: low_high.1,
            per_channel,
            reads_pixels: false,
        })
    }

    /// Whether both are the same grid.
    pub(super) fn is(&self, other: &Grid) -> bool {
        self.scales == other.scales
            && self.zeros == other.zeros
            && self.data_type == other.data_type
            && (self.axis == other.axis || self.scales.len() == 1)
    }

    /// `tensor` rounded to the grid, with straight-through gradients.
    pub(super) fn fake(&self, tensor: &Tensor) -> Result<Tensor, Fault> {
        let Some((scales, zeros)) = &self.per_channel else {
            let scale = f64::from(self.scales[0]);
            if self.reads_pixels {
                let divisor = Tensor::f_full([1], scale, (tensor.kind(), tensor.device()))?;
                let steps = tensor.f_div(&divisor)?;
                let rounded =
                    steps.f_fake_quantize_per_tensor_affine(1.0, self.zeros[0], self.low, self.high)?;
                return Ok(rounded.f_mul(&divisor)?);
            }
            return Ok(tensor.f_fake_quantize_per_tensor_affine(
                scale,
                self.zeros[0],
                self.low,
                self.high,
            )?);
        };
        let axis = self.axis_in(tensor.dim())? as i64;
        Ok(tensor.f_fake_quantize_per_channel_affine(scales, zeros, axis, self.low, self.high)?)
    }

    /// The stored integers as floats.
    pub(super) fn dequantize(&self, stored: &Stored) -> Result<Stored, Fault> {
        let Some(values) = stored_integers(stored) else {
            return unsupported(format!("integers of type {}", stored.data_type()));
        };
        let channel = self.channels(&stored.shape)?;
        let floats = values.iter().enumerate().map(|(index, &value)| {
            let channel = channel(index);
            ((value - self.zeros[channel]) as f64 * f64::from(self.scales[channel])) as f32
        });
        Ok(Stored::f32(&stored.shape, floats.collect()))
    }

    /// Floats as the integers to store.
    pub(super) fn quantize(&self, shape: &[usize], values: &[f32]) -> Result<Stored, Fault> {
        let channel = self.channels(shape)?;
        let integers = values.iter().enumerate().map(|(index, &value)| {
            let channel = channel(index);
            // The reciprocal as libtorch takes it, so that what is stored is what was trained.
            let rounded = (value * (1.0 / self.scales[channel])).round_ties_even();
            (rounded as i64 + self.zeros[channel]).clamp(self.low, self.high)
        });
        Ok(match self.data_type {
            DataType::U8 => Stored::u8(shape, integers.map(|v| v as u8).collect()),
            DataType::I8 => Stored::i8(shape, integers.map(|v| v as i8).collect()),
            _ => Stored::i32(shape, integers.map(|v| v as i32).collect()),
        })
    }

    /// From an element's index to the index of its scale.
    fn channels(&self, shape: &[usize]) -> Result<impl Fn(usize) -> usize + use<>, Fault> {
        let (inner, count) = match self.axis {
            None => (1, 1),
            Some(_) => {
                let axis = self.axis_in(shape.len())?;
                if shape[axis] != self.scales.len() {
                    return failed(format!("has {} scales for shape {shape:?}", self.scales.len()));
                }
                (shape[axis + 1..].iter().product::<usize>().max(1), self.scales.len())
            }
        };
        Ok(move |index: usize| index / inner % count)
    }

    fn axis_in(&self, rank: usize) -> Result<usize, Fault> {
        super::value::axis_of(self.axis.unwrap_or(0), rank)
    }
}
