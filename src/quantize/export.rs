//! Writing the quantized graph in ONNX's QDQ form: every quantized tensor passes through a `QuantizeLinear` and a
//! `DequantizeLinear` node, weights and biases are stored as integers behind a `DequantizeLinear`.
//!
//! The result is a graph that any runtime may run in float, node by node, and that one with int8 kernels runs on
//! integers by matching `DequantizeLinear -> operator -> QuantizeLinear`.

use std::collections::BTreeMap;

use super::QuantizeError;
use super::calibrate::{Activations, Params};
use super::scheme::{Scheme, data_inputs};
use super::weights::{WeightLayout, is_weighted};
use crate::onnx::{Attribute, Graph, Model, Node, Tensor};

/// A quantized model.
pub struct Exported {
    /// The model, its metadata those of the float model.
    pub model: Model,
    /// Activations left out because saturation does their work.
    pub dropped_activations: usize,
}

/// Largest magnitude of a quantized bias: half of what 32 bits hold, so that the accumulator has room for the sum.
const BIAS_LIMIT: f64 = (1 << 30) as f64;

/// Quantizes the weights of a folded `model` and writes its QDQ form; `params` are the groups' parameters.
///
/// # Errors
/// When a weight is not finite.
pub fn export(
    model: &Model,
    scheme: &Scheme,
    params: &[Params],
    activations: Activations,
) -> Result<Exported, QuantizeError> {
    let (graph, dropped_activations) = without_superfluous_activations(&model.graph, scheme, params);
    let mut writer = Writer {
        origin: &model.origin,
        scheme,
        params,
        activations,
        graph: &graph,
        out: Graph {
            name: graph.name.clone(),
            nodes: Vec::new(),
            initializers: graph.initializers.clone(),
            inputs: graph.inputs.clone(),
            outputs: graph.outputs.clone(),
        },
        dequantized: BTreeMap::new(),
        weights: BTreeMap::new(),
    };
    for input in &graph.inputs {
        writer.quantize_tensor(&input.name, &input.name);
    }
    for node in &graph.nodes {
        writer.node(node)?;
    }
    let mut quantized = model.clone_without_graph();
    quantized.producer = format!("sedge {}", env!("CARGO_PKG_VERSION"));
    quantized.graph = writer.out;
    quantized.graph.remove_unused();
    Ok(Exported { model: quantized, dropped_activations })
}

/// The graph without the activations that change nothing: a clamp to `[low, high]` before a quantization to a range
/// that starts at `low` and ends at `high`, since clamping and rounding are monotone.
fn without_superfluous_activations(graph: &Graph, scheme: &Scheme, params: &[Params]) -> (Graph, usize) {
    let mut graph = graph.clone();
    let mut dropped = BTreeMap::new();
    graph.nodes.retain(|node| {
        let (Some(input), Some(group)) = (node.input(0), scheme.group_of(node.output())) else {
            return true;
        };
        let saturates = scheme.is_fused(input)
            && clamp_bounds(&graph.initializers, node).is_some_and(|(low, high)| {
                let params = params[group];
                params.quantize(low) == params.limits.0 && params.quantize(high) == params.limits.1
            });
        if saturates {
            dropped.insert(input.to_string(), node.output().to_string());
        }
        !saturates
    });
    for output in graph.nodes.iter_mut().flat_map(|node| node.outputs.iter_mut()) {
        if let Some(clamped) = dropped.get(output) {
            *output = clamped.clone();
        }
    }
    (graph, dropped.len())
}

/// Bounds of a `Relu` or `Clip` with constant bounds.
fn clamp_bounds(initializers: &BTreeMap<String, Tensor>, node: &Node) -> Option<(f32, f32)> {
    let bound = |index: usize, missing: f32| match node.input(index) {
        None => Some(missing),
        Some(name) => initializers.get(name)?.as_f32()?.first().copied(),
    };
    match node.op.as_str() {
        "Relu" => Some((0.0, f32::INFINITY)),
        "Clip" => Some((bound(1, f32::NEG_INFINITY)?, bound(2, f32::INFINITY)?)),
        _ => None,
    }
}

struct Writer<'a> {
    origin: &'a str,
    scheme: &'a Scheme,
    params: &'a [Params],
    activations: Activations,
    graph: &'a Graph,
    out: Graph,
    /// What a quantized tensor is called after its `DequantizeLinear`.
    dequantized: BTreeMap<String, String>,
    /// Quantized weights that are written, with their scales.
    weights: BTreeMap<String, Vec<f32>>,
}

