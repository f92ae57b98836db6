//! Cross entropy of the sigmoid, for two classes.

use tch::{Reduction, TchError, Tensor};

use super::pixels::Pixels;

/// One channel: class 1 against class 0. Two channels: each against the one-hot target, the mean of both.
pub(super) fn loss(pixels: &Pixels, smoothing: f64) -> Result<Tensor, TchError> {
    let one_channel = pixels.channels() == 1;
    let truth = if one_channel {
        pixels.labels.f_to_kind(pixels.kind)?.f_unsqueeze(1)?
    } else {
        pixels.one_hot()?.shallow_clone()
    };
    let truth = match smoothing {
        0.0 => truth,
        smoothing => truth.f_mul_scalar(1.0 - smoothing)?.f_add_scalar(smoothing / 2.0)?,
    };
    let losses =
        pixels.logits.f_binary_cross_entropy_with_logits(&truth, None::<Tensor>, None, Reduction::None)?;
    pixels.mean(&losses.f_mean_dim(&[1_i64][..], false, pixels.kind)?)
}
