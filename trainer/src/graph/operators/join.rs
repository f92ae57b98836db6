//! Joining and splitting along an axis.

use super::Table;
use super::call::{Call, one};
use crate::graph::error::{Fault, failed};
use crate::graph::value::{Value, on_one_device};

pub(super) const TABLE: Table = &[("Concat", concat), ("Split", split)];

fn concat(call: &Call) -> Result<Vec<Value>, Fault> {
    let parts = call.given();
    let Some(first) = parts.first() else { return failed("has no inputs") };
    let axis = call.axis(1, first.rank())?;
    let batch = parts.iter().find_map(|part| part.batch);
    let mut tensors = Vec::with_capacity(parts.len());
    for part in &parts {
        part.keep_apart(axis)?;
        if part.batch.is_some() && part.batch != batch {
            return failed("its inputs count the pictures of a batch by different axes");
        }
        let mut tensor = part.tensor.shallow_clone();
        // A constant part, such as a class token, is the same for all pictures.
        if let (Some(pictures), None) = (batch, part.batch) {
            if pictures == axis {
                return failed("would mix the pictures of a batch");
            }
            let mut repeats = vec![1; part.rank()];
            repeats[pictures] = call.pictures;
            tensor = tensor.f_repeat(&repeats)?;
        }
        tensors.push(tensor);
    }
    on_one_device(&mut tensors)?;
    one(Value { tensor: tch::Tensor::f_cat(&tensors, axis as i64)?, batch })
}

/// By sizes from an attribute or input, else into as many parts as there are outputs, the last one smaller.
fn split(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let axis = call.axis(0, x.rank())?;
    x.keep_apart(axis)?;
    let size = x.tensor.size()[axis];
    let sizes = match call.list("split", 1)? {
        Some(sizes) => sizes,
        None => {
            let count = call.node.int("num_outputs", call.node.outputs.len() as i64).max(1);
            let each = (size + count - 1) / count;
            (0..count).map(|part| each.min(size - part * each)).collect()
        }
    };
    if sizes.iter().sum::<i64>() != size || sizes.iter().any(|&part| part < 0) {
        return failed(format!("splits {size} elements into {sizes:?}"));
    }
    let mut start = 0;
    let mut parts = Vec::with_capacity(sizes.len());
    for size in sizes {
        parts.push(x.like(x.tensor.f_narrow(axis as i64, start, size)?));
        start += size;
    }
    Ok(parts)
}
