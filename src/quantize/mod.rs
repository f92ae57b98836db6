//! From a float model to a static int8 QDQ model.
//!
//! 1. [`fold`] folds constants, padding, batch norms and other per-channel arithmetic into the convolutions.
//! 2. [`scheme`] decides which tensors are quantized, which share parameters, and which nodes stay float.
//! 3. [`observe`] runs the calibration frames through the float graph and watches every activation.
//! 4. [`calibrate`] chooses a scale and a zero point for each tensor from what was seen.
//! 5. [`export`] writes the graph with quantize and dequantize nodes around what was float.
//!
//! The scheme is that of Jacob et al., *Quantization and Training of Neural Networks for Efficient
//! Integer-Arithmetic-Only Inference* (2018): `value = scale * (quantized - zero_point)`.

pub mod calibrate;
pub mod export;
pub mod fold;
pub mod observe;
pub mod scheme;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod weights;

use sha2::{Digest, Sha256};

use crate::camera::{Source, SourceError};
use crate::engine::EngineError;
use crate::frame::{InputRule, PrepareError};
use crate::onnx::{Card, CardError, Model, OnnxError, Quantization};

pub use calibrate::{Activations, Method};
use observe::Observer;

/// How to quantize.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How ranges are chosen.
    pub method: Method,
    /// Type of the activations.
    pub activations: Activations,
    /// How many frames of the calibration source are used, if not all.
    pub frames_max: Option<u64>,
}

/// Why a model was not quantized.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// The model is wrong.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// Its card is wrong.
    #[error(transparent)]
    Card(#[from] CardError),
    /// It does not run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A calibration frame cannot be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A calibration frame does not become an input.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The calibration source gave no frame.
    #[error("{source_name}: holds no frames to calibrate with")]
    NoFrames {
        /// The source.
        source_name: String,
    },
    /// An activation is not finite.
    #[error("{model}: tensor {tensor} is not finite on calibration frame {frame}; the float model is broken")]
    NotFinite {
        /// The model.
        model: String,
        /// The tensor.
        tensor: String,
        /// The frame's number.
        frame: u64,
    },
    /// The model holds integers already.
    #[error(
        "{model}: {place}: the model is quantized already; convert the float model that it was made from"
    )]
    QuantizedAlready {
        /// The model.
        model: String,
        /// The first quantized node.
        place: String,
    },
    /// The model has no weights that int8 would make smaller.
    #[error("{model}: holds no convolution or matrix product with constant weights to quantize")]
    NothingToQuantize {
        /// The model.
        model: String,
    },
    /// Weights or biases are not finite.
    #[error("{model}: {place}: its weights or biases are not finite; the float model is broken")]
    WeightsNotFinite {
        /// The model.
        model: String,
        /// The node.
        place: String,
    },
    /// The input rule and the graph's input differ in channels.
    #[error("{model}: takes {channels} channels, but its color order has {rule}; give another --color")]
    Channels {
        /// The model.
        model: String,
        /// Channels of the graph's input.
        channels: usize,
        /// Channels of the rule.
        rule: usize,
    },
    /// A tensor that is to be quantized does not hold 32-bit floats.
    #[error("{model}: tensor {tensor} does not hold 32-bit floats; export the model in float32")]
    NotFloat {
        /// The model.
        model: String,
        /// The tensor.
        tensor: String,
    },
}

/// An int8 model and what became of its nodes.
pub struct Quantized {
    /// The int8 model, its card filled.
    pub model: Model,
    /// Nodes that compute on integers, of those that are left after folding.
    pub int8_nodes: usize,
    /// Activations that the saturation of their quantized tensor makes superfluous.
    pub dropped_activations: usize,
    /// Broken calibration frames, left out.
    pub broken_frames: u64,
    /// Nodes that stay float, each with the reason.
    pub float_nodes: Vec<scheme::FloatNode>,
}

/// Steps of [`quantize`] as they are done, for a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The first pass, which finds minima and maxima, has seen one more frame.
    Range,
    /// The second pass, which fills histograms, has seen one more frame.
    Histogram,
}

/// Quantizes `model` with what the frames of `open` show of its activations.
///
/// `open` opens the calibration source; it is called once for each pass. Input shapes must be fixed. The same model,
/// frames and options give the same bytes on the same machine, whatever the number of threads.
///
/// # Errors
/// When the model is wrong or holds nothing to quantize, a frame cannot be read, or an activation is not finite.
pub fn quantize(
    model: &Model,
    card: &Card,
    rule: &InputRule,
    options: Options,
    open: &dyn Fn() -> Result<Box<dyn Source>, SourceError>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Quantized, QuantizeError> {
    let mut folded = model.clone();
    fold::fold(&mut folded)?;
    let mut scheme = scheme::Scheme::of(&folded)?;

    let tensors = scheme.tensors().map(str::to_string).collect();
    let observer = Observer::new(&folded, rule, tensors, options.frames_max)?;
    let (ranges, frames) = observer.ranges(open, progress)?;
    scheme.join_concats(&folded.graph, &ranges);
    let histograms = match options.method {
        Method::MinMax => None,
        _ => Some(observer.histograms(open, &scheme, &ranges, progress)?),
    };
    let params = calibrate::calibrate(&folded, &scheme, &ranges, histograms.as_deref(), rule, options);

    let mut exported = export::export(&folded, &scheme, &params, options.activations)?;
    let mut card = card.clone();
    card.quantization = Some(Quantization {
        method: options.method.to_string(),
        activations: options.activations.to_string(),
        calibration_images: frames.count,
        calibration_sha256: frames.sha256,
        score: None,
    });
    card.store(&mut exported.model);
    Ok(Quantized {
        model: exported.model,
        int8_nodes: scheme.int8_nodes(),
        dropped_activations: exported.dropped_activations,
        broken_frames: frames.broken,
        float_nodes: scheme.float_nodes,
    })
}

/// SHA-256 (FIPS 180-4) of `bytes` in hexadecimal, as cards name files and data.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
