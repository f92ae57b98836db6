//! Which threads work, which wait, and which are stuck.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// The heartbeats of a program's threads; clones share them.
#[derive(Clone)]
pub struct Heartbeats(Arc<Shared>);

struct Shared {
    clock: Box<dyn Clock + Sync>,
    threads: Mutex<Vec<Thread>>,
}

struct Thread {
    id: u64,
    name: &'static str,
    /// The longest time a step of work may take.
    limit: Duration,
    stage: &'static str,
    since: Duration,
    /// Waits for something outside, for as long as that takes.
    waits: bool,
}

/// A thread that has worked on one step for longer than it may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the thread {thread} is stuck: {stage} takes {} s already, where {} s are allowed",
    lasts.as_secs(), limit.as_secs()
)]
pub struct Stuck {
    /// The thread.
    pub thread: &'static str,
    /// What it does.
    pub stage: &'static str,
    /// For how long.
    pub lasts: Duration,
    /// How long it may take.
    pub limit: Duration,
}

impl Heartbeats {
    /// No threads yet. Steps are timed while the board is awake: a suspended thread is not stuck.
    pub fn new(clock: impl Clock + Sync + 'static) -> Heartbeats {
        Heartbeats(Arc::new(Shared { clock: Box::new(clock), threads: Mutex::new(Vec::new()) }))
    }

    /// A thread that begins now. It is stuck when a step of it takes longer than `limit`. The thread keeps what it is
    /// given and drops it as it ends, by a panic too.
    pub fn begin(&self, name: &'static str, limit: Duration) -> Beat {
        let since = self.0.clock.awake();
        let mut threads = self.0.threads();
        let id = threads.iter().map(|thread| thread.id + 1).max().unwrap_or(0);
        threads.push(Thread { id, name, limit, stage: "starting", since, waits: false });
        Beat { id, shared: Arc::clone(&self.0) }
    }

    /// The thread that is longest over its limit, if one is.
    pub fn stuck(&self) -> Option<Stuck> {
        let now = self.0.clock.awake();
        let threads = self.0.threads();
        let over = threads.iter().filter(|thread| !thread.waits).filter_map(|thread| {
            let lasts = now.saturating_sub(thread.since);
            let Thread { name, stage, limit, .. } = *thread;
            (lasts > limit).then_some(Stuck { thread: name, stage, lasts, limit })
        });
        over.max_by_key(|stuck| stuck.lasts - stuck.limit)
    }

    /// Names of the threads that have not ended, in the order in which they began.
    pub fn alive(&self) -> Vec<&'static str> {
        self.0.threads().iter().map(|thread| thread.name).collect()
    }
}

impl Shared {
    fn threads(&self) -> MutexGuard<'_, Vec<Thread>> {
        // A panic elsewhere leaves whole entries behind.
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread's own heartbeat.
pub struct Beat {
    id: u64,
    shared: Arc<Shared>,
}

impl Beat {
    /// Begins a step of work, which may take as long as the thread's limit.
    pub fn works(&self, stage: &'static str) {
        self.set(stage, false);
    }

    /// Begins to wait for something outside (a camera, a disk, the next frame), for however long; it must be a wait
    /// with a timeout of its own.
    pub fn waits(&self, stage: &'static str) {
        self.set(stage, true);
    }

    fn set(&self, stage: &'static str, waits: bool) {
        let now = self.shared.clock.awake();
        if let Some(thread) = self.shared.threads().iter_mut().find(|thread| thread.id == self.id) {
            (thread.stage, thread.waits, thread.since) = (stage, waits, now);
        }
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.shared.threads().retain(|thread| thread.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn only_work_that_lasts_is_stuck() {
        let second = Duration::from_secs(1);
        let clock = ManualClock::new(second, 0);
        let heartbeats = Heartbeats::new(clock.clone());
        let capture = heartbeats.begin("capture", 5 * second);
        let write = heartbeats.begin("write", 20 * second);
        let stuck = |seconds: u32| {
            clock.advance(second * seconds);
            heartbeats.stuck().map(|stuck| (stuck.thread, stuck.stage, stuck.lasts.as_secs()))
        };
        assert_eq!(stuck(5), None, "not yet");
        assert_eq!(stuck(1), Some(("capture", "starting", 6)));
        capture.waits("frame");
        assert_eq!(stuck(10), None, "waiting is not being stuck");
        assert_eq!(stuck(5), Some(("write", "starting", 21)));
        write.works("mask");
        capture.works("decode");
        assert_eq!(stuck(15), Some(("capture", "decode", 15)));
        assert_eq!(stuck(15), Some(("capture", "decode", 30)), "furthest over its limit");
        capture.works("decode");
        assert_eq!(stuck(0), Some(("write", "mask", 30)));
        let said = heartbeats.stuck().expect("stuck").to_string();
        assert_eq!(said, "the thread write is stuck: mask takes 30 s already, where 20 s are allowed");
        drop(write);
        assert_eq!((stuck(0), heartbeats.alive()), (None, vec!["capture"]), "a thread that ended");
        let again = heartbeats.begin("write", second);
        drop(capture);
        assert_eq!((stuck(2), heartbeats.alive()), (Some(("write", "starting", 2)), vec!["write"]));
        drop(again);
    }

    #[test]
    fn a_suspended_board_is_not_stuck() {
        let second = Duration::from_secs(1);
        let clock = ManualClock::new(second, 0);
        let heartbeats = Heartbeats::new(clock.clone());
        let beat = heartbeats.begin("segment", 60 * second);
        beat.works("the network");
        clock.advance(30 * second);
        clock.suspend(8 * 3600 * second);
        assert_eq!(heartbeats.stuck(), None, "asleep");
        clock.advance(31 * second);
        assert_eq!(heartbeats.stuck().map(|stuck| stuck.lasts.as_secs()), Some(61));
    }

    #[test]
    fn a_thread_that_panics_has_ended() {
        let heartbeats = Heartbeats::new(ManualClock::default());
        let beat = heartbeats.begin("infer", Duration::ZERO);
        let thread = std::thread::spawn(move || {
            beat.works("network");
            std::panic::resume_unwind(Box::new("broken"));
        });
        assert!(thread.join().is_err());
        assert!(heartbeats.alive().is_empty());
    }
}
