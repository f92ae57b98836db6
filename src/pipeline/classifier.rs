//! From a frame to the class of the whole image.

use std::time::Instant;

use super::network::Network;
use super::{PipelineError, Times};
use crate::engine::{Options, Session};
use crate::frame::Frame;
use crate::onnx::{Card, Model};

/// A classification model with all that it needs between a frame and its class.
pub struct Classifier {
    network: Network,
    classes: usize,
}

impl Classifier {
    /// Prepares `model`; `card` tells its input rule.
    ///
    /// # Errors
    /// When the model does not run, gives no scores `[1, classes]` (dimensions of size 1 may follow), or has another
    /// number of labels.
    pub fn new(model: &Model, card: &Card) -> Result<Classifier, PipelineError> {
        Classifier::with_options(model, card, &Options::default())
    }

    /// As [`Classifier::new`], with a choice of engine and threads.
    ///
    /// # Errors
    /// As [`Classifier::new`].
    pub fn with_options(model: &Model, card: &Card, options: &Options) -> Result<Classifier, PipelineError> {
        let mut network = Network::new(model, card, options, None)?;
        network.try_out()?;
        match network.shape() {
            &[1, classes, ref rest @ ..] if classes > 0 && rest.iter().all(|&size| size == 1) => {
                match card.labels.len() {
                    names if names != 0 && names != classes => {
                        Err(PipelineError::Classes { model: model.origin.clone(), logits: classes, names })
                    }
                    _ => Ok(Classifier { network, classes }),
                }
            }
            _ => Err(PipelineError::Output {
                model: model.origin.clone(),
                output: network.output(),
                shape: network.shape().to_vec(),
                needed: "a classifier gives f32 scores [1, classes]",
            }),
        }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The session that runs the model.
    pub fn session(&self) -> &Session {
        &self.network.session
    }

    /// The class with the highest score; of equal scores the lower class.
    ///
    /// # Errors
    /// When the frame is broken or the engine fails.
    pub fn classify(&mut self, frame: &Frame) -> Result<usize, PipelineError> {
        self.classify_timed(frame).map(|(class, _)| class)
    }

    /// As [`Classifier::classify`], with the time of each step; `mask` is that of finding the highest score.
    ///
    /// # Errors
    /// As [`Classifier::classify`].
    pub fn classify_timed(&mut self, frame: &Frame) -> Result<(usize, Times), PipelineError> {
        let start = Instant::now();
        self.network.prepare(frame)?;
        let prepared = Instant::now();
        self.network.infer()?;
        let inferred = Instant::now();
        let scores = self.network.values()?;
        let mut best = 0;
        for (class, &score) in scores.iter().enumerate() {
            if score > scores[best] || scores[best].is_nan() {
                best = class;
            }
        }
        let times = Times { prepare: prepared - start, infer: inferred - prepared, mask: inferred.elapsed() };
        Ok((best, times))
    }
}
