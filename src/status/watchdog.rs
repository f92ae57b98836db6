//! The sign of life for the service manager, given only while no thread is stuck.

use std::time::Duration;

use super::heartbeats::{Heartbeats, Stuck};
use super::meter::Due;
use super::notify::{Notification, Notify};

/// Feeds the service manager's watchdog.
#[derive(Debug)]
pub struct Watchdog {
    due: Option<Due>,
}

impl Watchdog {
    /// A watchdog that bites after `timeout` without food; `None` where nobody watches.
    pub fn new(timeout: Option<Duration>) -> Watchdog {
        // Half is what sd_watchdog_enabled(3) recommends; a third bears one that comes late.
        Watchdog { due: timeout.map(|timeout| Due::new(timeout / 3)) }
    }

    /// To be called more often than a third of the timeout: feeds when it is time and nothing is stuck. `now` is the time for
    /// which the board was awake, by which the service manager counts too.
    ///
    /// # Errors
    /// The thread that is stuck, whether the service manager watches or not.
    pub fn check(
        &mut self,
        now: Duration,
        heartbeats: &Heartbeats,
        notify: &dyn Notify,
    ) -> Result<(), Stuck> {
        if let Some(stuck) = heartbeats.stuck() {
            return Err(stuck);
        }
        if self.due.as_mut().is_some_and(|due| due.is_due(now)) {
            // A service manager that cannot be reached ends the process by itself; there is no more to do here.
            let _ = notify.notify(Notification::Watchdog);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::status::NotifyLog;

    /// How often the watchdog was fed in `seconds`, and for how many of them something was stuck.
    fn pass(
        seconds: u32,
        clock: &ManualClock,
        watchdog: &mut Watchdog,
        heartbeats: &Heartbeats,
    ) -> (usize, usize) {
        let log = NotifyLog::default();
        let stuck = (0..seconds).filter(|_| {
            clock.advance(Duration::from_secs(1));
            watchdog.check(clock.awake(), heartbeats, &log).is_err()
        });
        let stuck = stuck.count();
        (log.take().len(), stuck)
    }

    #[test]
    fn food_only_while_nothing_is_stuck() {
        let clock = ManualClock::default();
        let heartbeats = Heartbeats::new(clock.clone());
        let mut watchdog = Watchdog::new(Some(Duration::from_secs(30)));
        let beat = heartbeats.begin("write", Duration::from_secs(60));
        assert_eq!(pass(60, &clock, &mut watchdog, &heartbeats), (6, 0));
        assert_eq!(pass(60, &clock, &mut watchdog, &heartbeats), (0, 60));
        beat.waits("disk");
        assert_eq!(pass(600, &clock, &mut watchdog, &heartbeats), (60, 0));
        let mut nobody = Watchdog::new(None);
        assert_eq!(pass(60, &clock, &mut nobody, &heartbeats), (0, 0));
        beat.works("index");
        assert_eq!(pass(120, &clock, &mut nobody, &heartbeats), (0, 60));
    }
}
