//! The governor: from temperature and flags to the time between frames.

use std::time::Duration;

use super::sensors::Readings;
use crate::store::Throttle;

/// Width of the band below the temperature limit in which the rate falls, in degrees.
pub const BAND_C: f64 = 10.0;
/// Time constant of the filter that takes the steps out of coarse sensors.
const SMOOTH_S: f64 = 5.0;
/// How much of the whole range the rate falls and rises in a second.
const FALL_PER_S: f64 = 0.1;
const RISE_PER_S: f64 = 0.005;
/// Changes that are smaller than this part of the range wait.
const DEAD_BAND: f64 = 0.02;
/// The longest time between two observations that counts: what a governor did not see it does not reckon with.
const STEP_MAX_S: f64 = 10.0;
/// How long flags have to be gone before the rate rises, at first and at most.
const HOLD_MIN: Duration = Duration::from_secs(30);
const HOLD_MAX: Duration = Duration::from_secs(3600);
/// Time without flags after which the first hold is short again.
const CALM: Duration = Duration::from_secs(6 * 3600);
/// Time between two steps down while flags stay.
const FLAG_STEP: Duration = Duration::from_secs(10);
/// Lowering the rate does little for a weak supply; below this part of the range it does nothing.
const SUPPLY_FLOOR: f64 = 0.25;
/// A board that throttles at a temperature is kept this much below it.
const LEARNED_BELOW_C: f64 = 2.0;
/// What is not believed of a board: that it throttles for heat below this.
const LEARNED_MIN_C: f64 = 50.0;
const FORGET_C_PER_S: f64 = 1.0 / 3600.0;
/// Temperatures in this range are believed.
const SANE_C: std::ops::RangeInclusive<f64> = -40.0..=130.0;

/// What the governor keeps to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The most frames per second; `None` for as many as the pipeline does.
    pub fps_max: Option<f64>,
    /// The fewest frames per second, whatever the temperature.
    pub fps_min: f64,
    /// The temperature to stay below, in degrees Celsius.
    pub temperature_max_c: f64,
}

/// What the governor has to tell, each once as it begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Note {
    /// The rate is lower than it would be on a cool board.
    Lowered {
        /// The rate now.
        fps: f64,
        /// The temperature, where it is known.
        temperature_c: Option<f64>,
        /// What the board says.
        throttle: Throttle,
    },
    /// The rate is the highest again.
    Restored,
    /// The temperature cannot be read, so only the board's flags lower the rate.
    NoTemperature,
    /// The temperature is read again.
    TemperatureBack,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Note::Lowered { fps, temperature_c, throttle } => {
                let reasons = [
                    (Throttle::UNDER_VOLTAGE, "the supply voltage is too low"),
                    (Throttle::THROTTLED, "the board throttles"),
                    (Throttle::FREQUENCY_CAPPED, "the board caps its frequency"),
                    (Throttle::SOFT_TEMPERATURE_LIMIT, "the board is at its soft temperature limit"),
                ];
                let flag = reasons.iter().find(|(flag, _)| throttle.has(*flag));
                match (flag, temperature_c) {
                    (Some((_, reason)), _) => write!(f, "frame rate lowered to {fps:.2} fps: {reason}"),
                    (None, Some(celsius)) => {
                        write!(f, "frame rate lowered to {fps:.2} fps at {celsius:.0} C")
                    }
                    (None, None) => write!(f, "frame rate lowered to {fps:.2} fps"),
                }
            }
            Note::Restored => write!(f, "frame rate no longer lowered"),
            Note::NoTemperature => {
                write!(f, "no temperature can be read; only the board's own flags lower the frame rate")
            }
            Note::TemperatureBack => write!(f, "the temperature can be read again"),
        }
    }
}

/// Chooses the time between frames. It knows no clock: times are handed in, from any beginning, never going back.
#[derive(Debug)]
pub struct Governor {
    limits: Limits,
    /// The rate as a part of the range from `fps_min` to the highest, 0 to 1.
    share: f64,
    /// Smoothed time that the processor works on a frame, seconds.
    busy_s: Option<f64>,
    last: Option<Duration>,
    /// The newest three temperatures, of which the middle one counts.
    newest_c: Vec<f64>,
    smooth_c: Option<f64>,
    told_no_temperature: bool,
    told_lowered: bool,
    /// The limit that a throttling board has taught.
    learned_c: f64,
    flags: Throttle,
    flagged_at: Option<Duration>,
    stepped_at: Duration,
    hold: Duration,
}

impl Governor {
    /// A governor that begins with the highest rate.
    pub fn new(limits: Limits) -> Governor {
        Governor {
            limits,
            share: 1.0,
            busy_s: None,
            last: None,
            newest_c: Vec::with_capacity(3),
            smooth_c: None,
            told_no_temperature: false,
            told_lowered: false,
            learned_c: f64::INFINITY,
            flags: Throttle::default(),
            flagged_at: None,
            stepped_at: Duration::ZERO,
            hold: HOLD_MIN,
        }
    }

