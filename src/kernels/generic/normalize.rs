//! Normalization of rows: softmax, layer normalization.

use super::rounding::Rounding;
use crate::kernels::{LayerNormParams, Q, Quantization, unsigned};

/// Rows whose sums grow side by side: each addition waits for the one before in its row.
const ROWS: usize = 4;

/// See [`crate::kernels::Operators::softmax`].
#[inline(always)]
pub fn softmax(input: &[Q], length: usize, exponentials: &[f32], output: &Quantization, out: &mut [Q]) {
    assert_eq!(input.len(), out.len(), "softmax keeps the number of values");
    if length == 0 {
        return;
    }
    let exponentials: &[f32; 256] = exponentials.try_into().expect("there are 256 exponentials");
    let rounding = Rounding::unbounded(output.zero);
    for (input, out) in input.chunks(ROWS * length).zip(out.chunks_mut(ROWS * length)) {
        // Where there are fewer rows, the last takes the place of the others.
        let count = input.len() / length;
        let rows = [0, 1, 2, 3].map(|index: usize| &input[index.min(count - 1) * length..][..length]);
        let largest = rows.map(|row| row.iter().fold(Q::MIN, |largest, &x| x.max(largest)));
        let exponential = |largest: Q, x: Q| exponentials[usize::from(largest.abs_diff(x))];
        let mut sums = [0.0; ROWS];
        let [a, b, c, d] = rows;
        for (((&a, &b), &c), &d) in a.iter().zip(b).zip(c).zip(d) {
            sums[0] += exponential(largest[0], a);
            sums[1] += exponential(largest[1], b);
            sums[2] += exponential(largest[2], c);
            sums[3] += exponential(largest[3], d);
        }
        for (index, out) in out.chunks_exact_mut(length).enumerate() {
            // As many divisions as there are differences, if that is fewer.
            if length >= 256 {
                let mut shares = [0; 256];
                for (share, &exponential) in shares.iter_mut().zip(exponentials) {
                    *share = rounding.store(exponential / sums[index] / output.scale);
                }
                for (out, &x) in out.iter_mut().zip(rows[index]) {
                    *out = shares[usize::from(largest[index].abs_diff(x))];
                }
            } else {
                for (out, &x) in out.iter_mut().zip(rows[index]) {
                    *out = rounding.store(exponential(largest[index], x) / sums[index] / output.scale);
                }
            }
        }
    }
}

/// See [`crate::kernels::Operators::layer_norm`].
#[inline(always)]
pub fn layer_norm(input: &[Q], params: &LayerNormParams, out: &mut [Q]) {
    let length = params.scale.len();
    assert_eq!(params.shift.len(), length, "there is a shift for each scale");
    assert_eq!(input.len(), out.len(), "layer normalization keeps the number of values");
    assert!(length <= 1 << 19, "sums of squares of {length} values may not be exact");
    let epsilon = f64::from(params.epsilon) / (f64::from(params.input_scale) * f64::from(params.input_scale));
    let rounding = Rounding::unbounded(params.zero);
    for (input, out) in input.chunks_exact(length.max(1)).zip(out.chunks_exact_mut(length.max(1))) {
        // The integers are unsigned ones, so that rounded means are the same however values are stored.
        let sum: u32 = input.iter().map(|&x| u32::from(unsigned(x))).sum();
        let squares: u64 = input.iter().map(|&x| u64::from(u32::from(unsigned(x)).pow(2))).sum();
        let (sum, count) = (u64::from(sum), length as u64);
        let variance = (count * squares - sum * sum) as f64 / (count * count) as f64;
        let mean = (sum as f64 / count as f64) as f32;
        let deviation = (variance + epsilon).sqrt() as f32;
        for (((out, &x), &scale), &shift) in out.iter_mut().zip(input).zip(params.scale).zip(params.shift) {
            *out = rounding.store((f32::from(unsigned(x)) - mean) / deviation * scale + shift);
        }
    }
}
