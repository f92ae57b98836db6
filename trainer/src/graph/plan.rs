//! A graph made ready to run: every node with its function, every tensor with a place.

use std::collections::BTreeMap;

use sedge::onnx::{Attribute, Graph, Model, Node, Tensor as Stored};
use tch::{Device, Kind, Tensor};

use super::error::{Fault, GraphError, failed};
use super::grid::Grid;
use super::operators::{self, Operator};
use super::tensors::from_stored;
use super::variables::{Role, Variable, roles};

/// Where a tensor comes from.
pub(super) enum Source {
    /// The images.
    Images,
    /// A variable, by its index.
    Variable(usize),
    /// A constant, on the device if it holds floats.
    Constant(Tensor),
    /// A node, by its index.
    Step(usize),
}

/// A node with its function and the places of its tensors.
pub(super) struct Step {
    pub(super) node: Node,
    pub(super) function: Operator,
    pub(super) inputs: Vec<Option<usize>>,
    pub(super) outputs: Vec<Option<usize>>,
    /// What a `QuantizeLinear`, or a `DequantizeLinear` of a variable, rounds to.
    pub(super) grid: Option<Grid>,
    /// Variables that the node reads.
    pub(super) variables: Vec<usize>,
}

/// All nodes and tensors of a graph.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) sources: Vec<Source>,
    pub(super) places: BTreeMap<String, usize>,
}

/// Which nodes give some tensors, and how often each tensor is read on the way.
pub(super) struct Schedule {
    pub(super) steps: Vec<usize>,
    pub(super) reads: Vec<usize>,
    pub(super) targets: Vec<usize>,
}

/// Turns `Constant` nodes into initializers.
pub(super) fn hoist_constants(graph: &mut Graph) {
    let mut constants = Vec::new();
    graph.nodes.retain(|node| {
        let value = match node.standard_op() {
            "Constant" => constant_value(node),
            _ => None,
        };
        let is_hoisted = value.is_some();
        constants.extend(value.map(|value| (node.output().to_string(), value)));
        !is_hoisted
    });
    graph.initializers.extend(constants);
}

fn constant_value(node: &Node) -> Option<Stored> {
    let (name, value) = node.attributes.iter().next()?;
    Some(match (name.as_str(), value) {
        ("value", Attribute::Tensor(tensor)) => tensor.clone(),
        ("value_float", Attribute::Float(value)) => Stored::f32(&[], vec![*value]),
        ("value_floats", Attribute::Floats(values)) => Stored::f32(&[values.len()], values.clone()),
        ("value_int", Attribute::Int(value)) => Stored::i64(&[], vec![*value]),
        ("value_ints", Attribute::Ints(values)) => Stored::i64(&[values.len()], values.clone()),
        _ => return None,
    })
}

/// The variables of `model` and the grids of those that it stores as integers.
pub(super) struct Variables {
    pub(super) all: Vec<Variable>,
    pub(super) grids: Vec<Option<Grid>>,
}

/// Takes the variables out of `model`.
pub(super) fn variables(model: &Model, device: Device) -> Result<Variables, GraphError> {
    let graph = &model.graph;
    let mut variables = Variables { all: Vec::new(), grids: Vec::new() };
    for (name, role) in roles(graph) {
        let stored = &graph.initializers[&name];
        let mut readers = graph.nodes.iter().filter(|node| node.inputs.contains(&name));
        let dequantize = readers.clone().find(|node| node.standard_op() == "DequantizeLinear");
        let make = || -> Result<Option<(Tensor, Option<Grid>)>, Fault> {
            let Some(node) = dequantize else {
                let tensor = stored.as_f32().map(|_| from_stored(stored, Kind::Float)).transpose()?;
                return Ok(tensor.map(|tensor| (tensor, None)));
            };
            let grid = Grid::of(node, &graph.initializers, Some(stored), device)?;
            for other in graph.nodes.iter().filter(|other| other.inputs.contains(&name)) {
                if !grid.is(&Grid::of(other, &graph.initializers, Some(stored), device)?) {
                    return failed(format!("reads {name} by another scale than {}", other.place()));
                }
            }
            Ok(Some((from_stored(&grid.dequantize(stored)?, Kind::Float)?, Some(grid))))
        };
        let place = dequantize.or_else(|| readers.next()).map_or_else(String::new, Node::place);
        let Some((tensor, grid)) = make().map_err(|fault| at(model, &place, fault))? else {
            // Integers, e.g. an index list that a Concat reads.
            continue;
        };
        let tensor = tensor.f_to_device(device)?.f_set_requires_grad(role == Role::Weight)?;
        variables.all.push(Variable { name, role, tensor });
        variables.grids.push(grid);
    }
    Ok(variables)
}

impl Plan {
    /// Gives every node its function and every tensor its place.
    pub(super) fn of(
        model: &Model,
        variables: &Variables,
        device: Device,
        kind: Kind,
    ) -> Result<Plan, GraphError> {
        let graph = &model.graph;
        let mut plan = Plan { steps: Vec::new(), sources: Vec::new(), places: BTreeMap::new() };
        let indices: BTreeMap<&str, usize> = variables
            .all
            .iter()
            .enumerate()
            .map(|(index, variable)| (variable.name.as_str(), index))
            .collect();
        for input in &graph.inputs {
            plan.place(&input.name, Source::Images);
        }
        for (name, stored) in &graph.initializers {
            let source = match indices.get(name.as_str()) {
                Some(&index) => Source::Variable(index),
                None => Source::Constant(constant(model, name, stored, device, kind)?),
            };
            plan.place(name, source);
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            let step = plan.step(model, node, index, device)?;
            plan.steps.push(step);
        }
        Ok(plan)
    }

