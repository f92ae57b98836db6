//! Between real numbers and stored values.

use std::ops::Range;

use super::rounding::Rounding;
use crate::kernels::{Output, Q, Quantization};

/// See [`crate::kernels::Operators::quantize`].
#[inline(always)]
pub fn quantize(input: &[f32], quantization: &Quantization, out: &mut [Q]) {
    assert_eq!(input.len(), out.len(), "there is a value for each number");
    let rounding = Rounding::unbounded(quantization.zero);
    for (out, &x) in out.iter_mut().zip(input) {
        *out = quantized(x, quantization.scale, &rounding);
    }
}

#[inline(always)]
fn quantized(x: f32, scale: f32, rounding: &Rounding) -> Q {
    let steps = x / scale;
    rounding.store(if steps.is_nan() { 0.0 } else { steps })
}

/// Pixels quantized before they are brought together.
const PIXELS: usize = 64;

/// See [`crate::kernels::Operators::quantize_image`].
#[inline(always)]
pub fn quantize_image(
    input: &[f32],
    plane: usize,
    pixels: Range<usize>,
    quantization: &Quantization,
    out: &mut Output,
) {
    assert!(
        pixels.end <= plane && input.len().is_multiple_of(plane.max(1)),
        "the pixels lie within whole planes"
    );
    let rounding = Rounding::unbounded(quantization.zero);
    let scale = quantization.scale;
    for (channel, input) in input.chunks_exact(plane.max(1)).enumerate() {
        for (row, input) in input[pixels.clone()].chunks(out.width.max(1)).enumerate() {
            for (block, input) in input.chunks(PIXELS).enumerate() {
                let mut values = [0; PIXELS];
                for (value, &x) in values.iter_mut().zip(input) {
                    *value = quantized(x, scale, &rounding);
                }
                let first = row * out.row_step + block * PIXELS * out.step + channel;
                for (index, &value) in values[..input.len()].iter().enumerate() {
                    out.data[first + index * out.step] = value;
                }
            }
        }
    }
}

/// See [`crate::kernels::Operators::dequantize`].
#[inline(always)]
pub fn dequantize(input: &[Q], quantization: &Quantization, out: &mut [f32]) {
    assert_eq!(input.len(), out.len(), "there is a number for each value");
    for (out, &q) in out.iter_mut().zip(input) {
        *out = dequantized(q, quantization);
    }
}

#[inline(always)]
fn dequantized(q: Q, quantization: &Quantization) -> f32 {
    (i32::from(q) - quantization.zero) as f32 * quantization.scale
}

/// See [`crate::kernels::Operators::dequantize_image`].
#[inline(always)]
pub fn dequantize_image(
    input: &[Q],
    channels: usize,
    range: Range<usize>,
    quantization: &Quantization,
    out: &mut [f32],
) {
    assert!(range.end <= channels, "the part lies within the channels");
    if range.is_empty() {
        return;
    }
    assert_eq!(input.len() / channels, out.len() / range.len(), "there is a number for each value");
    let pixels = input.len() / channels;
    // By blocks of pixels, so that they are in the cache for each channel.
    for (block, input) in input.chunks(PIXELS * channels).enumerate() {
        for (channel, out) in range.clone().zip(out.chunks_exact_mut(pixels)) {
            let mut values = [0; PIXELS];
            for (value, input) in values.iter_mut().zip(input.chunks_exact(channels)) {
                *value = input[channel];
            }
            let out = &mut out[block * PIXELS..][..input.len() / channels];
            for (out, value) in out.iter_mut().zip(values) {
                *out = dequantized(value, quantization);
            }
        }
    }
}
