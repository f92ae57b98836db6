//! From logits to a mask: bilinear upsampling and argmax in one pass.

use super::Mask;

/// What a network says of one picture: scores, the highest of which wins.
#[derive(Clone, Copy, Debug)]
pub struct Logits<'a> {
    /// `[1, classes, height, width]`, contiguous.
    pub data: &'a [f32],
    /// Number of classes, 1..=256. A single class is a yes-or-no score: class 1 where it is above 0 (a probability
    /// above one half), class 0 elsewhere.
    pub classes: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// The linear resize that the network ends with, if it has been left out.
    pub resized: Option<Resized>,
}

/// A linear resize of logits that is not done on its own: where the mask's pixel lies on the resized logits tells where it
/// lies on those that there are, and these are interpolated once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resized {
    /// Rows of the resized logits.
    pub height: usize,
    /// Columns of the resized logits.
    pub width: usize,
    /// How coordinates go from the resized logits to those that there are.
    pub coordinates: Coordinates,
}

/// ONNX's `coordinate_transformation_mode`, from output `x` to input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinates {
    /// `(x + 0.5) * input / output - 0.5`.
    HalfPixel,
    /// `x * (input - 1) / (output - 1)`.
    AlignCorners,
    /// `x * input / output`.
    Asymmetric,
}

impl Coordinates {
    fn input(self, x: f64, input: usize, output: usize) -> f64 {
        match self {
            Coordinates::HalfPixel => (x + 0.5) * input as f64 / output as f64 - 0.5,
            Coordinates::AlignCorners if output == 1 => 0.0,
            Coordinates::AlignCorners => x * (input - 1) as f64 / (output - 1) as f64,
            Coordinates::Asymmetric => x * input as f64 / output as f64,
        }
    }
}

/// The part of the logits that the frame covers, as fractions of their size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Left edge, 0..1.
    pub x: f32,
    /// Upper edge, 0..1.
    pub y: f32,
    /// Width, above 0.
    pub width: f32,
    /// Height, above 0.
    pub height: f32,
}

impl Region {
    /// All of the logits.
    pub const WHOLE: Region = Region { x: 0.0, y: 0.0, width: 1.0, height: 1.0 };

    fn is_inside(&self) -> bool {
        // Fractions of whole pixels may end a rounding beyond 1; NaN fails every comparison.
        let span = |from: f32, length: f32| from >= 0.0 && length > 0.0 && from + length <= 1.0 + 1e-4;
        span(self.x, self.width) && span(self.y, self.height)
    }
}

/// Why logits cannot become a mask.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MaskError {
    /// No class, or more than a mask's byte can tell apart.
    #[error(
        "the model gives {classes} classes, but a mask can hold 1 to 256: use a model with fewer classes"
    )]
    Classes {
        /// Classes in the logits.
        classes: usize,
    },
    /// The logits have no pixels, or not as many values as their shape says.
    #[error("logits [1, {classes}, {height}, {width}] do not fit the {found} values that the model gave")]
    Shape {
        /// Classes.
        classes: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Values that there are.
        found: usize,
    },
    /// The mask would have no pixels.
    #[error("a mask of {width}x{height} has no pixels: check the frame's size")]
    Size {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// The region is empty or lies outside the logits.
    #[error("the region {0:?} is not a part of the logits: x, y, width and height are fractions in 0..=1")]
    Region(Region),
}

/// Where one output pixel lies between two neighbouring samples: value = `low * (1 - t) + high * t`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tap {
    low: usize,
    high: usize,
    /// Weights of the two, 1 - t and t.
    weights: [f32; 2],
}

impl Tap {
    /// Interpolates. With t = 0 the value is `low` itself, so that an infinite or NaN `high` has no say.
    fn mix(&self, low: f32, high: f32) -> f32 {
        if self.weights[1] == 0.0 { low } else { low * self.weights[0] + high * self.weights[1] }
    }
}

/// Taps of `count` output pixels along one direction of `size` samples, half-pixel centres, clamped at the edges; on
/// `resized` samples first, where these have been left out.
fn write_taps(
    taps: &mut Vec<Tap>,
    count: usize,
    size: usize,
    resized: Option<(usize, Coordinates)>,
    [from, length]: [f32; 2],
) {
    let (from, length, last) = (f64::from(from), f64::from(length), (size - 1) as f64);
    let seen = resized.map_or(size, |(resized, _)| resized);
    taps.clear();
    taps.extend((0..count).map(|i| {
        let center = from + (i as f64 + 0.5) / count as f64 * length;
        let position = (center * seen as f64 - 0.5).clamp(0.0, (seen - 1) as f64);
        let position = match resized {
            Some((resized, coordinates)) => coordinates.input(position, size, resized).clamp(0.0, last),
            None => position,
        };
        let low = position as usize;
        let t = (position - low as f64) as f32;
        Tap { low, high: (low + 1).min(size - 1), weights: [1.0 - t, t] }
    }));
}

