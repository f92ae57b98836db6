//! The order of an image's values in memory.

use tch::{TchError, Tensor};

/// `images` `[N,C,H,W]` without gaps, a pixel's channels side by side. The shape stays; libtorch's kernels keep the order
/// from node to node, and most of them are faster in it.
pub(super) fn channels_last(images: &Tensor) -> Result<Tensor, TchError> {
    let ordered = images.f_permute([0, 2, 3, 1])?.f_contiguous()?;
    match images.size4() {
        // Gray images have both orders at once; libtorch takes them for this one by the stride of their channel.
        Ok((count, 1, height, width)) => {
            ordered.f_as_strided([count, 1, height, width], [height * width, 1, width, 1], None)
        }
        _ => ordered.f_permute([0, 3, 1, 2]),
    }
}
