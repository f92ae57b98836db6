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

/// Taps of `count` output pixels along one direction of `size` samples, half-pixel centres, clamped at the edges.
fn write_taps(taps: &mut Vec<Tap>, count: usize, size: usize, from: f32, length: f32) {
    let (from, length, last) = (f64::from(from), f64::from(length), (size - 1) as f64);
    taps.clear();
    taps.extend((0..count).map(|i| {
        let center = from + (i as f64 + 0.5) / count as f64 * length;
        let position = (center * size as f64 - 0.5).clamp(0.0, last);
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
        write_taps(&mut self.columns, columns, logits.width, region.x, region.width);
        write_taps(&mut self.rows, rows, logits.height, region.y, region.height);
        mask.width = width;
        mask.height = height;
        mask.data.resize(columns * rows, 0);
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
                if value > *best {
                    *best = value;
                    *winner = id;
                }
            }
        }
    }
}

/// What the first class has to beat, and its id: a single class is class 1 against a constant 0 of class 0.
fn first(classes: usize) -> (f32, Key) {
    if classes == 1 { (0.0, 1) } else { (f32::NEG_INFINITY, 0) }
}

fn check(logits: &Logits, region: Region, width: u32, height: u32) -> Result<(), MaskError> {
    let Logits { data, classes, height: rows, width: columns } = *logits;
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, word by word.
    fn plain(logits: Logits, region: Region, width: u32, height: u32) -> Vec<u8> {
        let position = |i: u32, count: u32, size: usize, from: f32, length: f32| {
            let center = f64::from(from) + (f64::from(i) + 0.5) / f64::from(count) * f64::from(length);
            let at = (center * size as f64 - 0.5).clamp(0.0, (size - 1) as f64);
            let low = at.floor() as usize;
            (low, (low + 1).min(size - 1), (at - low as f64) as f32)
        };
        let mix = |a: f32, b: f32, t: f32| if t == 0.0 { a } else { a * (1.0 - t) + b * t };
        let mut ids = Vec::new();
        for y in 0..height {
            let (y0, y1, v) = position(y, height, logits.height, region.y, region.height);
            for x in 0..width {
                let (x0, x1, h) = position(x, width, logits.width, region.x, region.width);
                let value = |class: usize| {
                    let at = |y: usize, x: usize| logits.data[(class * logits.height + y) * logits.width + x];
                    mix(mix(at(y0, x0), at(y1, x0), v), mix(at(y0, x1), at(y1, x1), v), h)
                };
                if logits.classes == 1 {
                    ids.push(u8::from(value(0) > 0.0));
                    continue;
                }
                let (mut best, mut id) = (f32::NEG_INFINITY, 0);
                for class in 0..logits.classes {
                    if value(class) > best {
                        (best, id) = (value(class), class as u8);
                    }
                }
                ids.push(id);
            }
        }
        ids
    }

    fn masked(logits: Logits, region: Region, width: u32, height: u32) -> Vec<u8> {
        let mut mask = Mask::default();
        Masker::new().mask(logits, region, width, height, &mut mask).unwrap();
        assert_eq!((mask.width, mask.height), (width, height));
        mask.data
    }

    #[test]
    fn masks_known_by_hand() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        // Name, classes, rows, columns, values, width, height, mask.
        type Case = (&'static str, usize, usize, usize, Vec<f32>, u32, u32, Vec<u8>);
        let cases: Vec<Case> = vec![
            ("one sample serves every pixel", 3, 1, 1, vec![0., 2., 1.], 2, 2, vec![1; 4]),
            ("ties go to the lower id", 3, 1, 1, vec![5., 5., 5.], 1, 1, vec![0]),
            ("NaN never wins", 3, 1, 1, vec![nan, 1., nan], 1, 1, vec![1]),
            ("all NaN is class 0", 2, 1, 1, vec![nan, nan], 1, 1, vec![0]),
            ("infinity wins", 2, 1, 1, vec![1., inf], 1, 1, vec![1]),
            ("a single class is a threshold above 0", 1, 1, 3, vec![-1., 0., 1e-30], 3, 1, vec![0, 0, 1]),
            ("two columns meet in the middle", 2, 1, 2, vec![1., 0., 0., 1.], 4, 1, vec![0, 0, 1, 1]),
            ("two rows, an uneven meeting", 2, 2, 1, vec![1., 0., 0., 3.], 1, 4, vec![0, 1, 1, 1]),
            (
                "a third class wins between two",
                3,
                1,
                2,
                vec![1., -9., -9., 1., 0.5, 0.5],
                4,
                1,
                vec![0, 2, 2, 1],
            ),
            ("same size is a plain argmax", 2, 1, 3, vec![1., 0., inf, 0., 1., inf], 3, 1, vec![0, 1, 0]),
            ("smaller than the logits", 2, 1, 4, vec![1., 1., 0., 0., 0., 0., 1., 1.], 2, 1, vec![0, 1]),
        ];
        let mut wrong = Vec::new();
        for (name, classes, height, width, data, w, h, expected) in cases {
            let logits = Logits { data: &data, classes, height, width };
            let (got, defined) = (masked(logits, Region::WHOLE, w, h), plain(logits, Region::WHOLE, w, h));
            if got != expected || defined != expected {
                wrong.push(format!("{name}: {got:?}, by definition {defined:?}, expected {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_region_is_cut_out() {
        // A letterboxed frame: the upper and lower quarter are padding, which the network calls class 2.
        let rows = [2, 0, 1, 2];
        let data: Vec<f32> =
            (0..3).flat_map(|class| rows.map(|id| f32::from(u8::from(id == class)))).collect();
        let logits = Logits { data: &data, classes: 3, height: 4, width: 1 };
        let region = Region { x: 0.0, y: 0.25, width: 1.0, height: 0.5 };
        assert_eq!(masked(logits, region, 1, 2), [0, 1]);
    }

    #[test]
    fn almost_ties_are_decided_as_defined() {
        // Neighbouring floats round to a tie between samples: the keys must not call the higher id sure.
        let mut wrong = Vec::new();
        for exponent in [-140, -126, -20, 0, 1, 100] {
            let low = 1.37 * 2.0_f64.powi(exponent) as f32;
            for steps in 0..200 {
                let high = f32::from_bits(low.to_bits() + steps);
                let data = [vec![low; 9], vec![high; 9], vec![low; 9]].concat();
                let logits = Logits { data: &data, classes: 3, height: 3, width: 3 };
                if masked(logits, Region::WHOLE, 17, 13) != plain(logits, Region::WHOLE, 17, 13) {
                    wrong.push((exponent, steps));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let data = vec![0.0; 257];
        let logits = |classes, height, width| Logits { data: &data, classes, height, width };
        let whole = Region::WHOLE;
        let outside = Region { x: 0.5, ..whole };
        let nan = Region { width: f32::NAN, ..whole };
        let cases = [
            (logits(257, 1, 1), whole, 1, "the model gives 257 classes"),
            (logits(0, 1, 1), whole, 1, "the model gives 0 classes"),
            (logits(2, 5, 5), whole, 1, "logits [1, 2, 5, 5] do not fit the 257 values"),
            (Logits { data: &[], classes: 2, height: 0, width: 5 }, whole, 1, "logits [1, 2, 0, 5]"),
            (logits(1, 257, 1), whole, 0, "a mask of 1x0 has no pixels"),
            (logits(1, 257, 1), outside, 1, "the region"),
            (logits(1, 257, 1), nan, 1, "the region"),
        ];
        let mut wrong = Vec::new();
        for (logits, region, height, expected) in cases {
            let result = Masker::new().mask(logits, region, 1, height, &mut Mask::default());
            match result {
                Err(error) if error.to_string().starts_with(expected) => {}
                _ => wrong.push(format!("{expected}: {result:?}")),
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Values of three kinds: smooth, of few levels (ties), and with the numbers that arithmetic trips over.
    fn value(kind: u8) -> BoxedStrategy<f32> {
        match kind {
            0 => (-10.0_f32..10.0).boxed(),
            1 => (-2_i8..3).prop_map(f32::from).boxed(),
            _ => prop_oneof![
                4 => -1.0_f32..1.0,
                1 => Just(f32::NAN),
                1 => Just(f32::INFINITY),
                1 => Just(f32::NEG_INFINITY),
                1 => Just(f32::MAX),
                1 => Just(f32::MIN),
                1 => Just(f32::MIN_POSITIVE),
                1 => Just(-0.0),
            ]
            .boxed(),
        }
    }

    type Case = (usize, usize, usize, Vec<f32>, u32, u32, Region);

    fn case() -> impl Strategy<Value = Case> {
        let classes = prop_oneof![Just(1_usize), Just(2), Just(3), Just(21)];
        (classes, 1..9_usize, 1..9_usize, 0..3_u8).prop_flat_map(|(classes, height, width, kind)| {
            // Whole blocks of one value give cells that are settled without interpolation.
            let data = prop::collection::vec((value(kind), 1..4_usize), classes * height * width).prop_map(
                move |runs| {
                    let all = runs.into_iter().flat_map(|(value, times)| std::iter::repeat_n(value, times));
                    all.take(classes * height * width).collect::<Vec<f32>>()
                },
            );
            let region = (0.0_f32..0.6, 0.0_f32..0.6, 0.05_f32..0.4, 0.05_f32..0.4)
                .prop_map(|(x, y, width, height)| Region { x, y, width, height });
            let region = prop_oneof![Just(Region::WHOLE), region];
            (Just(classes), Just(height), Just(width), data, 1..24_u32, 1..24_u32, region)
        })
    }

    proptest! {
        #[test]
        fn the_fast_way_gives_the_defined_mask((classes, height, width, data, w, h, region) in case()) {
            let logits = Logits { data: &data, classes, height, width };
            prop_assert_eq!(masked(logits, region, w, h), plain(logits, region, w, h));
        }
    }

    #[test]
    fn smooth_logits_of_many_classes_and_used_buffers() {
        // Blobs of 256 classes, then fewer, through one masker.
        let mut masker = Masker::new();
        let mut mask = Mask::default();
        for (classes, height, width, w, h) in [(256, 17, 23, 64, 48), (21, 9, 9, 9, 9), (2, 30, 40, 13, 7)] {
            let mut data = Vec::new();
            for class in 0..classes {
                let (cx, cy) = ((class * 7 % width) as f32, (class * 5 % height) as f32);
                for y in 0..height {
                    for x in 0..width {
                        data.push(-((x as f32 - cx).powi(2) + (y as f32 - cy).powi(2)) / 10.0);
                    }
                }
            }
            let logits = Logits { data: &data, classes, height, width };
            masker.mask(logits, Region::WHOLE, w, h, &mut mask).unwrap();
            assert_eq!(mask.data, plain(logits, Region::WHOLE, w, h), "{classes} classes");
        }
    }
}
