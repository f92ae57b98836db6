//! The threads of the pipeline, with sources, networks and disks that fail on command.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::run::{Event, Parts, Pipeline, Rules, Settings};
use super::{PipelineError, Saved, Segment, Sink, Times};
use crate::camera::{Losses, Source, SourceError, SourceInfo};
use crate::clock::ManualClock;
use crate::frame::{Frame, PixelFormat};
use crate::mask::Mask;
use crate::status::{Beat, Heartbeats, StoreStatus};

/// Long enough that only a hang takes it.
const LIMIT: Duration = Duration::from_secs(60);

/// What a source gives next.
enum Give {
    Frame,
    Broken,
    Interrupted(&'static str),
    /// Waits until the test lets it go on.
    Wait(Receiver<()>),
    Fail,
}

struct Script {
    info: SourceInfo,
    steps: std::vec::IntoIter<Give>,
    number: u64,
    /// That of a thread of its own.
    beat: Option<Beat>,
}

fn script(live: bool, steps: Vec<Give>) -> Box<Script> {
    let info = SourceInfo { name: "script".into(), live, ..SourceInfo::default() };
    Box::new(Script { info, steps: steps.into_iter(), number: 0, beat: None })
}

impl Source for Script {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let name = String::from("script");
        loop {
            return Some(match self.steps.next()? {
                Give::Frame => {
                    self.number += 1;
                    let time = Duration::from_millis(self.number);
                    let data = vec![self.number as u8; 4];
                    let (number, format) = (self.number - 1, PixelFormat::Gray8);
                    Ok(Frame { number, time, width: 2, height: 2, format, data, name: None })
                }
                Give::Broken => {
                    Err(SourceError::BrokenFrame { name, frame: self.number, reason: "torn".into() })
                }
                Give::Interrupted(reason) => Err(SourceError::Interrupted { name, reason: reason.into() }),
                Give::Wait(until) => {
                    // The test has ended where nobody sends any more.
                    let _ = until.recv();
                    continue;
                }
                Give::Fail => Err(SourceError::Malformed { name, reason: "it ends".into() }),
            });
        }
    }

    fn watch(&mut self, heartbeats: &Heartbeats) {
        self.beat = Some(heartbeats.begin("camera", 9 * LIMIT));
    }

    fn losses(&self) -> Losses {
        Losses { missed: self.number, ..Losses::default() }
    }
}

/// Gives each pixel of the mask the frame's first byte; fails or panics at a frame.
#[derive(Default)]
struct Copy {
    fails_at: Option<u64>,
    panics_at: Option<u64>,
    /// Waits for a word before each frame, and says when it has begun.
    pace: Option<(Sender<u64>, Receiver<()>)>,
}

impl Segment for Copy {
    fn segment(&mut self, frame: &Frame, mask: &mut Mask) -> Result<Times, PipelineError> {
        if let Some((begun, go)) = &self.pace {
            let _ = begun.send(frame.number);
            let _ = go.recv();
        }
        assert_ne!(Some(frame.number), self.panics_at, "at its frame");
        if Some(frame.number) == self.fails_at {
            return Err(PipelineError::NotANumber { model: "copy".into(), frame: frame.number });
        }
        (mask.width, mask.height) = (frame.width, frame.height);
        mask.data.clear();
        mask.data.resize(4, frame.data[0]);
        Ok(Times::default())
    }
}

#[derive(Default)]
struct Kept {
    frames: Vec<u64>,
    values: Vec<u8>,
    closed: bool,
}

#[derive(Default)]
struct Memory {
    kept: Arc<Mutex<Kept>>,
    fails_at: Option<u64>,
    /// Refuses these frames.
    waits_at: Vec<u64>,
    waits: bool,
    /// Waits for a word at each mask.
    go: Option<Receiver<()>>,
}

impl Sink for Memory {
    fn put(&mut self, saved: &Saved) -> Result<bool, PipelineError> {
        if let Some(go) = &self.go {
            let _ = go.recv();
        }
        if Some(saved.meta.frame) == self.fails_at {
            return Err(PipelineError::NotANumber { model: "disk".into(), frame: saved.meta.frame });
        }
        self.waits = self.waits_at.contains(&saved.meta.frame);
        if self.waits {
            return Ok(false);
        }
        let mut kept = self.kept.lock().unwrap();
        kept.frames.push(saved.meta.frame);
        kept.values.push(saved.mask.data[0]);
        Ok(true)
    }

