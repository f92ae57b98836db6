//! Operators on windows of images.

use super::round;
use super::tensor::{View, image, places};
use crate::engine::program::{Bounds, Tensor, Weights, Window};

/// The input coordinate under a tap of the window of an output coordinate, along height (0) or width (1); it may lie in
/// the padding.
fn under(window: &Window, along: usize, output: usize, tap: usize) -> isize {
    (output * window.strides[along] + tap * window.dilations[along]) as isize - window.pads[along] as isize
}

/// The coordinate if it lies inside.
fn inside(coordinate: isize, size: usize) -> Option<usize> {
    usize::try_from(coordinate).ok().filter(|&coordinate| coordinate < size)
}

/// Index of a weight.
fn weight(weights: &Weights, window: &Window, per_group: usize, [o, ky, kx, i]: [usize; 4]) -> i32 {
    let [kh, kw] = window.kernel;
    i32::from(weights.values[((o * kh + ky) * kw + kx) * per_group + i])
}

/// See `Kind::Conv`.
pub fn conv(x: &View, window: &Window, weights: &Weights, bounds: Bounds, output: &Tensor) -> Vec<u8> {
    let [_, height, width, inputs] = x.image();
    let [_, _, _, outputs] = image(output);
    let (per_group, outputs_per_group) = (inputs / weights.groups, outputs / weights.groups);
    let value = |place: Vec<usize>| {
        let [n, y, x_, o] = place[..] else { unreachable!() };
        let group = o / outputs_per_group;
        let mut sum = weights.bias[o];
        for ky in 0..window.kernel[0] {
            for kx in 0..window.kernel[1] {
                let (Some(iy), Some(ix)) =
                    (inside(under(window, 0, y, ky), height), inside(under(window, 1, x_, kx), width))
                else {
                    continue;
                };
                for i in 0..per_group {
                    let value = x.centered(&[n, iy, ix, group * per_group + i]);
                    sum = sum.wrapping_add(value * weight(weights, window, per_group, [o, ky, kx, i]));
                }
            }
        }
        round(sum as f32 * weights.multipliers[o], output.zero_point, bounds)
    };
    places(&output.dims).into_iter().map(value).collect()
}

/// See `Kind::ConvTranspose`: every input pixel is scattered.
pub fn conv_transpose(
    x: &View,
    window: &Window,
    weights: &Weights,
    bounds: Bounds,
    output: &Tensor,
) -> Vec<u8> {
    let [n, height, width, inputs] = x.image();
    let [_, out_height, out_width, outputs] = image(output);
    let (per_group, outputs_per_group) = (inputs / weights.groups, outputs / weights.groups);
    let mut sums: Vec<i32> = (0..output.elements()).map(|index| weights.bias[index % outputs]).collect();
    for place in places(&[n, height, width, outputs, window.kernel[0], window.kernel[1]]) {
        let [n, iy, ix, o, ky, kx] = place[..] else { unreachable!() };
        let (Some(y), Some(x_)) =
            (inside(under(window, 0, iy, ky), out_height), inside(under(window, 1, ix, kx), out_width))
        else {
            continue;
        };
        let sum = &mut sums[((n * out_height + y) * out_width + x_) * outputs + o];
        for i in 0..per_group {
            let value = x.centered(&[n, iy, ix, o / outputs_per_group * per_group + i]);
            *sum = sum.wrapping_add(value * weight(weights, window, per_group, [o, ky, kx, i]));
        }
    }
    let value = |(index, sum): (usize, i32)| {
        round(sum as f32 * weights.multipliers[index % outputs], output.zero_point, bounds)
    };
    sums.into_iter().enumerate().map(value).collect()
}

/// Places of a window that lie inside the image.
fn covered(window: &Window, [height, width]: [usize; 2], [y, x]: [usize; 2]) -> Vec<[usize; 2]> {
    let mut covered = vec![];
    for ky in 0..window.kernel[0] {
        for kx in 0..window.kernel[1] {
            let (iy, ix) = (under(window, 0, y, ky), under(window, 1, x, kx));
            if let (Some(iy), Some(ix)) = (inside(iy, height), inside(ix, width)) {
                covered.push([iy, ix]);
            }
        }
    }
    covered
}

/// See `Kind::MaxPool`.
pub fn max_pool(x: &View, window: &Window, output: &Tensor) -> Vec<u8> {
    let [_, height, width, _] = x.image();
    let value = |place: Vec<usize>| {
        let covered = covered(window, [height, width], [place[1], place[2]]);
        covered.into_iter().map(|[y, x_]| x.at(&[place[0], y, x_, place[3]])).max().unwrap_or(0)
    };
    places(&output.dims).into_iter().map(value).collect()
}

/// See `Kind::AveragePool`. Padding counts as far as it goes: a window that reaches beyond it is smaller.
pub fn average_pool(
    x: &View,
    window: &Window,
    count_include_pad: bool,
    bounds: Bounds,
    output: &Tensor,
) -> Vec<u8> {
    let [_, height, width, _] = x.image();
    let [top, left, bottom, right] = window.pads;
    let value = |place: Vec<usize>| {
        let [n, y, x_, c] = place[..] else { unreachable!() };
        let covered = covered(window, [height, width], [y, x_]);
        let sum: i32 = covered.iter().map(|&[iy, ix]| x.centered(&[n, iy, ix, c])).sum();
        let count = if count_include_pad {
            let mut padded = *window;
            padded.pads = [0; 4];
            self::covered(&padded, [height + top + bottom, width + left + right], [y, x_]).len()
        } else {
            covered.len()
        };
        let factor = f64::from(x.tensor.scale) / f64::from(output.scale) / count.max(1) as f64;
        round(sum as f32 * factor as f32, output.zero_point, bounds)
    };
    places(&output.dims).into_iter().map(value).collect()
}
