//! Matrix products on AVX512-VNNI: blocks of pixels, read where they are or brought into rows, then tiles over each panel
//! of output channels.

#![allow(unsafe_code)]

use std::ops::{Range, RangeInclusive};

use super::super::avx2::matrix::place;
use super::super::avx2::rows;
use super::super::avx2::tile::even_part;
use super::panel::{self, CHANNELS, LANES};
use super::tile::{Columns, Rows, avx512_vnni_u8_tile};
use crate::kernels::{Epilogue, Output, PackedMatrix, Patches, Scratch};

/// Bytes of patches in rows that stay in the first-level cache.
const BLOCK_BYTES: usize = 24 << 10;
/// Pixels of a block: at least so many that weights from memory are used often.
const BLOCK_PIXELS: RangeInclusive<usize> = 48..=384;

/// Most pixels that are brought into rows at once: a multiple of every tile's.
fn block_pixels(depth: usize) -> usize {
    let fit = BLOCK_BYTES / rows::stride::<1>(depth).max(1);
    fit.clamp(*BLOCK_PIXELS.start(), *BLOCK_PIXELS.end()) / 12 * 12
}

/// See [`crate::kernels::Kernels::matrix_scratch_bytes`].
pub fn scratch_bytes(depth: usize) -> usize {
    rows::size::<1>(block_pixels(depth), depth)
}

/// See [`crate::kernels::Kernels::matrix`].
///
/// # Safety
/// AVX2 and AVX512 F, BW, VL and VNNI.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub unsafe fn run(
    patches: &Patches,
    weights: &PackedMatrix,
    channels: Range<usize>,
    epilogue: &Epilogue,
    out: &mut Output,
    scratch: &mut Scratch,
) {
    let (pixels, depth) = (patches.pixels(), weights.depth);
    if pixels == 0 || channels.is_empty() {
        return;
    }
    assert!(patches.depth() == depth && patches.data.len() >= patches.end());
    assert!(channels.end <= weights.outputs && channels.end <= epilogue.multipliers.len());
    let padded = weights.outputs.next_multiple_of(LANES);
    assert!(weights.bias.len() == padded && weights.data.len() >= panel::offset(padded, depth));
    assert!(out.width == patches.width && out.data.len() >= out.at(pixels - 1) + channels.len());
    assert!(out.step >= channels.len() || patches.width == 1, "output pixels overlap");
    if let Some(with) = epilogue.residual {
        assert!(with.data.len() >= (pixels - 1) * with.stride + channels.len());
    }
    assert!(scratch.lines.len() >= scratch_bytes(depth), "scratch is smaller than matrix_scratch_bytes");
    let small = |values: [i32; 3]| values.into_iter().all(|value| value.unsigned_abs() < 1 << 20);
    let last = epilogue.residual.map_or([0; 3], |with| [with.zero_point, with.low, with.high]);
    let first = [epilogue.zero_point, epilogue.low, epilogue.high];
    assert!(small(first) && small(last), "zero points and bounds are far from stored values");

    let scratch = scratch.lines.bytes_mut().as_mut_ptr();
    let blocks = pixels.div_ceil(block_pixels(depth));
    let block = pixels.div_ceil(blocks).next_multiple_of(12);
    let mut offsets = [0; *BLOCK_PIXELS.end()];
    for first in (0..pixels).step_by(block) {
        let count = block.min(pixels - first);
        place(out, first, &mut offsets[..count]);
        let brought = match rows::in_place(patches, first, count) {
            Some(start) => (patches.data[start..].as_ptr(), patches.step),
            None => {
                // SAFETY: the patches' data reach to their end, and a block is at most `block_pixels`, for which scratch
                // has room.
                unsafe { rows::avx2_u8_rows::<1>(patches, first, count, scratch) };
                (scratch.cast_const(), rows::stride::<1>(depth))
            }
        };
        for start in (channels.start / CHANNELS * CHANNELS..channels.end).step_by(CHANNELS) {
            let wanted = start.max(channels.start)..(start + CHANNELS).min(channels.end);
            // Bits of the channels of a register that are wanted.
            let mask = |v: usize| {
                let bits = |end: usize| (1u64 << end.saturating_sub(start + v * LANES).min(LANES)) - 1;
                (bits(wanted.end) & !bits(wanted.start)) as u16
            };
            let columns = Columns {
                // SAFETY: the panel lies within the packed weights and bias, whose sizes were checked.
                weights: unsafe { weights.data.bytes().as_ptr().add(panel::offset(start, depth)).cast() },
                groups: panel::groups(depth),
                bias: weights.bias[start..].as_ptr(),
                wanted: std::array::from_fn(mask),
                multipliers: epilogue.multipliers[start..].as_ptr(),
            };
            let block = Block {
                columns,
                brought,
                first,
                offsets: &offsets[..count],
                // Output and residual count from the first channel of the call.
                shift: start.wrapping_sub(channels.start),
                epilogue,
            };
            // SAFETY: `brought` holds the patches of the block; the sizes of output and residual were checked.
            unsafe {
                match panel::width(start, weights.outputs) {
                    1 => block.tiles::<1, 12>(out),
                    2 => block.tiles::<2, 12>(out),
                    3 => block.tiles::<3, 8>(out),
                    _ => block.tiles::<4, 6>(out),
                }
            }
        }
    }
}

