//! Percentiles of latencies in constant memory, so that a run may go on for months.

use std::time::Duration;

/// Buckets to a doubling: a bucket is 1.1 % wide.
const BUCKETS_PER_OCTAVE: f64 = 64.0;
/// From 1 microsecond to 2^32 of them, 72 minutes; what is longer counts as that.
const BUCKETS: usize = 32 * BUCKETS_PER_OCTAVE as usize;

/// A histogram of durations with logarithmic buckets.
#[derive(Clone, Debug)]
pub struct Latency {
    counts: Vec<u64>,
    count: u64,
    total: Duration,
    max: Duration,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency { counts: vec![0; BUCKETS], count: 0, total: Duration::ZERO, max: Duration::ZERO }
    }
}

impl Latency {
    /// Counts one duration.
    pub fn add(&mut self, duration: Duration) {
        let micros = (duration.as_nanos() as f64 / 1e3).max(1.0);
        let bucket = (micros.log2() * BUCKETS_PER_OCTAVE) as usize;
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.count += 1;
        self.total += duration;
        self.max = self.max.max(duration);
    }

    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of all durations.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// The longest duration in milliseconds, exact.
    pub fn max_ms(&self) -> f64 {
        self.max.as_secs_f64() * 1e3
    }

    /// The duration in milliseconds that `percent` of all do not exceed, within 1 % above 1 microsecond; 0 without any.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        let rank = ((self.count as f64 * percent / 100.0).ceil() as u64).max(1);
        let mut passed = 0;
        for (bucket, &count) in self.counts.iter().enumerate() {
            passed += count;
            if count > 0 && passed >= rank {
                let middle_us = ((bucket as f64 + 0.5) / BUCKETS_PER_OCTAVE).exp2();
                return (middle_us / 1e3).min(self.max_ms());
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_one_percent() {
        let mut latency = Latency::default();
        for micros in 1..=100_000u64 {
            latency.add(Duration::from_micros(micros));
        }
        let cases = [(50.0, 50.0), (90.0, 90.0), (99.0, 99.0), (100.0, 100.0), (0.1, 0.1)];
        let failures: Vec<String> = cases
            .iter()
            .map(|&(percent, ms): &(f64, f64)| (percent, ms, latency.percentile_ms(percent)))
            .filter(|(_, ms, found)| (found / ms - 1.0).abs() > 0.01)
            .map(|case| format!("{case:?}"))
            .collect();
        assert!(failures.is_empty(), "{failures:?}");
        assert_eq!((latency.max_ms(), latency.count()), (100.0, 100_000));
    }

    #[test]
    fn extremes_are_counted() {
        let mut latency = Latency::default();
        assert_eq!(latency.percentile_ms(50.0), 0.0);
        latency.add(Duration::ZERO);
        latency.add(Duration::from_secs(1_000_000));
        assert_eq!(latency.count(), 2);
        assert_eq!(latency.percentile_ms(50.0), 1e-3 * (0.5f64 / 64.0).exp2());
    }
}
