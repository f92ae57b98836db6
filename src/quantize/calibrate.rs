//! From observed ranges and histograms to scales and zero points.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::Options;
use super::observe::{Histogram, Range};
use super::scheme::Scheme;
use crate::frame::InputRule;
use crate::onnx::Model;

/// How the range of an activation is chosen from what was observed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Method {
    /// Smallest to largest value.
    MinMax,
    /// The given percentage of the values, equally much cut off at both ends.
    Percentile(f64),
    /// The range whose quantization has the least mean squared error.
    #[default]
    Mse,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Method::MinMax => f.write_str("minmax"),
            Method::Percentile(percent) => write!(f, "percentile {percent}"),
            Method::Mse => f.write_str("mse"),
        }
    }
}

/// Type of quantized activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activations {
    /// 0 to 255.
    #[default]
    U8,
    /// -128 to 127.
    S8,
}

impl Activations {
    /// Smallest and largest quantized value.
    pub fn limits(self) -> (i32, i32) {
        match self {
            Activations::U8 => (0, 255),
            Activations::S8 => (-128, 127),
        }
    }
}

impl fmt::Display for Activations {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Activations::U8 => "u8",
            Activations::S8 => "s8",
        })
    }
}

impl FromStr for Activations {
    type Err = String;

    fn from_str(text: &str) -> Result<Activations, String> {
        match text {
            "u8" => Ok(Activations::U8),
            "s8" => Ok(Activations::S8),
            _ => Err(format!("{text} is neither u8 nor s8")),
        }
    }
}

/// Scale and zero point of a tensor: `value = scale * (quantized - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// Step between two quantized values; positive.
    pub scale: f32,
    /// The quantized value that stands for 0.
    pub zero_point: i32,
    /// Smallest and largest quantized value.
    pub limits: (i32, i32),
}

impl Params {
    /// Parameters that cover `range` with 0 taken in, so that padding is exact.
    pub fn cover(range: Range, limits: (i32, i32)) -> Params {
        let (low, high) = (f64::from(range.min.min(0.0)), f64::from(range.max.max(0.0)));
        let steps = f64::from(limits.1 - limits.0);
        let scale = ((high - low) / steps) as f32;
        if !(scale.is_finite() && scale > 0.0) {
            return Params { scale: 1.0, zero_point: limits.0, limits };
        }
        let zero_point = f64::from(limits.0) - low / f64::from(scale);
        Params { scale, zero_point: (zero_point.round_ties_even() as i32).clamp(limits.0, limits.1), limits }
    }

    /// `clamp(round_half_even(value / scale) + zero_point)`
    pub fn quantize(&self, value: f32) -> i32 {
        let steps = (value / self.scale).round_ties_even();
        // The clamp keeps the sum below inside i32 for any float.
        let steps = steps.clamp(-1e6, 1e6) as i32;
        (steps + self.zero_point).clamp(self.limits.0, self.limits.1)
    }

    /// `scale * (quantized - zero_point)`
    pub fn dequantize(&self, quantized: i32) -> f32 {
        self.scale * (quantized - self.zero_point) as f32
    }
}

/// The parameters of each group of `scheme`. `histograms` are needed by every method but [`Method::MinMax`].
pub fn calibrate(
    model: &Model,
    scheme: &Scheme,
    ranges: &BTreeMap<String, Range>,
    histograms: Option<&[Histogram]>,
    rule: &InputRule,
    options: Options,
) -> Vec<Params> {
    let limits = options.activations.limits();
    let mut unions = vec![Range::EMPTY; scheme.groups()];
    for (name, &range) in ranges {
        if let Some(group) = scheme.group_of(name) {
            unions[group] = unions[group].union(range);
        }
    }
    let mut params: Vec<Params> = unions
        .iter()
        .enumerate()
        .map(|(group, &union)| {
            let histogram = histograms.map(|histograms| &histograms[group]);
            let range = match (options.method, histogram) {
                (Method::Percentile(percent), Some(histogram)) => percentile(histogram, percent),
                (Method::Mse, Some(histogram)) => least_error(histogram, limits),
                _ => union,
            };
            Params::cover(range, limits)
        })
        .collect();
    let levels = pixel_levels(rule);
    let pixels_range = Range::of(&levels);
    for input in &model.graph.inputs {
        let Some(group) = scheme.group_of(&input.name) else { continue };
        // Other tensors of the group, such as the input resized, must fit what is made for pixels.
        let union = unions[group].union(pixels_range);
        if union.width() <= pixels_range.width() * 1.001 {
            params[group] = pixels(&levels, limits);
        }
    }
    params
}

/// The range left when `(100 - percent) / 2` percent of the values are cut off at each end.
fn percentile(histogram: &Histogram, percent: f64) -> Range {
    let total: u64 = histogram.counts.iter().sum();
    let cut = (total as f64 * (1.0 - percent / 100.0) / 2.0) as u64;
    let bins = histogram.counts.len();
    let step = (histogram.range.max - histogram.range.min) / bins as f32;
    // How many bins from one end hold no more than `cut` values together.
    fn empty_end<'a>(counts: impl Iterator<Item = &'a u64>, cut: u64) -> usize {
        let mut passed = 0;
        counts
            .take_while(|&&count| {
                passed += count;
                passed <= cut
            })
            .count()
    }
    let below = empty_end(histogram.counts.iter(), cut);
    let above = empty_end(histogram.counts.iter().rev(), cut);
    Range { min: histogram.range.min + step * below as f32, max: histogram.range.max - step * above as f32 }
}

/// Ends of the range tried by [`least_error`], in parts of the whole.
const SHRINK_STEPS: usize = 60;

