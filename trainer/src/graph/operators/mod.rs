//! The operators: a table from an operator's name to its function, one file a family.
//!
//! Each function takes a [`Call`] and gives the node's outputs. Shapes in the files' comments are those of one picture;
//! [`Value`] says which axis the batch multiplies.

mod activation;
mod arithmetic;
mod call;
mod convolution;
mod indexing;
mod join;
mod layout;
mod matrix;
mod normalization;
mod pool;
mod quantization;
mod random;
mod reduction;
mod resize;
mod shape;
mod window;

pub(super) use call::Call;

use super::error::Fault;
use super::value::Value;

/// Computes a node.
pub(super) type Operator = fn(&Call) -> Result<Vec<Value>, Fault>;

/// Names and functions of a family.
type Table = &'static [(&'static str, Operator)];

const FAMILIES: [Table; 14] = [
    activation::TABLE,
    arithmetic::TABLE,
    convolution::TABLE,
    indexing::TABLE,
    join::TABLE,
    layout::TABLE,
    matrix::TABLE,
    normalization::TABLE,
    pool::TABLE,
    quantization::TABLE,
    random::TABLE,
    reduction::TABLE,
    resize::TABLE,
    shape::TABLE,
];

/// The function of the operator `name` of ONNX's standard domain.
pub(super) fn find(name: &str) -> Option<Operator> {
    FAMILIES.iter().copied().flatten().find(|(known, _)| *known == name).map(|(_, operator)| *operator)
}
