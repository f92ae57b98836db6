//! The definition of depthwise convolution.

use super::requantize::requantize;
use crate::kernels::{Depthwise, Epilogue, Lines, Output, PackedDepthwise, Patches};

/// Keeps the weights in their order, `[taps][channels]`.
pub fn pack(weights: &Depthwise) -> PackedDepthwise {
    let mut data = Lines::zeros(weights.weights.len());
    for (byte, &weight) in data.bytes_mut().iter_mut().zip(weights.weights) {
        *byte = weight as u8;
    }
    PackedDepthwise {
        channels: weights.channels,
        taps: weights.taps,
        data,
        bias: weights.bias.to_vec(),
        zero_point: weights.zero_point,
    }
}

/// See [`crate::kernels::Kernels::depthwise`].
pub fn run(patches: &Patches, weights: &PackedDepthwise, epilogue: &Epilogue, out: &mut Output) {
    debug_assert_eq!((patches.taps.len(), patches.run), (weights.taps, weights.channels));
    for pixel in 0..patches.pixels() {
        let (base, at) = (patches.base(pixel), out.at(pixel));
        for channel in 0..weights.channels {
            let mut acc = weights.bias[channel];
            for (index, tap) in patches.taps.iter().enumerate() {
                let value = i32::from(patches.data[base + tap + channel]) - weights.zero_point;
                let weight = weights.data.bytes()[index * weights.channels + channel] as i8;
                acc = acc.wrapping_add(value * i32::from(weight));
            }
            let residual = epilogue.residual.map(|with| with.data[pixel * with.stride + channel]);
            out.data[at + channel] = requantize(acc, channel, residual, epilogue);
        }
    }
}
