//! The weights of a resize: a triangle as wide as the reduction, in whole numbers of 16 bits.

use crate::kernels::Windows;

/// Bits that a sum of products with bytes leaves to the weights: 32, less 8 of the byte, less sign and overflow.
const SUM_BITS: u32 = 32 - 8 - 2;

/// Brings `from` pixels in a row to `to`, both above 0, by a triangle filter whose support grows with the reduction
/// (bilinear with antialiasing, as Pillow's `BILINEAR` and other libraries' 8-bit convolutions): output `o` looks at
/// `center = (o + 0.5) * from / to`, and a pixel whose own center is `d` away counts `1 - d / max(from / to, 1)`. The
/// weights of an output add up to 1, and are then rounded at the precision at which the largest of all still fits.
pub(super) fn triangle(from: u32, to: u32) -> Windows {
    let scale = f64::from(from) / f64::from(to);
    let radius = scale.max(1.0);
    let inverse = 1.0 / radius;
    let mut reals = Vec::new();
    let mut windows = Windows::default();
    for output in 0..to {
        let center = (f64::from(output) + 0.5) * scale;
        let first = (center - radius).floor().max(0.0) as u32;
        let end = (center + radius).ceil().min(f64::from(from)) as u32;
        let weight = |x: &u32| (1.0 - ((f64::from(*x) - (center - 0.5)) * inverse).abs()).max(0.0);
        // A pixel at the very border counts nothing and is left out.
        let inside: Vec<u32> = (first..end).filter(|x| weight(x) > 0.0).collect();
        let sum: f64 = inside.iter().map(weight).sum();
        windows.starts.push(inside[0] as usize);
        windows.lengths.push(inside.len());
        reals.extend(inside.iter().map(|x| weight(x) / sum));
    }
    let largest = reals.iter().copied().fold(0.0, f64::max);
    let too_large =
        |precision: &u32| (largest * f64::from(1 << (precision + 1))).round() >= f64::from(1 << 15);
    windows.precision = (0..SUM_BITS - 1).find(too_large).unwrap_or(SUM_BITS - 1);
    windows.taps = windows.lengths.iter().copied().max().unwrap_or(0);
    let mut reals = reals.iter().map(|weight| (weight * f64::from(1 << windows.precision)).round() as i16);
    for &length in &windows.lengths {
        windows.weights.extend(reals.by_ref().take(length));
        windows.weights.resize(windows.weights.len() + windows.taps - length, 0);
    }
    windows
}
