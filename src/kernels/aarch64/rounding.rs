//! From vectors of sums to stored values: the vectorized form of the definition's step.
//!
//! Bounds are integers, so clamping may follow rounding: `fcvtns` rounds half to even and saturates, the zero point is
//! added with saturation in 16 bits, and narrowing saturates. That equals the definition while every factor is finite and
//! every bound is a stored value; anything else takes the definition itself, element by element.
//!
//! Where weights and multipliers prove that no rounded value leaves 16 bits, adding [`WHOLE`] rounds instead: numbers of its
//! size are whole, half goes to even, and the lower half of the result's bits is the rounded value. An even zero point may
//! be added with it, since that leaves even numbers even.

#![allow(unsafe_code)]

use core::arch::aarch64::*;
use core::ops::Range;

use crate::kernels::{Epilogue, Residual};

/// A real that leaves no bits for a fraction in what it is added to, and whose own lower bits are 0.
const WHOLE: f32 = 12_582_912.0;

/// How a pixel's sums are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All channels, 16 bits suffice, nothing is added; the zero point is even and the type's ends are the bounds.
    Even,
    /// The same with an odd zero point.
    Odd,
    /// The same with narrower bounds.
    Bounded,
    /// All channels, 16 bits suffice, another tensor is added.
    Added,
    /// Some channels, 16 bits suffice, nothing is added.
    Part,
    /// Whatever else there is.
    Any,
}

/// A zero point and bounds that are stored values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rounding {
    zero_point: i16,
    low: i8,
    high: i8,
}

impl Rounding {
    fn new(zero_point: i32, low: i32, high: i32) -> Option<Rounding> {
        let zero_point = i8::try_from(zero_point).ok()?.into();
        Some(Rounding { zero_point, low: i8::try_from(low).ok()?, high: i8::try_from(high).ok()? })
    }

    /// The fastest way to clamp.
    fn mode(&self) -> Mode {
        match (self.zero_point % 2, self.low, self.high) {
            (0, i8::MIN, i8::MAX) => Mode::Even,
            (_, i8::MIN, i8::MAX) => Mode::Odd,
            _ => Mode::Bounded,
        }
    }

    /// Sixteen rounded reals to stored values, clamped in the way of `MODE`; of `Mode::Even` the zero point is added already.
    #[inline(always)]
    fn narrow<const MODE: usize>(&self, zero: int16x8_t, [low, high]: [int16x8_t; 2]) -> int8x16_t {
        // SAFETY: every aarch64 processor that runs Rust's standard library has NEON; values only.
        unsafe {
            if MODE == Mode::Even as usize {
                return vqmovn_high_s16(vqmovn_s16(low), high);
            }
            let narrow = vqmovn_high_s16(vqmovn_s16(vqaddq_s16(low, zero)), vqaddq_s16(high, zero));
            if MODE == Mode::Odd as usize {
                return narrow;
            }
            vminq_s8(vmaxq_s8(narrow, vdupq_n_s8(self.low)), vdupq_n_s8(self.high))
        }
    }

    /// Stored values less the zero point, without storing them.
    #[inline(always)]
    fn clamp(&self, values: float32x4_t) -> float32x4_t {
        // SAFETY: NEON is always there; values only.
        unsafe {
            let least = vdupq_n_f32((i16::from(self.low) - self.zero_point).into());
            let most = vdupq_n_f32((i16::from(self.high) - self.zero_point).into());
            vminq_f32(vmaxq_f32(values, least), most)
        }
    }
}

/// How another tensor is added.
#[derive(Clone, Copy, Debug)]
struct Addition {
    rounding: Rounding,
    data_zero: i8,
    own: f32,
    other: f32,
    /// Whether 16 bits hold every sum.
    short: bool,
}

impl Addition {
    fn new(with: &Residual) -> Option<Addition> {
        let rounding = Rounding::new(with.zero_point, with.low, with.high)?;
        // Products of such factors are finite, and so are their sums.
        let finite = with.own.abs() < 1e30 && with.other.abs() < 1e30;
        let addition = Addition {
            rounding,
            data_zero: i8::try_from(with.data_zero).ok()?,
            own: with.own,
            other: with.other,
            short: with.own.abs() + with.other.abs() < 100.0,
        };
        finite.then_some(addition)
    }

    /// Sixteen whole values less their zero point plus sixteen of the tensor to be added. `SHORT` if the sums are.
    #[inline(always)]
    fn add<const SHORT: bool>(&self, own: [float32x4_t; 4], other: int8x16_t) -> int8x16_t {
        // SAFETY: NEON is always there; values only.
        unsafe {
            let zero = vdupq_n_s8(self.data_zero);
            let other = [vsubl_s8(vget_low_s8(other), vget_low_s8(zero)), vsubl_high_s8(other, zero)];
            let other = quarters(other);
            let sums = core::array::from_fn(|i| {
                let other = vmulq_n_f32(vcvtq_f32_s32(other[i]), self.other);
                let sum = vaddq_f32(vmulq_n_f32(own[i], self.own), other);
                if SHORT {
                    vreinterpretq_s32_f32(vaddq_f32(sum, vdupq_n_f32(WHOLE)))
                } else {
                    vcvtnq_s32_f32(sum)
                }
            });
            let zero = vdupq_n_s16(self.rounding.zero_point);
            self.rounding.narrow::<{ Mode::Bounded as usize }>(zero, halves::<SHORT>(sums))
        }
    }
}

