//! Which tensors of a folded graph are quantized, which of them share a scale and zero point, what stays float.

use std::collections::{BTreeMap, BTreeSet};

use super::QuantizeError;
use super::observe::Range;
use crate::onnx::{Graph, Model, Node};

/// How an operator is quantized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Multiplies with constant weights and accumulates in 32 bits.
    Weighted,
    /// Computes new values, which need a scale of their own.
    Computes,
    /// Gives values of its first input, or lying between them, at the input's own scale.
    Passes,
    /// Joins tensors.
    Concat,
}

/// Operators that run on integers. Everything else stays float between a dequantize and a quantize node.
fn kind(op: &str) -> Option<Kind> {
    Some(match op {
        "Conv" | "ConvTranspose" | "Gemm" | "MatMul" => Kind::Weighted,
        "Add" | "AveragePool" | "Clip" | "Div" | "Elu" | "GlobalAveragePool" | "HardSigmoid"
        | "HardSwish" | "LeakyRelu" | "Mul" | "PRelu" | "ReduceMean" | "Relu" | "Sigmoid" | "Sub"
        | "Tanh" => Kind::Computes,
        "DepthToSpace" | "Flatten" | "GlobalMaxPool" | "MaxPool" | "Reshape" | "Resize" | "Slice"
        | "SpaceToDepth" | "Split" | "Squeeze" | "Transpose" | "Unsqueeze" | "Upsample" => Kind::Passes,
        "Concat" => Kind::Concat,
        _ => return None,
    })
}

/// Operators that only rearrange, resize or name logits: after the last computation they stay float, where they cost
/// no accuracy.
fn may_trail(op: &str) -> bool {
    kind(op) == Some(Kind::Passes) || matches!(op, "ArgMax" | "Cast" | "LogSoftmax" | "Sigmoid" | "Softmax")
}

/// Operators whose outputs are no real numbers.
fn gives_integers(node: &Node) -> bool {
    match node.standard_op() {
        "ArgMax" | "ArgMin" | "And" | "Equal" | "Greater" | "GreaterOrEqual" | "IsNaN" | "Less"
        | "LessOrEqual" | "NonZero" | "Not" | "Or" | "Shape" | "Size" => true,
        "Cast" => node.int("to", 1) != 1,
        _ => false,
    }
}

/// A node that stays float.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloatNode {
    /// Its name.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Why.
    pub reason: &'static str,
}

/// The plan of a quantized graph. Tensors in one group share scale and zero point.
pub struct Scheme {
    groups: BTreeMap<String, usize>,
    count: usize,
    int8: BTreeSet<String>,
    /// Activations computed in the epilogue of the node before, by the tensor between the two.
    fused: BTreeSet<String>,
    /// Nodes that stay float, in the graph's order.
    pub float_nodes: Vec<FloatNode>,
}

/// Inputs of one concatenation share a scale while the narrowest still uses this share of it (2 of its 8 bits lost).
const CONCAT_SHARE_MIN: f32 = 0.25;

