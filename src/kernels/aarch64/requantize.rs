//! From vectors of sums to stored values: the vectorized form of the definition's step.
//!
//! Bounds are integers, so clamping may follow rounding: `fcvtns` rounds half to even and saturates, the zero point is
//! added with saturation in 16 bits, and narrowing saturates. That equals the definition while every factor is finite and
//! every bound is a stored value; anything else takes the definition itself, element by element. Where weights and
//! multipliers prove that no rounded value leaves 16 bits, the first narrowing just drops the upper halves.

#![allow(unsafe_code)]

use core::arch::aarch64::*;

use crate::kernels::generic::requantize::requantize;
use crate::kernels::{Epilogue, Q};

/// How a pixel's sums are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All channels, 16 bits suffice, nothing is added; the whole type above a zero point that is its lowest value, so
    /// that narrowing to unsigned clamps.
    Positive,
    /// The same with any zero point.
    Whole,
    /// The same with narrower bounds.
    Bounded,
    /// Whatever else there is.
    Any,
}

/// A zero point and bounds that are stored values.
#[derive(Clone, Copy, Debug, Default)]
struct Rounding {
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
        match (self.zero_point, self.low, self.high) {
            (-128, i8::MIN, i8::MAX) => Mode::Positive,
            (_, i8::MIN, i8::MAX) => Mode::Whole,
            _ => Mode::Bounded,
        }
    }

    /// Sixteen rounded reals to stored values, in the way of `MODE`.
    #[inline(always)]
    fn narrow<const MODE: usize>(&self, values: [int32x4_t; 4]) -> int8x16_t {
        // SAFETY: every aarch64 processor that runs Rust's standard library has NEON; values only.
        unsafe {
            let halves = |a, b| {
                if MODE == Mode::Any as usize {
                    vqmovn_high_s32(vqmovn_s32(a), b)
                } else {
                    vuzp1q_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b))
                }
            };
            let (low, high) = (halves(values[0], values[1]), halves(values[2], values[3]));
            if MODE == Mode::Positive as usize {
                let narrow = vqmovun_high_s16(vqmovun_s16(low), high);
                return vreinterpretq_s8_u8(veorq_u8(narrow, vdupq_n_u8(0x80)));
            }
            let zero = vdupq_n_s16(self.zero_point);
            let narrow = vqmovn_high_s16(vqmovn_s16(vqaddq_s16(low, zero)), vqaddq_s16(high, zero));
            if MODE == Mode::Whole as usize {
                return narrow;
            }
            vminq_s8(vmaxq_s8(narrow, vdupq_n_s8(self.low)), vdupq_n_s8(self.high))
        }
    }
}

/// An [`Epilogue`] as the kernels of this architecture use it.
pub struct Requantize<'a> {
    epilogue: &'a Epilogue<'a>,
    rounding: Rounding,
    residual: Option<Rounding>,
    /// Whether only the definition's own arithmetic covers this one.
    exotic: bool,
    /// How pixels are stored of which all channels are wanted.
    mode: Mode,
}

