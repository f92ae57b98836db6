//! What a network costs before it runs: multiply-accumulates and stored bytes.

use super::shapes::Shapes;
use super::{Graph, Node};

/// Multiply-accumulates of one inference in `node`; 0 for operators without weights.
pub fn node_macs(node: &Node, shapes: &Shapes) -> u64 {
    let shape = |name: Option<&str>| name.and_then(|name| shapes.get(name)).map(Vec::as_slice);
    let elements =
        |shape: &[usize]| shape.iter().fold(1u64, |product, &size| product.saturating_mul(size as u64));
    let (Some(output), Some(weights)) = (shape(Some(node.output())), shape(node.input(1))) else {
        return 0;
    };
    match node.standard_op() {
        // Each output element sums over the weights of its filter.
        "Conv" if !weights.is_empty() => elements(output).saturating_mul(elements(&weights[1..])),
        // Each input element is multiplied with the weights that lead on from its channel.
        "ConvTranspose" if !weights.is_empty() => {
            shape(node.input(0)).map_or(0, |input| elements(input).saturating_mul(elements(&weights[1..])))
        }
        "Gemm" if output.len() == 2 => {
            elements(output).saturating_mul(elements(weights)) / output[1].max(1) as u64
        }
        "MatMul" if weights.len() > 1 => elements(output).saturating_mul(weights[weights.len() - 2] as u64),
        _ => 0,
    }
}

/// Multiply-accumulates of one inference of the whole graph.
pub fn macs(graph: &Graph, shapes: &Shapes) -> u64 {
    graph.nodes.iter().map(|node| node_macs(node, shapes)).fold(0, u64::saturating_add)
}

/// Number and bytes of the stored constants.
pub fn parameters(graph: &Graph) -> (u64, u64) {
    graph.initializers.values().fold((0, 0), |(count, bytes), tensor| {
        (count + tensor.elements() as u64, bytes + tensor.size_bytes() as u64)
    })
}
