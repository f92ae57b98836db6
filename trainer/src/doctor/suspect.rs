//! Labels that a trained model contradicts: pictures whose loss is far beyond the others'.

use super::finding::{Kind, Trouble};
use super::survey::Survey;

/// From this robust z-score on a loss is extreme (Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993, take 3.5).
const EXTREME: f64 = 3.5;
/// The standard deviation of a normal distribution over its median absolute deviation.
const NORMAL: f64 = 1.4826;
/// Losses differ by this part of their median even where the model is equally sure; it keeps the score finite.
const SPREAD_LEAST: f64 = 0.05;

/// What a model says of a label.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Mean cross entropy of the label, in nats; over the pixels that count.
    pub loss: f64,
    /// Whether the label may stand: the model's answer is the label or not a sure one; for a mask, the same for nearly all
    /// of its pixels.
    pub agrees: bool,
    /// What the model says instead.
    pub detail: String,
}

/// The labels in doubt, the greatest loss first: of an extreme loss, and the model does not agree. (Losses of a good
/// classifier are nearly 0 with a long tail, so that every wrong answer is extreme; the second condition keeps the sure ones.)
pub fn check(survey: &Survey, judgements: &[Option<Judgement>]) -> Vec<Trouble> {
    let losses = || judgements.iter().flatten().map(|judgement| judgement.loss);
    let Some(median) = median(losses()) else { return Vec::new() };
    let deviation = self::median(losses().map(|loss| (loss - median).abs())).unwrap_or(0.0);
    let spread = NORMAL * deviation.max(SPREAD_LEAST * median).max(f64::MIN_POSITIVE);
    let mut suspects: Vec<(f64, Trouble)> = Vec::new();
    for (item, judgement) in survey.items.iter().zip(judgements) {
        let Some(Judgement { loss, agrees, detail }) = judgement else { continue };
        let score = (loss - median) / spread;
        if score > EXTREME && !agrees {
            let detail = format!("loss {loss:.3}, z-score {score:.1}: {detail}");
            suspects.push((*loss, Trouble::new(Kind::Suspect, &item.name, detail)));
        }
    }
    suspects.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    suspects.into_iter().map(|(_, trouble)| trouble).collect()
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