impl<'a> Requantize<'a> {
    /// Looks once at what does not change between pixels. `channels` are those to be computed; `largest` is how far from
    /// 0 the sum of each channel of the matrix may be.
    pub fn new(
        epilogue: &'a Epilogue<'a>,
        channels: core::ops::Range<usize>,
        largest: &[i32],
    ) -> Requantize<'a> {
        let (mut finite, mut short) = (true, true);
        for (factor, &largest) in epilogue.multipliers[channels.clone()].iter().zip(&largest[channels]) {
            finite &= factor.is_finite();
            short &= (factor * largest as f32).abs() < 32_000.0;
        }
        let mut rounding = Rounding::new(epilogue.zero_point, epilogue.low, epilogue.high).filter(|_| finite);
        let mut residual = None;
        if let Some(with) = &epilogue.residual {
            residual = Rounding::new(with.zero_point, with.low, with.high)
                .filter(|_| i16::try_from(with.data_zero).is_ok_and(|zero| zero.unsigned_abs() < 1 << 14))
                .filter(|_| with.own.abs() < 1e30 && with.other.abs() < 1e30);
            rounding = rounding.filter(|_| residual.is_some());
        }
        let mode = match &rounding {
            Some(rounding) if short && residual.is_none() => rounding.mode(),
            _ => Mode::Any,
        };
        let exotic = rounding.is_none();
        Requantize { epilogue, rounding: rounding.unwrap_or_default(), residual, exotic, mode }
    }

    /// How pixels are stored of which all channels are wanted, or not.
    pub fn mode(&self, all: bool) -> Mode {
        if all { self.mode } else { Mode::Any }
    }

    /// Sixteen values plus sixteen of the tensor to be added.
    #[inline(always)]
    fn add(&self, own: int8x16_t, other: int8x16_t) -> int8x16_t {
        let (Some(with), Some(rounding)) = (&self.epilogue.residual, &self.residual) else { return own };
        // SAFETY: NEON is always there; values only.
        unsafe {
            let quarters = |values: int8x16_t, zero: i32| {
                let zero = vdupq_n_s16(zero as i16);
                let low = vsubq_s16(vmovl_s8(vget_low_s8(values)), zero);
                let high = vsubq_s16(vmovl_high_s8(values), zero);
                [
                    vmovl_s16(vget_low_s16(low)),
                    vmovl_high_s16(low),
                    vmovl_s16(vget_low_s16(high)),
                    vmovl_high_s16(high),
                ]
            };
            let own = quarters(own, self.epilogue.zero_point);
            let other = quarters(other, with.data_zero);
            let sums = core::array::from_fn(|i| {
                let own = vmulq_n_f32(vcvtq_f32_s32(own[i]), with.own);
                let other = vmulq_n_f32(vcvtq_f32_s32(other[i]), with.other);
                vcvtnq_s32_f32(vaddq_f32(own, other))
            });
            rounding.narrow::<{ Mode::Any as usize }>(sums)
        }
    }
}

/// Where the results of up to sixteen neighboring channels go.
pub struct Target<'a> {
    /// How all pixels are stored.
    pub mode: Mode,
    /// How sums become stored values.
    pub requantize: &'a Requantize<'a>,
    /// Multipliers of the channels computed, as many as the kernel computes.
    pub multipliers: *const f32,
    /// First channel computed, counted in the whole matrix.
    pub channel: usize,
    /// First of the channels computed that is stored.
    pub first: usize,
    /// Channels stored.
    pub count: usize,
    /// Added to the address of each output pixel: where the first channel stored goes.
    pub column: usize,
}

