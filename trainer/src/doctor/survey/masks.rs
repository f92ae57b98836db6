//! A folder of pictures and masks: META.json and `SPLIT/{images,masks}`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sedge::dataset::{Dataset, DatasetError};
use sedge::onnx::Task;

use super::{Item, Label, Picture, SPLITS, Survey, in_order, is_picture, listing, name};
use crate::doctor::DoctorError;
use crate::doctor::finding::{Kind, Trouble};

/// Lists the splits among `folders`, each picture with the mask of its stem.
///
/// # Errors
/// [`DoctorError::Unknown`] where no split is there.
pub fn survey(folder: &Path, folders: &[&PathBuf]) -> Result<Survey, DoctorError> {
    let mut survey = Survey::new(Task::Segmentation);
    match Dataset::open(folder) {
        Ok(set) => {
            survey.classes.clone_from(&set.meta().classes);
            (survey.ignore, survey.size) = (Some(set.meta().ignore), set.meta().size);
        }
        Err(error) => {
            let is_missing = matches!(error, DatasetError::NoMeta(_));
            let kind = if is_missing { Kind::NoMeta } else { Kind::Meta };
            let detail = if is_missing { String::new() } else { error.to_string() };
            survey.troubles.push(Trouble::new(kind, "META.json", detail));
        }
    }
    let is_split = |path: &Path| {
        path.join("images").is_dir() || path.join("masks").is_dir() || SPLITS.contains(&name(path).as_str())
    };
    let splits = in_order(folders.iter().copied().filter(|path| is_split(path)));
    if splits.is_empty() {
        return Err(DoctorError::Unknown(folder.to_owned()));
    }
    for path in splits {
        survey.splits.push(name(path));
        survey.split(path);
    }
    Ok(survey)
}

impl Survey {
    fn split(&mut self, path: &Path) {
        let split = name(path);
        let images = self.files(&path.join("images"), &format!("{split}/images"));
        let masks = self.files(&path.join("masks"), &format!("{split}/masks"));
        let mut unpaired: BTreeMap<String, PathBuf> =
            masks.into_iter().map(|mask| (name(&mask), mask)).collect();
        // A mask is kept by the stem of its picture, to tell of a second picture with that stem.
        let mut paired: BTreeMap<String, String> = BTreeMap::new();
        let mut lonely = Vec::new();
        for image in images {
            let (file, stem) = (name(&image), stem(&image));
            let place = format!("{split}/images/{file}");
            let mask = format!("{stem}.png");
            let label = if let Some(path) = unpaired.remove(&mask) {
                paired.insert(stem, file);
                Label::Mask(path, format!("{split}/masks/{mask}"))
            } else if let Some(first) = paired.get(&stem) {
                self.troubles.push(Trouble::new(Kind::StemTwice, &place, format!("has the mask of {first}")));
                Label::Missing
            } else {
                lonely.push((place.clone(), stem));
                Label::Missing
            };
            let split = self.splits.len() - 1;
            self.items.push(Item { split, name: place, picture: Picture::File(image), label });
        }
        for (place, stem) in lonely {
            let similar = similar(&stem, unpaired.keys());
            let detail = similar.map(|mask| format!("masks/{mask} may be meant")).unwrap_or_default();
            self.troubles.push(Trouble::new(Kind::NoMask, place, detail));
        }
        for mask in unpaired.keys() {
            self.troubles.push(Trouble::new(Kind::NoImage, format!("{split}/masks/{mask}"), ""));
        }
    }

    /// The pictures in a folder; what else is there is a trouble, and so is a folder that is not.
    fn files(&mut self, folder: &Path, place: &str) -> Vec<PathBuf> {
        let Ok(files) = listing(folder) else { return Vec::new() };
        let (pictures, others): (Vec<PathBuf>, Vec<PathBuf>) =
            files.into_iter().partition(|file| is_picture(&name(file)) && file.is_file());
        for other in others {
            self.troubles.push(Trouble::new(Kind::Stray, format!("{place}/{}", name(&other)), ""));
        }
        pictures
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The first mask whose name holds the stem in any spelling, such as `a_mask.png`, `A.PNG` or `a.jpg` for `a`.
fn similar<'a>(stem: &str, masks: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let stem = stem.to_lowercase();
    let mut masks = masks.filter(|mask| mask.to_lowercase().contains(&stem));
    masks.next()
}
