//! Copies of patches whose runs a kernel cannot read in place.

#![allow(unsafe_code)]

use crate::kernels::{Patches, Q};

/// From a copied patch to the next: copying may write fifteen bytes past the end.
pub const fn pitch(depth: usize) -> usize {
    depth.next_multiple_of(16) + 16
}

/// How many runs in a row are one: each begins where the one before ends.
pub fn joined(taps: &[usize], run: usize) -> usize {
    let follows = |i: usize| taps[i] == taps[i - 1] + run;
    let length = (1..taps.len()).find(|&i| !follows(i)).unwrap_or(taps.len()).max(1);
    let regular =
        taps.len().is_multiple_of(length) && (1..taps.len()).all(|i| follows(i) != i.is_multiple_of(length));
    if regular { length } else { 1 }
}

/// Copies `count` patches, `pitch` apart, the first one's at `base`: sixteen values at a time where the data allow it.
/// What is written past the end of a run is overwritten by the next run, or meets weights of 0.
///
/// # Safety
/// The patches lie inside the data; at `to` there is room for `count` times `pitch`.
pub unsafe fn copy_patches(
    patches: &Patches,
    joined: usize,
    base: usize,
    count: usize,
    to: *mut Q,
    pitch: usize,
) {
    let run = patches.run * joined;
    for (index, tap) in patches.taps.iter().step_by(joined).enumerate() {
        let end = base + tap + run.next_multiple_of(16);
        let whole = match patches.data.len().checked_sub(end) {
            Some(left) => (left / patches.step.max(1) + 1).min(count),
            None => 0,
        };
        let mut from = patches.data[base + tap..].as_ptr();
        let mut to = to.wrapping_add(index * run);
        // SAFETY: reading past a run happens only inside the data; a pitch is long enough for writing past it.
        unsafe {
            for _ in 0..if run <= 16 { whole } else { 0 } {
                copy_16(from, to);
                (from, to) = (from.wrapping_add(patches.step), to.wrapping_add(pitch));
            }
            for _ in 0..if run <= 16 { 0 } else { whole } {
                for i in (0..run).step_by(16) {
                    copy_16(from.add(i), to.add(i));
                }
                (from, to) = (from.wrapping_add(patches.step), to.wrapping_add(pitch));
            }
            for _ in whole..count {
                core::ptr::copy_nonoverlapping(from, to, run);
                (from, to) = (from.wrapping_add(patches.step), to.wrapping_add(pitch));
            }
        }
    }
}

/// Copies sixteen values.
///
/// # Safety
/// They may be read and written.
#[inline(always)]
unsafe fn copy_16(from: *const Q, to: *mut Q) {
    // SAFETY: the caller's promise.
    unsafe { to.cast::<[Q; 16]>().write_unaligned(from.cast::<[Q; 16]>().read_unaligned()) }
}
