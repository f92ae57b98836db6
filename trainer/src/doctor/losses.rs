//! The loss of every picture's label under a trained model.

use std::time::Duration;

use sedge::frame::{Frame, InputRule, PixelFormat, Preparer};
use tch::{Kind, Reduction, TchError, Tensor};

use super::parallel::Progress;
use super::survey::Item;
use super::suspect::Judgement;
use super::{DoctorError, Examination};
use crate::graph::{Mode, Network};

/// A target that takes no part in the loss.
const NO_LABEL: i64 = -100;
/// From this probability on the model is sure of a class.
const SURE: f64 = 0.9;
/// Where the model agrees on this share of a mask's pixels, the rest is outlines.
const OUTLINES: f64 = 0.95;

/// What `network`, whose input follows `rule`, says of each label of a data set; `None` for items without a readable
/// picture or label.
///
/// # Errors
/// [`DoctorError::Model`] where the network's classes are not the data's, or it cannot be run.
pub fn losses(
    examination: &Examination,
    network: &Network,
    rule: &InputRule,
    progress: Progress,
) -> Result<Vec<Option<Judgement>>, DoctorError> {
    let classes = &examination.survey.classes;
    let ignored = usize::from(examination.survey.ignore.is_some_and(|id| usize::from(id) < classes.len()));
    // A network may leave the ignored class out.
    if ![classes.len(), classes.len() - ignored].contains(&network.classes()) {
        return Err(DoctorError::Model(format!(
            "it has {} classes, the data have {}: {}",
            network.classes(),
            classes.len(),
            classes.join(", ")
        )));
    }
    let [_, height, width] = network.input();
    let mut preparer = Preparer::new(rule.clone(), width as u32, height as u32).map_err(failed)?;
    let number = examination.records.len();
    let mut judgements = Vec::with_capacity(number);
    for (index, (item, record)) in examination.survey.items.iter().zip(&examination.records).enumerate() {
        let judge = Judge { classes, ignore: examination.survey.ignore, network };
        judgements.push(judge.judge(item, record.class, &mut preparer)?);
        progress(index + 1, number);
    }
    Ok(judgements)
}

fn failed(error: impl std::fmt::Display) -> DoctorError {
    DoctorError::Model(error.to_string())
}

struct Judge<'a> {
    classes: &'a [String],
    ignore: Option<u8>,
    network: &'a Network,
}

impl Judge<'_> {
    fn judge(
        &self,
        item: &Item,
        class: Option<usize>,
        preparer: &mut Preparer,
    ) -> Result<Option<Judgement>, DoctorError> {
        let Some(picture) = item.decode() else { return Ok(None) };
        let (width, height) = picture.dimensions();
        let (format, data) = (PixelFormat::Rgb8, picture.into_raw());
        let frame = Frame { number: 0, time: Duration::ZERO, width, height, format, data, name: None };
        let mut input = vec![0.0; preparer.input_len()];
        preparer.prepare(&frame, &mut input).map_err(failed)?;
        let shape: Vec<i64> =
            std::iter::once(1).chain(self.network.input().map(|side| side as i64)).collect();
        let images = Tensor::from_slice(&input).f_reshape(shape).map_err(failed)?;
        let images = images.f_to_device(self.network.device()).map_err(failed)?;
        let logits = tch::no_grad(|| self.network.forward(&images, Mode::Evaluate)).map_err(failed)?;
        let logits = logits.f_to_device(tch::Device::Cpu).map_err(failed)?;
        match (class, self.network.is_segmenter()) {
            (Some(class), false) => self.class(&logits, class).map(Some).map_err(failed),
            (None, true) => self.mask(&logits, item).map_err(failed),
            (None, false) => Ok(None),
            (Some(_), true) => {
                Err(DoctorError::Model("it gives masks, the data have one class a picture".into()))
            }
        }
    }

    fn class(&self, logits: &Tensor, class: usize) -> Result<Judgement, TchError> {
        let target = Tensor::from_slice(&[class as i64]);
        let loss = cross_entropy(logits, &target)?;
        let (likely, place) = logits.f_softmax(1, Kind::Float)?.f_max_dim(1, false)?;
        let place = place.f_int64_value(&[0])? as usize;
        let likely = likely.f_double_value(&[0])?;
        let name = |class: usize| self.classes.get(class).map_or("?", String::as_str);
        let detail =
            format!("labelled {}, the model says {} ({:.0} %)", name(class), name(place), 100.0 * likely);
        Ok(Judgement { loss, agrees: place == class || likely < SURE, detail })
    }

    /// At the network's own resolution: the mask is brought to it by nearest.
    fn mask(&self, logits: &Tensor, item: &Item) -> Result<Option<Judgement>, TchError> {
        let Some(mask) = item.decode_mask() else { return Ok(None) };
        let &[_, classes, height, width] = logits.size().as_slice() else { return Ok(None) };
        let mask = mask.scaled(width as u32, height as u32);
        let counts = |id: u8| Some(id) != self.ignore && i64::from(id) < classes;
        let ids: Vec<i64> =
            mask.data.iter().map(|&id| if counts(id) { id.into() } else { NO_LABEL }).collect();
        let pixels = ids.iter().filter(|&&id| id != NO_LABEL).count();
        if pixels == 0 {
            return Ok(None);
        }
        let target = Tensor::from_slice(&ids).f_reshape([1, height, width])?;
        let loss = cross_entropy(logits, &target)?;
        let right = logits.f_argmax(1, false)?.f_eq_tensor(&target)?.f_sum(Kind::Int64)?.f_int64_value(&[])?;
        let share = right as f64 / pixels as f64;
        let detail = format!("the model agrees on {:.1} % of the pixels", 100.0 * share);
        Ok(Some(Judgement { loss, agrees: share > OUTLINES, detail }))
    }
}

fn cross_entropy(logits: &Tensor, target: &Tensor) -> Result<f64, TchError> {
    let none: Option<&Tensor> = None;
    logits.f_cross_entropy_loss(target, none, Reduction::Mean, NO_LABEL, 0.0)?.f_double_value(&[])
}
