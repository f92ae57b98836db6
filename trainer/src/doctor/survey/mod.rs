//! What a data set on disk consists of, found without stopping at what is broken.

mod classes;
mod decode;
mod masks;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sedge::onnx::Task;

use super::DoctorError;
use super::finding::{Kind, Trouble};
use crate::data::{Example, Examples};

/// The names of splits that training asks for.
const SPLITS: [&str; 3] = ["train", "val", "test"];

/// The folders of splits in the order of [`SPLITS`], others after them: what is found twice is told of the later one.
fn in_order<'a>(splits: impl Iterator<Item = &'a PathBuf>) -> Vec<&'a PathBuf> {
    let mut splits: Vec<&PathBuf> = splits.collect();
    splits.sort_by_key(|path| SPLITS.iter().position(|split| *split == name(path)).unwrap_or(SPLITS.len()));
    splits
}

/// Where a picture's bytes are.
pub enum Picture {
    /// An encoded picture in a file of its own.
    File(PathBuf),
    /// An encoded picture within a larger file.
    Part {
        /// The file.
        file: Arc<File>,
        /// Where it begins, in bytes.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// Decoded by the reader of its format.
    Example(Arc<dyn Examples>, usize),
}

impl Picture {
    /// The bytes of an encoded picture; `None` for one that comes decoded.
    ///
    /// # Errors
    /// What the system says.
    pub fn bytes(&self) -> Option<io::Result<Vec<u8>>> {
        match self {
            Picture::File(path) => Some(fs::read(path)),
            Picture::Part { file, offset, length } => {
                let mut bytes = vec![0; usize::try_from(*length).unwrap_or(0)];
                Some(file.read_exact_at(&mut bytes, *offset).map(|()| bytes))
            }
            Picture::Example(..) => None,
        }
    }

    /// The picture where it comes decoded.
    pub fn example(&self) -> Option<Result<Example, String>> {
        let Picture::Example(examples, index) = self else { return None };
        Some(examples.example(*index).map_err(|error| error.to_string()))
    }
}

/// What a picture is labelled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Label {
    /// A mask, and its name within the data set.
    Mask(PathBuf, String),
    /// The place of a class in the list.
    Class(usize),
    /// Nothing, which is a trouble that is told already.
    Missing,
}

/// A picture and its label.
pub struct Item {
    /// The place of its split in the list.
    pub split: usize,
    /// Its name within the data set, such as `train/images/a.jpg`.
    pub name: String,
    /// The picture.
    pub picture: Picture,
    /// The label.
    pub label: Label,
}

/// A data set as found.
pub struct Survey {
    /// Masks or classes.
    pub task: Task,
    /// Names of the classes; none where META.json does not say.
    pub classes: Vec<String>,
    /// The label that counts neither way.
    pub ignore: Option<u8>,
    /// The size that META.json promises.
    pub size: Option<[u32; 2]>,
    /// Names of the splits.
    pub splits: Vec<String>,
    /// The pictures, split by split.
    pub items: Vec<Item>,
    /// What is wrong already.
    pub troubles: Vec<Trouble>,
}

impl Survey {
    fn new(task: Task) -> Survey {
        let (classes, splits, items, troubles) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Survey { task, classes, ignore: None, size: None, splits, items, troubles }
    }

    /// Lists the data set in `folder`.
    ///
    /// # Errors
    /// [`DoctorError::Unknown`] where it is no data set of a known form, [`DoctorError::Disk`] where the folder itself
    /// cannot be read.
    pub fn of(folder: &Path) -> Result<Survey, DoctorError> {
        let entries = listing(folder)?;
        let folders: Vec<&PathBuf> = entries.iter().filter(|path| path.is_dir()).collect();
        let has_masks = |path: &Path| path.join("masks").is_dir() || path.join("images").is_dir();
        let mut survey = if folder.join("META.json").exists() || folders.iter().any(|path| has_masks(path)) {
            masks::survey(folder, &folders)?
        } else {
            classes::survey(folder, &entries)?
        };
        survey.check_splits();
        Ok(survey)
    }

    fn check_splits(&mut self) {
        for (split, name) in self.splits.iter().enumerate() {
            if !self.items.iter().any(|item| item.split == split) {
                self.troubles.push(Trouble::new(Kind::SplitEmpty, name, ""));
            }
        }
        let missing: Vec<&str> =
            SPLITS.into_iter().filter(|name| !self.splits.iter().any(|split| split == name)).collect();
        if !missing.is_empty() {
            let detail = format!("no {}; there are: {}", missing.join(", "), self.splits.join(", "));
            let trouble = Trouble::new(Kind::Splits, "", detail);
            let is_trainable = !missing.contains(&"train");
            let severity = if is_trainable { trouble.severity } else { super::Severity::Warning };
            self.troubles.push(trouble.rated(severity));
        }
    }
}

/// What is in a folder and not hidden, in natural order.
fn listing(folder: &Path) -> Result<Vec<PathBuf>, DoctorError> {
    let disk = |source| DoctorError::Disk { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(disk)? {
        let entry = entry.map_err(disk)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    // Numbers within names by their value, so that frame 9 comes before frame 10.
    paths.sort_by_cached_key(|path| natural(&name(path)));
    Ok(paths)
}

fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = vec![(String::new(), 0_u64)];
    for character in name.chars() {
        let last = parts.len() - 1;
        match character.to_digit(10) {
            Some(digit) => {
                parts[last].1 = parts[last].1.saturating_mul(10).saturating_add(u64::from(digit) + 1)
            }
            None if parts[last].1 > 0 => parts.push((character.to_string(), 0)),
            None => parts[last].0.push(character),
        }
    }
    parts
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_picture(name: &str) -> bool {
    let ending = Path::new(name).extension().unwrap_or_default().to_string_lossy().to_lowercase();
    ["jpg", "jpeg", "png"].contains(&ending.as_str())
}
