//! The thread that reads the source.

use std::time::{Duration, Instant};

use super::run::{Captured, Event, Shared};
use super::sink::TICK;
use super::{PipelineError, Stage};
use crate::camera::{Source, SourceError};
use crate::status::Beat;

/// Reads until the source ends, the run is stopped, or as many frames of a source that waits were read as are wanted.
pub(super) fn run(mut source: Box<dyn Source>, alive: &Beat, shared: &Shared) -> Result<(), PipelineError> {
    let on_demand = source.keeps_newest();
    let wanted = match (shared.live, shared.settings.frames_max) {
        (false, Some(max)) => max,
        _ => u64::MAX,
    };
    let mut interruption = Interruption::default();
    let mut read = 0;
    while read < wanted && !shared.stop.is_raised() {
        // A source that keeps its newest frame is asked only when somebody waits: what it gives is then as new as can be.
        if on_demand && !shared.frames.wait_for_taker(TICK) {
            continue;
        }
        // A source waits for its camera or its pipe for as long as that takes.
        alive.waits("the source");
        let started = Instant::now();
        let outcome = source.next_frame();
        shared.summary().losses = source.losses();
        match outcome {
            None => break,
            Some(Ok(frame)) => {
                shared.count(Stage::Read, started.elapsed());
                interruption.ends(shared);
                let (monotonic, wall_us) = (shared.clock.monotonic(), shared.clock.wall_us());
                if shared.frames.put(Captured { frame, monotonic, wall_us }).is_err() {
                    break;
                }
                shared.summary().dropped = shared.frames.dropped();
                read += 1;
            }
            Some(Err(SourceError::NotYet { .. })) => {}
            Some(Err(SourceError::Interrupted { reason, .. })) => interruption.goes_on(reason, shared),
            Some(Err(error)) if error.is_broken_frame() => {
                shared.summary().broken += 1;
                shared.tell(Event::Skipped(error));
            }
            Some(Err(error)) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Why the source has no frames, and since when.
#[derive(Default)]
struct Interruption {
    now: Option<(String, Duration)>,
}

impl Interruption {
    fn goes_on(&mut self, reason: String, shared: &Shared) {
        let since = match &self.now {
            Some((known, _)) if *known == reason => return,
            Some((_, since)) => *since,
            None => shared.clock.monotonic(),
        };
        shared.tell(Event::Interrupted(reason.clone()));
        self.now = Some((reason, since));
    }

    fn ends(&mut self, shared: &Shared) {
        if let Some((_, since)) = self.now.take() {
            shared.tell(Event::Resumed(shared.clock.monotonic().saturating_sub(since)));
        }
    }
}
