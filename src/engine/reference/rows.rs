//! Operators along whole dims.

use super::round;
use super::tensor::View;
use crate::engine::program::{Bounds, Tensor};

/// See `Kind::Reduce`.
pub fn reduce(x: &View, from: usize, to: usize, multiplier: f32, bounds: Bounds, output: &Tensor) -> Vec<u8> {
    let dims = &x.tensor.dims;
    let outer: usize = dims[..from].iter().product();
    let reduced: usize = dims[from..to].iter().product();
    let inner: usize = dims[to..].iter().product();
    let mut out = vec![];
    for o in 0..outer {
        for i in 0..inner {
            let mut sum = 0;
            for r in 0..reduced {
                sum += i32::from(x.values[(o * reduced + r) * inner + i]) - i32::from(x.tensor.zero_point);
            }
            out.push(round(sum as f32 * multiplier, output.zero_point, bounds));
        }
    }
    out
}

fn rows<'a>(x: &View<'a>) -> std::slice::ChunksExact<'a, u8> {
    x.values.chunks_exact(x.tensor.dims.last().copied().unwrap_or(1).max(1))
}

/// See `Kind::Softmax`.
pub fn softmax(x: &View, exponentials: &[f32], output: &Tensor) -> Vec<u8> {
    let mut out = vec![];
    for row in rows(x) {
        let largest = row.iter().copied().max().unwrap_or(0);
        let exponentials: Vec<f32> = row.iter().map(|&x| exponentials[usize::from(largest - x)]).collect();
        let mut sum = 0.0;
        for e in &exponentials {
            sum += e;
        }
        for e in exponentials {
            out.push(round(e / sum / output.scale, output.zero_point, Bounds::ALL));
        }
    }
    out
}

/// See `Kind::LayerNorm`. Mean and deviation are rounded to f32 before they meet the values.
pub fn layer_norm(x: &View, scale: &[f32], shift: &[f32], epsilon: f32, output: &Tensor) -> Vec<u8> {
    let step = f64::from(x.tensor.scale);
    let mut out = vec![];
    for row in rows(x) {
        let count = row.len() as i128;
        let sum: i128 = row.iter().map(|&x| i128::from(x)).sum();
        let squares: i128 = row.iter().map(|&x| i128::from(x) * i128::from(x)).sum();
        let mean = sum as f64 / count as f64;
        let variance = (count * squares - sum * sum) as f64 / (count * count) as f64;
        let deviation = (variance + f64::from(epsilon) / (step * step)).sqrt();
        for (c, &x) in row.iter().enumerate() {
            let normal = (f32::from(x) - mean as f32) / deviation as f32;
            out.push(round(normal * scale[c] + shift[c], output.zero_point, Bounds::ALL));
        }
    }
    out
}

/// See `Kind::ArgMax`.
pub fn argmax(x: &View) -> Vec<u8> {
    let first_of_largest = |row: &[u8]| {
        let mut best = 0;
        for (class, &value) in row.iter().enumerate() {
            if value > row[best] {
                best = class;
            }
        }
        best as u8
    };
    rows(x).map(first_of_largest).collect()
}
