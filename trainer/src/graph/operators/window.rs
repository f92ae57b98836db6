//! Windows that slide over images: kernel, strides, dilations and padding of convolutions and pools.

use sedge::onnx::Node;
use tch::Tensor;

use crate::graph::error::{Fault, failed, unsupported};

/// A window over the spatial dimensions, one entry each.
pub(super) struct Window {
    pub(super) kernel: Vec<i64>,
    pub(super) strides: Vec<i64>,
    pub(super) dilations: Vec<i64>,
    /// Elements added before and after.
    pub(super) begin: Vec<i64>,
    pub(super) end: Vec<i64>,
}

impl Window {
    /// The window of `node` over an image of `sizes`.
    pub(super) fn of(node: &Node, kernel: Vec<i64>, sizes: &[i64]) -> Result<Window, Fault> {
        let rank = kernel.len();
        let list = |name: &str| node.ints(name).map_or_else(|| vec![1; rank], <[i64]>::to_vec);
        let mut window = Window {
            strides: list("strides"),
            dilations: list("dilations"),
            begin: vec![0; rank],
            end: vec![0; rank],
            kernel,
        };
        let lengths = [window.strides.len(), window.dilations.len(), sizes.len()];
        if lengths != [rank; 3] || rank == 0 {
            return failed(format!("has a kernel of {rank} dimensions for an image of {}", sizes.len()));
        }
        let all = window.kernel.iter().chain(&window.strides).chain(&window.dilations);
        if all.clone().any(|&size| size < 1) {
            return failed("has a kernel, stride or dilation below 1");
        }
        match node.text("auto_pad", "NOTSET") {
            "NOTSET" | "" => {
                if let Some(pads) = node.ints("pads") {
                    if pads.len() != 2 * rank {
                        return failed(format!("has {} pads for {rank} dimensions", pads.len()));
                    }
                    window.begin = pads[..rank].to_vec();
                    window.end = pads[rank..].to_vec();
                }
            }
            "VALID" => {}
            same @ ("SAME_UPPER" | "SAME_LOWER") => {
                for (axis, &size) in sizes.iter().enumerate() {
                    let stride = window.strides[axis];
                    let reach = (window.kernel[axis] - 1) * window.dilations[axis] + 1;
                    let outputs = (size + stride - 1) / stride;
                    let total = ((outputs - 1) * stride + reach - size).max(0);
                    let (less, more) = (total / 2, total - total / 2);
                    (window.begin[axis], window.end[axis]) =
                        if same == "SAME_UPPER" { (less, more) } else { (more, less) };
                }
            }
            other => return unsupported(format!("auto_pad {other}")),
        }
        Ok(window)
    }

    /// Pixels from the first to the last that a window sees along `axis`.
    pub(super) fn reach(&self, axis: usize) -> i64 {
        (self.kernel[axis] - 1) * self.dilations[axis] + 1
    }

    /// Whether both sides are padded alike, and by no negative number.
    pub(super) fn is_symmetric(&self) -> bool {
        self.begin == self.end && self.begin.iter().all(|&pad| pad >= 0)
    }

    /// Number of windows along `axis` of `size` elements; with `ceil`, also a last one that starts inside the image or its
    /// padding in front and reaches beyond the end.
    pub(super) fn outputs(&self, axis: usize, size: i64, ceil: bool) -> i64 {
        let stride = self.strides[axis];
        let room = size + self.begin[axis] + self.end[axis] - self.reach(axis);
        let mut count =
            if ceil { (room + stride - 1).div_euclid(stride) } else { room.div_euclid(stride) } + 1;
        if ceil && (count - 1) * stride >= size + self.begin[axis] {
            count -= 1;
        }
        count
    }
}

/// `x` `[N,C,...]` with `begin` and `end` elements of `value` around its last dimensions; negative numbers cut off.
pub(super) fn pad(x: &Tensor, begin: &[i64], end: &[i64], value: f64) -> Result<Tensor, Fault> {
    if begin.iter().chain(end).all(|&pad| pad == 0) {
        return Ok(x.shallow_clone());
    }
    let pads: Vec<i64> = begin.iter().zip(end).rev().flat_map(|(&begin, &end)| [begin, end]).collect();
    Ok(x.f_pad(&pads, "constant", value)?)
}
