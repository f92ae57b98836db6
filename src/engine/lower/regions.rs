//! What the graph's outputs need, cut into programs and nodes that stay: a region is what lies between two float nodes on the
//! longest path, so that no path leaves a region and comes back to it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::program::{Element, Id, Kind, Op, Port, Program};
use super::draft::Draft;
use super::polish::polish;
use super::value::Value;
use super::walk::Walk;
use super::{DOMAIN, Kept, Lowered, OPERATOR};
use crate::onnx::{Attribute, Node};

/// What is needed of a walked graph.
struct Needs<'a> {
    /// Nodes that stay.
    kept: BTreeSet<usize>,
    /// Tensors that leave the program: their names, integers and types outside.
    exports: BTreeMap<&'a str, (Id, Element)>,
    /// Operators of the program.
    live: Vec<bool>,
}

/// Puts programs and what is left in order.
pub(super) fn assemble(mut walk: Walk) -> Lowered {
    let mut needs = needs(&mut walk);
    let mut outside = vec![0; walk.draft.tensors.len()];
    for &(id, _) in needs.exports.values() {
        outside[id] += 1;
    }
    let stands_for = polish(&mut walk.draft, &needs.live, &outside);
    for (id, _) in needs.exports.values_mut() {
        *id = stands_for[*id];
    }
    needs.live = live_ops(&walk.draft, needs.exports.values().map(|&(id, _)| id));
    let levels = Levels::of(&walk, &needs);
    build(walk, needs, levels)
}

/// Follows the graph's outputs back to where everything comes from.
fn needs<'a>(walk: &mut Walk<'a>) -> Needs<'a> {
    let graph = walk.graph();
    let mut needs = Needs { kept: BTreeSet::new(), exports: BTreeMap::new(), live: Vec::new() };
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut names: Vec<&'a str> = graph.outputs.iter().map(|output| output.name.as_str()).collect();
    let mut followed = BTreeSet::new();
    while let Some(name) = names.pop() {
        if !seen.insert(name) {
            continue;
        }
        let Some(producer) = walk.producer(name) else {
            continue;
        };
        let node = &graph.nodes[producer];
        let export = match walk.value(name) {
            Value::Function(function) if is_computed(&walk.draft, function.id) => match function.grid {
                Some(grid) => {
                    let at = super::draft::At { node: &node.name, name };
                    Some((walk.draft.relabel(at, function.id, grid), Element::F32))
                }
                None => None,
            },
            Value::Integers { id, signed } if is_computed(&walk.draft, id) => {
                Some((id, if signed { Element::I8 } else { Element::U8 }))
            }
            Value::Classes(id) => Some((id, Element::I64)),
            _ => None,
        };
        let Some((id, element)) = export else {
            needs.kept.insert(producer);
            names.extend(node.inputs.iter().map(String::as_str).filter(|name| !name.is_empty()));
            continue;
        };
        needs.exports.insert(name, (id, element));
        let mut ids = vec![id];
        while let Some(id) = ids.pop() {
            if !followed.insert(id) {
                continue;
            }
            if let Some(op) = walk.draft.writer(id) {
                ids.extend(&op.inputs);
            } else if let Some(port) = walk.draft.ports.get(&id) {
                names.extend(walk.known_name(&port.name));
            }
        }
    }
    needs.live = live_ops(&walk.draft, needs.exports.values().map(|&(id, _)| id));
    needs
}

/// Whether more than fetching was done for a tensor: programs that compute nothing are none.
fn is_computed(draft: &Draft, id: Id) -> bool {
    let mut id = id;
    while let Some(op) = draft.writer(id) {
        if op.kind != Kind::View {
            return true;
        }
        id = op.inputs[0];
    }
    false
}

fn live_ops(draft: &Draft, wanted: impl Iterator<Item = Id>) -> Vec<bool> {
    let mut live = vec![false; draft.ops.len()];
    let mut ids: Vec<Id> = wanted.collect();
    while let Some(id) = ids.pop() {
        if let Some(op) = draft.writers[id].filter(|&op| !live[op]) {
            live[op] = true;
            ids.extend(&draft.ops[op].inputs);
        }
    }
    live
}

/// How often a path from the inputs went from a program to a float node, at most.
struct Levels {
    ops: Vec<usize>,
    nodes: BTreeMap<usize, usize>,
}

impl Levels {
    fn of(walk: &Walk, needs: &Needs) -> Levels {
        let mut levels = Levels { ops: vec![0; walk.draft.ops.len()], nodes: BTreeMap::new() };
        // Both lists are in an order to run in, but not with each other: repeat until nothing rises.
        loop {
            let mut rises = false;
            for (index, op) in walk.draft.ops.iter().enumerate().filter(|(index, _)| needs.live[*index]) {
                let level = op.inputs.iter().map(|&id| levels.tensor(walk, needs, id)).max().unwrap_or(0);
                rises |= std::mem::replace(&mut levels.ops[index], level) != level;
            }
            for &index in &needs.kept {
                let inputs = walk.graph().nodes[index].inputs.iter();
                let level = inputs.map(|name| levels.name(walk, needs, name)).max().unwrap_or(0);
                rises |= levels.nodes.insert(index, level).unwrap_or(0) != level;
            }
            if !rises {
                return levels;
            }
        }
    }

    fn tensor(&self, walk: &Walk, needs: &Needs, id: Id) -> usize {
        match (walk.draft.writers[id], walk.draft.ports.get(&id)) {
            (Some(op), _) => self.ops[op],
            (None, Some(port)) => self.name(walk, needs, &port.name),
            (None, None) => 0,
        }
    }

