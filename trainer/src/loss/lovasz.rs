//! Lovász-softmax: a surrogate whose minimum is that of the Jaccard loss itself.

use tch::{Kind, TchError, Tensor};

use super::pixels::Pixels;

/// Per class: errors |g - p|, largest first, weighted by how much each adds to the Jaccard loss (Berman et al., CVPR 2018,
/// algorithm 1), over all pixels of the batch.
pub(super) fn loss(pixels: &Pixels) -> Result<Tensor, TchError> {
    let by_class = |values: &Tensor| values.f_transpose(0, 1)?.f_flatten(1, -1);
    let truth = by_class(pixels.one_hot()?)?;
    let mut errors = pixels.log_probabilities()?.f_exp()?.f_sub(pixels.one_hot()?)?.f_abs()?;
    // An ignored pixel has error 0 and so comes last, where it changes nothing before it.
    if let Some(valid) = pixels.valid_channel()? {
        errors = errors.f_mul(&valid)?;
    }
    let (sorted, order) = by_class(&errors)?.f_sort(1, true)?;
    let gains = tch::no_grad(|| gains(&truth.f_gather(1, &order, false)?)?.f_to_kind(pixels.kind))?;
    let losses = sorted.f_mul(&gains)?.f_sum_dim_intlist(&[1_i64][..], false, pixels.kind)?;
    let present = truth.f_sum_dim_intlist(&[1_i64][..], false, pixels.kind)?;
    pixels.mean_over_present(&losses, &present)
}

/// What each pixel adds to the Jaccard loss, with `truth` (`[C,P]`, 0 and 1) in the order of the errors.
fn gains(truth: &Tensor) -> Result<Tensor, TchError> {
    // Counts stay exact in f64 beyond 2^24 pixels.
    let truth = truth.f_to_kind(Kind::Double)?;
    let all = truth.f_sum_dim_intlist(&[1_i64][..], true, Kind::Double)?;
    let common = all.f_sub(&truth.f_cumsum(1, Kind::Double)?)?;
    let union = all.f_add(&truth.f_neg()?.f_add_scalar(1.0)?.f_cumsum(1, Kind::Double)?)?;
    let jaccard = common.f_div(&union)?.f_neg()?.f_add_scalar(1.0)?;
    let pixels = jaccard.size().get(1).copied().unwrap_or(0);
    let first = jaccard.f_narrow(1, 0, 1)?;
    let rest = jaccard.f_narrow(1, 1, pixels - 1)?.f_sub(&jaccard.f_narrow(1, 0, pixels - 1)?)?;
    Tensor::f_cat(&[first, rest], 1)
}
