//! What is known of a tensor of the ONNX graph.

use std::borrow::Cow;
use std::rc::Rc;

use super::super::program::Id;
use crate::onnx::{Tensor, TensorData};

/// Why a node does not become part of a program.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    /// It stays in float.
    Unsupported(String),
    /// Its quantization means nothing.
    Quantization(String),
    /// It contradicts its inputs.
    Graph(String),
}

/// What a step gives, or why it does not.
pub(super) type Step<T> = Result<T, Refusal>;

/// Refuses a node that may be right but is not known here.
pub(super) fn unsupported<T>(reason: impl Into<String>) -> Step<T> {
    Err(Refusal::Unsupported(reason.into()))
}

/// Refuses a node whose quantization means nothing.
pub(super) fn bad<T>(reason: impl Into<String>) -> Step<T> {
    Err(Refusal::Quantization(reason.into()))
}

/// Refuses a node that contradicts its inputs.
pub(super) fn contradiction<T>(reason: impl Into<String>) -> Step<T> {
    Err(Refusal::Graph(reason.into()))
}

/// Scale and zero point, the latter in unsigned form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grid {
    pub scale: f32,
    pub zero: u8,
}

impl Grid {
    /// The grid of tensors that are no numbers on a scale.
    pub(super) const CLASSES: Grid = Grid { scale: 1.0, zero: 0 };

    /// As `QuantizeLinear`: round half to even, saturate. What is not a number becomes zero.
    pub(super) fn quantize(self, value: f32) -> u8 {
        let steps = (value / self.scale).round_ties_even();
        if steps.is_nan() { self.zero } else { (steps + f32::from(self.zero)).clamp(0.0, 255.0) as u8 }
    }

    /// As `DequantizeLinear`.
    pub(super) fn real(self, value: u8) -> f32 {
        f32::from(i16::from(value) - i16::from(self.zero)) * self.scale
    }
}

/// What is known of a tensor.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// Nothing: it is computed by nodes that stay in float.
    Outside,
    /// It does not depend on the graph's inputs.
    Constant(Rc<Constant<'a>>),
    /// 8-bit integers; `signed` as ONNX sees them.
    Integers { id: Id, signed: bool },
    /// Real numbers, each a function of one integer.
    Function(Function),
    /// The result of an operator on integers, before it is quantized.
    Pending(Pending),
    /// Class numbers.
    Classes(Id),
}

/// A constant: real numbers, or integers that stand for real numbers.
#[derive(Clone, Debug)]
pub(super) struct Constant<'a> {
    pub tensor: Cow<'a, Tensor>,
    /// What the integers stand for, behind a `DequantizeLinear`.
    pub scaling: Option<Scaling>,
}

/// How constant integers become real numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scaling {
    /// One, or one for each index of `axis`.
    pub scales: Vec<f32>,
    /// As many.
    pub zeros: Vec<i32>,
    pub axis: usize,
}

impl Scaling {
    /// Index into scales and zero points of element `index` of a tensor of `shape`.
    pub(super) fn part(&self, shape: &[usize], index: usize) -> usize {
        if self.scales.len() == 1 {
            return 0;
        }
        let inner: usize = shape[self.axis + 1..].iter().product();
        index / inner % shape[self.axis]
    }
}

