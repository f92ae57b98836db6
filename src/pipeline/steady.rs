//! When the time of a frame has become steady: a board is fast until it is warm.
//!
//! A [`SteadyWatch`] takes the time of every frame, in windows of some seconds. It is steady when, for at least
//! [`SteadyRule::hold`] and three windows, the median of every window was within [`SteadyRule::tolerance`] of the window before it and of
//! the first of them, and, where the board has a sensor, its temperature stayed within
//! [`SteadyRule::tolerance_c`]. The first seconds are reported beside that as the burst.

use std::time::Duration;

use super::Latency;
use crate::governor::Readings;
use crate::store::Throttle;

/// What counts as steady.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SteadyRule {
    /// Length of the burst at the beginning, which has at least one frame.
    pub burst: Duration,
    /// Length of a window; a window has at least one frame.
    pub window: Duration,
    /// How far medians may differ, as a part of them.
    pub tolerance: f64,
    /// How far temperatures may differ, in degrees.
    pub tolerance_c: f64,
    /// How long it has to stay so.
    pub hold: Duration,
    /// When the watch ends, steady or not.
    pub limit: Duration,
}

impl Default for SteadyRule {
    fn default() -> Self {
        SteadyRule {
            burst: Duration::from_secs(5),
            window: Duration::from_secs(10),
            tolerance: 0.03,
            tolerance_c: 1.0,
            hold: Duration::from_secs(60),
            limit: Duration::from_secs(900),
        }
    }
}

/// What was measured over a part of the time.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    /// Times of frames.
    pub latency: Latency,
    /// The last temperature read, in degrees Celsius.
    pub temperature_c: Option<f64>,
    /// All that slowed the board down at some time.
    pub throttle: Throttle,
    /// The lowest frequency read, in kHz.
    pub frequency_khz: Option<u64>,
}

impl Phase {
    fn read(&mut self, readings: &Readings) {
        self.temperature_c = readings.temperature_c.or(self.temperature_c);
        self.throttle = self.throttle.with(readings.throttle.unwrap_or_default());
        let now_khz = readings.frequency.map(|frequency| frequency.now_khz);
        self.frequency_khz = [self.frequency_khz, now_khz].into_iter().flatten().min();
    }

    /// Median in milliseconds.
    pub fn median_ms(&self) -> f64 {
        self.latency.percentile_ms(50.0)
    }
}

/// What came of a watch.
#[derive(Clone, Debug)]
pub struct SteadyReport {
    /// Whether it became steady; if not, `steady` holds what there was since the last change.
    pub settled: bool,
    /// From the first frame to the end.
    pub elapsed: Duration,
    /// The first seconds.
    pub burst: Phase,
    /// The steady state.
    pub steady: Phase,
}

impl SteadyReport {
    /// How many times longer a frame takes in the steady state than in the burst (medians); 1 without frames.
    pub fn ratio(&self) -> f64 {
        let (burst, steady) = (self.burst.median_ms(), self.steady.median_ms());
        if burst > 0.0 && steady > 0.0 { steady / burst } else { 1.0 }
    }
}

/// Waits for the steady state. Times are handed in, from any beginning, never going back.
pub struct SteadyWatch {
    rule: SteadyRule,
    began: Option<Duration>,
    burst: Phase,
    /// Since the last change.
    run: Phase,
    run_began: Duration,
    /// Medians of the run's first window and of the last.
    medians_ms: Option<(f64, f64)>,
    windows: u32,
    /// The coldest and warmest of the run's windows, each by its last reading.
    range_c: Option<(f64, f64)>,
    window: Phase,
    window_began: Duration,
    last: Duration,
    settled: bool,
}

impl SteadyWatch {
    /// Waits for the first frame.
    pub fn new(rule: SteadyRule) -> SteadyWatch {
        SteadyWatch {
            rule,
            began: None,
            burst: Phase::default(),
            run: Phase::default(),
            run_began: Duration::ZERO,
            medians_ms: None,
            windows: 0,
            range_c: None,
            window: Phase::default(),
            window_began: Duration::ZERO,
            last: Duration::ZERO,
            settled: false,
        }
    }

    /// What the board says, once a second or so.
    pub fn read(&mut self, readings: &Readings) {
        if self.in_burst() {
            self.burst.read(readings);
        }
        self.run.read(readings);
        self.window.read(readings);
    }

