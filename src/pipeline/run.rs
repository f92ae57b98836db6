//! The loop over a stream: every frame read, segmented and stored, and what came of it.

use std::time::{Duration, Instant};

use super::{Latency, PipelineError, Segmenter};
use crate::camera::{Source, SourceError};
use crate::frame::Frame;
use crate::mask::Mask;
use crate::overlay::{self, Legend};
use crate::store::{MaskFolder, Picture, Record};

/// A step of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading and decoding.
    Read,
    /// Frame to input.
    Prepare,
    /// Input to logits.
    Infer,
    /// Logits to mask.
    Mask,
    /// Mask (and overlay) to disk.
    Write,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Stage; 5] = [Stage::Read, Stage::Prepare, Stage::Infer, Stage::Mask, Stage::Write];

    /// Name for reports.
    pub fn name(self) -> &'static str {
        ["read", "prepare", "infer", "mask", "write"][self as usize]
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Frames whose masks are stored.
    pub frames: u64,
    /// Broken frames, skipped.
    pub broken: u64,
    /// Time from the first read to the last write.
    pub elapsed: Duration,
    /// Time of each [`Stage`].
    pub stages: [Latency; 5],
    /// Bytes written: masks, index lines, overlays.
    pub bytes_written: u64,
    /// Pixels of each class id.
    pub pixels: Vec<u64>,
}

impl Summary {
    /// Frames per second over the whole run; 0 before any.
    pub fn fps(&self) -> f64 {
        if self.frames == 0 { 0.0 } else { self.frames as f64 / self.elapsed.as_secs_f64() }
    }

    /// Time of one stage.
    pub fn stage(&self, stage: Stage) -> &Latency {
        &self.stages[stage as usize]
    }
}

/// What a run does beside storing masks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether to store each frame with its mask drawn over it.
    pub overlay: bool,
}

/// What became of one frame.
#[derive(Debug)]
pub enum Step {
    /// Its mask is stored.
    Stored,
    /// It is broken, counted and skipped.
    Skipped(SourceError),
    /// There was none: the stream has ended.
    End,
}

/// A stream on its way to disk.
pub struct Run<'a> {
    source: &'a mut dyn Source,
    segmenter: &'a mut Segmenter,
    folder: &'a mut MaskFolder,
    options: Options,
    start: Instant,
    mask: Mask,
    rgb: Vec<u8>,
    summary: Summary,
}

impl<'a> Run<'a> {
    /// A run that has not read anything yet.
    pub fn new(
        source: &'a mut dyn Source,
        segmenter: &'a mut Segmenter,
        folder: &'a mut MaskFolder,
        options: Options,
    ) -> Run<'a> {
        let summary = Summary { pixels: vec![0; 256], ..Summary::default() };
        let (mask, rgb) = (Mask::default(), Vec::new());
        Run { source, segmenter, folder, options, start: Instant::now(), mask, rgb, summary }
    }

    /// Takes one frame all the way.
    ///
    /// # Errors
    /// When the source ends early or the disk fails. Masks stored before are whole and listed.
    pub fn step(&mut self) -> Result<Step, PipelineError> {
        let started = Instant::now();
        let frame = match self.source.next_frame() {
            None => return Ok(Step::End),
            Some(Ok(frame)) => frame,
            Some(Err(error)) if error.is_broken_frame() => {
                self.summary.broken += 1;
                return Ok(Step::Skipped(error));
            }
            Some(Err(error)) => return Err(error.into()),
        };
        self.count(Stage::Read, started.elapsed());
        let times = self.segmenter.segment(&frame, &mut self.mask)?;
        self.count(Stage::Prepare, times.prepare);
        self.count(Stage::Infer, times.infer);
        self.count(Stage::Mask, times.mask);

        let writing = Instant::now();
        let picture = if self.options.overlay { Some(self.draw(&frame)?) } else { None };
        let record = Record {
            frame: frame.number,
            time: frame.time,
            name: frame.name.as_deref(),
            overlay: picture.as_deref().map(|bytes| Picture { extension: "jpg", bytes }),
        };
        self.summary.bytes_written += self.folder.put(record, &self.mask)?;
        self.count(Stage::Write, writing.elapsed());

        for (sum, count) in self.summary.pixels.iter_mut().zip(self.mask.histogram()) {
            *sum += count;
        }
        self.summary.frames += 1;
        self.summary.elapsed = self.start.elapsed();
        Ok(Step::Stored)
    }

    /// What has come of it so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    fn count(&mut self, stage: Stage, duration: Duration) {
        self.summary.stages[stage as usize].add(duration);
    }

    fn draw(&mut self, frame: &Frame) -> Result<Vec<u8>, PipelineError> {
        frame.write_rgb(&mut self.rgb)?;
        let (width, height) = (frame.width, frame.height);
        // A mask of the network's size is drawn at the frame's, each of its pixels as a block.
        let scaled;
        let mask = if (self.mask.width, self.mask.height) == (width, height) {
            &self.mask
        } else {
            scaled = self.mask.scaled(width, height);
            &scaled
        };
        overlay::draw(&mut self.rgb, width, height, mask, self.segmenter.classes(), Legend::Shown)?;
        Ok(overlay::encode_jpeg(&self.rgb, frame.width, frame.height)?)
    }
}
