//! One affine map for image and mask.

use super::Augment;
use crate::data::Draws;

/// Where each pixel of the result comes from, in pixels of the source: `x = matrix[0] . (column, row, 1)`, likewise `y`, for
/// centers of pixels, which lie at halves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Warp {
    pub(super) matrix: [[f64; 3]; 2],
}

impl Warp {
    /// The map of `[height, width]` to itself that the draws choose.
    pub(super) fn draw(augment: &Augment, draws: &mut Draws, width: usize, height: usize) -> Warp {
        let size = [width as f64, height as f64];
        // All are drawn, also those that do nothing, so that one option does not change what another one draws.
        let mut mirror = |chance: f64| if draws.unit() < chance { -1.0 } else { 1.0 };
        let mirrors = [mirror(augment.flip), mirror(augment.vflip)];
        // Twice as large and half as large are equally likely.
        let (low, high) = (augment.scale.0.ln(), augment.scale.1.ln());
        let factor = draws.between(low, high).exp();
        let least = if augment.crop > 0.0 { augment.crop } else { 1.0 };
        let window = draws.between(least, 1.0);
        let mut shifts = [0.0; 2];
        for (shift, size) in shifts.iter_mut().zip(size) {
            let inside = draws.between(-0.5, 0.5) * (1.0 - window);
            *shift = (inside + draws.between(-augment.shift, augment.shift)) * size;
        }
        let (sin, cos) = draws.between(-augment.rotate, augment.rotate).to_radians().sin_cos();
        let zoom = window / factor;
        let linear = [
            [cos * zoom * mirrors[0], -sin * zoom * mirrors[1]],
            [sin * zoom * mirrors[0], cos * zoom * mirrors[1]],
        ];
        // Centers of pixels, about the middle of the picture, go through the linear part.
        let middle = size.map(|length| length / 2.0);
        let row = |axis: usize| {
            let [a, b] = linear[axis];
            let moved = a * (0.5 - middle[0]) + b * (0.5 - middle[1]);
            [a, b, moved + middle[axis] + shifts[axis]]
        };
        Warp { matrix: [row(0), row(1)] }
    }

    pub(super) fn is_identity(&self) -> bool {
        self.matrix == [[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]]
    }

    /// The place in the source of a pixel's center.
    fn source(&self, column: usize, row: usize) -> [f64; 2] {
        self.matrix.map(|[a, b, c]| a * column as f64 + b * row as f64 + c)
    }

    /// The image by bilinear interpolation; beside it, its border pixels go on. Pixels are `[height, width, channels]`.
    pub(super) fn image(&self, source: &[u8], width: usize, channels: usize, out: &mut [f32]) {
        let height = source.len() / (width * channels);
        for (row, out) in out.chunks_exact_mut(width * channels).enumerate() {
            for (column, out) in out.chunks_exact_mut(channels).enumerate() {
                let [x, y] = self.source(column, row);
                let (x, y) = (between_pixels(x, width), between_pixels(y, height));
                let line = |row: usize| &source[row * width * channels..][..width * channels];
                let (upper, lower) = (line(y.0), line(y.1));
                for (channel, out) in out.iter_mut().enumerate() {
                    let across = |line: &[u8]| {
                        let (left, right) = (line[x.0 * channels + channel], line[x.1 * channels + channel]);
                        f32::from(left) + (f32::from(right) - f32::from(left)) * x.2
                    };
                    let (upper, lower) = (across(upper), across(lower));
                    *out = upper + (lower - upper) * y.2;
                }
            }
        }
    }

    /// The mask by the nearest pixel; beside it, `outside`.
    pub(super) fn mask(&self, source: &[u8], width: usize, outside: u8, out: &mut [u8]) {
        let height = source.len() / width;
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            for (column, out) in out.iter_mut().enumerate() {
                let [x, y] = self.source(column, row).map(f64::floor);
                let inside = x >= 0.0 && y >= 0.0 && x < width as f64 && y < height as f64;
                *out = if inside { source[y as usize * width + x as usize] } else { outside };
            }
        }
    }
}

/// The two pixels whose centers a place lies between, and how far it is from the first to the second.
fn between_pixels(place: f64, length: usize) -> (usize, usize, f32) {
    let last = length - 1;
    let place = (place - 0.5).clamp(0.0, last as f64);
    let first = place as usize;
    (first, (first + 1).min(last), (place - first as f64) as f32)
}
