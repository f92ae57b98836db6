//! Folding: the same function with fewer nodes, so that what is left is what int8 has to compute.

use std::collections::BTreeMap;

use super::{QuantizeError, weights};
use crate::engine;
use crate::onnx::shapes::{self, Shapes};
use crate::onnx::{Attribute, Graph, Model, Node, OnnxError, Tensor};

/// The lowest operator set with quantization along an axis.
const OPSET_QUANTIZED_AXIS: i64 = 13;
/// The lowest operator set that is brought up to it.
const OPSET_UPGRADED_MIN: i64 = 11;

/// Folds `model`, whose inputs have fixed shapes, and brings it to operator set 13 where it is older.
///
/// - Whatever depends on constants and shapes only becomes a constant.
/// - `Identity`, `Dropout`, and resizes and reshapes that change nothing go.
/// - Division by a constant becomes multiplication.
/// - Zero padding moves into the convolution after it.
/// - Batch norms and per-channel multiplications and additions move into the convolution or `Gemm` before them; a
///   batch norm without one becomes a depthwise 1x1 convolution.
///
/// # Errors
/// When the graph contradicts itself, or its operator set is older than 11.
pub fn fold(model: &mut Model) -> Result<(), QuantizeError> {
    upgrade(model)?;
    let shapes = fold_constants(model)?;
    remove_no_ops(model, &shapes);
    divisions_to_products(model);
    while fold_padding(model) || fold_affine(model) {}
    batch_norms_to_convolutions(model, &shapes);
    model.graph.remove_unused();
    Ok(())
}

/// Rewrites nodes of operator sets 11 and 12 into their form in 13.
fn upgrade(model: &mut Model) -> Result<(), QuantizeError> {
    if model.opset() >= OPSET_QUANTIZED_AXIS {
        return Ok(());
    }
    let too_old = |place: String, what: String| OnnxError::Unsupported {
        model: model.origin.clone(),
        place,
        what,
        advice: "export it with operator set 13 or newer",
    };
    if model.opset() < OPSET_UPGRADED_MIN {
        return Err(too_old("the model".to_string(), format!("operator set {}", model.opset())).into());
    }
    let shapes = model.infer_shapes()?;
    let mut constants = Vec::new();
    let mut nodes = model.graph.nodes.clone();
    for node in &mut nodes {
        let attribute = match node.standard_op() {
            "Squeeze" | "Unsqueeze" | "ReduceSum" => "axes",
            "Split" => "split",
            "Softmax" | "LogSoftmax" => {
                // Before 13 all dimensions from the axis on were taken together: the same only where one has a size.
                let axis = node.int("axis", 1);
                let shape = node.input(0).and_then(|name| shapes.get(name)).map_or(&[][..], Vec::as_slice);
                let index = if axis < 0 { axis + shape.len() as i64 } else { axis } as usize;
                if index >= shape.len() || shape[index + 1..].iter().any(|&size| size != 1) {
                    let what = format!("operator set {}'s meaning of axis {axis}", model.opset());
                    return Err(too_old(node.place(), what).into());
                }
                node.attributes.insert("axis".to_string(), Attribute::Int(axis));
                continue;
            }
            _ => continue,
        };
        if let Some(Attribute::Ints(values)) = node.attributes.remove(attribute) {
            let name = model.graph.fresh_name(format!("{}_{attribute}", node.name));
            constants.push((name.clone(), Tensor::i64(&[values.len()], values)));
            node.inputs.truncate(1);
            node.inputs.push(name);
        }
    }
    model.graph.nodes = nodes;
    model.graph.initializers.extend(constants);
    model.opsets.insert(String::new(), OPSET_QUANTIZED_AXIS);
    model.ir_version = model.ir_version.max(7);
    Ok(())
}

/// Makes an initializer of every tensor that depends on constants and shapes only; gives all shapes.
fn fold_constants(model: &mut Model) -> Result<Shapes, QuantizeError> {
    let mut known = shapes::start(&model.graph);
    for node in std::mem::take(&mut model.graph.nodes) {
        match shapes::node_shapes(&node, model.opset(), &known, &model.graph.initializers) {
            Ok(found) => known.extend(node.outputs.iter().cloned().zip(found)),
            Err(shapes::NoShape::Unknown) => {}
            Err(shapes::NoShape::Contradiction(reason)) => {
                return Err(
                    OnnxError::Invalid { model: model.origin.clone(), place: node.place(), reason }.into()
                );
            }
        }
        if let Some(tensors) = constant_outputs(model, &node, &known) {
            for (name, tensor) in node.outputs.iter().zip(tensors) {
                known.insert(name.clone(), tensor.shape.clone());
                model.graph.initializers.insert(name.clone(), tensor);
            }
            continue;
        }
        model.graph.nodes.push(node);
    }
    Ok(known)
}

