//! Being told to stop: by a signal, or after so many steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::FitError;

/// The program's exit code after a signal, as shells expect it of SIGINT.
const EXIT_STOPPED: i32 = 130;

/// Asked after every step whether to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    told: Arc<AtomicBool>,
    /// Steps that are left, where they are limited.
    steps: Option<Arc<AtomicU64>>,
}

impl Stop {
    /// Never stops by itself.
    pub fn never() -> Stop {
        Stop::default()
    }

    /// Stops after `steps` steps.
    pub fn after(steps: u64) -> Stop {
        Stop { steps: Some(Arc::new(AtomicU64::new(steps))), ..Stop::default() }
    }

    /// Stops at SIGINT (ctrl-C) or SIGTERM; a second one ends the program at once.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn at_signals() -> Result<Stop, FitError> {
        let stop = Stop::default();
        for signal in [SIGINT, SIGTERM] {
            // The first to be registered is the first to run: it sees the flag of the signal before.
            signal_hook::flag::register_conditional_shutdown(signal, EXIT_STOPPED, Arc::clone(&stop.told))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop.told)))
                .map_err(|error| FitError::Option(format!("signals cannot be caught: {error}")))?;
        }
        Ok(stop)
    }

    /// Counts a step, and says whether it was the last.
    pub(super) fn now(&self) -> bool {
        let counted_out = self.steps.as_ref().is_some_and(|steps| {
            steps.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(1)))
                == Ok(1)
        });
        counted_out || self.told.load(Ordering::Relaxed)
    }
}
