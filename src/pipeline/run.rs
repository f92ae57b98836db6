//! A stream on its way to disk: three threads, the queues between them, and what they tell.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::exchange::{Exchange, Overflow, Stop, Taken};
use super::{PipelineError, Saved, Segment, Sink, Stage, Summary, capture, segment, write};
use crate::camera::{Source, SourceError};
use crate::clock::Clock;
use crate::frame::Frame;
use crate::mask::Mask;
use crate::status::{Beat, Figures, Heartbeats, Meter, Queue, StoreStatus};
use crate::store::Throttle;

/// Frames that wait for the network; of a live source only the newest does.
const FRAMES: usize = 2;
/// Masks that wait for the disk.
const MASKS: usize = 8;
/// Things told that nobody has heard yet.
const EVENTS: usize = 64;
/// How long a thread may work on one frame before it counts as stuck: what a worn card takes for a write at its worst.
const STUCK_LIMIT: Duration = Duration::from_secs(60);
/// How often threads that are stopped and do not end are looked at.
const POLL: Duration = Duration::from_millis(5);

/// Decides whether a mask is stored, by the time since the board's start and the pixels of each class.
pub type Rules = Box<dyn FnMut(Duration, &[u64; 256]) -> bool + Send>;

/// What a pipeline is made of.
pub struct Parts {
    /// Where frames come from.
    pub source: Box<dyn Source>,
    /// What makes masks of them.
    pub segment: Box<dyn Segment>,
    /// Where masks go.
    pub sink: Box<dyn Sink>,
    /// Which masks go there.
    pub rules: Rules,
    /// What time it is.
    pub clock: Arc<dyn Clock + Sync>,
    /// Where the threads say that they live.
    pub heartbeats: Heartbeats,
    /// Who sees each frame with its mask, at most one at a time; where that is slow, frames are skipped.
    pub viewer: Option<Viewer>,
}

/// Shows frames with their masks.
pub type Viewer = Box<dyn FnMut(&Frame, &Mask) + Send>;

/// How a pipeline runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Whether frames go to the sink with their masks.
    pub with_frames: bool,
    /// Frames to segment before it ends; endless at `None`.
    pub frames_max: Option<u64>,
    /// For [`crate::store::RecordMeta::model`].
    pub model: [u8; 8],
    /// For [`crate::store::RecordMeta::tune_generation`].
    pub tune_generation: u32,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A frame is broken, counted and skipped.
    Skipped(SourceError),
    /// A live source has no frames for now: why. Told once a reason.
    Interrupted(String),
    /// It has frames again, after this time.
    Resumed(Duration),
    /// The sink takes nothing for now: why. Told once a reason.
    SinkWaits(String),
    /// It takes masks again, after this time.
    SinkResumed(Duration),
}

/// A frame with the times of its capture.
pub(super) struct Captured {
    pub(super) frame: Frame,
    pub(super) monotonic: Duration,
    pub(super) wall_us: i64,
}

/// What the threads share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) live: bool,
    pub(super) start: Instant,
    pub(super) stop: Stop,
    pub(super) frames: Exchange<Captured>,
    pub(super) masks: Exchange<Saved>,
    /// Masks whose memory can be used again.
    pub(super) spare: Exchange<Mask>,
    pub(super) views: Exchange<(Frame, Mask)>,
    pub(super) events: Exchange<Event>,
    pub(super) clock: Arc<dyn Clock + Sync>,
    interval_ns: AtomicU64,
    throttle: AtomicU64,
    summary: Mutex<Summary>,
    sink_status: Mutex<StoreStatus>,
    meter: Mutex<Meter>,
    failures: Mutex<Vec<(Thread, PipelineError)>>,
}

impl Shared {
    pub(super) fn summary(&self) -> MutexGuard<'_, Summary> {
        // A panic elsewhere leaves counts behind, each of them whole.
        self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, stage: Stage, duration: Duration) {
        self.summary().stages[stage as usize].add(duration);
    }

    /// Tells the owner; where nobody listens, the oldest goes.
    pub(super) fn tell(&self, event: Event) {
        // Only a closed queue gives the event back: the owner has gone.
        let _ = self.events.put(event);
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval_ns.load(Ordering::Relaxed))
    }

    pub(super) fn throttle(&self) -> Throttle {
        Throttle(self.throttle.load(Ordering::Relaxed) as u16)
    }

    fn failures(&self) -> MutexGuard<'_, Vec<(Thread, PipelineError)>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is counted from one status line to the next.
    pub(super) fn meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_sink_status(&self, status: StoreStatus) {
        *self.sink_status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

type Outcome = Result<(), PipelineError>;

/// The threads, in the order in which their errors count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thread {
    Write,
    Segment,
    Capture,
    View,
}

