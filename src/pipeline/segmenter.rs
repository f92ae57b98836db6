//! From a frame to its mask: prepare, infer, mask.

use std::time::{Duration, Instant};

use super::network::Network;
use super::{PipelineError, without_last_resize};
use crate::engine::{Options, Session};
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
        Segmenter::with_options(model, card, mask_size, &Options::default())
    }

    /// As [`Segmenter::new`], with a choice of engine and threads.
    ///
    /// # Errors
    /// As [`Segmenter::new`].
    pub fn with_options(
        model: &Model,
        card: &Card,
        mask_size: MaskSize,
        options: &Options,
    ) -> Result<Segmenter, PipelineError> {
        let mut network = match without_last_resize(model) {
            Some((cut, resized)) => Network::new(&cut, card, options, Some(resized))?,
            None => Network::new(model, card, options, None)?,
        };
        network.try_out()?;
        let channels = match network.shape() {
            &[1, channels, height, width] if height * width > 0 && channels > 0 => channels,
            _ => {
                return Err(PipelineError::Output {
                    model: model.origin.clone(),
                    output: network.output(),
                    shape: network.shape().to_vec(),
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

    /// The session that runs the model (without a linear resize at its end).
    pub fn session(&self) -> &Session {
        &self.network.session
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
        let place = self.network.prepare(frame)?;
        let prepared = Instant::now();
        self.network.infer()?;
        let inferred = Instant::now();
        let data = self.network.values()?;
        if self.network.may_be_nan() && data.iter().any(|value| value.is_nan()) {
            return Err(PipelineError::NotANumber {
                model: self.network.name().to_string(),
                frame: frame.number,
            });
        }
        let &[_, classes, height, width] = self.network.shape() else {
            unreachable!("checked when it was made")
        };
        let logits = Logits { data, classes, height, width, resized: self.network.resized() };
        let (width, height) = match self.mask_size {
            MaskSize::Frame => (frame.width, frame.height),
            MaskSize::Network => self.logits_size(),
        };
        let [_, _, input_height, input_width] = self.network.session.input_shape();
        let region = place.fraction(input_width as u32, input_height as u32);
        self.masker.mask(logits, region, width, height, mask)?;
        Ok(Times { prepare: prepared - start, infer: inferred - prepared, mask: inferred.elapsed() })
    }

    /// Width and height of the network's logits, with the resize that it ends with.
    fn logits_size(&self) -> (u32, u32) {
        match (self.network.resized(), self.network.shape()) {
            (Some(resized), _) => (resized.width as u32, resized.height as u32),
            (None, shape) => (shape[3] as u32, shape[2] as u32),
        }
    }
}
