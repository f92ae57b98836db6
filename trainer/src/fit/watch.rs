//! Who looks at a run while it goes on.

use super::EpochLine;

/// Told of a run's progress.
pub trait Watch {
    /// Something that the user should know.
    fn note(&mut self, text: &str);

    /// An epoch begins: its number from 1, of how many, and its steps.
    fn begin_epoch(&mut self, epoch: usize, epochs: usize, steps: usize);

    /// A step is done; its number from 1, and its loss where that is known.
    fn step(&mut self, step: usize, loss: Option<f64>);

    /// An epoch is done and its checkpoint written; `is_best` so far.
    fn end_epoch(&mut self, line: &EpochLine, score_name: &str, is_best: bool);
}

/// Looks away.
pub struct Silent;

impl Watch for Silent {
    fn note(&mut self, _: &str) {}

    fn begin_epoch(&mut self, _: usize, _: usize, _: usize) {}

    fn step(&mut self, _: usize, _: Option<f64>) {}

    fn end_epoch(&mut self, _: &EpochLine, _: &str, _: bool) {}
}