impl Constant<'_> {
    /// The integers, if they are integers of at most 32 bits.
    pub(super) fn integers(&self) -> Option<Vec<i32>> {
        Some(match &self.tensor.data {
            TensorData::U8(values) => values.iter().map(|&v| i32::from(v)).collect(),
            TensorData::I8(values) => values.iter().map(|&v| i32::from(v)).collect(),
            TensorData::I32(values) => values.clone(),
            _ => return None,
        })
    }

    /// The real numbers.
    pub(super) fn reals(&self) -> Option<Vec<f32>> {
        let Some(scaling) = &self.scaling else {
            return self.tensor.as_f32().map(<[f32]>::to_vec);
        };
        let real = |(index, value): (usize, i32)| {
            let part = scaling.part(&self.tensor.shape, index);
            (i64::from(value) - i64::from(scaling.zeros[part])) as f32 * scaling.scales[part]
        };
        Some(self.integers()?.into_iter().enumerate().map(real).collect())
    }

    /// The real number, if there is only one.
    pub(super) fn scalar(&self) -> Option<f32> {
        if self.tensor.elements() == 1 { self.reals()?.first().copied() } else { None }
    }

    /// The 8-bit integers in unsigned form with their one scale and zero point.
    pub(super) fn quantized(&self) -> Option<(Vec<u8>, Grid)> {
        let scaling = self.scaling.as_ref()?;
        let (&[scale], &[zero]) = (scaling.scales.as_slice(), scaling.zeros.as_slice()) else {
            return None;
        };
        let (values, zero): (Vec<u8>, i32) = match &self.tensor.data {
            TensorData::U8(values) => (values.clone(), zero),
            TensorData::I8(values) => (values.iter().map(|&v| (v as u8) ^ 128).collect(), zero + 128),
            _ => return None,
        };
        Some((values, Grid { scale, zero: u8::try_from(zero).ok()? }))
    }
}

/// Real numbers, each a function of one integer.
#[derive(Clone, Debug)]
pub(super) struct Function {
    /// The integers; the shape is the same.
    pub id: Id,
    /// 256 real numbers for each channel.
    pub values: Rc<Vec<f32>>,
    /// The ONNX axis along which channels lie, if there is more than one.
    pub axis: Option<usize>,
    /// Given if the function is just a dequantization.
    pub grid: Option<Grid>,
}

impl Function {
    /// The dequantization of `id`.
    pub(super) fn dequantized(id: Id, grid: Grid) -> Function {
        let values = (0..=255).map(|value| grid.real(value)).collect();
        Function { id, values: Rc::new(values), axis: None, grid: Some(grid) }
    }

    /// A function after this one.
    pub(super) fn then(&self, function: impl Fn(f32) -> f32) -> Function {
        let values = self.values.iter().map(|&value| function(value)).collect();
        Function { id: self.id, values: Rc::new(values), axis: self.axis, grid: None }
    }

    /// Whether larger integers never have smaller values.
    pub(super) fn is_monotone(&self) -> bool {
        self.values.chunks(256).all(|values| values.is_sorted())
    }
}

/// An operator on integers whose result is not quantized yet: `clamp(operator * factor + shift)`, moved by `moves`.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// Index of the node.
    pub node: usize,
    /// Positive, one or one for each output channel; empty for 1.
    pub factor: Vec<f32>,
    /// One or one for each output channel; empty for 0.
    pub shift: Vec<f32>,
    /// Lowest value, after factor and shift.
    pub low: f32,
    /// Highest value.
    pub high: f32,
    /// Nodes after it that only move values.
    pub moves: Vec<usize>,
}

impl Pending {
    pub(super) fn new(node: usize) -> Pending {
        let (low, high) = (f32::NEG_INFINITY, f32::INFINITY);
        Pending { node, factor: Vec::new(), shift: Vec::new(), low, high, moves: Vec::new() }
    }

    /// Whether nothing comes after the operator.
    pub(super) fn is_bare(&self) -> bool {
        let open = self.low == f32::NEG_INFINITY && self.high == f32::INFINITY;
        open && self.moves.is_empty() && !self.has_affine()
    }

    /// Whether there is a factor or a shift.
    pub(super) fn has_affine(&self) -> bool {
        !self.factor.is_empty() || !self.shift.is_empty()
    }

    /// With another clamp after it.
    pub(super) fn clamped(mut self, low: f32, high: f32) -> Pending {
        self.low = self.low.max(low).min(high);
        self.high = self.high.max(low).min(high);
        self
    }
}