    /// A frame that ended at `now` took `latency`. Whether the watch is over: steady, or at its limit.
    pub fn frame(&mut self, now: Duration, latency: Duration) -> bool {
        if self.is_over() {
            return true;
        }
        if self.began.is_none() {
            let began = now.saturating_sub(latency);
            (self.began, self.run_began, self.window_began) = (Some(began), began, began);
        }
        self.last = now;
        if self.in_burst() || self.burst.latency.count() == 0 {
            self.burst.latency.add(latency);
        }
        self.run.latency.add(latency);
        self.window.latency.add(latency);
        if now.saturating_sub(self.window_began) >= self.rule.window {
            self.end_window(now);
        }
        self.is_over()
    }

    fn in_burst(&self) -> bool {
        self.began.is_none_or(|began| self.last.saturating_sub(began) <= self.rule.burst)
    }

    fn is_over(&self) -> bool {
        self.settled || self.began.is_some_and(|began| self.last.saturating_sub(began) >= self.rule.limit)
    }

    fn end_window(&mut self, now: Duration) {
        let window = std::mem::take(&mut self.window);
        let median_ms = window.median_ms();
        let near = |other_ms: f64| (median_ms / other_ms - 1.0).abs() <= self.rule.tolerance;
        let range_c = match (self.range_c, window.temperature_c) {
            (Some((low, high)), Some(celsius)) => Some((low.min(celsius), high.max(celsius))),
            (None, Some(celsius)) => Some((celsius, celsius)),
            (range, None) => range,
        };
        let cool = range_c.is_none_or(|(low, high)| high - low <= self.rule.tolerance_c);
        match self.medians_ms {
            Some((first_ms, last_ms)) if near(first_ms) && near(last_ms) && cool => {
                (self.medians_ms, self.range_c) = (Some((first_ms, median_ms)), range_c);
                self.windows += 1;
            }
            _ => {
                // A new run begins with this window.
                self.run_began = self.window_began;
                self.medians_ms = Some((median_ms, median_ms));
                self.range_c = window.temperature_c.map(|celsius| (celsius, celsius));
                self.run = window;
                self.windows = 1;
            }
        }
        self.window_began = now;
        self.settled = self.windows >= 3 && now.saturating_sub(self.run_began) >= self.rule.hold;
    }

