//! An option of the trainer and the values that it takes, from text.

use serde::{Deserialize, Serialize};

use super::SweepError;

/// Values beyond this number are a slip of the pen.
const VALUES_MAX: usize = 1000;

/// An option and its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// The option's long name, without dashes.
    pub option: String,
    /// Its values, as they are written on the command line. A switch has the values `on` and `off`.
    pub values: Vec<String>,
}

impl Axis {
    /// An axis from `alpha=0.05,0.5,0.95`, `temperature=2..20:2` or `seed=0..2`; ranges include their end. Values that
    /// hold commas themselves are separated by semicolons.
    ///
    /// # Errors
    /// [`SweepError::Axis`].
    pub fn parse(text: &str) -> Result<Axis, SweepError> {
        let wrong = |reason: &str| SweepError::Axis { text: text.to_owned(), reason: reason.to_owned() };
        let (option, values) = text.split_once('=').ok_or_else(|| wrong("there is no ="))?;
        let option = option.trim().trim_start_matches("--");
        let is_name = |option: &str| {
            option.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !option.starts_with('-')
        };
        if option.is_empty() || !is_name(option) {
            return Err(wrong("the option has no name"));
        }
        let separator = if values.contains(';') { ';' } else { ',' };
        let mut all = Vec::new();
        for value in values.split(separator).map(str::trim) {
            match range(value) {
                _ if value.is_empty() => return Err(wrong("a value is empty")),
                Some(values) => all.extend(values.map_err(wrong)?),
                None => all.push(value.to_owned()),
            }
        }
        let mut sorted = all.clone();
        sorted.sort();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(wrong(&format!("{} is there twice", twice[0])));
        }
        if all.len() > VALUES_MAX {
            return Err(wrong("there are more than 1000 values"));
        }
        Ok(Axis { option: option.to_owned(), values: all })
    }
}

/// The values of `FIRST..LAST` or `FIRST..LAST:STEP`, with as many decimals as first and step have; `None` for text that is no range.
fn range(text: &str) -> Option<Result<Vec<String>, &'static str>> {
    let (first, rest) = text.split_once("..")?;
    let (last, step) = rest.split_once(':').unwrap_or((rest, "1"));
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let (a, b, by) = (number(first)?, number(last)?, number(step)?);
    if by <= 0.0 || b < a {
        return Some(Err("a range goes upwards, by a step above 0"));
    }
    let decimals = |text: &str| text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let decimals = decimals(first).max(decimals(step));
    // The last value counts although its sum may lie a rounding above it.
    let steps = ((b - a) / by + 1e-6).floor();
    if steps > VALUES_MAX as f64 {
        return Some(Err("there are more than 1000 values"));
    }
    Some(Ok((0..=steps as usize).map(|i| format!("{:.decimals$}", a + by * i as f64)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_from_text() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("alpha=0.05,0.5,0.95", "alpha", &["0.05", "0.5", "0.95"]),
            ("--lr=1e-3, 1e-4", "lr", &["1e-3", "1e-4"]),
            ("temperature=2..20:6", "temperature", &["2", "8", "14", "20"]),
            ("seed=0..2", "seed", &["0", "1", "2"]),
            ("alpha=0.1..0.3:0.1", "alpha", &["0.1", "0.2", "0.3"]),
            ("x=1..2:0.4", "x", &["1.0", "1.4", "1.8"]),
            ("x=1,3..4,9", "x", &["1", "3", "4", "9"]),
            ("model=zoo:unet:width=0.5,size=64;b.onnx", "model", &["zoo:unet:width=0.5,size=64", "b.onnx"]),
            ("data=../a", "data", &["../a"]),
            ("amp=on,off", "amp", &["on", "off"]),
        ];
        for (text, option, values) in cases {
            let axis = Axis::parse(text).unwrap();
            let found: Vec<&str> = axis.values.iter().map(String::as_str).collect();
            assert_eq!((axis.option.as_str(), found.as_slice()), (*option, *values), "{text}");
        }
    }

    #[test]
    fn text_that_is_no_axis() {
        let cases = [
            ("alpha", "there is no ="),
            ("=1", "the option has no name"),
            ("a b=1", "the option has no name"),
            ("alpha=", "a value is empty"),
            ("alpha=1,,2", "a value is empty"),
            ("alpha=1,2,1", "1 is there twice"),
            ("alpha=5..1", "a range goes upwards"),
            ("alpha=1..5:0", "a range goes upwards"),
            ("alpha=0..1e9", "there are more than 1000 values"),
        ];
        for (text, reason) in cases {
            let message = Axis::parse(text).unwrap_err().to_string();
            assert!(message.starts_with(&format!("--grid {text}: {reason}")), "{message}");
        }
    }
}
