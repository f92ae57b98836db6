//! A session with the preparer that feeds it, for whatever is made of its logits.

use super::PipelineError;
use crate::engine::{Session, Value};
use crate::frame::{InputRule, Preparer};
use crate::onnx::{Card, Model};

/// A session with the preparer that feeds it.
pub(super) struct Network {
    model: String,
    pub(super) session: Session,
    pub(super) preparer: Preparer,
    pub(super) input: Vec<f32>,
}

impl Network {
    pub(super) fn new(model: &Model, card: &Card) -> Result<Network, PipelineError> {
        let Some(rule) = &card.input else {
            return Err(PipelineError::NoInputRule { model: model.origin.clone() });
        };
        let session = Session::new(model)?;
        let [_, channels, height, width] = session.input_shape();
        check_channels(model, rule, channels)?;
        let preparer = Preparer::new(rule.clone(), width as u32, height as u32)?;
        let input = vec![0.0; preparer.input_len()];
        Ok(Network { model: model.origin.clone(), session, preparer, input })
    }

    /// What messages call the model.
    pub(super) fn name(&self) -> &str {
        &self.model
    }

    /// Runs once, which also warms up, and gives the first output's name and shape.
    pub(super) fn try_out(&mut self) -> Result<(String, Vec<usize>), PipelineError> {
        let outputs = self.session.run(&self.input)?;
        let (_, shape) = self.logits(&outputs)?;
        Ok((self.session.outputs()[0].clone(), shape.to_vec()))
    }

    /// The first output, which must hold floats.
    pub(super) fn logits<'a>(&self, outputs: &'a [Value]) -> Result<(&'a [f32], &'a [usize]), PipelineError> {
        let first = outputs.first();
        match first.and_then(|value| Some((value.as_f32()?, value.shape()))) {
            Some(found) => Ok(found),
            None => Err(PipelineError::Output {
                model: self.model.clone(),
                output: self.session.outputs().first().cloned().unwrap_or_default(),
                shape: first.map_or(Vec::new(), |value| value.shape().to_vec()),
                needed: "it must hold f32 logits, not class numbers; export the model without its ArgMax",
            }),
        }
    }
}

fn check_channels(model: &Model, rule: &InputRule, channels: usize) -> Result<(), PipelineError> {
    if rule.color.channels() == channels {
        return Ok(());
    }
    Err(PipelineError::Channels { model: model.origin.clone(), channels, rule: rule.color.channels() })
}
