//! A session with the preparer that feeds it, for whatever is made of its logits.

use super::PipelineError;
use crate::engine::{Options, Runner, Session, Value};
use crate::frame::{Frame, InputRule, Placement, Preparer};
use crate::kernels::{Q, Q_OFFSET, Quantization};
use crate::mask::Resized;
use crate::onnx::{Card, Model};

/// A session with the preparer that feeds it; buffers are kept from frame to frame.
pub(super) struct Network {
    model: String,
    pub(super) session: Session,
    preparer: Preparer,
    feed: Feed,
    /// What the last inference gave, unless `values` holds it.
    outputs: Vec<Value>,
    values: Vec<f32>,
    shape: Vec<usize>,
    resized: Option<Resized>,
}

/// How a frame's pixels become the session's input.
enum Feed {
    /// Real numbers, one plane a channel.
    Floats(Vec<f32>),
    /// Straight into the integer engine's memory: what each pixel value of each channel is there.
    Stored(Vec<[Q; 256]>),
}

impl Network {
    /// `resized` is the linear resize that has been taken off the end of `model`.
    pub(super) fn new(
        model: &Model,
        card: &Card,
        options: &Options,
        resized: Option<Resized>,
    ) -> Result<Network, PipelineError> {
        let Some(rule) = &card.input else {
            return Err(PipelineError::NoInputRule { model: model.origin.clone() });
        };
        let session = Session::with_options(model, options)?;
        let [_, channels, height, width] = session.input_shape();
        check_channels(model, rule, channels)?;
        let preparer = Preparer::new(rule.clone(), width as u32, height as u32)?;
        let stored = session.int8().map(|runner| Feed::Stored(stored_tables(&runner, preparer.tables())));
        let feed = stored.unwrap_or_else(|| Feed::Floats(vec![0.0; preparer.input_len()]));
        Ok(Network {
            model: model.origin.clone(),
            session,
            preparer,
            feed,
            outputs: Vec::new(),
            values: Vec::new(),
            shape: Vec::new(),
            resized,
        })
    }

    /// What messages call the model.
    pub(super) fn name(&self) -> &str {
        &self.model
    }

    /// The linear resize that has been taken off the end of the model.
    pub(super) fn resized(&self) -> Option<Resized> {
        self.resized
    }

    /// Makes the output's shape known; tract tells it by running once.
    pub(super) fn try_out(&mut self) -> Result<(), PipelineError> {
        if let Some(runner) = self.session.int8() {
            self.shape = runner.output_tensor(0).onnx_shape();
            self.values = vec![0.0; self.shape.iter().product()];
        }
        if let Feed::Floats(input) = &self.feed {
            self.outputs = self.session.run(input)?;
            self.shape = self.outputs.first().map_or(Vec::new(), |value| value.shape().to_vec());
        }
        self.values().map(|_| ())
    }

    /// Brings a frame into the input.
    pub(super) fn prepare(&mut self, frame: &Frame) -> Result<Placement, PipelineError> {
        match &mut self.feed {
            Feed::Floats(input) => Ok(self.preparer.prepare(frame, input)?),
            Feed::Stored(tables) => {
                let mut runner = self.session.int8().unwrap_or_else(|| unreachable!("as when it was made"));
                Ok(self.preparer.prepare_pixels(frame, tables, runner.input_mut(0))?)
            }
        }
    }

    /// One inference on what was prepared.
    pub(super) fn infer(&mut self) -> Result<(), PipelineError> {
        if let Feed::Floats(input) = &self.feed {
            self.outputs = self.session.run(input)?;
        }
        if let Some(mut runner) = self.session.int8() {
            runner.run();
            runner.output_f32(0, &mut self.values);
        }
        Ok(())
    }

    /// Whether values may be NaN: dequantized integers never are.
    pub(super) fn may_be_nan(&self) -> bool {
        matches!(self.feed, Feed::Floats(_))
    }

    /// The first output's shape.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The first output's name.
    pub(super) fn output(&self) -> String {
        self.session.outputs().first().cloned().unwrap_or_default()
    }

    /// The first output of the last inference, which must hold floats.
    pub(super) fn values(&self) -> Result<&[f32], PipelineError> {
        if matches!(self.feed, Feed::Stored(_)) {
            return Ok(&self.values);
        }
        self.outputs.first().and_then(Value::as_f32).ok_or_else(|| PipelineError::Output {
            model: self.model.clone(),
            output: self.output(),
            shape: self.shape.clone(),
            needed: "it must hold f32 logits, not class numbers; export the model without its ArgMax",
        })
    }
}

/// What the engine stores for each pixel value: the same numbers as if the values of `tables` were quantized one by one.
fn stored_tables(runner: &Runner, tables: &[[f32; 256]]) -> Vec<[Q; 256]> {
    let tensor = runner.input_tensor(0);
    let quantization = Quantization { scale: tensor.scale, zero: i32::from(tensor.zero_point) + Q_OFFSET };
    let quantized = |table: &[f32; 256]| {
        let mut stored = [0; 256];
        runner.plan().kernels.quantize(table, &quantization, &mut stored);
        stored
    };
    tables.iter().map(quantized).collect()
}

fn check_channels(model: &Model, rule: &InputRule, channels: usize) -> Result<(), PipelineError> {
    if rule.color.channels() == channels {
        return Ok(());
    }
    Err(PipelineError::Channels { model: model.origin.clone(), channels, rule: rule.color.channels() })
}
