//! Pooling of windows, sums over whole dims.

use std::ops::Range;

use super::rounding::Rounding;
use crate::kernels::{LONGEST_SUM, Output, Patches, Q, SumParams, unsigned};

/// See [`crate::kernels::Operators::max_pool`].
#[inline(always)]
pub fn max_pool(patches: &Patches, out: &mut Output) {
    match patches.run {
        0..16 => max_pool_blocks::<1>(patches, out),
        16..32 => max_pool_blocks::<16>(patches, out),
        32..64 => max_pool_blocks::<32>(patches, out),
        _ => max_pool_blocks::<64>(patches, out),
    }
}

/// By blocks of channels, at least one of them; the last one may overlap the one before.
#[inline(always)]
fn max_pool_blocks<const BLOCK: usize>(patches: &Patches, out: &mut Output) {
    let channels = patches.run;
    for pixel in 0..patches.pixels() {
        let (base, at) = (patches.base(pixel), out.at(pixel));
        let out = &mut out.data[at..][..channels];
        for first in (0..channels).step_by(BLOCK) {
            let first = first.min(channels - BLOCK);
            let mut largest = [Q::MIN; BLOCK];
            for tap in patches.taps {
                let values: &[Q; BLOCK] = block(patches.data, base + tap + first);
                for (largest, &x) in largest.iter_mut().zip(values) {
                    *largest = x.max(*largest);
                }
            }
            out[first..first + BLOCK].copy_from_slice(&largest);
        }
    }
}

#[inline(always)]
fn block<const BLOCK: usize>(values: &[Q], first: usize) -> &[Q; BLOCK] {
    values[first..].first_chunk().expect("a whole block")
}

/// Taps whose unsigned values surely fit 16 bits in sum.
const TAPS_SHORT: usize = 257;

/// See [`crate::kernels::Operators::average_pool`].
#[inline(always)]
pub fn average_pool(patches: &Patches, factors: &[f32], params: &SumParams, out: &mut Output) {
    assert!(patches.taps.len() <= LONGEST_SUM, "sums of {} values may not fit 32 bits", patches.taps.len());
    assert_eq!(factors.len(), patches.pixels(), "there is a factor for each pixel");
    match (patches.run, patches.taps.len() <= TAPS_SHORT) {
        (0..16, _) => average_pool_blocks::<1, u32>(patches, factors, params, out),
        (_, true) => average_pool_blocks::<16, u16>(patches, factors, params, out),
        (_, false) => average_pool_blocks::<16, u32>(patches, factors, params, out),
    }
}

/// As [`max_pool_blocks`].
#[inline(always)]
fn average_pool_blocks<const BLOCK: usize, Sum>(
    patches: &Patches,
    factors: &[f32],
    params: &SumParams,
    out: &mut Output,
) where
    Sum: Copy + Default + From<u8> + Into<u32> + std::ops::AddAssign,
{
    let channels = patches.run;
    let rounding = Rounding::new(params.zero, params.low, params.high);
    let zeros = patches.taps.len() as u32 * unsigned_zero(params.input_zero);
    for (pixel, &factor) in factors.iter().enumerate() {
        let (base, at) = (patches.base(pixel), out.at(pixel));
        let out = &mut out.data[at..][..channels];
        for first in (0..channels).step_by(BLOCK) {
            let first = first.min(channels - BLOCK);
            let mut sums = [Sum::default(); BLOCK];
            for tap in patches.taps {
                let values: &[Q; BLOCK] = block(patches.data, base + tap + first);
                for (sum, &x) in sums.iter_mut().zip(values) {
                    *sum += Sum::from(unsigned(x));
                }
            }
            for (out, sum) in out[first..first + BLOCK].iter_mut().zip(sums) {
                let sum: u32 = sum.into();
                *out = rounding.store(sum.wrapping_sub(zeros) as i32 as f32 * factor);
            }
        }
    }
}

/// See [`crate::kernels::Operators::reduce`].
#[inline(always)]
pub fn reduce(
    input: &[Q],
    [reduced, inner]: [usize; 2],
    range: Range<usize>,
    factor: f32,
    params: &SumParams,
    out: &mut [Q],
) {
    assert!(reduced <= LONGEST_SUM, "sums of {reduced} values may not fit 32 bits");
    assert!(range.end <= inner, "the part lies within the inner dims");
    if range.is_empty() {
        return;
    }
    assert_eq!(
        input.len(),
        out.len() / range.len() * reduced * inner,
        "the input is [outer][reduced][inner]"
    );
    let rounding = Rounding::new(params.zero, params.low, params.high);
    // Sums are of unsigned values: those of a few hundred fit 16 bits.
    let zeros = reduced as u32 * unsigned_zero(params.input_zero);
    for (index, out) in out.chunks_exact_mut(range.len()).enumerate() {
        let input = &input[index * reduced * inner..][..reduced * inner];
        if inner == 1 {
            let sum: u32 = input.iter().map(|&x| u32::from(unsigned(x))).sum();
            out[0] = rounding.store(sum.wrapping_sub(zeros) as i32 as f32 * factor);
            continue;
        }
        let side_by_side = WIDE / inner;
        if side_by_side > 1 && range.len() == inner {
            // Several short rows make one long row; its columns are summed up in the end.
            let whole = reduced / side_by_side * side_by_side * inner;
            let long = column_sums(&input[..whole], side_by_side * inner, 0, side_by_side * inner);
            let short = column_sums(&input[whole..], inner, 0, inner);
            for (column, out) in out.iter_mut().enumerate() {
                let sum: u32 = (0..side_by_side).map(|i| long[i * inner + column]).sum();
                *out = rounding.store((sum + short[column]).wrapping_sub(zeros) as i32 as f32 * factor);
            }
            continue;
        }
        for (index, out) in out.chunks_mut(WIDE).enumerate() {
            let sums = column_sums(input, inner, range.start + index * WIDE, out.len());
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = rounding.store(sum.wrapping_sub(zeros) as i32 as f32 * factor);
            }
        }
    }
}

fn unsigned_zero(zero: i32) -> u32 {
    (zero - crate::kernels::Q_OFFSET) as u32
}

/// Columns whose sums grow side by side: a cache line of them.
const WIDE: usize = 64;
/// Rows whose unsigned values surely fit 16 bits in sum.
const ROWS: usize = 257;

/// Sums of `count` columns, at most [`WIDE`], of `[rows][inner]`.
#[inline(always)]
fn column_sums(input: &[Q], inner: usize, first: usize, count: usize) -> [u32; WIDE] {
    let mut sums = [0_u32; WIDE];
    for rows in input.chunks(inner * ROWS) {
        let mut short = [0_u16; WIDE];
        if count == WIDE {
            for row in rows.chunks_exact(inner) {
                add_to_short(&mut short, &row[first..][..WIDE]);
            }
        } else {
            for row in rows.chunks_exact(inner) {
                add_to_short(&mut short[..count], &row[first..][..count]);
            }
        }
        for (sum, short) in sums.iter_mut().zip(short) {
            *sum += u32::from(short);
        }
    }
    sums
}

#[inline(always)]
fn add_to_short(sums: &mut [u16], values: &[Q]) {
    for (sum, &x) in sums.iter_mut().zip(values) {
        *sum += u16::from(unsigned(x));
    }
}
