//! Progress of a run on standard error: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sedge_train::fit::{EpochLine, Watch};

/// Shows a run; `name` stands before its lines.
pub struct Terminal {
    name: &'static str,
    is_terminal: bool,
    bar: Option<ProgressBar>,
    epochs: usize,
}

impl Terminal {
    /// Nothing shown yet.
    pub fn new(name: &'static str) -> Terminal {
        Terminal { name, is_terminal: std::io::stderr().is_terminal(), bar: None, epochs: 0 }
    }
}

impl Watch for Terminal {
    fn note(&mut self, text: &str) {
        eprintln!("{}: {text}", self.name);
    }

    fn begin_epoch(&mut self, epoch: usize, epochs: usize, steps: usize) {
        self.epochs = epochs;
        if self.is_terminal {
            let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
            let template =
                format!("{} {epoch}/{epochs} {{bar:30}} {{pos}}/{{len}} {{msg}} {{eta}} left", self.name);
            let style =
                ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar = Some(bar.with_style(style));
        }
    }

    fn step(&mut self, step: usize, loss: Option<f64>) {
        if let Some(bar) = &self.bar {
            bar.set_position(step as u64);
            if let Some(loss) = loss {
                bar.set_message(format!("loss {loss:.4}"));
            }
        }
    }

    fn end_epoch(&mut self, line: &EpochLine, score_name: &str, is_best: bool) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        eprintln!(
            "{} {}/{}: loss {:.4}, validation loss {:.4}, {score_name} {:.2} %{}, {:.1} images/s, {:.1} s",
            self.name,
            line.epoch,
            self.epochs,
            line.loss,
            line.val_loss,
            100.0 * line.score,
            if is_best { " (best)" } else { "" },
            line.images_per_second,
            line.train_seconds + line.val_seconds,
        );
    }
}
