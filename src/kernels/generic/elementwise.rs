//! Sums and products of elements.

use super::rounding::Rounding;
use crate::kernels::{AddParams, MulParams, Operand, Q};

/// Values in a block, the unit of work.
const BLOCK: usize = 16;

/// See [`crate::kernels::Kernels::add`].
#[inline(always)]
pub fn add(a: &[Q], b: Operand, params: &AddParams, out: &mut [Q]) {
    let rounding = Rounding::new(params.zero, params.low, params.high);
    broadcast(a, b, &Sum { params: *params, rounding }, out);
}

/// See [`crate::kernels::Kernels::mul`].
#[inline(always)]
pub fn mul(a: &[Q], b: Operand, params: &MulParams, out: &mut [Q]) {
    let rounding = Rounding::new(params.zero, params.low, params.high);
    broadcast(a, b, &Product { params: *params, rounding }, out);
}

/// A function of two values. A trait and not a closure, because only a function can be marked as always inlined.
trait Binary {
    fn apply(&self, a: Q, b: Q) -> Q;
}

struct Sum {
    params: AddParams,
    rounding: Rounding,
}

impl Binary for Sum {
    #[inline(always)]
    fn apply(&self, a: Q, b: Q) -> Q {
        let a = (i32::from(a) - self.params.a_zero) as f32 * self.params.factors[0];
        let b = (i32::from(b) - self.params.b_zero) as f32 * self.params.factors[1];
        self.rounding.store(a + b)
    }
}

struct Product {
    params: MulParams,
    rounding: Rounding,
}

impl Binary for Product {
    #[inline(always)]
    fn apply(&self, a: Q, b: Q) -> Q {
        let product = (i32::from(a) - self.params.a_zero) * (i32::from(b) - self.params.b_zero);
        self.rounding.store(product as f32 * self.params.multiplier)
    }
}

#[inline(always)]
fn broadcast(a: &[Q], b: Operand, function: &impl Binary, out: &mut [Q]) {
    assert_eq!(a.len(), out.len(), "the first tensor has the size of the output");
    match b {
        Operand::Same(b) => {
            assert_eq!(b.len(), out.len(), "the second tensor has the size of the output");
            row(a, b, function, out);
        }
        Operand::Channels(b) => {
            assert!(
                !b.is_empty() && out.len().is_multiple_of(b.len()),
                "the output has whole pixels of the second tensor"
            );
            for (out, a) in out.chunks_exact_mut(b.len()).zip(a.chunks_exact(b.len())) {
                row(a, b, function, out);
            }
        }
        Operand::Pixels(b) => {
            assert!(
                !b.is_empty() && out.len().is_multiple_of(b.len()),
                "the second tensor has one value for each pixel"
            );
            let channels = (out.len() / b.len()).max(1);
            for ((out, a), &b) in out.chunks_exact_mut(channels).zip(a.chunks_exact(channels)).zip(b) {
                row_of_one(a, b, function, out);
            }
        }
        Operand::One(b) => row_of_one(a, b, function, out),
    }
}

/// Slices of one length. What is left of a row after whole blocks is computed in a block that overlaps the last one.
#[inline(always)]
fn row(a: &[Q], b: &[Q], function: &impl Binary, out: &mut [Q]) {
    let length = out.len();
    let mut start = 0;
    while start + BLOCK <= length {
        block(&a[start..], &b[start..], function, &mut out[start..]);
        start += BLOCK;
    }
    if start < length && length >= BLOCK {
        let start = length - BLOCK;
        block(&a[start..], &b[start..], function, &mut out[start..]);
    } else {
        for ((out, &a), &b) in out[start..].iter_mut().zip(&a[start..]).zip(&b[start..]) {
            *out = function.apply(a, b);
        }
    }
}

#[inline(always)]
fn row_of_one(a: &[Q], b: Q, function: &impl Binary, out: &mut [Q]) {
    let (length, b) = (out.len(), [b; BLOCK]);
    let mut start = 0;
    while start + BLOCK <= length {
        block(&a[start..], &b, function, &mut out[start..]);
        start += BLOCK;
    }
    if start < length && length >= BLOCK {
        let start = length - BLOCK;
        block(&a[start..], &b, function, &mut out[start..]);
    } else {
        for (out, &a) in out[start..].iter_mut().zip(&a[start..]) {
            *out = function.apply(a, b[0]);
        }
    }
}

/// The first [`BLOCK`] values of each slice.
#[inline(always)]
fn block(a: &[Q], b: &[Q], function: &impl Binary, out: &mut [Q]) {
    let (a, b, out) = (&a[..BLOCK], &b[..BLOCK], &mut out[..BLOCK]);
    for i in 0..BLOCK {
        out[i] = function.apply(a[i], b[i]);
    }
}