/// A class id that surely wins between samples where it wins at each of them; [`UNSURE`] elsewhere. The four corners
/// of an output pixel with one such key settle the pixel without interpolation.
type Key = u16;
const UNSURE: Key = 0x100;

/// Turns logits into masks, and keeps its buffers from frame to frame.
///
/// The mask is defined pixel by pixel: every class is interpolated between the four logits around the pixel's centre
/// (half-pixel centres, clamped at the edges; first down the columns, then along the row, in f32), and the highest
/// value wins; of equal values the lower class id, and NaN never. A pixel at which nothing wins is class 0. What is
/// computed differs in one way, which gives the same mask: where one class wins at all four corners, it is not
/// interpolated. With `low * (1 - t) + high * t` and weights in 0..=1 rounding is monotone, so a class that is at
/// least as high as another at all corners is so between them; only an almost-tie with a *lower* id could round to a
/// tie and turn the result, hence the margin in [`Masker`]'s keys.
#[derive(Default)]
pub struct Masker {
    /// [`Key`] of each sample of the logits.
    keys: Vec<Key>,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    /// Between two rows of samples: the [`Key`] of each column and its right neighbour.
    cells: Vec<Key>,
    /// Between the same rows: the mask where cells settle it, and the runs of output pixels where they do not.
    settled: Vec<u8>,
    open: Vec<std::ops::Range<usize>>,
    /// One class between two rows of samples.
    line: Vec<f32>,
    /// The best value so far of each output pixel of a run, or of each sample of a row.
    best: Vec<f32>,
    below: Vec<f32>,
}

impl Masker {
    /// A masker with empty buffers.
    pub fn new() -> Masker {
        Masker::default()
    }

    /// Writes the mask of a frame of `width` x `height` pixels that covers `region` of the logits; `mask` takes that
    /// size and its memory is used again.
    ///
    /// # Errors
    /// [`MaskError`] where the logits, the size or the region make no sense; `mask` is then left as it was.
    pub fn mask(
        &mut self,
        logits: Logits,
        region: Region,
        width: u32,
        height: u32,
        mask: &mut Mask,
    ) -> Result<(), MaskError> {
        check(&logits, region, width, height)?;
        let (columns, rows) = (width as usize, height as usize);
        let along = |size: fn(&Resized) -> usize| logits.resized.as_ref().map(|r| (size(r), r.coordinates));
        let (across, down) = (along(|resized| resized.width), along(|resized| resized.height));
        write_taps(&mut self.columns, columns, logits.width, across, [region.x, region.width]);
        write_taps(&mut self.rows, rows, logits.height, down, [region.y, region.height]);
        mask.width = width;
        mask.height = height;
        mask.data.resize(columns * rows, 0);
        // As many as there can be, so that no later frame makes them grow.
        self.settled.reserve(columns);
        self.open.reserve(columns / 2 + 1);
        self.cells.reserve(logits.width);
        self.line.reserve(logits.width);
        self.best.reserve(columns.max(logits.width));
        self.write_keys(&logits);
        let taps = std::mem::take(&mut self.rows);
        let mut pair = None;
        for (tap, out) in taps.iter().zip(mask.data.chunks_exact_mut(columns)) {
            if pair.replace(tap.low) != Some(tap.low) {
                self.settle(tap, logits.width);
            }
            out.copy_from_slice(&self.settled);
            for run in 0..self.open.len() {
                let run = self.open[run].clone();
                self.interpolate(&logits, tap, run.clone(), &mut out[run]);
            }
        }
        self.rows = taps;
        Ok(())
    }

