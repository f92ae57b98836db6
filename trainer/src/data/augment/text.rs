//! Augmentations as text: `flip,scale=0.75:1.25,rotate=10`.

use std::fmt;
use std::str::FromStr;

use super::Augment;

/// Why a text says no augmentations.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AugmentError {
    /// The name is none.
    #[error(
        "there is no augmentation called {0:?}: use flip, vflip, scale, crop, shift, rotate, brightness, contrast, \
         saturation, hue, noise or blur, for example flip,scale=0.75:1.25,rotate=10"
    )]
    Unknown(String),
    /// It stands there twice.
    #[error("augmentation {0} is given twice: leave one out")]
    Twice(String),
    /// It has no number where it needs one, or what is there is none.
    #[error("augmentation {name} needs {expected}, not {found:?}: for example {example}")]
    Value {
        /// Its name.
        name: String,
        /// What it needs.
        expected: &'static str,
        /// What stands there.
        found: String,
        /// One that is right.
        example: &'static str,
    },
    /// The number is too small or too large.
    #[error("augmentation {name} is {value}, but must lie in {low}..={high}")]
    Range {
        /// Its name.
        name: &'static str,
        /// The number.
        value: f64,
        /// The least that it may be.
        low: f64,
        /// The largest that it may be.
        high: f64,
    },
    /// The least scale is above the largest.
    #[error("augmentation scale goes from {0} to {1}: the smaller one comes first")]
    Order(f64, f64),
}

/// Bounds of the factor of size.
const SCALE: (f64, f64) = (0.1, 10.0);

impl Augment {
    /// Names, largest values and places of all but scale, in the order in which they are written.
    fn amounts(&mut self) -> [(&'static str, f64, &mut f64); 11] {
        [
            ("flip", 1.0, &mut self.flip),
            ("vflip", 1.0, &mut self.vflip),
            ("crop", 1.0, &mut self.crop),
            ("shift", 1.0, &mut self.shift),
            ("rotate", 180.0, &mut self.rotate),
            ("brightness", 1.0, &mut self.brightness),
            ("contrast", 1.0, &mut self.contrast),
            ("saturation", 1.0, &mut self.saturation),
            ("hue", 0.5, &mut self.hue),
            ("noise", 1.0, &mut self.noise),
            ("blur", 10.0, &mut self.blur),
        ]
    }

    /// Checks that every number is in its range.
    ///
    /// # Errors
    /// [`AugmentError::Range`] and [`AugmentError::Order`] name the one that is not.
    pub fn check(&self) -> Result<(), AugmentError> {
        let range = |name, value: f64, low, high| {
            // A number that is none is in no range.
            let inside = (low..=high).contains(&value);
            if inside { Ok(()) } else { Err(AugmentError::Range { name, value, low, high }) }
        };
        for (name, largest, value) in self.clone().amounts() {
            range(name, *value, 0.0, largest)?;
        }
        range("scale", self.scale.0, SCALE.0, SCALE.1)?;
        range("scale", self.scale.1, SCALE.0, SCALE.1)?;
        if self.scale.0 > self.scale.1 {
            Err(AugmentError::Order(self.scale.0, self.scale.1))
        } else {
            Ok(())
        }
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), AugmentError> {
        let wrong = |expected, example| AugmentError::Value {
            name: name.to_owned(),
            expected,
            found: value.unwrap_or_default().to_owned(),
            example,
        };
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        if name == "scale" {
            let ends = value.and_then(|value| value.split_once(':'));
            let ends = ends.and_then(|(low, high)| Some((number(low)?, number(high)?)));
            self.scale = ends.ok_or_else(|| wrong("two factors", "scale=0.75:1.25"))?;
            return Ok(());
        }
        let mut amounts = self.amounts();
        let amount = amounts.iter_mut().find(|(known, ..)| *known == name);
        let (_, _, amount) = amount.ok_or_else(|| AugmentError::Unknown(name.to_owned()))?;
        **amount = match (name, value) {
            ("flip" | "vflip", None) => 0.5,
            ("flip" | "vflip", Some(text)) => number(text).ok_or_else(|| wrong("a chance", "flip=0.5"))?,
            ("rotate", text) => text.and_then(number).ok_or_else(|| wrong("degrees", "rotate=10"))?,
            (_, text) => text.and_then(number).ok_or_else(|| wrong("a number", "brightness=0.2"))?,
        };
        Ok(())
    }
}

impl FromStr for Augment {
    type Err = AugmentError;

