//! Shares of the classes as comma-separated values (RFC 4180), a line a mask.

use std::fmt::Write;
use std::path::Path;

use super::output::Output;
use super::selection::Selection;
use super::{ExportError, Exporter, StoredMask, annotations};

/// A table in the making: place in the store, frame, times, and shares of the pixels from 0 to 1. Its last column, where
/// all classes are exported, is the share of ids that no class has.
pub(super) struct Shares {
    output: Output,
    columns: Vec<u8>,
    /// Whether there is a column for all other ids.
    others: bool,
}

impl Shares {
    /// Begins the file `out`.
    ///
    /// # Errors
    /// Those of [`Output::create`].
    pub(super) fn create(out: &Path, selection: Selection, overwrite: bool) -> Result<Shares, ExportError> {
        let mut output = Output::create(out, overwrite, "shares.csv")?;
        let (columns, others) = (selection.listed(), selection.is_all());
        let mut head = "sequence,frame,time_s,monotonic_s,captured_utc".to_owned();
        for &id in &columns {
            // Writing to a String cannot fail.
            let _ = write!(head, ",{}", field(&selection.name(id)));
        }
        head.push_str(if others { ",(no class)\n" } else { "\n" });
        output.put(head.as_bytes())?;
        Ok(Shares { output, columns, others })
    }
}

impl Exporter for Shares {
    fn put(&mut self, stored: &StoredMask) -> Result<(), ExportError> {
        let histogram = stored.mask.histogram();
        let total = stored.mask.data.len().max(1) as f64;
        let (frame, time_s) = (stored.meta.frame, stored.meta.time.as_secs_f64());
        let (monotonic_s, utc) = match annotations::captured(stored) {
            Some((monotonic_s, utc)) => (format!("{monotonic_s:.6}"), utc),
            None => Default::default(),
        };
        let mut line = format!("{},{frame},{time_s:.6},{monotonic_s},{utc}", stored.sequence);
        let mut rest: u64 = histogram.iter().sum();
        for &id in &self.columns {
            let count = histogram[usize::from(id)];
            rest -= count;
            let _ = write!(line, ",{:.6}", count as f64 / total);
        }
        if self.others {
            let _ = write!(line, ",{:.6}", rest as f64 / total);
        }
        line.push('\n');
        self.output.put(line.as_bytes())
    }

    fn finish(self: Box<Self>) -> Result<u64, ExportError> {
        self.output.finish()
    }
}

/// A name as one field.
fn field(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", name.replace('"', "\"\""));
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let cases = [("cat", "cat"), ("sea, river", "\"sea, river\""), ("12\" pipe", "\"12\"\" pipe\"")];
        let wrong: Vec<_> = cases.into_iter().filter(|(name, want)| field(name) != *want).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
