//! Fake quantization: `QuantizeLinear` rounds to its grid and gives floats, `DequantizeLinear` passes them on; one that
//! reads a variable rounds its master values.

use super::Table;
use super::call::{Call, one};
use crate::graph::error::Fault;
use crate::graph::value::Value;

pub(super) const TABLE: Table = &[("DequantizeLinear", round), ("QuantizeLinear", round)];

fn round(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    match call.grid {
        Some(grid) => one(x.like(grid.fake(&x.tensor)?)),
        None => one(x.clone()),
    }
}
