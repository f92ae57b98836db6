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
    let coefficient =
        |v: usize, u: usize| -> f32 { rows.iter().zip(&BASIS[v]).map(|(row, w)| row[u] * w).sum() };
    let values: [f32; LOW * LOW] = std::array::from_fn(|i| coefficient(i / LOW, i % LOW));
    let mut sorted = values[1..].to_vec();
    sorted.sort_by(f32::total_cmp);
    let median = sorted[sorted.len() / 2];
    values.iter().fold(0, |hash, &value| hash << 1 | u64::from(value > median))
}

/// How far two small pictures are apart, whatever their brightness and contrast: the root mean square of their difference
/// after both are brought to mean 0 and standard deviation 1, which is sqrt(2 - 2 r) of their correlation r; 0 for equal
/// ones, 1.4 for unrelated ones.
pub fn distance(one: &Small, other: &Small) -> f64 {
    let number = one.len() as i64;
    let (mut product, mut sums, mut squares) = (0_i64, [0_i64; 2], [0_i64; 2]);
    for (&a, &b) in one.iter().zip(other) {
        let (a, b) = (i64::from(a), i64::from(b));
        product += a * b;
        sums = [sums[0] + a, sums[1] + b];
        squares = [squares[0] + a * a, squares[1] + b * b];
    }
    let covariance = (number * product - sums[0] * sums[1]) as f64;
    let variance = |i: usize| (number * squares[i] - sums[i] * sums[i]) as f64;
    // A picture without contrast is like no other.
    let scale = (variance(0) * variance(1)).sqrt();
    if scale == 0.0 { 2_f64.sqrt() } else { (2.0 - 2.0 * covariance / scale).max(0.0).sqrt() }
}

/// Whether more than half of the picture has one brightness, as drawings and digits have.
pub fn is_plain(small: &Small) -> bool {
    let mut counts = [0_usize; 256];
    small.iter().for_each(|&pixel| counts[usize::from(pixel)] += 1);
    counts.iter().any(|&count| count > small.len() / 2)
}