    fn bytes_written(&self) -> u64 {
        10 * self.kept.lock().unwrap().frames.len() as u64
    }

    fn status(&self) -> StoreStatus {
        StoreStatus { listed: self.kept.lock().unwrap().frames.len() as u64, ..StoreStatus::default() }
    }

    fn waits(&self) -> Option<String> {
        self.waits.then(|| "the disk is full".into())
    }

    fn close(self: Box<Self>) -> Result<StoreStatus, PipelineError> {
        self.kept.lock().unwrap().closed = true;
        Ok(StoreStatus { written_bytes: self.bytes_written(), ..self.status() })
    }
}

fn all() -> Rules {
    Box::new(|_, _| true)
}

fn parts(source: Box<Script>, segment: Copy, sink: Memory, rules: Rules) -> Parts {
    let clock = ManualClock::new(Duration::from_secs(5), 1_000);
    let (heartbeats, clock) = (Heartbeats::new(clock.clone()), Arc::new(clock));
    Parts { source, segment: Box::new(segment), sink: Box::new(sink), rules, clock, heartbeats, viewer: None }
}

fn events(pipeline: &Pipeline) -> Vec<String> {
    let mut told = Vec::new();
    let mut waited = Duration::ZERO;
    while !pipeline.is_done() && waited < LIMIT {
        let step = Duration::from_millis(10);
        match pipeline.next_event(step) {
            Some(event) => told.push(event),
            None => waited += step,
        }
    }
    told.extend(std::iter::from_fn(|| pipeline.next_event(Duration::ZERO)));
    told.iter()
        .map(|event| match event {
            Event::Skipped(error) => format!("skipped: {error}"),
            Event::Interrupted(reason) => format!("interrupted: {reason}"),
            Event::Resumed(_) => "resumed".into(),
            Event::SinkWaits(reason) => format!("sink waits: {reason}"),
            Event::SinkResumed(_) => "sink resumed".into(),
        })
        .collect()
}

