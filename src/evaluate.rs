//! How right a model is on labelled data.

use std::path::{Path, PathBuf};

use crate::camera::{Source, SourceError, Still};
use crate::dataset::{ClassificationFolder, Dataset, DatasetError, MatchError, Matching, match_classes};
use crate::frame::Frame;
use crate::mask::Mask;
use crate::metrics::{Confusion, MetricsError};
use crate::pipeline::{Classifier, PipelineError, Segmenter};

/// Why a model cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The data set is wrong.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Model and data have no classes in common.
    #[error(transparent)]
    Match(#[from] MatchError),
    /// An image cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The model fails.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// A mask holds a class that the data set does not have.
    #[error("{mask}: {source}", mask = mask.display())]
    Mask {
        /// The mask.
        mask: PathBuf,
        /// What it holds.
        source: MetricsError,
    },
    /// A mask and its image differ in size.
    #[error(
        "{mask}: is {mask_width}x{mask_height}, but its image {width}x{height}; masks and images must have one size",
        mask = mask.display()
    )]
    Size {
        /// The mask.
        mask: PathBuf,
        /// Its width.
        mask_width: u32,
        /// Its height.
        mask_height: u32,
        /// The image's width.
        width: u32,
        /// The image's height.
        height: u32,
    },
    /// A class folder has no label.
    #[error("folder {folder} is none of the model's {labels} labels; name them with --labels")]
    Label {
        /// The folder.
        folder: String,
        /// Number of labels.
        labels: usize,
    },
    /// Folders and scores differ in number, and labels are missing.
    #[error(
        "the model tells {classes} classes apart and names none, but there are {folders} folders; name them with --labels"
    )]
    Folders {
        /// The model's classes.
        classes: usize,
        /// Class folders.
        folders: usize,
    },
}

/// Pixels of a split by true and predicted class, and which class of the model is which of the data.
///
/// Masks are compared at the images' size. After each image `progress` is told how many there are in all.
///
/// # Errors
/// When data, model or both together are wrong.
pub fn segmentation(
    segmenter: &mut Segmenter,
    dataset: &Dataset,
    split: &str,
    progress: &mut dyn FnMut(usize),
) -> Result<(Confusion, Matching), EvaluateError> {
    let meta = dataset.meta();
    let matching = match_classes(segmenter.classes(), &meta.classes, meta.ignore)?;
    let samples = dataset.split(split)?;
    let mut confusion = Confusion::new(meta.classes.len());
    let mut mask = Mask::default();
    for sample in &samples {
        let frame = still(&sample.image)?;
        let truth = dataset.read_mask(sample)?;
        if (truth.width, truth.height) != (frame.width, frame.height) {
            return Err(EvaluateError::Size {
                mask: sample.mask.clone(),
                mask_width: truth.width,
                mask_height: truth.height,
                width: frame.width,
                height: frame.height,
            });
        }
        segmenter.segment(&frame, &mut mask)?;
        let truth: Vec<u8> = truth.data.iter().map(|&id| matching.data_to_data[id as usize]).collect();
        let predicted: Vec<u8> = mask.data.iter().map(|&id| matching.model_to_data[id as usize]).collect();
        confusion
            .add(&truth, &predicted, Some(meta.ignore))
            .map_err(|source| EvaluateError::Mask { mask: sample.mask.clone(), source })?;
        progress(samples.len());
    }
    Ok((confusion, matching))
}

/// The share of images, 0..=1, whose class has the highest score (top-1 accuracy). `labels` names the model's classes,
/// synonyms separated by commas; without them the folders' order is the model's.
///
/// # Errors
/// When folders and labels do not fit, an image cannot be read, or the model fails.
pub fn classification(
    classifier: &mut Classifier,
    labels: &[String],
    data: &ClassificationFolder,
    progress: &mut dyn FnMut(usize),
) -> Result<f64, EvaluateError> {
    let ids = label_ids(&data.classes, labels, classifier.classes())?;
    let mut right = 0usize;
    for (path, class) in &data.samples {
        if classifier.classify(&still(path)?)? == ids[*class] {
            right += 1;
        }
        progress(data.samples.len());
    }
    Ok(right as f64 / data.samples.len() as f64)
}

/// The model's class of each folder.
fn label_ids(folders: &[String], labels: &[String], classes: usize) -> Result<Vec<usize>, EvaluateError> {
    if labels.is_empty() {
        return if folders.len() == classes {
            Ok((0..classes).collect())
        } else {
            Err(EvaluateError::Folders { classes, folders: folders.len() })
        };
    }
    let normal = |name: &str| name.trim().to_lowercase().replace(['-', '_'], " ");
    let id = |folder: &String| {
        let is_named = |label: &String| label.split(',').any(|name| normal(name) == normal(folder));
        let missing = || EvaluateError::Label { folder: folder.clone(), labels: labels.len() };
        labels.iter().position(is_named).ok_or_else(missing)
    };
    folders.iter().map(id).collect()
}

fn still(path: &Path) -> Result<Frame, EvaluateError> {
    let mut source = Still::open(path)?;
    match source.next_frame() {
        Some(frame) => Ok(frame?),
        None => Err(SourceError::BrokenImage {
            name: path.display().to_string(),
            reason: "it holds no picture".into(),
        }
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::label_ids;

    #[test]
    fn folders_find_their_labels() {
        let texts = |list: &[&str]| -> Vec<String> { list.iter().map(|s| s.to_string()).collect() };
        let labels = texts(&["background", "tabby, tabby cat", "Great-White_shark"]);
        type Case<'a> = (&'a [&'a str], &'a [String], Option<&'a [usize]>);
        let cases: [Case; 5] = [
            (&["tabby cat", "background"], &labels, Some(&[1, 0])),
            (&["great white shark"], &labels, Some(&[2])),
            (&["dog"], &labels, None),
            (&["a", "b", "c"], &[], Some(&[0, 1, 2])),
            (&["a", "b"], &[], None),
        ];
        let failures: Vec<String> = cases
            .iter()
            .map(|&(folders, labels, wanted)| (folders, label_ids(&texts(folders), labels, 3).ok(), wanted))
            .filter(|(_, found, wanted)| found.as_deref() != *wanted)
            .map(|case| format!("{case:?}"))
            .collect();
        assert!(failures.is_empty(), "{failures:?}");
    }
}
