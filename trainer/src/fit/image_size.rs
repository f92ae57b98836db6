//! Scores at the images' own sizes, which compare networks of different inputs.

use sedge::frame::{Placement, Preparer};
use sedge::onnx::Task;
use tch::Tensor;

use super::evaluate::resized;
use super::{FitError, Judge, Scores, evaluate};
use crate::data::{DataError, Loader, Target};
use crate::graph::{Mode, Network};

/// Scores of a network on all images of a loader; a segmenter's logits are enlarged to each image's own size, as the camera
/// program does, and compared with the mask as it is stored.
///
/// # Errors
/// When data or network fail.
pub fn evaluate_at_image_size(
    network: &Network,
    loader: &Loader,
    mut each: impl FnMut(usize),
) -> Result<Scores, FitError> {
    let examples = loader.examples();
    if examples.task() == Task::Classification {
        return evaluate(network, loader, |batch, _| {
            each(batch.indices.len());
            Ok(())
        });
    }
    let mut judge = Judge::new(examples.as_ref());
    let _guard = tch::no_grad_guard();
    for batch in loader.epoch(0) {
        let batch = batch?;
        let logits = network.forward(&batch.images, Mode::Evaluate)?;
        for (place, &index) in batch.indices.iter().enumerate() {
            let _ = judge_image(&mut judge, &logits.f_narrow(0, place as i64, 1)?, loader, index)?;
        }
        each(batch.indices.len());
    }
    Ok(judge.scores())
}

/// Counts one image's logits `[1,C,h,w]`.
pub(crate) fn judge_image(
    judge: &mut Judge,
    logits: &Tensor,
    loader: &Loader,
    index: usize,
) -> Result<Tensor, FitError> {
    let example = loader.examples().example(index)?;
    let Target::Mask(mask) = &example.target else {
        let (name, reason) = (loader.examples().name(index), "it has no mask".to_string());
        return Err(DataError::Example { name, reason }.into());
    };
    let size = [example.height as i64, example.width as i64];
    let logits = resized(&image_part(logits, loader, example.width, example.height)?, Some(&size))?;
    let truth = Tensor::f_from_slice(mask)?.f_view([1, size[0], size[1]])?.f_to_kind(tch::Kind::Int64)?;
    judge.add(&logits, &truth)
}

/// The part of the logits that the image covers: all of it, unless the input is letterboxed.
fn image_part(logits: &Tensor, loader: &Loader, width: usize, height: usize) -> Result<Tensor, FitError> {
    let options = loader.options();
    let (input_width, input_height) = (options.width as u32, options.height as u32);
    let preparer = Preparer::new(options.rule.clone(), input_width, input_height).map_err(DataError::from)?;
    let placement = preparer.placement(width as u32, height as u32);
    if placement == (Placement { x: 0, y: 0, width: input_width, height: input_height }) {
        return Ok(logits.shallow_clone());
    }
    let size = logits.size();
    let part = |start: u32, length: u32, whole: u32, own: i64| {
        let scaled = |place: u32| (f64::from(place) * own as f64 / f64::from(whole)).round() as i64;
        let start = scaled(start).min(own - 1);
        (start, scaled(length).clamp(1, own - start))
    };
    let (y, rows) = part(placement.y, placement.height, input_height, size[2]);
    let (x, columns) = part(placement.x, placement.width, input_width, size[3]);
    Ok(logits.f_narrow(2, y, rows)?.f_narrow(3, x, columns)?)
}
