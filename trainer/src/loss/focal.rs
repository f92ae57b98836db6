//! The focal loss.

use tch::{TchError, Tensor};

use super::pixels::Pixels;

/// -(1 - p_t)^gamma * log p_t, as a weighted mean; class weights are the paper's alpha.
pub(super) fn loss(pixels: &Pixels, gamma: f64) -> Result<Tensor, TchError> {
    let index = pixels.labels.f_unsqueeze(1)?;
    let log = pixels.log_probabilities()?.f_gather(1, &index, false)?.f_squeeze_dim(1)?;
    let rest = log.f_expm1()?.f_neg()?;
    let losses = rest.f_pow_tensor_scalar(gamma)?.f_mul(&log)?.f_neg()?;
    pixels.mean(&losses)
}
