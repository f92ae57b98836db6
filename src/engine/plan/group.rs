//! Which operators run as one step.

use crate::engine::program::{Id, Kind, Op, Program};

/// An intermediate tensor smaller than this stays in the cache anyway, and whole steps use threads better.
const STREAMED_BYTES_MIN: usize = 128 * 1024;
/// Weights of a streamed chain are read once for every band: more than this would push the bands out of the cache.
const STREAMED_WEIGHTS_MAX: usize = 160 * 1024;

/// Operators of one step.
#[derive(Clone, Debug, PartialEq)]
pub enum Group {
    /// Fused operators on images, in order.
    Chain(Vec<Link>),
    /// One other operator.
    Whole(usize),
}

/// An operator of a chain with what is fused into its epilogue.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The operator.
    pub op: usize,
    /// The addition after it, and which of its inputs is the other tensor.
    pub residual: Option<(usize, usize)>,
    /// Tables applied to its output.
    pub tables: Vec<usize>,
}

impl Link {
    /// The tensor that leaves the link.
    pub fn output(&self, program: &Program) -> Id {
        let last = self.tables.last().copied().or(self.residual.map(|(add, _)| add)).unwrap_or(self.op);
        program.ops[last].output
    }
}

impl Group {
    /// Indices of the operators, with those in epilogues.
    pub fn ops(&self) -> Vec<usize> {
        match self {
            Group::Whole(op) => vec![*op],
            Group::Chain(links) => links
                .iter()
                .flat_map(|link| {
                    let residual = link.residual.map(|(add, _)| add);
                    std::iter::once(link.op).chain(residual).chain(link.tables.iter().copied())
                })
                .collect(),
        }
    }

    /// Tensors read from outside.
    pub fn inputs(&self, program: &Program) -> Vec<Id> {
        match self {
            Group::Whole(op) => program.ops[*op].inputs.clone(),
            Group::Chain(links) => {
                let mut inputs = vec![program.ops[links[0].op].inputs[0]];
                inputs.extend(
                    links
                        .iter()
                        .filter_map(|link| link.residual)
                        .map(|(add, side)| program.ops[add].inputs[side]),
                );
                inputs
            }
        }
    }

    /// The tensor written.
    pub fn output(&self, program: &Program) -> Id {
        match self {
            Group::Whole(op) => program.ops[*op].output,
            Group::Chain(links) => links[links.len() - 1].output(program),
        }
    }
}

/// Operators of `program` in steps, in an order in which every input is there.
pub fn group(program: &Program) -> Vec<Group> {
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); program.tensors.len()];
    for (index, op) in program.ops.iter().enumerate() {
        for &input in &op.inputs {
            readers[input].push(index);
        }
    }
    let outside: Vec<Id> = program.outputs.iter().map(|port| port.tensor).collect();
    let only_reader = |tensor: Id| match readers[tensor].as_slice() {
        &[reader] if !outside.contains(&tensor) => Some(reader),
        _ => None,
    };
    let mut taken = vec![false; program.ops.len()];
    // Groups by their last operator: by then all inputs are there.
    let mut groups: Vec<(usize, Group)> = Vec::new();
    for index in 0..program.ops.len() {
        if taken[index] {
            continue;
        }
        if !is_image_op(program, &program.ops[index]) {
            taken[index] = true;
            groups.push((index, Group::Whole(index)));
            continue;
        }
        let mut links: Vec<Link> = Vec::new();
        let mut next = Some(index);
        while let Some(op) = next.take() {
            let mut link = Link { op, residual: None, tables: Vec::new() };
            taken[op] = true;
            while let Some(reader) = only_reader(link.output(program)).filter(|&reader| !taken[reader]) {
                let joins = match program.ops[reader].kind {
                    Kind::Add { .. } if link.tables.is_empty() && link.residual.is_none() => {
                        let side = usize::from(program.ops[reader].inputs[0] == link.output(program));
                        let other = program.ops[reader].inputs[side];
                        let fits = is_convolution(&program.ops[op].kind)
                            && other != link.output(program)
                            && program.tensors[other].dims == program.tensors[program.ops[op].output].dims
                            && program.tensors[other].axes == program.tensors[program.ops[op].output].axes
                            && program.ops[reader + 1..].iter().all(|later| later.output != other)
                            && is_before(program, other, reader);
                        if fits {
                            link.residual = Some((reader, side));
                        }
                        fits
                    }
                    Kind::Table { .. } => {
                        link.tables.push(reader);
                        true
                    }
                    _ => false,
                };
                if !joins {
                    break;
                }
                taken[reader] = true;
            }
            let ends = link.residual.is_some();
            let output = link.output(program);
            links.push(link);
            if !ends {
                next = only_reader(output)
                    .filter(|&reader| !taken[reader] && program.ops[reader].inputs[0] == output)
                    .filter(|&reader| is_image_op(program, &program.ops[reader]))
                    .filter(|&reader| streams(program, &links, output, reader));
            }
        }
        let group = Group::Chain(links);
        let last = group.ops().into_iter().max().unwrap_or(index);
        groups.push((last, group));
    }
    groups.sort_by_key(|&(last, _)| last);
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Whether `tensor` is fed, constant, or written by an operator before `op`.
fn is_before(program: &Program, tensor: Id, op: usize) -> bool {
    program.ops.iter().position(|other| other.output == tensor).is_none_or(|writer| writer < op)
        && program.tensors[tensor].constant.is_none()
}

fn is_convolution(kind: &Kind) -> bool {
    matches!(kind, Kind::Conv { .. })
}

/// Whether `op` maps rows of one image to rows of another.
fn is_image_op(program: &Program, op: &Op) -> bool {
    let image = program.tensors[op.inputs[0]].dims.len() == 4 && program.tensors[op.output].dims.len() == 4;
    image
        && program.tensors[op.inputs[0]].constant.is_none()
        && matches!(
            op.kind,
            Kind::Conv { .. }
                | Kind::ConvTranspose { .. }
                | Kind::MaxPool { .. }
                | Kind::AveragePool { .. }
                | Kind::Nearest { .. }
                | Kind::Linear { .. }
        )
}

/// Whether it pays to keep `between` in bands instead of in the arena.
fn streams(program: &Program, links: &[Link], between: Id, reader: usize) -> bool {
    let weight_bytes = |op: usize| match &program.ops[op].kind {
        Kind::Conv { weights, .. } | Kind::ConvTranspose { weights, .. } => 2 * weights.values.len(),
        _ => 0,
    };
    let weights = links.iter().map(|link| weight_bytes(link.op)).sum::<usize>() + weight_bytes(reader);
    let dims = &program.tensors[between].dims;
    dims[0] == 1
        && dims[1] >= 8
        && program.tensors[between].elements() >= STREAMED_BYTES_MIN
        && weights <= STREAMED_WEIGHTS_MAX
}
