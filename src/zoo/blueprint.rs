//! A network laid out: what it will cost, and the model that it becomes.

use std::collections::{BTreeMap, BTreeSet};

use super::ZooError;
use super::builder::Builder;
use super::parameter::{Parameter, Role};
use super::registry::{InputValues, Network};
use super::settings::{Choice, Settings};
use crate::frame::{ColorOrder, InputRule, ResizeRule};
use crate::mask::classes_from_names;
use crate::onnx::shapes::Shapes;
use crate::onnx::{Card, DataType, Dim, Graph, Model, Node, Provenance, Task, Tensor, ValueInfo, cost};

/// Bytes that a protocol buffer message may have, less some room for all that is no weight.
const FILE_BYTES_MAX: u64 = (1 << 31) - (16 << 20);

/// The names of the graph's input and of a network's only output.
const INPUT: &str = "image";
const OUTPUT: &str = "logits";

/// A network with its settings: the nodes and the names and shapes of the parameters, no weights.
pub struct Blueprint {
    /// The network.
    pub network: &'static Network,
    choice: Choice,
    opset: i64,
    nodes: Vec<Node>,
    parameters: Vec<Parameter>,
    constants: BTreeMap<String, Tensor>,
    shapes: Shapes,
    outputs: Vec<String>,
}

impl Blueprint {
    /// Lays out `network` with `settings`.
    ///
    /// # Errors
    /// When a setting is not one of the network's or out of range, or its strides cannot serve the size.
    pub fn of(network: &'static Network, settings: &Settings) -> Result<Blueprint, ZooError> {
        let choice = settings.choose(network)?;
        let mut b = Builder::new();
        let image = b.input(INPUT, &[1, choice.channels, choice.size.0, choice.size.1]);
        let outputs: Vec<String> =
            (network.build)(&mut b, &image, &choice).into_iter().map(|value| value.name).collect();
        if let Some(reason) = b.fault {
            return Err(ZooError::Graph { network: network.name, reason });
        }
        let mut blueprint = Blueprint {
            network,
            choice,
            opset: b.opset,
            nodes: b.nodes,
            parameters: b.parameters,
            constants: b.constants,
            shapes: b.shapes,
            outputs,
        };
        blueprint.name_output();
        Ok(blueprint)
    }

    /// Gives the only output its name.
    fn name_output(&mut self) {
        let [output] = self.outputs.as_mut_slice() else {
            return;
        };
        let old = std::mem::replace(output, OUTPUT.to_string());
        for node in &mut self.nodes {
            for name in node.inputs.iter_mut().chain(&mut node.outputs).filter(|name| **name == old) {
                *name = OUTPUT.to_string();
            }
        }
        if let Some(shape) = self.shapes.remove(&old) {
            self.shapes.insert(OUTPUT.to_string(), shape);
        }
    }

    /// Shape of the input, `[1,C,H,W]`.
    pub fn input_shape(&self) -> &[usize] {
        &self.shapes[INPUT]
    }

