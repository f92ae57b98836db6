//! Models as standard ONNX: reading and checking, writing, shapes and costs, and the model card.
//!
//! The types here are a plain in-memory form of [ONNX](https://onnx.ai/onnx/repo-docs/IR.html): a [`Model`] holds a
//! [`Graph`] of [`Node`]s in topological order. What they cannot hold (subgraphs, sparse or external tensors) is an
//! error when read, so every later step sees whole graphs only.

mod card;
mod check;
pub mod cost;
mod read;
pub mod shapes;
mod tensor;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use card::{Card, CardError, Provenance, Quantization, Score, Task};
pub use tensor::{DataType, Tensor, TensorData};

/// What is wrong with a model or its file.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// The file could not be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The bytes are not an ONNX model.
    #[error("{model}: not a whole ONNX model ({reason}); export or copy it again")]
    NotOnnx {
        /// The file, or what the model is called.
        model: String,
        /// What was found.
        reason: String,
    },
    /// The model uses a part of ONNX that Sedge does not.
    #[error("{model}: {place} uses {what}; {advice}")]
    Unsupported {
        /// The file, or what the model is called.
        model: String,
        /// Node or tensor.
        place: String,
        /// The unsupported feature.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// The graph contradicts itself.
    #[error("{model}: {place}: {reason}")]
    Invalid {
        /// The file, or what the model is called.
        model: String,
        /// Node or tensor.
        place: String,
        /// The contradiction.
        reason: String,
    },
}

/// A model: one graph, the operator sets that give its nodes their meaning, and metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Where the model came from, for messages; not stored in the file.
    pub origin: String,
    /// Version of the ONNX intermediate representation.
    pub ir_version: i64,
    /// Operator sets by domain; the standard domain is the empty string.
    pub opsets: BTreeMap<String, i64>,
    /// The tool that wrote the file.
    pub producer: String,
    /// Key-value pairs that travel with the model; Sedge's own start with `sedge.`.
    pub metadata: BTreeMap<String, String>,
    /// The computation.
    pub graph: Graph,
}

impl Model {
    /// Version of the standard operator set.
    pub fn opset(&self) -> i64 {
        self.opsets.get("").copied().unwrap_or(0)
    }
}

impl Model {
    /// Everything but the graph, with an empty graph in its place.
    pub fn clone_without_graph(&self) -> Model {
        Model {
            origin: self.origin.clone(),
            ir_version: self.ir_version,
            opsets: self.opsets.clone(),
            producer: self.producer.clone(),
            metadata: self.metadata.clone(),
            graph: Graph::default(),
        }
    }
}

/// Nodes in topological order, with the tensors they start from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The graph's name.
    pub name: String,
    /// Nodes, each after all that it depends on.
    pub nodes: Vec<Node>,
    /// Constant tensors by name.
    pub initializers: BTreeMap<String, Tensor>,
    /// What is fed at run time, initializers left out.
    pub inputs: Vec<ValueInfo>,
    /// What the graph gives.
    pub outputs: Vec<ValueInfo>,
}

/// Name, type and shape of a graph's input or output.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueInfo {
    /// The tensor's name.
    pub name: String,
    /// Its element type.
    pub data_type: DataType,
    /// Its shape, if the file gives one.
    pub shape: Option<Vec<Dim>>,
}

impl ValueInfo {
    /// The shape when every dimension is a number.
    pub fn fixed_shape(&self) -> Option<Vec<usize>> {
        self.shape.as_ref()?.iter().map(Dim::fixed).collect()
    }
}

/// One dimension of a declared shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Known when the model was written.
    Fixed(usize),
    /// Known only at run time; the name may be empty.
    Symbol(String),
}

impl Dim {
    /// The number, if it is one.
    pub fn fixed(&self) -> Option<usize> {
        match self {
            Dim::Fixed(size) => Some(*size),
            Dim::Symbol(_) => None,
        }
    }
}

/// One operator applied to tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Name; after reading never empty and unlike every other node's.
    pub name: String,
    /// Operator, e.g. `Conv`.
    pub op: String,
    /// Operator's domain, empty for the standard one.
    pub domain: String,
    /// Input tensors; an empty name is an optional input left out.
    pub inputs: Vec<String>,
    /// Output tensors; an empty name is an optional output left out.
    pub outputs: Vec<String>,
    /// Attributes by name.
    pub attributes: BTreeMap<String, Attribute>,
}

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// One number.
    Float(f32),
    /// One integer.
    Int(i64),
    /// Bytes, mostly UTF-8 text.
    String(Vec<u8>),
    /// A tensor.
    Tensor(Tensor),
    /// Numbers.
    Floats(Vec<f32>),
    /// Integers.
    Ints(Vec<i64>),
    /// Texts.
    Strings(Vec<Vec<u8>>),
}