    /// Goes on with other limits; what the board has taught stays.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes note of the board's state, once a second or so; a call every few frames does no harm. `busy` is how long
    /// the processor worked on a frame lately (from the frame to its mask, not the wait for it), `None` without a
    /// frame since the last call.
    pub fn observe(&mut self, now: Duration, readings: &Readings, busy: Option<Duration>) -> Vec<Note> {
        let step_s = self.last.map_or(0.0, |last| now.saturating_sub(last).as_secs_f64().min(STEP_MAX_S));
        self.last = Some(now);
        let weight = 1.0 - (-step_s / SMOOTH_S).exp();
        if let Some(busy) = busy.map(|busy| busy.as_secs_f64()).filter(|&busy_s| busy_s > 0.0) {
            let before = self.busy_s.unwrap_or(busy);
            self.busy_s = Some(before + weight * (busy - before));
        }
        let mut notes = Vec::new();
        self.take_temperature(readings.temperature_c, weight, &mut notes);
        self.learned_c += FORGET_C_PER_S * step_s;

        let wanted = self.wanted();
        self.take_flags(now, readings.throttle.unwrap_or_default());
        let may_rise = self.flagged_at.is_none_or(|flagged| now.saturating_sub(flagged) >= self.hold);
        if wanted < self.share - DEAD_BAND || wanted == 0.0 {
            self.share = wanted.max(self.share - FALL_PER_S * step_s).min(self.share);
        } else if may_rise && (wanted > self.share + DEAD_BAND || wanted == 1.0) {
            self.share = wanted.min(self.share + RISE_PER_S * step_s).max(self.share);
        }
        self.tell_rate(&mut notes);
        notes
    }

    fn take_temperature(&mut self, read: Option<f64>, weight: f64, notes: &mut Vec<Note>) {
        match read.filter(|celsius| SANE_C.contains(celsius)) {
            Some(celsius) => {
                if self.newest_c.len() == 3 {
                    self.newest_c.remove(0);
                }
                self.newest_c.push(celsius);
                let mut sorted = self.newest_c.clone();
                sorted.sort_by(f64::total_cmp);
                let middle = sorted[sorted.len() / 2];
                let before = self.smooth_c.unwrap_or(middle);
                self.smooth_c = Some(before + weight * (middle - before));
                if std::mem::take(&mut self.told_no_temperature) {
                    notes.push(Note::TemperatureBack);
                }
            }
            None => {
                self.newest_c.clear();
                self.smooth_c = None;
                if !std::mem::replace(&mut self.told_no_temperature, true) {
                    notes.push(Note::NoTemperature);
                }
            }
        }
    }

    /// The part of the range that the temperature allows.
    fn wanted(&self) -> f64 {
        let limit_c = self.limits.temperature_max_c.min(self.learned_c);
        self.smooth_c.map_or(1.0, |celsius| ((limit_c - celsius) / BAND_C).clamp(0.0, 1.0))
    }

    fn take_flags(&mut self, now: Duration, flags: Throttle) {
        // Flags that flicker are one trouble.
        let begins = self.flagged_at.is_none_or(|flagged| now.saturating_sub(flagged) >= HOLD_MIN);
        self.flags = flags;
        if flags == Throttle::default() {
            if self.flagged_at.is_some_and(|flagged| now.saturating_sub(flagged) >= CALM) {
                (self.flagged_at, self.hold) = (None, HOLD_MIN);
            }
            return;
        }
        let supply = flags.has(Throttle::UNDER_VOLTAGE);
        if begins {
            if self.flagged_at.is_some() {
                self.hold = (self.hold * 2).min(HOLD_MAX);
            }
            if let Some(celsius) = self.smooth_c.filter(|_| !supply) {
                self.learned_c = self.learned_c.min((celsius - LEARNED_BELOW_C).max(LEARNED_MIN_C));
            }
        }
        if begins || now.saturating_sub(self.stepped_at) >= FLAG_STEP {
            self.stepped_at = now;
            let lower = self.share * if begins { 0.5 } else { 0.7 };
            self.share = if supply { lower.max(SUPPLY_FLOOR.min(self.share)) } else { lower };
        }
        self.flagged_at = Some(now);
    }

    fn tell_rate(&mut self, notes: &mut Vec<Note>) {
        // A rate near the highest is told as such only when it has arrived there, so that it is not told in turns.
        if !self.told_lowered && self.share < 0.95 {
            self.told_lowered = true;
            let fps = self.fps().unwrap_or(self.limits.fps_min);
            notes.push(Note::Lowered { fps, temperature_c: self.smooth_c, throttle: self.flags });
        } else if self.told_lowered && self.share == 1.0 {
            self.told_lowered = false;
            notes.push(Note::Restored);
        }
    }

    /// The least time from the beginning of one frame to the next, a day at most.
    pub fn interval(&self) -> Duration {
        let longest = Duration::from_secs(86_400);
        self.fps().map_or(Duration::ZERO, |fps| {
            Duration::try_from_secs_f64(1.0 / fps).map_or(longest, |interval| interval.min(longest))
        })
    }

    /// The most frames per second now; `None` without a limit.
    pub fn fps(&self) -> Option<f64> {
        if self.share >= 1.0 {
            return self.limits.fps_max;
        }
        // Lowering a limit that the pipeline does not reach would do nothing.
        let reached = self.busy_s.map_or(f64::INFINITY, |busy_s| 1.0 / busy_s);
        let highest = self.limits.fps_max.unwrap_or(f64::INFINITY).min(reached);
        if highest.is_infinite() {
            return None;
        }
        let lowest = self.limits.fps_min;
        Some(lowest + self.share * (highest - lowest).max(0.0))
    }

    /// The rate as a part of the range from `fps_min` (0) to the highest (1).
    pub fn share(&self) -> f64 {
        self.share
    }

    /// [`Throttle::GOVERNED`] while the rate is lowered, for the records of frames.
    pub fn throttle(&self) -> Throttle {
        if self.share < 1.0 { Throttle::GOVERNED } else { Throttle::default() }
    }
}