#[test]
fn streams_end_as_they_should() {
    use Give::*;
    struct Case {
        name: &'static str,
        steps: Vec<Give>,
        segment: Copy,
        fails_at: Option<u64>,
        waits_at: Vec<u64>,
        frames_max: Option<u64>,
        stored: &'static [u64],
        told: &'static [&'static str],
        outcome: &'static str,
    }
    let case = |name, steps, stored, told, outcome| Case {
        name,
        steps,
        segment: Copy::default(),
        fails_at: None,
        waits_at: Vec::new(),
        frames_max: None,
        stored,
        told,
        outcome,
    };
    let frames = |count: usize| (0..count).map(|_| Frame).collect::<Vec<_>>();
    const BROKEN: &[&str] = &["skipped: script: frame 1 is broken: torn"];
    let cases = [
        case("nothing", vec![], &[], &[], "ok"),
        case("three", frames(3), &[0, 1, 2], &[], "ok"),
        case("a broken frame", vec![Frame, Broken, Frame], &[0, 1], BROKEN, "ok"),
        case("a source that fails", vec![Frame, Frame, Fail], &[0, 1], &[], "script: it ends"),
        case(
            "an interruption is told once",
            vec![Interrupted("gone"), Interrupted("gone"), Interrupted("busy"), Frame],
            &[0],
            &["interrupted: gone", "interrupted: busy", "resumed"],
            "ok",
        ),
        Case {
            frames_max: Some(2),
            ..case("as many as are wanted", vec![Frame, Frame, Fail], &[0, 1], &[], "ok")
        },
        Case { frames_max: Some(0), ..case("none wanted", vec![Fail], &[], &[], "ok") },
        Case {
            segment: Copy { fails_at: Some(2), ..Copy::default() },
            ..case(
                "a network that fails",
                frames(50),
                &[0, 1],
                &[],
                "copy: gives logits that are not numbers (NaN) for frame 2; the model is broken",
            )
        },
        Case {
            fails_at: Some(1),
            ..case(
                "a disk that fails",
                frames(50),
                &[0],
                &[],
                "disk: gives logits that are not numbers (NaN) for frame 1; the model is broken",
            )
        },
        Case {
            waits_at: vec![1, 2],
            ..case(
                "a disk that waits",
                frames(5),
                &[0, 3, 4],
                &["sink waits: the disk is full", "sink resumed"],
                "ok",
            )
        },
    ];
    let mut failures = Vec::new();
    for case in cases {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let sink = Memory {
            kept: kept.clone(),
            fails_at: case.fails_at,
            waits_at: case.waits_at,
            ..Memory::default()
        };
        let settings = Settings { frames_max: case.frames_max, ..Settings::default() };
        let pipeline =
            Pipeline::start(parts(script(false, case.steps), case.segment, sink, all()), settings).unwrap();
        let told = events(&pipeline);
        let (summary, outcome) = pipeline.finish(LIMIT);
        let outcome = outcome.map_or_else(|error| error.to_string(), |()| "ok".into());
        let kept = kept.lock().unwrap();
        let found = (kept.frames.as_slice(), told.iter().map(String::as_str).collect::<Vec<_>>(), &*outcome);
        if found != (case.stored, case.told.to_vec(), case.outcome) {
            failures.push(format!("{}: {found:?}", case.name));
        }
        if !kept.closed || summary.stored != kept.frames.len() as u64 {
            failures.push(format!("{}: closed {}, {} stored", case.name, kept.closed, summary.stored));
        }
        // Masks are reused: each must hold its own frame's value.
        if kept.frames.iter().zip(&kept.values).any(|(frame, value)| frame + 1 != u64::from(*value)) {
            failures.push(format!("{}: values {:?}", case.name, kept.values));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_panic_is_an_error() {
    let segment = Copy { panics_at: Some(1), ..Copy::default() };
    let kept = Arc::new(Mutex::new(Kept::default()));
    let sink = Memory { kept: kept.clone(), ..Memory::default() };
    let steps = (0..9).map(|_| Give::Frame).collect();
    let pipeline = Pipeline::start(parts(script(false, steps), segment, sink, all()), Settings::default());
    let (_, outcome) = pipeline.unwrap().finish(LIMIT);
    let message = outcome.unwrap_err().to_string();
    assert!(message.starts_with("the segment thread of the pipeline failed: it panicked"), "{message}");
    let kept = kept.lock().unwrap();
    assert_eq!((&kept.frames[..], kept.closed), (&[0][..], true));
}

#[test]
fn rules_choose_what_is_stored() {
    let kept = Arc::new(Mutex::new(Kept::default()));
    let sink = Memory { kept: kept.clone(), ..Memory::default() };
    // Masks are all one class: the frame's number plus one.
    let rules: Rules = Box::new(|_, histogram| histogram[3] > 0 || histogram[5] > 0);
    let steps = (0..8).map(|_| Give::Frame).collect();
    let pipeline =
        Pipeline::start(parts(script(false, steps), Copy::default(), sink, rules), Settings::default());
    let (summary, outcome) = pipeline.unwrap().finish(LIMIT);
    outcome.unwrap();
    assert_eq!(kept.lock().unwrap().frames, [2, 4]);
    assert_eq!((summary.frames, summary.stored, summary.bytes_written), (8, 2, 20));
    assert_eq!(summary.losses.missed, 8);
}

#[test]
fn a_live_source_is_never_held_up() {
    // The network begins with frame 0 and waits; the camera gives all others meanwhile; then the disk waits.
    let (begun, has_begun) = channel();
    let (go, goes) = channel();
    let (disk_go, disk_goes) = channel();
    let (all_given, wait) = channel();
    let (second_given, second_wait) = channel();
    let mut steps: Vec<Give> = vec![Give::Frame, Give::Wait(wait)];
    steps.extend((0..99).map(|_| Give::Frame));
    steps.push(Give::Interrupted("all given"));
    steps.push(Give::Wait(second_wait));
    let segment = Copy { pace: Some((begun, goes)), ..Copy::default() };
    let kept = Arc::new(Mutex::new(Kept::default()));
    let sink = Memory { kept: kept.clone(), go: Some(disk_goes), ..Memory::default() };
    let pipeline =
        Pipeline::start(parts(script(true, steps), segment, sink, all()), Settings::default()).unwrap();
    assert_eq!(has_begun.recv_timeout(LIMIT), Ok(0));
    all_given.send(()).unwrap();
    assert!(matches!(pipeline.next_event(LIMIT), Some(Event::Interrupted(_))), "the camera went on");
    go.send(()).unwrap();
    assert_eq!(has_begun.recv_timeout(LIMIT), Ok(99), "the newest frame comes next");
    go.send(()).unwrap();
    drop((second_given, disk_go, go));
    let (summary, outcome) = pipeline.finish(LIMIT);
    outcome.unwrap();
    assert_eq!((summary.frames, summary.dropped, summary.stored), (2, 98, 2));
    assert_eq!(kept.lock().unwrap().frames, [0, 99]);
}

#[test]
fn stopping_does_not_wait_for_a_source_that_hangs() {
    let (never, wait) = channel();
    let kept = Arc::new(Mutex::new(Kept::default()));
    let sink = Memory { kept: kept.clone(), ..Memory::default() };
    let steps = vec![Give::Frame, Give::Interrupted("given"), Give::Wait(wait), Give::Frame];
    let pipeline =
        Pipeline::start(parts(script(false, steps), Copy::default(), sink, all()), Settings::default())
            .unwrap();
    assert!(pipeline.next_event(LIMIT).is_some());
    pipeline.stop();
    let (summary, outcome) = pipeline.finish(LIMIT);
    outcome.unwrap();
    assert!(summary.stored <= 1);
    assert!(kept.lock().unwrap().closed);
    drop(never);
}

#[test]
fn stopping_saves_what_was_made_before_a_frame_that_takes_long() {
    let (begun, has_begun) = channel();
    let (go, goes) = channel();
    let segment = Copy { pace: Some((begun, goes)), ..Copy::default() };
    let kept = Arc::new(Mutex::new(Kept::default()));
    let sink = Memory { kept: kept.clone(), ..Memory::default() };
    let steps = (0..3).map(|_| Give::Frame).collect();
    let pipeline =
        Pipeline::start(parts(script(false, steps), segment, sink, all()), Settings::default()).unwrap();
    for frame in 0..2 {
        assert_eq!(has_begun.recv_timeout(LIMIT), Ok(frame));
        go.send(()).unwrap();
    }
    assert_eq!(has_begun.recv_timeout(LIMIT), Ok(2));
    pipeline.stop();
    pipeline.wait(LIMIT / 200);
    let (summary, outcome) = pipeline.finish(LIMIT);
    outcome.unwrap();
    assert_eq!(summary.stored, 2);
    let kept = kept.lock().unwrap();
    assert_eq!((&kept.frames[..], kept.closed), (&[0, 1][..], true));
    drop(go);
}

#[test]
fn viewers_see_frames_with_their_masks() {
    let (seen, sees) = channel();
    let mut parts = parts(
        script(false, (0..4).map(|_| Give::Frame).collect()),
        Copy::default(),
        Memory::default(),
        all(),
    );
    parts.viewer = Some(Box::new(move |frame, mask| {
        let _ = seen.send((frame.number, mask.data[0]));
    }));
    let (_, outcome) = Pipeline::start(parts, Settings::default()).unwrap().finish(LIMIT);
    outcome.unwrap();
    let seen: Vec<_> = sees.iter().collect();
    assert!(!seen.is_empty() && seen.iter().all(|(frame, value)| frame + 1 == u64::from(*value)), "{seen:?}");
}

#[test]
fn every_thread_has_a_heartbeat() {
    let (never, wait) = channel();
    let (begun, has_begun) = channel();
    let (shown, show) = channel::<()>();
    let source = script(false, vec![Give::Frame, Give::Wait(wait)]);
    let mut parts = parts(source, Copy::default(), Memory::default(), all());
    let clock = ManualClock::default();
    let heartbeats = Heartbeats::new(clock.clone());
    parts.heartbeats = heartbeats.clone();
    parts.viewer = Some(Box::new(move |_, _| {
        let _ = begun.send(());
        let _ = show.recv();
    }));
    let pipeline = Pipeline::start(parts, Settings::default()).unwrap();
    has_begun.recv_timeout(LIMIT).unwrap();
    assert_eq!(heartbeats.alive(), ["camera", "write", "segment", "capture", "view"]);
    // The mask is stored, and all others wait for what comes next.
    while pipeline.summary().stored == 0 {
        std::thread::yield_now();
    }
    clock.advance(Duration::from_secs(61));
    let mut stuck = None;
    // Of those that are stuck the longest over its limit is told; the writer may just be at its disk.
    while stuck.is_none_or(|thread| thread == "write") {
        stuck = heartbeats.stuck().map(|stuck| stuck.thread);
    }
    assert_eq!(stuck, Some("view"));
    drop((never, shown));
    pipeline.finish(LIMIT).1.unwrap();
}