    fn place(&mut self, name: &str, source: Source) -> usize {
        self.sources.push(source);
        self.places.insert(name.to_string(), self.sources.len() - 1);
        self.sources.len() - 1
    }

    fn step(&mut self, model: &Model, node: &Node, index: usize, device: Device) -> Result<Step, GraphError> {
        let function = operators::find(node.standard_op()).ok_or_else(|| GraphError::Unsupported {
            model: model.origin.clone(),
            place: node.place(),
            what: match node.domain.as_str() {
                "" => format!("operator {}", node.op),
                domain => format!("operator {domain}.{}", node.op),
            },
        })?;
        let inputs: Vec<Option<usize>> =
            node.inputs.iter().map(|name| self.places.get(name).copied()).collect();
        let variables: Vec<usize> = inputs
            .iter()
            .flatten()
            .filter_map(|&place| match self.sources[place] {
                Source::Variable(variable) => Some(variable),
                _ => None,
            })
            .collect();
        let grid = self
            .grid(model, node, !variables.is_empty(), device)
            .map_err(|fault| at(model, &node.place(), fault))?;
        let outputs = node
            .outputs
            .iter()
            .map(|name| (!name.is_empty()).then(|| self.place(name, Source::Step(index))))
            .collect();
        Ok(Step { node: node.clone(), function, inputs, outputs, grid, variables })
    }

    /// The grid that the node rounds to. Integers between `QuantizeLinear` and `DequantizeLinear` are not formed: the
    /// first gives the rounded floats, the second passes them on, so nobody else may read what lies between.
    fn grid(
        &self,
        model: &Model,
        node: &Node,
        of_variable: bool,
        device: Device,
    ) -> Result<Option<Grid>, Fault> {
        let graph = &model.graph;
        match node.standard_op() {
            "QuantizeLinear" => {
                let mut grid = Grid::of(node, &graph.initializers, None, device)?;
                grid.reads_pixels = graph.inputs.iter().any(|input| node.input(0) == Some(&input.name));
                for reader in graph.nodes.iter().filter(|reader| reader.input(0) == Some(node.output())) {
                    if reader.standard_op() != "DequantizeLinear" {
                        return failed(format!(
                            "{} reads its integers; only DequantizeLinear may",
                            reader.place()
                        ));
                    }
                    if !grid.is(&Grid::of(reader, &graph.initializers, None, device)?) {
                        return failed(format!("{} has another scale or zero point", reader.place()));
                    }
                }
                Ok(Some(grid))
            }
            "DequantizeLinear" => {
                let stored = node.input(0).and_then(|name| graph.initializers.get(name));
                let grid = Grid::of(node, &graph.initializers, stored, device)?;
                // The variables of a scale's type would be constants; only the first input may be one.
                Ok((of_variable && stored.is_some()).then_some(grid))
            }
            _ => Ok(None),
        }
    }

    /// What must run for the tensors at `targets`.
    pub(super) fn schedule(&self, targets: Vec<usize>) -> Schedule {
        let mut reads = vec![0; self.sources.len()];
        let mut needed = vec![false; self.steps.len()];
        let mut need = |place: usize, needed: &mut Vec<bool>| {
            reads[place] += 1;
            if let Source::Step(step) = self.sources[place] {
                needed[step] = true;
            }
        };
        for &target in &targets {
            need(target, &mut needed);
        }
        for index in (0..self.steps.len()).rev() {
            if needed[index] {
                for &input in self.steps[index].inputs.iter().flatten() {
                    need(input, &mut needed);
                }
            }
        }
        let steps = (0..self.steps.len()).filter(|&index| needed[index]).collect();
        Schedule { steps, reads, targets }
    }
}

/// A constant as a tensor; floats go to the device, integers are shapes and indices and stay in main memory.
fn constant(
    model: &Model,
    name: &str,
    stored: &Stored,
    device: Device,
    kind: Kind,
) -> Result<Tensor, GraphError> {
    let graph = &model.graph;
    let dequantize = graph
        .nodes
        .iter()
        .find(|node| node.standard_op() == "DequantizeLinear" && node.input(0) == Some(name));
    let make = || -> Result<Tensor, Fault> {
        let tensor = match dequantize {
            Some(node) => {
                let grid = Grid::of(node, &graph.initializers, Some(stored), device)?;
                from_stored(&grid.dequantize(stored)?, kind)?
            }
            None => from_stored(stored, kind)?,
        };
        let is_float = matches!(tensor.kind(), Kind::Float | Kind::Double);
        Ok(if is_float { tensor.f_to_device(device)? } else { tensor })
    };
    make().map_err(|fault| at(model, &format!("initializer {name}"), fault))
}

/// A fault at a place of `model`.
pub(super) fn at(model: &Model, place: &str, fault: Fault) -> GraphError {
    let (model, place) = (model.origin.clone(), place.to_string());
    match fault {
        Fault::Unsupported(what) => GraphError::Unsupported { model, place, what },
        Fault::Failed(reason) => GraphError::Node { model, place, reason },
    }
}
