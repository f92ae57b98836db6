//! Whether a network and data go together.

use sedge::onnx::Task;

use super::FitError;
use crate::data::Examples;
use crate::graph::Network;

/// Network and data must be for the same task and classes.
pub(super) fn check_fit(
    network: &Network,
    examples: &dyn Examples,
    model: &str,
    data: &str,
) -> Result<(), FitError> {
    check_output(network.is_segmenter(), network.classes(), examples, model, data)
}

/// The same for a network that gives so many channels of scores, for each pixel if it is a segmenter.
pub(super) fn check_output(
    is_segmenter: bool,
    channels: usize,
    examples: &dyn Examples,
    model: &str,
    data: &str,
) -> Result<(), FitError> {
    let (model, data) = (model.to_string(), data.to_string());
    let is_masks = examples.task() == Task::Segmentation;
    if is_segmenter != is_masks {
        return Err(FitError::Task {
            model,
            network: if is_segmenter { "segmenter" } else { "classifier" },
            data,
            targets: if is_masks { "masks" } else { "a class for each image" },
        });
    }
    let classes = examples.classes();
    let is_binary = channels == 1 && classes.len() == 2;
    if channels == classes.len() || is_binary {
        return Ok(());
    }
    Err(FitError::Classes { model, channels, data, classes: classes.to_vec() })
}
