//! What an operator's function is given: its node, its inputs, and how the network runs.

use std::collections::BTreeMap;

use sedge::onnx::{Node, Tensor as Stored};
use tch::{Device, Kind, Tensor};

use crate::graph::Mode;
use crate::graph::error::{Fault, failed};
use crate::graph::grid::Grid;
use crate::graph::tensors::{floats, integers, stored_floats, stored_integers};
use crate::graph::value::{Value, axis_of};

/// One node in one run.
pub(in crate::graph) struct Call<'a> {
    pub(in crate::graph) node: &'a Node,
    pub(in crate::graph) inputs: Vec<Option<Value>>,
    /// For each output, whether anything reads it.
    pub(in crate::graph) is_wanted: Vec<bool>,
    pub(in crate::graph) mode: Mode,
    /// Pictures in the batch.
    pub(in crate::graph) pictures: i64,
    /// Version of the standard operator set.
    pub(in crate::graph) opset: i64,
    pub(in crate::graph) device: Device,
    /// Type of the network's floats.
    pub(in crate::graph) kind: Kind,
    /// Whether the node reads a frozen variable.
    pub(in crate::graph) is_frozen: bool,
    pub(in crate::graph) grid: Option<&'a Grid>,
    pub(in crate::graph) initializers: &'a BTreeMap<String, Stored>,
}

impl Call<'_> {
    /// Input `index`, which must be given.
    pub(in crate::graph) fn input(&self, index: usize) -> Result<&Value, Fault> {
        match self.optional(index) {
            Some(value) => Ok(value),
            None => failed(format!("lacks input {index}")),
        }
    }

    /// Input `index`, if it is given.
    pub(in crate::graph) fn optional(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index).and_then(Option::as_ref)
    }

    /// The tensor of input `index`, if it is given.
    pub(in crate::graph) fn tensor(&self, index: usize) -> Option<&Tensor> {
        self.optional(index).map(|value| &value.tensor)
    }

    /// All given inputs.
    pub(in crate::graph) fn given(&self) -> Vec<&Value> {
        self.inputs.iter().flatten().collect()
    }

    /// The initializer that input `index` reads.
    fn stored(&self, index: usize) -> Option<&Stored> {
        self.initializers.get(self.node.input(index)?)
    }

    /// The integers of input `index`, if it is given.
    pub(in crate::graph) fn integers(&self, index: usize) -> Result<Option<Vec<i64>>, Fault> {
        match (self.stored(index).and_then(stored_integers), self.optional(index)) {
            (Some(values), _) => Ok(Some(values)),
            (None, Some(value)) if value.batch.is_none() => Ok(Some(integers(&value.tensor)?)),
            (None, Some(_)) => failed(format!("input {index} depends on the image; it must be constant")),
            (None, None) => Ok(None),
        }
    }

    /// The numbers of input `index`, if it is given.
    pub(in crate::graph) fn floats(&self, index: usize) -> Result<Option<Vec<f64>>, Fault> {
        match (self.stored(index).and_then(stored_floats), self.optional(index)) {
            (Some(values), _) => Ok(Some(values)),
            (None, Some(value)) if value.batch.is_none() => {
                Ok(Some(floats(&value.tensor)?.into_iter().map(f64::from).collect()))
            }
            (None, Some(_)) => failed(format!("input {index} depends on the image; it must be constant")),
            (None, None) => Ok(None),
        }
    }

    /// The one number of input `index`, if it is given and not empty.
    pub(in crate::graph) fn number(&self, index: usize) -> Result<Option<f64>, Fault> {
        Ok(self.floats(index)?.and_then(|values| values.first().copied()))
    }

    /// An integer list that is an attribute in old operator sets and input `index` in new ones.
    pub(in crate::graph) fn list(&self, attribute: &str, index: usize) -> Result<Option<Vec<i64>>, Fault> {
        match self.node.ints(attribute) {
            Some(values) => Ok(Some(values.to_vec())),
            None => self.integers(index),
        }
    }

    /// The axis in attribute `axis`, counted from the front.
    pub(in crate::graph) fn axis(&self, default: i64, rank: usize) -> Result<usize, Fault> {
        axis_of(self.node.int("axis", default), rank)
    }

    /// The attribute `name`, as a double.
    pub(in crate::graph) fn float(&self, name: &str, default: f32) -> f64 {
        f64::from(self.node.float(name, default))
    }
}

/// The only output.
pub(in crate::graph) fn one(value: Value) -> Result<Vec<Value>, Fault> {
    Ok(vec![value])
}
