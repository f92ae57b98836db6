//! Resizing of images: nearest and linear.

use super::rounding::Rounding;
use crate::kernels::{Between, LinearParams, Output, Q, Resize};

/// See [`crate::kernels::Operators::nearest`].
#[inline(always)]
pub fn nearest(input: &[Q], resize: &Resize<usize>, out: &mut [Q]) {
    let Resize { width, channels, rows, columns } = *resize;
    let length = columns.len() * channels;
    assert_eq!(out.len(), rows.len() * length, "the output is [rows][columns][channels]");
    if length == 0 {
        return;
    }
    for (index, &row) in rows.iter().enumerate() {
        let (before, out) = out.split_at_mut(index * length);
        if index > 0 && rows[index - 1] == row {
            out[..length].copy_from_slice(&before[(index - 1) * length..]);
            continue;
        }
        let input = &input[row * width * channels..][..width * channels];
        for (out, &column) in out[..length].chunks_exact_mut(channels).zip(columns) {
            out.copy_from_slice(&input[column * channels..][..channels]);
        }
    }
}

/// Channels blended side by side.
const LANES: usize = 16;

/// See [`crate::kernels::Operators::linear`].
#[inline(always)]
pub fn linear(
    input: &[Q],
    first_row: usize,
    resize: &Resize<Between>,
    params: &LinearParams,
    out: &mut Output,
) {
    let Resize { width, channels, rows, columns } = *resize;
    let rounding = Rounding::unbounded(params.zero);
    let mut done = 0;
    // Rows between the same two rows of input share what is blended along columns.
    for band in rows.chunk_by(same_place) {
        let [top, bottom] = [band[0].low, band[0].high]
            .map(|row| &input[(row - first_row) * width * channels..][..width * channels]);
        for (index, column) in columns.iter().enumerate() {
            let [low, high] = [column.low, column.high].map(|column| column * channels);
            for first in (0..channels).step_by(LANES) {
                let count = LANES.min(channels - first);
                let [top, bottom] = [top, bottom].map(|row| {
                    along_columns(&row[low + first..], &row[high + first..], count, column.fraction, params)
                });
                for (row, place) in band.iter().enumerate() {
                    let mut blended = [0; LANES];
                    for i in 0..LANES {
                        let value = top[i] * (1.0 - place.fraction) + bottom[i] * place.fraction;
                        blended[i] = rounding.store(value * params.multiplier);
                    }
                    let at = (done + row) * out.row_step + index * out.step + first;
                    store(&blended, &mut out.data[at..at + count]);
                }
            }
        }
        done += band.len();
    }
}

/// Whether two coordinates of the output lie between the same two of the input.
pub fn same_place(a: &Between, b: &Between) -> bool {
    (a.low, a.high) == (b.low, b.high)
}

#[inline(always)]
fn along_columns(low: &[Q], high: &[Q], count: usize, fraction: f32, params: &LinearParams) -> [f32; LANES] {
    let (low, high) = (load(low, count), load(high, count));
    let real = |x: Q| (i32::from(x) - params.input_zero) as f32;
    let mut blended = [0.0; LANES];
    for i in 0..LANES {
        blended[i] = real(low[i]) * (1.0 - fraction) + real(high[i]) * fraction;
    }
    blended
}

#[inline(always)]
fn load(values: &[Q], count: usize) -> [Q; LANES] {
    if let Some(all) = values.first_chunk() {
        // More than `count` may be read, what is beyond it goes nowhere.
        return *all;
    }
    let mut some = [0; LANES];
    some[..count].copy_from_slice(&values[..count]);
    some
}

#[inline(always)]
fn store(values: &[Q; LANES], out: &mut [Q]) {
    match out.first_chunk_mut() {
        Some(all) => *all = *values,
        None => out.copy_from_slice(&values[..out.len()]),
    }
}
