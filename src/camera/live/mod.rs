//! What all live sources share: a thread that keeps a camera open and loses it, and a reader that takes the newest frame.
//!
//! A [`Keeper`] is the camera's side, step by step; [`Live`] runs it in a thread and is the reader's side; `shared` lies
//! between them.

mod shared;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub(super) use shared::{Arrival, Captured, Content, Found, Shared, Trouble, TroubleKind};

use super::SourceError;
use crate::status::Heartbeats;

/// Longest wait of a reader.
const PATIENCE: Duration = Duration::from_millis(900);

/// Longest wait for the thread when the source is dropped; a driver that hangs keeps only the thread.
const GRACE: Duration = Duration::from_secs(1);

/// How long a step of the thread may take before it counts as stuck: a USB camera may take seconds for each control.
const STUCK_LIMIT: Duration = Duration::from_secs(60);

/// Waits before a camera is opened again: the first, doubled after each failure up to the last, until a frame is good.
pub(super) const BACK_OFF_FIRST: Duration = Duration::from_millis(500);
const BACK_OFF_LAST: Duration = Duration::from_secs(30);

/// How long to wait before the next attempt.
pub(super) struct BackOff(Duration);

impl Default for BackOff {
    fn default() -> BackOff {
        BackOff(BACK_OFF_FIRST)
    }
}

impl BackOff {
    /// The wait after a failure; `worked` says whether there was a good frame since the last.
    pub(super) fn pause(&mut self, worked: bool) -> Duration {
        let pause = if worked { BACK_OFF_FIRST } else { self.0 };
        self.0 = (2 * pause).min(BACK_OFF_LAST);
        pause
    }
}

/// A camera that is being kept open.
pub(super) trait Keeper: Send + 'static {
    /// One thing: an attempt to open the camera, or one wait for a frame. Says how long to pause before the next.
    fn step(&mut self) -> Duration;

    /// Lets go of the camera, whatever state it is in.
    fn close(&mut self);
}

/// A thread that keeps a camera open, seen from the reader.
pub(super) struct Live {
    name: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// How long dropping waits for the thread.
    grace: Duration,
    /// The interruption that was told last.
    told: Option<String>,
    over: bool,
}

impl Live {
    /// Starts the thread, which first pauses.
    pub(super) fn start(
        name: String,
        keeper: impl Keeper,
        shared: Arc<Shared>,
        pause: Duration,
    ) -> Result<Live, SourceError> {
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("sedge-camera".into())
            .spawn(move || keep(keeper, of_thread, pause))
            .map_err(|cause| SourceError::Unreadable { name: name.clone(), cause })?;
        Ok(Live { name, shared, thread: Some(thread), grace: GRACE, told: None, over: false })
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Lets the thread say that it lives.
    pub(super) fn watch(&self, heartbeats: &Heartbeats) {
        self.shared.watch(heartbeats.begin("camera", STUCK_LIMIT));
    }

    /// The newest frame that nobody took, with its number, or what [`Source::next_frame`](super::Source::next_frame) says in
    /// place of one.
    pub(super) fn next(&mut self) -> Option<Result<(u64, Captured), SourceError>> {
        if self.over {
            return None;
        }
        let name = self.name.clone();
        Some(match self.shared.next(PATIENCE, self.told.as_deref()) {
            Found::Arrival(Arrival { number, content: Content::Frame(captured) }) => {
                self.told = None;
                Ok((number, captured))
            }
            Found::Arrival(Arrival { number, content: Content::Broken(reason) }) => {
                Err(SourceError::BrokenFrame { name, frame: number, reason })
            }
            Found::Interrupted(reason) => {
                self.told = Some(reason.clone());
                Err(SourceError::Interrupted { name, reason })
            }
            Found::Nothing => Err(SourceError::NotYet { name }),
            Found::Ended(why) => {
                self.over = true;
                Err(match why {
                    Some(reason) => SourceError::BadCrop { name, reason },
                    None => {
                        let reason =
                            "the thread that reads the camera has ended; start the program again".into();
                        SourceError::Camera { name, reason }
                    }
                })
            }
        })
    }

    #[cfg(test)]
    pub(super) fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.stop();
        let ended = self.shared.wait_for_end(self.grace);
        if let (true, Some(thread)) = (ended, self.thread.take()) {
            // It has nothing left to do but return. That it panicked was told by the panic itself.
            let _ = thread.join();
        }
    }
}

/// The thread: one step after another until it is stopped.
fn keep(mut keeper: impl Keeper, shared: Arc<Shared>, first_pause: Duration) {
    // Told however the thread ends, so that nobody waits for a frame that cannot come.
    struct AtEnd(Arc<Shared>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.ended();
        }
    }
    let end = AtEnd(Arc::clone(&shared));
    let mut pause = first_pause;
    loop {
        if !pause.is_zero() {
            shared.waits("the next attempt");
            shared.pause(pause);
        }
        if shared.stopped() {
            break;
        }
        shared.works("the camera");
        pause = keeper.step();
    }
    shared.works("closing the camera");
    keeper.close();
    drop(keeper);
    drop(end);
}