impl Target<'_> {
    /// Requantizes and stores the sums of `P` pixels and `4 * V` channels.
    ///
    /// # Safety
    /// `outs` are `P` addresses of output pixels; `count` values from `column` on may be written there. `pixel` is the
    /// first of them in the tensor to be added. `multipliers` may be read for `4 * V` channels.
    #[inline(always)]
    pub unsafe fn store<const V: usize, const P: usize>(
        &self,
        sums: &[[int32x4_t; V]; P],
        outs: [*mut Q; P],
        pixel: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.mode {
                Mode::Positive => self.store_as::<V, P, { Mode::Positive as usize }>(sums, outs, pixel),
                Mode::Whole => self.store_as::<V, P, { Mode::Whole as usize }>(sums, outs, pixel),
                Mode::Bounded => self.store_as::<V, P, { Mode::Bounded as usize }>(sums, outs, pixel),
                Mode::Any => self.store_as::<V, P, { Mode::Any as usize }>(sums, outs, pixel),
            }
        }
    }

    /// [`Target::store`] where `mode` is `MODE`.
    ///
    /// # Safety
    /// As [`Target::store`].
    #[inline(always)]
    pub unsafe fn store_as<const V: usize, const P: usize, const MODE: usize>(
        &self,
        sums: &[[int32x4_t; V]; P],
        outs: [*mut Q; P],
        pixel: usize,
    ) {
        // SAFETY: `4 * V` multipliers are readable and `P` addresses are given, by the caller's promise.
        unsafe {
            if MODE == Mode::Any as usize {
                // Copies of their own, so that in the other modes sums and addresses stay in registers.
                let (sums, outs) = (*sums, outs);
                return self.store_any::<V>(&sums, &outs, pixel);
            }
            let multipliers: [float32x4_t; V] =
                core::array::from_fn(|i| vld1q_f32(self.multipliers.add(4 * i)));
            for first in (0..P).step_by(4 / V) {
                let rounded = core::array::from_fn(|i| {
                    let (pixel, vector) = ((first + i / V).min(P - 1), i % V);
                    round(sums[pixel][vector], multipliers[vector])
                });
                let values = self.requantize.rounding.narrow::<MODE>(rounded);
                for i in 0..(4 / V).min(P - first) {
                    store_lanes::<V>(values, i, outs[first + i].add(self.column));
                }
            }
        }
    }

    /// [`Mode::Any`].
    ///
    /// # Safety
    /// As [`Target::store`].
    #[inline(never)]
    unsafe fn store_any<const V: usize>(&self, sums: &[[int32x4_t; V]], outs: &[*mut Q], pixel: usize) {
        if self.requantize.exotic {
            // SAFETY: the caller's promise.
            return unsafe { self.store_by_definition(sums, outs, pixel) };
        }
        let rounding = &self.requantize.rounding;
        for (index, (sums, out)) in sums.iter().zip(outs).enumerate() {
            // SAFETY: `4 * V` multipliers are readable; `count` values are read and written at most.
            unsafe {
                let to = out.add(self.column);
                let rounded =
                    core::array::from_fn(|i| round(sums[i % V], vld1q_f32(self.multipliers.add(i % V * 4))));
                let mut values = rounding.narrow::<{ Mode::Any as usize }>(rounded);
                let whole = self.count == 4 * V;
                let mut lanes = [0; 16];
                if let Some(with) = &self.requantize.epilogue.residual {
                    let from = with.data.as_ptr().add((pixel + index) * with.stride + self.column);
                    if whole {
                        core::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), 4 * V);
                    } else {
                        core::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr().add(self.first), self.count);
                    }
                    values = self.requantize.add(values, vld1q_s8(lanes.as_ptr()));
                }
                if whole {
                    store_lanes::<V>(values, 0, to);
                } else {
                    vst1q_s8(lanes.as_mut_ptr(), values);
                    core::ptr::copy_nonoverlapping(lanes.as_ptr().add(self.first), to, self.count);
                }
            }
        }
    }

    /// # Safety
    /// As [`Target::store`].
    #[cold]
    #[inline(never)]
    unsafe fn store_by_definition<const V: usize>(
        &self,
        sums: &[[int32x4_t; V]],
        outs: &[*mut Q],
        pixel: usize,
    ) {
        let epilogue = self.requantize.epilogue;
        for (index, (sums, out)) in sums.iter().zip(outs).enumerate() {
            for i in 0..self.count {
                let lane = self.first + i;
                let residual =
                    epilogue.residual.map(|with| with.data[(pixel + index) * with.stride + self.column + i]);
                // SAFETY: a vector is four sums; the caller promises the addresses.
                unsafe {
                    let sum = sums.as_ptr().cast::<i32>().add(lane).read();
                    out.add(self.column + i).write(requantize(sum, self.channel + lane, residual, epilogue));
                }
            }
        }
    }
}

/// Four sums times their multipliers, half to even.
#[inline(always)]
fn round(sums: int32x4_t, multipliers: float32x4_t) -> int32x4_t {
    // SAFETY: NEON is always there; values only.
    unsafe { vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sums), multipliers)) }
}

/// Stores the `index`-th `4 * V` lanes.
///
/// # Safety
/// `to` takes that many values.
#[inline(always)]
unsafe fn store_lanes<const V: usize>(values: int8x16_t, index: usize, to: *mut Q) {
    // SAFETY: the caller's promise.
    unsafe {
        let (words, halves) = (vreinterpretq_s32_s8(values), vreinterpretq_s64_s8(values));
        match (V, index) {
            (4, _) => vst1q_s8(to, values),
            (2, 0) => to.cast::<i64>().write_unaligned(vgetq_lane_s64::<0>(halves)),
            (2, _) => to.cast::<i64>().write_unaligned(vgetq_lane_s64::<1>(halves)),
            (_, 0) => to.cast::<i32>().write_unaligned(vgetq_lane_s32::<0>(words)),
            (_, 1) => to.cast::<i32>().write_unaligned(vgetq_lane_s32::<1>(words)),
            (_, 2) => to.cast::<i32>().write_unaligned(vgetq_lane_s32::<2>(words)),
            _ => to.cast::<i32>().write_unaligned(vgetq_lane_s32::<3>(words)),
        }
    }
}