impl Node {
    /// A node of the standard domain.
    pub fn new(name: impl Into<String>, op: &str, inputs: &[&str], outputs: &[&str]) -> Node {
        Node {
            name: name.into(),
            op: op.to_string(),
            domain: String::new(),
            inputs: inputs.iter().map(|s| s.to_string()).collect(),
            outputs: outputs.iter().map(|s| s.to_string()).collect(),
            attributes: BTreeMap::new(),
        }
    }

    /// The node with one more attribute.
    pub fn with(mut self, name: &str, value: Attribute) -> Node {
        self.attributes.insert(name.to_string(), value);
        self
    }

    /// Operator of the standard domain, or an empty string for a custom domain's.
    pub fn standard_op(&self) -> &str {
        if self.domain.is_empty() { &self.op } else { "" }
    }

    /// Input `index`, if it is given.
    pub fn input(&self, index: usize) -> Option<&str> {
        self.inputs.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The first output.
    pub fn output(&self) -> &str {
        self.outputs.first().map_or("", String::as_str)
    }

    /// An integer attribute, or its default.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        match self.attributes.get(name) {
            Some(Attribute::Int(value)) => *value,
            _ => default,
        }
    }

    /// A float attribute, or its default.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        match self.attributes.get(name) {
            Some(Attribute::Float(value)) => *value,
            _ => default,
        }
    }

    /// An integer list, if given.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attributes.get(name) {
            Some(Attribute::Ints(values)) => Some(values),
            _ => None,
        }
    }

    /// A text attribute, or its default.
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        match self.attributes.get(name) {
            Some(Attribute::String(bytes)) => std::str::from_utf8(bytes).unwrap_or(default),
            _ => default,
        }
    }

    /// What to call the node in messages: operator and name.
    pub fn place(&self) -> String {
        format!("node {} ({})", self.name, self.op)
    }
}

impl Graph {
    /// How often each tensor is read, by nodes and as a graph output.
    pub fn uses(&self) -> BTreeMap<&str, usize> {
        let read_by_nodes = self.nodes.iter().flat_map(|node| node.inputs.iter().map(String::as_str));
        let read_outside = self.outputs.iter().map(|output| output.name.as_str());
        let mut uses = BTreeMap::new();
        for name in read_by_nodes.chain(read_outside).filter(|name| !name.is_empty()) {
            *uses.entry(name).or_insert(0) += 1;
        }
        uses
    }

    /// Whether `name` is one of the graph's outputs.
    pub fn is_output(&self, name: &str) -> bool {
        self.outputs.iter().any(|output| output.name == name)
    }

    /// `wanted`, with underscores added until no tensor of the graph has that name.
    pub fn fresh_name(&self, wanted: String) -> String {
        let is_taken = |name: &String| {
            self.initializers.contains_key(name)
                || self.inputs.iter().any(|input| input.name == *name)
                || self.nodes.iter().any(|node| node.outputs.contains(name))
        };
        let mut name = wanted;
        while is_taken(&name) {
            name.push('_');
        }
        name
    }

    /// Makes every node that reads `from` read `to`. Graph outputs keep their names.
    pub fn redirect(&mut self, from: &str, to: &str) {
        for input in self.nodes.iter_mut().flat_map(|node| node.inputs.iter_mut()) {
            if input == from {
                *input = to.to_string();
            }
        }
    }

    /// Drops nodes whose outputs nobody reads, then initializers that nobody reads.
    pub fn remove_unused(&mut self) {
        loop {
            let uses = self.uses();
            let keep: Vec<bool> = self
                .nodes
                .iter()
                .map(|node| node.outputs.iter().any(|output| uses.contains_key(output.as_str())))
                .collect();
            drop(uses);
            if keep.iter().all(|&kept| kept) {
                break;
            }
            let mut kept = keep.into_iter();
            self.nodes.retain(|_| kept.next().unwrap_or(true));
        }
        let used: std::collections::BTreeSet<String> = self.uses().into_keys().map(str::to_string).collect();
        self.initializers.retain(|name, _| used.contains(name));
    }
}

#[cfg(test)]
mod tests;
