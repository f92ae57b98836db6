//! Says what changes: each state once, and no kind of message more often than a log bears.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// Kinds of messages at most: keys are names in the program, so more is an error in it, and only the first are said.
const KEYS_MAX: usize = 64;
/// Messages of a kind that may come one after the other, and the time in which one more becomes possible.
const BURST: u32 = 10;
const REFILL: Duration = Duration::from_secs(360);

type Say = Box<dyn FnMut(&str) + Send>;

/// Says states as they begin and end, and events. Of each kind of message (a key such as `"camera"`) ten may come at
/// once and ten an hour after that; what is left out is counted, and how a state is then is said as soon as possible.
pub struct Told(Mutex<Inner>);

struct Inner {
    clock: Box<dyn Clock>,
    say: Say,
    kinds: BTreeMap<&'static str, Kind>,
}

struct Kind {
    /// The state that lasts, and since when.
    state: Option<(String, Duration)>,
    /// What is still to be said of it.
    waiting: Option<String>,
    left_out: u64,
    budget: u32,
    refilled: Duration,
}

impl Told {
    /// `say` prints one line, without its end.
    pub fn new(clock: impl Clock + 'static, say: impl FnMut(&str) + Send + 'static) -> Told {
        Told(Mutex::new(Inner { clock: Box::new(clock), say: Box::new(say), kinds: BTreeMap::new() }))
    }

    /// A state that lasts until [`Told::ends`]: said unless it is what lasts already.
    pub fn begins(&self, key: &'static str, state: &str) {
        let mut inner = self.inner();
        let now = inner.clock.monotonic();
        let Some(kind) = inner.kind(key, now) else { return };
        let since = match &kind.state {
            Some((lasting, _)) if lasting == state => return,
            // Another word on the same trouble: the time counts from its beginning.
            Some((_, since)) => *since,
            None => now,
        };
        kind.state = Some((state.to_owned(), since));
        inner.say(key, state.to_owned(), now, true);
    }

    /// The end of the state of this kind, if one lasts: says `end` and how long the state lasted, as in "camera back
    /// after 12 s".
    pub fn ends(&self, key: &'static str, end: &str) {
        let mut inner = self.inner();
        let now = inner.clock.monotonic();
        let Some((_, since)) = inner.kinds.get_mut(key).and_then(|kind| kind.state.take()) else { return };
        inner.say(key, format!("{end} after {}", span(now.saturating_sub(since))), now, true);
    }

    /// Something that happens and is over, such as a broken frame.
    pub fn event(&self, key: &'static str, event: &str) {
        let mut inner = self.inner();
        let now = inner.clock.monotonic();
        inner.say(key, event.to_owned(), now, false);
    }

    /// Whether a state of this kind lasts.
    pub fn lasts(&self, key: &'static str) -> bool {
        self.inner().kinds.get(key).is_some_and(|kind| kind.state.is_some())
    }