/// A node's outputs, if they are known before anything runs.
fn constant_outputs(model: &Model, node: &Node, known: &Shapes) -> Option<Vec<Tensor>> {
    let graph = &model.graph;
    if node.outputs.iter().any(|output| graph.is_output(output)) {
        return None;
    }
    match node.standard_op() {
        "Constant" => match node.attributes.get("value") {
            Some(Attribute::Tensor(tensor)) => return Some(vec![tensor.clone()]),
            _ => return engine::evaluate(model, node, &BTreeMap::new()),
        },
        "Shape" => {
            let shape = known.get(node.input(0)?)?;
            let sizes: Vec<i64> =
                shape[shapes::shape_slice(node, shape.len())].iter().map(|&v| v as i64).collect();
            return Some(vec![Tensor::i64(&[sizes.len()], sizes)]);
        }
        "" | "QuantizeLinear" | "DequantizeLinear" | "RandomNormal" | "RandomUniform" => return None,
        _ => {}
    }
    let inputs: Option<BTreeMap<String, Tensor>> = node
        .inputs
        .iter()
        .filter(|name| !name.is_empty())
        .map(|name| Some((name.clone(), graph.initializers.get(name)?.clone())))
        .collect();
    match inputs {
        Some(inputs) if !inputs.is_empty() => engine::evaluate(model, node, &inputs),
        _ => None,
    }
}

/// Takes out nodes whose output equals their input.
fn remove_no_ops(model: &mut Model, shapes: &Shapes) {
    let changes_nothing = |graph: &Graph, node: &Node| {
        let shape = |name: &str| shapes.get(name);
        let same_shape =
            || node.input(0).and_then(shape).is_some_and(|input| shape(node.output()) == Some(input));
        match node.standard_op() {
            "Identity" => true,
            // With its third input true it trains, and its second output is what it dropped.
            "Dropout" => {
                let uses = graph.uses();
                node.input(2).is_none()
                    && node.outputs.iter().skip(1).all(|name| !uses.contains_key(name.as_str()))
            }
            "Reshape" | "Flatten" => same_shape(),
            // Scales that round to the same size still move pixels, and so does a region of interest.
            "Resize" => {
                same_shape()
                    && node.input(3).is_some()
                    && node.text("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize"
            }
            _ => false,
        }
    };
    let mut index = 0;
    while index < model.graph.nodes.len() {
        let goes = changes_nothing(&model.graph, &model.graph.nodes[index]);
        if !(goes && take_out(&mut model.graph, index)) {
            index += 1;
        }
    }
}

/// Takes out the node at `index`; its readers read its first input instead. Graph outputs keep their names. Gives
/// false, and leaves the graph alone, where that cannot be done.
fn take_out(graph: &mut Graph, index: usize) -> bool {
    let node = &graph.nodes[index];
    let (Some(input), output) = (node.input(0).map(str::to_string), node.output().to_string()) else {
        return false;
    };
    if !graph.is_output(&output) {
        graph.nodes.remove(index);
        graph.redirect(&output, &input);
        return true;
    }
    let Some(producer) = graph.nodes.iter().position(|node| node.outputs.contains(&input)) else {
        return false;
    };
    if graph.is_output(&input) {
        return false;
    }
    for name in graph.nodes[producer].outputs.iter_mut().filter(|name| **name == input) {
        *name = output.clone();
    }
    graph.nodes.remove(index);
    graph.redirect(&input, &output);
    true
}

/// Makes a multiplication by the reciprocal of every division by a constant: quantized, a small divisor may become 0.
fn divisions_to_products(model: &mut Model) {
    let graph = &mut model.graph;
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        let Some(divisor) = node.input(1).and_then(|name| graph.initializers.get(name)) else { continue };
        let Some(values) = divisor.as_f32().filter(|_| node.standard_op() == "Div") else { continue };
        let reciprocals: Vec<f32> = values.iter().map(|&v| (1.0 / f64::from(v)) as f32).collect();
        if reciprocals.iter().all(|v| v.is_finite()) {
            let (shape, name) =
                (divisor.shape.clone(), graph.fresh_name(format!("{}_reciprocal", node.name)));
            graph.initializers.insert(name.clone(), Tensor::f32(&shape, reciprocals));
            graph.nodes[index].op = "Mul".to_string();
            graph.nodes[index].inputs[1] = name;
        }
    }
}

