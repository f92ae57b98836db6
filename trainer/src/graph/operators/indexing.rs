//! Parts of tensors, and borders around them.

use tch::Tensor;

use super::Table;
use super::call::{Call, one};
use crate::graph::error::{Fault, failed, unsupported};
use crate::graph::value::{Value, axis_of};

pub(super) const TABLE: Table = &[("Gather", gather), ("Pad", pad), ("Slice", slice)];

/// Rows of the first input by the indices of the second, along `axis`.
fn gather(call: &Call) -> Result<Vec<Value>, Fault> {
    let (x, index) = (call.input(0)?, call.input(1)?);
    let axis = call.axis(0, x.rank())?;
    x.keep_apart(axis)?;
    if x.batch.is_some() && index.batch.is_some() {
        return unsupported("rows and indices that both depend on the image");
    }
    let size = x.tensor.size();
    let flat = index.tensor.f_to_device(x.tensor.device())?.f_to_kind(tch::Kind::Int64)?.f_reshape([-1])?;
    // Negative indices count from the end.
    let flat = flat.f_remainder(size[axis])?;
    let mut shape = size[..axis].to_vec();
    shape.extend(index.tensor.size());
    shape.extend(&size[axis + 1..]);
    let tensor = x.tensor.f_index_select(axis as i64, &flat)?.f_reshape(&shape)?;
    let batch = match (x.batch, index.batch) {
        (Some(batch), _) if batch > axis => Some(batch + index.rank() - 1),
        (Some(batch), _) => Some(batch),
        (None, Some(batch)) => Some(axis + batch),
        (None, None) => None,
    };
    one(Value { tensor, batch })
}

/// Starts, ends, axes and steps from inputs or, before operator set 10, attributes.
fn slice(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let (Some(starts), Some(ends)) = (call.list("starts", 1)?, call.list("ends", 2)?) else {
        return failed("has no starts or ends");
    };
    let axes = call.list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.integers(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return failed("has starts, ends, axes and steps of different numbers");
    }
    let shape = x.shape_of_one(call.pictures);
    let mut y = x.tensor.shallow_clone();
    for (((&start, &end), &axis), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let axis = axis_of(axis, x.rank())?;
        let size = shape[axis];
        if step == 0 {
            return failed("has a step of 0");
        }
        let place = |value: i64| if value < 0 { value.saturating_add(size) } else { value };
        if step > 0 {
            let (start, end) = (place(start).clamp(0, size), place(end).clamp(0, size));
            if x.batch == Some(axis) {
                if start != 0 || end != size || step != 1 {
                    return failed("would take pictures out of a batch");
                }
                continue;
            }
            y = y.f_slice(axis as i64, start, end.max(start), step)?;
        } else {
            x.keep_apart(axis)?;
            let (start, end) = (place(start).clamp(0, size - 1), place(end).clamp(-1, size - 1));
            let picked: Vec<i64> =
                std::iter::successors(Some(start), |at| Some(at + step)).take_while(|&at| at > end).collect();
            let index = Tensor::f_from_slice(&picked)?.f_to_device(y.device())?;
            y = y.f_index_select(axis as i64, &index)?;
        }
    }
    one(x.like(y))
}

/// Pads from input 1 or, before operator set 11, an attribute; negative ones cut off.
fn pad(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let rank = x.rank();
    let Some(given) = call.list("pads", 1)? else { return failed("has no pads") };
    let axes = call.integers(3)?.unwrap_or_else(|| (0..rank as i64).collect());
    if given.len() != 2 * axes.len() {
        return failed(format!("has {} pads for {} axes", given.len(), axes.len()));
    }
    let (mut begin, mut end) = (vec![0; rank], vec![0; rank]);
    for (index, &axis) in axes.iter().enumerate() {
        let axis = axis_of(axis, rank)?;
        (begin[axis], end[axis]) = (given[index], given[axes.len() + index]);
        if given[index] != 0 || given[axes.len() + index] != 0 {
            x.keep_apart(axis)?;
        }
    }
    let value = match call.number(2)? {
        Some(value) => value,
        None => call.float("value", 0.0),
    };
    // libtorch names the last axis first, and takes reflections only of the axes named.
    let first = (0..rank).find(|&axis| begin[axis] != 0 || end[axis] != 0);
    let Some(first) = first else { return one(x.clone()) };
    let pads: Vec<i64> = (first..rank).rev().flat_map(|axis| [begin[axis], end[axis]]).collect();
    let mode = match call.node.text("mode", "constant") {
        "constant" => return one(x.like(x.tensor.f_pad(&pads, "constant", value)?)),
        "edge" => "replicate",
        "reflect" => "reflect",
        "wrap" => "circular",
        other => return unsupported(format!("mode {other}")),
    };
    one(x.like(x.tensor.f_pad(&pads, mode, None)?))
}
