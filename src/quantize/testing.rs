//! Small graphs for tests.

use std::collections::BTreeMap;

use crate::onnx::{DataType, Dim, Graph, Model, Node, Tensor, ValueInfo};

/// Numbers that look random and are the same every time, in -1..1.
pub(super) fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as f32 / u32::MAX as f32 * 2.0 - 1.0
        })
        .collect()
}

/// A graph over the input `x` of shape `[1, 3, 6, 6]`; constants are random floats of the given shapes.
pub(super) fn model(
    nodes: Vec<Node>,
    floats: &[(&str, &[usize])],
    ints: &[(&str, &[i64])],
    output: &str,
) -> Model {
    let mut initializers = BTreeMap::new();
    for (seed, (name, shape)) in floats.iter().enumerate() {
        let mut values = numbers(shape.iter().product(), seed as u32 + 7);
        if name.contains("variance") || name.contains("scale") {
            values.iter_mut().for_each(|value| *value = value.abs() + 0.1);
        }
        initializers.insert(name.to_string(), Tensor::f32(shape, values));
    }
    for (name, values) in ints {
        initializers.insert(name.to_string(), Tensor::i64(&[values.len()], values.to_vec()));
    }
    let value = |name: &str, shape: Option<Vec<Dim>>| ValueInfo {
        name: name.to_string(),
        data_type: DataType::F32,
        shape,
    };
    Model {
        origin: "test".into(),
        ir_version: 8,
        opsets: BTreeMap::from([(String::new(), 13)]),
        producer: String::new(),
        metadata: BTreeMap::new(),
        graph: Graph {
            name: "test".into(),
            nodes,
            initializers,
            inputs: vec![value("x", Some([1, 3, 6, 6].map(Dim::Fixed).to_vec()))],
            outputs: vec![value(output, None)],
        },
    }
}
