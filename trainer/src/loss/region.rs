//! Overlap of softened regions: Dice and Jaccard. Sums go over all pixels of the batch.

use tch::{TchError, Tensor};

use super::pixels::Pixels;

/// Smaller regions than this have no pixel.
const TINY: f64 = 1e-12;

/// Per class: pixels of softened prediction and truth in common, and each one's own.
fn regions(pixels: &Pixels) -> Result<[Tensor; 3], TchError> {
    let (predicted, truth) = (pixels.probabilities()?, pixels.one_hot()?);
    let common = pixels.sum_by_class(&predicted.f_mul(truth)?)?;
    Ok([common, pixels.sum_by_class(&predicted)?, pixels.sum_by_class(truth)?])
}

/// 1 - 2 * sum(p * g) / (sum(p) + sum(g)) a class.
pub(super) fn dice(pixels: &Pixels) -> Result<Tensor, TchError> {
    let [common, predicted, truth] = regions(pixels)?;
    let both = predicted.f_add(&truth)?.f_clamp_min(TINY)?;
    let losses = common.f_mul_scalar(2.0)?.f_div(&both)?.f_neg()?.f_add_scalar(1.0)?;
    pixels.mean_over_present(&losses, &truth)
}

/// 1 - sum(p * g) / (sum(p) + sum(g) - sum(p * g)) a class.
pub(super) fn jaccard(pixels: &Pixels) -> Result<Tensor, TchError> {
    let [common, predicted, truth] = regions(pixels)?;
    let union = predicted.f_add(&truth)?.f_sub(&common)?.f_clamp_min(TINY)?;
    let losses = common.f_div(&union)?.f_neg()?.f_add_scalar(1.0)?;
    pixels.mean_over_present(&losses, &truth)
}
