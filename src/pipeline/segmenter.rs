//! From a frame to its mask: prepare, infer, mask.

use std::time::{Duration, Instant};

use super::PipelineError;
use super::network::Network;
use crate::frame::Frame;
use crate::mask::{Class, Logits, Mask, MaskError, Masker, classes_from_names};
use crate::onnx::{Card, Model};

/// Which size masks have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaskSize {
    /// The frame's.
    #[default]
    Frame,
    /// That of the network's logits.
    Network,
}

/// How long the steps of one frame took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Frame to input.
    pub prepare: Duration,
    /// Input to logits.
    pub infer: Duration,
    /// Logits to mask.
    pub mask: Duration,
}

/// A segmentation model with all that it needs between a frame and its mask; buffers are kept from frame to frame.
pub struct Segmenter {
    network: Network,
    masker: Masker,
    classes: Vec<Class>,
    mask_size: MaskSize,
}

impl Segmenter {
    /// Prepares `model`; `card` tells its input rule and its classes (where it names none, they get numbers).
    ///
    /// # Errors
    /// When the model does not run, gives no logits `[1, classes, height, width]`, or the card does not fit it.
    pub fn new(model: &Model, card: &Card, mask_size: MaskSize) -> Result<Segmenter, PipelineError> {
        let mut network = Network::new(model, card)?;
        let (output, shape) = network.try_out()?;
        let channels = match shape.as_slice() {
            &[1, channels, height, width] if height * width > 0 && channels > 0 => channels,
            _ => {
                return Err(PipelineError::Output {
                    model: model.origin.clone(),
                    output,
                    shape,
                    needed: "a segmenter gives f32 logits [1, classes, height, width]",
                });
            }
        };
        // One channel tells background and one class apart.
        let needed = if channels == 1 { 2 } else { channels };
        if needed > 256 {
            return Err(MaskError::Classes { classes: needed }.into());
        }
        let classes = match card.classes.len() {
            0 => classes_from_names(&(0..needed).map(|id| format!("class {id}")).collect::<Vec<_>>()),
            names if names == needed => card.classes.clone(),
            names => {
                return Err(PipelineError::Classes { model: model.origin.clone(), logits: needed, names });
            }
        };
        Ok(Segmenter { network, masker: Masker::new(), classes, mask_size })
    }

    /// The classes that masks hold, by id.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The input's shape, `[1, channels, height, width]`.
    pub fn input_shape(&self) -> [usize; 4] {
        self.network.session.input_shape()
    }

    /// Writes the mask of `frame` into `mask` and says how long each step took.
    ///
    /// # Errors
    /// When the frame is broken or the engine fails.
    pub fn segment(&mut self, frame: &Frame, mask: &mut Mask) -> Result<Times, PipelineError> {
        let start = Instant::now();
        let place = self.network.preparer.prepare(frame, &mut self.network.input)?;
        let prepared = Instant::now();
        let outputs = self.network.session.run(&self.network.input)?;
        let inferred = Instant::now();
        let (data, shape) = self.network.logits(&outputs)?;
        if data.iter().any(|value| value.is_nan()) {
            return Err(PipelineError::NotANumber {
                model: self.network.name().to_string(),
                frame: frame.number,
            });
        }
        let logits = Logits { data, classes: shape[1], height: shape[2], width: shape[3] };
        let (width, height) = match self.mask_size {
            MaskSize::Frame => (frame.width, frame.height),
            MaskSize::Network => (logits.width as u32, logits.height as u32),
        };
        let [_, _, input_height, input_width] = self.network.session.input_shape();
        let region = place.fraction(input_width as u32, input_height as u32);
        self.masker.mask(logits, region, width, height, mask)?;
        Ok(Times { prepare: prepared - start, infer: inferred - prepared, mask: inferred.elapsed() })
    }
}
