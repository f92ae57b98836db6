//! Writes a graph node by node, with the shape of every tensor known and no weight filled in yet.

use std::collections::{BTreeMap, BTreeSet};

use super::parameter::{Initial, Parameter, Role};
use crate::onnx::shapes::{NoShape, Shapes, node_shapes};
use crate::onnx::{Attribute, Node, Tensor};

/// A tensor of the graph: its name and its shape.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
}

impl Value {
    /// Size of dimension `axis`; 1 where the tensor has fewer dimensions.
    pub(super) fn dim(&self, axis: usize) -> usize {
        self.shape.get(axis).copied().unwrap_or(1)
    }

    /// Channels of an image `[N,C,H,W]`.
    pub(super) fn channels(&self) -> usize {
        self.dim(1)
    }

    /// Height and width of an image `[N,C,H,W]`.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.dim(2), self.dim(3))
    }
}

/// The graph so far. Layers are methods, spread over the files `layers` and `tensors`; each takes the full name of its
/// node, and the node's output and parameters are called after it.
#[derive(Default)]
pub(super) struct Builder {
    /// Lowest operator set that has every node's operator.
    pub(super) opset: i64,
    pub(super) nodes: Vec<Node>,
    pub(super) parameters: Vec<Parameter>,
    /// Shapes, bounds and factors, which are no parameters.
    pub(super) constants: BTreeMap<String, Tensor>,
    pub(super) shapes: Shapes,
    names: BTreeSet<String>,
    /// The first contradiction; what is built after it means nothing.
    pub(super) fault: Option<String>,
}

impl Builder {
    pub(super) fn new() -> Builder {
        Builder { opset: 13, ..Builder::default() }
    }

    /// The graph's input.
    pub(super) fn input(&mut self, name: &str, shape: &[usize]) -> Value {
        self.shapes.insert(name.to_string(), shape.to_vec());
        Value { name: name.to_string(), shape: shape.to_vec() }
    }

    /// A node with one output, named like the node.
    pub(super) fn node(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        attributes: Vec<(&str, Attribute)>,
    ) -> Value {
        let mut node = Node::new(name, op, inputs, &[name]);
        node.attributes = attributes.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        if !self.names.insert(name.to_string()) {
            self.fail(format!("two nodes are called {name}"));
        }
        let shape = match node_shapes(&node, self.opset, &self.shapes, &self.constants) {
            Ok(mut shapes) => shapes.swap_remove(0),
            Err(reason) => {
                let reason = match reason {
                    NoShape::Contradiction(reason) => reason,
                    NoShape::Unknown => "its shape does not follow from its inputs".to_string(),
                };
                self.fail(format!("{}: {reason}", node.place()));
                vec![1; 4]
            }
        };
        self.nodes.push(node);
        self.shapes.insert(name.to_string(), shape.clone());
        Value { name: name.to_string(), shape }
    }

    fn fail(&mut self, reason: String) {
        self.fault.get_or_insert(reason);
    }

    /// A tensor that training changes; gives its name.
    pub(super) fn weight(&mut self, name: String, shape: &[usize], initial: Initial) -> String {
        self.parameter(name, shape, Role::Trained, initial)
    }

    /// A running mean or variance; gives its name.
    pub(super) fn statistic(&mut self, name: String, shape: &[usize], initial: Initial) -> String {
        self.parameter(name, shape, Role::Statistic, initial)
    }

    fn parameter(&mut self, name: String, shape: &[usize], role: Role, initial: Initial) -> String {
        self.shapes.insert(name.clone(), shape.to_vec());
        self.parameters.push(Parameter { name: name.clone(), shape: shape.to_vec(), role, initial });
        name
    }

    /// A constant that several nodes may share; gives its name.
    pub(super) fn constant(&mut self, name: String, tensor: Tensor) -> String {
        self.shapes.insert(name.clone(), tensor.shape.clone());
        self.constants.insert(name.clone(), tensor);
        name
    }

    /// A scalar constant, called after its value; gives its name.
    pub(super) fn scalar(&mut self, value: f32) -> String {
        self.constant(format!("constants.{value}"), Tensor::f32(&[], vec![value]))
    }

    /// A list of integers, called after its values; gives its name.
    pub(super) fn integers(&mut self, values: &[i64]) -> String {
        let text: Vec<String> = values.iter().map(i64::to_string).collect();
        self.constant(
            format!("constants.ints.{}", text.join("x")),
            Tensor::i64(&[values.len()], values.to_vec()),
        )
    }
}
