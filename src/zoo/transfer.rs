//! Starting a network from the weights of another model, whose batch norms may be folded away.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use super::ZooError;
use crate::onnx::{Graph, Model, Node, Tensor};
use crate::quantize::fold;

/// Fewer matching layers than this are a coincidence: stems of different networks are alike.
const LAYERS_MIN: usize = 3;

/// What a network took from another model.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// Tensors of the same name and shape.
    pub by_name: Vec<String>,
    /// Layers that took the folded weights of the same place in the source: the network's node and the source's.
    pub by_place: Vec<(String, String)>,
    /// Layers without bias and norm that were given the bias of their source, so that the function is kept.
    pub biases_added: Vec<String>,
    /// The network's layers that keep their first values.
    pub kept: Vec<String>,
    /// The source's layers whose weights found no place.
    pub left: Vec<String>,
}

/// Replaces weights of `model`, whose input has a fixed shape, by those of `source`.
///
/// First every tensor of the same name and shape. Where there is none, or the source's norms are folded away, layers by
/// their place: `source` is folded, and a layer takes the weights of the one layer in the source that is reached from the
/// image through the same operators and layers of the same shapes; strides and dilations may differ. A norm after such a
/// layer becomes an identity that adds the source's bias: gamma 1, beta the bias, mean 0, variance 1 - epsilon.
///
/// # Errors
/// [`ZooError::NothingTaken`], or what is wrong with `source`.
pub fn transfer(model: &mut Model, source: &Model) -> Result<Taken, ZooError> {
    let mut taken = Taken::default();
    let mut changed = BTreeSet::new();
    if !has_norms_folded(&model.graph, &source.graph) {
        changed = take_by_name(model, source, &mut taken);
    }
    let mut source_layers = layers(&source.graph);
    if changed.is_empty() {
        let mut folded = source.clone();
        let shape = model.graph.inputs.first().and_then(|input| input.fixed_shape());
        let own_size = shape.and_then(|shape| Some((*shape.get(2)?, *shape.get(3)?)));
        // The source's own size where it has one: weights do not depend on it.
        let has_size = folded.graph.inputs.iter().all(|input| input.fixed_shape().is_some());
        folded.fix_input_shapes(own_size.filter(|_| !has_size))?;
        fold::fold(&mut folded)?;
        source_layers = layers(&folded.graph);
        changed = take_by_place(model, &folded.graph, &mut taken);
    }
    if changed.is_empty() {
        return Err(ZooError::NothingTaken { model: source.origin.clone() });
    }
    let unchanged = |(_, weight): &(String, String)| !changed.contains(weight);
    taken.kept = layers(&model.graph).into_iter().filter(unchanged).map(|(node, _)| node).collect();
    let used: BTreeSet<&str> = taken
        .by_place
        .iter()
        .map(|(_, source)| source.as_str())
        .chain(taken.by_name.iter().map(String::as_str))
        .collect();
    taken.left = source_layers
        .into_iter()
        .filter(|(node, weight)| !used.contains(node.as_str()) && !used.contains(weight.as_str()))
        .map(|(node, _)| node)
        .collect();
    Ok(taken)
}

/// Whether a node multiplies with weights.
fn multiplies(node: &Node) -> bool {
    matches!(node.standard_op(), "Conv" | "ConvTranspose" | "Gemm")
}

/// Name and weight tensor of every node that multiplies with stored weights.
fn layers(graph: &Graph) -> Vec<(String, String)> {
    let stored = |node: &Node| {
        let weight = node.input(1)?;
        graph.initializers.contains_key(weight).then(|| (node.name.clone(), weight.to_string()))
    };
    graph.nodes.iter().filter(|node| multiplies(node)).filter_map(stored).collect()
}

/// Whether `source` holds layers of `own` with their norms folded away: of the same name, and with a bias that is not here.
fn has_norms_folded(own: &Graph, source: &Graph) -> bool {
    let without_bias = |node: &&Node| multiplies(node) && node.input(2).is_none();
    let bare: BTreeSet<&str> =
        own.nodes.iter().filter(without_bias).filter_map(|node| node.input(1)).collect();
    let is_folded =
        |node: &Node| node.input(2).is_some() && node.input(1).is_some_and(|name| bare.contains(name));
    source.nodes.iter().any(|node| multiplies(node) && is_folded(node))
}

/// Takes tensors of the same name and shape; gives their names.
fn take_by_name(model: &mut Model, source: &Model, taken: &mut Taken) -> BTreeSet<String> {
    let normalizes = |op: &str| matches!(op, "BatchNormalization" | "LayerNormalization");
    let owners = model.graph.nodes.iter().filter(|node| multiplies(node) || normalizes(node.standard_op()));
    let owned: BTreeSet<String> = owners.flat_map(|node| node.inputs.iter().skip(1)).cloned().collect();
    for (name, tensor) in model.graph.initializers.iter_mut().filter(|(name, _)| owned.contains(*name)) {
        if let Some(found) = source.graph.initializers.get(name)
            && found.shape == tensor.shape
            && found.as_f32().is_some()
        {
            *tensor = found.clone();
            taken.by_name.push(name.clone());
        }
    }
    taken.by_name.iter().cloned().collect()
}

