//! Small graphs and what becomes of them. That the numbers are right is shown against ONNX Runtime, in `tests/lowering.rs`.

mod bad_input;
mod fuzz;
mod programs;
mod regions;

use std::collections::BTreeMap;

use crate::engine::program::{Bounds, Kind, Program};
use crate::onnx::{Attribute, DataType, Dim, Graph, Model, Node, Tensor, ValueInfo};

/// Scale of most tensors here.
const SCALE: f32 = 0.02;

/// Zero point of most tensors here.
const ZERO: u8 = 110;

/// A graph under construction, with the input `x`. Nodes are called after their outputs.
struct Net {
    graph: Graph,
    opset: i64,
}

impl Net {
    fn new(shape: &[usize]) -> Net {
        let shape = Some(shape.iter().map(|&size| Dim::Fixed(size)).collect());
        let input = ValueInfo { name: "x".into(), data_type: DataType::F32, shape };
        Net { graph: Graph { name: "test".into(), inputs: vec![input], ..Graph::default() }, opset: 17 }
    }

    fn constant(&mut self, name: &str, tensor: Tensor) -> &mut Net {
        self.graph.initializers.insert(name.into(), tensor);
        self
    }

    fn node(&mut self, output: &str, op: &str, inputs: &[&str]) -> &mut Net {
        self.with(output, op, inputs, &[])
    }

