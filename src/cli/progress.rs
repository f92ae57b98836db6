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
        self.change(|done| done + 1, note);
    }

    /// `done` steps are done in all.
    pub fn reach(&self, done: u64, note: &dyn Fn() -> String) {
        self.change(|_| done, note);
    }

    fn change(&self, change: impl FnOnce(u64) -> u64, note: &dyn Fn() -> String) {
        let Ok(mut state) = self.state.lock() else { return };
        state.done = change(state.done);
        match &self.bar {
            Some(bar) => {
                bar.set_message(note());
                bar.set_position(state.done);
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
