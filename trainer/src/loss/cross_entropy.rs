//! Cross entropy of the softmax.

use tch::{Reduction, TchError, Tensor};

use super::pixels::Pixels;

/// A label that no target has.
const NONE: i64 = -100;

/// -w_t * log p_t, summed and divided by the sum of w_t: PyTorch's `cross_entropy` with its mean, but 0 and not NaN where
/// every pixel is ignored.
pub(super) fn loss(pixels: &Pixels, smoothing: f64) -> Result<Tensor, TchError> {
    let sum = pixels.logits.f_cross_entropy_loss(
        pixels.targets,
        pixels.class_weights.as_ref(),
        Reduction::Sum,
        pixels.ignore.unwrap_or(NONE),
        smoothing,
    )?;
    sum.f_div(&pixels.weight_sum()?)
}
