//! The largest of each pixel's values, also between pixels.

use super::resize::same_place;
use crate::kernels::{Between, Q, Quantization, Resize};

/// See [`crate::kernels::Operators::argmax`].
#[inline(always)]
pub fn argmax(input: &[Q], channels: usize, out: &mut [Q]) {
    assert!((1..=256).contains(&channels), "a class number has 8 bits, there are {channels} classes");
    assert_eq!(input.len(), out.len() * channels, "there is a class for each pixel");
    for (out, scores) in out.iter_mut().zip(input.chunks_exact(channels)) {
        *out = winner(scores) as Q;
    }
}

/// Index of the largest of at least one value, the first of equals.
#[inline(always)]
pub fn winner(scores: &[Q]) -> u8 {
    let largest = scores.iter().fold(Q::MIN, |largest, &x| x.max(largest));
    scores.iter().position(|&x| x == largest).unwrap_or(0) as u8
}

/// Pixels of output computed side by side.
const LANES: usize = 8;
/// Most classes.
const CLASSES: usize = 256;

/// Values of a class along columns, in a row of input and in the one below, at some pixels of output.
#[derive(Clone, Copy)]
struct Candidate {
    class: u8,
    top: [f32; LANES],
    bottom: [f32; LANES],
}

/// See [`crate::kernels::Operators::resize_argmax`].
///
/// The classes of output pixels between the same four pixels of input are found together. Blending with weights in
/// 0..=1 is monotone also under rounding, and values are integers times a scale, so that what differs at all four
/// corners differs by a step at least, thousands of times more than rounding can make of it. Hence
/// - a class that is the first of the largest at each of the four corners is so between them: no lower class comes as
///   high, no higher class comes higher;
/// - a class that is lower at every corner than another one is at any is lower between them.
///
/// What is left are few candidates at few pixels. Only their logits are ever blended.
#[inline(always)]
pub fn resize_argmax(input: &[Q], resize: &Resize<Between>, quantization: &Quantization, out: &mut [Q]) {
    let Resize { width, channels, rows, columns } = *resize;
    assert!((1..=CLASSES).contains(&channels), "a class number has 8 bits, there are {channels} classes");
    assert_eq!(out.len(), rows.len() * columns.len(), "the output is [rows][columns]");
    if out.is_empty() {
        return;
    }
    // Products with scales beyond these may underflow or overflow, and then steps are not steps.
    let exact = (1e-30..1e30).contains(&quantization.scale);
    let mut candidates = [Candidate { class: 0, top: [0.0; LANES], bottom: [0.0; LANES] }; CLASSES];
    let mut out = out;
    for band in rows.chunk_by(same_place) {
        let lines;
        (lines, out) = out.split_at_mut(band.len() * columns.len());
        let [top, bottom] =
            [band[0].low, band[0].high].map(|row| &input[row * width * channels..][..width * channels]);
        let winners = |column| [top, bottom].map(|row| winner(&row[column * channels..][..channels]));
        let mut first = 0;
        let mut known = None;
        for cell in columns.chunk_by(same_place) {
            let (low, high) = (cell[0].low, cell[0].high);
            let left = match known {
                Some((column, winners)) if column == low => winners,
                _ => winners(low),
            };
            let right = if high == low { left } else { winners(high) };
            known = Some((high, right));
            if exact && left == right && left[0] == left[1] {
                for line in lines.chunks_exact_mut(columns.len()) {
                    line[first..][..cell.len()].fill(left[0] as Q);
                }
            } else {
                let corners = [(top, low), (top, high), (bottom, low), (bottom, high)]
                    .map(|(row, column)| &row[column * channels..][..channels]);
                let count = choose(corners, exact, &mut candidates);
                let candidates = &mut candidates[..count];
                for (index, cell) in cell.chunks(LANES).enumerate() {
                    along_columns(corners, cell, quantization, candidates);
                    for (row, line) in band.iter().zip(lines.chunks_exact_mut(columns.len())) {
                        let line = &mut line[first + index * LANES..][..cell.len()];
                        along_rows(row.fraction, candidates, line);
                    }
                }
            }
            first += cell.len();
        }
    }
}

/// Writes the classes that may be the largest somewhere between these pixels, and gives their number.
#[inline(always)]
fn choose(corners: [&[Q]; 4], exact: bool, candidates: &mut [Candidate; CLASSES]) -> usize {
    let channels = corners[0].len().min(CLASSES);
    let [a, b, c, d] = corners.map(|corner| &corner[..channels]);
    let mut floor = Q::MIN;
    if exact {
        for i in 0..channels {
            floor = floor.max(a[i].min(b[i]).min(c[i].min(d[i])));
        }
    }
    let mut count = 0;
    for i in 0..channels {
        candidates[count].class = i as u8;
        count += usize::from(a[i].max(b[i]).max(c[i].max(d[i])) >= floor);
    }
    count
}

/// Blends the candidates along the columns of a cell, at most [`LANES`].
#[inline(always)]
fn along_columns(
    corners: [&[Q]; 4],
    cell: &[Between],
    quantization: &Quantization,
    candidates: &mut [Candidate],
) {
    let mut fractions = [0.0; LANES];
    for (fraction, column) in fractions.iter_mut().zip(cell) {
        *fraction = column.fraction;
    }
    for candidate in candidates {
        let [top_low, top_high, bottom_low, bottom_high] = corners.map(|corner| {
            let x = corner[usize::from(candidate.class)];
            (i32::from(x) - quantization.zero) as f32 * quantization.scale
        });
        for (i, &fraction) in fractions.iter().enumerate() {
            candidate.top[i] = top_low * (1.0 - fraction) + top_high * fraction;
            candidate.bottom[i] = bottom_low * (1.0 - fraction) + bottom_high * fraction;
        }
    }
}

/// Blends the candidates along rows and writes the first of the largest, at most [`LANES`] pixels.
#[inline(always)]
fn along_rows(fraction: f32, candidates: &[Candidate], out: &mut [Q]) {
    let mut best = [f32::NEG_INFINITY; LANES];
    let mut classes = [0_u32; LANES];
    for candidate in candidates {
        for i in 0..LANES {
            let value = candidate.top[i] * (1.0 - fraction) + candidate.bottom[i] * fraction;
            let wins = value > best[i];
            best[i] = if wins { value } else { best[i] };
            classes[i] = if wins { u32::from(candidate.class) } else { classes[i] };
        }
    }
    for (out, class) in out.iter_mut().zip(classes) {
        *out = class as Q;
    }
}
