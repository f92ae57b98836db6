//! Small graphs, each around one operator or one form of it, made of short descriptions.
// Every test program compiles this file and uses a part of it.
#![allow(dead_code)]

mod elements;
mod layers;
mod others;

use std::collections::BTreeMap;

use sedge::onnx::{Attribute, DataType, Dim, Graph, Model, Node, Tensor, ValueInfo};

/// A graph over the image `x`. Node number N writes `yN`; the last one's first output is the graph's.
pub struct Case {
    pub name: &'static str,
    /// Whether single runs and runs with the same seed are comparable with ONNX Runtime's.
    pub is_random: bool,
    /// Whether gradients are those of the function itself (not where they are passed straight through).
    pub is_differentiable: bool,
    input: [usize; 3],
    /// Whether the input's values are those of bytes, brought to -1..1.
    of_bytes: bool,
    opset: i64,
    nodes: Vec<Node>,
    initializers: BTreeMap<String, Tensor>,
    seed: u32,
}

/// All cases.
pub fn cases() -> Vec<Case> {
    layers::cases().into_iter().chain(elements::cases()).chain(others::cases()).collect()
}

/// Numbers that look random and are the same every time, in -1..1.
pub fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    (0..count + 4)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0) as f32
        })
        .skip(4)
        .collect()
}

impl Case {
    pub fn new(name: &'static str) -> Case {
        Case {
            name,
            is_random: false,
            is_differentiable: true,
            input: [4, 6, 5],
            of_bytes: false,
            opset: 17,
            nodes: Vec::new(),
            initializers: BTreeMap::new(),
            seed: 11,
        }
    }

    /// Channels, height and width of `x`; 4, 6 and 5 if not told.
    pub fn input(mut self, channels: usize, height: usize, width: usize) -> Case {
        self.input = [channels, height, width];
        self
    }

    pub fn bytes(mut self) -> Case {
        self.of_bytes = true;
        self
    }

    pub fn opset(mut self, opset: i64) -> Case {
        self.opset = opset;
        self
    }

    pub fn random(mut self) -> Case {
        self.is_random = true;
        self
    }

    pub fn straight_through(mut self) -> Case {
        self.is_differentiable = false;
        self
    }

    /// Random numbers from -1 to 1.
    pub fn weight(self, name: &str, shape: &[usize]) -> Case {
        self.within(name, shape, -1.0, 1.0)
    }

    /// Random numbers from `low` to `high`.
    pub fn within(mut self, name: &str, shape: &[usize], low: f32, high: f32) -> Case {
        self.seed += 1;
        let values = numbers(shape.iter().product(), self.seed);
        let values = values.iter().map(|value| low + (value + 1.0) / 2.0 * (high - low)).collect();
        self.tensor(name, Tensor::f32(shape, values))
    }

    pub fn floats(self, name: &str, shape: &[usize], values: &[f32]) -> Case {
        self.tensor(name, Tensor::f32(shape, values.to_vec()))
    }

    pub fn integers(self, name: &str, values: &[i64]) -> Case {
        self.tensor(name, Tensor::i64(&[values.len()], values.to_vec()))
    }

    pub fn tensor(mut self, name: &str, tensor: Tensor) -> Case {
        self.initializers.insert(name.to_string(), tensor);
        self
    }

    /// One more node; inputs are separated by spaces, `-` is one left out.
    pub fn node(self, op: &str, inputs: &str) -> Case {
        let output = format!("y{}", self.nodes.len());
        self.node_to(op, inputs, &output)
    }

    /// The same with named outputs.
    pub fn node_to(mut self, op: &str, inputs: &str, outputs: &str) -> Case {
        let names = |text: &str| -> Vec<String> {
            text.split_whitespace().map(|name| name.trim_matches('-').to_string()).collect()
        };
        let (inputs, outputs) = (names(inputs), names(outputs));
        let borrow = |names: &[String]| -> Vec<String> { names.to_vec() };
        let mut node = Node::new(format!("node{}", self.nodes.len()), op, &[], &[]);
        node.inputs = borrow(&inputs);
        node.outputs = borrow(&outputs);
        self.nodes.push(node);
        self
    }

    /// An attribute of the last node.
    fn attribute(mut self, name: &str, value: Attribute) -> Case {
        if let Some(node) = self.nodes.last_mut() {
            node.attributes.insert(name.to_string(), value);
        }
        self
    }

    pub fn ints(self, name: &str, values: &[i64]) -> Case {
        self.attribute(name, Attribute::Ints(values.to_vec()))
    }

    pub fn int(self, name: &str, value: i64) -> Case {
        self.attribute(name, Attribute::Int(value))
    }

    pub fn float(self, name: &str, value: f32) -> Case {
        self.attribute(name, Attribute::Float(value))
    }

    pub fn text(self, name: &str, value: &str) -> Case {
        self.attribute(name, Attribute::String(value.as_bytes().to_vec()))
    }

    pub fn value(self, tensor: Tensor) -> Case {
        self.attribute("value", Attribute::Tensor(tensor))
    }

    /// Its input for `count` pictures, from -2 to 2 if not of bytes.
    pub fn pictures(&self, count: usize) -> Vec<f32> {
        let elements = count * self.input.iter().product::<usize>();
        if self.of_bytes {
            return (0..elements).map(|index| ((index % 256) as f32 - 127.5) / 127.5).collect();
        }
        numbers(elements, 5).into_iter().map(|value| 2.0 * value).collect()
    }

    /// Operators of its nodes.
    pub fn operators(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.op.as_str())
    }

    pub fn shape(&self) -> [usize; 3] {
        self.input
    }

    pub fn model(&self) -> Model {
        let info = |name: &str, shape: Option<Vec<Dim>>| ValueInfo {
            name: name.to_string(),
            data_type: DataType::F32,
            shape,
        };
        let [channels, height, width] = self.input;
        let output = self.nodes.last().map_or("", Node::output);
        Model {
            origin: self.name.to_string(),
            ir_version: 8,
            opsets: BTreeMap::from([(String::new(), self.opset)]),
            producer: String::new(),
            metadata: BTreeMap::new(),
            graph: Graph {
                name: "case".into(),
                nodes: self.nodes.clone(),
                initializers: self.initializers.clone(),
                inputs: vec![info("x", Some([1, channels, height, width].map(Dim::Fixed).to_vec()))],
                outputs: vec![info(output, None)],
            },
        }
    }
}
