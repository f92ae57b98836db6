//! A frame rate as the fraction that files store, and the time of a frame under it.

use std::time::Duration;

/// Frames per second as a fraction, both parts above 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    frames: u32,
    seconds: u32,
}

impl Rate {
    /// `frames` in `seconds`; `None` where either is 0, which files use for "unknown".
    pub(super) fn new(frames: u32, seconds: u32) -> Option<Rate> {
        (frames > 0 && seconds > 0).then_some(Rate { frames, seconds })
    }

    pub(super) fn fps(self) -> f64 {
        f64::from(self.frames) / f64::from(self.seconds)
    }
}

/// Time of a frame since frame 0, rounded down to a nanosecond. A stream without a rate counts as 1 frame a second.
pub(super) fn frame_time(number: u64, rate: Option<Rate>) -> Duration {
    let Some(rate) = rate else {
        return Duration::from_secs(number);
    };
    let (frames, units) = (u128::from(rate.frames), u128::from(number) * u128::from(rate.seconds));
    let seconds = u64::try_from(units / frames).unwrap_or(u64::MAX);
    let nanoseconds = (units % frames) * 1_000_000_000 / frames;
    Duration::new(seconds, nanoseconds as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::testing::report;

    #[test]
    fn times_follow_the_fraction() {
        let cases = [
            (0, Rate::new(10, 1), Duration::ZERO),
            (7, None, Duration::from_secs(7)),
            (3, Rate::new(10, 1), Duration::from_millis(300)),
            (30000, Rate::new(30000, 1001), Duration::from_secs(1001)),
            (1, Rate::new(30000, 1001), Duration::from_nanos(33_366_666)),
            (u64::MAX, Rate::new(1, u32::MAX), Duration::from_secs(u64::MAX)),
            (5, Rate::new(0, 1), Duration::from_secs(5)),
        ];
        report(cases.into_iter().filter_map(|(number, rate, want)| {
            let got = frame_time(number, rate);
            (got != want).then(|| format!("frame {number} at {rate:?}: {got:?}, not {want:?}"))
        }));
    }
}
