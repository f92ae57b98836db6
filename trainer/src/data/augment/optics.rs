//! Blur and noise.

use super::Augment;
use crate::data::Draws;

/// How far the blur reaches, in deviations.
const REACH: f64 = 3.0;
/// Below this deviation in pixels a blur changes nothing that 8 bits can tell.
const BLUR_MIN_PX: f64 = 0.1;

/// Blurs values `[height, width, channels]` by a Gaussian whose deviation is drawn; border pixels go on beside the image.
/// `rows` is memory that is used again.
pub(super) fn blur(
    augment: &Augment,
    draws: &mut Draws,
    values: &mut [f32],
    size: (usize, usize),
    rows: &mut Vec<f32>,
) {
    let deviation = draws.between(0.0, augment.blur);
    if deviation >= BLUR_MIN_PX {
        spread(deviation, values, size, rows);
    }
}

/// Blurs by a deviation in pixels.
fn spread(deviation: f64, values: &mut [f32], (width, channels): (usize, usize), rows: &mut Vec<f32>) {
    let weights = gaussian(deviation);
    let pitch = width * channels;
    rows.clear();
    rows.extend_from_slice(values);
    // Across from `rows` to `values`, then down the other way round and back.
    for (row, out) in rows.chunks_exact(pitch).zip(values.chunks_exact_mut(pitch)) {
        mix(&weights, width, |column, weight, fresh| {
            let (source, target) = (column.0 * channels, column.1 * channels);
            for channel in 0..channels {
                let value = weight * row[source + channel];
                out[target + channel] = if fresh { value } else { out[target + channel] + value };
            }
        });
    }
    rows.copy_from_slice(values);
    let height = values.len() / pitch;
    mix(&weights, height, |row, weight, fresh| {
        let source = &rows[row.0 * pitch..][..pitch];
        for (out, value) in values[row.1 * pitch..][..pitch].iter_mut().zip(source) {
            *out = if fresh { weight * value } else { *out + weight * value };
        }
    });
}

/// For each place and weight: the source and the place itself, the weight, and whether it is the place's first.
fn mix(weights: &[f32], length: usize, mut add: impl FnMut((usize, usize), f32, bool)) {
    let reach = weights.len() / 2;
    for place in 0..length {
        for (at, &weight) in weights.iter().enumerate() {
            let source = (place + at).saturating_sub(reach).min(length - 1);
            add((source, place), weight, at == 0);
        }
    }
}

fn gaussian(deviation: f64) -> Vec<f32> {
    let reach = (REACH * deviation).ceil() as i64;
    let weight = |distance: i64| (-0.5 * (distance as f64 / deviation).powi(2)).exp();
    let sum: f64 = (-reach..=reach).map(weight).sum();
    (-reach..=reach).map(|distance| (weight(distance) / sum) as f32).collect()
}

/// Adds normal noise whose deviation is drawn, to values in 0..=255.
pub(super) fn noise(augment: &Augment, draws: &mut Draws, values: &mut [f32]) {
    let deviation = 255.0 * draws.between(0.0, augment.noise);
    if deviation > 0.0 {
        for pair in values.chunks_mut(2) {
            for (value, normal) in pair.iter_mut().zip(draws.normal()) {
                *value += (deviation * normal) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_spreads_a_point_and_keeps_the_sum() {
        let (width, channels) = (21, 3);
        let size = (width, channels);
        let center = (9 * width + 10) * channels + 1;
        for deviation in [0.4, 1.0, 2.0] {
            let mut values = vec![0.0; 19 * width * channels];
            values[center] = 1000.0;
            spread(deviation, &mut values, size, &mut Vec::new());
            assert!((values.iter().sum::<f32>() - 1000.0).abs() < 0.1);
            assert!(values.iter().enumerate().all(|(at, &value)| at % channels == 1 || value == 0.0));
            let ratio = (-0.5 / (deviation * deviation)).exp() as f32;
            for neighbor in [center - 3, center + 3, center - width * 3, center + width * 3] {
                let found = values[neighbor] / values[center];
                assert!((found - ratio).abs() < 1e-4, "{found}, not {ratio} at deviation {deviation}");
            }
            let mut flat = vec![7.0; 19 * width * channels];
            spread(deviation, &mut flat, size, &mut Vec::new());
            assert!(flat.iter().all(|value| (value - 7.0).abs() < 1e-4), "border pixels go on");
        }
    }

    #[test]
    fn noise_has_its_deviation() {
        let augment = Augment { noise: 0.1, ..Augment::default() };
        let mut deviations = Vec::new();
        for example in 0..40 {
            let mut values = vec![128.0; 2000];
            noise(&augment, &mut Draws::new([1, 2, 3, example]), &mut values);
            let variance = values.iter().map(|value| (value - 128.0).powi(2)).sum::<f32>() / 2000.0;
            deviations.push(variance.sqrt());
        }
        let largest = deviations.iter().copied().fold(0.0, f32::max);
        let mean = deviations.iter().sum::<f32>() / 40.0;
        assert!(largest < 27.0 && (8.0..18.0).contains(&mean), "{mean} {largest}");
    }
}
