//! What time it is: the system's clocks behind a trait, and one that tests turn.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Three clocks: two that never jump, and the wall's, which does.
pub trait Clock: Send {
    /// Time since the board started, also while it was suspended; never goes back, the same for all processes of this
    /// start.
    ///
    /// For ages: of a mask, of a state that is told.
    fn monotonic(&self) -> Duration;
    /// Time for which the board was awake since it started: it stands still while the board is suspended, and so do
    /// threads and cameras.
    ///
    /// For what may take only so long: a thread's step, a camera's next frame.
    fn awake(&self) -> Duration;
    /// Unix time in microseconds. Without a battery it begins in the past and jumps when the network tells the time.
    fn wall_us(&self) -> i64;
}

/// The clocks of this machine (`CLOCK_BOOTTIME`, `CLOCK_MONOTONIC` and `CLOCK_REALTIME`).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        since_start(ClockId::Boottime)
    }

    fn awake(&self) -> Duration {
        since_start(ClockId::Monotonic)
    }

    fn wall_us(&self) -> i64 {
        let now = clock_gettime(ClockId::Realtime);
        now.tv_sec * 1_000_000 + now.tv_nsec / 1000
    }
}

fn since_start(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Clocks that stand still until they are turned; clones share the time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<Mutex<Times>>);

#[derive(Debug, Default)]
struct Times {
    monotonic: Duration,
    suspended: Duration,
    wall_us: i64,
}

impl ManualClock {
    /// Clocks that show these times, on a board that was never suspended.
    pub fn new(monotonic: Duration, wall_us: i64) -> ManualClock {
        ManualClock(Arc::new(Mutex::new(Times { monotonic, wall_us, suspended: Duration::ZERO })))
    }

    /// Lets time pass on all.
    pub fn advance(&self, time: Duration) {
        self.change(|times| {
            times.monotonic += time;
            times.wall_us += time.as_micros() as i64;
        });
    }

    /// Lets time pass in which the board is suspended.
    pub fn suspend(&self, time: Duration) {
        self.advance(time);
        self.change(|times| times.suspended += time);
    }

    /// Sets the wall's clock alone, forward or back.
    pub fn set_wall_us(&self, to: i64) {
        self.change(|times| times.wall_us = to);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Times) -> T) -> T {
        // A panic elsewhere leaves plain numbers behind, each of them whole.
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        self.change(|times| times.monotonic)
    }

    fn awake(&self) -> Duration {
        self.change(|times| times.monotonic.saturating_sub(times.suspended))
    }

    fn wall_us(&self) -> i64 {
        self.change(|times| times.wall_us)
    }
}
