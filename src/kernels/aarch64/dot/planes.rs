//! From pixels to planes of four channels: `[channel / 4][pixel][channel % 4]`, so that a register holds four channels of
//! four neighboring pixels. `sdot` takes any of the four for all of its lanes.

#![allow(unsafe_code)]

use core::arch::asm;

use crate::kernels::Q;

/// Channels that are moved together.
const STEP: usize = 16;

/// Brings `channels` channels of `count` pixels to `to`, planes being `pitch` bytes apart; pixel `x` begins at `source(x)`.
/// What follows the last channel in its plane is not written.
///
/// # Safety
/// The pixels may be read and the planes written.
#[inline(always)]
pub unsafe fn split(
    source: impl Fn(usize) -> *const Q,
    channels: usize,
    count: usize,
    to: *mut u8,
    pitch: usize,
) {
    let whole = channels / 4 * 4;
    // SAFETY: the caller's promise; each load is of a pixel's own channels.
    unsafe {
        let mut x = if whole < STEP { 0 } else { count / 4 * 4 };
        for x in (0..x).step_by(4) {
            let from = core::array::from_fn(|i| source(x + i));
            let to = to.add(4 * x);
            four_pixels(from, whole / STEP, to, pitch);
            if !whole.is_multiple_of(STEP) {
                // The last channels once more with some before them, so as to be a whole step.
                let last = whole - STEP;
                four_pixels(from.map(|from| from.add(last)), 1, to.add(last / 4 * pitch), pitch);
            }
        }
        while x < count {
            let (from, to) = (source(x), to.add(4 * x));
            for channel in (0..whole).step_by(4) {
                let four = from.add(channel).cast::<[Q; 4]>().read_unaligned();
                to.add(channel / 4 * pitch).cast::<[Q; 4]>().write_unaligned(four);
            }
            x += 1;
        }
        if whole < channels {
            for x in 0..count {
                let to = to.add(whole / 4 * pitch + 4 * x).cast();
                core::ptr::copy_nonoverlapping(source(x).add(whole), to, channels - whole);
            }
        }
    }
}

/// `steps` times [`STEP`] channels of four pixels; `steps` is at least 1.
///
/// # Safety
/// They may be read and written.
#[inline(always)]
unsafe fn four_pixels([a, b, c, d]: [*const Q; 4], steps: usize, to: *mut u8, pitch: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "2:",
            "ldr q0, [{a}], #16", "ldr q1, [{b}], #16", "ldr q2, [{c}], #16", "ldr q3, [{d}], #16",
            "st4 {{v0.s, v1.s, v2.s, v3.s}}[0], [{to}], {pitch}",
            "st4 {{v0.s, v1.s, v2.s, v3.s}}[1], [{to}], {pitch}",
            "st4 {{v0.s, v1.s, v2.s, v3.s}}[2], [{to}], {pitch}",
            "st4 {{v0.s, v1.s, v2.s, v3.s}}[3], [{to}], {pitch}",
            "subs {steps}, {steps}, #1",
            "b.ne 2b",
            a = inout(reg) a => _, b = inout(reg) b => _, c = inout(reg) c => _, d = inout(reg) d => _,
            to = inout(reg) to => _, pitch = in(reg) pitch, steps = inout(reg) steps => _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _,
            options(nostack),
        );
    }
}
