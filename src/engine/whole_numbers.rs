//! Quantized convolutions on whole numbers.
//!
//! Tract runs `DequantizeLinear -> Conv -> QuantizeLinear` in floats. With real scales its sums are inexact, so that a
//! sum next to the middle between two steps may round to another step than in another engine, or on another processor.
//! Here such a convolution gets the quantized integers themselves, as floats, and one multiplication after it:
//!
//! `y_q = clamp(round_half_even(acc * m[c]) + y_zp)`, `acc = sum((x_q - x_zp) * w_q[c]) + b_q[c]`,
//! `m[c] = x_s * w_s[c] / y_s`
//!
//! Sums of whole numbers below 2^24 are exact in f32, in any order: 8-bit products of 500 terms never reach it, and
//! longer sums hardly ever do. The result is that of integer arithmetic.

use std::collections::BTreeMap;

use crate::onnx::{Graph, Node, Tensor, TensorData};

/// Rewrites every convolution of `graph` between dequantize and quantize nodes whose parameters are constants.
pub(super) fn rewrite(graph: &mut Graph) {
    let uses: BTreeMap<String, usize> =
        graph.uses().into_iter().map(|(name, count)| (name.to_string(), count)).collect();
    let one = graph.fresh_name("one".to_string());
    let lowest = graph.fresh_name("lowest".to_string());
    let mut whole: BTreeMap<String, String> = BTreeMap::new();
    let mut index = 0;
    while index < graph.nodes.len() {
        let Some(found) = find(graph, &uses, index) else {
            index += 1;
            continue;
        };
        for (name, value) in [(&one, 1.0), (&lowest, f32::MIN)] {
            graph.initializers.entry(name.clone()).or_insert_with(|| Tensor::f32(&[], vec![value]));
        }
        let conv = graph.nodes[index].clone();
        let mut before = Vec::new();
        let input = whole.entry(found.input[0].clone()).or_insert_with(|| {
            let name = graph.fresh_name(format!("{}_whole", found.input[0]));
            let inputs = [found.input[0].as_str(), &one, &found.input[1]];
            before.push(Node::new(format!("{name}_node"), "DequantizeLinear", &inputs, &[&name]));
            name
        });
        let input = input.clone();
        let fresh = |part: &str| graph.fresh_name(format!("{}_{part}", conv.name));
        let (weights, bias, factor, sum) = (fresh("weights"), fresh("bias"), fresh("factor"), fresh("sum"));
        let (bounded, scaled) = (fresh("bounded"), fresh("scaled"));
        let mut node = conv.clone();
        node.inputs = vec![input, weights.clone()];
        graph.initializers.insert(weights, found.weights);
        if let Some(tensor) = found.bias {
            node.inputs.push(bias.clone());
            graph.initializers.insert(bias, tensor);
        }
        node.outputs = vec![sum.clone()];
        graph.initializers.insert(factor.clone(), found.factor);
        // Changes no value, but keeps tract from multiplying the weights instead of the sum.
        let bound = Node::new(format!("{bounded}_node"), "Clip", &[&sum, &lowest], &[&bounded]);
        let product = Node::new(format!("{scaled}_node"), "Mul", &[&bounded, &factor], &[&scaled]);
        graph.nodes[found.quantize].inputs[..2].clone_from_slice(&[scaled, one.clone()]);
        let inserted = before.len();
        before.extend([node, bound, product]);
        graph.nodes.splice(index..=index, before);
        index += inserted + 3;
    }
    graph.remove_unused();
}

/// A convolution that can be rewritten.
struct Found {
    /// Quantized input and its zero point.
    input: [String; 2],
    weights: Tensor,
    bias: Option<Tensor>,
    /// `m`, of shape `[1, channels, 1, 1]`.
    factor: Tensor,
    /// The quantize node that reads the convolution.
    quantize: usize,
}

fn find(graph: &Graph, uses: &BTreeMap<String, usize>, index: usize) -> Option<Found> {
    let conv = &graph.nodes[index];
    if conv.standard_op() != "Conv" || uses.get(conv.output()) != Some(&1) || graph.is_output(conv.output()) {
        return None;
    }
    let producer = |name: &str| {
        let node = graph.nodes.iter().find(|node| node.output() == name)?;
        (node.standard_op() == "DequantizeLinear").then_some(node)
    };
    let scalar = |name: Option<&str>| match graph.initializers.get(name?)?.as_f32()? {
        &[value] => Some(value),
        _ => None,
    };
    let input = producer(conv.input(0)?)?;
    let input_scale = scalar(input.input(1))?;
    let quantize = graph.nodes.iter().position(|node| node.input(0) == Some(conv.output()))?;
    let output_scale = Some(&graph.nodes[quantize])
        .filter(|node| node.standard_op() == "QuantizeLinear")
        .and_then(|node| scalar(node.input(1)))?;

    let dequantize = producer(conv.input(1)?)?;
    let (weights, weight_scales) = integers(graph, dequantize)?;
    let channels = *weights.shape.first()?;
    if weights.shape.len() != 4 || ![1, channels].contains(&weight_scales.len()) {
        return None;
    }
    let scale =
        |channel: usize| f64::from(input_scale) * f64::from(weight_scales[channel % weight_scales.len()]);
    let bias = match conv.input(2) {
        None => None,
        Some(name) => {
            let (bias, bias_scales) = integers(graph, producer(name)?)?;
            let fits = |channel: usize| {
                let ratio = f64::from(bias_scales[channel % bias_scales.len()]) / scale(channel);
                (ratio - 1.0).abs() < 1e-5
            };
            if bias.shape != [channels] || !(0..channels).all(fits) {
                return None;
            }
            Some(bias)
        }
    };
    // In f32 and in this order, as ONNX Runtime's kernels multiply.
    let factor = |channel: usize| input_scale * weight_scales[channel % weight_scales.len()] / output_scale;
    let factors = (0..channels).map(factor).collect();
    Some(Found {
        input: [input.input(0)?.to_string(), input.input(2)?.to_string()],
        weights,
        bias,
        factor: Tensor::f32(&[1, channels, 1, 1], factors),
        quantize,
    })
}

/// The integers behind a dequantize node with zero points of 0, as floats, and their scales.
fn integers<'a>(graph: &'a Graph, dequantize: &Node) -> Option<(Tensor, &'a [f32])> {
    let tensor = graph.initializers.get(dequantize.input(0)?)?;
    let values = match &tensor.data {
        TensorData::I8(values) => values.iter().map(|&value| f32::from(value)).collect(),
        TensorData::I32(values) => values.iter().map(|&value| value as f32).collect(),
        _ => return None,
    };
    let zero_points = dequantize.input(2).and_then(|name| graph.initializers.get(name));
    let symmetric = zero_points.is_none_or(|tensor| tensor.to_le_bytes().iter().all(|&byte| byte == 0));
    let scales = graph.initializers.get(dequantize.input(1)?)?.as_f32()?;
    let along_channels = scales.len() == 1 || dequantize.int("axis", 1) == 0;
    (symmetric && along_channels && !scales.is_empty()).then(|| (Tensor::f32(&tensor.shape, values), scales))
}
