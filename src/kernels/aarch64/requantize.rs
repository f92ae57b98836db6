//! From vectors of sums to stored values: the vectorized form of the definition's step.
//!
//! Bounds are integers, so clamping may follow rounding: `fcvtns` rounds half to even and saturates, `sqxtn` saturates,
//! and the zero point is added with saturation between them. That equals the definition while every factor is finite and
//! every bound is a stored value; anything else takes the definition itself, element by element.

#![allow(unsafe_code)]

use core::arch::aarch64::*;

use crate::kernels::generic::requantize::requantize;
use crate::kernels::{Epilogue, Q};

/// What clamps the rounded value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    /// The whole type above a zero point that is its lowest value: narrowing to unsigned does it all.
    Positive,
    /// The whole type.
    Whole,
    /// Narrower bounds.
    Bounded,
}

/// A zero point and bounds that are stored values.
#[derive(Clone, Copy, Debug)]
struct Rounding {
    span: Span,
    zero_point: i16,
    low: i8,
    high: i8,
}

impl Rounding {
    fn new(zero_point: i32, low: i32, high: i32) -> Option<Rounding> {
        let (zero, low, high) = (i8::try_from(zero_point).ok()?, i8::try_from(low).ok()?, i8::try_from(high).ok()?);
        let span = match (zero, low, high) {
            (i8::MIN, i8::MIN, i8::MAX) => Span::Positive,
            (_, i8::MIN, i8::MAX) => Span::Whole,
            _ => Span::Bounded,
        };
        Some(Rounding { span, zero_point: zero.into(), low, high })
    }

    /// Sixteen rounded reals to stored values.
    #[inline(always)]
    fn narrow<const SPAN: usize>(&self, values: [int32x4_t; 4]) -> int8x16_t {
        // SAFETY: every aarch64 processor that runs Rust's standard library has NEON; values only.
        unsafe {
            let low = vqmovn_high_s32(vqmovn_s32(values[0]), values[1]);
            let high = vqmovn_high_s32(vqmovn_s32(values[2]), values[3]);
            if SPAN == Span::Positive as usize {
                let narrow = vqmovun_high_s16(vqmovun_s16(low), high);
                return vreinterpretq_s8_u8(veorq_u8(narrow, vdupq_n_u8(0x80)));
            }
            let zero = vdupq_n_s16(self.zero_point);
            let narrow = vqmovn_high_s16(vqmovn_s16(vqaddq_s16(low, zero)), vqaddq_s16(high, zero));
            if SPAN == Span::Whole as usize {
                return narrow;
            }
            vminq_s8(vmaxq_s8(narrow, vdupq_n_s8(self.low)), vdupq_n_s8(self.high))
        }
    }
}

/// An [`Epilogue`] as the kernels of this architecture use it.
pub struct Requantize<'a> {
    epilogue: &'a Epilogue<'a>,
    /// `None`: what only the definition's own arithmetic covers.
    rounding: Option<Rounding>,
    residual: Option<Rounding>,
}

impl<'a> Requantize<'a> {
    /// Looks once at what does not change between pixels; `channels` are those to be computed.
    pub fn new(epilogue: &'a Epilogue<'a>, channels: core::ops::Range<usize>) -> Requantize<'a> {
        let finite = epilogue.multipliers[channels].iter().fold(true, |all, factor| all & factor.is_finite());
        let mut rounding = Rounding::new(epilogue.zero_point, epilogue.low, epilogue.high).filter(|_| finite);
        let mut residual = None;
        if let Some(with) = &epilogue.residual {
            residual = Rounding::new(with.zero_point, with.low, with.high)
                .filter(|_| i16::try_from(with.data_zero).is_ok_and(|zero| zero.unsigned_abs() < 1 << 14))
                .filter(|_| with.own.abs() < 1e30 && with.other.abs() < 1e30);
            rounding = rounding.filter(|_| residual.is_some());
        }
        Requantize { epilogue, rounding, residual }
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
                [vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)]
            };
            let own = quarters(own, self.epilogue.zero_point);
            let other = quarters(other, with.data_zero);
            let sums = core::array::from_fn(|i| {
                let own = vmulq_n_f32(vcvtq_f32_s32(own[i]), with.own);
                let other = vmulq_n_f32(vcvtq_f32_s32(other[i]), with.other);
                vcvtnq_s32_f32(vaddq_f32(own, other))
            });
            match rounding.span {
                Span::Positive => rounding.narrow::<{ Span::Positive as usize }>(sums),
                Span::Whole => rounding.narrow::<{ Span::Whole as usize }>(sums),
                Span::Bounded => rounding.narrow::<{ Span::Bounded as usize }>(sums),
            }
        }
    }
}

