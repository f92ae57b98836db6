//! Store time: how long ago a mask was stored, on a board whose clock jumps.

use std::time::Duration;

use super::format::{Fields, nanoseconds};

/// Longest time without power that the wall's clock is believed.
pub(super) const OFF_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the store notes of itself with each record. The times of capture beside it are the caller's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub store_time: Duration,
    pub monotonic: Duration,
    pub wall_us: i64,
    /// Bytes written before in this day of store time.
    pub written_today_bytes: u64,
}

impl Stamp {
    pub(super) const BYTES: usize = 32;

    pub(super) fn encode(&self) -> [u8; Stamp::BYTES] {
        let times = [nanoseconds(self.store_time), nanoseconds(self.monotonic)];
        let fields = [times[0], times[1], self.wall_us as u64, self.written_today_bytes];
        let mut bytes = [0; Stamp::BYTES];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Stamp> {
        let (store_time, monotonic) = (fields.duration()?, fields.duration()?);
        Some(Stamp { store_time, monotonic, wall_us: fields.i64()?, written_today_bytes: fields.u64()? })
    }
}

/// The store's own clock; the rule is in the documentation of [`super`].
#[derive(Clone, Debug)]
pub(super) struct StoreTime {
    /// The last record of the run before.
    last: Stamp,
    /// What of the monotonic time has passed by the time of `last`.
    offset: Duration,
    /// Time without power since `last`, as far as it is believed.
    off: Duration,
}

impl StoreTime {
    /// The clock of a run that begins now after the record `last`; from zero without one.
    pub(super) fn new(last: Option<Stamp>, monotonic: Duration, wall_us: i64) -> StoreTime {
        let last = last.unwrap_or(Stamp { monotonic, wall_us, ..Stamp::default() });
        // A smaller monotonic time shows that the board has started anew since; a larger one may also do so, and then
        // at least the difference has passed all the same.
        let offset = if monotonic >= last.monotonic { last.monotonic } else { Duration::ZERO };
        StoreTime { last, offset, off: Duration::ZERO }
    }

    /// The store time now. It never goes back.
    pub(super) fn now(&mut self, monotonic: Duration, wall_us: i64) -> Duration {
        let powered = monotonic.saturating_sub(self.offset);
        let by_wall = wall_us.saturating_sub(self.last.wall_us);
        let by_wall = Duration::from_micros(u64::try_from(by_wall).unwrap_or(0));
        let off = by_wall.saturating_sub(powered);
        if off <= OFF_MAX {
            self.off = self.off.max(off);
        }
        self.last.store_time.saturating_add(powered).saturating_add(self.off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY as i64;

    #[test]
    fn store_time_in_hours_and_days() {
        // Store time, monotonic and wall time of the last record; then readings: monotonic, wall, expected store time,
        // all in seconds.
        type Case = (&'static str, (u64, u64, i64), Vec<(u64, i64, u64)>);
        let cases: Vec<Case> = vec![
            ("same start", (100, 50, 1000), vec![(60, 1010, 110), (70, 1020, 120)]),
            (
                "board started anew, clock kept running",
                (100, 50, 1000),
                vec![(10, 1500, 600), (20, 1510, 610)],
            ),
            ("anew, uptime longer than before", (100, 50, 1000), vec![(70, 1500, 600)]),
            (
                "anew, no battery clock, time never told",
                (100, 500, 90_000),
                vec![(10, 0, 110), (20, 10, 120)],
            ),
            (
                "anew, no battery clock, time told after a while",
                (100, 500, 90_000),
                vec![(10, 0, 110), (20, 90_000 + 5000, 5100), (30, 90_000 + 5010, 5110)],
            ),
            (
                "5 years forward",
                (100, 50, 0),
                vec![(60, 10, 110), (70, 5 * YEAR, 120), (80, 5 * YEAR + 10, 130)],
            ),
            ("1 hour back", (9000, 50, 9000), vec![(60, 9010, 9010), (70, 5420, 9020), (80, 5430, 9030)]),
            ("forward 1 h and back", (0, 0, 0), vec![(10, 3610, 3610), (20, 20, 3620)]),
            ("a year without power", (100, 50, 0), vec![(10, YEAR, 110)]),
            ("a weekend without power", (100, 50, 0), vec![(10, 2 * DAY as i64, 100 + 2 * DAY)]),
        ];
        let mut wrong = Vec::new();
        for (name, (store, monotonic, wall), readings) in cases {
            let seconds = Duration::from_secs;
            let last = Stamp {
                store_time: seconds(store),
                monotonic: seconds(monotonic),
                wall_us: wall * 1_000_000,
                written_today_bytes: 0,
            };
            let (start, start_wall, _) = readings[0];
            let mut time = StoreTime::new(Some(last), seconds(start), start_wall * 1_000_000);
            for (monotonic, wall, expected) in readings {
                let now = time.now(seconds(monotonic), wall * 1_000_000);
                if now != seconds(expected) {
                    wrong.push(format!("{name}, at {monotonic}: {now:?}, not {expected} s"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_first_run_begins_at_zero() {
        let mut time = StoreTime::new(None, Duration::from_secs(500), 0);
        assert_eq!(time.now(Duration::from_secs(510), 40 * YEAR * 1_000_000), Duration::from_secs(10));
    }
}
