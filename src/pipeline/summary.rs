//! What came of a run: frames, times, classes.

use std::time::Duration;

use super::Latency;
use crate::camera::Losses;

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
#[derive(Clone, Debug)]
pub struct Summary {
    /// Frames that became masks.
    pub frames: u64,
    /// Masks that the sink took; fewer than frames where rules choose, a disk waits or a queue overflows.
    pub taken: u64,
    /// Those of them that are on the medium and listed: no power cut takes them. While the run lasts it is what the sink
    /// last said.
    pub stored: u64,
    /// Broken frames, skipped.
    pub broken: u64,
    /// Frames of a live source that went because newer ones came.
    pub dropped: u64,
    /// Masks of a live source that went because the disk was too slow.
    pub unsaved: u64,
    /// Masks that the disk refused while it was full or away.
    pub refused: u64,
    /// What the source lost by itself.
    pub losses: Losses,
    /// Time from the first read to the last write.
    pub elapsed: Duration,
    /// Time of each [`Stage`].
    pub stages: [Latency; 5],
    /// From capture to mask.
    pub latency: Latency,
    /// Bytes written: masks, index lines, overlays.
    pub bytes_written: u64,
    /// Pixels of each class id in the frames that became masks.
    pub pixels: Vec<u64>,
}

impl Default for Summary {
    fn default() -> Summary {
        Summary {
            frames: 0,
            taken: 0,
            stored: 0,
            broken: 0,
            dropped: 0,
            unsaved: 0,
            refused: 0,
            losses: Losses::default(),
            elapsed: Duration::ZERO,
            stages: Default::default(),
            latency: Latency::default(),
            bytes_written: 0,
            pixels: vec![0; 256],
        }
    }
}

impl Summary {
    /// Frames per second over the whole run; 0 before any.
    pub fn fps(&self) -> f64 {
        if self.frames == 0 { 0.0 } else { self.frames as f64 / self.elapsed.as_secs_f64() }
    }

    /// Masks that the rules wanted to keep and that are not stored: what the sink refused or took and could not save, and
    /// what went because it was too slow. While the run lasts, those that wait for their sync count as well.
    pub fn lost(&self) -> u64 {
        self.refused + self.unsaved + self.taken.saturating_sub(self.stored)
    }

    /// Whether there were masks to keep and none is stored.
    pub fn is_total_loss(&self) -> bool {
        self.stored == 0 && self.lost() > 0
    }

    /// Time of one stage.
    pub fn stage(&self, stage: Stage) -> &Latency {
        &self.stages[stage as usize]
    }
}
