//! From real numbers to stored values, without a call and without branches.

use crate::kernels::Q;

/// 1.5 * 2^23: added to a number within 2^22 of 0 it leaves an f32 whose last bit has the value 1, so that the addition
/// itself rounds to the nearest integer, half to even.
const INTEGERS: f32 = 12_582_912.0;

/// Bounds and zero point of an output, ready for use.
#[derive(Clone, Copy)]
pub struct Rounding {
    low: f32,
    high: f32,
    offset: i32,
}

impl Rounding {
    /// For an output with this zero point and these bounds, stored form.
    #[inline(always)]
    pub fn new(zero: i32, low: i32, high: i32) -> Rounding {
        Rounding {
            low: (low - zero) as f32,
            high: (high - zero) as f32,
            offset: zero.wrapping_sub(INTEGERS.to_bits() as i32),
        }
    }

    /// For an output with this zero point that takes all values.
    #[inline(always)]
    pub fn unbounded(zero: i32) -> Rounding {
        Rounding::new(zero, i32::from(Q::MIN), i32::from(Q::MAX))
    }

    /// `round_half_even(clamp(real, low - zero, high - zero)) + zero`, stored; NaN gives the lower bound.
    #[inline(always)]
    pub fn store(&self, real: f32) -> Q {
        // Not f32::max and f32::min: comparisons map to one instruction each also for NaN.
        let bounded = if real > self.low { real } else { self.low };
        let bounded = if bounded < self.high { bounded } else { self.high };
        ((bounded + INTEGERS).to_bits() as i32).wrapping_add(self.offset) as Q
    }
}

#[cfg(test)]
mod tests {
    use super::Rounding;
    use crate::kernels::{Q, generic::requantize};

    #[test]
    fn rounds_as_requantizing_does() {
        let (lowest, highest) = (i32::from(Q::MIN), i32::from(Q::MAX));
        let mut reals: Vec<f32> = (-4000..4000).map(|i| i as f32 * 0.125).collect();
        reals.extend([f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, -0.0, 1e-40, -1e-40]);
        reals.extend([0.499_999_97, -0.499_999_97, 254.499_98, 1.499_999_9]);
        for zero in [lowest, lowest + 1, 0, 77, highest] {
            for (low, high) in [(lowest, highest), (lowest + 9, highest - 3), (5, 5)] {
                let rounding = Rounding::new(zero, low, high);
                for &real in &reals {
                    let expected = requantize::round(real, zero, low, high);
                    assert_eq!(
                        rounding.store(real),
                        expected,
                        "{real} with zero {zero}, bounds {low} and {high}"
                    );
                }
            }
        }
    }
}
