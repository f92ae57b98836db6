//! Scales and zero points, checked, and the two nodes that carry them: `QuantizeLinear` and `DequantizeLinear`.

use std::borrow::Cow;
use std::rc::Rc;

use super::super::program::Element;
use super::value::{Constant, Function, Grid, Scaling, Step, Value, bad, contradiction, unsupported};
use super::walk::Walk;
use crate::onnx::{DataType, Node, Tensor, TensorData};

/// Checked scales and zero points of a node.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    /// At least one, positive and finite.
    pub scales: Vec<f32>,
    /// As many.
    pub zeros: Vec<i32>,
    /// Type of the zero points; unknown where there are none.
    pub element: Option<DataType>,
}

impl Parameters {
    /// The one scale and zero point of 8-bit integers, and whether they are signed.
    pub(super) fn single(&self) -> Step<(Grid, bool)> {
        let (&[scale], &[zero]) = (self.scales.as_slice(), self.zeros.as_slice()) else {
            return unsupported("activations have a scale for each channel");
        };
        let signed = match self.element {
            Some(DataType::U8) | None => false,
            Some(DataType::I8) => true,
            Some(other) => return unsupported(format!("activations are {other}, not 8-bit integers")),
        };
        let zero = if signed { zero + 128 } else { zero };
        Ok((Grid { scale, zero: zero as u8 }, signed))
    }

    /// Along `axis` of constants of `shape`.
    pub(super) fn along(&self, axis: i64, shape: &[usize]) -> Step<Scaling> {
        let (scales, zeros) = (self.scales.clone(), self.zeros.clone());
        if scales.len() == 1 {
            return Ok(Scaling { scales, zeros, axis: 0 });
        }
        let rank = shape.len() as i64;
        let axis = if axis < 0 { axis.saturating_add(rank) } else { axis };
        if !(0..rank).contains(&axis) {
            return bad(format!("has scales along axis {axis} of a tensor with {rank} dimensions"));
        }
        let axis = axis as usize;
        if shape[axis] != scales.len() {
            return bad(format!(
                "has {} scales for the {} elements along axis {axis}",
                scales.len(),
                shape[axis]
            ));
        }
        Ok(Scaling { scales, zeros, axis })
    }
}

