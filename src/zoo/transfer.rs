//! Starting a network from the weights of another model, whose batch norms may be folded away.

use std::collections::{BTreeMap, BTreeSet};

use super::ZooError;
use crate::onnx::{Graph, Model, Node, Tensor};
use crate::quantize::fold;

/// A run of matching convolutions shorter than this is a coincidence.
const RUN_MIN: usize = 3;

/// What a network took from another model.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// Tensors of the same name and shape.
    pub by_name: Vec<String>,
    /// Convolutions of the backbone that took folded weights: the network's node and the source's.
    pub folded: Vec<(String, String)>,
    /// Convolutions without bias or norm that were given the bias of their source, so that the function is kept.
    pub biases_added: Vec<String>,
    /// The network's layers that keep their first values.
    pub kept: Vec<String>,
    /// The source's weights that found no place.
    pub left: Vec<String>,
}

/// Replaces weights of `model` by those of `source`.
///
/// First every tensor of the same name and shape. Where there is none, the backbone: `source` is folded, and as long
/// as the convolutions of both graphs agree in kernel, channels, groups and stride, in the order in which they run,
/// `model` takes the source's. A norm after such a convolution becomes an identity that adds the source's bias:
/// gamma 1, beta the bias, mean 0, variance 1 - epsilon.
///
/// # Errors
/// [`ZooError::NothingTaken`], or what is wrong with `source`.
pub fn transfer(model: &mut Model, source: &Model) -> Result<Taken, ZooError> {
    let mut taken = Taken::default();
    let mut changed: BTreeSet<String> = BTreeSet::new();
    let layers = layer_tensors(&model.graph);
    for (name, tensor) in &mut model.graph.initializers {
        if let Some(found) = source.graph.initializers.get(name)
            && layers.contains(name)
            && found.shape == tensor.shape
            && found.as_f32().is_some()
        {
            *tensor = found.clone();
            taken.by_name.push(name.clone());
            changed.insert(name.clone());
        }
    }
    let mut source_weights = weights_of(&source.graph);
    if taken.by_name.is_empty() {
        let mut folded = source.clone();
        folded.fix_input_shapes(None)?;
        fold::fold(&mut folded)?;
        source_weights = weights_of(&folded.graph);
        take_backbone(model, &folded.graph, &mut taken, &mut changed);
    }
    if changed.is_empty() {
        return Err(ZooError::NothingTaken { model: source.origin.clone() });
    }
    taken.kept = model
        .graph
        .nodes
        .iter()
        .filter(|node| {
            let mut own = node.inputs.iter().filter(|name| layers.contains(*name)).peekable();
            own.peek().is_some() && !own.any(|name| changed.contains(name))
        })
        .map(|node| node.name.clone())
        .collect();
    let used: BTreeSet<&str> = taken
        .folded
        .iter()
        .map(|(_, source)| source.as_str())
        .chain(taken.by_name.iter().map(String::as_str))
        .collect();
    taken.left = source_weights
        .into_iter()
        .filter(|(node, weight)| !used.contains(node.as_str()) && !used.contains(weight.as_str()))
        .map(|(node, _)| node)
        .collect();
    Ok(taken)
}

/// Names of the tensors that layers own: every float initializer of a node that multiplies or normalises.
fn layer_tensors(graph: &Graph) -> BTreeSet<String> {
    let layers = graph.nodes.iter().filter(|node| {
        matches!(
            node.op.as_str(),
            "Conv" | "ConvTranspose" | "Gemm" | "BatchNormalization" | "LayerNormalization"
        )
    });
    layers
        .flat_map(|node| node.inputs.iter().skip(1))
        .filter(|name| graph.initializers.contains_key(*name))
        .cloned()
        .collect()
}

/// Node and weight tensor of everything that multiplies with stored weights.
fn weights_of(graph: &Graph) -> Vec<(String, String)> {
    let multiplies = |node: &&Node| matches!(node.op.as_str(), "Conv" | "ConvTranspose" | "Gemm" | "MatMul");
    graph
        .nodes
        .iter()
        .filter(multiplies)
        .filter_map(|node| {
            let weight = node.input(1)?;
            graph.initializers.contains_key(weight).then(|| (node.name.clone(), weight.to_string()))
        })
        .collect()
}

