//! Sizes and times as people write them: `500MB`, `2GiB`, `10s`, `30d`.

use std::time::Duration;

const BYTES: [(&str, f64); 11] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("kiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
];

const SECONDS: [(&str, f64); 5] = [("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", 86_400.0)];

/// A size with its unit: B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024), to 2^53 bytes;
/// without a unit, bytes.
///
/// # Errors
/// What to write instead.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let form = "write a size such as \"500MB\" or \"2GiB\"";
    let text = text.trim();
    let text =
        if text.ends_with(|end: char| end.is_ascii_digit()) { format!("{text}B") } else { text.to_owned() };
    match scaled(&text, &BYTES) {
        Some(bytes) if bytes <= 2f64.powi(53) => Ok(bytes.round() as u64),
        Some(_) => Err(format!("is more than any disk holds; {form}")),
        None => Err(format!("is not a size; {form}")),
    }
}

/// A time with its unit, to 100,000 days: ms, s, min, h or d.
///
/// # Errors
/// What to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let form = "write a time such as \"10s\", \"5min\", \"1h\" or \"30d\"";
    match scaled(text.trim(), &SECONDS) {
        Some(seconds) if seconds <= 100_000.0 * 86_400.0 => Ok(Duration::from_secs_f64(seconds)),
        Some(_) => Err(format!("is longer than 100000 days; {form}")),
        None => Err(format!("is not a time; {form}")),
    }
}

/// The number before a unit, times that unit; `None` for anything else, and for numbers below 0.
fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let number_end = text.find(|part: char| !part.is_ascii_digit() && part != '.' && part != '_')?;
    let (number, unit) = text.split_at(number_end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    // TOML's own numbers may be written with underscores too.
    number.replace('_', "").parse::<f64>().ok().map(|number| number * factor)
}

/// A size for messages, with the unit that divides it.
pub fn say_bytes(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let tens = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    let whole = units.iter().chain(&tens).find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{}{name}", bytes / unit))
}

/// A time for messages, with the unit that divides it.
pub fn say_duration(time: Duration) -> String {
    let millis = time.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
    let whole = units.iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}
