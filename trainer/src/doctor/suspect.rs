//! Labels that a trained model contradicts: pictures whose loss is far beyond the others'.

use super::finding::{Kind, Trouble};
use super::survey::Survey;

/// From this robust z-score of its logarithm on, a loss is extreme (Iglewicz and Hoaglin, "How to Detect and Handle
/// Outliers", 1993, take 3.5).
const EXTREME: f64 = 3.5;
/// The standard deviation of a normal distribution over its median absolute deviation.
const NORMAL: f64 = 1.4826;
/// Losses differ by so much (in their logarithm) even where the model is equally sure; it keeps the score finite.
const SPREAD_LEAST: f64 = 0.05;

/// What a model says of a label.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Mean cross entropy of the label, in nats; over the pixels that count.
    pub loss: f64,
    /// Whether the model's answer is the label; for a mask, over most of its pixels.
    pub agrees: bool,
    /// What the model says instead.
    pub detail: String,
}

/// The labels in doubt, the greatest loss first. Losses are compared by their logarithm: they are spread over orders of
/// magnitude. A label that the model agrees with is never in doubt.
pub fn check(survey: &Survey, judgements: &[Option<Judgement>]) -> Vec<Trouble> {
    let logarithms: Vec<Option<f64>> =
        judgements.iter().map(|judgement| judgement.as_ref().map(|j| j.loss.max(1e-9).ln())).collect();
    let Some(median) = median(logarithms.iter().flatten().copied()) else { return Vec::new() };
    let deviations = logarithms.iter().flatten().map(|value| (value - median).abs());
    let spread = self::median(deviations).unwrap_or(0.0).max(SPREAD_LEAST) * NORMAL;
    let mut suspects: Vec<(f64, Trouble)> = Vec::new();
    for ((item, judgement), logarithm) in survey.items.iter().zip(judgements).zip(logarithms) {
        let (Some(judgement), Some(logarithm)) = (judgement, logarithm) else { continue };
        let score = (logarithm - median) / spread;
        if score > EXTREME && !judgement.agrees {
            let detail = format!("loss {:.3}, z-score {score:.1}: {}", judgement.loss, judgement.detail);
            suspects.push((judgement.loss, Trouble::new(Kind::Suspect, &item.name, detail)));
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
