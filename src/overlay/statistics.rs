//! The lines that say how a running camera fares: time, rate, storage, temperature.

use super::panel::Line;

/// What a display says of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics<'a> {
    /// Unix time in microseconds.
    pub wall_us: i64,
    /// Frames that become masks, per second.
    pub fps: f64,
    /// Frames that the camera gave and nobody took, since the start.
    pub dropped: u64,
    /// Bytes that the store takes.
    pub stored_bytes: u64,
    /// Bytes free on the store's disk, where they are known.
    pub free_bytes: Option<u64>,
    /// The board's temperature in degrees Celsius, where it is known.
    pub temperature_c: Option<f64>,
    /// What the store does, in a few words: "recording", "waiting for the card".
    pub store: &'a str,
    /// Whether the store cannot keep masks now; its line is then red.
    pub is_store_failing: bool,
}

/// The panel's lines. They stay under 21 characters where they can, which is what a display of 128 pixels shows.
pub(super) fn lines(statistics: &Statistics) -> Vec<Line> {
    let plain = |text: String| Line::new(None, text);
    let mut lines = vec![plain(utc(statistics.wall_us)), plain(rate(statistics))];
    let stored = size(statistics.stored_bytes);
    lines.push(plain(match statistics.free_bytes {
        Some(free) => format!("{stored}, {} free", size(free)),
        None => format!("{stored} stored"),
    }));
    lines.extend(statistics.temperature_c.map(|temperature| plain(format!("{temperature:.1} °C"))));
    if !statistics.store.is_empty() {
        let mut line = plain(statistics.store.to_owned());
        line.alarm = statistics.is_store_failing;
        lines.push(line);
    }
    lines
}

fn rate(statistics: &Statistics) -> String {
    match statistics.dropped {
        0 => format!("{:.1} fps", statistics.fps),
        dropped => format!("{:.1} fps, {dropped} lost", statistics.fps),
    }
}

/// Bytes with three digits or so, in powers of 1000.
fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes as f64 / 1000.0, 0);
    while value >= 999.5 && unit + 1 < units.len() {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    if value < 10.0 { format!("{value:.1} {}", units[unit]) } else { format!("{value:.0} {}", units[unit]) }
}

/// A Unix time in the Gregorian calendar, `2026-11-21 23:45:22Z`.
fn utc(wall_us: i64) -> String {
    let seconds = wall_us.div_euclid(1_000_000);
    let (mut day, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // From 1 March 2000: the leap day is then the last of a year, a century and 400 years.
    day -= 11_017;
    let (era, mut day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let century = (day / 36_524).min(3);
    day -= century * 36_524;
    let (four, mut day) = (day / 1461, day % 1461);
    let one = (day / 365).min(3);
    day -= one * 365;
    // Months from March alternate 31 and 30 days in groups of five: 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = 2000 + 400 * era + 100 * century + 4 * four + one + next;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_become_lines() {
        let all = Statistics {
            wall_us: 1_795_304_722_999_999,
            fps: 9.87,
            dropped: 12,
            stored_bytes: 1_234_000_000,
            free_bytes: Some(14_100_000_000),
            temperature_c: Some(54.27),
            store: "recording",
            is_store_failing: false,
        };
        let few = Statistics {
            dropped: 0,
            free_bytes: None,
            temperature_c: None,
            store: "waiting for /media/card",
            is_store_failing: true,
            ..all
        };
        let time = "2026-11-21 23:45:22Z";
        let cases: [(Statistics, &[&str]); 3] = [
            (all, &[time, "9.9 fps, 12 lost", "1.2 GB, 14 GB free", "54.3 °C", "recording"]),
            (few, &[time, "9.9 fps", "1.2 GB stored", "!waiting for /media/card"]),
            (Statistics::default(), &["1970-01-01 00:00:00Z", "0.0 fps", "0.0 kB stored"]),
        ];
        for (statistics, expected) in cases {
            let sign = |line: Line| if line.alarm { format!("!{}", line.text) } else { line.text };
            let got: Vec<String> = lines(&statistics).into_iter().map(sign).collect();
            assert_eq!(got, expected, "{statistics:?}");
        }
    }

    #[test]
    fn times_of_the_calendar() {
        // Seconds as `date -u -d @SECONDS` prints them.
        let cases = [
            (0, "1970-01-01 00:00:00Z"),
            (-1, "1969-12-31 23:59:59Z"),
            (951_782_399, "2000-02-28 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (951_868_800, "2000-03-01 00:00:00Z"),
            (1_709_164_800, "2024-02-29 00:00:00Z"),
            (1_735_689_599, "2024-12-31 23:59:59Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
            (-2_203_891_200, "1900-03-01 00:00:00Z"),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .map(|(seconds, expected)| (seconds, expected, utc(seconds * 1_000_000)))
            .filter(|(_, expected, got)| expected != got)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn sizes_keep_two_digits() {
        let cases = [
            (0, "0.0 kB"),
            (999, "1.0 kB"),
            (9_940, "9.9 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (64_000_000_000, "64 GB"),
            (3_000_000_000_000_000, "3000 TB"),
        ];
        let wrong: Vec<_> = cases.into_iter().filter(|&(bytes, expected)| size(bytes) != expected).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
