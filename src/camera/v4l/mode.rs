//! What a camera offers: formats, sizes and frame rates.

use std::fmt;

use super::format::{Encoding, FourCc};

/// Seconds from one frame to the next, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Above the line.
    pub numerator: u32,
    /// Below the line.
    pub denominator: u32,
}

impl Interval {
    /// Frames per second; 0 where the driver gives a fraction without a value.
    pub fn fps(self) -> f64 {
        if self.numerator == 0 || self.denominator == 0 {
            return 0.0;
        }
        f64::from(self.denominator) / f64::from(self.numerator)
    }

    /// Of a rate, to a thousandth of a frame per second.
    pub(super) fn of_fps(fps: f64) -> Interval {
        if fps.fract() == 0.0 {
            return Interval { numerator: 1, denominator: fps as u32 };
        }
        Interval { numerator: 1000, denominator: (fps * 1000.0).round() as u32 }
    }
}

/// Every `step`-th number from `min` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The first.
    pub min: u32,
    /// The last.
    pub max: u32,
    /// From one to the next; 0 and 1 are the same.
    pub step: u32,
}

impl Steps {
    /// One number.
    pub fn one(number: u32) -> Steps {
        Steps { min: number, max: number, step: 1 }
    }

    pub(super) fn contains(self, number: u32) -> bool {
        (self.min..=self.max).contains(&number) && (number - self.min).is_multiple_of(self.step.max(1))
    }

    /// The least of the numbers that is not below `number`, or the last.
    pub(super) fn at_least(self, number: u32) -> u32 {
        let step = u64::from(self.step.max(1));
        let above = u64::from(number.saturating_sub(self.min)).next_multiple_of(step);
        let last = u64::from(self.max.saturating_sub(self.min)) / step * step;
        // Not above `max`, so it fits.
        self.min + above.min(last) as u32
    }
}

/// Which frame rates a size has.
#[derive(Clone, Debug, PartialEq)]
pub enum Intervals {
    /// The driver does not say.
    Unknown,
    /// These.
    Listed(Vec<Interval>),
    /// All from the shortest to the longest.
    Between {
        /// The highest rate.
        shortest: Interval,
        /// The lowest rate.
        longest: Interval,
    },
}

/// One format with one size, or with a range of sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Mode {
    /// The format's code.
    pub format: FourCc,
    /// Widths in pixels.
    pub width: Steps,
    /// Heights in pixels.
    pub height: Steps,
    /// Its frame rates.
    pub intervals: Intervals,
}

impl fmt::Display for Mode {
    /// Size and rates: `640x480 at 30, 15 fps`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mode { width, height, .. } = self;
        write!(f, "{}x{}", width.min, height.min)?;
        if (width.min, height.min) != (width.max, height.max) {
            write!(f, " to {}x{}", width.max, height.max)?;
        }
        match &self.intervals {
            Intervals::Unknown => Ok(()),
            Intervals::Listed(list) => {
                let rates: Vec<String> = list.iter().map(|interval| fps_text(interval.fps())).collect();
                write!(f, " at {} fps", rates.join(", "))
            }
            Intervals::Between { shortest, longest } => {
                write!(f, " at {} to {} fps", fps_text(longest.fps()), fps_text(shortest.fps()))
            }
        }
    }
}

/// A rate with at most two decimals.
pub(super) fn fps_text(fps: f64) -> String {
    let text = format!("{fps:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// What a camera offers, in one line: every format that is read with its sizes and rates, then the codes of the others.
pub(super) fn offers(modes: &[Mode]) -> String {
    let mut parts: Vec<String> = Encoding::ALL
        .into_iter()
        .filter_map(|encoding| {
            let sizes: Vec<String> = modes
                .iter()
                .filter(|mode| Encoding::of(mode.format) == Some(encoding))
                .map(ToString::to_string)
                .collect();
            (!sizes.is_empty()).then(|| format!("{encoding} {}", sizes.join("; ")))
        })
        .collect();
    let mut others: Vec<FourCc> =
        modes.iter().map(|mode| mode.format).filter(|&code| Encoding::of(code).is_none()).collect();
    others.sort();
    others.dedup();
    if !others.is_empty() {
        let codes: Vec<String> = others.iter().map(ToString::to_string).collect();
        parts.push(format!("{}, which cannot be read", codes.join(", ")));
    }
    if parts.is_empty() { "nothing".into() } else { parts.join("; ") }
}
