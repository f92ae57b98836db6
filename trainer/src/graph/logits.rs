//! Where a network ends for a loss: before a last softmax, sigmoid or arg max.

use sedge::onnx::Graph;

/// Operators that turn logits into shares or classes.
const ENDINGS: [&str; 4] = ["ArgMax", "LogSoftmax", "Sigmoid", "Softmax"];

/// Operators that may stand behind an ending.
const BEHIND: [&str; 6] = ["Cast", "DequantizeLinear", "Identity", "QuantizeLinear", "Squeeze", "Unsqueeze"];

/// The tensor that holds the logits of the graph's first output.
pub(super) fn logits_of(graph: &Graph) -> Option<&str> {
    let mut tensor = graph.outputs.first()?.name.as_str();
    let mut logits = tensor;
    while let Some(node) = graph.nodes.iter().find(|node| node.outputs.iter().any(|output| output == tensor))
    {
        let Some(input) = node.input(0) else { break };
        let op = node.standard_op();
        if ENDINGS.contains(&op) {
            logits = input;
        } else if !BEHIND.contains(&op) {
            break;
        }
        tensor = input;
    }
    Some(logits)
}

#[cfg(test)]
mod tests {
    use sedge::onnx::{DataType, Graph, Node, ValueInfo};

    use super::logits_of;

    #[test]
    fn where_networks_end() {
        let cases: [(&[&str], &str); 7] = [
            (&["Conv"], "Conv"),
            (&["Conv", "Softmax"], "Conv"),
            (&["Conv", "Softmax", "ArgMax", "Cast"], "Conv"),
            (&["Conv", "QuantizeLinear", "DequantizeLinear"], "DequantizeLinear"),
            (
                &["Conv", "DequantizeLinear", "Sigmoid", "QuantizeLinear", "DequantizeLinear"],
                "DequantizeLinear",
            ),
            (&["Conv", "Sigmoid", "Mul"], "Mul"),
            (&["Conv", "ArgMax", "Squeeze", "Cast"], "Conv"),
        ];
        let mut wrong = Vec::new();
        for (ops, expected) in cases {
            let mut graph = Graph::default();
            let mut last = "image".to_string();
            for (index, op) in ops.iter().enumerate() {
                let output = format!("{index}");
                graph.nodes.push(Node::new(output.clone(), op, &[&last], &[&output]));
                last = output;
            }
            graph.outputs.push(ValueInfo { name: last, data_type: DataType::F32, shape: None });
            let found = logits_of(&graph).map(|name| ops[name.parse::<usize>().unwrap()]);
            if found != Some(expected) {
                wrong.push((ops, found));
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
