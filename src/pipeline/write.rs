//! The thread that stores masks.

use std::time::{Duration, Instant};

use super::exchange::Taken;
use super::run::{Event, Shared};
use super::segment::reuse;
use super::sink::TICK;
use super::{PipelineError, Sink, Stage};
use crate::status::Beat;

/// Stores masks until there are no more, then saves all of them.
pub(super) fn run(mut sink: Box<dyn Sink>, alive: &Beat, shared: &Shared) -> Result<(), PipelineError> {
    let stored = store(sink.as_mut(), alive, shared);
    alive.works("closing");
    shared.summary().stored = sink.status().listed;
    // Also after an error: what was stored before it is saved.
    let closed = sink.close().map(|status| {
        let mut summary = shared.summary();
        summary.bytes_written = status.written_bytes;
        summary.stored = status.listed;
        drop(summary);
        shared.set_sink_status(status);
    });
    shared.summary().elapsed = shared.start.elapsed();
    stored.and(closed)
}

fn store(sink: &mut dyn Sink, alive: &Beat, shared: &Shared) -> Result<(), PipelineError> {
    let mut waiting = Waiting::default();
    let mut ticked = Instant::now();
    loop {
        alive.waits("the next mask");
        match shared.masks.take(TICK) {
            Taken::Item(saved) => {
                alive.works("a mask");
                let writing = Instant::now();
                let taken = sink.put(&saved)?;
                shared.count(Stage::Write, writing.elapsed());
                let mut summary = shared.summary();
                match taken {
                    true => summary.taken += 1,
                    false => summary.refused += 1,
                }
                let bytes = sink.bytes_written();
                if taken {
                    shared.meter().stored(1, bytes.saturating_sub(summary.bytes_written));
                }
                summary.bytes_written = bytes;
                summary.elapsed = shared.start.elapsed();
                drop(summary);
                reuse(saved.mask, shared);
            }
            Taken::TimedOut => {}
            Taken::Closed => return Ok(()),
        }
        if ticked.elapsed() >= TICK {
            alive.works("the disk");
            ticked = Instant::now();
            sink.tick()?;
            let status = sink.status();
            let listed = status.listed;
            shared.set_sink_status(status);
            let bytes = sink.bytes_written();
            let mut summary = shared.summary();
            shared.meter().stored(0, bytes.saturating_sub(summary.bytes_written));
            summary.bytes_written = bytes;
            summary.stored = listed;
        }
        waiting.look(sink.waits(), shared);
    }
}

/// Why the sink takes nothing, and since when.
#[derive(Default)]
struct Waiting {
    now: Option<(String, Duration)>,
}

impl Waiting {
    fn look(&mut self, reason: Option<String>, shared: &Shared) {
        match (reason, &self.now) {
            (None, None) => {}
            (None, Some((_, since))) => {
                shared.tell(Event::SinkResumed(shared.clock.monotonic().saturating_sub(*since)));
                self.now = None;
            }
            (Some(reason), Some((known, _))) if reason == *known => {}
            (Some(reason), known) => {
                let since = known.as_ref().map_or_else(|| shared.clock.monotonic(), |(_, since)| *since);
                shared.tell(Event::SinkWaits(reason.clone()));
                self.now = Some((reason, since));
            }
        }
    }
}
