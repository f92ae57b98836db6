//! Sums and products of elements with AVX2.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::vector::{self, BLOCK, Rounding, reals};
use crate::kernels::generic::elementwise::{Binary, broadcast};
use crate::kernels::{AddParams, MulParams, Operand, Q};

/// See [`crate::kernels::Operators::add`].
#[target_feature(enable = "avx2")]
pub fn add(a: &[Q], b: Operand, params: &AddParams, out: &mut [Q]) {
    // SAFETY: this function has AVX2.
    let (rounding, zeros) = unsafe {
        let rounding = Rounding::new(params.zero, params.low, params.high);
        (rounding, [vector::zero(params.a_zero), vector::zero(params.b_zero)])
    };
    let factors = params.factors.map(|factor| _mm256_set1_ps(factor));
    broadcast(a, b, &Sum { factors, zeros, rounding }, out);
}

/// See [`crate::kernels::Operators::mul`].
#[target_feature(enable = "avx2")]
pub fn mul(a: &[Q], b: Operand, params: &MulParams, out: &mut [Q]) {
    // SAFETY: this function has AVX2.
    let (rounding, zeros) = unsafe {
        let rounding = Rounding::new(params.zero, params.low, params.high);
        (rounding, [vector::zero(params.a_zero), vector::zero(params.b_zero)])
    };
    broadcast(a, b, &Product { multiplier: _mm256_set1_ps(params.multiplier), zeros, rounding }, out);
}

/// Made by [`add`] only, where there is AVX2.
struct Sum {
    factors: [__m256; 2],
    zeros: [__m256; 2],
    rounding: Rounding,
}

impl Binary for Sum {
    #[inline(always)]
    fn block(&self, a: &[Q; BLOCK], b: &[Q; BLOCK], out: &mut [Q; BLOCK]) {
        // SAFETY: a value of this type exists only where there is AVX2.
        unsafe {
            let (mut sums, b) = (reals(a, self.zeros[0]), reals(b, self.zeros[1]));
            for (a, b) in sums.iter_mut().zip(b) {
                let (x, y) = (_mm256_mul_ps(*a, self.factors[0]), _mm256_mul_ps(b, self.factors[1]));
                *a = _mm256_add_ps(x, y);
            }
            vector::store(self.rounding.block(sums), out);
        }
    }
}

/// Made by [`mul`] only, where there is AVX2.
struct Product {
    multiplier: __m256,
    zeros: [__m256; 2],
    rounding: Rounding,
}

impl Binary for Product {
    #[inline(always)]
    fn block(&self, a: &[Q; BLOCK], b: &[Q; BLOCK], out: &mut [Q; BLOCK]) {
        // SAFETY: a value of this type exists only where there is AVX2.
        unsafe {
            let (mut products, b) = (reals(a, self.zeros[0]), reals(b, self.zeros[1]));
            for (a, b) in products.iter_mut().zip(b) {
                // Products of two differences of bytes are exact in f32.
                *a = _mm256_mul_ps(_mm256_mul_ps(*a, b), self.multiplier);
            }
            vector::store(self.rounding.block(products), out);
        }
    }
}
