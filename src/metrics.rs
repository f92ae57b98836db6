//! Confusion matrices and the figures made from them: IoU, mean IoU, pixel accuracy.
//!
//! The figures are those of Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation",
//! CVPR 2015, section 5: with n_ij the pixels of class i predicted as j, and t_i = sum over j of n_ij,
//! - IoU of class i: n_ii / (t_i + sum over j of n_ji - n_ii);
//! - mean IoU: the mean of these, here over the classes that occur at all;
//! - frequency weighted IoU: the mean weighted by t_i;
//! - pixel accuracy: sum of n_ii / sum of t_i.

/// Why predictions cannot be counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricsError {
    /// Truth and prediction differ in length.
    #[error("the truth has {truth} pixels but the prediction {predicted}: bring both to one size")]
    Length {
        /// Pixels of the truth.
        truth: usize,
        /// Pixels of the prediction.
        predicted: usize,
    },
    /// An id that is no class.
    #[error("the {place} holds class id {id}, but there are only {classes} classes: check the class list")]
    Class {
        /// "truth" or "prediction".
        place: &'static str,
        /// The id.
        id: u8,
        /// Number of classes.
        classes: usize,
    },
    /// Two counts of different classes.
    #[error("counts of {0} and of {1} classes cannot be added: both must be of one data set")]
    Merge(usize, usize),
}

/// Pixels by true and predicted class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// `[classes, classes]`: rows are the truth, columns the prediction.
    counts: Vec<u64>,
}

impl Confusion {
    /// Zero counts for ids `0..classes`; more than 256 classes count as 256.
    pub fn new(classes: usize) -> Confusion {
        let classes = classes.min(256);
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Pixels of class `truth` that were predicted as `predicted`; 0 for ids that are no class.
    pub fn count(&self, truth: u8, predicted: u8) -> u64 {
        let (row, column) = (usize::from(truth), usize::from(predicted));
        if row.max(column) < self.classes { self.counts[row * self.classes + column] } else { 0 }
    }

    /// Counts the pixels of a picture, except where the truth is `ignore`.
    ///
    /// # Errors
    /// [`MetricsError::Length`] and [`MetricsError::Class`]; nothing is counted then.
    pub fn add(&mut self, truth: &[u8], predicted: &[u8], ignore: Option<u8>) -> Result<(), MetricsError> {
        if truth.len() != predicted.len() {
            return Err(MetricsError::Length { truth: truth.len(), predicted: predicted.len() });
        }
        let mut counts = vec![0_u64; 256 * 256];
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            counts[usize::from(truth) << 8 | usize::from(predicted)] += 1;
        }
        if let Some(ignore) = ignore {
            counts[usize::from(ignore) << 8..][..256].fill(0);
        }
        let classes = self.classes;
        let unknown = |id: u8| usize::from(id) >= classes;
        for (pair, _) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
            let (truth, predicted) = ((pair >> 8) as u8, pair as u8);
            for (place, id) in [("truth", truth), ("prediction", predicted)] {
                if unknown(id) {
                    return Err(MetricsError::Class { place, id, classes });
                }
            }
        }
        for (row, counts) in self.counts.chunks_exact_mut(classes.max(1)).zip(counts.chunks_exact(256)) {
            for (sum, count) in row.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        Ok(())
    }

