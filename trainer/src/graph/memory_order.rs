//! The order of an image's values in memory.

use tch::{TchError, Tensor};

/// `images` `[N,C,H,W]` without gaps, a pixel's channels side by side. The shape stays; libtorch's kernels keep the order
/// from node to node, and most of them are faster in it.
pub(super) fn channels_last(images: &Tensor) -> Result<Tensor, TchError> {
    images.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
}
