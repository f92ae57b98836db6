//! Rows of RGB from other formats with NEON.

use core::arch::aarch64::*;

use crate::kernels::PixelRow;
use crate::kernels::generic::pixels::{
    self as generic, B_OFFSET, G_OFFSET, R_OFFSET, U_TO_B, U_TO_G, V_TO_G, V_TO_R, Y_GAIN,
};

/// Pixels that are made at once.
const PIXELS: usize = 16;

/// See [`crate::kernels::Pixels::rgb_row`].
pub fn rgb_row(row: PixelRow, rgb: &mut [u8]) {
    let width = rgb.len() / 3;
    assert!(row.holds(width), "a row has {width} pixels");
    let whole = width / PIXELS;
    // SAFETY: all pointers go through slices that hold `whole` times 16 pixels (asserted above), of which each step reads
    // those of its own 16: 32 bytes of groups, 48 of B, G, R, 16 Y, 16 bytes of chroma pairs, 8 of a chroma plane. Each
    // step writes 48 bytes of `rgb` at 48 times its number. Every processor of this architecture has NEON.
    unsafe {
        let out = rgb.as_mut_ptr();
        match row {
            PixelRow::Yuyv(groups) => {
                for i in 0..whole {
                    let uint8x8x4_t(even, u, odd, v) = vld4_u8(groups.as_ptr().add(32 * i));
                    write([even, odd, u, v], out.add(48 * i));
                }
            }
            PixelRow::Uyvy(groups) => {
                for i in 0..whole {
                    let uint8x8x4_t(u, even, v, odd) = vld4_u8(groups.as_ptr().add(32 * i));
                    write([even, odd, u, v], out.add(48 * i));
                }
            }
            PixelRow::Pairs { y, uv } => {
                for i in 0..whole {
                    let uint8x8x2_t(even, odd) = vld2_u8(y.as_ptr().add(16 * i));
                    let uint8x8x2_t(u, v) = vld2_u8(uv.as_ptr().add(16 * i));
                    write([even, odd, u, v], out.add(48 * i));
                }
            }
            PixelRow::Halved { y, u, v } => {
                for i in 0..whole {
                    let uint8x8x2_t(even, odd) = vld2_u8(y.as_ptr().add(16 * i));
                    let (u, v) = (vld1_u8(u.as_ptr().add(8 * i)), vld1_u8(v.as_ptr().add(8 * i)));
                    write([even, odd, u, v], out.add(48 * i));
                }
            }
            PixelRow::Bgr(pixels) => {
                for i in 0..whole {
                    let uint8x16x3_t(b, g, r) = vld3q_u8(pixels.as_ptr().add(48 * i));
                    vst3q_u8(out.add(48 * i), uint8x16x3_t(r, g, b));
                }
            }
            PixelRow::Rgb(_) | PixelRow::Gray(_) | PixelRow::Full { .. } => {
                return generic::rgb_row(row, rgb);
            }
        }
    }
    generic::rgb_row(row.from(whole * PIXELS), &mut rgb[whole * PIXELS * 3..]);
}

/// Four sums of 32 bits, twice: for eight pixels.
type Sums = [uint32x4_t; 2];

/// `offset + samples * (the factors' sum)`, modulo 2^32: a factor has 16 bits.
///
/// # Safety
/// None beyond NEON.
#[inline(always)]
unsafe fn times(offset: i32, samples: uint16x8_t, factors: &[u16]) -> Sums {
    // SAFETY: NEON is there.
    unsafe {
        let mut sums = [vdupq_n_u32(offset as u32); 2];
        for &factor in factors {
            sums[0] = vmlal_n_u16(sums[0], vget_low_u16(samples), factor);
            sums[1] = vmlal_high_n_u16(sums[1], samples, factor);
        }
        sums
    }
}

/// Sums less `samples * factor`, modulo 2^32.
///
/// # Safety
/// None beyond NEON.
#[inline(always)]
unsafe fn less(sums: Sums, samples: uint16x8_t, factor: u16) -> Sums {
    // SAFETY: NEON is there.
    unsafe {
        [vmlsl_n_u16(sums[0], vget_low_u16(samples), factor), vmlsl_high_n_u16(sums[1], samples, factor)]
    }
}

/// `Y_GAIN * y`.
///
/// # Safety
/// None beyond NEON.
#[inline(always)]
unsafe fn luma(y: uint8x8_t) -> Sums {
    // SAFETY: NEON is there.
    unsafe {
        let (y, rest) = (vmovl_u8(y), (Y_GAIN - 0xFFFF) as u16);
        [
            vmlal_n_u16(vmull_n_u16(vget_low_u16(y), 0xFFFF), vget_low_u16(y), rest),
            vmlal_high_n_u16(vmull_high_n_u16(y, 0xFFFF), y, rest),
        ]
    }
}

/// The sums of luma and chroma divided by 2^16, as bytes.
///
/// # Safety
/// None beyond NEON.
#[inline(always)]
unsafe fn channel(luma: Sums, chroma: Sums) -> uint8x8_t {
    // SAFETY: NEON is there.
    unsafe {
        // The upper halves of sums are signed: the sums are, modulo 2^32, those of the definition.
        let upper = vaddhn_high_u32(vaddhn_u32(luma[0], chroma[0]), luma[1], chroma[1]);
        vqmovun_s16(vreinterpretq_s16_u16(upper))
    }
}

/// Writes R, G, B of eight pairs of pixels: their even Y, odd Y, U, V.
///
/// # Safety
/// 48 bytes can be written at `out`.
#[inline(always)]
unsafe fn write([even, odd, u, v]: [uint8x8_t; 4], out: *mut u8) {
    // SAFETY: by this function's contract.
    unsafe {
        let (even, odd, u, v) = (luma(even), luma(odd), vmovl_u8(u), vmovl_u8(v));
        let r = times(R_OFFSET, v, &[0xFFFF, (V_TO_R - 0xFFFF) as u16]);
        let g = less(less(times(G_OFFSET, u, &[]), u, U_TO_G as u16), v, V_TO_G as u16);
        let b = times(B_OFFSET, u, &[0xFFFF, 0xFFFF, (U_TO_B - 2 * 0xFFFF) as u16]);
        let pixels = |chroma: Sums| {
            let (even, odd) = (channel(even, chroma), channel(odd, chroma));
            vcombine_u8(vzip1_u8(even, odd), vzip2_u8(even, odd))
        };
        vst3q_u8(out, uint8x16x3_t(pixels(r), pixels(g), pixels(b)));
    }
}
