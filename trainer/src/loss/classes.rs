//! Weights of classes: given, or from how often each occurs.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What each class weighs in a loss.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// All alike.
    #[default]
    Even,
    /// From the classes' frequencies in the training data.
    Auto,
    /// One a class.
    Given(Vec<f32>),
}

/// Why weights cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} are no class weights; write auto, or one number of 0 or more a class, such as 2,2,1")]
pub struct WeightsError(String);

impl FromStr for ClassWeights {
    type Err = WeightsError;

    fn from_str(text: &str) -> Result<ClassWeights, WeightsError> {
        match text {
            "even" => Ok(ClassWeights::Even),
            "auto" => Ok(ClassWeights::Auto),
            _ => {
                let weights: Option<Vec<f32>> =
                    text.split(',').map(|part| part.trim().parse().ok()).collect();
                let sound = |weights: &Vec<f32>| {
                    weights.iter().all(|w| w.is_finite() && *w >= 0.0) && weights.iter().any(|w| *w > 0.0)
                };
                let weights = weights.filter(sound).ok_or_else(|| WeightsError(text.to_string()))?;
                Ok(ClassWeights::Given(weights))
            }
        }
    }
}

/// Median frequency balancing (Eigen and Fergus, ICCV 2015, section 6.3.2, with frequencies over all pixels): the median
/// of the classes' counts by the class's own, at least 0.1 and at most 10. A class that does not occur weighs 1.
pub(crate) fn median_frequency(counts: &[u64]) -> Vec<f32> {
    let mut present: Vec<u64> = counts.iter().copied().filter(|count| *count > 0).collect();
    present.sort_unstable();
    let median = match present.len() {
        0 => return vec![1.0; counts.len()],
        n if n % 2 == 1 => present[n / 2] as f64,
        n => (present[n / 2 - 1] as f64 + present[n / 2] as f64) / 2.0,
    };
    let weight = |count: &u64| match count {
        0 => 1.0,
        count => (median / *count as f64).clamp(0.1, 10.0) as f32,
    };
    counts.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_by_frequency() {
        let cases: [(&[u64], &[f32]); 4] = [
            (&[80, 10, 40], &[0.5, 4.0, 1.0]),
            (&[80, 0, 40], &[0.75, 1.0, 1.5]),
            (&[9999, 1], &[0.50005, 10.0]),
            (&[0, 0], &[1.0, 1.0]),
        ];
        let mut wrong = Vec::new();
        for (counts, expected) in cases {
            let found = median_frequency(counts);
            if !found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5) {
                wrong.push(format!("{counts:?}: {found:?}, not {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn weights_from_text() {
        let given = |weights: &[f32]| Some(ClassWeights::Given(weights.to_vec()));
        let cases = [
            ("2,2,1", given(&[2.0, 2.0, 1.0])),
            ("auto", Some(ClassWeights::Auto)),
            ("0,0", None),
            ("1,-1", None),
            ("1,x", None),
            ("", None),
            ("nan,1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<ClassWeights>().ok(), expected, "{text}");
        }
    }
}