    /// To be called once a minute or so: says how states are that could not be said when they changed.
    pub fn catch_up(&self) {
        let mut inner = self.inner();
        let now = inner.clock.monotonic();
        let waiting: Vec<(&'static str, String)> = inner
            .kinds
            .iter_mut()
            .filter_map(|(key, kind)| {
                kind.refill(now);
                Some((*key, kind.waiting.take_if(|_| kind.budget > 0)?))
            })
            .collect();
        for (key, message) in waiting {
            // It was counted as left out, though perhaps told so by an event since.
            inner.kinds.entry(key).and_modify(|kind| kind.left_out = kind.left_out.saturating_sub(1));
            inner.say(key, message, now, true);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn kind(&mut self, key: &'static str, now: Duration) -> Option<&mut Kind> {
        if self.kinds.len() >= KEYS_MAX && !self.kinds.contains_key(key) {
            return None;
        }
        let new = || Kind { state: None, waiting: None, left_out: 0, budget: BURST, refilled: now };
        Some(self.kinds.entry(key).or_insert_with(new))
    }

    fn say(&mut self, key: &'static str, message: String, now: Duration, is_state: bool) {
        let Some(kind) = self.kind(key, now) else { return };
        kind.refill(now);
        if kind.budget == 0 {
            kind.left_out += 1;
            if is_state {
                kind.waiting = Some(message);
            }
            return;
        }
        kind.budget -= 1;
        if is_state {
            kind.waiting = None;
        }
        let message = match std::mem::take(&mut kind.left_out) {
            0 => message,
            1 => format!("{message} (1 message of this kind was left out)"),
            count => format!("{message} ({count} messages of this kind were left out)"),
        };
        (self.say)(&message);
    }
}

impl Kind {
    fn refill(&mut self, now: Duration) {
        let periods = now.saturating_sub(self.refilled).as_secs() / REFILL.as_secs();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        if self.budget.saturating_add(periods) >= BURST {
            (self.budget, self.refilled) = (BURST, now);
        } else {
            self.budget += periods;
            self.refilled += REFILL * periods;
        }
    }
}

/// A time in words, in the unit that says it with one or two figures.
fn span(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;

    fn told() -> (Told, ManualClock, impl Fn() -> Vec<String>) {
        let clock = ManualClock::default();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&lines);
        let told =
            Told::new(clock.clone(), move |line: &str| written.lock().expect("lines").push(line.to_owned()));
        (told, clock, move || std::mem::take(&mut *lines.lock().expect("lines")))
    }

    #[test]
    fn states_are_said_once() {
        let (told, clock, lines) = told();
        let second = Duration::from_secs(1);
        told.ends("camera", "camera back");
        assert!(lines().is_empty(), "it was not lost");
        for _ in 0..12 {
            told.begins("camera", "camera lost: no frame");
            clock.advance(second);
        }
        told.begins("store", "store waits: not mounted");
        told.begins("camera", "camera lost: no such device");
        assert!(told.lasts("camera"));
        told.ends("camera", "camera back");
        told.ends("camera", "camera back");
        assert!(!told.lasts("camera"));
        clock.advance(600 * second);
        told.catch_up();
        told.ends("store", "store goes on");
        let wanted = [
            "camera lost: no frame",
            "store waits: not mounted",
            "camera lost: no such device",
            "camera back after 12 s",
            "store goes on after 10 min",
        ];
        assert_eq!(lines(), wanted);
    }

    #[test]
    fn a_camera_that_comes_and_goes_for_a_year_fills_no_log() {
        let (told, clock, lines) = told();
        let mut said = 0;
        for second in 0..365 * 86_400 / 10 {
            told.begins("camera", "camera lost");
            clock.advance(Duration::from_secs(7));
            told.ends("camera", "camera back");
            clock.advance(Duration::from_secs(3));
            if second % 6 == 0 {
                told.catch_up();
                said += lines().len();
            }
        }
        let hours = 365 * 24;
        assert!((hours * 9..=hours * 10 + 20).contains(&said), "{said} lines");
        told.begins("camera", "camera lost: unplugged");
        clock.advance(REFILL);
        told.catch_up();
        let last = lines().concat();
        assert!(last.starts_with("camera lost: unplugged (") && last.ends_with("were left out)"), "{last}");
        told.catch_up();
        assert!(lines().is_empty());
    }

    #[test]
    fn events_are_counted_beyond_their_rate() {
        let (told, clock, lines) = told();
        for _ in 0..1000 {
            told.event("frame", "a frame is broken");
        }
        assert_eq!(lines().len(), 10);
        told.begins("camera", "camera lost");
        assert_eq!(lines(), ["camera lost"], "another kind");
        clock.advance(REFILL);
        told.catch_up();
        assert!(lines().is_empty(), "an event that is over is not said later");
        told.event("frame", "a frame is broken");
        assert_eq!(lines(), ["a frame is broken (990 messages of this kind were left out)"]);
    }

    #[test]
    fn kinds_are_bounded() {
        let (told, _, lines) = told();
        let keys: Vec<&'static str> = (0..100).map(|key| &*format!("key {key}").leak()).collect();
        for key in &keys {
            told.begins(key, "begins");
            told.event(key, "event");
        }
        assert_eq!(lines().len(), 2 * KEYS_MAX);
        assert!(!told.lasts(keys[99]));
        told.ends(keys[99], "ends");
    }

    #[test]
    fn spans() {
        let cases = [
            (0.25, "250 ms"),
            (12.9, "12 s"),
            (119.0, "119 s"),
            (150.0, "2 min"),
            (7300.0, "2 h"),
            (200_000.0, "2 d"),
        ];
        let failures: Vec<_> =
            cases.iter().filter(|(seconds, said)| span(Duration::from_secs_f64(*seconds)) != *said).collect();
        assert!(failures.is_empty(), "{failures:?}");
    }
}
