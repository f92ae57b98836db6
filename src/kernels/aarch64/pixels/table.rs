//! Stored values of pixels by tables with NEON.

use core::arch::aarch64::*;

use crate::kernels::generic::pixels as generic;
use crate::kernels::{LookUp, Q};

/// Values of a vector.
const BLOCK: usize = 16;
/// Channels that are looked up in tables of their own.
const CHANNELS: usize = 3;

/// See [`crate::kernels::Pixels::look_up`].
pub fn look_up(pixels: &[u8], look_up: &LookUp, out: &mut [Q]) {
    if let Some(entries) = look_up.one_table() {
        assert_eq!(pixels.len(), out.len(), "a table keeps the number of values");
        // SAFETY: NEON is there.
        let table = unsafe { Table::new(entries) };
        let (blocks, rest) = pixels.as_chunks::<BLOCK>();
        let (out_blocks, out_rest) = out.as_chunks_mut::<BLOCK>();
        for (block, out) in blocks.iter().zip(out_blocks) {
            // SAFETY: 16 bytes are read and written.
            unsafe { vst1q_s8(out.as_mut_ptr(), table.look_up(vld1q_u8(block.as_ptr()))) };
        }
        for (out, &pixel) in out_rest.iter_mut().zip(rest) {
            *out = entries[usize::from(pixel)];
        }
        return;
    }
    let (&[first, second, third], CHANNELS) = (look_up.order(), look_up.channels()) else {
        return generic::look_up(pixels, look_up, out);
    };
    assert_eq!(pixels.len(), out.len(), "as many channels as the pixels have");
    let (blocks, rest) = pixels.as_chunks::<{ BLOCK * CHANNELS }>();
    let (out_blocks, out_rest) = out.as_chunks_mut::<{ BLOCK * CHANNELS }>();
    // The channels change places first; a table fills half of the registers, so each has its turn with the whole row.
    for (block, out) in blocks.iter().zip(&mut *out_blocks) {
        // SAFETY: 48 bytes are read and written.
        unsafe {
            let uint8x16x3_t(r, g, b) = vld3q_u8(block.as_ptr());
            let channels = [r, g, b];
            let turned = uint8x16x3_t(channels[first], channels[second], channels[third]);
            vst3q_u8(out.as_mut_ptr().cast(), turned);
        }
    }
    let [first, second, third] = look_up.tables() else { unreachable!("one table an output channel") };
    turn::<0>(first, out_blocks);
    turn::<1>(second, out_blocks);
    turn::<2>(third, out_blocks);
    generic::look_up(rest, look_up, out_rest);
}

/// Looks up one of three interleaved channels.
fn turn<const CHANNEL: usize>(entries: &[Q; 256], blocks: &mut [[Q; BLOCK * CHANNELS]]) {
    // SAFETY: 48 bytes are read and written.
    unsafe {
        let table = Table::new(entries);
        for block in blocks {
            let mut values = vld3q_s8(block.as_ptr());
            let values_of = match CHANNEL {
                0 => &mut values.0,
                1 => &mut values.1,
                _ => &mut values.2,
            };
            *values_of = table.look_up(vreinterpretq_u8_s8(*values_of));
            vst3q_s8(block.as_mut_ptr(), values);
        }
    }
}

/// 256 entries, in quarters.
struct Table([int8x16x4_t; 4]);

impl Table {
    /// # Safety
    /// None beyond NEON.
    #[inline(always)]
    unsafe fn new(entries: &[Q; 256]) -> Table {
        // SAFETY: 64 bytes are read from 0, 64, 128, 192 of 256.
        unsafe {
            let from = entries.as_ptr();
            Table([
                vld1q_s8_x4(from),
                vld1q_s8_x4(from.add(64)),
                vld1q_s8_x4(from.add(128)),
                vld1q_s8_x4(from.add(192)),
            ])
        }
    }

    /// The entry of each value. An index outside a quarter leaves what is there.
    ///
    /// # Safety
    /// None beyond NEON.
    #[inline(always)]
    unsafe fn look_up(&self, values: uint8x16_t) -> int8x16_t {
        // SAFETY: NEON is there.
        unsafe {
            let quarter = vdupq_n_u8(64);
            let Table([a, b, c, d]) = *self;
            let second = vsubq_u8(values, quarter);
            let third = vsubq_u8(second, quarter);
            let fourth = vsubq_u8(third, quarter);
            let found = vqtbl4q_s8(a, values);
            let found = vqtbx4q_s8(found, b, second);
            let found = vqtbx4q_s8(found, c, third);
            vqtbx4q_s8(found, d, fourth)
        }
    }
}