    /// Adds the counts of another part of the data.
    ///
    /// # Errors
    /// [`MetricsError::Merge`] for another number of classes.
    pub fn merge(&mut self, other: &Confusion) -> Result<(), MetricsError> {
        if self.classes != other.classes {
            return Err(MetricsError::Merge(self.classes, other.classes));
        }
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += count;
        }
        Ok(())
    }

    /// Pixels counted.
    pub fn pixels(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Pixels whose truth is `class`.
    pub fn truth_pixels(&self, class: u8) -> u64 {
        (0..self.classes).map(|other| self.count(class, other as u8)).sum()
    }

    /// Pixels predicted as `class`.
    pub fn predicted_pixels(&self, class: u8) -> u64 {
        (0..self.classes).map(|other| self.count(other as u8, class)).sum()
    }

    /// Intersection over union of a class, 0..=1; `None` for a class that is in neither truth nor prediction.
    pub fn iou(&self, class: u8) -> Option<f64> {
        let both = self.count(class, class);
        ratio(both, self.truth_pixels(class) + self.predicted_pixels(class) - both)
    }

    /// Mean IoU over the classes that have one, 0..=1: a class that occurs in neither truth nor prediction is left
    /// out, one that is predicted but never true counts as 0. `None` where nothing was counted.
    pub fn mean_iou(&self) -> Option<f64> {
        let (sum, number) =
            self.ids().filter_map(|id| self.iou(id)).fold((0.0, 0), |(s, n), iou| (s + iou, n + 1));
        (number > 0).then(|| sum / f64::from(number))
    }

    /// IoU weighted by each class's share of the true pixels, 0..=1; `None` where nothing was counted.
    pub fn frequency_weighted_iou(&self) -> Option<f64> {
        let pixels = self.pixels();
        let weighted = |id: u8| self.iou(id).map(|iou| iou * self.truth_pixels(id) as f64);
        (pixels > 0).then(|| self.ids().filter_map(weighted).sum::<f64>() / pixels as f64)
    }

    /// Share of pixels predicted as what they are, 0..=1; `None` where nothing was counted.
    pub fn pixel_accuracy(&self) -> Option<f64> {
        ratio(self.ids().map(|id| self.count(id, id)).sum(), self.pixels())
    }

    fn ids(&self) -> impl Iterator<Item = u8> {
        (0..self.classes).map(|id| id as u8)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_worked_out_by_hand() {
        struct Case {
            name: &'static str,
            classes: usize,
            truth: Vec<u8>,
            predicted: Vec<u8>,
            iou: Vec<Option<f64>>,
            mean: Option<f64>,
            weighted: Option<f64>,
            accuracy: Option<f64>,
        }
        let cases = [
            Case {
                name: "nothing counted",
                classes: 2,
                truth: vec![255, 255],
                predicted: vec![0, 1],
                iou: vec![None, None],
                mean: None,
                weighted: None,
                accuracy: None,
            },
            Case {
                name: "all right, one class absent from both",
                classes: 3,
                truth: vec![0, 2, 2],
                predicted: vec![0, 2, 2],
                iou: vec![Some(1.0), None, Some(1.0)],
                mean: Some(1.0),
                weighted: Some(1.0),
                accuracy: Some(1.0),
            },
            Case {
                // n = [[2, 1], [1, 4]]: IoU 2/4 and 4/6; accuracy 6/8; weighted (3 * 1/2 + 5 * 2/3) / 8.
                name: "two classes",
                classes: 2,
                truth: vec![0, 0, 0, 1, 1, 1, 1, 1, 255],
                predicted: vec![0, 0, 1, 0, 1, 1, 1, 1, 1],
                iou: vec![Some(0.5), Some(2.0 / 3.0)],
                mean: Some(7.0 / 12.0),
                weighted: Some(29.0 / 48.0),
                accuracy: Some(0.75),
            },
            Case {
                // Class 1 is only predicted, class 2 only true: both count as 0, and 1 has no weight.
                name: "all wrong",
                classes: 3,
                truth: vec![2, 2, 0, 0],
                predicted: vec![1, 1, 0, 0],
                iou: vec![Some(1.0), Some(0.0), Some(0.0)],
                mean: Some(1.0 / 3.0),
                weighted: Some(0.5),
                accuracy: Some(0.5),
            },
        ];
        let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-12,
            (a, b) => a == b,
        };
        let mut wrong = Vec::new();
        for case in cases {
            // In two halves, so that merging is in it too.
            let (mut counts, mut rest) = (Confusion::new(case.classes), Confusion::new(case.classes));
            let half = case.truth.len() / 2;
            counts.add(&case.truth[..half], &case.predicted[..half], Some(255)).unwrap();
            rest.add(&case.truth[half..], &case.predicted[half..], Some(255)).unwrap();
            counts.merge(&rest).unwrap();
            let iou: Vec<_> = counts.ids().map(|id| counts.iou(id)).collect();
            let right = iou.iter().zip(&case.iou).all(|(&a, &b)| near(a, b))
                && near(counts.mean_iou(), case.mean)
                && near(counts.frequency_weighted_iou(), case.weighted)
                && near(counts.pixel_accuracy(), case.accuracy);
            if !right {
                wrong.push(format!("{}: {iou:?}, {counts:?}", case.name));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        type Case<'a> = (&'a [u8], &'a [u8], Option<u8>, &'a str);
        let cases: [Case; 4] = [
            (&[0], &[0, 1], None, "the truth has 1 pixels but the prediction 2"),
            (&[255], &[0], None, "the truth holds class id 255"),
            (&[0, 0], &[1, 2], None, "the prediction holds class id 2, but there are only 2 classes"),
            (&[2], &[0], Some(255), "the truth holds class id 2"),
        ];
        for (truth, predicted, ignore, expected) in cases {
            let mut counts = Confusion::new(2);
            let message = counts.add(truth, predicted, ignore).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
            assert_eq!(counts.pixels(), 0);
        }
        assert_eq!(Confusion::new(2).merge(&Confusion::new(3)), Err(MetricsError::Merge(2, 3)));
    }

    #[test]
    fn an_ignored_pixel_may_hold_any_prediction() {
        let mut counts = Confusion::new(2);
        counts.add(&[1, 0, 1], &[9, 0, 1], Some(1)).unwrap();
        assert_eq!((counts.pixels(), counts.count(0, 0), counts.count(9, 9)), (1, 1, 0));
    }
}