impl Thread {
    fn name(self) -> &'static str {
        ["write", "segment", "capture", "view"][self as usize]
    }

    /// Closes the queues at whose ends the thread is, so that its neighbors end too.
    fn close_queues(self, shared: &Shared) {
        match self {
            Thread::Capture => shared.frames.close(),
            Thread::Segment => {
                shared.frames.close();
                shared.masks.close();
                shared.views.close();
            }
            Thread::Write => {
                shared.masks.close();
                shared.frames.close();
            }
            Thread::View => shared.views.close(),
        }
    }
}

/// A stream on its way to disk. Dropping it stops it without waiting; [`Pipeline::finish`] waits.
pub struct Pipeline {
    shared: Arc<Shared>,
    capture: JoinHandle<()>,
    segment: JoinHandle<()>,
    write: JoinHandle<()>,
}

impl Pipeline {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`PipelineError::Thread`] where the system has no thread left.
    pub fn start(parts: Parts, settings: Settings) -> Result<Pipeline, PipelineError> {
        let Parts { mut source, segment, sink, rules, clock, heartbeats, viewer } = parts;
        let live = source.info().live;
        source.watch(&heartbeats);
        let (frames, overflow) = if live { (1, Overflow::DropOldest) } else { (FRAMES, Overflow::Wait) };
        let shared = Arc::new(Shared {
            settings,
            live,
            start: Instant::now(),
            stop: Stop::default(),
            frames: Exchange::new(frames, overflow),
            masks: Exchange::new(MASKS, overflow),
            spare: Exchange::new(MASKS, Overflow::DropOldest),
            views: Exchange::new(1, Overflow::DropOldest),
            events: Exchange::new(EVENTS, Overflow::DropOldest),
            clock: Arc::clone(&clock),
            interval_ns: AtomicU64::new(0),
            throttle: AtomicU64::new(0),
            summary: Mutex::new(Summary::default()),
            sink_status: Mutex::new(sink.status()),
            meter: Mutex::new(Meter::new(clock.monotonic())),
            failures: Mutex::new(Vec::new()),
        });
        if viewer.is_none() {
            shared.views.close();
        }
        let stopped = |error| {
            shared.stop.raise();
            error
        };
        let beat = |thread: Thread| heartbeats.begin(thread.name(), STUCK_LIMIT);
        let alive = beat(Thread::Write);
        let write =
            spawn(Thread::Write, &shared, move |shared| write::run(sink, &alive, shared)).map_err(stopped)?;
        let alive = beat(Thread::Segment);
        let segment =
            spawn(Thread::Segment, &shared, move |shared| segment::run(segment, rules, &alive, shared))
                .map_err(stopped)?;
        let alive = beat(Thread::Capture);
        let capture = spawn(Thread::Capture, &shared, move |shared| capture::run(source, &alive, shared))
            .map_err(stopped)?;
        if let Some(viewer) = viewer {
            let alive = beat(Thread::View);
            spawn(Thread::View, &shared, move |shared| view(viewer, &alive, shared)).map_err(stopped)?;
        }
        Ok(Pipeline { shared, capture, segment, write })
    }

    /// What happened next, waiting for it at most `time`. `None` where nothing did.
    pub fn next_event(&self, time: Duration) -> Option<Event> {
        match self.shared.events.take(time) {
            Taken::Item(event) => Some(event),
            Taken::TimedOut | Taken::Closed => None,
        }
    }

    /// Whether all threads have ended by themselves.
    pub fn is_done(&self) -> bool {
        self.capture_is_done() && self.segment.is_finished() && self.write.is_finished()
    }

    /// The thread that reads may be held up in its source for ever; once nobody takes frames, it does not count.
    fn capture_is_done(&self) -> bool {
        self.capture.is_finished() || self.segment.is_finished()
    }

    /// What has come of it so far.
    pub fn summary(&self) -> Summary {
        self.shared.summary().clone()
    }

    /// Frames segmented so far, and how many a second.
    pub fn progress(&self) -> (u64, f64) {
        let summary = self.shared.summary();
        (summary.frames, summary.fps())
    }

    /// The queues, in the order of a frame's way.
    pub fn queues(&self) -> Vec<Queue> {
        let (frames, masks) = (&self.shared.frames, &self.shared.masks);
        let queue = |name, length, capacity, dropped| Queue { name, length, capacity, dropped };
        vec![
            queue("segment", frames.len(), frames.capacity(), frames.dropped()),
            queue("write", masks.len(), masks.capacity(), masks.dropped()),
        ]
    }

    /// Rate and latencies since the last call.
    pub fn take_figures(&self) -> Figures {
        self.shared.meter().take(self.shared.clock.monotonic())
    }

    /// What the sink last said of itself.
    pub fn sink_status(&self) -> StoreStatus {
        self.shared.sink_status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Least time between the starts of two frames of a live source; frames between are dropped.
    pub fn set_interval(&self, interval: Duration) {
        self.shared.interval_ns.store(interval.as_nanos() as u64, Ordering::Relaxed);
    }

    /// What slows the board down, for the records that follow.
    pub fn set_throttle(&self, throttle: Throttle) {
        self.shared.throttle.store(u64::from(throttle.0), Ordering::Relaxed);
    }

    /// Lets it end after the frame in hand.
    pub fn stop(&self) {
        self.shared.stop.raise();
    }

    /// Waits for the end. Stopped, it waits `limit` at most: threads that are held up by a source or a disk are then left
    /// behind. A frame that the network still has in hand after half of it is given up, so that all masks before it are
    /// saved in time.
    pub fn wait(&self, limit: Duration) {
        let mut stopped_at = None;
        while !self.is_done() {
            if self.shared.stop.is_raised() {
                let since = *stopped_at.get_or_insert_with(Instant::now);
                // With the disk's thread, nothing is left to save.
                if since.elapsed() >= limit || self.write.is_finished() {
                    break;
                }
                if since.elapsed() >= limit / 2 {
                    self.shared.masks.close();
                }
            }
            std::thread::sleep(POLL);
        }
    }

    /// [`Pipeline::wait`], and what came of it.
    ///
    /// The error is the first of: the disk's, the network's, the source's. A source that fails after it was stopped, or after
    /// the last frame that was wanted, has not failed.
    pub fn finish(self, limit: Duration) -> (Summary, Result<(), PipelineError>) {
        self.wait(limit);
        let shared = &self.shared;
        shared.events.close();
        let excused = shared.stop.is_raised()
            || shared.settings.frames_max.is_some_and(|max| shared.summary().frames >= max);
        // Whoever still waits for room or for a frame need not.
        shared.stop.raise();
        let mut failures = std::mem::take(&mut *shared.failures());
        // A display that fails costs no mask.
        failures.retain(|(thread, _)| *thread != Thread::View && !(*thread == Thread::Capture && excused));
        if !self.write.is_finished() {
            let reason = "it did not end in time, so the last masks are not saved".into();
            failures.push((Thread::Write, PipelineError::Thread { thread: "write", reason }));
        }
        let first = failures.into_iter().min_by_key(|(thread, _)| *thread);
        let summary = shared.summary().clone();
        (summary, first.map_or(Ok(()), |(_, error)| Err(error)))
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.shared.stop.raise();
    }
}

