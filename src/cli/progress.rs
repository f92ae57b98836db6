//! Progress: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How far a piece of work has come, on standard error.
pub struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    total: Option<u64>,
    state: std::sync::Mutex<State>,
}

struct State {
    done: u64,
    line: Instant,
}

impl Progress {
    /// Progress over `total` steps, if their number is known; `what` names the work, `unit` its steps.
    pub fn new(what: &'static str, unit: &str, total: Option<u64>) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
            let template = match total {
                Some(_) => format!("{what} {{bar:30}} {{pos}}/{{len}} {unit} {{msg}} {{eta}} left"),
                None => format!("{what} {{spinner}} {{pos}} {unit} {{msg}} {{elapsed}}"),
            };
            bar.with_style(
                ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            )
        });
        let state = std::sync::Mutex::new(State { done: 0, line: Instant::now() });
        Progress { bar, what, total, state }
    }

    /// One more step is done; `note` says more, such as a rate.
    pub fn step(&self, note: &dyn Fn() -> String) {
        let Ok(mut state) = self.state.lock() else { return };
        state.done += 1;
        match &self.bar {
            Some(bar) => {
                bar.set_message(note());
                bar.inc(1);
            }
            None if state.line.elapsed() >= LINE_EVERY => {
                state.line = Instant::now();
                let total = self.total.map(|total| format!("/{total}")).unwrap_or_default();
                super::say(&format!("{} {}{total} {}", self.what, state.done, note()));
            }
            None => {}
        }
    }

    /// A message above the bar.
    pub fn say(&self, message: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| super::say(message)),
            None => super::say(message),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