/// Moves one zero `Pad` into the convolution after it; false when there is none left.
fn fold_padding(model: &mut Model) -> bool {
    let graph = &mut model.graph;
    for index in 0..graph.nodes.len() {
        let Some(pads) = spatial_zero_pads(graph, &graph.nodes[index]) else {
            continue;
        };
        let padded = graph.nodes[index].output();
        let sole_use = graph.uses().get(padded) == Some(&1);
        let Some(reader) = graph.nodes.iter().position(|node| node.input(0) == Some(padded)) else {
            continue;
        };
        let conv = &graph.nodes[reader];
        let explicit = matches!(conv.text("auto_pad", "NOTSET"), "NOTSET" | "VALID");
        if !sole_use || conv.standard_op() != "Conv" || !explicit {
            continue;
        }
        let sum = match conv.ints("pads") {
            Some(own) if own.len() == pads.len() => own.iter().zip(&pads).map(|(a, b)| a + b).collect(),
            None => pads,
            Some(_) => continue,
        };
        let conv = &mut graph.nodes[reader];
        conv.attributes.remove("auto_pad");
        conv.attributes.insert("pads".to_string(), Attribute::Ints(sum));
        return take_out(graph, index);
    }
    false
}

/// The padding of a `Pad` node that adds zeros to spatial dimensions only: starts, then ends.
fn spatial_zero_pads(graph: &Graph, node: &Node) -> Option<Vec<i64>> {
    if node.standard_op() != "Pad" || node.text("mode", "constant") != "constant" || node.input(3).is_some() {
        return None;
    }
    let zero = match node.input(2) {
        None => true,
        Some(name) => graph.initializers.get(name)?.as_f32()?.iter().all(|&value| value == 0.0),
    };
    let pads = graph.initializers.get(node.input(1)?)?.as_i64()?;
    let (starts, ends) = pads.split_at_checked(pads.len() / 2)?;
    let spatial = starts.len() > 2 && [&starts[..2], &ends[..2]].concat().iter().all(|&v| v == 0);
    (zero && spatial && pads.iter().all(|&v| v >= 0)).then(|| [&starts[2..], &ends[2..]].concat())
}

/// Moves one per-channel multiplication and addition into the operator before it; false when there is none left.
fn fold_affine(model: &mut Model) -> bool {
    let graph = &model.graph;
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        let found = (0..node.inputs.len().min(2)).find_map(|side| {
            let input = node.input(side)?;
            let producer = graph.nodes.iter().position(|node| node.output() == input)?;
            let channels = foldable_channels(graph, &graph.nodes[producer])?;
            let alone = graph.uses().get(input) == Some(&1);
            let rank = if graph.nodes[producer].op == "Gemm" { 2 } else { 4 };
            let affine = alone.then(|| affine(graph, node, side, channels, rank)).flatten()?;
            Some((side, producer, affine))
        });
        if let Some((side, producer, affine)) = found {
            scale_and_shift(&mut model.graph, producer, &affine);
            model.graph.nodes[index].inputs.swap(0, side);
            return take_out(&mut model.graph, index);
        }
    }
    false
}

/// `y[c] = scale[c] * x[c] + shift[c]`
struct Affine {
    scale: Vec<f64>,
    shift: Vec<f64>,
}

/// What `node` does to its input `side`, if that is one multiplication and addition per channel.
fn affine(graph: &Graph, node: &Node, side: usize, channels: usize, rank: usize) -> Option<Affine> {
    if node.standard_op() == "BatchNormalization" {
        return if side == 0 { batch_norm(graph, node, channels) } else { None };
    }
    let operand = per_channel(graph.initializers.get(node.input(1 - side)?)?, channels, rank)?;
    let (ones, zeros) = (vec![1.0; channels], vec![0.0; channels]);
    match (node.standard_op(), side) {
        ("Mul", _) => Some(Affine { scale: operand, shift: zeros }),
        ("Add", _) => Some(Affine { scale: ones, shift: operand }),
        ("Sub", 0) => Some(Affine { scale: ones, shift: operand.iter().map(|v| -v).collect() }),
        ("Sub", 1) => Some(Affine { scale: vec![-1.0; channels], shift: operand }),
        _ => None,
    }
}

/// A constant as one number a channel, where it broadcasts like that over `[N, C, ...]` of `rank` dimensions.
fn per_channel(tensor: &Tensor, channels: usize, rank: usize) -> Option<Vec<f64>> {
    let values = tensor.as_f32()?;
    if values.len() == 1 && tensor.shape.len() <= rank {
        return Some(vec![f64::from(values[0]); channels]);
    }
    let mut shape = vec![1; rank.checked_sub(tensor.shape.len())?];
    shape.extend(&tensor.shape);
    let fits = (0..rank).all(|d| shape[d] == if d == 1 { channels } else { 1 });
    fits.then(|| values.iter().map(|&v| f64::from(v)).collect())
}

