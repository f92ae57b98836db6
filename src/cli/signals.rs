//! Ctrl-C and SIGTERM: the first lets the work in hand be finished, a later one ends the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use sedge::camera;
use sedge::clock::{Clock, SystemClock};
use sedge::status::Exit;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A signal this soon after the first is the same one: a terminal and a service manager may both send it, or one twice.
const SAME: Duration = Duration::from_secs(1);

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Finish what is in hand.
    Stop,
    /// What was said already.
    Again,
    /// End at once.
    Now,
}

/// The signals that have come.
#[derive(Default)]
struct Heard {
    first: Option<Duration>,
}

impl Heard {
    fn signal(&mut self, now: Duration) -> Meaning {
        match self.first {
            None => {
                self.first = Some(now);
                Meaning::Stop
            }
            Some(first) if now.saturating_sub(first) < SAME => Meaning::Again,
            Some(_) => Meaning::Now,
        }
    }
}

/// A flag that Ctrl-C and SIGTERM raise, so that the frame in hand is finished. Another signal, from a second after the first,
/// ends the program and its children at once.
pub fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for Ctrl-C")?;
    let listen = move || {
        let mut heard = Heard::default();
        for _ in signals.forever() {
            match heard.signal(SystemClock.awake()) {
                Meaning::Stop => raised.store(true, Ordering::Relaxed),
                Meaning::Again => {}
                Meaning::Now => {
                    camera::end_children();
                    std::process::exit(Exit::Failed as i32);
                }
            }
        }
    };
    std::thread::Builder::new()
        .name("sedge-signals".into())
        .spawn(listen)
        .context("cannot listen for Ctrl-C")?;
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_comes_twice_is_one() {
        use Meaning::{Again, Now, Stop};
        let cases: [(&[u64], &[Meaning]); 4] = [
            (&[5000], &[Stop]),
            (&[5000, 5000, 5050, 5999], &[Stop, Again, Again, Again]),
            (&[5000, 6000], &[Stop, Now]),
            (&[0, 999, 1998], &[Stop, Again, Now]),
        ];
        for (times_ms, want) in cases {
            let mut heard = Heard::default();
            let got: Vec<Meaning> =
                times_ms.iter().map(|&time| heard.signal(Duration::from_millis(time))).collect();
            assert_eq!(got, want, "{times_ms:?}");
        }
    }
}