    /// Names and shapes of the outputs.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.outputs.iter().map(|name| (name.as_str(), self.shapes[name].as_slice()))
    }

    /// The layers' tensors, in the graph's order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Number of trained parameters.
    pub fn trained(&self) -> u64 {
        self.count(Role::Trained)
    }

    /// Number of running means and variances.
    pub fn statistics(&self) -> u64 {
        self.count(Role::Statistic)
    }

    fn count(&self, role: Role) -> u64 {
        self.parameters.iter().filter(|parameter| parameter.role == role).map(Parameter::elements).sum()
    }

    /// Multiply-accumulates of one inference.
    pub fn macs(&self) -> u64 {
        self.nodes.iter().map(|node| cost::node_macs(node, &self.shapes)).sum()
    }

    /// Estimated bytes of the weights in int8: one a weight, and for each filter four for its bias and four for its
    /// scale. Batch norms are folded away; layer norms stay float.
    pub fn int8_bytes(&self) -> u64 {
        let mut bytes = 0;
        for node in &self.nodes {
            let shape = |index: usize| node.input(index).and_then(|name| self.shapes.get(name));
            let elements = |shape: &Vec<usize>| shape.iter().map(|&size| size as u64).product::<u64>();
            let Some(weights) = shape(1) else { continue };
            bytes += match node.op.as_str() {
                "Conv" | "Gemm" => elements(weights) + 8 * weights[0] as u64,
                "ConvTranspose" => elements(weights) + 8 * weights[1] as u64,
                "LayerNormalization" => 8 * elements(weights),
                _ => 0,
            };
        }
        bytes
    }

    /// Estimated bytes of activations in int8 at the worst moment: all tensors that are written and still to be read,
    /// one byte an element. Norms, activations and reshapes work in place where nobody else reads their input.
    pub fn activation_bytes(&self) -> u64 {
        let constant: BTreeSet<&str> = self
            .parameters
            .iter()
            .map(|parameter| parameter.name.as_str())
            .chain(self.constants.keys().map(String::as_str))
            .collect();
        let mut reads: BTreeMap<&str, usize> = BTreeMap::new();
        let data_inputs = |node: &Node| -> BTreeSet<String> {
            node.inputs
                .iter()
                .filter(|name| !name.is_empty() && !constant.contains(name.as_str()))
                .cloned()
                .collect()
        };
        let inputs: Vec<BTreeSet<String>> = self.nodes.iter().map(data_inputs).collect();
        for name in inputs.iter().flatten().chain(&self.outputs) {
            *reads.entry(name).or_default() += 1;
        }
        let bytes = |name: &str| {
            self.shapes.get(name).map_or(0, |shape| shape.iter().map(|&size| size as u64).product())
        };
        let mut live: u64 = bytes(INPUT);
        let mut peak = live;
        for (node, inputs) in self.nodes.iter().zip(&inputs) {
            let output: u64 = bytes(node.output());
            let mut freed = 0;
            for input in inputs {
                if let Some(left) = reads.get_mut(input.as_str()) {
                    *left -= 1;
                    if *left == 0 {
                        freed += bytes(input);
                    }
                }
            }
            // What works in place needs no second tensor while it runs.
            let during = if in_place(&node.op) && freed >= output { live } else { live + output };
            peak = peak.max(during);
            live = live + output - freed;
        }
        peak
    }

    /// The model with weights drawn from `seed`, and its card.
    ///
    /// # Errors
    /// [`ZooError::TooLarge`] when no ONNX file can hold it.
    pub fn model(&self, seed: u64) -> Result<Model, ZooError> {
        let bytes = 4 * (self.trained() + self.statistics());
        if bytes > FILE_BYTES_MAX {
            return Err(ZooError::TooLarge { network: self.network.name, bytes });
        }
        let info = |name: &str| ValueInfo {
            name: name.to_string(),
            data_type: DataType::F32,
            shape: self.shapes.get(name).map(|shape| shape.iter().map(|&size| Dim::Fixed(size)).collect()),
        };
        let weights = self.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.fill(seed)));
        let constants = self.constants.iter().map(|(name, tensor)| (name.clone(), tensor.clone()));
        let mut model = Model {
            origin: self.network.name.to_string(),
            ir_version: 8,
            opsets: BTreeMap::from([(String::new(), self.opset)]),
            producer: format!("sedge {}", env!("CARGO_PKG_VERSION")),
            metadata: BTreeMap::new(),
            graph: Graph {
                name: self.network.name.to_string(),
                nodes: self.nodes.clone(),
                initializers: weights.chain(constants).collect(),
                inputs: vec![info(INPUT)],
                outputs: self.outputs.iter().map(|name| info(name)).collect(),
            },
        };
        self.card(seed).store(&mut model);
        Ok(model)
    }

    fn card(&self, seed: u64) -> Card {
        let names: Vec<String> = (0..self.choice.classes).map(|class| format!("class {class}")).collect();
        let segments = self.network.task == Task::Segmentation;
        Card {
            task: Some(self.network.task),
            classes: if segments { classes_from_names(&names) } else { Vec::new() },
            labels: if segments { Vec::new() } else { names },
            input: Some(self.input_rule()),
            provenance: Some(Provenance {
                source: Some(format!(
                    "{} of sedge {}, untrained",
                    self.network.name,
                    env!("CARGO_PKG_VERSION")
                )),
                seed: Some(seed),
                ..Provenance::default()
            }),
            quantization: None,
        }
    }

    fn input_rule(&self) -> InputRule {
        let gray = self.choice.channels == 1;
        let (mean, std) = match (self.network.values, gray) {
            (InputValues::Unit, _) => (vec![0.0; 3], vec![1.0; 3]),
            (InputValues::Symmetric, _) => (vec![0.5; 3], vec![0.5; 3]),
            (InputValues::ImageNet, false) => (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]),
            // Luminance of the colours' means, and the mean of their deviations.
            (InputValues::ImageNet, true) => (vec![0.459], vec![0.226]),
        };
        InputRule {
            color: if gray { ColorOrder::Gray } else { ColorOrder::Rgb },
            mean: mean[..self.choice.channels.min(mean.len())].to_vec(),
            std: std[..self.choice.channels.min(std.len())].to_vec(),
            resize: ResizeRule::Stretch,
        }
    }
}

/// Operators whose output may take the place of their input.
fn in_place(op: &str) -> bool {
    matches!(
        op,
        "BatchNormalization"
            | "Clip"
            | "Dropout"
            | "Erf"
            | "Flatten"
            | "HardSigmoid"
            | "HardSwish"
            | "LayerNormalization"
            | "LeakyRelu"
            | "Relu"
            | "Reshape"
            | "Sigmoid"
            | "Softmax"
            | "Add"
            | "Mul"
    )
}