impl Scheme {
    /// Plans the quantization of a folded `model`.
    ///
    /// # Errors
    /// When the model is quantized already, or holds nothing to quantize.
    pub fn of(model: &Model) -> Result<Scheme, QuantizeError> {
        let unfit =
            |reason: &str| QuantizeError::Unfit { model: model.origin.clone(), reason: reason.to_string() };
        let graph = &model.graph;
        let quantized_already = |node: &Node| {
            node.op.contains("Quantize") || node.op.starts_with("QLinear") || node.op.ends_with("Integer")
        };
        if graph.nodes.iter().any(quantized_already) {
            return Err(unfit("is quantized already; convert the float model that it was made from"));
        }
        let trailing = trailing_nodes(graph);
        let mut scheme = Scheme {
            groups: BTreeMap::new(),
            count: 0,
            int8: BTreeSet::new(),
            fused: BTreeSet::new(),
            float_nodes: Vec::new(),
        };
        let mut integers = BTreeSet::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            let on_integers = node.input(0).is_some_and(|name| integers.contains(name));
            if gives_integers(node) || (on_integers && node.standard_op() != "Cast") {
                integers.extend(node.outputs.iter().cloned());
            }
            match stays_float(graph, node, trailing.contains(&index), on_integers) {
                None => {
                    scheme.int8.insert(node.name.clone());
                }
                Some(reason) => scheme.float_nodes.push(FloatNode {
                    node: node.name.clone(),
                    op: node.op.clone(),
                    reason,
                }),
            }
        }
        if !graph.nodes.iter().any(|node| scheme.is_int8(node) && kind(&node.op) == Some(Kind::Weighted)) {
            return Err(unfit("holds no convolution or matrix product with constant weights to quantize"));
        }
        scheme.find_fused(graph);
        scheme.group(graph);
        Ok(scheme)
    }

    /// Whether `node` computes on integers.
    pub fn is_int8(&self, node: &Node) -> bool {
        self.int8.contains(&node.name)
    }

    /// Number of nodes that compute on integers.
    pub fn int8_nodes(&self) -> usize {
        self.int8.len()
    }

    /// Whether `tensor` lies between a node and the activation in its epilogue.
    pub fn is_fused(&self, tensor: &str) -> bool {
        self.fused.contains(tensor)
    }

    /// Names of the quantized activations and constant operands.
    pub fn tensors(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// The group of a quantized tensor.
    pub fn group_of(&self, tensor: &str) -> Option<usize> {
        self.groups.get(tensor).copied()
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.count
    }

    /// Lets the inputs and the output of a concatenation share a scale where their ranges are alike, so that an engine
    /// joins them without computing.
    pub fn join_concats(&mut self, graph: &Graph, ranges: &BTreeMap<String, Range>) {
        for node in graph.nodes.iter().filter(|node| kind(&node.op) == Some(Kind::Concat)) {
            if !self.is_int8(node) {
                continue;
            }
            let widths: Vec<f32> =
                node.inputs.iter().filter_map(|name| ranges.get(name)).map(Range::width).collect();
            let widest = widths.iter().copied().fold(0.0, f32::max);
            if widths.iter().all(|&width| width >= CONCAT_SHARE_MIN * widest) {
                for input in &node.inputs {
                    self.join(input, node.output());
                }
            }
        }
        self.renumber();
    }

    fn find_fused(&mut self, graph: &Graph) {
        let uses = graph.uses();
        let computes: BTreeSet<&str> = graph
            .nodes
            .iter()
            .filter(|node| {
                self.is_int8(node) && matches!(kind(&node.op), Some(Kind::Weighted | Kind::Computes))
            })
            .map(|node| node.output())
            .collect();
        let activations = graph.nodes.iter().filter(|node| matches!(node.op.as_str(), "Relu" | "Clip"));
        let fused: BTreeSet<String> = activations
            .filter(|node| self.is_int8(node))
            .filter_map(|node| node.input(0))
            .filter(|input| computes.contains(input) && uses.get(input) == Some(&1))
            .map(str::to_string)
            .collect();
        self.fused = fused;
    }

    /// Gives each quantized tensor a group, and joins the groups of tensors that must share.
    fn group(&mut self, graph: &Graph) {
        for node in graph.nodes.iter().filter(|node| self.int8.contains(&node.name)) {
            for name in data_inputs(graph, node).chain(node.outputs.iter().map(String::as_str)) {
                if !name.is_empty() && !self.fused.contains(name) && !self.groups.contains_key(name) {
                    self.groups.insert(name.to_string(), self.count);
                    self.count += 1;
                }
            }
        }
        for node in graph.nodes.iter().filter(|node| kind(&node.op) == Some(Kind::Passes)) {
            if let (true, Some(input)) = (self.int8.contains(&node.name), node.input(0)) {
                for output in &node.outputs {
                    self.join(input, output);
                }
            }
        }
        self.renumber();
    }

    fn join(&mut self, a: &str, b: &str) {
        if let (Some(&kept), Some(&gone)) = (self.groups.get(a), self.groups.get(b)) {
            for group in self.groups.values_mut().filter(|group| **group == gone) {
                *group = kept;
            }
        }
    }

    fn renumber(&mut self) {
        let mut numbers = BTreeMap::new();
        for group in self.groups.values_mut() {
            let next = numbers.len();
            *group = *numbers.entry(*group).or_insert(next);
        }
        self.count = numbers.len();
    }
}

