//! Which of a graph's initializers training changes.
//!
//! Weights, biases, gains and slopes are known by the operator that reads them, also through reshapes, transpositions and
//! dequantization. Operands of arithmetic (a bias behind a `MatMul`, an embedding of positions) count when they have more
//! than one element; what meets the picture before the first layer (its normalization) stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use sedge::onnx::{Graph, Node};
use tch::Tensor;

/// What training does with a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Changed by the optimizer.
    Weight,
    /// Running mean or variance of a batch norm: saved, never given a gradient.
    Statistic,
}

/// A tensor that training changes.
#[derive(Debug)]
pub struct Variable {
    /// The initializer's name.
    pub name: String,
    /// What training does with it.
    pub role: Role,
    /// Its value, f32 on the network's device. Weights require gradients unless frozen; those that a QDQ model stores as
    /// integers are float master values here.
    pub tensor: Tensor,
}

/// How a tensor is read.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Use {
    /// By arithmetic, which also reads constants.
    Operand,
    Weight,
    Statistic,
}

/// Operators that have weights; what they give is no longer the picture itself.
const LAYERS: [&str; 9] = [
    "BatchNormalization",
    "Conv",
    "ConvTranspose",
    "Gemm",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "MatMul",
    "PRelu",
];

/// Operators whose output has the values of their first input.
const PASSING: [&str; 10] = [
    "DequantizeLinear",
    "Expand",
    "Flatten",
    "Identity",
    "QuantizeLinear",
    "Reshape",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
];

/// Role of each initializer that is a variable.
pub(super) fn roles(graph: &Graph) -> BTreeMap<String, Role> {
    let raw = raw_tensors(graph);
    let mut uses: BTreeMap<&str, Use> = BTreeMap::new();
    for node in graph.nodes.iter().rev() {
        for (input, read) in reads(node, &raw, &uses) {
            let known = uses.entry(input).or_insert(read);
            if *known < read {
                *known = read;
            }
        }
    }
    let role = |name: &String| match uses.get(name.as_str())? {
        Use::Operand if graph.initializers[name].elements() <= 1 => None,
        Use::Operand | Use::Weight => Some(Role::Weight),
        Use::Statistic => Some(Role::Statistic),
    };
    graph.initializers.keys().filter_map(|name| Some((name.clone(), role(name)?))).collect()
}

/// Tensors that are the picture itself, before any layer.
fn raw_tensors(graph: &Graph) -> BTreeSet<&str> {
    let mut raw: BTreeSet<&str> = graph.inputs.iter().map(|input| input.name.as_str()).collect();
    for node in &graph.nodes {
        let reads_raw = node.inputs.iter().any(|input| raw.contains(input.as_str()));
        if reads_raw && !LAYERS.contains(&node.standard_op()) {
            raw.extend(node.outputs.iter().map(String::as_str));
        }
    }
    raw
}

/// The inputs of `node` that may be variables, and how they are read.
fn reads<'a>(node: &'a Node, raw: &BTreeSet<&str>, uses: &BTreeMap<&str, Use>) -> Vec<(&'a str, Use)> {
    let inputs = |range: std::ops::Range<usize>, read: Use| -> Vec<(&'a str, Use)> {
        range.filter_map(|index| Some((node.input(index)?, read))).collect()
    };
    let all = node.inputs.len();
    match node.standard_op() {
        "Conv" | "ConvTranspose" | "Gemm" | "PRelu" => inputs(1..all, Use::Weight),
        "LayerNormalization" | "InstanceNormalization" | "GroupNormalization" => inputs(1..3, Use::Weight),
        "MatMul" => inputs(0..2, Use::Weight),
        "BatchNormalization" => {
            let mut reads = inputs(1..3, Use::Weight);
            reads.extend(inputs(3..5, Use::Statistic));
            reads
        }
        "Add" | "Sub" | "Mul" | "Div" if !node.inputs.iter().any(|input| raw.contains(input.as_str())) => {
            inputs(0..2, Use::Operand)
        }
        "Concat" => inputs(0..all, Use::Operand),
        "Gather" => inputs(0..1, Use::Operand),
        op if PASSING.contains(&op) => {
            uses.get(node.output()).map_or_else(Vec::new, |&read| inputs(0..1, read))
        }
        _ => Vec::new(),
    }
}