    /// Reads `NAME[=VALUE],...`; an empty text and `none` change nothing.
    fn from_str(text: &str) -> Result<Augment, AugmentError> {
        let mut augment = Augment::default();
        let mut seen = Vec::new();
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        for item in items.filter(|item| text.trim() != "none" || *item != "none") {
            let (name, value) = match item.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (item, None),
            };
            if seen.contains(&name) {
                return Err(AugmentError::Twice(name.to_owned()));
            }
            augment.set(name, value)?;
            seen.push(name);
        }
        augment.check()?;
        Ok(augment)
    }
}

impl fmt::Display for Augment {
    /// As [`FromStr`] reads it; `none` where nothing is changed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = Vec::new();
        for (name, _, value) in self.clone().amounts() {
            if name == "crop" && self.scale != (1.0, 1.0) {
                items.push(format!("scale={}:{}", self.scale.0, self.scale.1));
            }
            if *value != 0.0 {
                items.push(format!("{name}={value}"));
            }
        }
        f.write_str(if items.is_empty() { "none" } else { "" })?;
        f.write_str(&items.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written() {
        let some =
            Augment { flip: 0.5, scale: (0.75, 1.25), rotate: 10.0, brightness: 0.2, ..Augment::default() };
        let all = "flip=0.1,vflip=0.2,scale=0.5:2,crop=0.3,shift=0.125,rotate=15,brightness=0.4,contrast=0.5,\
                   saturation=0.6,hue=0.07,noise=0.08,blur=1.5";
        let cases = [
            ("", Ok("none".to_owned())),
            ("none", Ok("none".into())),
            (" flip , scale = 0.75:1.25,rotate=10,brightness=.2", Ok(some.to_string())),
            ("flip=0.5,scale=0.75:1.25,rotate=10,brightness=0.2", Ok(some.to_string())),
            (all, Ok(all.into())),
            (
                "flop",
                Err(
                    "there is no augmentation called \"flop\": use flip, vflip, scale, crop, shift, rotate, brightness, \
                     contrast, saturation, hue, noise or blur, for example flip,scale=0.75:1.25,rotate=10",
                ),
            ),
            ("flip,flip=1", Err("augmentation flip is given twice: leave one out")),
            ("flip=no", Err("augmentation flip needs a chance, not \"no\": for example flip=0.5")),
            (
                "scale=0.5",
                Err("augmentation scale needs two factors, not \"0.5\": for example scale=0.75:1.25"),
            ),
            ("scale", Err("augmentation scale needs two factors, not \"\": for example scale=0.75:1.25")),
            ("rotate", Err("augmentation rotate needs degrees, not \"\": for example rotate=10")),
            ("blur=NaN", Err("augmentation blur needs a number, not \"NaN\": for example brightness=0.2")),
            ("brightness=1.5", Err("augmentation brightness is 1.5, but must lie in 0..=1")),
            ("hue=-0.1", Err("augmentation hue is -0.1, but must lie in 0..=0.5")),
            ("scale=0:1", Err("augmentation scale is 0, but must lie in 0.1..=10")),
            ("scale=2:0.5", Err("augmentation scale goes from 2 to 0.5: the smaller one comes first")),
        ];
        let mut failures = Vec::new();
        for (text, expected) in cases {
            let found =
                text.parse::<Augment>().map(|augment| augment.to_string()).map_err(|error| error.to_string());
            if found != expected.clone().map_err(str::to_owned) {
                failures.push(format!("{text:?}: {found:?}, not {expected:?}"));
            }
            if let Ok(text) = found {
                assert_eq!(text.parse::<Augment>().unwrap().to_string(), text);
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        let json = serde_json::to_string(&some).unwrap();
        assert_eq!(serde_json::from_str::<Augment>(&json).unwrap(), some);
        assert!(Augment::default().is_none() && !some.is_none() && some.moves());
    }
}
