//! How right a network is, in figures.

use serde::{Deserialize, Serialize};

/// Figures of a split. Shares are 0..=1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Images seen.
    pub images: usize,
    /// Mean cross entropy over the pixels (images, for a classifier) that count; none where the network gives no logits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Share of pixels (images) that are right.
    pub accuracy: f64,
    /// Share of images whose class is among the five likeliest, of a classifier with more than five classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top5: Option<f64>,
    /// Mean IoU over the classes that occur, of a segmenter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_iou: Option<f64>,
    /// IoU weighted by how often classes occur, of a segmenter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_weighted_iou: Option<f64>,
    /// IoU of each class by name, none for one that does not occur.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub iou: Vec<(String, Option<f64>)>,
}

impl Scores {
    /// The figure that chooses the best epoch: mean IoU, or a classifier's accuracy.
    pub fn selection(&self) -> f64 {
        self.mean_iou.unwrap_or(self.accuracy)
    }

    /// What [`Scores::selection`] is called.
    pub fn selection_name(&self) -> &'static str {
        if self.mean_iou.is_some() { "mean IoU" } else { "accuracy" }
    }
}