    /// What was measured so far.
    pub fn report(self) -> SteadyReport {
        SteadyReport {
            settled: self.settled,
            elapsed: self.began.map_or(Duration::ZERO, |began| self.last.saturating_sub(began)),
            burst: self.burst,
            steady: self.run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governor::Frequency;

    /// A board at a second: milliseconds of a frame, temperature, whether it throttles.
    type Trace = fn(f64) -> (f64, Option<f64>, bool);

    /// A wave that goes nowhere, in place of noise.
    fn noise(second: f64) -> f64 {
        (second * 7.3).sin()
    }

    fn watch(trace: Trace) -> SteadyReport {
        let rule = SteadyRule { limit: Duration::from_secs(600), ..SteadyRule::default() };
        let mut watch = SteadyWatch::new(rule);
        let (mut now_s, mut read_s) = (1000.0, 1000.0);
        loop {
            let (millis, temperature_c, throttled) = trace(now_s - 1000.0);
            if now_s >= read_s {
                read_s += 1.0;
                let throttle = if throttled { Throttle::THROTTLED } else { Throttle::default() };
                let now_khz = if throttled { 600_000 } else { 1_800_000 };
                let frequency = Some(Frequency { now_khz, max_khz: 1_800_000 });
                watch.read(&Readings { temperature_c, throttle: Some(throttle), frequency });
            }
            now_s += millis / 1000.0;
            if watch.frame(Duration::from_secs_f64(now_s), Duration::from_secs_f64(millis / 1000.0)) {
                return watch.report();
            }
        }
    }

    #[test]
    fn traces_of_boards() {
        struct Case {
            name: &'static str,
            trace: Trace,
            settled: bool,
            elapsed_s: std::ops::Range<u64>,
            burst_ms: f64,
            steady_ms: f64,
            throttled: [bool; 2],
        }
        let case = |name, trace, settled, elapsed_s, [burst_ms, steady_ms]: [f64; 2], throttled| Case {
            name,
            trace,
            settled,
            elapsed_s,
            burst_ms,
            steady_ms,
            throttled,
        };
        let cases = [
            case("a cooled board", |_| (50.0, None, false), true, 60..61, [50.0; 2], [false; 2]),
            case(
                "noise",
                |s| (50.0 + 3.0 * noise(s), Some(50.0), false),
                true,
                60..62,
                [50.0; 2],
                [false; 2],
            ),
            case(
                "throttles after three minutes",
                |s| if s < 180.0 { (50.0, Some(50.0 + s / 6.0), false) } else { (100.0, Some(80.0), true) },
                true,
                230..261,
                [50.0, 100.0],
                [false, true],
            ),
            case(
                "throttles after half a minute, without a sensor",
                |s| if s < 30.0 { (50.0, None, false) } else { (75.0, None, true) },
                true,
                85..101,
                [50.0, 75.0],
                [false, true],
            ),
            case(
                "warms slowly at the same speed",
                |s| (50.0, Some(80.0 - 40.0 * (-s / 100.0).exp()), false),
                true,
                300..460,
                [50.0; 2],
                [false; 2],
            ),
            case(
                "creeps by less than the tolerance a window",
                |s| (50.0 * 1.002f64.powf(s), None, false),
                false,
                600..602,
                [50.2, 165.0],
                [false; 2],
            ),
            case(
                "swings for ever",
                |s| {
                    if ((s / 25.0) as u64).is_multiple_of(2) {
                        (50.0, Some(70.0), false)
                    } else {
                        (80.0, Some(80.0), true)
                    }
                },
                false,
                600..602,
                [50.0, 65.0],
                [false, true],
            ),
            case(
                "frames of half a minute",
                |_| (30_000.0, None, false),
                true,
                90..91,
                [30_000.0; 2],
                [false; 2],
            ),
            case("slow frames", |_| (4000.0, None, false), true, 60..73, [4000.0; 2], [false; 2]),
        ];
        let failures: Vec<String> = cases
            .iter()
            .filter_map(|case| {
                let report = watch(case.trace);
                let near = |found: f64, wanted: f64, part: f64| (found / wanted - 1.0).abs() < part;
                // An unsettled end is anywhere in the swing.
                let part = if report.settled { 0.03 } else { 0.3 };
                let right = report.settled == case.settled
                    && case.elapsed_s.contains(&report.elapsed.as_secs())
                    && near(report.burst.median_ms(), case.burst_ms, 0.03)
                    && near(report.steady.median_ms(), case.steady_ms, part)
                    && near(report.ratio(), case.steady_ms / case.burst_ms, part + 0.03)
                    && report.burst.throttle.has(Throttle::THROTTLED) == case.throttled[0]
                    && (report.steady.throttle.has(Throttle::THROTTLED) == case.throttled[1]
                        || !report.settled);
                let (burst, steady) = (report.burst.median_ms(), report.steady.median_ms());
                let elapsed = report.elapsed;
                (!right).then(|| {
                    format!(
                        "{}: {} after {elapsed:?}, {burst:.1} then {steady:.1} ms",
                        case.name, report.settled
                    )
                })
            })
            .collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn phases_keep_what_the_board_said() {
        let report = watch(|s| if s < 100.0 { (40.0, Some(50.0), false) } else { (80.0, Some(82.0), true) });
        assert!(report.settled, "steady before the change");
        assert_eq!((report.steady.temperature_c, report.steady.frequency_khz), (Some(50.0), Some(1_800_000)));
        let report = watch(|s| if s < 20.0 { (40.0, Some(50.0), false) } else { (80.0, Some(82.0), true) });
        let SteadyReport { burst, steady, .. } = report;
        assert_eq!((burst.temperature_c, steady.temperature_c), (Some(50.0), Some(82.0)));
        assert_eq!((burst.frequency_khz, steady.frequency_khz), (Some(1_800_000), Some(600_000)));
    }

    #[test]
    fn nothing_was_measured() {
        let report = SteadyWatch::new(SteadyRule::default()).report();
        assert_eq!((report.settled, report.elapsed, report.ratio()), (false, Duration::ZERO, 1.0));
    }
}
