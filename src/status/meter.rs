//! Figures of the time between two status lines, and when a line is due.

use std::time::Duration;

use crate::pipeline::Latency;

/// Says when something that comes round is due.
#[derive(Clone, Debug)]
pub struct Due {
    every: Duration,
    last: Option<Duration>,
}

impl Due {
    /// Due at the first call, then after each `every`.
    pub fn new(every: Duration) -> Due {
        Due { every, last: None }
    }

    /// Changes the time between.
    pub fn set_every(&mut self, every: Duration) {
        self.every = every;
    }

    /// Whether it is due, which it then is no more. Turns that were missed are left out.
    pub fn is_due(&mut self, now: Duration) -> bool {
        let due = self.last.is_none_or(|last| now.saturating_sub(last) >= self.every);
        if due {
            self.last = Some(now);
        }
        due
    }
}

/// Counts frames and their latencies from one status line to the next.
#[derive(Debug)]
pub struct Meter {
    began: Duration,
    latency: Latency,
    stored: u64,
    bytes: u64,
}

/// What a [`Meter`] counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Frames that became masks, per second.
    pub fps: f64,
    /// Median time from capture to mask, in milliseconds; `None` without frames.
    pub latency_p50_ms: Option<f64>,
    /// Time from capture to mask that one frame in a hundred takes longer than, in milliseconds.
    pub latency_p99_ms: Option<f64>,
    /// Bytes written per stored mask, index and file system calls' overhead included as the store counts them.
    pub bytes_per_mask: Option<f64>,
}

impl Meter {
    /// Counts from `now` on.
    pub fn new(now: Duration) -> Meter {
        Meter { began: now, latency: Latency::default(), stored: 0, bytes: 0 }
    }

    /// A frame became a mask in this time.
    pub fn frame(&mut self, latency: Duration) {
        self.latency.add(latency);
    }

    /// Masks were stored with this many bytes.
    pub fn stored(&mut self, masks: u64, bytes: u64) {
        self.stored += masks;
        self.bytes += bytes;
    }

    /// What was counted until `now`; then counts anew.
    pub fn take(&mut self, now: Duration) -> Figures {
        let Meter { began, latency, stored, bytes } = std::mem::replace(self, Meter::new(now));
        let seconds = now.saturating_sub(began).as_secs_f64();
        let some = latency.count() > 0;
        Figures {
            fps: if seconds > 0.0 { latency.count() as f64 / seconds } else { 0.0 },
            latency_p50_ms: some.then(|| latency.percentile_ms(50.0)),
            latency_p99_ms: some.then(|| latency.percentile_ms(99.0)),
            bytes_per_mask: (stored > 0).then(|| bytes as f64 / stored as f64),
        }
    }
}

/// The memory that this process holds, in bytes, as the kernel tells.
pub fn resident_bytes() -> Option<u64> {
    resident_in(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_comes_round() {
        let mut due = Due::new(Duration::from_secs(60));
        let cases = [
            (5, true),
            (5, false),
            (64, false),
            (65, true),
            (124, false),
            (500, true),
            (559, false),
            (560, true),
        ];
        let failures: Vec<_> = cases
            .iter()
            .filter(|(second, wanted)| due.is_due(Duration::from_secs(*second)) != *wanted)
            .collect();
        assert!(failures.is_empty(), "{failures:?}");
        due.set_every(Duration::from_secs(10));
        assert!(!due.is_due(Duration::from_secs(569)) && due.is_due(Duration::from_secs(570)));
    }

    #[test]
    fn figures_are_of_the_time_between() {
        let mut meter = Meter::new(Duration::from_secs(100));
        assert_eq!(meter.take(Duration::from_secs(100)), Figures::default());
        for millis in 1..=100 {
            meter.frame(Duration::from_millis(millis));
        }
        meter.stored(3, 400);
        meter.stored(1, 200);
        let figures = meter.take(Duration::from_secs(120));
        assert_eq!((figures.fps, figures.bytes_per_mask), (5.0, Some(150.0)));
        let near =
            |found: Option<f64>, wanted: f64| found.is_some_and(|found| (found / wanted - 1.0).abs() < 0.01);
        assert!(near(figures.latency_p50_ms, 50.0) && near(figures.latency_p99_ms, 99.0), "{figures:?}");
        assert_eq!(meter.take(Duration::from_secs(180)), Figures::default());
    }

    #[test]
    fn memory_is_read() {
        let cases = [
            ("VmSize:\t  100 kB\nVmRSS:\t    2048 kB\nVmData: 1 kB\n", Some(2 << 20)),
            ("VmRSS:\t kB\n", None),
            ("VmRSS:\t 99999999999999999999 kB\n", None),
            ("", None),
        ];
        let failures: Vec<_> = cases.iter().filter(|(text, wanted)| resident_in(text) != *wanted).collect();
        assert!(failures.is_empty(), "{failures:?}");
        if cfg!(target_os = "linux") {
            assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000));
        }
    }
}
