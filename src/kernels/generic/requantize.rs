//! The definition of the step from a sum to a stored value.

use crate::kernels::{Epilogue, Q};

/// `round_half_even(clamp(real, low - zero, high - zero)) + zero`, stored.
#[inline(always)]
pub fn round(real: f32, zero_point: i32, low: i32, high: i32) -> Q {
    // The bounds are integers, so clamping first changes nothing, and rounding stays within range of any integer.
    let bounded = real.max((low - zero_point) as f32).min((high - zero_point) as f32);
    (bounded.round_ties_even() as i32 + zero_point) as Q
}

/// The stored value of sum `acc` of output channel `channel` of the whole matrix; `residual` is the value at the same
/// place of the tensor to be added, if there is one.
#[inline(always)]
pub fn requantize(acc: i32, channel: usize, residual: Option<Q>, epilogue: &Epilogue) -> Q {
    let real = acc as f32 * epilogue.multipliers[channel];
    let value = round(real, epilogue.zero_point, epilogue.low, epilogue.high);
    match (&epilogue.residual, residual) {
        (Some(with), Some(other)) => {
            let own = (i32::from(value) - epilogue.zero_point) as f32 * with.own;
            let other = (i32::from(other) - with.data_zero) as f32 * with.other;
            round(own + other, with.zero_point, with.low, with.high)
        }
        _ => value,
    }
}