/// Inputs of a quantized node that are quantized like activations: weights, biases and settings left out.
pub(super) fn data_inputs<'a>(graph: &'a Graph, node: &'a Node) -> impl Iterator<Item = &'a str> {
    let is_float = |name: &str| graph.initializers.get(name).is_none_or(|tensor| tensor.as_f32().is_some());
    let count = match (kind(node.standard_op()), node.op.as_str()) {
        (Some(Kind::Weighted | Kind::Passes), _) => 1,
        (_, "Clip" | "PRelu" | "ReduceMean") => 1,
        _ => node.inputs.len(),
    };
    node.inputs.iter().take(count).map(String::as_str).filter(move |name| !name.is_empty() && is_float(name))
}

/// Why `node` stays float, if it does.
fn stays_float(graph: &Graph, node: &Node, trails: bool, on_integers: bool) -> Option<&'static str> {
    let constant_f32 = |index: usize| {
        node.input(index)
            .is_none_or(|name| graph.initializers.get(name).is_some_and(|t| t.as_f32().is_some()))
    };
    let kind = kind(node.standard_op());
    if kind.is_none() {
        return Some("operator without an int8 form");
    }
    if on_integers {
        return Some("works on integers already");
    }
    if trails {
        return Some("comes after the logits");
    }
    match node.op.as_str() {
        "Conv" | "ConvTranspose" | "Gemm" | "MatMul" if !(constant_f32(1) && constant_f32(2)) => {
            Some("its weights are computed at run time")
        }
        "Gemm"
            if node.float("alpha", 1.0) != 1.0
                || node.float("beta", 1.0) != 1.0
                || node.int("transA", 0) != 0 =>
        {
            Some("scaled or transposed matrix product")
        }
        "Gemm" if !gemm_bias_is_per_channel(graph, node) => Some("its bias varies over rows"),
        "MatMul"
            if node
                .input(1)
                .and_then(|name| graph.initializers.get(name))
                .is_none_or(|t| t.shape.len() != 2) =>
        {
            Some("product of stacked matrices")
        }
        "Clip" | "PRelu" if !(constant_f32(1) && constant_f32(2)) => {
            Some("its bounds are computed at run time")
        }
        "MaxPool" if node.outputs.len() > 1 => Some("gives indices"),
        "Resize" if !matches!(node.text("mode", "nearest"), "nearest" | "linear") => {
            Some("interpolation that leaves the range of its input")
        }
        _ => None,
    }
}

fn gemm_bias_is_per_channel(graph: &Graph, node: &Node) -> bool {
    let shape =
        |index| node.input(index).and_then(|name| graph.initializers.get(name)).map(|t| t.shape.as_slice());
    let channels = match (shape(1), node.int("transB", 0)) {
        (Some(&[_, columns]), 0) => columns,
        (Some(&[rows, _]), _) => rows,
        _ => return false,
    };
    match shape(2) {
        None | Some([]) => true,
        Some([rows @ .., last]) => rows.iter().all(|&size| size == 1) && [1, channels].contains(last),
    }
}

/// Nodes after which only nodes that [`may_trail`] come.
fn trailing_nodes(graph: &Graph) -> BTreeSet<usize> {
    let mut trailing = BTreeSet::new();
    // Tensors that a node which does not trail reads.
    let mut needed = BTreeSet::new();
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        let trails = may_trail(node.standard_op())
            && node.outputs.iter().all(|output| !needed.contains(output.as_str()));
        if trails {
            trailing.insert(index);
        } else {
            needed.extend(node.inputs.iter().map(String::as_str));
        }
    }
    trailing
}
