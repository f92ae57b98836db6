//! Pooling of windows, sums over whole dims.

use std::ops::Range;

use super::rounding::Rounding;
use crate::kernels::{LONGEST_SUM, Output, Patches, Q, SumParams, unsigned};

/// See [`crate::kernels::Kernels::max_pool`].
#[inline(always)]
pub fn max_pool(patches: &Patches, out: &mut Output) {
    for pixel in 0..patches.pixels() {
        let (base, at) = (patches.base(pixel), out.at(pixel));
        let out = &mut out.data[at..][..patches.run];
        out.fill(Q::MIN);
        for tap in patches.taps {
            for (out, &x) in out.iter_mut().zip(&patches.data[base + tap..][..patches.run]) {
                *out = x.max(*out);
            }
        }
    }
}

/// Channels whose sums grow side by side.
const LANES: usize = 32;

/// See [`crate::kernels::Kernels::average_pool`].
#[inline(always)]
pub fn average_pool(patches: &Patches, factors: &[f32], params: &SumParams, out: &mut Output) {
    assert!(patches.taps.len() <= LONGEST_SUM, "sums of {} values may not fit 32 bits", patches.taps.len());
    assert_eq!(factors.len(), patches.pixels(), "there is a factor for each pixel");
    let rounding = Rounding::new(params.zero, params.low, params.high);
    let zeros = patches.taps.len() as i32 * params.input_zero;
    for (pixel, &factor) in factors.iter().enumerate() {
        let (base, at) = (patches.base(pixel), out.at(pixel));
        let out = &mut out.data[at..][..patches.run];
        for (index, out) in out.chunks_mut(LANES).enumerate() {
            let mut sums = [0; LANES];
            for tap in patches.taps {
                add_to(&mut sums, &patches.data[base + tap + index * LANES..][..out.len()]);
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = rounding.store((sum - zeros) as f32 * factor);
            }
        }
    }
}

#[inline(always)]
fn add_to(sums: &mut [i32; LANES], values: &[Q]) {
    for (sum, &x) in sums.iter_mut().zip(values) {
        *sum += i32::from(x);
    }
}

/// See [`crate::kernels::Kernels::reduce`].
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