/// Sixteen values in 32 bits.
#[inline(always)]
fn quarters([low, high]: [int16x8_t; 2]) -> [int32x4_t; 4] {
    // SAFETY: NEON is always there; values only.
    unsafe {
        [
            vmovl_s16(vget_low_s16(low)),
            vmovl_high_s16(low),
            vmovl_s16(vget_low_s16(high)),
            vmovl_high_s16(high),
        ]
    }
}

/// Sixteen values in 16 bits; saturated unless `SHORT`, which says that they fit.
#[inline(always)]
fn halves<const SHORT: bool>([a, b, c, d]: [int32x4_t; 4]) -> [int16x8_t; 2] {
    // SAFETY: NEON is always there; values only.
    unsafe {
        if SHORT {
            let pair = |a, b| vuzp1q_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b));
            [pair(a, b), pair(c, d)]
        } else {
            [vqmovn_high_s32(vqmovn_s32(a), b), vqmovn_high_s32(vqmovn_s32(c), d)]
        }
    }
}

/// Numbers of a [`Requantize`] in registers.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    shift: float32x4_t,
    zero: int16x8_t,
}

/// An [`Epilogue`] as the kernels of this architecture use it.
pub struct Requantize<'a> {
    /// What the caller gave.
    pub epilogue: &'a Epilogue<'a>,
    /// Whether only the definition's own arithmetic covers it.
    pub exotic: bool,
    rounding: Rounding,
    addition: Option<Addition>,
    mode: Mode,
    /// [`WHOLE`] and the zero point.
    shift: f32,
}

impl<'a> Requantize<'a> {
    /// Looks once at what does not change between pixels. `channels` are those to be computed; `largest` is how far from
    /// 0 the sum of each channel of the matrix may be.
    pub fn new(epilogue: &'a Epilogue<'a>, channels: Range<usize>, largest: &[i32]) -> Requantize<'a> {
        let (mut finite, mut short) = (true, true);
        for (factor, &largest) in epilogue.multipliers[channels.clone()].iter().zip(&largest[channels]) {
            finite &= factor.is_finite();
            short &= (factor * largest as f32).abs() < 32_000.0;
        }
        let rounding = Rounding::new(epilogue.zero_point, epilogue.low, epilogue.high);
        let addition = epilogue.residual.as_ref().and_then(Addition::new);
        let exotic = !finite || rounding.is_none() || addition.is_some() != epilogue.residual.is_some();
        let rounding = rounding.unwrap_or_default();
        let mode = match &addition {
            _ if exotic || !short => Mode::Any,
            Some(addition) if addition.short => Mode::Added,
            Some(_) => Mode::Any,
            None => rounding.mode(),
        };
        let shift = WHOLE + f32::from(rounding.zero_point);
        Requantize { epilogue, exotic, rounding, addition, mode, shift }
    }

    /// What [`Requantize::round`] and [`Requantize::store`] use of it, to be read once for many sums.
    #[inline(always)]
    pub fn constants(&self) -> Constants {
        // SAFETY: NEON is always there; values only.
        unsafe { Constants { shift: vdupq_n_f32(self.shift), zero: vdupq_n_s16(self.rounding.zero_point) } }
    }

    /// Four sums times their multipliers, half to even, as [`Requantize::store`] takes them: reals in `Mode::Added`, whole
    /// numbers in `Mode::Any`, else whole numbers of which only the lower halves count.
    #[inline(always)]
    pub fn round<const MODE: usize>(
        &self,
        constants: &Constants,
        sums: int32x4_t,
        multipliers: float32x4_t,
    ) -> int32x4_t {
        // SAFETY: NEON is always there; values only.
        unsafe {
            let product = vmulq_f32(vcvtq_f32_s32(sums), multipliers);
            if MODE == Mode::Any as usize {
                return vcvtnq_s32_f32(product);
            }
            if MODE == Mode::Added as usize {
                return vreinterpretq_s32_f32(vrndnq_f32(product));
            }
            let shift = if MODE == Mode::Even as usize { constants.shift } else { vdupq_n_f32(WHOLE) };
            vreinterpretq_s32_f32(vaddq_f32(product, shift))
        }
    }

    /// How pixels are stored of which all channels are wanted, or not.
    pub fn mode(&self, all: bool) -> Mode {
        match self.mode {
            mode if all => mode,
            Mode::Even | Mode::Odd | Mode::Bounded => Mode::Part,
            _ => Mode::Any,
        }
    }

    /// Sixteen rounded reals to stored values, in the way of `MODE`; `other` is what is added, if something is.
    #[inline(always)]
    pub fn store<const MODE: usize>(
        &self,
        constants: &Constants,
        values: [int32x4_t; 4],
        other: impl FnOnce() -> int8x16_t,
    ) -> int8x16_t {
        // SAFETY: NEON is always there; values only.
        unsafe {
            if MODE == Mode::Any as usize {
                return match &self.addition {
                    Some(addition) => {
                        let own = values.map(|values| self.rounding.clamp(vcvtq_f32_s32(values)));
                        addition.add::<false>(own, other())
                    }
                    None => self
                        .rounding
                        .narrow::<{ Mode::Bounded as usize }>(constants.zero, halves::<false>(values)),
                };
            }
            if MODE == Mode::Added as usize {
                let Some(addition) = &self.addition else { unreachable!("mode of an addition") };
                let own = values.map(|values| self.rounding.clamp(vreinterpretq_f32_s32(values)));
                return addition.add::<true>(own, other());
            }
            let halves = halves::<true>(values);
            if MODE == Mode::Part as usize {
                return self.rounding.narrow::<{ Mode::Bounded as usize }>(constants.zero, halves);
            }
            self.rounding.narrow::<MODE>(constants.zero, halves)
        }
    }
}
