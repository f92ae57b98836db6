//! Data sets on disk: pictures with masks, pictures in class folders, and which class of a model is which of the data.

mod matching;

pub use matching::{MatchError, Matching, match_classes};

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::mask::Mask;
use crate::mask::png::{self, PngError};

/// Endings of picture files, in small letters.
const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];

/// Why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// There is no META.json.
    #[error(
        "{} has no META.json: a data set holds META.json (with \"classes\", a list of names) and \
         {{train,val,test}}/{{images,masks}}",
        .0.display()
    )]
    NoMeta(PathBuf),
    /// META.json cannot be understood.
    #[error("{}: {reason}", path.display())]
    Meta {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// The split has no pictures.
    #[error("{} holds no pictures (.jpg, .jpeg or .png): give another data set or split", .0.display())]
    Empty(PathBuf),
    /// A picture has no mask.
    #[error("{} has no mask: {} is missing", image.display(), mask.display())]
    NoMask {
        /// The picture.
        image: PathBuf,
        /// Where its mask should be.
        mask: PathBuf,
    },
    /// A mask holds an id that is neither a class nor the ignore label.
    #[error(
        "{} holds class id {id}, but META.json names {classes} classes and ignores {ignore}: correct one of them",
        path.display()
    )]
    MaskId {
        /// The mask.
        path: PathBuf,
        /// The id.
        id: u8,
        /// Number of classes.
        classes: usize,
        /// The ignore label.
        ignore: u8,
    },
    /// A mask cannot be read as class ids.
    #[error("{}: {source}", path.display())]
    Mask {
        /// The mask.
        path: PathBuf,
        /// What is wrong with it.
        source: PngError,
    },
    /// The system refused.
    #[error("cannot read {}: {source}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> DatasetError {
    let path = path.to_owned();
    move |source| DatasetError::Disk { path, source }
}

/// What META.json says. Fields that it has besides are let be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Names of the classes; the place in the list is the id in masks.
    pub classes: Vec<String>,
    /// The id of pixels that count neither way.
    #[serde(default = "ignore_label")]
    pub ignore: u8,
    /// Width and height of the pictures, where they have one size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[u32; 2]>,
    /// Where the data come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The licence of the data.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "license")]
    pub licence: Option<String>,
}

fn ignore_label() -> u8 {
    255
}

/// A picture and its mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The picture: JPEG or PNG.
    pub image: PathBuf,
    /// The mask: an 8-bit PNG of class ids.
    pub mask: PathBuf,
}

/// A folder of pictures and masks: META.json and `{train,val,test}/{images,masks}`.
#[derive(Clone, Debug)]
pub struct Dataset {
    folder: PathBuf,
    meta: Meta,
}

impl Dataset {
    /// Opens a data set by its META.json.
    ///
    /// # Errors
    /// [`DatasetError::NoMeta`], [`DatasetError::Meta`] and [`DatasetError::Disk`].
    pub fn open(folder: &Path) -> Result<Dataset, DatasetError> {
        let path = folder.join("META.json");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DatasetError::NoMeta(folder.to_owned()));
            }
            other => other.map_err(disk(&path))?,
        };
        let wrong = |reason: String| DatasetError::Meta { path: path.clone(), reason };
        let meta: Meta = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(format!("{error}; expected JSON with \"classes\", a list of names")))?;
        if !(1..=256).contains(&meta.classes.len()) {
            return Err(wrong(format!(
                "\"classes\" has {} names, but 1 to 256 can be told apart",
                meta.classes.len()
            )));
        }
        Ok(Dataset { folder: folder.to_owned(), meta })
    }

    /// What META.json says.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The samples of a split ("train", "val", "test") in natural order of their names; each picture with the mask
    /// of its file stem. Masks without a picture are left out.
    ///
    /// # Errors
    /// [`DatasetError::Disk`] where the split's folder is missing, [`DatasetError::Empty`] without pictures and
    /// [`DatasetError::NoMask`] for a picture without a mask.
    pub fn split(&self, name: &str) -> Result<Vec<Sample>, DatasetError> {
        let (images, masks) = (self.folder.join(name).join("images"), self.folder.join(name).join("masks"));
        let pictures = pictures(&images)?;
        if pictures.is_empty() {
            return Err(DatasetError::Empty(images));
        }
        let sample = |image: PathBuf| {
            let mut file = image.file_stem().unwrap_or_default().to_owned();
            file.push(".png");
            let mask = masks.join(file);
            if mask.is_file() {
                Ok(Sample { image, mask })
            } else {
                Err(DatasetError::NoMask { image, mask })
            }
        };
        pictures.into_iter().map(sample).collect()
    }

    /// The mask of a sample; every id is a class or the ignore label.
    ///
    /// # Errors
    /// [`DatasetError::Disk`], [`DatasetError::Mask`] and [`DatasetError::MaskId`].
    pub fn read_mask(&self, sample: &Sample) -> Result<Mask, DatasetError> {
        let path = &sample.mask;
        let file = File::open(path).map_err(disk(path))?;
        let mask = png::read(BufReader::new(file))
            .map_err(|source| DatasetError::Mask { path: path.clone(), source })?;
        let (classes, ignore) = (self.meta.classes.len(), self.meta.ignore);
        let counts = mask.histogram();
        let strange =
            (0..=255).find(|&id: &u8| counts[id as usize] > 0 && id as usize >= classes && id != ignore);
        match strange {
            Some(id) => Err(DatasetError::MaskId { path: path.clone(), id, classes, ignore }),
            None => Ok(mask),
        }
    }
}

/// The pictures in a folder, in natural order; hidden files are left out.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let is_picture = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
        PICTURES.contains(&ending.as_str()) && path.is_file()
    };
    let mut files = listing(folder)?;
    files.retain(is_picture);
    Ok(files)
}

/// What is in a folder and not hidden, in natural order.
fn listing(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(disk(folder))? {
        let entry = entry.map_err(disk(folder))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    alphanumeric_sort::sort_path_slice(&mut paths);
    Ok(paths)
}

/// Pictures sorted into a folder for each class, `CLASS_NAME/*.jpg|png`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassificationFolder {
    /// Names of the classes: the folders, in natural order.
    pub classes: Vec<String>,
    /// Pictures and the place of their class in `classes`, class by class.
    pub samples: Vec<(PathBuf, usize)>,
}

impl ClassificationFolder {
    /// Lists the pictures of every class. A class folder may be empty; it keeps its place.
    ///
    /// # Errors
    /// [`DatasetError::Disk`], and [`DatasetError::Empty`] where no class has a picture.
    pub fn open(folder: &Path) -> Result<ClassificationFolder, DatasetError> {
        let (mut classes, mut samples) = (Vec::new(), Vec::new());
        for class in listing(folder)?.into_iter().filter(|path| path.is_dir()) {
            samples.extend(pictures(&class)?.into_iter().map(|picture| (picture, classes.len())));
            classes.push(class.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
        if samples.is_empty() {
            return Err(DatasetError::Empty(folder.to_owned()));
        }
        Ok(ClassificationFolder { classes, samples })
    }

    /// Number of pictures of each class.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts: BTreeMap<&str, usize> = self.classes.iter().map(|name| (name.as_str(), 0)).collect();
        for &(_, class) in &self.samples {
            *counts.entry(&self.classes[class]).or_default() += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests;
