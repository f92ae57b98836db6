//! Normalization of rows: softmax, layer normalization.

use super::rounding::Rounding;
use crate::kernels::{LayerNormParams, Q, Quantization, unsigned};

/// Rows whose sums grow side by side: each addition waits for the one before in its row.
const ROWS: usize = 8;

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
        let mut rows = [&input[..length]; ROWS];
        for (slot, row) in rows.iter_mut().zip(input.chunks_exact(length)) {
            *slot = row;
        }
        let mut largest = [Q::MIN; ROWS];
        for (largest, row) in largest.iter_mut().zip(rows) {
            *largest = row.iter().fold(Q::MIN, |largest, &x| x.max(largest));
        }
        let exponential = |largest: Q, x: Q| exponentials[usize::from(largest.abs_diff(x))];
        let mut sums = [0.0; ROWS];
        for i in 0..length {
            for row in 0..ROWS {
                sums[row] += exponential(largest[row], rows[row][i]);
            }
        }
        for (row, out) in out.chunks_exact_mut(length).enumerate() {
            for (out, input) in out.chunks_mut(BLOCK).zip(rows[row].chunks(BLOCK)) {
                let mut shares = [0.0; BLOCK];
                for (share, &x) in shares.iter_mut().zip(input) {
                    *share = exponential(largest[row], x);
                }
                for (out, share) in out.iter_mut().zip(shares) {
                    *out = rounding.store(share / sums[row] / output.scale);
                }
            }
        }
    }
}

/// Values looked up before they are divided.
const BLOCK: usize = 32;

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
