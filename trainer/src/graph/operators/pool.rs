//! Pools: `[N,C,H,W]` to `[N,C,H',W']`, global ones to `[N,C,1,1]`.

use tch::Tensor;

use super::Table;
use super::call::{Call, one};
use super::window::{Window, pad};
use crate::graph::error::{Fault, failed, unsupported};
use crate::graph::value::Value;

pub(super) const TABLE: Table = &[
    ("AveragePool", average_pool),
    ("GlobalAveragePool", |call| global(call, |x, axes| x.f_mean_dim(axes, true, None))),
    ("GlobalMaxPool", |call| global(call, |x, axes| x.f_amax(axes, true))),
    ("MaxPool", max_pool),
];

/// Image, window, and the padding at the end that a rounded up number of windows needs.
fn operands<'a>(call: &'a Call) -> Result<(&'a Value, Window, Vec<i64>), Fault> {
    let x = call.input(0)?;
    x.batch_first()?;
    let sizes = x.tensor.size();
    if sizes.len() != 4 {
        return unsupported(format!("a pool of {} dimensions", sizes.len().saturating_sub(2)));
    }
    let Some(kernel) = call.node.ints("kernel_shape") else { return failed("has no kernel_shape") };
    let window = Window::of(call.node, kernel.to_vec(), &sizes[2..])?;
    let ceil = call.node.int("ceil_mode", 0) != 0;
    let end = (0..2)
        .map(|axis| {
            let count = window.outputs(axis, sizes[axis + 2], ceil);
            let needed = (count - 1) * window.strides[axis] + window.reach(axis);
            (needed - sizes[axis + 2] - window.begin[axis]).max(window.end[axis])
        })
        .collect();
    Ok((x, window, end))
}

/// Whether libtorch's own padding does: alike on both sides, and at most half of the kernel.
fn pads_itself(window: &Window, end: &[i64]) -> bool {
    window.is_symmetric()
        && window.end == end
        && window.begin.iter().zip(&window.kernel).all(|(&pad, &kernel)| 2 * pad <= kernel)
}

fn max_pool(call: &Call) -> Result<Vec<Value>, Fault> {
    if call.is_wanted.get(1).is_some_and(|&wanted| wanted) {
        return unsupported("indices as a second output");
    }
    let (x, window, end) = operands(call)?;
    let (input, padding) = if pads_itself(&window, &end) {
        (x.tensor.shallow_clone(), window.begin.clone())
    } else {
        (pad(&x.tensor, &window.begin, &end, f64::NEG_INFINITY)?, vec![0, 0])
    };
    one(x.like(input.f_max_pool2d(&window.kernel, &window.strides, &padding, &window.dilations, false)?))
}

fn average_pool(call: &Call) -> Result<Vec<Value>, Fault> {
    let (x, window, end) = operands(call)?;
    if window.dilations.iter().any(|&dilation| dilation != 1) {
        return unsupported("a dilated average");
    }
    let counts_pads = call.node.int("count_include_pad", 0) != 0;
    let pool = |x: &Tensor, padding: &[i64]| {
        x.f_avg_pool2d(&window.kernel, &window.strides, padding, false, counts_pads, None)
    };
    if pads_itself(&window, &end) {
        return one(x.like(pool(&x.tensor, &window.begin)?));
    }
    // Means over windows that are padded with zeros, and the share of each window that counts.
    let mean = pool(&pad(&x.tensor, &window.begin, &end, 0.0)?, &[0, 0])?;
    let size = x.tensor.size();
    let mut counted = Tensor::f_ones([1, 1, size[2], size[3]], (x.tensor.kind(), x.tensor.device()))?;
    let mut rest = (window.begin.clone(), end.clone());
    if counts_pads {
        counted = pad(&counted, &window.begin, &window.end, 1.0)?;
        rest = (vec![0, 0], end.iter().zip(&window.end).map(|(end, own)| end - own).collect());
    }
    let share = pool(&pad(&counted, &rest.0, &rest.1, 0.0)?, &[0, 0])?;
    one(x.like(mean.f_div(&share)?))
}

fn global(
    call: &Call,
    function: fn(&Tensor, &[i64]) -> Result<Tensor, tch::TchError>,
) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    x.batch_first()?;
    let axes: Vec<i64> = (2..x.rank() as i64).collect();
    one(x.like(function(&x.tensor, &axes)?))
}
