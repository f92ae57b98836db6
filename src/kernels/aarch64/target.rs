//! Where the results of a few neighboring channels go, and the step that brings them there.

#![allow(unsafe_code)]

use core::arch::aarch64::*;
use core::arch::asm;

use super::rounding::{Constants, Mode, Requantize};
use crate::kernels::Q;
use crate::kernels::generic::requantize::requantize;

/// Where the results of up to 32 neighboring channels go.
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
    /// Requantizes and stores the sums of `P` pixels and `4 * V` channels, `V` being 1, 2, 4 or 8.
    ///
    /// # Safety
    /// `outs` are `P` addresses of output pixels; `count` values from `column` on may be written there. `pixel()` is
    /// the index of the first of them. `multipliers` may be read for `4 * V` channels.
    #[inline(always)]
    pub unsafe fn store<const V: usize, const P: usize>(
        &self,
        sums: &[[int32x4_t; V]; P],
        outs: [*mut Q; P],
        pixel: impl FnOnce() -> usize,
    ) {
        let with = &self.requantize.constants();
        // SAFETY: the caller's promise.
        unsafe {
            match self.mode {
                Mode::Even => self.store_as::<V, P, { Mode::Even as usize }>(with, sums, outs, 0),
                Mode::Odd => self.store_as::<V, P, { Mode::Odd as usize }>(with, sums, outs, 0),
                Mode::Bounded => self.store_as::<V, P, { Mode::Bounded as usize }>(with, sums, outs, 0),
                Mode::Added => self.store_as::<V, P, { Mode::Added as usize }>(with, sums, outs, pixel()),
                Mode::Part => self.store_as::<V, P, { Mode::Part as usize }>(with, sums, outs, 0),
                Mode::Any => self.store_as::<V, P, { Mode::Any as usize }>(with, sums, outs, pixel()),
            }
        }
    }

    /// [`Target::store`] where `mode` is `MODE` and `constants` are those of `requantize`.
    ///
    /// # Safety
    /// As [`Target::store`].
    #[inline(always)]
    pub unsafe fn store_as<const V: usize, const P: usize, const MODE: usize>(
        &self,
        constants: &Constants,
        sums: &[[int32x4_t; V]; P],
        outs: [*mut Q; P],
        pixel: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            if MODE == Mode::Any as usize
                || MODE == Mode::Part as usize
                || MODE == Mode::Added as usize && P > 1
            {
                // Copies of their own, so that in the other modes sums and addresses stay in registers.
                let (sums, outs) = (*sums, outs);
                return self.store_apart::<V, P, MODE>(&sums, &outs, pixel);
            }
            self.store_here::<V, P, MODE>(constants, sums, &outs, pixel);
        }
    }

    /// [`Target::store_as`] of neighboring pixels of eight channels, their outputs `step` values apart from `out` on.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    pub unsafe fn store_row<const P: usize, const MODE: usize>(
        &self,
        constants: &Constants,
        sums: &[[int32x4_t; 2]; P],
        out: *mut Q,
        step: usize,
        pixel: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            // Where pixels lie close together, the next one's values go over what too many were stored of one.
            let part = MODE == Mode::Part as usize;
            let covered = part && self.first == 0 && self.count >= 4 && self.count == step;
            if P == 1 || part && !covered || MODE == Mode::Any as usize {
                let outs = core::array::from_fn(|i| out.wrapping_add(i * step));
                return self.store_as::<2, P, MODE>(constants, sums, outs, pixel);
            }
            let multipliers = [vld1q_f32(self.multipliers), vld1q_f32(self.multipliers.add(4))];
            let mut to = out.wrapping_add(self.column);
            let (mut from, stride) = match &self.requantize.epilogue.residual {
                Some(with) if MODE == Mode::Added as usize => {
                    (with.data.as_ptr().wrapping_add(pixel * with.stride + self.column), with.stride)
                }
                _ => (core::ptr::null(), 0),
            };
            for (index, pair) in sums.as_chunks::<2>().0.iter().enumerate() {
                let rounded = core::array::from_fn(|i| {
                    self.requantize.round::<MODE>(constants, pair[i / 2][i % 2], multipliers[i % 2])
                });
                let values = self.requantize.store::<MODE>(constants, rounded, || {
                    let mut other: int8x16_t;
                    asm!(
                        "ld1 {{{other:v}.8b}}, [{from}], {stride}",
                        "ld1 {{{other:v}.d}}[1], [{from}], {stride}",
                        other = out(vreg) other, from = inout(reg) from, stride = in(reg) stride,
                        options(readonly, nostack, preserves_flags),
                    );
                    other
                });
                if part && 2 * index + 2 == P {
                    let mut lanes = [0; 16];
                    vst1q_s8(lanes.as_mut_ptr(), values);
                    vst1_s8(to, vget_low_s8(values));
                    copy_few(lanes.as_ptr().add(8), to.add(step), self.count);
                    return;
                }
                // In one instruction each: the compiler would keep an address for each pixel.
                asm!(
                    "st1 {{{values:v}.8b}}, [{to}], {step}",
                    "st1 {{{values:v}.d}}[1], [{to}], {step}",
                    values = in(vreg) values, to = inout(reg) to, step = in(reg) step,
                    options(nostack, preserves_flags),
                );
            }
        }
    }

    /// The modes that are rare or long.
    ///
    /// # Safety
    /// As [`Target::store_as`].
    #[inline(never)]
    unsafe fn store_apart<const V: usize, const P: usize, const MODE: usize>(
        &self,
        sums: &[[int32x4_t; V]; P],
        outs: &[*mut Q; P],
        pixel: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            if MODE == Mode::Any as usize && self.requantize.exotic {
                self.store_by_definition(sums.as_flattened(), V, outs, pixel);
            } else {
                self.store_here::<V, P, MODE>(&self.requantize.constants(), sums, outs, pixel);
            }
        }
    }

    /// [`Target::store_as`] by vectors.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn store_here<const V: usize, const P: usize, const MODE: usize>(
        &self,
        constants: &Constants,
        sums: &[[int32x4_t; V]; P],
        outs: &[*mut Q; P],
        pixel: usize,
    ) {
        let all = MODE != Mode::Any as usize && MODE != Mode::Part as usize;
        // The channels stored of those from `channel` on that are in the same vector of bytes, counted from there.
        let part = |channel: usize| {
            let start = self.first.saturating_sub(channel);
            start..(self.first + self.count).min(channel + 4 * V.min(4)).saturating_sub(channel)
        };
        // SAFETY: the caller's promise: `4 * V` multipliers are readable, and the channels stored of `P` pixels are
        // there to be written, and in the tensor to be added if there is one.
        unsafe {
            let multipliers: [float32x4_t; V] =
                core::array::from_fn(|i| vld1q_f32(self.multipliers.add(4 * i)));
            // Four vectors at a time: of four pixels, of two, of one, or one half of a pixel's.
            for first in (0..P * V).step_by(4) {
                let at = |i: usize| (((first + i) / V).min(P - 1), (first + i) % V);
                let begins = || (0..4).step_by(V.min(4)).filter(|i| first + i < P * V);
                let rounded = core::array::from_fn(|i| {
                    let (pixel, vector) = at(i);
                    self.requantize.round::<MODE>(constants, sums[pixel][vector], multipliers[vector])
                });
                let values = self.requantize.store::<MODE>(constants, rounded, || {
                    let Some(with) = &self.requantize.epilogue.residual else { return vdupq_n_s8(0) };
                    let from = |i| {
                        let (index, vector) = at(i);
                        with.data
                            .as_ptr()
                            .wrapping_add((pixel + index) * with.stride + self.column + 4 * vector)
                    };
                    if all {
                        return load_lanes::<V>(from);
                    }
                    let mut lanes = [0; 16];
                    for i in begins() {
                        let part = part(4 * at(i).1);
                        let from = from(i).wrapping_add(part.start).wrapping_sub(self.first);
                        let to = lanes.as_mut_ptr().wrapping_add(4 * i + part.start);
                        core::ptr::copy_nonoverlapping(from, to, part.len());
                    }
                    vld1q_s8(lanes.as_ptr())
                });
                let mut lanes = [0; 16];
                if !all {
                    vst1q_s8(lanes.as_mut_ptr(), values);
                }
                for i in begins() {
                    let (pixel, vector) = at(i);
                    let to = outs[pixel].wrapping_add(self.column + 4 * vector);
                    if all {
                        store_lanes::<V>(values, i, to);
                    } else {
                        let part = part(4 * vector);
                        let to = to.wrapping_add(part.start).wrapping_sub(self.first);
                        copy_few(lanes.as_ptr().wrapping_add(4 * i + part.start), to, part.len());
                    }
                }
            }
        }
    }

    /// # Safety
    /// As [`Target::store`]; `sums` are `vectors` of each pixel.
    #[cold]
    #[inline(never)]
    unsafe fn store_by_definition(&self, sums: &[int32x4_t], vectors: usize, outs: &[*mut Q], pixel: usize) {
        let epilogue = self.requantize.epilogue;
        for (index, (sums, out)) in sums.chunks_exact(vectors).zip(outs).enumerate() {
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

/// Sixteen values, `4 * V` of them together; the others' addresses are those of the vectors they belong to.
///
/// # Safety
/// They may be read.
#[inline(always)]
unsafe fn load_lanes<const V: usize>(from: impl Fn(usize) -> *const Q) -> int8x16_t {
    // SAFETY: the caller's promise.
    unsafe {
        match V {
            1 => {
                let words: [i32; 4] = core::array::from_fn(|i| from(i).cast::<i32>().read_unaligned());
                vreinterpretq_s8_s32(vld1q_s32(words.as_ptr()))
            }
            2 => {
                let halves: [i64; 2] = core::array::from_fn(|i| from(2 * i).cast::<i64>().read_unaligned());
                vreinterpretq_s8_s64(vld1q_s64(halves.as_ptr()))
            }
            _ => vld1q_s8(from(0)),
        }
    }
}

/// Stores the values of the vectors from `vector` on that belong to the same pixel.
///
/// # Safety
/// They may be written.
#[inline(always)]
unsafe fn store_lanes<const V: usize>(values: int8x16_t, vector: usize, to: *mut Q) {
    // SAFETY: the caller's promise.
    unsafe {
        let (words, halves) = (vreinterpretq_s32_s8(values), vreinterpretq_s64_s8(values));
        match (V, vector) {
            (1, 0) => to.cast::<i32>().write_unaligned(vgetq_lane_s32::<0>(words)),
            (1, 1) => to.cast::<i32>().write_unaligned(vgetq_lane_s32::<1>(words)),
            (1, 2) => to.cast::<i32>().write_unaligned(vgetq_lane_s32::<2>(words)),
            (1, _) => to.cast::<i32>().write_unaligned(vgetq_lane_s32::<3>(words)),
            (2, 0) => to.cast::<i64>().write_unaligned(vgetq_lane_s64::<0>(halves)),
            (2, _) => to.cast::<i64>().write_unaligned(vgetq_lane_s64::<1>(halves)),
            _ => vst1q_s8(to, values),
        }
    }
}

/// Copies up to sixteen values without a loop.
///
/// # Safety
/// They may be read and written, and do not overlap.
#[inline(always)]
unsafe fn copy_few(from: *const Q, to: *mut Q, count: usize) {
    /// The first and the last of them as values of type `T`, which may overlap.
    ///
    /// # Safety
    /// As above, and `count` is at least the size of `T`.
    #[inline(always)]
    unsafe fn ends<T>(from: *const Q, to: *mut Q, count: usize) {
        let last = count - size_of::<T>();
        // SAFETY: the caller's promise.
        unsafe {
            to.cast::<T>().write_unaligned(from.cast::<T>().read_unaligned());
            to.add(last).cast::<T>().write_unaligned(from.add(last).cast::<T>().read_unaligned());
        }
    }
    // SAFETY: the caller's promise.
    unsafe {
        match count {
            8.. => ends::<u64>(from, to, count),
            4.. => ends::<u32>(from, to, count),
            2.. => ends::<u16>(from, to, count),
            1 => ends::<u8>(from, to, count),
            0 => {}
        }
    }
}
