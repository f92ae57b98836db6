//! What a run knows after an epoch, beside its tensors.

use serde::{Deserialize, Serialize};

use crate::optimize::{Exact, Plateau, Scaler};

/// The part of a checkpoint that is no tensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// Epochs done.
    pub(super) epoch: usize,
    /// Steps done.
    pub(super) step: u64,
    /// Steps of the optimizer, which leaves out those whose half-precision gradients overflowed.
    pub(super) optimizer_steps: i64,
    pub(super) average_steps: i64,
    pub(super) best: Option<Best>,
    /// Epochs since the best.
    pub(super) waited: usize,
    pub(super) plateau: Plateau,
    pub(super) scaler: Scaler,
    /// Mean loss of the first epoch.
    pub(super) first_loss: Option<Exact>,
    /// Least mean loss of an epoch.
    pub(super) least_loss: Option<Exact>,
    /// Seconds of training and validation.
    pub(super) seconds: f64,
}

/// The best epoch so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    /// From 1.
    pub(super) epoch: usize,
    /// Its score on the validation split.
    pub(super) score: Exact,
}

/// One line of `log.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochLine {
    /// From 1.
    pub epoch: usize,
    /// Mean of the loss that is trained, over the epoch's images.
    pub loss: f64,
    /// Mean cross entropy of the validation split, over the pixels or images that count.
    pub val_loss: f64,
    /// What chooses the best epoch: mean IoU, or accuracy for a classifier; 0..=1, validation split.
    pub score: f64,
    /// Pixel accuracy, or accuracy; 0..=1, validation split.
    pub accuracy: f64,
    /// Learning rate of the epoch's last step.
    pub rate: f64,
    /// Seconds of training.
    pub train_seconds: f64,
    /// Seconds of validation.
    pub val_seconds: f64,
    /// Training images a second.
    pub images_per_second: f64,
}
