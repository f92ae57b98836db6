//! From a frame to the class of the whole image.

use super::PipelineError;
use super::network::Network;
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
        let mut network = Network::new(model, card)?;
        let (output, shape) = network.try_out()?;
        match shape.as_slice() {
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
                output,
                shape,
                needed: "a classifier gives f32 scores [1, classes]",
            }),
        }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The class with the highest score; of equal scores the lower class.
    ///
    /// # Errors
    /// When the frame is broken or the engine fails.
    pub fn classify(&mut self, frame: &Frame) -> Result<usize, PipelineError> {
        self.network.preparer.prepare(frame, &mut self.network.input)?;
        let outputs = self.network.session.run(&self.network.input)?;
        let (scores, _) = self.network.logits(&outputs)?;
        let mut best = 0;
        for (class, &score) in scores.iter().enumerate() {
            if score > scores[best] || scores[best].is_nan() {
                best = class;
            }
        }
        Ok(best)
    }
}