/// A convolution as far as it must agree.
#[derive(PartialEq)]
struct Form<'a> {
    weights: &'a [usize],
    group: i64,
    strides: Vec<i64>,
}

fn form<'a>(graph: &'a Graph, node: &Node) -> Option<Form<'a>> {
    let weights = &graph.initializers.get(node.input(1)?)?.shape;
    let strides = node.ints("strides").unwrap_or(&[1, 1]).to_vec();
    Some(Form { weights, group: node.int("group", 1), strides })
}

fn convolutions(graph: &Graph) -> Vec<&Node> {
    graph.nodes.iter().filter(|node| node.standard_op() == "Conv").collect()
}

/// Whether two convolutions agree; a network that dilates may have given up a stride.
fn agree(own: &Form, other: &Form) -> bool {
    let strides = own.strides == other.strides || own.strides.iter().all(|&stride| stride == 1);
    own.weights == other.weights && own.group == other.group && strides
}

fn take_backbone(model: &mut Model, source: &Graph, taken: &mut Taken, changed: &mut BTreeSet<String>) {
    let pairs: Vec<(String, &Node)> = convolutions(&model.graph)
        .into_iter()
        .zip(convolutions(source))
        .take_while(|(own, other)| match (form(&model.graph, own), form(source, other)) {
            (Some(own), Some(other)) => agree(&own, &other),
            _ => false,
        })
        .map(|(own, other)| (own.name.clone(), other))
        .collect();
    if pairs.len() < RUN_MIN {
        return;
    }
    let readers: BTreeMap<String, Vec<usize>> =
        model.graph.nodes.iter().enumerate().fold(BTreeMap::new(), |mut readers, (index, node)| {
            for input in &node.inputs {
                readers.entry(input.clone()).or_insert_with(Vec::new).push(index);
            }
            readers
        });
    for (name, other) in pairs {
        let Some(index) = model.graph.nodes.iter().position(|node| node.name == name) else { continue };
        let norm =
            readers.get(model.graph.nodes[index].output()).and_then(|readers| match readers.as_slice() {
                [reader] if model.graph.nodes[*reader].op == "BatchNormalization" => Some(*reader),
                _ => None,
            });
        let weights = &source.initializers[&other.inputs[1]];
        let bias = other.input(2).and_then(|bias| source.initializers.get(bias)).cloned();
        let bias = bias.unwrap_or_else(|| Tensor::f32(&[weights.shape[0]], vec![0.0; weights.shape[0]]));
        let mut set = |model: &mut Model, name: String, tensor: Tensor| {
            changed.insert(name.clone());
            model.graph.initializers.insert(name, tensor);
        };
        let own = model.graph.nodes[index].clone();
        set(model, own.inputs[1].clone(), weights.clone());
        match (own.input(2), norm) {
            (Some(own_bias), norm) => {
                set(model, own_bias.to_string(), bias.clone());
                if let Some(norm) = norm {
                    let zeros = vec![0.0; bias.elements()];
                    identity_norm(model, norm, Tensor::f32(&bias.shape, zeros), &mut set);
                }
            }
            (None, Some(norm)) => identity_norm(model, norm, bias, &mut set),
            (None, None) => {
                let name = format!("{}.bias", own.name);
                model.graph.nodes[index].inputs.push(name.clone());
                set(model, name, bias);
                taken.biases_added.push(own.name.clone());
            }
        }
        taken.folded.push((own.name.clone(), other.name.clone()));
    }
}

/// Makes a norm add `shift` and nothing else.
fn identity_norm(
    model: &mut Model,
    norm: usize,
    shift: Tensor,
    set: &mut impl FnMut(&mut Model, String, Tensor),
) {
    let node = model.graph.nodes[norm].clone();
    let epsilon = node.float("epsilon", 1e-5);
    let constant = |value: f32| Tensor::f32(&shift.shape, vec![value; shift.elements()]);
    let values = [constant(1.0), shift.clone(), constant(0.0), constant(1.0 - epsilon)];
    for (input, tensor) in node.inputs[1..].iter().zip(values) {
        set(model, input.clone(), tensor);
    }
}
