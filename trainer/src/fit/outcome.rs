//! What a complete run says of itself.

use serde::{Deserialize, Serialize};

use super::record::json;
use super::{FitError, Folder, Scores, write_atomic};

/// What a complete run came to; `result.json` holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Epochs done; fewer than asked for after an early stop.
    pub epochs: usize,
    /// The epoch whose weights were kept, from 1.
    pub best_epoch: usize,
    /// Its scores on the split that chose it; a segmenter's at the images' own sizes.
    pub val: Scores,
    /// Its scores on the test split, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Scores>,
    /// SHA-256 of `model.onnx`.
    pub model_sha256: String,
    /// Seconds of training and validation.
    pub seconds: f64,
}

/// Writes `result.json`, which says that the run is complete.
pub(crate) fn write_result(folder: &Folder, result: &impl Serialize) -> Result<(), FitError> {
    let path = folder.result();
    write_atomic(&path, format!("{:#}\n", json(result, &path)?).as_bytes())
}

/// What `result.json` holds; `None` where the run is not complete.
pub(crate) fn read_result<T: serde::de::DeserializeOwned>(folder: &Folder) -> Result<Option<T>, FitError> {
    let path = folder.result();
    match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FitError::file(&path)(error)),
        // One of another version of the program is made anew.
        Ok(text) => Ok(serde_json::from_str(&text).ok()),
    }
}
