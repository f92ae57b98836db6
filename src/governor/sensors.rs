//! What a board says of itself, behind a trait, and a board that tests set.

use std::sync::{Arc, Mutex, PoisonError};

use crate::store::Throttle;

/// What the board says of itself at one moment; `None` for what it does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Readings {
    /// Temperature of the processor in degrees Celsius, from -40 to 150.
    pub temperature_c: Option<f64>,
    /// What slows the board down now.
    pub throttle: Option<Throttle>,
    /// The processor's frequency.
    pub frequency: Option<Frequency>,
}

/// A processor's frequency, that of its fastest cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequency {
    /// Now, in kHz. A processor with little to do has a low one without being throttled.
    pub now_khz: u64,
    /// The highest, in kHz.
    pub max_khz: u64,
}

/// The board's sensors.
pub trait Sensors: Send {
    /// Reads them all; quick enough for once a second, and never waits.
    fn read(&mut self) -> Readings;
}

/// Sensors that say what they were told to; clones share it.
#[derive(Clone, Debug, Default)]
pub struct SetSensors(Arc<Mutex<Readings>>);

impl SetSensors {
    /// Sets what is read from now on.
    pub fn set(&self, readings: Readings) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = readings;
    }
}

impl Sensors for SetSensors {
    fn read(&mut self) -> Readings {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
