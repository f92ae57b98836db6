//! What can be wrong with a configuration file, in words that name the place.

use std::io;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The system could not read the file.
    #[error("{file}: the configuration cannot be read: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{file}:{line}: this is not TOML: {reason}")]
    Syntax {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A section or a key that nobody reads.
    #[error("{file}:{line}: there is no {key}{}", suggestion(nearest))]
    UnknownKey {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The key with its section, as in `camera.width`, or a section, as in `[camera]`.
        key: String,
        /// The known one that it resembles.
        nearest: Option<String>,
    },
    /// A value of the wrong type or out of its range, or one that does not go with another.
    #[error("{file}:{line}: {key} {reason}")]
    Value {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The key with its section.
        key: String,
        /// What is wrong, and what to write.
        reason: String,
    },
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or(String::new(), |nearest| format!("; did you mean {nearest}?"))
}

impl ConfigError {
    /// The line, from 1, where the file could be read.
    pub fn line(&self) -> Option<usize> {
        match self {
            ConfigError::Unreadable { .. } => None,
            ConfigError::Syntax { line, .. }
            | ConfigError::UnknownKey { line, .. }
            | ConfigError::Value { line, .. } => Some(*line),
        }
    }
}