/// The range with the least mean squared error of quantization, among those that keep one end where it is or shrink
/// both towards 0 by the same factor. The error counts rounding of every value and clipping outside the range. (Exact
/// zeros do not suffer rounding; leaving them out clips more and was measured to keep masks less well.)
fn least_error(histogram: &Histogram, limits: (i32, i32)) -> Range {
    let whole = Range { min: histogram.range.min.min(0.0), max: histogram.range.max.max(0.0) };
    let bins = histogram.counts.len();
    let step = (f64::from(histogram.range.max) - f64::from(histogram.range.min)) / bins as f64;
    let values = histogram.counts.iter().sum::<u64>() as f64;
    let error = |range: Range| -> f64 {
        let params = Params::cover(range, limits);
        let (low, high) = (f64::from(params.dequantize(limits.0)), f64::from(params.dequantize(limits.1)));
        let rounding = f64::from(params.scale).powi(2) / 12.0;
        let clipped: f64 = (histogram.counts.iter().enumerate())
            .filter(|(_, count)| **count > 0)
            .map(|(bin, &count)| {
                let center = f64::from(histogram.range.min) + step * (bin as f64 + 0.5);
                count as f64 * (low - center).max(center - high).max(0.0).powi(2)
            })
            .sum();
        clipped + rounding * values
    };
    let mut best = (error(whole), whole);
    for part in (1..SHRINK_STEPS).map(|k| k as f32 / SHRINK_STEPS as f32) {
        let candidates = [
            Range { min: whole.min * part, max: whole.max * part },
            Range { min: whole.min, max: whole.max * part },
            Range { min: whole.min * part, max: whole.max },
        ];
        for range in candidates {
            let found = error(range);
            if found < best.0 {
                best = (found, range);
            }
        }
    }
    best.1
}

/// All values that the network's input can hold: 256 in each colour channel.
fn pixel_levels(rule: &InputRule) -> Vec<f32> {
    (0..rule.mean.len())
        .flat_map(|c| (0..256).map(move |pixel| (pixel as f32 / 255.0 - rule.mean[c]) / rule.std[c]))
        .collect()
}

/// Parameters that bring the values of pixels back with the least squared error. (Covering `[-1, 1]` exactly would put
/// each of them half-way between two steps.)
fn pixels(levels: &[f32], limits: (i32, i32)) -> Params {
    let covering = Params::cover(Range::of(levels), limits);
    let error = |params: &Params| -> f64 {
        levels.iter().map(|&v| f64::from(params.dequantize(params.quantize(v)) - v).powi(2)).sum()
    };
    let stretched = |basis_points: i32| covering.scale * (1.0 + basis_points as f32 / 10_000.0);
    (0..=200)
        .flat_map(|k| (-1..=1).map(move |shift| (k, shift)))
        .map(|(k, shift)| Params {
            scale: stretched(k),
            zero_point: (covering.zero_point + shift).clamp(limits.0, limits.1),
            limits,
        })
        .fold((error(&covering), covering), |best, params| {
            let found = error(&params);
            if found < best.0 { (found, params) } else { best }
        })
        .1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(range: (f32, f32), counts: Vec<u64>) -> Histogram {
        Histogram { range: Range { min: range.0, max: range.1 }, counts }
    }

    #[test]
    fn ranges_become_parameters() {
        let cases = [
            ("relu6", (0.0f32, 6.0f32), Activations::U8, (6.0f32 / 255.0, 0)),
            ("relu6, signed", (0.0, 6.0), Activations::S8, (6.0 / 255.0, -128)),
            ("both signs", (-1.0, 4.1), Activations::U8, (5.1 / 255.0, 50)),
            ("above zero", (2.0, 5.1), Activations::U8, (5.1 / 255.0, 0)),
            ("below zero", (-5.1, -2.0), Activations::U8, (5.1 / 255.0, 255)),
            ("nothing but zero", (0.0, 0.0), Activations::U8, (1.0, 0)),
        ];
        let failures: Vec<String> = cases
            .iter()
            .filter_map(|&(name, (min, max), activations, (scale, zero_point))| {
                let params = Params::cover(Range { min, max }, activations.limits());
                let right = (params.scale - scale).abs() < 1e-6 && params.zero_point == zero_point;
                (!right).then(|| format!("{name}: {params:?}"))
            })
            .collect();
        assert!(failures.is_empty(), "{failures:?}");
    }

    #[test]
    fn percentile_cuts_both_ends() {
        let mut counts = vec![100; 100];
        counts[0] = 1;
        counts[99] = 1;
        let range = percentile(&histogram((-1.0, 1.0), counts), 99.9);
        assert_eq!((range.min, range.max), (-0.98, 0.98));
    }

    #[test]
    fn least_error_cuts_a_far_outlier_and_keeps_a_flat_range() {
        let mut counts = vec![0; 2048];
        counts[..100].fill(10_000);
        counts[2047] = 1;
        let cut = least_error(&histogram((0.0, 100.0), counts), (0, 255));
        assert!((4.0..60.0).contains(&cut.max), "{cut:?}");
        let flat = least_error(&histogram((0.0, 100.0), vec![1000; 2048]), (0, 255));
        assert!(flat.max > 98.0, "{flat:?}");
    }

    #[test]
    fn pixels_come_back() {
        let rule = InputRule::symmetric();
        for activations in [Activations::U8, Activations::S8] {
            let params = pixels(&pixel_levels(&rule), activations.limits());
            let distinct: std::collections::BTreeSet<i32> =
                (0..256).map(|p| params.quantize((p as f32 / 255.0 - 0.5) / 0.5)).collect();
            assert!(distinct.len() >= 255, "{} levels with {params:?}", distinct.len());
        }
    }
}
