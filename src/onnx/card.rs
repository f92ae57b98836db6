//! The model card: what a model needs and tells beside its graph, kept in the file's own metadata.
//!
//! Each part is a JSON text under its own key: `sedge.task`, `sedge.classes`, `sedge.labels`, `sedge.input`, `sedge.provenance`,
//! `sedge.quantization`. Tools that do not know them carry them along.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Model;
use crate::frame::InputRule;
use crate::mask::Class;

/// What a network does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// A class for every pixel.
    #[default]
    Segmentation,
    /// A class for the whole image.
    Classification,
}

/// Where a model came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provenance {
    /// Who made the weights, and where they were published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Licence of the weights, as an SPDX expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// What it was trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Seed of the training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Commit of the program that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// SHA-256 of the model file that it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_sha256: Option<String>,
    /// What its training measured, in percent, e.g. `test mean IoU`: of these weights, before any quantization after it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<String, f64>,
}

/// How a model was quantized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantization {
    /// How ranges were chosen, e.g. `percentile 99.99`.
    pub method: String,
    /// Type of the activations: `u8` or `s8`. Weights are always per-channel symmetric `s8`.
    pub activations: String,
    /// Number of calibration images.
    pub calibration_images: usize,
    /// SHA-256 over the calibration images, in order.
    pub calibration_sha256: String,
    /// What validation measured, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
}

/// The same figure of the float model and of its int8 model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// What was measured, e.g. `mIoU`.
    pub metric: String,
    /// The data set's folder name and split.
    pub data: String,
    /// Float model's figure in percent.
    pub float: f64,
    /// Int8 model's figure in percent.
    pub int8: f64,
}

/// Everything that travels with a model beside its graph.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Card {
    /// What the network does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// A segmenter's classes; the place in the list is the logits' channel and the id in masks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Class>,
    /// Names of a classifier's classes, in the order of its scores; synonyms are separated by commas.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// How a frame becomes its input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<InputRule>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// How it was quantized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantization: Option<Quantization>,
}

/// What is wrong with a card.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The card's file could not be read.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The card is not as this version of Sedge knows it.
    #[error("{place}: {reason}; see models/README.md for a card that is right")]
    Malformed {
        /// The file or metadata key.
        place: String,
        /// What was found.
        reason: String,
    },
}

impl Card {
    /// The card inside `model`; empty where the model has none.
    ///
    /// # Errors
    /// When a part of it cannot be read.
    pub fn of(model: &Model) -> Result<Card, CardError> {
        let card = Card {
            task: part(model, "task")?,
            classes: part(model, "classes")?.unwrap_or_default(),
            labels: part(model, "labels")?.unwrap_or_default(),
            input: part(model, "input")?,
            provenance: part(model, "provenance")?,
            quantization: part(model, "quantization")?,
        };
        card.check(&model.origin)?;
        Ok(card)
    }

    /// `MODEL.card.json` beside `MODEL.onnx`, where there is one.
    pub fn file_beside(model: &Path) -> Option<PathBuf> {
        let path = model.with_extension("card.json");
        path.exists().then_some(path)
    }

    /// The card of `model`, which was read from `path`: what the card beside the file says, and else the one inside.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn of_file(model: &Model, path: &Path) -> Result<Card, CardError> {
        let inside = Card::of(model)?;
        Ok(match Card::file_beside(path) {
            Some(beside) => Card::read(&beside)?.or(inside),
            None => inside,
        })
    }

    /// Reads a card from a JSON file with the fields of [`Card`].
    ///
    /// # Errors
    /// When the file cannot be read or is not a card.
    pub fn read(path: &Path) -> Result<Card, CardError> {
        let text = std::fs::read_to_string(path)
            .map_err(|reason| CardError::File { path: path.to_path_buf(), reason })?;
        let place = path.display().to_string();
        let card: Card = serde_json::from_str(&text)
            .map_err(|error| CardError::Malformed { place: place.clone(), reason: error.to_string() })?;
        card.check(&place)?;
        Ok(card)
    }

    /// Writes the card into `model`'s metadata, in place of the one it has.
    pub fn store(&self, model: &mut Model) {
        model.metadata.retain(|key, _| !key.starts_with("sedge."));
        store_part(&mut model.metadata, "task", &self.task);
        store_part(&mut model.metadata, "classes", &(!self.classes.is_empty()).then_some(&self.classes));
        store_part(&mut model.metadata, "labels", &(!self.labels.is_empty()).then_some(&self.labels));
        store_part(&mut model.metadata, "input", &self.input);
        store_part(&mut model.metadata, "provenance", &self.provenance);
        store_part(&mut model.metadata, "quantization", &self.quantization);
    }

    /// This card with the parts that it lacks taken from `other`.
    pub fn or(self, other: Card) -> Card {
        Card {
            task: self.task.or(other.task),
            classes: if self.classes.is_empty() { other.classes } else { self.classes },
            labels: if self.labels.is_empty() { other.labels } else { self.labels },
            input: self.input.or(other.input),
            provenance: self.provenance.or(other.provenance),
            quantization: self.quantization.or(other.quantization),
        }
    }

    fn check(&self, place: &str) -> Result<(), CardError> {
        let malformed = |reason: String| Err(CardError::Malformed { place: place.to_string(), reason });
        if let Some((index, class)) =
            self.classes.iter().enumerate().find(|(index, c)| c.id as usize != *index)
        {
            return malformed(format!("class {} has id {} at place {index}", class.name, class.id));
        }
        if let Some(Err(error)) = self.input.as_ref().map(InputRule::check) {
            return malformed(error.to_string());
        }
        Ok(())
    }
}

fn part<T: DeserializeOwned>(model: &Model, key: &str) -> Result<Option<T>, CardError> {
    let key = format!("sedge.{key}");
    let Some(text) = model.metadata.get(&key) else {
        return Ok(None);
    };
    serde_json::from_str(text).map(Some).map_err(|error| CardError::Malformed {
        place: format!("{}: metadata {key}", model.origin),
        reason: error.to_string(),
    })
}

fn store_part<T: Serialize>(metadata: &mut BTreeMap<String, String>, key: &str, part: &Option<T>) {
    if let Some(text) = part.as_ref().and_then(|part| serde_json::to_string(part).ok()) {
        metadata.insert(format!("sedge.{key}"), text);
    }
}
