//! The report as text for a terminal.

use std::fmt::{self, Display, Formatter, Write};

use super::finding::{Finding, Severity};
use super::report::{Report, SplitLine};

/// Characters a line of running text.
const WIDTH: usize = 100;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f, "{}", self.folder)?;
        for split in &self.splits {
            writeln!(f, "  {}", describe(split))?;
        }
        self.write_classes(f)?;
        for finding in &self.findings {
            writeln!(f)?;
            write_finding(f, finding)?;
        }
        writeln!(f, "\n{}", self.verdict())
    }
}

/// A split in a line.
pub(super) fn describe(split: &SplitLine) -> String {
    let mut line = format!("{}: {} pictures", split.name, split.pictures);
    let sizes: Vec<String> = split.sizes.iter().map(|(size, number)| format!("{number} of {size}")).collect();
    let more = split.sizes_in_all.saturating_sub(split.sizes.len());
    match (split.sizes_in_all, more) {
        (0, _) => {}
        (1, _) => line += &format!(" of {}", split.sizes[0].0),
        (_, 0) => line += &format!(", {}", sizes.join(", ")),
        (_, more) => line += &format!(", {}, and {more} other sizes", sizes.join(", ")),
    }
    if split.masks > 0 {
        line += &format!("; {} masks, {:.2} % of their pixels ignored", split.masks, 100.0 * split.ignored);
    }
    line
}

impl Report {
    /// The report's last line.
    pub fn verdict(&self) -> String {
        let number = |severity: Severity| {
            let number = self.number(severity);
            format!("{number} {}{}", severity.name(), if number == 1 { "" } else { "s" })
        };
        let counts = [Severity::Error, Severity::Warning, Severity::Note].map(number).join(", ");
        let verdict =
            if self.is_sound() { "ready to train on" } else { "correct the errors before training" };
        format!("{counts}: {verdict}")
    }

    fn write_classes(&self, f: &mut Formatter) -> fmt::Result {
        if self.classes.is_empty() {
            return Ok(());
        }
        let name = self.classes.iter().map(|class| class.name.chars().count()).max().unwrap_or(0).max(5);
        write!(f, "\n  {:>3}  {:name$}", "id", "class")?;
        for split in &self.splits {
            write!(f, "  {:>20}", split.name.chars().take(20).collect::<String>())?;
        }
        writeln!(f)?;
        for class in &self.classes {
            write!(f, "  {:>3}  {:name$}", class.id, class.name)?;
            for count in &class.splits {
                let mut cell = format!("{:.2} %", 100.0 * count.share);
                if self.ignore.is_some_and(|ignore| usize::from(ignore) == class.id) {
                    cell = "ignored".into();
                }
                write!(cell, " in {}", count.pictures)?;
                write!(f, "  {cell:>20}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn write_finding(f: &mut Formatter, finding: &Finding) -> fmt::Result {
    let Finding { severity, kind, title, count, examples, advice } = finding;
    writeln!(f, "{}: {title}: {count} [{}]", severity.name(), kind.code())?;
    for example in examples {
        match (example.place.as_str(), example.detail.as_str()) {
            ("", detail) => writeln!(f, "    {detail}")?,
            (place, "") => writeln!(f, "    {place}")?,
            (place, detail) => writeln!(f, "    {place}: {detail}")?,
        }
    }
    if *count > examples.len() && !examples.is_empty() {
        writeln!(f, "    ... and {} more", count - examples.len())?;
    }
    for line in wrapped(advice) {
        writeln!(f, "  {line}")?;
    }
    Ok(())
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < WIDTH - 2 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
