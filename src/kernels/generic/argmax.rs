//! The largest of each pixel's values, also between pixels.

use super::resize::same_place;
use crate::kernels::{Between, Q, Quantization, Resize};

/// Most classes.
pub const CLASSES: usize = 256;

/// How the values of a pixel are gone through. Slices begin with a pixel's values and may go on behind them.
pub trait Scan {
    /// Index of the largest, the first of equals.
    fn winner(&self, values: &[Q]) -> u8;

    /// Writes, in order, the classes whose highest value at these corners is at least the highest of all classes' lowest; gives
    /// their number.
    fn choose(&self, corners: [&[Q]; 4], classes: &mut [u8; CLASSES]) -> usize;

    /// Blends the candidates along rows and gives the first of the largest.
    fn largest(&self, fraction: f32, candidates: &[Candidate]) -> [Q; LANES];
}

/// Pixels of output computed side by side.
pub const LANES: usize = 8;

/// Values of a class along columns, in a row of input and in the one below, at some pixels of output.
#[derive(Clone, Copy)]
pub struct Candidate {
    /// The class.
    pub class: u8,
    /// In the upper row.
    pub top: [f32; LANES],
    /// In the lower row.
    pub bottom: [f32; LANES],
}

/// One value after another.
struct Plain {
    channels: usize,
}

impl Scan for Plain {
    #[inline(always)]
    fn winner(&self, values: &[Q]) -> u8 {
        let values = &values[..self.channels];
        let largest = values.iter().fold(Q::MIN, |largest, &x| x.max(largest));
        values.iter().position(|&x| x == largest).unwrap_or(0) as u8
    }

    #[inline(always)]
    fn choose(&self, corners: [&[Q]; 4], classes: &mut [u8; CLASSES]) -> usize {
        let channels = self.channels.min(CLASSES);
        let [a, b, c, d] = corners.map(|corner| &corner[..channels]);
        let mut floor = Q::MIN;
        for i in 0..channels {
            floor = floor.max(a[i].min(b[i]).min(c[i].min(d[i])));
        }
        let mut count = 0;
        for i in 0..channels {
            classes[count] = i as u8;
            count += usize::from(a[i].max(b[i]).max(c[i].max(d[i])) >= floor);
        }
        count
    }

    #[inline(always)]
    fn largest(&self, fraction: f32, candidates: &[Candidate]) -> [Q; LANES] {
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
        classes.map(|class| class as Q)
    }
}

/// See [`crate::kernels::Operators::argmax`].
#[inline(always)]
pub fn argmax(input: &[Q], channels: usize, out: &mut [Q]) {
    argmax_by(&Plain { channels }, input, channels, out);
}

/// [`argmax`] with a scan for this number of channels.
#[inline(always)]
pub fn argmax_by(scan: &impl Scan, input: &[Q], channels: usize, out: &mut [Q]) {
    assert!((1..=CLASSES).contains(&channels), "a class number has 8 bits, there are {channels} classes");
    assert_eq!(input.len(), out.len() * channels, "there is a class for each pixel");
    for (pixel, out) in out.iter_mut().enumerate() {
        *out = scan.winner(&input[pixel * channels..]) as Q;
    }
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
    resize_argmax_by(&Plain { channels: resize.channels }, input, resize, quantization, out);
}

/// [`resize_argmax`] with a scan for this number of channels.
#[inline(always)]
pub fn resize_argmax_by(
    scan: &impl Scan,
    input: &[Q],
    resize: &Resize<Between>,
    quantization: &Quantization,
    out: &mut [Q],
) {
    let Resize { width, channels, rows, columns } = *resize;
    assert!((1..=CLASSES).contains(&channels), "a class number has 8 bits, there are {channels} classes");
    assert_eq!(out.len(), rows.len() * columns.len(), "the output is [rows][columns]");
    if out.is_empty() {
        return;
    }
    // Products with scales beyond these may underflow or overflow, and then steps are not steps.
    let exact = (1e-30..1e30).contains(&quantization.scale);
    let mut candidates = [Candidate { class: 0, top: [0.0; LANES], bottom: [0.0; LANES] }; CLASSES];
    let mut classes = [0; CLASSES];
    let mut out = out;
    for band in rows.chunk_by(same_place) {
        let lines;
        (lines, out) = out.split_at_mut(band.len() * columns.len());
        let [top, bottom] =
            [band[0].low, band[0].high].map(|row| &input[row * width * channels..][..width * channels]);
        let mut known = None;
        let mut run = 0..0;
        let mut run_class = 0;
        for cell in columns.chunk_by(same_place) {
            let (low, high) = (cell[0].low * channels, cell[0].high * channels);
            let left = match known {
                Some((at, winners)) if at == low => winners,
                _ => [scan.winner(&top[low..]), scan.winner(&bottom[low..])],
            };
            let right = match high == low {
                true => left,
                false => [scan.winner(&top[high..]), scan.winner(&bottom[high..])],
            };
            known = Some((high, right));
            let settled = exact && left == right && left[0] == left[1];
            if settled && left[0] == run_class {
                run.end += cell.len();
                continue;
            }
            fill(lines, columns.len(), run.clone(), run_class);
            run = run.end..run.end + cell.len();
            if settled {
                run_class = left[0];
                continue;
            }
            let corners = [&top[low..], &top[high..], &bottom[low..], &bottom[high..]];
            let count = if exact { scan.choose(corners, &mut classes) } else { all(channels, &mut classes) };
            let candidates = &mut candidates[..count];
            for (candidate, &class) in candidates.iter_mut().zip(&classes) {
                candidate.class = class;
            }
            for (index, cell) in cell.chunks(LANES).enumerate() {
                along_columns(corners, cell, quantization, candidates);
                for (row, line) in band.iter().zip(lines.chunks_exact_mut(columns.len())) {
                    let classes = scan.largest(row.fraction, candidates);
                    // Lanes behind the cell may be written, too: the next cells come after.
                    let line = &mut line[run.start + index * LANES..];
                    match line.first_chunk_mut() {
                        Some(out) => *out = classes,
                        None => line[..cell.len()].copy_from_slice(&classes[..cell.len()]),
                    }
                }
            }
            run.start = run.end;
        }
        fill(lines, columns.len(), run, run_class);
    }
}

/// Writes one class to some columns of all lines.
#[inline(always)]
fn fill(lines: &mut [Q], width: usize, columns: std::ops::Range<usize>, class: u8) {
    if !columns.is_empty() {
        for line in lines.chunks_exact_mut(width) {
            line[columns.clone()].fill(class as Q);
        }
    }
}

/// Every class is a candidate.
fn all(channels: usize, classes: &mut [u8; CLASSES]) -> usize {
    for (class, slot) in classes[..channels].iter_mut().enumerate() {
        *slot = class as u8;
    }
    channels
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
