//! A resize downwards with NEON: weighted sums of rows.

use core::arch::aarch64::*;
use core::arch::asm;

use crate::kernels::generic::pixels as generic;

/// Bytes of a vector.
const BLOCK: usize = 16;
/// The most rows that are mixed here.
const ROWS: usize = 16;

/// See [`crate::kernels::Pixels::mix_rows`].
pub fn mix_rows(data: &[u8], rows: &[usize], weights: &[i16], precision: u32, out: &mut [u8]) {
    if out.len() < BLOCK || rows.len() > ROWS {
        return generic::mix_rows(data, rows, weights, precision, out);
    }
    assert_eq!(rows.len(), weights.len(), "one weight a row");
    let mut pointers = [data.as_ptr(); ROWS];
    for (pointer, &row) in pointers.iter_mut().zip(rows) {
        *pointer = data[row..][..out.len()].as_ptr();
    }
    let mix = match rows.len() {
        2 => mix::<2>,
        3 => mix::<3>,
        4 => mix::<4>,
        5 => mix::<5>,
        6 => mix::<6>,
        _ => mix::<0>,
    };
    // SAFETY: every pointer has as many bytes behind it as `out`.
    unsafe { mix(&pointers[..rows.len()], weights, precision, out) }
}

/// `COUNT` is the number of rows, or 0 for any.
///
/// # Safety
/// `out` has at least 16 bytes, each pointer as many as `out`; there are as many weights as pointers, and `COUNT` is 0 or
/// their number.
unsafe fn mix<const COUNT: usize>(pointers: &[*const u8], weights: &[i16], precision: u32, out: &mut [u8]) {
    let count = if COUNT == 0 { pointers.len() } else { COUNT };
    for at in (0..out.len()).step_by(BLOCK) {
        // The last block overlaps the one before.
        let at = at.min(out.len() - BLOCK);
        // SAFETY: `at` leaves 16 bytes of `out`, and so of every row.
        unsafe {
            let mut sums = [vdupq_n_s32(1 << (precision - 1)); 4];
            for i in 0..count {
                let bytes = vld1q_u8(pointers.get_unchecked(i).add(at));
                let weight = here(vdupq_n_s16(*weights.get_unchecked(i)));
                let low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes)));
                let high = vreinterpretq_s16_u16(vmovl_high_u8(bytes));
                sums[0] = vmlal_s16(sums[0], vget_low_s16(low), vget_low_s16(weight));
                sums[1] = vmlal_high_s16(sums[1], low, weight);
                sums[2] = vmlal_s16(sums[2], vget_low_s16(high), vget_low_s16(weight));
                sums[3] = vmlal_high_s16(sums[3], high, weight);
            }
            vst1q_u8(out.as_mut_ptr().add(at), narrow(sums, precision));
        }
    }
}

/// The same weights, in 16 bits until here: the compiler would widen them before the loop, and then has to widen the bytes
/// to 32 bits too instead of multiplying 16 by 16.
///
/// # Safety
/// None beyond NEON.
#[inline(always)]
unsafe fn here(mut weights: int16x8_t) -> int16x8_t {
    // SAFETY: no instruction at all.
    unsafe { asm!("/* {0:v} */", inout(vreg) weights, options(nomem, nostack, preserves_flags)) };
    weights
}

/// Sums, which began with half of the last place, as bytes.
///
/// # Safety
/// None beyond NEON.
#[inline(always)]
pub unsafe fn narrow(mut sums: [int32x4_t; 4], precision: u32) -> uint8x16_t {
    // SAFETY: NEON is there.
    unsafe {
        let shift = vdupq_n_s32(-(precision as i32));
        for sum in &mut sums {
            *sum = vshlq_s32(*sum, shift);
        }
        let low = vqmovun_high_s32(vqmovun_s32(sums[0]), sums[1]);
        let high = vqmovun_high_s32(vqmovun_s32(sums[2]), sums[3]);
        vqmovn_high_u16(vqmovn_u16(low), high)
    }
}