fn spawn(
    thread: Thread,
    shared: &Arc<Shared>,
    run: impl FnOnce(&Shared) -> Outcome + Send + 'static,
) -> Result<JoinHandle<()>, PipelineError> {
    let shared = Arc::clone(shared);
    let whole = move || {
        // Nothing of the closure is seen again after a panic but counts and queues, which are whole at any time.
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&shared)));
        let outcome = outcome.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(PipelineError::Thread { thread: thread.name(), reason: format!("it panicked: {text}") })
        });
        // Before its queues close: who sees them closed finds the reason.
        if let Err(error) = outcome {
            shared.failures().push((thread, error));
        }
        thread.close_queues(&shared);
    };
    Builder::new()
        .name(format!("sedge-{}", thread.name()))
        .spawn(whole)
        .map_err(|error| PipelineError::Thread { thread: thread.name(), reason: error.to_string() })
}

fn view(mut viewer: Viewer, alive: &Beat, shared: &Shared) -> Outcome {
    loop {
        alive.waits("the next mask");
        match shared.views.take(super::sink::TICK) {
            Taken::Item((frame, mask)) => {
                alive.works("the display");
                viewer(&frame, &mask);
            }
            Taken::TimedOut if !shared.stop.is_raised() => {}
            Taken::TimedOut | Taken::Closed => return Ok(()),
        }
    }
}
