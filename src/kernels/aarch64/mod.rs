//! Kernels for 64-bit ARM: ARMv8.0, with dot products (ARMv8.2), with matrix products (ARMv8.6).
//!
//! Activations are `i8` here, and zero points are folded into the bias when weights are packed:
//! `sum((x - zero) * w) = sum(x * w) - zero * sum(w)`, exact because sums wrap. Instructions that the compiler has no
//! stable intrinsic for (`sdot`, `smmla`) are inline assembly.

mod dot;
mod product;
mod requantize;
#[cfg(test)]
mod tests;

pub use dot::NeonDot;

use super::{Kernels, Matrix};

/// The kernels that this processor can run, slowest first.
pub fn available() -> Vec<&'static dyn Kernels> {
    let mut kernels: Vec<&'static dyn Kernels> = vec![];
    if let Some(dot) = NeonDot::detected() {
        kernels.push(dot);
    }
    kernels
}

/// Bias of output channel `channel` with the zero point folded in; 0 past the last channel.
fn folded_bias(matrix: &Matrix, channel: usize) -> i32 {
    let Some(&bias) = matrix.bias.get(channel) else { return 0 };
    let row = &matrix.weights[channel * matrix.depth..][..matrix.depth];
    let sum = row.iter().fold(0i32, |sum, &weight| sum.wrapping_add(weight.into()));
    bias.wrapping_sub(sum.wrapping_mul(matrix.zero_point))
}

/// How far from 0 the sum of channel `channel` may be with its folded bias, as far as that is an `i32`.
fn largest_sum(matrix: &Matrix, channel: usize) -> i32 {
    let row = &matrix.weights[channel * matrix.depth..][..matrix.depth];
    let weights: i64 = row.iter().map(|weight| i64::from(weight.unsigned_abs())).sum();
    let largest = i64::from(folded_bias(matrix, channel)).abs() + 128 * weights;
    i32::try_from(largest).unwrap_or(i32::MAX)
}
