//! Output channels of `Conv`, `ConvTranspose` and `Gemm`, and arithmetic on them.

use super::Affine;
use crate::onnx::{Graph, Node, Tensor};

/// Number of output channels of a node with constant weights and bias.
pub(super) fn channels(graph: &Graph, node: &Node) -> Option<usize> {
    let weights = graph.initializers.get(node.input(1)?)?;
    weights.as_f32()?;
    let channels = match (node.standard_op(), weights.shape.as_slice()) {
        ("Conv", &[filters, _, _, _]) => filters,
        ("ConvTranspose", &[_, filters, _, _]) => filters * node.int("group", 1).max(1) as usize,
        ("Gemm", &[a, b]) if node.float("alpha", 1.0) == 1.0 && node.float("beta", 1.0) == 1.0 => {
            if node.int("transB", 0) != 0 { a } else { b }
        }
        _ => return None,
    };
    match node.input(2) {
        None => Some(channels),
        Some(bias) => (graph.initializers.get(bias)?.as_f32()?.len() == channels).then_some(channels),
    }
}

/// The output channel that the weight at `index` of the flattened tensor belongs to.
fn channel_of(node: &Node, shape: &[usize], index: usize) -> usize {
    match node.op.as_str() {
        "Conv" => index / shape[1..].iter().product::<usize>(),
        "ConvTranspose" => {
            let kernel = shape[2] * shape[3];
            let (input, filter) = (index / (kernel * shape[1]), index / kernel % shape[1]);
            let inputs_per_group = shape[0] / node.int("group", 1).max(1) as usize;
            input / inputs_per_group.max(1) * shape[1] + filter
        }
        _ if node.int("transB", 0) != 0 => index / shape[1],
        _ => index % shape[1],
    }
}

/// Makes the node at `index` give `scale * y + shift` instead of `y`.
pub(super) fn apply(graph: &mut Graph, index: usize, affine: &Affine) {
    let node = graph.nodes[index].clone();
    let weights = &graph.initializers[&node.inputs[1]];
    let shape = weights.shape.clone();
    let scaled = weights
        .as_f32()
        .unwrap_or_default()
        .iter()
        .enumerate()
        .map(|(index, &w)| (f64::from(w) * affine.scale[channel_of(&node, &shape, index)]) as f32)
        .collect();
    let bias = node.input(2).and_then(|name| graph.initializers[name].as_f32());
    let shifted: Vec<f32> = (0..affine.scale.len())
        .map(|c| (bias.map_or(0.0, |bias| f64::from(bias[c])) * affine.scale[c] + affine.shift[c]) as f32)
        .collect();
    // Shared weights stay as they are for their other readers.
    let weight_name = own_name(graph, &node, 1, "weight");
    let bias_name = own_name(graph, &node, 2, "bias");
    graph.initializers.insert(weight_name.clone(), Tensor::f32(&shape, scaled));
    graph.initializers.insert(bias_name.clone(), Tensor::f32(&[shifted.len()], shifted));
    graph.nodes[index].inputs = vec![node.inputs[0].clone(), weight_name, bias_name];
}

/// The name of input `index` if only this node reads it, else a new one.
fn own_name(graph: &Graph, node: &Node, index: usize, what: &str) -> String {
    match node.input(index) {
        Some(name) if graph.uses().get(name) == Some(&1) => name.to_string(),
        _ => graph.fresh_name(format!("{}_{what}", node.name)),
    }
}
