//! Observers: what the activations of the float graph are on the calibration frames.
//!
//! Frames are shared out to threads; minima, maxima and counts do not depend on the order in which they are merged,
//! so neither does the result.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::scheme::Scheme;
use super::{Progress, QuantizeError};
use crate::camera::{Source, SourceError};
use crate::engine::Session;
use crate::frame::{InputRule, Preparer};
use crate::onnx::Model;

/// Smallest and largest value of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Smallest value.
    pub min: f32,
    /// Largest value.
    pub max: f32,
}

impl Range {
    /// The range that holds nothing.
    pub const EMPTY: Range = Range { min: f32::INFINITY, max: f32::NEG_INFINITY };

    /// The smallest range that holds this one and `other`.
    pub fn union(self, other: Range) -> Range {
        Range { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    /// The smallest range that holds all `values`; NaN anywhere makes it NaN.
    pub fn of(values: &[f32]) -> Range {
        let mut range = Range::EMPTY;
        let mut sum = 0.0;
        for &value in values {
            range = Range { min: range.min.min(value), max: range.max.max(value) };
            // 0 * NaN and 0 * infinity are NaN.
            sum += 0.0 * value;
        }
        if sum == 0.0 { range } else { Range { min: f32::NAN, max: f32::NAN } }
    }

    /// Size of the range with 0 taken in.
    pub fn width(&self) -> f32 {
        self.max.max(0.0) - self.min.min(0.0)
    }
}

/// Bins of a [`Histogram`].
pub const BINS: usize = 2048;

/// Counts of values in [`BINS`] equal parts of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// The range.
    pub range: Range,
    /// Values in each part.
    pub counts: Vec<u64>,
}

impl Histogram {
    fn new(range: Range) -> Histogram {
        Histogram { range, counts: vec![0; BINS] }
    }

    fn add(&mut self, values: &[f32]) {
        let per_unit = BINS as f32 / (self.range.max - self.range.min);
        if !per_unit.is_finite() {
            self.counts[0] += values.len() as u64;
            return;
        }
        for &value in values {
            let bin = ((value - self.range.min) * per_unit) as usize;
            self.counts[bin.min(BINS - 1)] += 1;
        }
    }

    fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }
}

/// Which frames were seen.
pub struct Frames {
    /// Their number.
    pub count: usize,
    /// Broken ones, left out.
    pub broken: u64,
    /// SHA-256 over width, height and pixels of each, in order.
    pub sha256: String,
}

/// A float graph that gives every tensor to be quantized.
pub struct Observer {
    model: String,
    rule: InputRule,
    session: Session,
    input: String,
    constants: BTreeMap<String, Range>,
    constant_values: BTreeMap<String, Vec<f32>>,
    frames_max: u64,
}

/// The source, shared by the threads, with what is known of the frames taken so far.
struct Feed {
    source: Box<dyn Source>,
    hash: Sha256,
    taken: u64,
    broken: u64,
}

/// A tensor's name and its elements.
type Named<'a> = (&'a str, &'a [f32]);
/// What is done with a frame's number and its tensors.
type Look<'a> = dyn Fn(u64, &[Named]) -> Result<(), QuantizeError> + Sync + 'a;
type OpenSource<'a> = &'a dyn Fn() -> Result<Box<dyn Source>, SourceError>;

impl Observer {
    /// An observer of `tensors`, which are activations, the graph's input, or constants, on up to `frames_max` frames.
    ///
    /// # Errors
    /// When the model does not run.
    pub fn new(
        model: &Model,
        rule: &InputRule,
        tensors: Vec<String>,
        frames_max: Option<u64>,
    ) -> Result<Observer, QuantizeError> {
        let input = model.graph.inputs.first().map(|input| input.name.clone()).unwrap_or_default();
        let (constants, computed): (Vec<String>, Vec<String>) = tensors
            .into_iter()
            .filter(|name| *name != input)
            .partition(|name| model.graph.initializers.contains_key(name));
        let mut values: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        for tensor in constants {
            let floats = model.graph.initializers[&tensor].as_f32().map(<[f32]>::to_vec);
            match floats {
                Some(floats) if floats.iter().all(|value| value.is_finite()) => values.insert(tensor, floats),
                Some(_) => {
                    return Err(QuantizeError::WeightsNotFinite {
                        model: model.origin.clone(),
                        place: tensor,
                    });
                }
                None => return Err(QuantizeError::NotFloat { model: model.origin.clone(), tensor }),
            };
        }
        let session = Session::with_outputs(model, &computed)?;
        let [_, channels, _, _] = session.input_shape();
        if channels != rule.color.channels() {
            let (model, rule) = (model.origin.clone(), rule.color.channels());
            return Err(QuantizeError::Channels { model, channels, rule });
        }
        Ok(Observer {
            model: model.origin.clone(),
            rule: rule.clone(),
            session,
            input,
            constants: values.iter().map(|(name, values)| (name.clone(), Range::of(values))).collect(),
            constant_values: values,
            frames_max: frames_max.unwrap_or(u64::MAX),
        })
    }

