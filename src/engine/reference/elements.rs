//! Operators on elements, and products of matrices.

use super::round;
use super::tensor::{View, places};
use crate::engine::program::{Bounds, Tensor};

/// See `Kind::Add`.
pub fn add(a: &View, b: &View, factors: [f32; 2], bounds: Bounds, output: &Tensor) -> Vec<u8> {
    let sum = |place: &Vec<usize>| {
        let (a, b) = (a.centered(place) as f32 * factors[0], b.centered(place) as f32 * factors[1]);
        round(a + b, output.zero_point, bounds)
    };
    places(&output.dims).iter().map(sum).collect()
}

/// See `Kind::Mul`.
pub fn mul(a: &View, b: &View, multiplier: f32, bounds: Bounds, output: &Tensor) -> Vec<u8> {
    let product = |place: &Vec<usize>| {
        let product = a.centered(place) * b.centered(place);
        round(product as f32 * multiplier, output.zero_point, bounds)
    };
    places(&output.dims).iter().map(product).collect()
}

/// See `Kind::Table`.
pub fn table(x: &View, tables: &[u8]) -> Vec<u8> {
    let last = x.tensor.dims.last().copied().unwrap_or(1);
    let value = |(index, &x): (usize, &u8)| {
        let table = if tables.len() == 256 { 0 } else { index % last };
        tables[table * 256 + usize::from(x)]
    };
    x.values.iter().enumerate().map(value).collect()
}

/// See `Kind::MatMul`.
pub fn mat_mul(
    a: &View,
    b: &View,
    transposed: bool,
    multiplier: f32,
    bounds: Bounds,
    output: &Tensor,
) -> Vec<u8> {
    let k = a.tensor.dims[a.tensor.dims.len() - 1];
    let product = |place: &Vec<usize>| {
        let (leading, last) = place.split_at(place.len() - 2);
        let (i, j) = (last[0], last[1]);
        let mut sum = 0;
        for k in 0..k {
            let left = a.centered(&[leading, &[i, k]].concat());
            let right = b.centered(&[leading, &if transposed { [j, k] } else { [k, j] }].concat());
            sum += left * right;
        }
        round(sum as f32 * multiplier, output.zero_point, bounds)
    };
    places(&output.dims).iter().map(product).collect()
}
