//! The results of a sweep in one table, and means of them over two settings.

use std::collections::BTreeMap;

use serde_json::Value;

/// Options and their values.
pub type Settings = Vec<(String, String)>;

/// A complete run.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Option and value.
    pub settings: Settings,
    /// Every number of `result.json`, by its place there: `test.mean_iou`, `test.iou.cat`, `seconds`.
    pub scores: BTreeMap<String, f64>,
}

/// All complete runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Options that occur, in their order.
    pub options: Vec<String>,
    /// Scores that occur, by name.
    pub scores: Vec<String>,
    /// The runs.
    pub rows: Vec<Row>,
}

/// Means of a score over all runs that have the same two settings.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// The option down, and its values.
    pub rows: (String, Vec<String>),
    /// The option across, and its values.
    pub columns: (String, Vec<String>),
    /// Mean and number of runs, `[rows][columns]`; `None` without a run.
    pub cells: Vec<Vec<Option<(f64, usize)>>>,
    /// The score's name.
    pub score: String,
}

/// Scores in the order in which they are shown where none is asked for.
const USUAL: [&str; 4] = ["test.mean_iou", "test.accuracy", "val.mean_iou", "val.accuracy"];

impl Table {
    /// A table of settings and results.
    pub fn new(results: Vec<(Settings, Value)>) -> Table {
        let (mut options, mut scores): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        let mut rows = Vec::new();
        for (settings, result) in results {
            for (option, _) in &settings {
                if !options.contains(option) {
                    options.push(option.clone());
                }
            }
            let mut numbers = BTreeMap::new();
            flatten("", &result, &mut numbers);
            gains(&mut numbers);
            scores.extend(numbers.keys().filter(|key| !scores.contains(key)).cloned().collect::<Vec<_>>());
            rows.push(Row { settings, scores: numbers });
        }
        scores.sort();
        let order = |row: &Row| -> Vec<Natural> {
            options.iter().map(|option| natural(row.setting(option).unwrap_or_default())).collect()
        };
        rows.sort_by(|a, b| order(a).partial_cmp(&order(b)).unwrap_or(std::cmp::Ordering::Equal));
        Table { options, scores, rows }
    }

    /// The table as CSV (RFC 4180): a column an option, then a column a score.
    pub fn csv(&self) -> String {
        let header: Vec<String> = self.options.iter().chain(&self.scores).map(|name| field(name)).collect();
        let mut csv = header.join(",") + "\n";
        for row in &self.rows {
            let settings = self.options.iter().map(|option| field(row.setting(option).unwrap_or_default()));
            let number = |score: &String| row.scores.get(score).map(f64::to_string).unwrap_or_default();
            let cells: Vec<String> = settings.chain(self.scores.iter().map(number)).collect();
            csv += &(cells.join(",") + "\n");
        }
        csv
    }

    /// The score to show where none is asked for: mean IoU or accuracy on the test split, else on val.
    pub fn usual_score(&self) -> Option<&str> {
        USUAL.into_iter().find(|usual| self.scores.iter().any(|score| score == usual))
    }

    /// The two options of a heat map where none are asked for: the first two, other than the seed, that take several
    /// values; one of them where there are no two.
    pub fn usual_axes(&self) -> Option<(&str, &str)> {
        let varying = self.options.iter().filter(|option| self.values(option).len() > 1);
        let (seeds, mut axes): (Vec<&String>, Vec<&String>) = varying.partition(|option| *option == "seed");
        axes.extend(seeds);
        let mut axes = axes.into_iter();
        let first = axes.next().or(self.options.first())?;
        Some((first, axes.next().unwrap_or(first)))
    }

    /// Means of `score` over all runs with the same values of the options `rows` and `columns`. Where both are the same
    /// option, the map has one row.
    pub fn heat_map(&self, rows: &str, columns: &str, score: &str) -> HeatMap {
        let down = if rows == columns { vec![String::new()] } else { self.values(rows) };
        let across = self.values(columns);
        let mean = |down: &str, across: &str| {
            let is_in = |row: &&Row| {
                (rows == columns || row.setting(rows) == Some(down)) && row.setting(columns) == Some(across)
            };
            let scores: Vec<f64> =
                self.rows.iter().filter(is_in).filter_map(|row| row.scores.get(score)).copied().collect();
            (!scores.is_empty()).then(|| (scores.iter().sum::<f64>() / scores.len() as f64, scores.len()))
        };
        let cells =
            down.iter().map(|down| across.iter().map(|across| mean(down, across)).collect()).collect();
        let name = if rows == columns { String::new() } else { rows.to_owned() };
        HeatMap { rows: (name, down), columns: (columns.to_owned(), across), cells, score: score.to_owned() }
    }

    /// The values of an option, numbers by size.
    fn values(&self, option: &str) -> Vec<String> {
        let mut values: Vec<String> =
            self.rows.iter().filter_map(|row| row.setting(option)).map(str::to_owned).collect();
        values.sort_by(|a, b| natural(a).partial_cmp(&natural(b)).unwrap_or(std::cmp::Ordering::Equal));
        values.dedup();
        values
    }
}

impl Row {
    fn setting(&self, option: &str) -> Option<&str> {
        self.settings.iter().find(|(name, _)| name == option).map(|(_, value)| value.as_str())
    }
}

/// Numbers by size, before words by letter.
type Natural = (bool, f64, String);

fn natural(value: &str) -> Natural {
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() => (false, number, value.to_owned()),
        _ => (true, 0.0, value.to_owned()),
    }
}

/// Numbers by their path; `[["cat", 0.9], ...]` is read as `{"cat": 0.9, ...}`.
fn flatten(path: &str, value: &Value, numbers: &mut BTreeMap<String, f64>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Number(number) => drop(number.as_f64().map(|number| numbers.insert(path.to_owned(), number))),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| flatten(&below(name), value, numbers))
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                match item.as_array().map(Vec::as_slice) {
                    Some([Value::String(name), value]) => flatten(&below(name), value, numbers),
                    _ => flatten(&below(&place.to_string()), item, numbers),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// What a student's teacher has brought: its usual scores less its control's, as `gain.test.accuracy`.
fn gains(numbers: &mut BTreeMap<String, f64>) {
    for score in USUAL {
        let of = |name: &str| numbers.get(name).copied();
        if let (Some(student), Some(control)) = (of(score), of(&format!("control.{score}"))) {
            numbers.insert(format!("gain.{score}"), student - control);
        }
    }
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
