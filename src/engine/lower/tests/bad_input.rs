//! Graphs that cannot be right: an error that names the node.

use super::super::lower;
use super::{Net, SCALE, ZERO};
use crate::onnx::{Model, Node, Tensor, TensorData};

/// A sound graph to spoil: quantized image `a`, convolution `b` with scales for each channel, result `y`.
fn sound() -> Model {
    let mut net = Net::new(&[1, 4, 6, 5]);
    net.qdq("a", "x", SCALE, ZERO).constant("w.w", Tensor::i8(&[2, 4, 1, 1], vec![9; 8]));
    net.constant("w.s", Tensor::f32(&[2], vec![0.01, 0.02])).constant("w.z", Tensor::i8(&[2], vec![0; 2]));
    net.with("w", "DequantizeLinear", &["w.w", "w.s", "w.z"], &[("axis", crate::onnx::Attribute::Int(0))]);
    net.constant("bias", Tensor::f32(&[2], vec![0.5, 0.25]));
    net.node("b", "Conv", &["a", "w", "bias"]).qdq("y", "b", SCALE, ZERO).model(&["y"])
}

/// What spoils the graph, and the message.
type Case = (fn(&mut Model), &'static str);

fn set(model: &mut Model, name: &str, tensor: Tensor) {
    model.graph.initializers.insert(name.to_string(), tensor);
}

fn node<'m>(model: &'m mut Model, name: &str) -> &'m mut Node {
    model.graph.nodes.iter_mut().find(|node| node.name == name).expect("a node of that name")
}

const CASES: [Case; 23] = [
    (
        |m| set(m, "a.s", Tensor::f32(&[], vec![0.0])),
        "node a.q (QuantizeLinear): scale a.s is 0; a scale is positive and finite",
    ),
    (|m| set(m, "a.s", Tensor::f32(&[], vec![-0.1])), "node a.q (QuantizeLinear): scale a.s is -0.1"),
    (|m| set(m, "y.s", Tensor::f32(&[], vec![f32::NAN])), "node y.q (QuantizeLinear): scale y.s is NaN"),
    (|m| set(m, "y.s", Tensor::f32(&[], vec![f32::INFINITY])), "node y.q (QuantizeLinear): scale y.s is inf"),
    (|m| set(m, "a.s", Tensor::f32(&[0], vec![])), "node a.q (QuantizeLinear): scale a.s is empty"),
    (
        |m| set(m, "a.s", Tensor::i64(&[], vec![1])),
        "node a.q (QuantizeLinear): scale a.s is of type i64, not f32",
    ),
    (
        |m| set(m, "a.s", Tensor::f32(&[3], vec![0.1; 3])),
        "node a.q (QuantizeLinear): has 1 zero points for 3 scales",
    ),
    (
        |m| set(m, "w.s", Tensor::f32(&[3], vec![0.1; 3])),
        "node w (DequantizeLinear): has 2 zero points for 3 scales",
    ),
    (
        |m| {
            set(m, "w.s", Tensor::f32(&[3], vec![0.1; 3]));
            set(m, "w.z", Tensor::i8(&[3], vec![0; 3]));
        },
        "node w (DequantizeLinear): has 3 scales for the 2 elements along axis 0",
    ),
    (
        |m| {
            node(m, "w").attributes.insert("axis".into(), crate::onnx::Attribute::Int(7));
        },
        "node w (DequantizeLinear): has scales along axis 7 of a tensor with 4 dimensions",
    ),
    (
        |m| set(m, "w.s", Tensor::f32(&[1, 2], vec![0.1; 2])),
        "node w (DequantizeLinear): scale w.s has shape [1, 2]",
    ),
    (
        |m| set(m, "a.z", Tensor::i64(&[], vec![300])),
        "node a.q (QuantizeLinear): zero point a.z is of type i64, not an 8-bit integer",
    ),
    (
        |m| set(m, "a.z", Tensor::f32(&[], vec![3.0])),
        "node a.q (QuantizeLinear): zero point a.z is of type f32",
    ),
    (
        |m| set(m, "a.z", Tensor::i32(&[], vec![300])),
        "node a.q (QuantizeLinear): zero point a.z of 32-bit integers is not 0",
    ),
    (|m| set(m, "w.z", Tensor::u8(&[2], vec![0; 2])), "node w (DequantizeLinear): its zero point is not i8"),
    (
        |m| {
            set(m, "other", Tensor::i8(&[], vec![0]));
            node(m, "a").inputs[2] = "other".into();
        },
        "node a (DequantizeLinear): its zero point is not u8",
    ),
    (
        |m| drop(m.graph.initializers.remove("w.w")),
        "node w (DequantizeLinear): reads tensor w.w, which nothing before it writes",
    ),
    (
        |m| {
            set(m, "w.s", Tensor::f32(&[2], vec![1e-38; 2]));
            set(m, "a.s", Tensor::f32(&[], vec![1e-30]));
        },
        "node b (Conv): its scales are so far apart that one over the other is 0",
    ),
    (
        |m| {
            set(m, "w.s", Tensor::f32(&[2], vec![1e30; 2]));
            set(m, "a.s", Tensor::f32(&[], vec![1e30]));
        },
        "node b (Conv): its scales are so far apart that one over the other is inf",
    ),
    (
        |m| set(m, "bias", Tensor::f32(&[2], vec![f32::NAN, 0.0])),
        "node b (Conv): its bias bias is not finite",
    ),
    (
        |m| {
            let last = m.graph.nodes.pop().expect("a node");
            m.graph.nodes.insert(0, last);
        },
        "node y (DequantizeLinear): reads tensor y.q, which nothing before it writes",
    ),
    (|m| node(m, "b").outputs[0] = "a".into(), "node b (Conv): writes tensor a, which is written already"),
    (
        |m| set(m, "w.w", Tensor { shape: vec![2, 4, 1, 1], data: TensorData::I8(vec![0; 7]) }),
        "tensor w.w: does not hold the elements",
    ),
];

#[test]
fn errors_name_the_node_and_what_is_wrong() {
    assert!(lower(&sound()).is_ok_and(|lowered| lowered.whole().is_some()));
    let mut failures = Vec::new();
    for (index, (spoil, wanted)) in CASES.into_iter().enumerate() {
        let mut model = sound();
        spoil(&mut model);
        match lower(&model) {
            Err(error) if error.to_string().contains(wanted) => {}
            Err(error) => failures.push(format!("case {index}: {error}")),
            Ok(lowered) => {
                failures.push(format!("case {index}: no error, kept {:?}; {wanted}", lowered.kept))
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn shapes_beyond_all_memory_are_errors() {
    for size in [1 << 16, 1 << 30, usize::MAX / 2] {
        let mut net = Net::new(&[1, 4, size, size]);
        net.qdq("a", "x", SCALE, ZERO).node("b", "Neg", &["a"]).qdq("y", "b", SCALE, ZERO);
        let error = lower(&net.model(&["y"])).expect_err("no such image").to_string();
        assert!(error.contains("node a.q (QuantizeLinear)") && error.contains("too large"), "{error}");
    }
}
