//! What a live source's thread and its reader share: the newest frame, the state, the counts.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::camera::v4l::Choice;
use crate::camera::{Losses, SourceError};
use crate::frame::PixelFormat;
use crate::status::Beat;

/// What came of one captured buffer.
#[derive(Debug, PartialEq)]
pub(in crate::camera) struct Arrival {
    /// Counts all buffers since the camera was first opened, the dropped ones too.
    pub(in crate::camera) number: u64,
    pub(in crate::camera) content: Content,
}

#[derive(Debug, PartialEq)]
pub(in crate::camera) enum Content {
    Frame(Captured),
    /// The buffer was damaged; this is how.
    Broken(String),
}

/// A frame as it came out of the driver's memory.
#[derive(Debug, PartialEq)]
pub(in crate::camera) struct Captured {
    pub(in crate::camera) time: Duration,
    pub(in crate::camera) width: u32,
    pub(in crate::camera) height: u32,
    /// `None` is a JPEG.
    pub(in crate::camera) format: Option<PixelFormat>,
    pub(in crate::camera) bytes: Vec<u8>,
}

/// What a reader finds.
#[derive(Debug, PartialEq)]
pub(in crate::camera) enum Found {
    Arrival(Arrival),
    /// The camera is not there; the reason is the same as long as the state is.
    Interrupted(String),
    /// It streams, but nothing came in time.
    Nothing,
    /// The thread has ended; why, if trying again would not help.
    Ended(Option<String>),
}

#[derive(Default)]
struct State {
    newest: Option<Arrival>,
    /// Memory of a dropped frame, for the next one.
    spare: Vec<u8>,
    interrupted: Option<String>,
    streaming: Option<Choice>,
    losses: Losses,
    next_number: u64,
    reopen: Option<String>,
    /// Since the camera was lost last, a frame came that is one.
    proven: bool,
    hopeless: Option<String>,
    stop: bool,
    ended: bool,
    beat: Option<Beat>,
}

#[derive(Default)]
pub(in crate::camera) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change below is whole at each step, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the newest frame in the place of the last, which is dropped if nobody took it. A damaged one does not push a
    /// whole one out.
    pub(in crate::camera) fn arrived(&self, content: Content) {
        let mut state = self.lock();
        let number = state.next_number;
        state.next_number += 1;
        let whole = matches!(content, Content::Frame(_));
        if whole {
            state.interrupted = None;
        } else if matches!(&state.newest, Some(Arrival { content: Content::Frame(_), .. })) {
            state.losses.dropped += 1;
            return;
        }
        if let Some(old) = state.newest.replace(Arrival { number, content }) {
            state.losses.dropped += 1;
            if let Content::Frame(frame) = old.content {
                state.spare = frame.bytes;
            }
        }
        self.changed.notify_all();
    }

    /// Memory for a frame's bytes.
    pub(in crate::camera) fn spare(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock().spare)
    }

    /// Gives memory back that was not used up.
    pub(in crate::camera) fn put_back(&self, spare: Vec<u8>) {
        self.lock().spare = spare;
    }

    /// The camera has gone, or is still gone.
    pub(in crate::camera) fn interrupted(&self, reason: String) {
        let mut state = self.lock();
        state.interrupted = Some(reason);
        state.streaming = None;
        self.changed.notify_all();
    }

    pub(in crate::camera) fn streaming(&self, choice: Choice) {
        self.lock().streaming = Some(choice);
    }

    /// What the camera now gives, where it is open.
    pub(in crate::camera) fn mode(&self) -> Option<Choice> {
        self.lock().streaming
    }

    pub(in crate::camera) fn missed(&self, frames: u64) {
        self.lock().losses.missed += frames;
    }

    pub(in crate::camera) fn reopened(&self) {
        self.lock().losses.reopened += 1;
    }

    pub(in crate::camera) fn losses(&self) -> Losses {
        self.lock().losses
    }

    /// Waits at most `patience` for a frame that nobody took, or for a state other than the one that was `told` last.
    pub(in crate::camera) fn next(&self, patience: Duration, told: Option<&str>) -> Found {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            if let Some(arrival) = state.newest.take() {
                return Found::Arrival(arrival);
            }
            if state.ended {
                return Found::Ended(state.hopeless.clone());
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            match &state.interrupted {
                Some(reason) if rest.is_zero() || told != Some(reason) => {
                    return Found::Interrupted(reason.clone());
                }
                None if rest.is_zero() => return Found::Nothing,
                _ => {}
            }
            state = self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The reader asks for the camera to be closed and opened again.
    pub(in crate::camera) fn ask_reopen(&self, reason: String) {
        self.lock().reopen = Some(reason);
    }

    /// A frame was good: the camera works.
    pub(in crate::camera) fn proven(&self) {
        self.lock().proven = true;
    }

    /// Whether the camera has worked since the last call.
    pub(in crate::camera) fn take_proven(&self) -> bool {
        std::mem::take(&mut self.lock().proven)
    }

    pub(in crate::camera) fn take_reopen(&self) -> Option<String> {
        self.lock().reopen.take()
    }

    /// The camera can never give what is asked of it: the thread is to end, and the reader to say so.
    pub(in crate::camera) fn hopeless(&self, reason: String) {
        let mut state = self.lock();
        state.hopeless = Some(reason);
        state.stop = true;
        self.changed.notify_all();
    }

    /// Where the thread says that it lives, from now on.
    pub(in crate::camera) fn watch(&self, beat: Beat) {
        beat.waits("the camera");
        self.lock().beat = Some(beat);
    }

    /// The thread begins a step that ends by itself soon, or is stuck.
    pub(in crate::camera) fn works(&self, stage: &'static str) {
        self.lock().beat.iter().for_each(|beat| beat.works(stage));
    }

    /// The thread begins a wait that has a timeout of its own.
    pub(in crate::camera) fn waits(&self, stage: &'static str) {
        self.lock().beat.iter().for_each(|beat| beat.waits(stage));
    }

    pub(in crate::camera) fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }

    pub(in crate::camera) fn stopped(&self) -> bool {
        self.lock().stop
    }

    /// Waits this long, or until it is stopped.
    pub(in crate::camera) fn pause(&self, time: Duration) {
        let state = self.lock();
        drop(self.changed.wait_timeout_while(state, time, |state| !state.stop));
    }

    /// The thread is at its end.
    pub(in crate::camera) fn ended(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.beat = None;
        drop(state);
        self.changed.notify_all();
    }

    /// Waits at most `patience` for the thread's end; says whether it came.
    pub(in crate::camera) fn wait_for_end(&self, patience: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), patience, |state| !state.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }
}

/// Why a camera cannot be opened, or was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::camera) struct Trouble {
    pub(in crate::camera) kind: TroubleKind,
    /// One sentence without figures that change.
    pub(in crate::camera) reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::camera) enum TroubleKind {
    /// There is none.
    Missing,
    /// Another program has it.
    Busy,
    /// It is there, but not what is asked for: trying again helps only if it is another one then.
    Wrong,
    /// Its picture does not hold the crop, which no other try changes.
    Crop,
    /// It failed.
    Lost,
}

impl Trouble {
    pub(in crate::camera) fn new(kind: TroubleKind, reason: impl Into<String>) -> Trouble {
        Trouble { kind, reason: reason.into() }
    }

    /// The trouble as the error that ends a source.
    pub(in crate::camera) fn into_error(self, name: String) -> SourceError {
        match self.kind {
            TroubleKind::Crop => SourceError::BadCrop { name, reason: self.reason },
            _ => SourceError::Camera { name, reason: self.reason },
        }
    }
}
