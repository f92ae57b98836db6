//! Brightness, contrast, saturation and hue as one linear map of red, green and blue.

use std::f64::consts::TAU;

use super::Augment;
use crate::data::Draws;

/// Red, green and blue in luminance (BT.601).
const LUMINANCE: [f64; 3] = [0.299, 0.587, 0.114];
/// RGB to luminance and the two color differences of NTSC (YIQ), in which the hue is an angle.
const TO_YIQ: [[f64; 3]; 3] = [LUMINANCE, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]];

type Matrix = [[f64; 3]; 3];

/// How colors are changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColorChange {
    brightness: f64,
    contrast: f64,
    saturation: f64,
    /// In turns.
    hue: f64,
}

impl ColorChange {
    pub(super) fn draw(augment: &Augment, draws: &mut Draws) -> ColorChange {
        let mut factor = |most: f64| draws.between(1.0 - most, 1.0 + most);
        let (brightness, contrast) = (factor(augment.brightness), factor(augment.contrast));
        let saturation = factor(augment.saturation);
        ColorChange { brightness, contrast, saturation, hue: draws.between(-augment.hue, augment.hue) }
    }

    fn is_none(&self) -> bool {
        self.brightness == 1.0 && self.contrast == 1.0 && self.saturation == 1.0 && self.hue == 0.0
    }

    /// Changes values in 0..=255, `[pixels, channels]`: grey, or colors whose red, green and blue are in the channels `order`.
    pub(super) fn apply(&self, values: &mut [f32], channels: usize, order: [usize; 3]) {
        if self.is_none() {
            return;
        }
        // Contrast is about the mean luminance, which brightness has changed before.
        let gain = self.brightness * self.contrast;
        let offset = (1.0 - self.contrast) * self.brightness * mean_luminance(values, channels, order);
        if channels == 1 {
            for value in values {
                *value = (gain * f64::from(*value) + offset) as f32;
            }
            return;
        }
        let matrix =
            product(&self.saturation_and_hue(), &diagonal([gain; 3])).map(|row| row.map(|a| a as f32));
        let offset = offset as f32;
        for pixel in values.chunks_exact_mut(channels) {
            let [red, green, blue] = order.map(|channel| pixel[channel]);
            for (row, channel) in matrix.iter().zip(order) {
                pixel[channel] = row[0] * red + row[1] * green + row[2] * blue + offset;
            }
        }
    }

    /// Turns and stretches the color differences. Luminance stays, and grey stays grey.
    fn saturation_and_hue(&self) -> Matrix {
        let (sin, cos) = (self.hue * TAU).sin_cos();
        let (sin, cos) = (sin * self.saturation, cos * self.saturation);
        let turn = [[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]];
        product(&inverse(&TO_YIQ), &product(&turn, &TO_YIQ))
    }
}

fn mean_luminance(values: &[f32], channels: usize, order: [usize; 3]) -> f64 {
    let luminance = |pixel: &[f32]| match channels {
        1 => f64::from(pixel[0]),
        _ => order.iter().zip(LUMINANCE).map(|(&channel, weight)| weight * f64::from(pixel[channel])).sum(),
    };
    values.chunks_exact(channels).map(luminance).sum::<f64>() / (values.len() / channels) as f64
}

fn diagonal(entries: [f64; 3]) -> Matrix {
    let entry = |row, column| if row == column { entries[row] } else { 0.0 };
    std::array::from_fn(|row| std::array::from_fn(|column| entry(row, column)))
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let entry = |row: usize, column: usize| (0..3).map(|k| a[row][k] * b[k][column]).sum();
    std::array::from_fn(|row| std::array::from_fn(|column| entry(row, column)))
}

/// By cofactors.
fn inverse(a: &Matrix) -> Matrix {
    let minor = |row: usize, column: usize| {
        let [r, s] = [(row + 1) % 3, (row + 2) % 3];
        let [c, d] = [(column + 1) % 3, (column + 2) % 3];
        a[r][c] * a[s][d] - a[r][d] * a[s][c]
    };
    let determinant: f64 = (0..3).map(|column| a[0][column] * minor(0, column)).sum();
    std::array::from_fn(|row| std::array::from_fn(|column| minor(column, row) / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: ColorChange = ColorChange { brightness: 1.0, contrast: 1.0, saturation: 1.0, hue: 0.0 };

    #[test]
    fn colors_change_as_said() {
        let pixels = [200.0, 100.0, 50.0, 40.0, 40.0, 40.0];
        let luminance = 0.299 * 200.0 + 0.587 * 100.0 + 0.114 * 50.0;
        let mean = (luminance + 40.0) / 2.0;
        let cases: [(&str, ColorChange, [f32; 6]); 5] = [
            ("none", NONE, pixels),
            ("brightness", ColorChange { brightness: 0.5, ..NONE }, pixels.map(|value| value * 0.5)),
            ("no contrast", ColorChange { contrast: 0.0, ..NONE }, [mean; 6]),
            (
                "contrast",
                ColorChange { contrast: 1.5, ..NONE },
                pixels.map(|value| mean + 1.5 * (value - mean)),
            ),
            (
                "no saturation",
                ColorChange { saturation: 0.0, ..NONE },
                [luminance, luminance, luminance, 40.0, 40.0, 40.0],
            ),
        ];
        for (name, change, expected) in cases {
            for (channels, order) in [([0, 1, 2], [0, 1, 2]), ([2, 1, 0], [2, 1, 0])] {
                let place = |at: usize| at / 3 * 3 + channels[at % 3];
                let mut values: Vec<f32> = (0..6).map(|at| pixels[place(at)]).collect();
                change.apply(&mut values, 3, order);
                let close = (0..6).all(|at| (values[at] - expected[place(at)]).abs() < 0.5);
                assert!(close, "{name}: {values:?}, not {expected:?} in {order:?}");
            }
        }
    }

    #[test]
    fn hue_turns_red_to_green_and_keeps_gray() {
        let mut values = [255.0, 0.0, 0.0, 90.0, 90.0, 90.0];
        ColorChange { hue: -1.0 / 3.0, ..NONE }.apply(&mut values, 3, [0, 1, 2]);
        let turned = values;
        assert!(turned[1] > turned[0] + 50.0 || turned[2] > turned[0] + 50.0, "{turned:?}");
        assert!(turned[3..].iter().all(|value| (value - 90.0).abs() < 0.5), "{turned:?}");
        ColorChange { hue: 1.0 / 3.0, ..NONE }.apply(&mut values, 3, [0, 1, 2]);
        assert!((values[0] - 255.0).abs() < 1.0 && values[1].abs() < 1.0, "{values:?}");
    }
}
