//! What time it is: the system's clocks behind a trait, and one that tests turn.

use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Two clocks: one that never jumps, and the wall's, which does.
pub trait Clock: Send {
    /// Time since the board started, also while it was suspended; never goes back, the same for all processes of this
    /// start.
    fn monotonic(&self) -> Duration;
    /// Unix time in microseconds. Without a battery it begins in the past and jumps when the network tells the time.
    fn wall_us(&self) -> i64;
}

/// The clocks of this machine (`CLOCK_BOOTTIME` and `CLOCK_REALTIME`).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    }

    fn wall_us(&self) -> i64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        now.tv_sec * 1_000_000 + now.tv_nsec / 1000
    }
}

/// Clocks that stand still until they are turned; clones share the time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<Mutex<(Duration, i64)>>);

impl ManualClock {
    /// Clocks that show these times.
    pub fn new(monotonic: Duration, wall_us: i64) -> ManualClock {
        ManualClock(Arc::new(Mutex::new((monotonic, wall_us))))
    }

    /// Lets time pass on both.
    pub fn advance(&self, time: Duration) {
        self.change(|(monotonic, wall_us)| {
            *monotonic += time;
            *wall_us += time.as_micros() as i64;
        });
    }

    /// Sets the wall's clock alone, forward or back.
    pub fn set_wall_us(&self, to: i64) {
        self.change(|(_, wall_us)| *wall_us = to);
    }

    fn change<T>(&self, change: impl FnOnce(&mut (Duration, i64)) -> T) -> T {
        // A panic elsewhere leaves two plain numbers behind, both whole.
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        self.change(|(monotonic, _)| *monotonic)
    }

    fn wall_us(&self) -> i64 {
        self.change(|(_, wall_us)| *wall_us)
    }
}