    /// First pass: the range of every tensor.
    ///
    /// # Errors
    /// When a frame cannot be read, there are none, or a tensor is not finite.
    pub fn ranges(
        &self,
        open: OpenSource,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(BTreeMap<String, Range>, Frames), QuantizeError> {
        let ranges = Mutex::new(self.constants.clone());
        let feed = self.each_frame(open, &|frame, tensors| {
            let seen: Vec<(&str, Range)> =
                tensors.iter().map(|&(name, values)| (name, Range::of(values))).collect();
            if let Some((tensor, _)) = seen.iter().find(|(_, range)| range.min.is_nan()) {
                let tensor = tensor.to_string();
                return Err(QuantizeError::NotFinite { model: self.model.clone(), tensor, frame });
            }
            let mut ranges = lock(&ranges);
            for (name, range) in seen {
                let known = ranges.entry(name.to_string()).or_insert(Range::EMPTY);
                *known = known.union(range);
            }
            progress(Progress::Range);
            Ok(())
        })?;
        if feed.taken == 0 {
            return Err(QuantizeError::NoFrames { source_name: feed.source.info().name.clone() });
        }
        let seen = lock(&ranges);
        if let Some(tensor) = self.session.outputs().iter().find(|tensor| !seen.contains_key(*tensor)) {
            return Err(QuantizeError::NotFloat { model: self.model.clone(), tensor: tensor.clone() });
        }
        drop(seen);
        let frames = Frames {
            count: feed.taken as usize,
            broken: feed.broken,
            sha256: super::hex(&feed.hash.finalize()),
        };
        Ok((ranges.into_inner().unwrap_or_else(PoisonError::into_inner), frames))
    }

    /// Second pass: a histogram for each group of `scheme`, over the union of its tensors' `ranges`.
    ///
    /// # Errors
    /// As [`Observer::ranges`].
    pub fn histograms(
        &self,
        open: OpenSource,
        scheme: &Scheme,
        ranges: &BTreeMap<String, Range>,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<Histogram>, QuantizeError> {
        let mut empty: Vec<Histogram> = vec![Histogram::new(Range::EMPTY); scheme.groups()];
        for (name, &range) in ranges {
            if let Some(group) = scheme.group_of(name) {
                empty[group].range = empty[group].range.union(range);
            }
        }
        let mut start = empty.clone();
        for (name, values) in &self.constant_values {
            if let Some(group) = scheme.group_of(name) {
                start[group].add(values);
            }
        }
        let merged = Mutex::new(start);
        self.each_frame(open, &|_, tensors| {
            let mut seen = empty.clone();
            for (name, values) in tensors {
                if let Some(group) = scheme.group_of(name) {
                    seen[group].add(values);
                }
            }
            for (histogram, more) in lock(&merged).iter_mut().zip(&seen) {
                histogram.merge(more);
            }
            progress(Progress::Histogram);
            Ok(())
        })?;
        Ok(merged.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs the graph on every frame and hands `look` the frame's number and all tensors, on as many threads as the
    /// machine has cores. The first error ends it.
    fn each_frame(&self, open: OpenSource, look: &Look) -> Result<Feed, QuantizeError> {
        let feed = Mutex::new(Feed { source: open()?, hash: Sha256::new(), taken: 0, broken: 0 });
        let failure: Mutex<Option<QuantizeError>> = Mutex::new(None);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    if let Err(error) = self.work(&feed, &failure, look) {
                        lock(&failure).get_or_insert(error);
                    }
                });
            }
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(feed.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn work(
        &self,
        feed: &Mutex<Feed>,
        failure: &Mutex<Option<QuantizeError>>,
        look: &Look,
    ) -> Result<(), QuantizeError> {
        let [_, channels, height, width] = self.session.input_shape();
        let mut preparer = Preparer::new(self.rule.clone(), width as u32, height as u32)?;
        let mut input = vec![0.0; channels * height * width];
        loop {
            let frame = {
                let mut feed = lock(feed);
                if feed.taken == self.frames_max || lock(failure).is_some() {
                    return Ok(());
                }
                let Some(frame) = feed.source.next_frame() else {
                    return Ok(());
                };
                let frame = match frame {
                    Err(error) if error.is_broken_frame() => {
                        feed.broken += 1;
                        continue;
                    }
                    frame => frame?,
                };
                feed.hash.update(frame.width.to_le_bytes());
                feed.hash.update(frame.height.to_le_bytes());
                feed.hash.update(&frame.data);
                feed.taken += 1;
                frame
            };
            preparer.prepare(&frame, &mut input)?;
            let values = self.session.run(&input)?;
            let computed = self.session.outputs().iter().map(String::as_str);
            let mut tensors: Vec<Named> =
                computed.zip(&values).filter_map(|(name, value)| Some((name, value.as_f32()?))).collect();
            tensors.push((&self.input, &input));
            look(frame.number, &tensors)?;
        }
    }
}

/// A thread that panicked while holding the lock has already ended the run; what it left is not used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
