//! Sums, means, extremes and arg max along axes, which keep size 1 or go.

use tch::{Kind, Tensor};

use super::Table;
use super::call::{Call, one};
use crate::graph::error::{Fault, failed, unsupported};
use crate::graph::value::{Value, axis_of};

pub(super) const TABLE: Table = &[
    ("ArgMax", |call| arg(call, |x, axis, keep| x.f_argmax(axis, keep))),
    ("ArgMin", |call| arg(call, |x, axis, keep| x.f_argmin(axis, keep))),
    ("ReduceL1", |call| reduce(call, |x, axes, keep| x.f_abs()?.f_sum_dim_intlist(axes, keep, None))),
    ("ReduceL2", |call| {
        reduce(call, |x, axes, keep| x.f_mul(x)?.f_sum_dim_intlist(axes, keep, None)?.f_sqrt())
    }),
    ("ReduceMax", |call| reduce(call, |x, axes, keep| x.f_amax(axes, keep))),
    ("ReduceMean", |call| reduce(call, |x, axes, keep| x.f_mean_dim(axes, keep, None))),
    ("ReduceMin", |call| reduce(call, |x, axes, keep| x.f_amin(axes, keep))),
    ("ReduceProd", |call| reduce(call, product)),
    ("ReduceSum", |call| reduce(call, |x, axes, keep| x.f_sum_dim_intlist(axes, keep, None))),
    ("ReduceSumSquare", |call| reduce(call, |x, axes, keep| x.f_mul(x)?.f_sum_dim_intlist(axes, keep, None))),
];

type Made = Result<Tensor, tch::TchError>;

fn reduce(call: &Call, function: fn(&Tensor, &[i64], bool) -> Made) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let keep = call.node.int("keepdims", 1) != 0;
    let given = call.list("axes", 1)?.unwrap_or_default();
    if given.is_empty() && call.node.int("noop_with_empty_axes", 0) != 0 {
        return one(x.clone());
    }
    let axes: Vec<usize> = if given.is_empty() {
        (0..x.rank()).collect()
    } else {
        given.iter().map(|&axis| axis_of(axis, x.rank())).collect::<Result<_, _>>()?
    };
    for &axis in &axes {
        x.keep_apart(axis)?;
    }
    let before = |batch: usize| axes.iter().filter(|&&axis| axis < batch).count();
    let batch = x.batch.map(|batch| if keep { batch } else { batch - before(batch) });
    let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
    one(Value { tensor: function(&x.tensor, &axes, keep)?, batch })
}

/// One axis after the other, from the last, so that the others keep their places.
fn product(x: &Tensor, axes: &[i64], keep: bool) -> Made {
    let mut axes = axes.to_vec();
    axes.sort_unstable();
    let mut y = x.shallow_clone();
    for axis in axes.into_iter().rev() {
        y = y.f_prod_dim_int(axis, keep, None)?;
    }
    Ok(y)
}

/// Without gradients: the index of the first extreme.
fn arg(call: &Call, function: fn(&Tensor, i64, bool) -> Made) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let axis = call.axis(0, x.rank())?;
    x.keep_apart(axis)?;
    if call.node.int("select_last_index", 0) != 0 {
        return unsupported("select_last_index");
    }
    let keep = call.node.int("keepdims", 1) != 0;
    let y = function(&x.tensor, axis as i64, keep)?;
    if y.kind() != Kind::Int64 {
        return failed("gives no indices");
    }
    one(Value { tensor: y, batch: x.batch.map(|batch| if keep || batch < axis { batch } else { batch - 1 }) })
}