    /// The winner of every sample, and whether it wins by enough.
    ///
    /// Interpolated twice in f32, a value is off by at most 4 * 2^-24 of the weighted magnitudes, so two values keep
    /// their order if at every corner they lie 2^-20 of the larger magnitude apart; 2^-18 leaves room for lower ids
    /// further down, the smallest normal number covers underflow, and values near overflow are never sure. Higher
    /// ids need no margin: they lose ties.
    fn write_keys(&mut self, logits: &Logits) {
        let (width, plane) = (logits.width, logits.width * logits.height);
        let (start, offset) = first(logits.classes);
        self.keys.resize(plane, 0);
        self.best.resize(width, 0.0);
        self.below.resize(width, 0.0);
        for (row, keys) in self.keys.chunks_exact_mut(width).enumerate() {
            let (best, below) = (&mut self.best[..width], &mut self.below[..width]);
            keys.fill(0);
            best.fill(start);
            below.fill(f32::NEG_INFINITY);
            for class in 0..logits.classes {
                let values = &logits.data[class * plane + row * width..][..width];
                let id = class as Key + offset;
                for (((&value, best), below), key) in
                    values.iter().zip(&mut *best).zip(&mut *below).zip(&mut *keys)
                {
                    let wins = value > *best;
                    // The best of the lower ids is what a new winner displaces.
                    *below = if wins { *best } else { *below };
                    *key = if wins { id } else { *key };
                    *best = if wins { value } else { *best };
                }
            }
            for ((&best, &below), key) in best.iter().zip(&*below).zip(keys) {
                let margin = best.abs().max(below.abs()) * 2.0_f32.powi(-18) + f32::MIN_POSITIVE;
                let sure = best.abs() < 1e38 && (below == f32::NEG_INFINITY || best - below > margin);
                if !sure {
                    *key = UNSURE;
                }
            }
        }
    }

    /// Settles the output pixels between the two rows of samples of `tap` as far as their keys allow.
    fn settle(&mut self, tap: &Tap, width: usize) {
        let (upper, lower) =
            (&self.keys[tap.low * width..][..width], &self.keys[tap.high * width..][..width]);
        self.cells.clear();
        self.cells.extend(upper.iter().zip(lower).map(|(&a, &b)| if a == b { a } else { UNSURE }));
        for x in 1..width {
            if self.cells[x - 1] != self.cells[x] {
                self.cells[x - 1] = UNSURE;
            }
        }
        self.settled.clear();
        self.open.clear();
        for (x, column) in self.columns.iter().enumerate() {
            let key = self.cells[column.low];
            self.settled.push(key as u8);
            if key == UNSURE {
                match self.open.last_mut() {
                    Some(run) if run.end == x => run.end = x + 1,
                    _ => self.open.push(x..x + 1),
                }
            }
        }
    }

    /// The definition, for one run of output pixels in one row.
    fn interpolate(&mut self, logits: &Logits, row: &Tap, run: std::ops::Range<usize>, ids: &mut [u8]) {
        let columns = &self.columns[run];
        let (first_column, last_column) = (columns[0].low, columns[columns.len() - 1].high);
        let samples = last_column + 1 - first_column;
        let plane = logits.width * logits.height;
        let (start, offset) = first(logits.classes);
        self.best.resize(self.best.len().max(columns.len()), 0.0);
        self.line.resize(self.line.len().max(samples), 0.0);
        let (best, line) = (&mut self.best[..columns.len()], &mut self.line[..samples]);
        best.fill(start);
        ids.fill(0);
        for class in 0..logits.classes {
            let values = &logits.data[class * plane..][..plane];
            let upper = &values[row.low * logits.width + first_column..][..samples];
            let lower = &values[row.high * logits.width + first_column..][..samples];
            for ((value, &upper), &lower) in line.iter_mut().zip(upper).zip(lower) {
                *value = row.mix(upper, lower);
            }
            let id = (class as Key + offset) as u8;
            for ((column, best), winner) in columns.iter().zip(&mut *best).zip(&mut *ids) {
                let value = column.mix(line[column.low - first_column], line[column.high - first_column]);
                // Both stores always happen: without a branch the loop does not stumble over noisy logits.
                let wins = value > *best;
                *best = if wins { value } else { *best };
                *winner = if wins { id } else { *winner };
            }
        }
    }
}

/// What the first class has to beat, and its id: a single class is class 1 against a constant 0 of class 0.
fn first(classes: usize) -> (f32, Key) {
    if classes == 1 { (0.0, 1) } else { (f32::NEG_INFINITY, 0) }
}

fn check(logits: &Logits, region: Region, width: u32, height: u32) -> Result<(), MaskError> {
    let Logits { data, classes, height: rows, width: columns, .. } = *logits;
    if !(1..=256).contains(&classes) {
        return Err(MaskError::Classes { classes });
    }
    if data.is_empty() || data.len() != classes * rows * columns {
        return Err(MaskError::Shape { classes, height: rows, width: columns, found: data.len() });
    }
    if width == 0 || height == 0 {
        return Err(MaskError::Size { width, height });
    }
    if !region.is_inside() {
        return Err(MaskError::Region(region));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
