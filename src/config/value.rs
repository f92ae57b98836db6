//! From a value of the file to a value of the configuration, or to words on what is wrong with it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::sections::{Control, Crop};
use super::units::{parse_bytes, parse_duration, say_bytes, say_duration};

/// A value in the file.
pub type Value<'a> = Spanned<DeValue<'a>>;

/// What is wrong with a value, and where in the file if not at its beginning.
#[derive(Debug, PartialEq)]
pub struct Wrong {
    pub reason: String,
    /// The part of the key after the one that was read, as in `camera.controls.NAME`.
    pub inside: Option<String>,
    pub span: Option<Range<usize>>,
}

impl From<String> for Wrong {
    fn from(reason: String) -> Wrong {
        Wrong { reason, inside: None, span: None }
    }
}

type Read<T> = Result<T, Wrong>;

/// What kind of value it is, for people.
fn kind(value: &Value) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

fn other(value: &Value, wanted: impl Display) -> Wrong {
    format!("is {}, but has to be {wanted}", kind(value)).into()
}

fn integer(value: &Value) -> Option<i64> {
    let integer = value.get_ref().as_integer()?;
    i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

fn in_range<T: PartialOrd>(given: T, range: &RangeInclusive<T>, say: impl Fn(&T) -> String) -> Read<T> {
    if range.contains(&given) {
        return Ok(given);
    }
    let reason =
        format!("is {}, but has to be from {} to {}", say(&given), say(range.start()), say(range.end()));
    Err(reason.into())
}

/// A whole number.
pub fn whole(value: &Value, range: RangeInclusive<i64>) -> Read<i64> {
    match (integer(value), value.get_ref()) {
        (Some(given), _) => in_range(given, &range, i64::to_string),
        (None, DeValue::Integer(_)) => Err("is too large a number".to_owned().into()),
        _ => Err(other(value, format_args!("a whole number from {} to {}", range.start(), range.end()))),
    }
}

/// A number with or without a point.
pub fn number(value: &Value, range: RangeInclusive<f64>) -> Read<f64> {
    let given = match value.get_ref() {
        DeValue::Float(float) => float.as_str().replace('_', "").parse().ok(),
        _ => integer(value).map(|given| given as f64),
    };
    match given {
        Some(given) => in_range(given, &range, f64::to_string),
        None => Err(other(value, format_args!("a number from {} to {}", range.start(), range.end()))),
    }
}

/// A number of seconds.
pub fn seconds(value: &Value, range: RangeInclusive<f64>) -> Read<Duration> {
    match value.get_ref() {
        DeValue::String(_) => Err(other(value, "a number of seconds, without a unit")),
        _ => number(value, range).map(Duration::from_secs_f64),
    }
}

pub fn switch(value: &Value) -> Read<bool> {
    value.get_ref().as_bool().ok_or_else(|| other(value, "true or false"))
}

/// A text that is not empty.
pub fn text(value: &Value) -> Read<String> {
    match value.get_ref().as_str().map(str::trim) {
        Some("") => Err("is empty; write a text, or leave the line out".to_owned().into()),
        Some(text) if text.contains('\0') => Err("holds a zero byte".to_owned().into()),
        Some(text) => Ok(text.to_owned()),
        None => Err(other(value, "a text in quotation marks")),
    }
}

pub fn path(value: &Value) -> Read<PathBuf> {
    text(value).map(PathBuf::from)
}

/// One of the words, each with what it stands for.
pub fn choice<T: Clone>(value: &Value, words: &[(&str, T)]) -> Read<T> {
    let given = text(value)?;
    match words.iter().find(|(word, _)| *word == given) {
        Some((_, meaning)) => Ok(meaning.clone()),
        None => {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            Err(format!("is \"{given}\", but has to be one of {}", words.join(", ")).into())
        }
    }
}

/// A size: a number of bytes, or a text with a unit.
pub fn bytes(value: &Value, range: RangeInclusive<u64>) -> Read<u64> {
    let given = match (integer(value), value.get_ref().as_str()) {
        (Some(given), _) => {
            u64::try_from(given).map_err(|_| Wrong::from("is below zero; write a size".to_owned()))?
        }
        (_, Some(text)) => parse_bytes(text)?,
        _ => return Err(other(value, "a size such as \"500MB\"")),
    };
    in_range(given, &range, |bytes| say_bytes(*bytes))
}

/// A time with a unit.
pub fn duration(value: &Value, range: RangeInclusive<Duration>) -> Read<Duration> {
    let Some(text) = value.get_ref().as_str() else {
        return Err(other(value, "a time with its unit such as \"10s\""));
    };
    in_range(parse_duration(text)?, &range, |time| say_duration(*time))
}

/// One of the words, or a time.
pub fn word_or_duration<T: Clone>(
    value: &Value,
    words: &[(&str, T)],
    range: RangeInclusive<Duration>,
    meaning: impl Fn(Duration) -> T,
) -> Read<T> {
    match value.get_ref().as_str().and_then(|text| words.iter().find(|(word, _)| *word == text.trim())) {
        Some((_, word)) => Ok(word.clone()),
        None => duration(value, range).map(meaning).map_err(|wrong| {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            format!("{} (or {})", wrong.reason, words.join(" or ")).into()
        }),
    }
}

/// A list of texts, each once.
pub fn texts(value: &Value) -> Read<Vec<String>> {
    let Some(list) = value.get_ref().as_array() else {
        return Err(other(value, "a list such as [\"person\", \"dog\"]"));
    };
    let mut texts = Vec::new();
    for item in list.iter() {
        let given = text(item).map_err(|wrong| Wrong {
            reason: format!("holds an item that {}", wrong.reason),
            inside: None,
            span: Some(item.span()),
        })?;
        if texts.contains(&given) {
            return Err(format!("names \"{given}\" twice").into());
        }
        texts.push(given);
    }
    Ok(texts)
}

/// `[x, y, width, height]`
pub fn crop(value: &Value) -> Read<Crop> {
    let form = "a list of four whole numbers, [x, y, width, height]";
    let Some(list) = value.get_ref().as_array() else { return Err(other(value, form)) };
    let numbers: Vec<i64> = list.iter().filter_map(integer).collect();
    match (list.len(), numbers[..].try_into().map(|numbers: [i64; 4]| numbers.map(u32::try_from))) {
        (4, Ok([Ok(x), Ok(y), Ok(width @ 1..), Ok(height @ 1..)])) => Ok(Crop { x, y, width, height }),
        (4, Ok(_)) => Err("has to have x and y from 0, and a width and a height from 1".to_owned().into()),
        _ => Err(format!("has to be {form}").into()),
    }
}

/// Names with a number or a switch each.
pub fn controls(value: &Value) -> Read<BTreeMap<String, Control>> {
    let Some(table) = value.get_ref().as_table() else {
        return Err(other(value, "a section, [camera.controls]"));
    };
    let entry = |(name, value): (&Spanned<_>, &Value)| {
        let name: &std::borrow::Cow<str> = name.get_ref();
        let control = match value.get_ref() {
            DeValue::Boolean(on) => Some(Control::Switch(*on)),
            _ => integer(value).map(Control::Number),
        };
        match control {
            Some(control) => Ok((name.to_string(), control)),
            None => Err(Wrong {
                inside: Some(name.to_string()),
                span: Some(value.span()),
                ..other(value, "a whole number, true or false")
            }),
        }
    };
    table.iter().map(entry).collect()
}
