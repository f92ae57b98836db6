//! `sedge bench --steady`: how long a frame takes at first, and once the board is as warm as it gets.

use std::fmt::Write;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use sedge::clock::{Clock, SystemClock};
use sedge::governor::{Sensors, SysSensors};
use sedge::pipeline::{Phase, SteadyReport, SteadyRule, SteadyWatch};
use sedge::status::throttle_names;
use serde_json::json;

use super::super::progress::Progress;
use super::Setup;

/// Below this share of the time on the processor it is other programs that make frames slow, not the board's heat.
const OWN_SHARE_MIN: f64 = 0.9;

/// For how much of the time this thread ran.
#[derive(Clone, Copy, Debug, Default)]
pub struct Processor {
    ran: Duration,
    elapsed: Duration,
}

impl Processor {
    /// Runs `work` and counts the time that it takes and that it runs.
    fn count<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let now = || {
            let ran = clock_gettime(ClockId::ThreadCPUTime);
            (Duration::new(ran.tv_sec as u64, ran.tv_nsec as u32), Instant::now())
        };
        let (ran, began) = now();
        let done = work();
        let (ran_then, ended) = now();
        self.ran += ran_then.saturating_sub(ran);
        self.elapsed += ended - began;
        done
    }

    /// 0 to 1; 1 before anything was counted.
    fn share(self) -> f64 {
        if self.elapsed.is_zero() {
            1.0
        } else {
            (self.ran.as_secs_f64() / self.elapsed.as_secs_f64()).min(1.0)
        }
    }

    /// What keeps the figures from being those of the board, in words.
    fn warning(self) -> Option<String> {
        let others_percent = 100.0 * (1.0 - self.share());
        (self.share() < OWN_SHARE_MIN).then(|| {
            format!("the processor did other work for {others_percent:.0} % of the time, so these are not the board's own figures")
        })
    }
}

/// Measures frames, one after the other, until their time is steady or `limit` is over.
pub fn measure(
    limit: Duration,
    mut frame: impl FnMut() -> anyhow::Result<Duration>,
) -> anyhow::Result<(SteadyReport, Processor)> {
    let mut sensors = SysSensors::new(None);
    let mut watch = SteadyWatch::new(SteadyRule { limit, ..SteadyRule::default() });
    let progress = Progress::new("measuring", "frames", None);
    let mut read: Option<(Duration, String)> = None;
    let mut processor = Processor::default();
    loop {
        let latency = processor.count(&mut frame)?;
        let now = SystemClock.awake();
        if read.as_ref().is_none_or(|(at, _)| now.saturating_sub(*at) >= Duration::from_secs(1)) {
            let readings = sensors.read();
            watch.read(&readings);
            let temperature =
                readings.temperature_c.map_or(String::new(), |celsius| format!(" at {celsius:.0} C"));
            read = Some((now, format!("{:.1} ms{temperature}", latency.as_secs_f64() * 1e3)));
        }
        progress.step(&|| read.as_ref().map_or(String::new(), |(_, text)| text.clone()));
        if watch.frame(now, latency) {
            progress.finish();
            return Ok((watch.report(), processor));
        }
    }
}

/// Prints both phases side by side.
pub fn print(
    report: &SteadyReport,
    processor: Processor,
    setup: &Setup,
    as_json: bool,
) -> anyhow::Result<()> {
    if as_json {
        return setup.print_json(json!({
            "settled": report.settled,
            "elapsed_s": report.elapsed.as_secs_f64(),
            "ratio": report.ratio(),
            "processor_share": processor.share(),
            "burst": phase_json(&report.burst),
            "steady": phase_json(&report.steady),
        }));
    }
    let mut text = format!("{}\n", setup.text());
    writeln!(text, "phase    median ms   p99 ms   frames  board")?;
    for (name, phase) in [("burst", &report.burst), ("steady", &report.steady)] {
        let (median, p99) = (phase.median_ms(), phase.latency.percentile_ms(99.0));
        let frames = phase.latency.count();
        writeln!(text, "{name:<8} {median:>9.2} {p99:>8.2} {frames:>8}  {}", board(phase))?;
    }
    let (seconds, ratio) = (report.elapsed.as_secs_f64(), report.ratio());
    let state = if report.settled { "steady" } else { "not yet steady" };
    writeln!(text, "{state} after {seconds:.0} s, {ratio:.2} times the time of the burst")?;
    if let Some(warning) = processor.warning() {
        writeln!(text, "{warning}")?;
    }
    super::super::print(&text)
}

/// What the board said, in words.
fn board(phase: &Phase) -> String {
    let mut words = Vec::new();
    words.extend(phase.temperature_c.map(|celsius| format!("{celsius:.1} C")));
    words.extend(phase.frequency_khz.map(|khz| format!("{:.0} MHz at least", khz as f64 / 1e3)));
    words.extend(throttle_names(phase.throttle).into_iter().map(str::to_owned));
    if words.is_empty() { "tells nothing".to_owned() } else { words.join(", ") }
}

fn phase_json(phase: &Phase) -> serde_json::Value {
    json!({
        "frames": phase.latency.count(),
        "median_ms": phase.median_ms(),
        "p99_ms": phase.latency.percentile_ms(99.0),
        "max_ms": phase.latency.max_ms(),
        "temperature_c": phase.temperature_c,
        "frequency_min_mhz": phase.frequency_khz.map(|khz| khz as f64 / 1e3),
        "throttle": throttle_names(phase.throttle),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_programs_are_told_from_heat() {
        let seconds = Duration::from_secs;
        let cases = [
            (0, 0, 1.0, None),
            (10, 10, 1.0, None),
            (19, 20, 0.95, None),
            (5, 10, 0.5, Some("other work for 50 % of the time")),
        ];
        for (ran, elapsed, share, want) in cases {
            let processor = Processor { ran: seconds(ran), elapsed: seconds(elapsed) };
            let warning = processor.warning().unwrap_or_default();
            assert_eq!(processor.share(), share, "{ran} of {elapsed}");
            assert_eq!(warning.is_empty(), want.is_none(), "{warning}");
            assert!(warning.contains(want.unwrap_or_default()), "{warning}");
        }
        let mut processor = Processor::default();
        assert_eq!(processor.count(|| 7), 7);
        assert!(processor.elapsed > Duration::ZERO && processor.ran <= processor.elapsed + seconds(1));
    }
}
