//! The learning rate of every step.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How the rate falls after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// It does not.
    Constant,
    /// By `factor` every `every` epochs.
    Step {
        /// Epochs between falls.
        every: f64,
        /// What is left.
        factor: f64,
    },
    /// Half a cosine down to `floor` of the start (Loshchilov and Hutter, ICLR 2017).
    Cosine {
        /// Share of the rate at the end.
        floor: f64,
    },
    /// (1 - progress)^power, as DeepLab's.
    Poly {
        /// The exponent.
        power: f64,
    },
    /// By `factor` when the score has not risen for `patience` epochs.
    Plateau {
        /// What is left.
        factor: f64,
        /// Epochs to wait.
        patience: u32,
    },
}

/// Why a schedule cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no schedule; write constant, step, step:every=10,factor=0.1, cosine, cosine:floor=0.01, poly, poly:power=0.9, \
     plateau or plateau:factor=0.5,patience=3"
)]
pub struct ScheduleError(String);

impl FromStr for Shape {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Shape, ScheduleError> {
        let wrong = || ScheduleError(text.to_string());
        let (name, settings) = text.split_once(':').unwrap_or((text, ""));
        let mut shape = match name {
            "constant" => Shape::Constant,
            "step" => Shape::Step { every: 10.0, factor: 0.1 },
            "cosine" => Shape::Cosine { floor: 0.0 },
            "poly" => Shape::Poly { power: 0.9 },
            "plateau" => Shape::Plateau { factor: 0.5, patience: 3 },
            _ => return Err(wrong()),
        };
        for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
            let (key, value) = setting.split_once('=').ok_or_else(wrong)?;
            let number: f64 = value.parse().map_err(|_| wrong())?;
            let share = || if (0.0..=1.0).contains(&number) { Ok(number) } else { Err(wrong()) };
            let positive = || if number > 0.0 && number.is_finite() { Ok(number) } else { Err(wrong()) };
            match (&mut shape, key) {
                (Shape::Step { every, .. }, "every") => *every = positive()?,
                (Shape::Step { factor, .. } | Shape::Plateau { factor, .. }, "factor") => *factor = share()?,
                (Shape::Cosine { floor }, "floor") => *floor = share()?,
                (Shape::Poly { power }, "power") => *power = positive()?,
                (Shape::Plateau { patience, .. }, "patience") => *patience = positive()? as u32,
                _ => return Err(wrong()),
            }
        }
        Ok(shape)
    }
}

/// A schedule over a whole run. Rates depend on the step's number alone, except for the plateau's falls.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The rate after warm-up.
    pub rate: f64,
    /// How it falls.
    pub shape: Shape,
    /// Epochs over which it rises from 0.
    pub warmup_epochs: f64,
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Steps an epoch.
    pub epoch_steps: usize,
}

/// A number that comes back from a file to the bit: as text, since JSON's numbers may be read a last digit off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Exact(pub f64);

impl TryFrom<String> for Exact {
    type Error = std::num::ParseFloatError;

    fn try_from(text: String) -> Result<Exact, std::num::ParseFloatError> {
        text.parse().map(Exact)
    }
}

impl From<Exact> for String {
    fn from(number: Exact) -> String {
        number.0.to_string()
    }
}

/// What a plateau schedule has seen; part of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    best: Option<Exact>,
    waited: u32,
    falls: i32,
}

impl Schedule {
    /// The rate of step `step`, counted over the run from 0.
    pub fn rate(&self, step: u64, plateau: &Plateau) -> f64 {
        let epoch_steps = self.epoch_steps.max(1) as f64;
        let epoch = step as f64 / epoch_steps;
        if epoch < self.warmup_epochs {
            return self.rate * (step + 1) as f64 / (self.warmup_epochs * epoch_steps).max(1.0).ceil();
        }
        let after = (self.epochs as f64 - self.warmup_epochs).max(1e-9);
        let progress = ((epoch - self.warmup_epochs) / after).min(1.0);
        let factor = match self.shape {
            Shape::Constant => 1.0,
            Shape::Step { every, factor } => factor.powf((epoch / every).floor()),
            Shape::Cosine { floor } => {
                floor + (1.0 - floor) * (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0
            }
            Shape::Poly { power } => (1.0 - progress).powf(power),
            Shape::Plateau { factor, .. } => factor.powi(plateau.falls),
        };
        self.rate * factor
    }

    /// Tells the score of an epoch, more being better.
    pub fn scored(&self, score: f64, plateau: &mut Plateau) {
        let Shape::Plateau { patience, .. } = self.shape else { return };
        if plateau.best.is_none_or(|best| score > best.0) {
            plateau.best = Some(Exact(score));
            plateau.waited = 0;
        } else {
            plateau.waited += 1;
            if plateau.waited > patience {
                plateau.falls += 1;
                plateau.waited = 0;
            }
        }
    }
}
