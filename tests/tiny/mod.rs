//! A network that runs in microseconds, sound until a test breaks it.

use sedge::frame::InputRule;
use sedge::mask::classes_from_names;
use sedge::onnx::{Attribute, Card, DataType, Dim, Graph, Model, Node, Tensor, ValueInfo};

/// Side of the network's square input and output in pixels.
const SIDE: usize = 16;

/// Names of what the network tells apart.
pub const CLASSES: [&str; 4] = ["background", "bird", "cat", "dog"];

/// A float value of fixed shape.
pub fn value(name: &str, shape: &[usize]) -> ValueInfo {
    let shape = shape.iter().map(|&size| Dim::Fixed(size)).collect();
    ValueInfo { name: name.into(), data_type: DataType::F32, shape: Some(shape) }
}

/// `image [1, 3, 16, 16] -> first (Conv 3x3) -> relu -> last (Conv 1x1) -> logits [1, 4, 16, 16]`, without a card.
pub fn bare() -> Model {
    // Any weights do; these are neither all alike nor on a grid.
    let weights = |shape: &[usize]| {
        let count: usize = shape.iter().product();
        Tensor::f32(shape, (0..count).map(|i| ((i * 37 + 11) as f32 * 0.7).sin() / 3.0).collect())
    };
    let first = Node::new("first", "Conv", &["image", "first_weight", "first_bias"], &["features"])
        .with("kernel_shape", Attribute::Ints(vec![3, 3]))
        .with("pads", Attribute::Ints(vec![1; 4]));
    let relu = Node::new("relu", "Relu", &["features"], &["positive"]);
    let last = Node::new("last", "Conv", &["positive", "last_weight"], &["logits"]);
    let initializers = [
        ("first_weight", weights(&[8, 3, 3, 3])),
        ("first_bias", weights(&[8])),
        ("last_weight", weights(&[CLASSES.len(), 8, 1, 1])),
    ];
    Model {
        origin: "tiny".into(),
        ir_version: 8,
        opsets: [(String::new(), 13)].into(),
        producer: "tests".into(),
        metadata: Default::default(),
        graph: Graph {
            name: "tiny".into(),
            nodes: vec![first, relu, last],
            initializers: initializers.map(|(name, tensor)| (name.to_string(), tensor)).into(),
            inputs: vec![value("image", &[1, 3, SIDE, SIDE])],
            outputs: vec![value("logits", &[1, CLASSES.len(), SIDE, SIDE])],
        },
    }
}

/// [`bare`] with a card: classes, and an input in -1 to 1.
pub fn carded() -> Model {
    let mut model = bare();
    let card = Card {
        classes: classes_from_names(&CLASSES),
        input: Some(InputRule::symmetric()),
        ..Card::default()
    };
    card.store(&mut model);
    model
}