    fn with(
        &mut self,
        output: &str,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> &mut Net {
        let outputs: Vec<&str> = output.split(' ').collect();
        let mut node = Node::new(outputs[0], op, inputs, &outputs);
        if let Some((domain, op)) = op.split_once("::") {
            (node.domain, node.op) = (domain.into(), op.into());
        }
        node.attributes = attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        self.graph.nodes.push(node);
        self
    }

    /// Adds a scale and zero point `name.s` and `name.z`.
    fn params(&mut self, name: &str, scale: f32, zero: u8) -> [String; 2] {
        let names = ["s", "z"].map(|part| format!("{name}.{part}"));
        self.constant(&names[0], Tensor::f32(&[], vec![scale]))
            .constant(&names[1], Tensor::u8(&[], vec![zero]));
        names
    }

    /// `input` quantized as `{output}.q` and dequantized again as `output`.
    fn qdq(&mut self, output: &str, input: &str, scale: f32, zero: u8) -> &mut Net {
        let [scale, zero] = self.params(output, scale, zero);
        let quantized = format!("{output}.q");
        self.node(&quantized, "QuantizeLinear", &[input, &scale, &zero]);
        self.node(output, "DequantizeLinear", &[&quantized, &scale, &zero])
    }

    /// Signed weights of ones, with a scale of 0.01 behind a dequantize node.
    fn weights(&mut self, output: &str, shape: &[usize]) -> &mut Net {
        let [values, scale] = ["w", "s"].map(|part| format!("{output}.{part}"));
        self.constant(&values, Tensor::i8(shape, vec![1; shape.iter().product()]));
        self.constant(&scale, Tensor::f32(&[], vec![0.01]));
        self.node(output, "DequantizeLinear", &[&values, &scale])
    }

    /// The model with these outputs.
    fn model(&self, outputs: &[&str]) -> Model {
        let mut graph = self.graph.clone();
        let info = |name: &&str| ValueInfo { name: name.to_string(), data_type: DataType::F32, shape: None };
        graph.outputs = outputs.iter().map(info).collect();
        Model {
            origin: "test".into(),
            ir_version: 8,
            opsets: BTreeMap::from([(String::new(), self.opset), ("com.microsoft".into(), 1)]),
            producer: String::new(),
            metadata: BTreeMap::new(),
            graph,
        }
    }
}

/// An attribute of integers.
fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// Name of a kind.
fn kind_name(kind: &Kind) -> String {
    let text = format!("{kind:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_string()
}

/// Names of a program's kinds in order.
fn kinds(program: &Program) -> String {
    program.ops.iter().map(|op| kind_name(&op.kind)).collect::<Vec<_>>().join(" ")
}

/// Bounds of a kind that has them.
fn bounds(kind: &Kind) -> Option<Bounds> {
    match kind {
        Kind::Conv { bounds, .. }
        | Kind::ConvTranspose { bounds, .. }
        | Kind::MatMul { bounds, .. }
        | Kind::Add { bounds, .. }
        | Kind::Mul { bounds, .. }
        | Kind::AveragePool { bounds, .. }
        | Kind::Reduce { bounds, .. } => Some(*bounds),
        _ => None,
    }
}

/// A network with most families of operators in it.
fn everything() -> Model {
    let mut net = Net::new(&[1, 4, 8, 6]);
    net.qdq("a", "x", SCALE, ZERO).weights("w", &[6, 4, 3, 3]);
    net.constant("bias", Tensor::f32(&[6], vec![0.1, -0.2, 0.3, 0.0, 1.0, -1.0]));
    net.with("conv", "Conv", &["a", "w", "bias"], &[("pads", ints(&[1, 1, 1, 1]))]).node(
        "relu",
        "Relu",
        &["conv"],
    );
    net.qdq("b", "relu", 0.03, 0).weights("dw", &[6, 1, 3, 3]);
    let depthwise = [("pads", ints(&[1, 1, 1, 1])), ("group", Attribute::Int(6)), ("strides", ints(&[2, 2]))];
    net.with("depthwise", "Conv", &["b", "dw"], &depthwise).qdq("c", "depthwise", 0.05, 20);
    net.node("sigmoid", "Sigmoid", &["c"]).qdq("gate", "sigmoid", 0.004, 0).node(
        "swish",
        "Mul",
        &["c", "gate"],
    );
    net.qdq("d", "swish", 0.04, 10).node("pool", "GlobalAveragePool", &["d"]).qdq("e", "pool", 0.01, 30);
    net.node("scaled", "Mul", &["d", "e"]).qdq("f", "scaled", 0.01, 60).weights("tw", &[6, 3, 2, 2]);
    let strides = [("strides", ints(&[2, 2])), ("kernel_shape", ints(&[2, 2]))];
    net.with("up", "ConvTranspose", &["f", "tw"], &strides).qdq("g", "up", SCALE, ZERO);
    net.constant("sizes", Tensor::i64(&[4], vec![1, 3, 8, 6]));
    net.with("linear", "Resize", &["g", "", "", "sizes"], &[("mode", Attribute::String(b"linear".to_vec()))]);
    net.qdq("h", "linear", SCALE, ZERO).with(
        "max",
        "MaxPool",
        &["b"],
        &[("kernel_shape", ints(&[2, 2])), ("strides", ints(&[2, 2]))],
    );
    net.constant("twice", Tensor::f32(&[4], vec![1.0, 1.0, 2.0, 2.0])).node(
        "near",
        "Resize",
        &["max", "", "twice"],
    );
    net.with("concat", "Concat", &["near", "h"], &[("axis", Attribute::Int(1))]).qdq("i", "concat", 0.03, 40);
    net.constant("to", Tensor::i64(&[3], vec![1, 9, 48])).node("rows", "Reshape", &["i", "to"]);
    net.with("tokens", "Transpose", &["rows"], &[("perm", ints(&[0, 2, 1]))]).weights("mw", &[9, 5]);
    net.node("product", "MatMul", &["tokens", "mw"]).qdq("j", "product", SCALE, ZERO);
    net.node("softmax", "Softmax", &["j"]).qdq("k", "softmax", 0.004, 0);
    net.with("back", "Transpose", &["j"], &[("perm", ints(&[0, 2, 1]))]).node(
        "attention",
        "MatMul",
        &["k", "back"],
    );
    net.qdq("l", "attention", SCALE, ZERO).constant("ones", Tensor::f32(&[48], vec![1.0; 48]));
    net.node("norm", "LayerNormalization", &["l", "ones"]).qdq("m", "norm", SCALE, ZERO);
    net.with("padded", "Pad", &["m", "pads"], &[])
        .constant("pads", Tensor::i64(&[6], vec![0, 1, 0, 0, 0, 2]));
    net.node("erf", "Erf", &["padded"]).node("gelu", "Mul", &["erf", "padded"]).qdq("n", "gelu", SCALE, ZERO);
    net.with("part rest", "Split", &["n", "split"], &[("axis", Attribute::Int(2))]);
    net.constant("split", Tensor::i64(&[2], vec![20, 30])).with(
        "class",
        "ArgMax",
        &["rest"],
        &[("axis", Attribute::Int(2))],
    );
    let qconv = ["n.q", "n.s", "n.z", "qw", "n.s", "zero", "n.s", "n.z"];
    net.constant("qw", Tensor::i8(&[3, 49, 1], vec![2; 147])).constant("zero", Tensor::i8(&[], vec![0]));
    net.node("qconv", "QLinearConv", &qconv).node("o", "DequantizeLinear", &["qconv", "n.s", "n.z"]);
    net.node("float", "Exp", &["o"]);
    net.model(&["part", "class", "o", "float"])
}
