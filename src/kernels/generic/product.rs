//! Products of two computed tensors.

use super::rounding::Rounding;
use crate::kernels::{LONGEST_PRODUCT, ProductParams, Q};

/// See [`crate::kernels::Operators::product`].
#[inline(always)]
pub fn product(a: &[Q], b: &[Q], params: &ProductParams, out: &mut [Q]) {
    let ProductParams { k, n, transposed, mul } = *params;
    assert!(k <= LONGEST_PRODUCT, "sums of {k} products may not fit 32 bits");
    assert_eq!(b.len(), k * n, "the second matrix is k by n");
    if n == 0 {
        return;
    }
    assert_eq!(a.len(), out.len() / n * k, "the first matrix has a row for each row of the output");
    let rounding = Rounding::new(mul.zero, mul.low, mul.high);
    for (row, out) in out.chunks_exact_mut(n).enumerate() {
        let a = &a[row * k..][..k];
        if transposed {
            for (column, out) in out.iter_mut().enumerate() {
                let products = a.iter().zip(&b[column * k..][..k]);
                let sum: i32 =
                    products.map(|(&a, &b)| (i32::from(a) - mul.a_zero) * (i32::from(b) - mul.b_zero)).sum();
                *out = rounding.store(sum as f32 * mul.multiplier);
            }
        } else {
            by_columns(a, b, params, &rounding, out);
        }
    }
}

/// One row of the output where `b` is `[k][n]`: sums of neighbouring columns grow side by side.
#[inline(always)]
fn by_columns(a: &[Q], b: &[Q], params: &ProductParams, rounding: &Rounding, out: &mut [Q]) {
    const COLUMNS: usize = 32;
    let ProductParams { n, mul, .. } = *params;
    for (index, out) in out.chunks_mut(COLUMNS).enumerate() {
        let mut sums = [0; COLUMNS];
        for (&a, b) in a.iter().zip(b.chunks_exact(n)) {
            let a = i32::from(a) - mul.a_zero;
            for (sum, &b) in sums.iter_mut().zip(&b[index * COLUMNS..][..out.len()]) {
                *sum += a * (i32::from(b) - mul.b_zero);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = rounding.store(sum as f32 * mul.multiplier);
        }
    }
}