/// How a tensor comes from the graph's input.
#[derive(Clone, Default)]
struct Place {
    /// The same for the same operators and layers of the same shapes; norms do not count.
    fingerprint: u64,
    /// The layers through which the tensor comes without another layer between.
    layers: BTreeSet<usize>,
}

/// The place of every layer's input and of its output, by the layer's node.
fn places(graph: &Graph) -> BTreeMap<usize, (Place, u64)> {
    let mut tensors: BTreeMap<&str, Place> = BTreeMap::new();
    for input in &graph.inputs {
        tensors.insert(&input.name, Place::default());
    }
    let mut found = BTreeMap::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        let inputs: Vec<&Place> = node.inputs.iter().filter_map(|name| tensors.get(name.as_str())).collect();
        let mut hasher = DefaultHasher::new();
        let weights = node.input(1).and_then(|name| graph.initializers.get(name));
        let place = match (node.standard_op(), inputs.as_slice(), weights) {
            ("BatchNormalization" | "Dropout" | "Identity", &[input, ..], _) => input.clone(),
            (op, &[input], Some(weights)) if multiplies(node) => {
                let form = (op, &weights.shape, node.int("group", 1), node.int("transB", 0));
                (form, input.fingerprint).hash(&mut hasher);
                let fingerprint = hasher.finish();
                found.insert(index, (input.clone(), fingerprint));
                Place { fingerprint, layers: BTreeSet::from([index]) }
            }
            (op, inputs, _) => {
                let mut fingerprints: Vec<u64> = inputs.iter().map(|place| place.fingerprint).collect();
                if matches!(op, "Add" | "Mul") {
                    fingerprints.sort_unstable();
                }
                (op, fingerprints).hash(&mut hasher);
                let layers = inputs.iter().flat_map(|place| place.layers.iter().copied()).collect();
                Place { fingerprint: hasher.finish(), layers }
            }
        };
        for output in &node.outputs {
            tensors.insert(output, place.clone());
        }
    }
    found
}

/// Pairs of nodes, the network's and the source's, at the same place. A place that either graph has twice is left
/// out, and so is all that lies behind a layer without a partner.
fn pairs(own: &Graph, source: &Graph) -> Vec<(usize, usize)> {
    let (own, source) = (places(own), places(source));
    let by_fingerprint = |places: &BTreeMap<usize, (Place, u64)>| {
        let mut nodes: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (&node, (_, fingerprint)) in places {
            nodes.entry(*fingerprint).or_default().push(node);
        }
        nodes
    };
    let (own_nodes, source_nodes) = (by_fingerprint(&own), by_fingerprint(&source));
    let mut paired = BTreeMap::new();
    for (&node, (input, fingerprint)) in &own {
        let partners = (own_nodes[fingerprint].len(), source_nodes.get(fingerprint).map(Vec::as_slice));
        if let (1, Some(&[partner])) = partners
            && input.layers.iter().all(|layer| paired.contains_key(layer))
        {
            paired.insert(node, partner);
        }
    }
    paired.into_iter().collect()
}

/// Takes the weights of layers at the same place in the folded `source`; gives the names of the tensors that changed.
fn take_by_place(model: &mut Model, source: &Graph, taken: &mut Taken) -> BTreeSet<String> {
    let pairs = pairs(&model.graph, source);
    let mut changed = BTreeMap::new();
    if pairs.len() < LAYERS_MIN {
        return BTreeSet::new();
    }
    for (own, other) in pairs {
        let (node, other) = (&model.graph.nodes[own], &source.nodes[other]);
        let uses = model.graph.nodes.iter().filter(|reader| reader.inputs.iter().any(|x| x == node.output()));
        let readers: Vec<&Node> = uses.collect();
        let norm = match readers.as_slice() {
            [reader] if reader.standard_op() == "BatchNormalization" => Some(*reader),
            _ => None,
        };
        let weights = &source.initializers[&other.inputs[1]];
        let filters = match other.standard_op() {
            "ConvTranspose" => weights.shape[1] * other.int("group", 1).max(1) as usize,
            "Gemm" if other.int("transB", 0) == 0 => weights.shape[1],
            _ => weights.shape[0],
        };
        let constant = |value: f32| Tensor::f32(&[filters], vec![value; filters]);
        let bias = match other.input(2).and_then(|bias| source.initializers.get(bias)?.as_f32()) {
            Some(values) if values.len() == filters => Tensor::f32(&[filters], values.to_vec()),
            _ => constant(0.0),
        };
        changed.insert(node.inputs[1].clone(), weights.clone());
        let mut shift = bias.clone();
        if let Some(own_bias) = node.input(2) {
            changed.insert(own_bias.to_string(), bias.clone());
            shift = constant(0.0);
        }
        if let Some(norm) = norm {
            let epsilon = norm.float("epsilon", 1e-5);
            let values = [constant(1.0), shift, constant(0.0), constant(1.0 - epsilon)];
            changed.extend(norm.inputs[1..].iter().cloned().zip(values));
        } else if node.input(2).is_none() {
            taken.biases_added.push(node.name.clone());
            let name = format!("{}.bias", node.name);
            model.graph.nodes[own].inputs.push(name.clone());
            changed.insert(name, bias);
        }
        taken.by_place.push((model.graph.nodes[own].name.clone(), other.name.clone()));
    }
    let names = changed.keys().cloned().collect();
    model.graph.initializers.extend(changed);
    names
}
