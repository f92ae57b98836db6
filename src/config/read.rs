//! From a file's text to a checked configuration.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::check;
use super::error::ConfigError;
use super::keys::{KEYS, Key};
use super::nearest::nearest;
use super::sections::Config;
use super::value::Wrong;

/// The largest file that is read; a configuration is a page.
const BYTES_MAX: u64 = 1 << 20;

/// Where keys stand in the file: the line of each that is given, by name.
pub type Lines = BTreeMap<&'static str, usize>;

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, or says something that cannot be done.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let file = path.display().to_string();
        let unreadable = |source| ConfigError::Unreadable { file: file.clone(), source };
        let text = read_text(path).map_err(unreadable)?;
        Config::parse(&text, &file)
    }

    /// Checks a file's text; `name` is what messages call the file.
    ///
    /// # Errors
    /// As [`Config::read`]; the first thing that is wrong, by line.
    pub fn parse(text: &str, name: &str) -> Result<Config, ConfigError> {
        let document = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            // The parser's words may take several lines; a message is one.
            let reason = error.message().lines().map(str::trim).collect::<Vec<_>>().join(", ");
            ConfigError::Syntax { file: name.to_owned(), line, reason }
        })?;
        let mut reader =
            Reader { text, name, config: Config::default(), lines: Lines::new(), wrong: Vec::new() };
        reader.document(document.get_ref());
        let Reader { config, lines, mut wrong, .. } = reader;
        if wrong.is_empty() {
            wrong = check(&config, &lines)
                .into_iter()
                .map(|(key, reason)| {
                    let line = lines.get(key).copied().unwrap_or(1);
                    ConfigError::Value { file: name.to_owned(), line, key: key.to_owned(), reason }
                })
                .collect();
        }
        match wrong.into_iter().min_by_key(ConfigError::line) {
            Some(first) => Err(first),
            None => Ok(config),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    name: &'a str,
    config: Config,
    lines: Lines,
    wrong: Vec<ConfigError>,
}

impl Reader<'_> {
    fn document(&mut self, document: &DeTable) {
        for (section, value) in document {
            let keys: Vec<&Key> = KEYS.iter().filter(|key| split(key.name).0 == section.get_ref()).collect();
            match value.get_ref() {
                _ if keys.is_empty() => self.unknown_section(section, value),
                DeValue::Table(table) => self.section(table, &keys),
                _ => {
                    let wrong = Wrong::from(format!(
                        "is a section; write [{}] on a line of its own",
                        section.get_ref()
                    ));
                    self.wrong_value(&format!("[{}]", section.get_ref()), section.span().start, wrong);
                }
            }
        }
    }

    fn section(&mut self, table: &DeTable, keys: &[&Key]) {
        for (name, value) in table {
            match keys.iter().find(|key| split(key.name).1 == name.get_ref()) {
                Some(key) => {
                    self.lines.insert(key.name, line_of(self.text, name.span().start));
                    if let Err(wrong) = (key.read)(&mut self.config, value) {
                        self.wrong_value(key.name, value.span().start, wrong);
                    }
                }
                None => {
                    let section = split(keys[0].name).0;
                    self.unknown_key(section, name);
                }
            }
        }
    }

    fn unknown_section(&mut self, section: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue>) {
        let name = section.get_ref().as_ref();
        // Outside all sections a key is at the wrong place more often than wrongly written.
        let (key, nearest) = if value.get_ref().is_table() {
            let known = nearest(name, KEYS.iter().map(|key| split(key.name).0));
            (format!("section [{name}]"), known.map(|known| format!("[{known}]")))
        } else {
            (format!("key {name} outside a section"), nearest_key("", name))
        };
        self.unknown(section.span().start, key, nearest);
    }

    fn unknown_key(&mut self, section: &str, name: &Spanned<impl AsRef<str>>) {
        let word = name.get_ref().as_ref();
        let nearest = nearest_key(section, word);
        self.unknown(name.span().start, format!("key {section}.{word}"), nearest);
    }

    fn unknown(&mut self, offset: usize, key: String, nearest: Option<String>) {
        let line = line_of(self.text, offset);
        self.wrong.push(ConfigError::UnknownKey { file: self.name.to_owned(), line, key, nearest });
    }

    fn wrong_value(&mut self, key: &str, offset: usize, wrong: Wrong) {
        let line = line_of(self.text, wrong.span.map_or(offset, |span| span.start));
        let key = wrong.inside.map_or(key.to_owned(), |inside| format!("{key}.{inside}"));
        self.wrong.push(ConfigError::Value { file: self.name.to_owned(), line, key, reason: wrong.reason });
    }
}

/// The text of a regular file of at most [`BYTES_MAX`] bytes. Anything else could be read for ever: a pipe that nobody
/// writes to holds up a running camera that reads its configuration again.
fn read_text(path: &Path) -> io::Result<String> {
    let no_wait = OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(no_wait).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    // Its length may have changed since it was asked for.
    file.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(io::Error::other("it has more than 1 MiB, so it is no configuration"));
    }
    Ok(text)
}

/// The known key that `word` resembles: one of its section, or else one of the same name elsewhere.
fn nearest_key(section: &str, word: &str) -> Option<String> {
    let here = KEYS.iter().map(|key| split(key.name)).filter(|key| key.0 == section).map(|key| key.1);
    let elsewhere = KEYS.iter().find(|key| split(key.name).1 == word);
    match (nearest(word, here), elsewhere) {
        (Some(key), _) => Some(format!("{section}.{key}")),
        (None, Some(key)) => Some(key.name.to_owned()),
        (None, None) => {
            let near = nearest(word, KEYS.iter().map(|key| split(key.name).1))?;
            KEYS.iter().find(|key| split(key.name).1 == near).map(|key| key.name.to_owned())
        }
    }
}

/// Section and name.
fn split(key: &'static str) -> (&'static str, &'static str) {
    key.split_once('.').unwrap_or((key, ""))
}

/// The line of an offset in bytes, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|&&byte| byte == b'\n').count()
}
