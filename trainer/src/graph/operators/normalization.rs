//! Batch, layer, instance and group norms: `[N,C,...]` to `[N,C,...]`.

use tch::{Tensor, no_grad};

use super::Table;
use super::call::{Call, one};
use crate::graph::Mode;
use crate::graph::error::{Fault, failed, unsupported};
use crate::graph::value::Value;

pub(super) const TABLE: Table = &[
    ("BatchNormalization", batch_norm),
    ("GroupNormalization", group_norm),
    ("InstanceNormalization", instance_norm),
    ("LayerNormalization", layer_norm),
];

/// With the batch's statistics in training, which the running ones follow:
/// `running = momentum * running + (1 - momentum) * batch`, the variance taken over all elements (divided by their number,
/// not by one less, which is libtorch's habit).
fn batch_norm(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    x.batch_first()?;
    if call.node.int("spatial", 1) == 0 {
        return unsupported("statistics of single pixels");
    }
    if call.is_wanted.iter().skip(1).any(|&wanted| wanted) {
        return unsupported("its statistics as outputs");
    }
    let epsilon = call.float("epsilon", 1e-5);
    let (gamma, beta) = (&call.input(1)?.tensor, &call.input(2)?.tensor);
    let (mean, variance) = (&call.input(3)?.tensor, &call.input(4)?.tensor);
    if call.mode == Mode::Evaluate || call.is_frozen {
        let y = x.tensor.f_batch_norm(
            Some(gamma),
            Some(beta),
            Some(mean),
            Some(variance),
            false,
            0.0,
            epsilon,
            true,
        )?;
        return one(x.like(y));
    }
    // A momentum of 1 leaves the batch's own statistics.
    let batch_mean = mean.f_zeros_like()?;
    let batch_variance = variance.f_ones_like()?;
    let y = x.tensor.f_batch_norm(
        Some(gamma),
        Some(beta),
        Some(&batch_mean),
        Some(&batch_variance),
        true,
        1.0,
        epsilon,
        true,
    )?;
    let elements = (x.tensor.numel() as i64 / x.tensor.size()[1]) as f64;
    let momentum = call.float("momentum", 0.9);
    no_grad(|| -> Result<(), tch::TchError> {
        let biased = if elements > 1.0 {
            batch_variance.f_mul_scalar((elements - 1.0) / elements)?
        } else {
            batch_variance.f_zeros_like()?
        };
        follow(mean, &batch_mean, momentum)?;
        follow(variance, &biased, momentum)
    })?;
    one(x.like(y))
}

/// Moves a running statistic, in place.
fn follow(running: &Tensor, batch: &Tensor, momentum: f64) -> Result<(), tch::TchError> {
    let next = running.f_mul_scalar(momentum)?.f_add(&batch.f_mul_scalar(1.0 - momentum)?)?;
    running.shallow_clone().f_copy_(&next)
}

/// Over all axes from `axis` on.
fn layer_norm(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let axis = call.axis(-1, x.rank())?;
    if x.batch.is_some_and(|batch| batch >= axis) {
        return failed("would mix the pictures of a batch");
    }
    if call.is_wanted.iter().skip(1).any(|&wanted| wanted) {
        return unsupported("its statistics as outputs");
    }
    let shape = x.tensor.size()[axis..].to_vec();
    // Gain and offset may broadcast in ONNX, not in libtorch.
    let whole = |index: usize| -> Result<Option<Tensor>, Fault> {
        let Some(tensor) = call.tensor(index) else { return Ok(None) };
        Ok(Some(if tensor.size() == shape {
            tensor.shallow_clone()
        } else {
            tensor.f_expand(&shape, false)?
        }))
    };
    let y = x.tensor.f_layer_norm(&shape, whole(1)?, whole(2)?, call.float("epsilon", 1e-5), true)?;
    one(x.like(y))
}

fn instance_norm(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    x.batch_first()?;
    let (gamma, beta) = (call.tensor(1), call.tensor(2));
    let epsilon = call.float("epsilon", 1e-5);
    let y = x.tensor.f_instance_norm(gamma, beta, None, None, true, 0.0, epsilon, true)?;
    one(x.like(y))
}

fn group_norm(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    x.batch_first()?;
    let groups = call.node.int("num_groups", 1);
    // Before operator set 21 gain and offset belong to groups.
    let channels = x.tensor.size()[1];
    let whole = |index: usize| -> Result<Option<Tensor>, Fault> {
        let Some(tensor) = call.tensor(index) else { return Ok(None) };
        if tensor.size() == [channels] {
            return Ok(Some(tensor.shallow_clone()));
        }
        Ok(Some(
            tensor
                .f_reshape([groups, 1])?
                .f_expand([groups, channels / groups], false)?
                .f_reshape([channels])?,
        ))
    };
    let y = x.tensor.f_group_norm(groups, whole(1)?, whole(2)?, call.float("epsilon", 1e-5), true)?;
    one(x.like(y))
}
