//! From the ONNX graph to int8 programs: each quantized region of a graph becomes one [`Program`].
//!
//! 1. [`walk`] goes through the nodes in order and keeps, for every tensor, what is known of it: its 8-bit integers, a function
//!    of them, a constant, or the result of an operator that waits for its scale. Dequantize and quantize nodes vanish here, so
//!    that it does not matter how a tool arranged them.
//! 2. Each family of operators has a file that writes its part of the program.
//! 3. [`polish`] merges tables and clamps into what comes before.
//! 4. [`regions`] finds what the graph's outputs need, cuts the rest, and puts the program's parts and the float nodes in an
//!    order.

mod conv;
mod draft;
mod elementwise;
mod functions;
mod layer_norm;
mod layout;
mod matmul;
mod norm;
mod polish;
mod pool;
mod qoperator;
mod quantization;
mod regions;
mod resize;
mod shape_ops;
mod tables;
mod value;
mod walk;
mod window;

use super::program::Program;
use crate::onnx::Model;

/// Domain of the nodes that stand for programs.
pub const DOMAIN: &str = "ai.sedge";

/// Operator of the nodes that stand for programs; attribute `program` is the index in [`Lowered::programs`].
pub const OPERATOR: &str = "Int8Program";

/// A model whose quantized regions are programs.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// What is left: float nodes, and for each program one node of domain [`DOMAIN`] and operator [`OPERATOR`] with the
    /// program's ports as inputs and outputs.
    pub model: Model,
    /// The programs.
    pub programs: Vec<Program>,
    /// Nodes that stay as they are, in the graph's order.
    pub kept: Vec<Kept>,
}

impl Lowered {
    /// The program that the whole graph became, its ports the model's inputs and outputs in order; `None` where something
    /// stays outside.
    pub fn whole(&self) -> Option<&Program> {
        let ([program], [_]) = (self.programs.as_slice(), self.model.graph.nodes.as_slice()) else {
            return None;
        };
        let graph = &self.model.graph;
        let inputs =
            graph.inputs.iter().map(|input| &input.name).eq(program.inputs.iter().map(|port| &port.name));
        let outputs =
            graph.outputs.iter().map(|output| &output.name).eq(program.outputs.iter().map(|port| &port.name));
        (inputs && outputs).then_some(program)
    }
}

/// A node that is not part of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// Why.
    pub reason: String,
}

/// Why a graph cannot be right, whatever runs it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LowerError {
    /// Names or shapes that contradict each other.
    #[error("{model}: {place}: {reason}")]
    Graph {
        /// The model.
        model: String,
        /// The node.
        place: String,
        /// The contradiction.
        reason: String,
    },
    /// A scale, zero point, weight or bias that means nothing.
    #[error("{model}: {place}: {reason}; quantize the model again")]
    Quantization {
        /// The model.
        model: String,
        /// The node.
        place: String,
        /// What was found.
        reason: String,
    },
}

/// Turns the quantized regions of `model`, whose inputs have fixed shapes, into programs.
///
/// # Errors
/// When the graph contradicts itself, or its scales and zero points mean nothing. What is only not known here stays in
/// [`Lowered::model`].
pub fn lower(model: &Model) -> Result<Lowered, LowerError> {
    let mut walk = walk::Walk::new(model);
    walk.run()?;
    Ok(regions::assemble(walk))
}

#[cfg(test)]
mod tests;
