//! Pictures that look alike: a 64-bit hash to find candidates, and the small pictures to make sure.
//!
//! The hash is the usual DCT one (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010):
//! the picture in grey at 32x32, its 8x8 lowest DCT-II coefficients, each a bit that says whether it is above their median.

use std::f32::consts::PI;
use std::sync::LazyLock;

/// Pixels a side of a small picture.
pub const SIDE: usize = 32;
/// Coefficients a side.
const LOW: usize = 8;

/// A grey picture of 32x32 pixels, row by row.
pub type Small = [u8; SIDE * SIDE];

static BASIS: LazyLock<[[f32; SIDE]; LOW]> = LazyLock::new(|| {
    let wave = |k: usize, x: usize| (PI * (x as f32 + 0.5) * k as f32 / SIDE as f32).cos();
    std::array::from_fn(|k| std::array::from_fn(|x| wave(k, x)))
});

/// The hash; the first coefficient, the mean, takes no part in the median.
pub fn hash(small: &Small) -> u64 {
    let mut rows = [[0.0_f32; LOW]; SIDE];
    for (row, pixels) in rows.iter_mut().zip(small.chunks_exact(SIDE)) {
        for (value, wave) in row.iter_mut().zip(BASIS.iter()) {
            *value = pixels.iter().zip(wave).map(|(&pixel, w)| f32::from(pixel) * w).sum();
        }
    }
    let coefficient = |v: usize, u: usize| -> f32 { rows.iter().zip(&BASIS[v]).map(|(row, w)| row[u] * w).sum() };
    let values: [f32; LOW * LOW] = std::array::from_fn(|i| coefficient(i / LOW, i % LOW));
    let mut sorted = values[1..].to_vec();
    sorted.sort_by(f32::total_cmp);
    let median = sorted[sorted.len() / 2];
    values.iter().fold(0, |hash, &value| hash << 1 | u64::from(value > median))
}

/// How far two small pictures are apart: the root mean square of their difference over their mean standard deviation; 0
/// for equal ones, around 1.4 for unrelated ones.
pub fn distance(one: &Small, other: &Small) -> f64 {
    let number = one.len() as f64;
    let (mut squares, mut sums, mut own) = (0_i64, [0_i64; 2], [0_i64; 2]);
    for (&a, &b) in one.iter().zip(other) {
        let (a, b) = (i64::from(a), i64::from(b));
        squares += (a - b) * (a - b);
        sums[0] += a;
        sums[1] += b;
        own[0] += a * a;
        own[1] += b * b;
    }
    let deviation = |i: usize| (own[i] as f64 / number - (sums[i] as f64 / number).powi(2)).max(0.0).sqrt();
    // Half a step of brightness is the rounding itself.
    (squares as f64 / number).sqrt() / (0.5 * (deviation(0) + deviation(1))).max(0.5)
}