    fn name(&self, walk: &Walk, needs: &Needs, name: &str) -> usize {
        if let Some(&(id, _)) = needs.exports.get(name) {
            return self.tensor(walk, needs, id) + 1;
        }
        walk.producer(name).and_then(|node| self.nodes.get(&node)).copied().unwrap_or(0)
    }
}

/// One program while it is put together.
#[derive(Default)]
struct Part {
    program: Program,
    ids: BTreeMap<Id, Id>,
}

impl Part {
    /// The program's own number of a tensor.
    fn take(&mut self, draft: &Draft, id: Id) -> Id {
        *self.ids.entry(id).or_insert_with(|| {
            self.program.tensors.push(draft.tensors[id].clone());
            self.program.tensors.len() - 1
        })
    }
}

fn build(mut walk: Walk, needs: Needs, levels: Levels) -> Lowered {
    let graph = walk.graph();
    let numbers: BTreeSet<usize> =
        (0..levels.ops.len()).filter(|&op| needs.live[op]).map(|op| levels.ops[op]).collect();
    let mut parts: BTreeMap<usize, Part> =
        numbers.into_iter().map(|level| (level, Part::default())).collect();

    // Integers that go from one program to a later one.
    let mut crossing: BTreeMap<Id, String> = BTreeMap::new();
    let ops = std::mem::take(&mut walk.draft.ops);
    for (index, op) in ops.into_iter().enumerate().filter(|(index, _)| needs.live[*index]) {
        let level = levels.ops[index];
        let Some(part) = parts.get_mut(&level) else { continue };
        let mut inputs = Vec::with_capacity(op.inputs.len());
        for &id in &op.inputs {
            let is_new = !part.ids.contains_key(&id);
            let tensor = part.take(&walk.draft, id);
            inputs.push(tensor);
            if !is_new {
                continue;
            }
            match (walk.draft.writers[id], walk.draft.ports.get(&id)) {
                (Some(writer), _) if levels.ops[writer] != level => {
                    let name = crossing.entry(id).or_insert_with(|| {
                        graph.fresh_name(format!("{}_integers_{id}", walk.draft.tensors[id].name))
                    });
                    part.program.inputs.push(Port { name: name.clone(), tensor, element: Element::U8 });
                }
                (None, Some(port)) => part.program.inputs.push(Port { tensor, ..port.clone() }),
                _ => {}
            }
        }
        let output = part.take(&walk.draft, op.output);
        part.program.ops.push(Op { inputs, output, ..op });
    }
    let given = needs.exports.iter().map(|(name, &(id, element))| (name.to_string(), id, element));
    let crossing = crossing.into_iter().map(|(id, name)| (name, id, Element::U8));
    for (name, id, element) in given.chain(crossing) {
        let part = walk.draft.writers[id].and_then(|writer| parts.get_mut(&levels.ops[writer]));
        if let Some(part) = part {
            let tensor = part.take(&walk.draft, id);
            part.program.outputs.push(Port { name, tensor, element });
        }
    }

    let mut left = walk.model.clone_without_graph();
    left.opsets.insert(DOMAIN.to_string(), 1);
    left.graph.name = graph.name.clone();
    left.graph.inputs = graph.inputs.clone();
    left.graph.outputs = graph.outputs.clone();
    let mut programs = Vec::new();
    let last = parts.keys().chain(levels.nodes.values()).copied().max().unwrap_or(0);
    for level in 0..=last {
        let here = needs.kept.iter().filter(|node| levels.nodes.get(node) == Some(&level));
        left.graph.nodes.extend(here.map(|&node| graph.nodes[node].clone()));
        if let Some(mut part) = parts.remove(&level) {
            let place = |port: &Port| {
                let input = graph.inputs.iter().position(|input| input.name == port.name);
                input.or_else(|| graph.outputs.iter().position(|output| output.name == port.name))
            };
            let order = |port: &Port| place(port).unwrap_or(usize::MAX);
            part.program.inputs.sort_by_key(order);
            part.program.outputs.sort_by_key(order);
            left.graph.nodes.push(program_node(programs.len(), &part.program));
            programs.push(part.program);
        }
    }
    let used: BTreeSet<String> = left.graph.uses().into_keys().map(str::to_string).collect();
    let stored = graph.initializers.iter().filter(|(name, _)| used.contains(*name));
    left.graph.initializers = stored.map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
    if programs.is_empty() {
        left.opsets = walk.model.opsets.clone();
    }
    let kept = needs.kept.iter().map(|&index| kept(&walk, index)).collect();
    Lowered { model: left, programs, kept }
}

fn program_node(index: usize, program: &Program) -> Node {
    let names = |ports: &[Port]| ports.iter().map(|port| port.name.clone()).collect();
    Node {
        name: format!("{OPERATOR}_{index}"),
        op: OPERATOR.to_string(),
        domain: DOMAIN.to_string(),
        inputs: names(&program.inputs),
        outputs: names(&program.outputs),
        attributes: BTreeMap::from([("program".to_string(), Attribute::Int(index as i64))]),
    }
}

/// A node that stays, and why.
fn kept(walk: &Walk, index: usize) -> Kept {
    let node = &walk.graph().nodes[index];
    let reason = match (walk.reasons.get(&index), walk.value(node.output())) {
        (Some(reason), _) => reason.clone(),
        (None, Value::Constant(_)) => "gives a constant to a node that stays in float".to_string(),
        (None, Value::Integers { .. }) => "only nodes that stay in float read what it rounds".to_string(),
        (None, Value::Function(function)) if function.grid.is_some() => {
            "it lies between nodes that stay in float".to_string()
        }
        (None, _) => format!("its result {} is not quantized", node.output()),
    };
    let operator = match node.domain.as_str() {
        "" => node.op.clone(),
        domain => format!("{domain}.{}", node.op),
    };
    Kept { node: node.name.clone(), operator, reason }
}