impl<'a> Walk<'a> {
    /// Scale and zero point of `node`, in inputs `scale` and `zero`.
    pub(super) fn parameters(&self, node: &Node, scale: usize, zero: usize) -> Step<Parameters> {
        if node.int("block_size", 0) != 0 {
            return unsupported("has scales for blocks");
        }
        let Some(name) = node.input(scale) else {
            return bad("has no scale");
        };
        let Some(constant) = self.constant(name) else {
            return unsupported(format!("its scale {name} is computed at run time"));
        };
        let scales = match &constant.tensor.data {
            TensorData::F32(scales) => scales.clone(),
            TensorData::Other(10 | 16, _) => return unsupported("scales are not 32-bit floats"),
            _ => return bad(format!("scale {name} is of type {}, not f32", constant.tensor.data_type())),
        };
        if constant.tensor.shape.len() > 1 && scales.len() != 1 {
            return bad(format!("scale {name} has shape {:?}", constant.tensor.shape));
        }
        if scales.is_empty() {
            return bad(format!("scale {name} is empty"));
        }
        if let Some(scale) = scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
            return bad(format!("scale {name} is {scale}; a scale is positive and finite"));
        }
        let Some(name) = node.input(zero) else {
            let zeros = vec![0; scales.len()];
            return Ok(Parameters { scales, zeros, element: None });
        };
        let Some(constant) = self.constant(name) else {
            return unsupported(format!("its zero point {name} is computed at run time"));
        };
        let element = constant.tensor.data_type();
        let zeros = match (&constant.tensor.data, constant.integers()) {
            (_, Some(zeros)) => zeros,
            // 4 and 16 bits, and 8-bit floats.
            (TensorData::Other(4 | 5 | 17..=20 | 21..=24, _), _) => {
                return unsupported(format!("quantizes to {element}, not to 8-bit integers"));
            }
            _ => return bad(format!("zero point {name} is of type {element}, not an 8-bit integer")),
        };
        if zeros.len() != scales.len() {
            return bad(format!("has {} zero points for {} scales", zeros.len(), scales.len()));
        }
        if element == DataType::I32 && zeros.iter().any(|&zero| zero != 0) {
            return bad(format!("zero point {name} of 32-bit integers is not 0"));
        }
        Ok(Parameters { scales, zeros, element: Some(element) })
    }

    /// A `DequantizeLinear` node.
    pub(super) fn dequantize(&mut self, node: &'a Node) -> Step<Value<'a>> {
        let parameters = self.parameters(node, 1, 2)?;
        let name = self.required(node, 0)?;
        match self.value(name) {
            Value::Constant(constant) => {
                if constant.scaling.is_some() {
                    return contradiction("dequantizes numbers that are dequantized already");
                }
                let element = constant.tensor.data_type();
                if constant.integers().is_none() {
                    return unsupported(format!("dequantizes {element}"));
                }
                if parameters.element.is_some_and(|zero| zero != element) {
                    return bad(format!("its zero point is not {element}, as what it dequantizes"));
                }
                let scaling = parameters.along(node.int("axis", 1), &constant.tensor.shape)?;
                let tensor = constant.tensor.clone();
                Ok(Value::Constant(Rc::new(Constant { tensor, scaling: Some(scaling) })))
            }
            Value::Integers { id, signed } => {
                parameters.along(node.int("axis", 1), &self.draft.tensors[id].onnx_shape())?;
                let stored = if signed { DataType::I8 } else { DataType::U8 };
                if parameters.element.is_some_and(|zero| zero != stored) {
                    return bad(format!("its zero point is not {stored}, as what it dequantizes"));
                }
                let element = Some(stored);
                let (grid, _) = Parameters { element, ..parameters }.single()?;
                Ok(Value::Function(Function::dequantized(id, grid)))
            }
            Value::Outside => {
                let fed = self.graph().inputs.iter().find(|input| input.name == name);
                let element = parameters.element.or(fed.map(|input| input.data_type));
                let Some(element) = element else {
                    return unsupported("the type of what it dequantizes is not known");
                };
                if fed.is_some_and(|fed| fed.data_type != element) {
                    return bad("its zero point has another type than what it dequantizes");
                }
                let (grid, signed) = Parameters { element: Some(element), ..parameters }.single()?;
                let shape = self.shape(name)?.to_vec();
                let id = self.fed_integers(name, signed, &shape, grid)?;
                Ok(Value::Function(Function::dequantized(id, grid)))
            }
            _ => contradiction("dequantizes what is not quantized"),
        }
    }

    /// A `QuantizeLinear` node.
    pub(super) fn quantize(&mut self, index: usize, node: &'a Node) -> Step<Value<'a>> {
        let mut parameters = self.parameters(node, 1, 2)?;
        match node.int("output_dtype", 0) {
            0 => {}
            2 => parameters.element = parameters.element.or(Some(DataType::U8)),
            3 => parameters.element = parameters.element.or(Some(DataType::I8)),
            other => {
                let element = DataType::from_code(other.try_into().unwrap_or(0));
                return unsupported(format!("quantizes to {element}, not to 8-bit integers"));
            }
        }
        let name = self.required(node, 0)?;
        if let Value::Constant(constant) = self.value(name) {
            let scaling = parameters.along(node.int("axis", 1), &constant.tensor.shape)?;
            let element = parameters.element.unwrap_or(DataType::U8);
            return match quantized_constant(&constant, &scaling, element) {
                Some(tensor) => {
                    Ok(Value::Constant(Rc::new(Constant { tensor: Cow::Owned(tensor), scaling: None })))
                }
                None => unsupported(format!("quantizes a constant to {element}")),
            };
        }
        let shape = self.shape(name)?.to_vec();
        parameters.along(node.int("axis", 1), &shape)?;
        let (grid, signed) = parameters.single()?;
        let id = match self.value(name) {
            Value::Function(function) => self.write_table(self.at(node), &function, grid)?,
            Value::Pending(pending) => match self.emit(&pending, node, grid) {
                Ok(id) => id,
                Err(refusal) => {
                    self.refuse(pending.node, refusal)?;
                    self.fed_float(index, name, &shape, grid)?
                }
            },
            Value::Outside => self.fed_float(index, name, &shape, grid)?,
            Value::Integers { .. } | Value::Classes(_) | Value::Constant(_) => {
                return unsupported("quantizes integers");
            }
        };
        Ok(Value::Integers { id, signed })
    }

    /// Integers that are fed from outside.
    pub(super) fn fed_integers(
        &mut self,
        name: &str,
        signed: bool,
        shape: &[usize],
        grid: Grid,
    ) -> Step<usize> {
        let (element, stored) =
            if signed { (Element::I8, DataType::I8) } else { (Element::U8, DataType::U8) };
        match self.graph().inputs.iter().find(|input| input.name == name) {
            Some(fed) if fed.data_type != stored => {
                bad(format!("the zero point of {name} is {stored}, {name} is {}", fed.data_type))
            }
            _ => Ok(self.draft.fed(name, element, shape, grid)),
        }
    }

    /// Real numbers that are fed from outside, quantized on the way in.
    fn fed_float(&mut self, index: usize, name: &str, shape: &[usize], grid: Grid) -> Step<usize> {
        let fed = self.graph().inputs.iter().find(|input| input.name == name).map(|input| input.data_type);
        let cast = self.producer(name).and_then(|producer| {
            let node = &self.graph().nodes[producer];
            (node.standard_op() == "Cast").then(|| DataType::from_code(node.int("to", 1) as i32))
        });
        match fed.or(cast) {
            Some(DataType::F32) | None => Ok(self.draft.fed(name, Element::F32, shape, grid)),
            Some(other) => {
                let place = self.graph().nodes[index].place();
                unsupported(format!("{place} quantizes {other}"))
            }
        }
    }
}

fn quantized_constant(constant: &Constant, scaling: &Scaling, element: DataType) -> Option<Tensor> {
    let shape = &constant.tensor.shape;
    let steps = |low: f32, high: f32| -> Option<Vec<f32>> {
        let reals = constant.reals()?;
        let step = |(index, value): (usize, f32)| {
            let part = scaling.part(shape, index);
            let steps = (value / scaling.scales[part]).round_ties_even() + scaling.zeros[part] as f32;
            if steps.is_nan() { scaling.zeros[part] as f32 } else { steps.clamp(low, high) }
        };
        Some(reals.into_iter().enumerate().map(step).collect())
    };
    match element {
        DataType::U8 => Some(Tensor::u8(shape, steps(0.0, 255.0)?.iter().map(|&v| v as u8).collect())),
        DataType::I8 => Some(Tensor::i8(shape, steps(-128.0, 127.0)?.iter().map(|&v| v as i8).collect())),
        _ => None,
    }
}
