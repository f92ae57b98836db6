//! Times as ISO 8601 writes them.

/// Unix time in microseconds as `2026-05-31T09:26:53.589793Z`; years beyond four digits get a sign, as the standard
/// has it for expanded years.
pub fn utc(wall_us: i64) -> String {
    let (seconds, microseconds) = (wall_us.div_euclid(1_000_000), wall_us.rem_euclid(1_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let year = if (0..10_000).contains(&year) { format!("{year:04}") } else { format!("{year:+07}") };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{microseconds:06}Z")
}

/// Year, month and day of the proleptic Gregorian calendar, `days` after 1970-01-01. Years are counted from 1 March, so
/// that the leap day is their last: a month then begins (153 month + 2) / 5 days after the year.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (400 * era + year_of_era + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_calendar() {
        // From `date -u -d @SECONDS +%FT%TZ`.
        let cases = [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (951_868_799_000_001, "2000-02-29T23:59:59.000001Z"),
            (1_709_251_199_000_000, "2024-02-29T23:59:59.000000Z"),
            (1_709_251_200_000_000, "2024-03-01T00:00:00.000000Z"),
            (1_780_219_613_589_793, "2026-05-31T09:26:53.589793Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
            (253_402_300_799_000_000, "9999-12-31T23:59:59.000000Z"),
            (253_402_300_800_000_000, "+010000-01-01T00:00:00.000000Z"),
            (-62_167_219_200_000_001, "-000001-12-31T23:59:59.999999Z"),
        ];
        let wrong: Vec<_> = cases.into_iter().filter(|&(wall_us, text)| utc(wall_us) != text).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
