//! What a user may choose of a run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::FitError;
use crate::data::{Augment, Split};
use crate::loss::ClassWeights;
use crate::optimize::{Groups, Method, Shape};

/// Everything that decides the result of a run; `run.json` holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// A model file, a run folder, a checkpoint, or `zoo:NAME:setting=value,...`.
    pub model: String,
    /// Start from the weights of this model.
    pub init: Option<PathBuf>,
    /// The data set.
    pub data: PathBuf,
    /// The split that chooses the best epoch.
    pub validate: Split,
    /// Use so many examples of each split, evenly spread over it.
    pub limit: Option<usize>,
    /// Names of examples that are not used, a line each.
    #[serde(default)]
    pub leave_out: Option<PathBuf>,
    /// Passes over the training split.
    pub epochs: usize,
    /// Images of a step.
    pub batch: usize,
    /// The loss, as [`crate::loss::Loss::parse`] reads it.
    pub loss: String,
    /// What each class weighs in it.
    pub class_weights: ClassWeights,
    /// Label smoothing, 0 to below 1.
    pub label_smoothing: f64,
    /// The optimizer.
    pub optimizer: Method,
    /// Learning rate after warm-up; `None`: the usual one of optimizer and model.
    pub rate: Option<f64>,
    /// Weight decay of weights; norms and biases have none.
    pub weight_decay: f64,
    /// How the learning rate falls.
    pub schedule: Shape,
    /// Epochs over which it rises first.
    pub warmup_epochs: f64,
    /// Patterns of variables that stay as they are.
    pub freeze: Vec<String>,
    /// Patterns of variables that learn slower or faster.
    pub rate_scales: Groups,
    /// Share of their running statistics that batch norms keep at a step, 0 to below 1, in place of the model's own: models
    /// name what suited millions of steps, with which the statistics of a short run would still be those of its first weights.
    pub norm_momentum: f32,
    /// Decay of the average of weights that is evaluated and kept, if any.
    pub average: Option<f64>,
    /// Largest norm of the gradients, if any.
    pub clip: Option<f64>,
    /// Epochs without a better score after which training ends, if it may.
    pub patience: Option<usize>,
    /// Random changes of the training images.
    pub augment: Augment,
    /// Every random draw follows from it.
    pub seed: u64,
    /// `cpu`, `cuda` or `cuda:N`; `None`: CUDA where it is there.
    pub device: Option<String>,
    /// Half precision on CUDA.
    pub half: bool,
    /// A mean loss of an epoch above so many times the best one (and above the first) is divergence.
    pub diverge_factor: f64,
}

impl Options {
    /// The usual options for a model and data.
    pub fn new(model: &str, data: PathBuf) -> Options {
        Options {
            model: model.to_string(),
            init: None,
            data,
            validate: Split::Val,
            limit: None,
            leave_out: None,
            epochs: 20,
            batch: 8,
            loss: "ce".to_string(),
            class_weights: ClassWeights::Even,
            label_smoothing: 0.0,
            optimizer: Method::AdamW { betas: (0.9, 0.999), epsilon: 1e-8 },
            rate: None,
            weight_decay: 1e-4,
            schedule: Shape::Cosine { floor: 0.0 },
            warmup_epochs: 0.0,
            freeze: Vec::new(),
            rate_scales: Groups::default(),
            norm_momentum: 0.9,
            average: None,
            clip: None,
            patience: None,
            augment: Augment::default(),
            seed: 0,
            device: None,
            half: false,
            diverge_factor: 10.0,
        }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// [`FitError::Option`] names the first option that is out of range.
    pub fn check(&self) -> Result<(), FitError> {
        let above_zero = |value: f64| value > 0.0 && value.is_finite();
        let checks = [
            (self.epochs > 0, "--epochs must be at least 1"),
            (self.batch > 0, "--batch must be at least 1"),
            (self.limit != Some(0), "--limit must be at least 1"),
            (self.rate.is_none_or(above_zero), "--lr must be above 0"),
            (
                self.weight_decay >= 0.0 && self.weight_decay.is_finite(),
                "--weight-decay must not be negative",
            ),
            (
                self.warmup_epochs >= 0.0 && self.warmup_epochs <= self.epochs as f64,
                "--warmup-epochs must be from 0 to the number of epochs",
            ),
            (
                self.average.is_none_or(|decay| decay > 0.0 && decay < 1.0),
                "--ema must be between 0 and 1, for example 0.999",
            ),
            ((0.0..1.0).contains(&self.norm_momentum), "--norm-momentum must be from 0 to below 1"),
            (self.clip.is_none_or(above_zero), "--clip must be above 0"),
            (self.patience != Some(0), "--patience must be at least 1"),
            (self.diverge_factor > 1.0, "--diverge must be above 1"),
            (
                self.rate_scales.scales.iter().all(|(_, factor)| *factor >= 0.0 && factor.is_finite()),
                "--lr-scale needs a factor of 0 or more",
            ),
        ];
        match checks.iter().find(|(right, _)| !right) {
            Some((_, message)) => Err(FitError::Option(message.to_string())),
            None => Ok(()),
        }
    }
}

/// What a run costs and shows, but not what comes out.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Threads that load data.
    pub workers: usize,
    /// Bytes of decoded images to keep.
    pub cache_bytes: usize,
    /// Checkpoints of epochs to keep beside the last and the best.
    pub keep: usize,
    /// Images on a sheet of predictions; 0 for none.
    pub sheet_images: usize,
    /// Go on with the run in the folder, if there is one.
    pub resume: bool,
    /// The command, for `run.json`.
    pub command: Vec<String>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            workers: 1,
            cache_bytes: 1 << 30,
            keep: 1,
            sheet_images: 8,
            resume: false,
            command: Vec::new(),
        }
    }
}
