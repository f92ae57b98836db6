//! `run.json`: everything that repeats a run.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{FitError, Folder, Options, write_atomic};

/// The commit that this program was built from, with `-changed` where its sources differed; its version where there was no
/// repository.
pub const COMMIT: &str = env!("SEDGE_COMMIT");

/// What `run.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) program: String,
    /// Commit of the program, or its version where there is no repository.
    pub(super) commit: String,
    pub(super) libtorch: String,
    pub(super) command: Vec<String>,
    pub(super) options: Options,
    /// What the objective says of itself.
    pub(super) objective: Value,
    /// SHA-256 of the model before training.
    pub(super) model_sha256: String,
    pub(super) data: Data,
    pub(super) device: String,
    pub(super) threads: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Data {
    pub(super) name: String,
    pub(super) train_sha256: String,
    pub(super) val_sha256: String,
    pub(super) train_images: usize,
    pub(super) val_images: usize,
    pub(super) classes: Vec<String>,
}

impl Record {
    /// Writes the record, or compares it with the one that is there when a run is resumed: what decides the result must be
    /// the same.
    pub(super) fn keep(&self, folder: &Folder, resume: bool) -> Result<(), FitError> {
        let path = folder.record();
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return self.write(&path),
            text => text.map_err(FitError::file(&path))?,
        };
        if !resume {
            return Err(FitError::Occupied(folder.path().to_path_buf()));
        }
        let before: Value = serde_json::from_str(&text).map_err(|error| FitError::File {
            path: path.clone(),
            reason: std::io::Error::other(error.to_string()),
        })?;
        let now = json(self, &path)?;
        for part in ["options", "objective", "model_sha256", "data"] {
            if let Some((option, before, now)) = difference(part, &before[part], &now[part]) {
                return Err(FitError::OtherOptions { path, option, before, now });
            }
        }
        Ok(())
    }

    fn write(&self, path: &Path) -> Result<(), FitError> {
        write_atomic(path, format!("{:#}\n", json(self, path)?).as_bytes())
    }
}

/// A value as JSON, for the file `path`.
pub(super) fn json(value: &impl Serialize, path: &Path) -> Result<Value, FitError> {
    serde_json::to_value(value).map_err(|error| FitError::File {
        path: path.to_path_buf(),
        reason: std::io::Error::other(error.to_string()),
    })
}

/// The first part in which two values differ: its name and both.
fn difference(name: &str, before: &Value, now: &Value) -> Option<(String, String, String)> {
    match (before, now) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys());
            let part =
                |key: &String| (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
            keys.map(|key| (key, part(key))).find_map(|(key, (a, b))| difference(key, a, b))
        }
        _ if before == now => None,
        _ => Some((name.to_string(), before.to_string(), now.to_string())),
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_has_a_name() {
        let cases = [
            (json!({"a": 1, "b": {"c": [1, 2]}}), json!({"b": {"c": [1, 2]}, "a": 1}), None),
            (json!({"a": 1, "b": {"c": [1, 2]}}), json!({"a": 1, "b": {"c": [1, 3]}}), Some("c")),
            (json!({"a": 1}), json!({"a": 1, "new": true}), Some("new")),
            (json!(null), json!({"alpha": 1}), Some("objective")),
        ];
        for (before, now, expected) in cases {
            let found = difference("objective", &before, &now).map(|(name, ..)| name);
            assert_eq!(found.as_deref(), expected, "{before} {now}");
        }
    }
}