/// Batch normalization with the statistics of training (Ioffe and Szegedy, 2015):
/// `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta`.
fn batch_norm(graph: &Graph, node: &Node, channels: usize) -> Option<Affine> {
    if node.int("training_mode", 0) != 0 || node.outputs.len() > 1 {
        return None;
    }
    let values = |index: usize| {
        let values = graph.initializers.get(node.input(index)?)?.as_f32()?;
        (values.len() == channels).then(|| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>())
    };
    let (gamma, beta, mean, variance) = (values(1)?, values(2)?, values(3)?, values(4)?);
    let epsilon = f64::from(node.float("epsilon", 1e-5));
    let scale: Vec<f64> = gamma.iter().zip(&variance).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
    let shift = (0..channels).map(|c| beta[c] - mean[c] * scale[c]).collect();
    Some(Affine { scale, shift })
}

/// Output channels of a node that takes up per-channel arithmetic.
fn foldable_channels(graph: &Graph, node: &Node) -> Option<usize> {
    let fits = match node.standard_op() {
        "Conv" | "ConvTranspose" => true,
        "Gemm" => node.float("alpha", 1.0) == 1.0 && node.float("beta", 1.0) == 1.0,
        _ => false,
    };
    if fits { weights::constant_weights(graph, node).map(|layout| layout.channels) } else { None }
}

/// Makes the node at `index` give `scale * y + shift` instead of `y`.
fn scale_and_shift(graph: &mut Graph, index: usize, affine: &Affine) {
    let node = graph.nodes[index].clone();
    let Some(layout) = weights::constant_weights(graph, &node) else {
        return;
    };
    let weights = &graph.initializers[&node.inputs[1]];
    let shape = weights.shape.clone();
    let values = weights.as_f32().unwrap_or_default().iter().enumerate();
    let scaled =
        values.map(|(index, &w)| (f64::from(w) * affine.scale[layout.channel(index)]) as f32).collect();
    let bias = node.input(2).and_then(|name| graph.initializers[name].as_f32());
    let shifted: Vec<f32> = (0..layout.channels)
        .map(|c| bias.map_or(0.0, |bias| f64::from(bias[c % bias.len()])) * affine.scale[c] + affine.shift[c])
        .map(|value| value as f32)
        .collect();
    // Shared weights stay as they are for their other readers.
    let own_name = |input: usize, what: &str| match node.input(input) {
        Some(name) if graph.uses().get(name) == Some(&1) => name.to_string(),
        _ => graph.fresh_name(format!("{}_{what}", node.name)),
    };
    let (weight_name, bias_name) = (own_name(1, "weight"), own_name(2, "bias"));
    graph.initializers.insert(weight_name.clone(), Tensor::f32(&shape, scaled));
    graph.initializers.insert(bias_name.clone(), Tensor::f32(&[shifted.len()], shifted));
    graph.nodes[index].inputs = vec![node.inputs[0].clone(), weight_name, bias_name];
}

/// Batch norms that no convolution takes up become depthwise 1x1 convolutions.
fn batch_norms_to_convolutions(model: &mut Model, shapes: &Shapes) {
    let graph = &mut model.graph;
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        let channels = match node.input(0).and_then(|name| shapes.get(name)).map(Vec::as_slice) {
            Some(&[_, channels, _, _]) if node.standard_op() == "BatchNormalization" => channels,
            _ => continue,
        };
        let Some(Affine { scale, shift }) = batch_norm(graph, node, channels) else {
            continue;
        };
        let weight = graph.fresh_name(format!("{}_scale", node.name));
        let bias = graph.fresh_name(format!("{}_shift", node.name));
        let to_f32 = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect::<Vec<f32>>();
        let input = node.inputs[0].clone();
        let conv = Node::new(node.name.clone(), "Conv", &[&input, &weight, &bias], &[node.output()])
            .with("group", Attribute::Int(channels as i64))
            .with("kernel_shape", Attribute::Ints(vec![1, 1]));
        graph.nodes[index] = conv;
        graph.initializers.insert(weight, Tensor::f32(&[channels, 1, 1, 1], to_f32(scale)));
        graph.initializers.insert(bias, Tensor::f32(&[channels], to_f32(shift)));
    }
}

#[cfg(test)]
mod tests;