impl Writer<'_> {
    fn node(&mut self, node: &Node) -> Result<(), QuantizeError> {
        let mut written = node.clone();
        // Constants are quantized where they are data: bounds, slopes and what float nodes read stay as they are.
        let mut data = Vec::new();
        if self.scheme.is_int8(node) {
            data.extend(data_inputs(self.graph, node));
            for name in &data {
                if self.graph.initializers.contains_key(*name) {
                    self.quantize_constant(name);
                }
            }
        }
        for input in &mut written.inputs {
            if self.graph.initializers.contains_key(input) && !data.contains(&input.as_str()) {
                continue;
            }
            if let Some(name) = self.dequantized.get(input) {
                *input = name.clone();
            }
        }
        if self.scheme.is_int8(node) && is_weighted(node) {
            self.quantize_weights(node, &mut written)?;
        }
        let quantized: Vec<String> =
            node.outputs.iter().filter(|name| self.scheme.group_of(name).is_some()).cloned().collect();
        // A graph output keeps its name behind the dequantize node, so what the node writes needs another.
        for output in written.outputs.iter_mut().filter(|output| quantized.contains(output)) {
            if self.graph.is_output(output) {
                *output = self.float_name(output);
            }
        }
        self.out.nodes.push(written);
        for name in &quantized {
            let source = if self.graph.is_output(name) { self.float_name(name) } else { name.clone() };
            self.quantize_tensor(name, &source);
        }
        Ok(())
    }

    /// Writes `source -> QuantizeLinear -> DequantizeLinear` for the quantized tensor `name`.
    fn quantize_tensor(&mut self, name: &str, source: &str) {
        let Some(group) = self.scheme.group_of(name) else {
            return;
        };
        let (scale, zero_point) = self.write_params(group);
        let quantized = self.graph.fresh_name(format!("{name}_quantized"));
        let dequantized = match self.graph.is_output(name) {
            true => name.to_string(),
            false => self.graph.fresh_name(format!("{name}_dequantized")),
        };
        self.out.nodes.push(Node::new(
            format!("{name}_QuantizeLinear"),
            "QuantizeLinear",
            &[source, &scale, &zero_point],
            &[&quantized],
        ));
        self.out.nodes.push(Node::new(
            format!("{name}_DequantizeLinear"),
            "DequantizeLinear",
            &[&quantized, &scale, &zero_point],
            &[&dequantized],
        ));
        self.dequantized.insert(name.to_string(), dequantized);
    }

    /// Stores a constant operand quantized like an activation.
    fn quantize_constant(&mut self, name: &str) {
        let Some(group) = self.scheme.group_of(name) else {
            return;
        };
        if self.dequantized.contains_key(name) {
            return;
        }
        let (scale, zero_point) = self.write_params(group);
        let [quantized, dequantized] =
            ["quantized", "dequantized"].map(|part| self.graph.fresh_name(format!("{name}_{part}")));
        let tensor = &self.graph.initializers[name];
        let values =
            tensor.as_f32().unwrap_or_default().iter().map(|&value| self.params[group].quantize(value));
        let stored = match self.activations {
            Activations::U8 => Tensor::u8(&tensor.shape, values.map(|v| v as u8).collect()),
            Activations::S8 => Tensor::i8(&tensor.shape, values.map(|v| v as i8).collect()),
        };
        self.out.initializers.insert(quantized.clone(), stored);
        self.out.nodes.push(Node::new(
            format!("{name}_DequantizeLinear"),
            "DequantizeLinear",
            &[&quantized, &scale, &zero_point],
            &[&dequantized],
        ));
        self.dequantized.insert(name.to_string(), dequantized);
    }

    /// Stores a group's scale and zero point and gives their names.
    fn write_params(&mut self, group: usize) -> (String, String) {
        let Params { scale, zero_point, .. } = self.params[group];
        let fresh = |part: &str| self.graph.fresh_name(format!("{part}_{group}"));
        let names = (fresh("scale"), fresh("zero_point"));
        let stored = match self.activations {
            Activations::U8 => Tensor::u8(&[], vec![zero_point as u8]),
            Activations::S8 => Tensor::i8(&[], vec![zero_point as i8]),
        };
        self.out.initializers.insert(names.0.clone(), Tensor::f32(&[], vec![scale]));
        self.out.initializers.insert(names.1.clone(), stored);
        names
    }

    /// Stores weights per channel as symmetric s8 and the bias as s32 at the scale of the accumulator.
    fn quantize_weights(&mut self, node: &Node, written: &mut Node) -> Result<(), QuantizeError> {
        let name = node.inputs[1].clone();
        let tensor = &self.graph.initializers[&name];
        let values = tensor.as_f32().unwrap_or_default();
        let bias = node.input(2).map(|name| self.graph.initializers[name].as_f32().unwrap_or_default());
        if values.iter().chain(bias.unwrap_or_default()).any(|value| !value.is_finite()) {
            let (model, place) = (self.origin.to_string(), node.place());
            return Err(QuantizeError::WeightsNotFinite { model, place });
        }
        let Some(layout) = WeightLayout::of(node, &tensor.shape) else {
            return Ok(());
        };
        let input_scale = self.scheme.group_of(&node.inputs[0]).map_or(1.0, |group| self.params[group].scale);

        let mut scales = vec![0.0f32; layout.scales()];
        for (index, value) in values.iter().enumerate() {
            let scale = &mut scales[layout.scale(index)];
            *scale = scale.max(value.abs() / 127.0);
        }
        for (channel, scale) in scales.iter_mut().enumerate() {
            // A channel with (nearly) no weights gets a scale at which its bias still fits.
            let bias = bias.map_or(0.0, |bias| largest_bias(bias, channel, layout.scales()));
            let needed = (bias / (f64::from(input_scale) * BIAS_LIMIT)) as f32;
            *scale = scale.max(needed).max(f32::MIN_POSITIVE * 1e6);
        }
        let quantized = values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                (value / scales[layout.scale(index)]).round_ties_even().clamp(-127.0, 127.0) as i8
            })
            .collect();

        // Nodes that share weights but not the input's scale may need other scales; such a set gets its own name.
        let mut stored = format!("{name}_weights");
        if self.weights.get(&stored).is_some_and(|known| *known != scales) {
            stored = format!("{name}_weights_of_{}", node.name);
        }
        if !self.weights.contains_key(&stored) {
            let tensor = Tensor::i8(&tensor.shape, quantized);
            self.store_dequantized(&stored, tensor, &scales, layout.axis);
            self.weights.insert(stored.clone(), scales.clone());
        }
        written.inputs[1] = self.part_name(&stored, "dequantized");

        if let Some(values) = bias {
            let accumulator: Vec<f32> = scales.iter().map(|&scale| input_scale * scale).collect();
            written.inputs[2] = self.quantize_bias(&format!("{}_bias", node.name), values, &accumulator);
        }
        Ok(())
    }

    /// Stores a bias as s32 at the scales of the accumulator and gives its name behind the dequantize node.
    fn quantize_bias(&mut self, name: &str, bias: &[f32], accumulator: &[f32]) -> String {
        // The one number that a Gemm may have for all channels is written out; one scale may serve many channels.
        let channels = bias.len().max(accumulator.len());
        let quantized = (0..channels)
            .map(|channel| {
                let value = f64::from(bias[channel % bias.len()]);
                let scale = f64::from(accumulator[channel % accumulator.len()]);
                (value / scale).round_ties_even().clamp(-BIAS_LIMIT, BIAS_LIMIT) as i32
            })
            .collect();
        let axis = (accumulator.len() > 1).then_some(0);
        self.store_dequantized(name, Tensor::i32(&[channels], quantized), accumulator, axis);
        self.part_name(name, "dequantized")
    }

    /// What a node writes in place of the graph output `name`, which its dequantized form is to be called.
    fn float_name(&self, name: &str) -> String {
        self.graph.fresh_name(format!("{name}_float"))
    }

    /// Name of one part of a stored constant.
    fn part_name(&self, name: &str, part: &str) -> String {
        self.graph.fresh_name(format!("{name}_{part}"))
    }

    /// Stores a symmetric integer constant and the node that dequantizes it.
    fn store_dequantized(&mut self, name: &str, tensor: Tensor, scales: &[f32], axis: Option<i64>) {
        let shape: &[usize] = if axis.is_some() { &[scales.len()] } else { &[] };
        let zeros = match tensor.data_type() {
            crate::onnx::DataType::I32 => Tensor::i32(shape, vec![0; scales.len()]),
            _ => Tensor::i8(shape, vec![0; scales.len()]),
        };
        let [quantized, scale, zero_point, dequantized] =
            ["quantized", "scale", "zero_point", "dequantized"].map(|part| self.part_name(name, part));
        self.out.initializers.insert(quantized.clone(), tensor);
        self.out.initializers.insert(scale.clone(), Tensor::f32(shape, scales.to_vec()));
        self.out.initializers.insert(zero_point.clone(), zeros);
        let mut node = Node::new(
            format!("{name}_DequantizeLinear"),
            "DequantizeLinear",
            &[&quantized, &scale, &zero_point],
            &[&dequantized],
        );
        if let Some(axis) = axis {
            node = node.with("axis", Attribute::Int(axis));
        }
        self.out.nodes.push(node);
    }
}

/// Largest magnitude of the biases that belong to `channel`; one channel holds all where weights have one scale.
fn largest_bias(bias: &[f32], channel: usize, channels: usize) -> f64 {
    let of_channel =
        bias.iter().enumerate().filter(|(index, _)| bias.len() == 1 || index % channels == channel);
    of_channel.map(|(_, value)| f64::from(value.abs())).fold(0.0, f64::max)
}
