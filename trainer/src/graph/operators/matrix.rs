//! Matrix products: `[...,M,K]` and `[...,K,N]` to `[...,M,N]`.

use super::Table;
use super::call::{Call, one};
use crate::graph::error::{Fault, failed};
use crate::graph::value::Value;

pub(super) const TABLE: Table = &[("Gemm", gemm), ("MatMul", matmul)];

/// `alpha * A B + beta * C`, A and B transposed if asked for.
fn gemm(call: &Call) -> Result<Vec<Value>, Fault> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    if a.rank() != 2 || b.rank() != 2 {
        return failed("takes matrices");
    }
    let (trans_a, trans_b) = (call.node.int("transA", 0) != 0, call.node.int("transB", 0) != 0);
    if b.batch.is_some() || a.batch == Some(usize::from(!trans_a)) {
        return failed("would mix the pictures of a batch");
    }
    let (alpha, beta) = (call.float("alpha", 1.0), call.float("beta", 1.0));
    let left = if trans_a { a.tensor.f_tr()? } else { a.tensor.shallow_clone() };
    let batch = a.batch.map(|_| 0);
    let c = call.optional(2);
    if trans_b && alpha == 1.0 && beta == 1.0 && c.is_none_or(|c| c.rank() == 1 && c.batch.is_none()) {
        return one(Value { tensor: left.f_linear(&b.tensor, c.map(|c| &c.tensor))?, batch });
    }
    let right = if trans_b { b.tensor.f_tr()? } else { b.tensor.shallow_clone() };
    let mut y = left.f_matmul(&right)?;
    if alpha != 1.0 {
        y = y.f_mul_scalar(alpha)?;
    }
    let product = Value { tensor: y, batch };
    let Some(c) = c else { return one(product) };
    let scaled = if beta == 1.0 { c.clone() } else { c.like(c.tensor.f_mul_scalar(beta)?) };
    let (tensors, batch) = crate::graph::value::broadcast(&[&product, &scaled], call.pictures)?;
    one(Value { tensor: tensors[0].f_add(&tensors[1])?, batch })
}

fn matmul(call: &Call) -> Result<Vec<Value>, Fault> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let (rank_a, rank_b) = (a.rank(), b.rank());
    let rank = rank_a.max(rank_b);
    if rank_a == 0 || rank_b == 0 {
        return failed("takes matrices");
    }
    // Summed over: the last axis of A, the last but one of B.
    if a.batch == Some(rank_a - 1) || b.batch == Some(rank_b.saturating_sub(2)) && b.batch.is_some() {
        return failed("would mix the pictures of a batch");
    }
    let place = |value: &Value| value.batch.map(|axis| rank - value.rank() + axis);
    if let (Some(one), Some(other)) = (place(a), place(b))
        && one != other
    {
        return failed("its inputs count the pictures of a batch by different axes");
    }
    let batch = place(a).or(place(b));
    // A vector's axis is not in the result.
    let batch = if rank_b == 1 || rank_a == 1 {
        let y = a.tensor.f_matmul(&b.tensor)?;
        return one(Value { batch: batch.filter(|&axis| axis < y.dim()), tensor: y });
    } else {
        batch
    };
    one(Value { tensor: a.tensor.f_matmul(&b.tensor)?, batch })
}