/// A block of pixels and one panel.
struct Block<'a> {
    columns: Columns,
    /// The patches, and bytes from one to the next.
    brought: (*const u8, usize),
    /// The first pixel.
    first: usize,
    /// Where each pixel's output begins.
    offsets: &'a [usize],
    /// Where the panel's first channel lies in a pixel's output and residual, perhaps before its beginning.
    shift: usize,
    epilogue: &'a Epilogue<'a>,
}

impl Block<'_> {
    /// All tiles, of at most `MOST` pixels.
    ///
    /// # Safety
    /// The instructions; patches and weights of the block; `V` is the panel's width; output and residual, if there is
    /// one, have the wanted channels of every pixel of the block.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn tiles<const V: usize, const MOST: usize>(&self, out: &mut Output) {
        let residual = self.epilogue.residual.as_ref();
        let add = residual.map_or(std::ptr::null(), |with| with.data.as_ptr().wrapping_add(self.shift));
        let add_stride = residual.map_or(0, |with| with.stride);
        let to = out.data.as_mut_ptr().wrapping_add(self.shift);
        let mut row = 0;
        while row < self.offsets.len() {
            let count = even_part(self.offsets.len() - row, MOST);
            let rows = Rows {
                patches: (self.brought.0.wrapping_add(row * self.brought.1), self.brought.1),
                to,
                offsets: self.offsets[row..].as_ptr(),
                add: (add.wrapping_add((self.first + row) * add_stride), add_stride),
            };
            let (columns, epilogue) = (&self.columns, self.epilogue);
            // SAFETY: the caller's promise.
            unsafe {
                match count {
                    1 => avx512_vnni_u8_tile::<1, V>(columns, &rows, epilogue, residual),
                    2 => avx512_vnni_u8_tile::<2, V>(columns, &rows, epilogue, residual),
                    3 => avx512_vnni_u8_tile::<3, V>(columns, &rows, epilogue, residual),
                    4 => avx512_vnni_u8_tile::<4, V>(columns, &rows, epilogue, residual),
                    5 => avx512_vnni_u8_tile::<5, V>(columns, &rows, epilogue, residual),
                    6 => avx512_vnni_u8_tile::<6, V>(columns, &rows, epilogue, residual),
                    7 if V < 4 => avx512_vnni_u8_tile::<7, V>(columns, &rows, epilogue, residual),
                    8 if V < 4 => avx512_vnni_u8_tile::<8, V>(columns, &rows, epilogue, residual),
                    9 if V < 3 => avx512_vnni_u8_tile::<9, V>(columns, &rows, epilogue, residual),
                    10 if V < 3 => avx512_vnni_u8_tile::<10, V>(columns, &rows, epilogue, residual),
                    11 if V < 3 => avx512_vnni_u8_tile::<11, V>(columns, &rows, epilogue, residual),
                    12 if V < 3 => avx512_vnni_u8_tile::<12, V>(columns, &rows, epilogue, residual),
                    _ => unreachable!("tiles have at most {MOST} pixels"),
                }
            }
            row += count;
        }
    }
}
