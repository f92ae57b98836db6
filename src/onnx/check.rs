//! What every graph must satisfy before anything else looks at it: names that lead somewhere, an order to run in.

use std::collections::{BTreeMap, BTreeSet};

use super::{Model, Node, OnnxError};

/// The lowest operator set whose meanings Sedge relies on.
const OPSET_MIN: i64 = 7;

/// Checks `model`, names nameless nodes and sorts the nodes topologically (ties keep the file's order).
pub(super) fn check(model: &mut Model) -> Result<(), OnnxError> {
    let origin = model.origin.clone();
    let invalid = |place: String, reason: String| OnnxError::Invalid { model: origin.clone(), place, reason };
    if model.opset() < OPSET_MIN {
        return Err(OnnxError::Unsupported {
            model: origin.clone(),
            place: "the model".to_string(),
            what: format!("operator set {}", model.opset()),
            advice: "export it with operator set 13 or newer",
        });
    }
    let graph = &mut model.graph;
    if graph.nodes.is_empty() {
        return Err(invalid("the graph".to_string(), "holds no nodes".to_string()));
    }
    if graph.outputs.is_empty() {
        return Err(invalid("the graph".to_string(), "has no outputs".to_string()));
    }
    name_nodes(&mut graph.nodes);

    // Where each tensor comes from: None for inputs and initializers, else the node's index.
    let mut sources: BTreeMap<&str, Option<usize>> = BTreeMap::new();
    for name in graph.initializers.keys().chain(graph.inputs.iter().map(|input| &input.name)) {
        if sources.insert(name, None).is_some() {
            return Err(invalid(format!("tensor {name}"), "is an input twice".to_string()));
        }
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|name| !name.is_empty()) {
            if sources.insert(output, Some(index)).is_some() {
                return Err(invalid(
                    node.place(),
                    format!("writes tensor {output}, which is written already"),
                ));
            }
        }
    }
    for node in &graph.nodes {
        if let Some(name) =
            node.inputs.iter().find(|name| !name.is_empty() && !sources.contains_key(name.as_str()))
        {
            return Err(invalid(node.place(), format!("reads tensor {name}, which nothing writes")));
        }
    }
    if let Some(output) = graph.outputs.iter().find(|output| !sources.contains_key(output.name.as_str())) {
        return Err(invalid(format!("output {}", output.name), "nothing writes it".to_string()));
    }

    let order = topological_order(&graph.nodes, &sources)
        .map_err(|index| invalid(graph.nodes[index].place(), "is part of a cycle".to_string()))?;
    if !order.is_sorted() {
        let mut nodes: Vec<Option<Node>> = std::mem::take(&mut graph.nodes).into_iter().map(Some).collect();
        graph.nodes = order.into_iter().filter_map(|index| nodes[index].take()).collect();
    }
    Ok(())
}

/// Gives every node a name of its own: nameless nodes after their operator and first output.
fn name_nodes(nodes: &mut [Node]) {
    let mut taken = BTreeSet::new();
    for node in nodes {
        let wanted =
            if node.name.is_empty() { format!("{}_{}", node.op, node.output()) } else { node.name.clone() };
        let mut name = wanted.clone();
        let mut count = 1;
        while !taken.insert(name.clone()) {
            count += 1;
            name = format!("{wanted}_{count}");
        }
        node.name = name;
    }
}

/// An order in which every node comes after its inputs, or a node on a cycle (Kahn's algorithm).
fn topological_order(nodes: &[Node], sources: &BTreeMap<&str, Option<usize>>) -> Result<Vec<usize>, usize> {
    let mut waits_for = vec![0usize; nodes.len()];
    let mut readers = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for input in &node.inputs {
            if let Some(Some(source)) = sources.get(input.as_str()) {
                waits_for[index] += 1;
                readers[*source].push(index);
            }
        }
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|&index| waits_for[index] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for &reader in &readers[index] {
            waits_for[reader] -= 1;
            if waits_for[reader] == 0 {
                ready.insert(reader);
            }
        }
    }
    match waits_for.iter().position(|&count| count > 0) {
        Some(index) => Err(index),
        None => Ok(order),
    }
}
