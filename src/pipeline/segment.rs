//! The thread that makes masks.

use std::time::{Duration, Instant};

use super::exchange::Taken;
use super::run::{Captured, Rules, Shared};
use super::sink::TICK;
use super::{PipelineError, Saved, Segmenter, Stage, Times};
use crate::frame::Frame;
use crate::mask::Mask;
use crate::status::Beat;
use crate::store::RecordMeta;

/// What makes a mask of a frame.
pub trait Segment: Send {
    /// Writes the mask of `frame` into `mask` and says how long each step took.
    ///
    /// # Errors
    /// When the frame is broken or the engine fails; the run ends.
    fn segment(&mut self, frame: &Frame, mask: &mut Mask) -> Result<Times, PipelineError>;
}

impl Segment for Segmenter {
    fn segment(&mut self, frame: &Frame, mask: &mut Mask) -> Result<Times, PipelineError> {
        Segmenter::segment(self, frame, mask)
    }
}

/// Segments until there are no more frames, the run is stopped, or as many frames as are wanted are done.
pub(super) fn run(
    mut segment: Box<dyn Segment>,
    mut rules: Rules,
    alive: &Beat,
    shared: &Shared,
) -> Result<(), PipelineError> {
    let wanted = shared.settings.frames_max.unwrap_or(u64::MAX);
    let mut done = 0;
    let mut next = Instant::now();
    while done < wanted {
        alive.waits("the next frame");
        // Only a live source loses frames by this; a clip is read at the network's pace or slower.
        if shared.stop.wait_until(next) {
            break;
        }
        let captured = match shared.frames.take(TICK) {
            Taken::Item(captured) => captured,
            Taken::TimedOut => continue,
            Taken::Closed => break,
        };
        alive.works("the network");
        next = Instant::now() + shared.interval();
        let mut mask = match shared.spare.take(Duration::ZERO) {
            Taken::Item(mask) => mask,
            Taken::TimedOut | Taken::Closed => Mask::default(),
        };
        let times = segment.segment(&captured.frame, &mut mask)?;
        let histogram = mask.histogram();
        let saved = finish(captured, mask, times, &histogram, shared);
        done += 1;
        if rules(saved.meta.monotonic, &histogram) {
            alive.waits("the disk");
            if shared.masks.put(saved).is_err() {
                break;
            }
            shared.summary().unsaved = shared.masks.dropped();
        } else {
            reuse(saved.mask, shared);
        }
    }
    Ok(())
}

/// Counts a frame, shows it, and says what is known of its mask.
fn finish(captured: Captured, mask: Mask, times: Times, histogram: &[u64; 256], shared: &Shared) -> Saved {
    let Captured { frame, monotonic, wall_us } = captured;
    let latency = shared.clock.monotonic().saturating_sub(monotonic);
    shared.meter().frame(latency);
    {
        let mut summary = shared.summary();
        summary.stages[Stage::Prepare as usize].add(times.prepare);
        summary.stages[Stage::Infer as usize].add(times.infer);
        summary.stages[Stage::Mask as usize].add(times.mask);
        summary.latency.add(latency);
        for (sum, count) in summary.pixels.iter_mut().zip(histogram) {
            *sum += count;
        }
        summary.frames += 1;
        summary.elapsed = shared.start.elapsed();
    }
    let meta = RecordMeta {
        frame: frame.number,
        time: frame.time,
        monotonic,
        wall_us,
        model: shared.settings.model,
        tune_generation: shared.settings.tune_generation,
        latency,
        throttle: shared.throttle(),
        name: frame.name.clone(),
    };
    if shared.views.is_open() {
        // A viewer that has ended gives it back; nobody looks then.
        let _ = shared.views.put((frame.clone(), mask.clone()));
    }
    Saved { meta, mask, frame: shared.settings.with_frames.then_some(frame) }
}

/// Keeps a mask's memory for the next one.
pub(super) fn reuse(mask: Mask, shared: &Shared) {
    // The queue is never closed.
    let _ = shared.spare.put(mask);
}
