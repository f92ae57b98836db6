//! What a step minimizes.

use std::path::Path;
use std::sync::Arc;

use tch::{Device, Tensor};

use super::FitError;
use super::evaluate::resized;
use crate::data::{Batch, Examples, LoaderOptions};
use crate::graph::{Mode, Network};
use crate::loss::Loss;
use crate::optimize::Parameter;

/// What a step minimizes: the labels' loss alone, or with a teacher's.
pub trait Objective {
    /// An epoch begins, counted from 0.
    ///
    /// # Errors
    /// When what it needs cannot be had.
    fn begin_epoch(&mut self, _epoch: u64) -> Result<(), FitError> {
        Ok(())
    }

    /// The loss of a batch: a tensor of one number that carries gradients to the network's variables.
    ///
    /// # Errors
    /// When network or loss fail.
    fn loss(&mut self, network: &Network, batch: &Batch) -> Result<Tensor, FitError>;

    /// What is trained beside the network's variables, and saved with them.
    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }
}

/// What an objective may be made from.
pub struct Context<'a> {
    /// The network to train.
    pub network: &'a Network,
    /// The training split.
    pub examples: &'a Arc<dyn Examples>,
    /// Its fingerprint.
    pub data_sha256: &'a str,
    /// How its batches are made.
    pub loader: &'a LoaderOptions,
    /// Where tensors lie.
    pub device: Device,
    /// The run's folder.
    pub folder: &'a Path,
    /// The run's seed.
    pub seed: u64,
}

/// Makes the objective of a run.
pub trait Recipe {
    /// The objective, from the loss against the labels. `note` takes what the user should know.
    ///
    /// # Errors
    /// When what it needs does not fit the network or the data.
    fn objective(
        &self,
        loss: Loss,
        context: &Context<'_>,
        note: &mut dyn FnMut(&str),
    ) -> Result<Box<dyn Objective>, FitError>;

    /// What `run.json` says of it beside the options; null for nothing.
    ///
    /// # Errors
    /// When a file that it names cannot be read.
    fn describe(&self) -> Result<serde_json::Value, FitError>;
}

/// Training on labels alone.
pub struct Supervised;

impl Recipe for Supervised {
    fn objective(
        &self,
        loss: Loss,
        _: &Context<'_>,
        _: &mut dyn FnMut(&str),
    ) -> Result<Box<dyn Objective>, FitError> {
        Ok(Box::new(Labels(loss)))
    }

    fn describe(&self) -> Result<serde_json::Value, FitError> {
        Ok(serde_json::Value::Null)
    }
}

struct Labels(Loss);

impl Objective for Labels {
    fn loss(&mut self, network: &Network, batch: &Batch) -> Result<Tensor, FitError> {
        let logits = network.forward(&batch.images, Mode::Train)?;
        label_loss(&self.0, &logits, &batch.targets)
    }
}

/// The loss against labels; logits smaller than the mask are enlarged first.
pub(crate) fn label_loss(loss: &Loss, logits: &Tensor, targets: &Tensor) -> Result<Tensor, FitError> {
    let targets = targets.f_to_device(logits.device())?;
    let logits = match logits.dim() {
        4 => resized(logits, targets.size().get(1..))?,
        _ => logits.shallow_clone(),
    };
    Ok(loss.of(&logits, &targets)?)
}
