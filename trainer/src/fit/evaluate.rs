//! Counting right and wrong predictions over a split.

use sedge::metrics::Confusion;
use sedge::onnx::Task;
use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::{FitError, Scores};
use crate::data::{Batch, Examples, Loader};
use crate::graph::{Mode, Network};

/// A label that no target has, where the data ignore none.
const NO_LABEL: i64 = -100;
const TOP: i64 = 5;

/// Gathers predictions until [`Judge::scores`].
pub struct Judge {
    task: Task,
    classes: Vec<String>,
    ignore: Option<u8>,
    confusion: Confusion,
    images: usize,
    right: f64,
    among_top: f64,
    loss: f64,
    counted: f64,
}

impl Judge {
    /// Nothing counted yet; classes, ignored label and task are those of the data.
    pub fn new(examples: &dyn Examples) -> Judge {
        let classes = examples.classes().to_vec();
        Judge {
            task: examples.task(),
            confusion: Confusion::new(classes.len()),
            ignore: examples.ignore(),
            classes,
            images: 0,
            right: 0.0,
            among_top: 0.0,
            loss: 0.0,
            counted: 0.0,
        }
    }

    /// Counts logits `[N,C,...]` against targets `[N,...]` of the same size; gives the predicted classes `[N,...]`.
    ///
    /// # Errors
    /// When a label is no class, or what libtorch says.
    pub fn add(&mut self, logits: &Tensor, targets: &Tensor) -> Result<Tensor, FitError> {
        let targets = targets.f_to_device(logits.device())?;
        let (loss, counted) = masked_loss(logits, &targets, self.ignore)?;
        self.loss += loss;
        self.counted += counted;
        let predicted = predict(logits)?;
        self.count(&predicted, &targets)?;
        if self.task == Task::Classification && self.has_top() {
            let (_, likeliest) = logits.f_topk(TOP, 1, true, true)?;
            let hits = likeliest.f_eq_tensor(&targets.f_unsqueeze(1)?)?;
            self.among_top += hits.f_sum(Kind::Double)?.f_double_value(&[])?;
        }
        Ok(predicted)
    }

    /// Counts predicted classes `[N,...]` against targets of the same size, without a loss.
    ///
    /// # Errors
    /// As [`Judge::add`].
    pub fn count(&mut self, predicted: &Tensor, targets: &Tensor) -> Result<(), FitError> {
        self.images += usize::try_from(targets.size().first().copied().unwrap_or(0)).unwrap_or(0);
        match self.task {
            Task::Segmentation => {
                let (truth, predicted) = (bytes(targets)?, bytes(predicted)?);
                self.confusion.add(&truth, &predicted, self.ignore)?;
            }
            Task::Classification => {
                self.right += predicted.f_eq_tensor(targets)?.f_sum(Kind::Double)?.f_double_value(&[])?;
            }
        }
        Ok(())
    }

    /// The figures of all that was counted.
    pub fn scores(&self) -> Scores {
        let images = self.images.max(1) as f64;
        let loss = (self.counted > 0.0).then(|| self.loss / self.counted);
        match self.task {
            Task::Segmentation => Scores {
                images: self.images,
                loss,
                accuracy: self.confusion.pixel_accuracy().unwrap_or(0.0),
                top5: None,
                mean_iou: Some(self.confusion.mean_iou().unwrap_or(0.0)),
                frequency_weighted_iou: self.confusion.frequency_weighted_iou(),
                iou: (0..=255)
                    .zip(&self.classes)
                    .map(|(id, name)| (name.clone(), self.confusion.iou(id)))
                    .collect(),
            },
            Task::Classification => Scores {
                images: self.images,
                loss,
                accuracy: self.right / images,
                top5: (self.has_top() && loss.is_some()).then(|| self.among_top / images),
                ..Scores::default()
            },
        }
    }

    fn has_top(&self) -> bool {
        self.classes.len() as i64 > TOP
    }
}

/// The likeliest class of logits `[N,C,...]`, i64 `[N,...]`; of one channel class 1 where it is above 0.
pub(super) fn predict(logits: &Tensor) -> Result<Tensor, TchError> {
    match logits.size().get(1) {
        Some(1) => logits.f_squeeze_dim(1)?.f_gt(0.0)?.f_to_kind(Kind::Int64),
        _ => logits.f_argmax(1, false),
    }
}

/// Sum of the cross entropies of all targets that count, and their number.
fn masked_loss(logits: &Tensor, targets: &Tensor, ignore: Option<u8>) -> Result<(f64, f64), TchError> {
    let ignore = ignore.map_or(NO_LABEL, i64::from);
    let counted = targets.f_ne(ignore)?.f_sum(Kind::Double)?.f_double_value(&[])?;
    let sum = if logits.size().get(1) == Some(&1) {
        let valid = targets.f_ne(ignore)?.f_to_kind(Kind::Float)?;
        let truth = targets.f_eq(1)?.f_to_kind(Kind::Float)?;
        let logits = logits.f_squeeze_dim(1)?;
        logits.f_binary_cross_entropy_with_logits(&truth, Some(&valid), None, Reduction::Sum)?
    } else {
        logits.f_cross_entropy_loss(targets, None::<&Tensor>, Reduction::Sum, ignore, 0.0)?
    };
    Ok((sum.f_double_value(&[])?, counted))
}

/// Ids as bytes; what is no byte becomes 255 by its low bits, which no class of 256 at most loses.
fn bytes(ids: &Tensor) -> Result<Vec<u8>, TchError> {
    let ids = ids.f_to_kind(Kind::Uint8)?.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut bytes = vec![0_u8; ids.numel()];
    ids.f_copy_data(&mut bytes, ids.numel())?;
    Ok(bytes)
}

/// Scores of a network on all batches of a loader, at the size of the network's input; `each` sees every batch with its
/// predicted classes.
///
/// # Errors
/// When data or network fail.
pub fn evaluate(
    network: &Network,
    loader: &Loader,
    mut each: impl FnMut(&Batch, &Tensor) -> Result<(), FitError>,
) -> Result<Scores, FitError> {
    let mut judge = Judge::new(loader.examples().as_ref());
    let _guard = tch::no_grad_guard();
    for batch in loader.epoch(0) {
        let batch = batch?;
        let mut logits = network.forward(&batch.images, Mode::Evaluate)?;
        if network.is_segmenter() {
            logits = resized(&logits, batch.targets.size().get(1..))?;
        }
        let predicted = judge.add(&logits, &batch.targets)?;
        each(&batch, &predicted)?;
    }
    Ok(judge.scores())
}

/// Logits `[N,C,h,w]` at the size `[H,W]` of targets, bilinear with half-pixel centres.
pub(crate) fn resized(logits: &Tensor, size: Option<&[i64]>) -> Result<Tensor, TchError> {
    match (size, logits.size().get(2..)) {
        (Some(wanted), Some(own)) if wanted.len() == 2 && wanted != own => {
            logits.f_upsample_bilinear2d(wanted, false, None, None)
        }
        _ => Ok(logits.shallow_clone()),
    }
}
