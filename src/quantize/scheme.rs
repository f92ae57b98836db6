//! Which tensors of a folded graph are quantized, which of them share a scale and zero point, what stays float.

use std::collections::{BTreeMap, BTreeSet};

use super::QuantizeError;
use super::observe::Range;
use super::weights::{constant_weights, is_weighted};
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

/// Operators whose outputs are not 32-bit floats.
fn gives_other_types(node: &Node) -> bool {
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
        let graph = &model.graph;
        let quantized_already = |node: &&Node| {
            ["QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"].contains(&node.op.as_str())
                || node.op.starts_with("QLinear")
                || node.op.starts_with("QGemm")
                || node.op.ends_with("Integer")
        };
        if let Some(node) = graph.nodes.iter().find(quantized_already) {
            return Err(QuantizeError::QuantizedAlready { model: model.origin.clone(), place: node.place() });
        }
        let trailing = trailing_nodes(graph);
        let mut scheme = Scheme {
            groups: BTreeMap::new(),
            count: 0,
            int8: BTreeSet::new(),
            fused: BTreeSet::new(),
            float_nodes: Vec::new(),
        };
        let mut reasons: Vec<Option<&str>> = Vec::with_capacity(graph.nodes.len());
        let mut not_floats = BTreeSet::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            let is_other = |name: &String| not_floats.contains(name) || is_other_constant(graph, node, name);
            let on_other_types = node.inputs.iter().any(is_other);
            if gives_other_types(node) || (on_other_types && node.standard_op() != "Cast") {
                not_floats.extend(node.outputs.iter().cloned());
            }
            reasons.push(stays_float(graph, node, trailing.contains(&index), on_other_types));
        }
        demote_islands(graph, &mut reasons);
        for (node, reason) in graph.nodes.iter().zip(reasons) {
            match reason {
                None => {
                    scheme.int8.insert(node.name.clone());
                }
                Some(reason) => {
                    let (node, op) = (node.name.clone(), node.op.clone());
                    scheme.float_nodes.push(FloatNode { node, op, reason });
                }
            }
        }
        if !graph.nodes.iter().any(|node| scheme.is_int8(node) && is_weighted(node)) {
            let other_type =
                |name: &&str| graph.initializers.get(*name).is_some_and(|t| t.as_f32().is_none());
            let weights =
                graph.nodes.iter().filter(|node| is_weighted(node)).filter_map(|node| node.input(1));
            return Err(match weights.into_iter().find(other_type) {
                Some(tensor) => {
                    QuantizeError::NotFloat { model: model.origin.clone(), tensor: tensor.to_string() }
                }
                None => QuantizeError::NothingToQuantize { model: model.origin.clone() },
            });
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
    /// joins them without computing. Alike are ranges of which the narrowest tensor that then shares, in whatever
    /// concatenations, still uses a quarter. The graph's input never shares: its scale is made for pixels.
    pub fn join_concats(&mut self, graph: &Graph, ranges: &BTreeMap<String, Range>) {
        // What each group holds: the width of its narrowest tensor, and the union of all.
        let mut held: BTreeMap<usize, (f32, Range)> = BTreeMap::new();
        for (name, &range) in ranges {
            if let Some(group) = self.group_of(name) {
                let entry = held.entry(group).or_insert((f32::INFINITY, Range::EMPTY));
                *entry = (entry.0.min(range.width()), entry.1.union(range));
            }
        }
        let inputs: Vec<usize> = graph.inputs.iter().filter_map(|input| self.group_of(&input.name)).collect();
        for node in graph.nodes.iter().filter(|node| kind(&node.op) == Some(Kind::Concat)) {
            let names = node.inputs.iter().chain(&node.outputs);
            let groups: BTreeSet<usize> = names.filter_map(|name| self.group_of(name)).collect();
            if !self.is_int8(node) || groups.iter().any(|group| inputs.contains(group)) {
                continue;
            }
            let (narrowest, union) = groups
                .iter()
                .filter_map(|group| held.get(group))
                .fold((f32::INFINITY, Range::EMPTY), |(narrowest, union), &(width, range)| {
                    (narrowest.min(width), union.union(range))
                });
            if narrowest >= CONCAT_SHARE_MIN * union.width() {
                for input in &node.inputs {
                    self.join(input, node.output());
                }
                for group in groups {
                    held.insert(group, (narrowest, union));
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
fn stays_float(graph: &Graph, node: &Node, trails: bool, on_other_types: bool) -> Option<&'static str> {
    let constant_f32 = |index: usize| {
        node.input(index)
            .is_none_or(|name| graph.initializers.get(name).is_some_and(|t| t.as_f32().is_some()))
    };
    let kind = kind(node.standard_op());
    if kind.is_none() {
        return Some("operator without an int8 form");
    }
    if on_other_types {
        return Some("does not work on 32-bit floats");
    }
    if trails {
        return Some("comes after the logits");
    }
    match node.op.as_str() {
        "Gemm"
            if node.float("alpha", 1.0) != 1.0
                || node.float("beta", 1.0) != 1.0
                || node.int("transA", 0) != 0 =>
        {
            Some("scaled or transposed matrix product")
        }
        _ if is_weighted(node) && constant_weights(graph, node).is_none() => {
            Some("its weights are not constants with one bias a channel")
        }
        "Div" => Some("its divisor may round to zero"),
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

/// Whether `name` is a constant of another type where a float belongs.
fn is_other_constant(graph: &Graph, node: &Node, name: &str) -> bool {
    let settings = kind(node.standard_op()) == Some(Kind::Passes) || node.standard_op() == "ReduceMean";
    let is_data = !settings || node.input(0) == Some(name);
    is_data && graph.initializers.get(name).is_some_and(|tensor| tensor.as_f32().is_none())
}

/// Makes float what only moves values between float nodes: quantized, it would lose accuracy and gain nothing.
fn demote_islands(graph: &Graph, reasons: &mut [Option<&'static str>]) {
    let passes = |index: usize| kind(graph.nodes[index].standard_op()) == Some(Kind::Passes);
    let mut reached: Vec<bool> = (0..reasons.len()).map(|i| reasons[i].is_none() && !passes(i)).collect();
    let producers: BTreeMap<&str, usize> = (graph.nodes.iter().enumerate())
        .flat_map(|(index, node)| node.outputs.iter().map(move |name| (name.as_str(), index)))
        .collect();
    let mut edges = Vec::new();
    for (reader, node) in graph.nodes.iter().enumerate() {
        edges.extend(node.inputs.iter().filter_map(|name| Some((*producers.get(name.as_str())?, reader))));
    }
    // From nodes that compute on integers through neighbours that pass them on.
    loop {
        let before = reached.clone();
        for &(producer, reader) in &edges {
            for (from, to) in [(producer, reader), (reader, producer)] {
                if reached[from] && reasons[to].is_none() && passes(to) {
                    reached[to] = true;
                }
            }
        }
        if before == reached {
            break;
        }
    }
    for (reason, reached) in reasons.iter_mut().zip(reached) {
        if !reached {
            reason.get_or_insert("moves values between float nodes");
        }
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