/// Where the results of up to sixteen neighboring channels go.
pub struct Target<'a> {
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
        outs: *const *mut Q,
        pixel: usize,
    ) {
        let Some(rounding) = &self.requantize.rounding else {
            // SAFETY: the caller's promise.
            return unsafe { self.store_by_definition(sums.as_flattened(), V, outs, pixel) };
        };
        // SAFETY: the caller's promise.
        unsafe {
            match rounding.span {
                Span::Positive => self.store_span::<V, P, { Span::Positive as usize }>(rounding, sums, outs, pixel),
                Span::Whole => self.store_span::<V, P, { Span::Whole as usize }>(rounding, sums, outs, pixel),
                Span::Bounded => self.store_span::<V, P, { Span::Bounded as usize }>(rounding, sums, outs, pixel),
            }
        }
    }

    /// # Safety
    /// As [`Target::store`].
    #[inline(always)]
    unsafe fn store_span<const V: usize, const P: usize, const SPAN: usize>(
        &self,
        rounding: &Rounding,
        sums: &[[int32x4_t; V]; P],
        outs: *const *mut Q,
        pixel: usize,
    ) {
        let width = 4 * V;
        // SAFETY: `4 * V` multipliers are readable and `P` addresses are given, by the caller's promise; values of a
        // pixel are stored whole only if all `4 * V` channels are wanted.
        unsafe {
            let multipliers: [float32x4_t; V] = core::array::from_fn(|i| vld1q_f32(self.multipliers.add(4 * i)));
            let per_group = 4 / V;
            for first in (0..P).step_by(per_group) {
                let rounded = core::array::from_fn(|i| {
                    let (pixel, vector) = ((first + i / V).min(P - 1), i % V);
                    vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sums[pixel][vector]), multipliers[vector]))
                });
                let mut values = rounding.narrow::<SPAN>(rounded);
                let pixels = per_group.min(P - first);
                if let Some(with) = &self.requantize.epilogue.residual {
                    let mut lanes = [0; 16];
                    for i in 0..pixels {
                        let from = with.data.as_ptr().add((pixel + first + i) * with.stride + self.column);
                        let to = lanes.as_mut_ptr().add(i * width + self.first);
                        copy(from, to, self.count, width);
                    }
                    values = self.requantize.add(values, vld1q_s8(lanes.as_ptr()));
                }
                if self.count == width {
                    for i in 0..pixels {
                        let to = (*outs.add(first + i)).add(self.column);
                        match V {
                            4 => vst1q_s8(to, values),
                            2 => to.cast::<i64>().write_unaligned(if i == 0 {
                                vgetq_lane_s64::<0>(vreinterpretq_s64_s8(values))
                            } else {
                                vgetq_lane_s64::<1>(vreinterpretq_s64_s8(values))
                            }),
                            _ => to.cast::<i32>().write_unaligned({
                                let values = vreinterpretq_s32_s8(values);
                                match i {
                                    0 => vgetq_lane_s32::<0>(values),
                                    1 => vgetq_lane_s32::<1>(values),
                                    2 => vgetq_lane_s32::<2>(values),
                                    _ => vgetq_lane_s32::<3>(values),
                                }
                            }),
                        }
                    }
                } else {
                    let mut lanes = [0; 16];
                    vst1q_s8(lanes.as_mut_ptr(), values);
                    for i in 0..pixels {
                        let to = (*outs.add(first + i)).add(self.column);
                        core::ptr::copy_nonoverlapping(lanes.as_ptr().add(i * width + self.first), to, self.count);
                    }
                }
            }
        }
    }

    /// # Safety
    /// As [`Target::store`]; `sums` are those of pixel after pixel, `vectors` each.
    #[cold]
    #[inline(never)]
    unsafe fn store_by_definition(&self, sums: &[int32x4_t], vectors: usize, outs: *const *mut Q, pixel: usize) {
        let epilogue = self.requantize.epilogue;
        for (index, sums) in sums.chunks_exact(vectors).enumerate() {
            for i in 0..self.count {
                let lane = self.first + i;
                let residual = epilogue.residual.map(|with| with.data[(pixel + index) * with.stride + self.column + i]);
                // SAFETY: a vector is four sums; the caller promises the addresses.
                unsafe {
                    let sum = sums.as_ptr().cast::<i32>().add(lane).read();
                    let to = (*outs.add(index)).add(self.column + i);
                    to.write(requantize(sum, self.channel + lane, residual, epilogue));
                }
            }
        }
    }
}

/// Copies `count` values, at once if they are all of a pixel's `width`.
///
/// # Safety
/// As [`core::ptr::copy_nonoverlapping`]; `width` is 4, 8 or 16 and at least `count`.
#[inline(always)]
unsafe fn copy(from: *const Q, to: *mut Q, count: usize, width: usize) {
    // SAFETY: the caller's promise; the branches only make the length known.
    unsafe {
        match (count == width, width) {
            (true, 4) => core::ptr::copy_nonoverlapping(from, to, 4),
            (true, 8) => core::ptr::copy_nonoverlapping(from, to, 8),
            (true, 16) => core::ptr::copy_nonoverlapping(from, to, 16),
            _ => core::ptr::copy_nonoverlapping(from, to, count),
        }
    }
}
