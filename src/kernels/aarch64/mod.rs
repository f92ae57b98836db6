//! Kernels for 64-bit ARM: ARMv8.0, with dot products (ARMv8.2), with matrix products (ARMv8.6).
//!
//! Activations are `i8` here, and zero points are folded into the bias when weights are packed:
//! `sum((x - zero) * w) = sum(x * w) - zero * sum(w)`, exact because sums wrap. Instructions that the compiler has no
//! stable intrinsic for (`sdot`, `smmla`) are inline assembly.

mod copies;
mod depthwise;
mod dot;
mod i8mm;
mod neon;
mod pixels;
mod product;
mod rounding;
mod shared;
mod slide;
mod target;
#[cfg(test)]
mod tests;

pub use dot::NeonDot;
pub use i8mm::NeonI8mm;
pub use neon::Neon;

use super::{Kernels, Matrix};

/// The kernels that this processor can run, slowest first.
pub fn available() -> Vec<&'static dyn Kernels> {
    let mut kernels: Vec<&'static dyn Kernels> = vec![&Neon];
    if let Some(dot) = NeonDot::detected() {
        kernels.push(dot);
    }
    if let Some(i8mm) = NeonI8mm::detected() {
        kernels.push(i8mm);
    }
    kernels
}

/// A bias with the zero point of what the weights meet folded in.
fn folded_sum(bias: i32, weights: impl Iterator<Item = i8>, zero_point: i32) -> i32 {
    let sum = weights.fold(0i32, |sum, weight| sum.wrapping_add(weight.into()));
    bias.wrapping_sub(sum.wrapping_mul(zero_point))
}

/// How far from 0 a sum may be that begins with the folded `bias`, as far as that is an `i32`.
fn largest_sum(bias: i32, weights: impl Iterator<Item = i8>) -> i32 {
    let weights: i64 = weights.map(|weight| i64::from(weight.unsigned_abs())).sum();
    i32::try_from(i64::from(bias).abs() + 128 * weights).unwrap_or(i32::MAX)
}

/// For each output channel of a matrix its folded bias, and how far from 0 its sum may be.
fn folded_bias(matrix: &Matrix) -> (Vec<i32>, Vec<i32>) {
    let row = |channel: usize| matrix.weights[channel * matrix.depth..][..matrix.depth].iter().copied();
    let folded = |channel: usize| folded_sum(matrix.bias[channel], row(channel), matrix.zero_point);
    let largest = |channel: usize| largest_sum(folded(channel), row(channel));
    ((0..matrix.outputs).map(folded).collect(), (0..matrix.outputs).map(largest).collect())
}
