//! Batch norms before training: their momentum, and those that a transfer of folded weights left empty.

use std::collections::BTreeMap;

use sedge::onnx::{Attribute, Model, Node};
use tch::{Kind, Tensor};

use super::FitError;
use crate::data::Loader;
use crate::graph::{Mode, Network};

/// Batches over which statistics are measured.
const BATCHES_MAX: usize = 16;

/// Sets the momentum of all batch norms.
pub(super) fn set_momentum(model: &mut Model, momentum: f32) {
    let norms = model.graph.nodes.iter_mut().filter(|node| node.standard_op() == "BatchNormalization");
    for norm in norms {
        norm.attributes.insert("momentum".to_string(), Attribute::Float(momentum));
    }
}

/// Fills the batch norms that only add a bias, and gives their number.
///
/// Weights from a model whose norms are folded leave norms that pass their input on: gamma 1, mean 0, variance
/// 1 - epsilon. In training a norm uses the batch's statistics, which would undo what the folded weights are. Here each
/// such norm gets the mean m and variance v of its input over some training batches, gamma sqrt(v + epsilon) and m more
/// beta: the same function, in training as well.
pub(super) fn fill(network: &mut Network, model: &Model, loader: &Loader) -> Result<usize, FitError> {
    let empty: Vec<&Node> = model.graph.nodes.iter().filter(|node| is_empty(model, node)).collect();
    if empty.is_empty() {
        return Ok(0);
    }
    let taps: Vec<String> = empty.iter().map(|node| node.inputs[0].clone()).collect();
    let sums = measured(network, loader, &taps)?;
    let mut values = Vec::new();
    for (node, (sum, squares, count)) in empty.iter().zip(sums) {
        let mean = sum.f_div_scalar(count)?;
        let variance = squares.f_div_scalar(count)?.f_sub(&mean.f_square()?)?.f_clamp_min(0.0)?;
        let gamma = variance.f_add_scalar(f64::from(node.float("epsilon", 1e-5)))?.f_sqrt()?;
        let beta = value(network, &node.inputs[2]).f_to_kind(Kind::Double)?.f_add(&mean)?;
        let filled = [gamma, beta, mean, variance];
        for (name, tensor) in node.inputs[1..].iter().zip(filled) {
            values.push((name.clone(), tensor.f_to_kind(Kind::Float)?));
        }
    }
    network.load(&values)?;
    Ok(empty.len())
}

fn is_empty(model: &Model, node: &Node) -> bool {
    let [_, gamma, beta, mean, variance] = node.inputs.as_slice() else { return false };
    let all = |name: &String, value: f32| {
        let tensor = model.graph.initializers.get(name).and_then(|tensor| tensor.as_f32());
        tensor.is_some_and(|values| values.iter().all(|v| *v == value))
    };
    let passing = 1.0 - node.float("epsilon", 1e-5);
    let is_norm = node.standard_op() == "BatchNormalization" && model.graph.initializers.contains_key(beta);
    is_norm && all(gamma, 1.0) && all(mean, 0.0) && all(variance, passing)
}

/// Per tap: sums of values and of squares a channel (f64), and the number of values.
fn measured(
    network: &Network,
    loader: &Loader,
    taps: &[String],
) -> Result<Vec<(Tensor, Tensor, f64)>, FitError> {
    let mut sums: BTreeMap<usize, (Tensor, Tensor, f64)> = BTreeMap::new();
    let _guard = tch::no_grad_guard();
    for batch in loader.epoch(0).take(BATCHES_MAX) {
        let (_, tensors) = network.forward_with(&batch?.images, Mode::Evaluate, taps)?;
        for (index, tensor) in tensors.into_iter().enumerate() {
            let tensor = tensor.f_to_kind(Kind::Double)?;
            let dims: Vec<i64> = (0..tensor.dim() as i64).filter(|&dim| dim != 1).collect();
            let channels = tensor.size().get(1).copied().unwrap_or(1).max(1);
            let count = tensor.numel() as f64 / channels as f64;
            let sum = tensor.f_sum_dim_intlist(&dims[..], false, Kind::Double)?;
            let squares = tensor.f_square()?.f_sum_dim_intlist(&dims[..], false, Kind::Double)?;
            let total = match sums.remove(&index) {
                None => (sum, squares, count),
                Some((a, b, n)) => (a.f_add(&sum)?, b.f_add(&squares)?, n + count),
            };
            sums.insert(index, total);
        }
    }
    Ok(sums.into_values().collect())
}

fn value(network: &Network, name: &str) -> Tensor {
    let variable = network.variables().iter().find(|variable| variable.name == name);
    variable.map_or_else(Tensor::new, |variable| variable.tensor.detach())
}
