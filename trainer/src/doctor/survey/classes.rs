//! Pictures by class: a folder a class, the same in a tar, and the formats that [`crate::data`] reads.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sedge::onnx::Task;

use super::{Item, Label, Picture, SPLITS, Survey, in_order, is_picture, listing, name};
use crate::data::{self, Split};
use crate::doctor::DoctorError;
use crate::doctor::finding::{Kind, Trouble};

/// A picture with its class: split, name within the set, class, bytes.
type Found = (usize, String, String, Picture);

/// Lists the pictures of every class.
///
/// # Errors
/// [`DoctorError::Unknown`] where neither folders, tars nor a known binary format are there.
pub fn survey(folder: &Path, entries: &[PathBuf]) -> Result<Survey, DoctorError> {
    let mut survey = Survey::new(Task::Classification);
    let tar = |split: &str| folder.join(format!("{split}.tar"));
    let (mut classes, mut found) = (BTreeSet::new(), Vec::new());
    if SPLITS.iter().any(|split| tar(split).is_file()) {
        for split in SPLITS.into_iter().filter(|split| tar(split).is_file()) {
            survey.splits.push(split.into());
            survey.tar(&tar(split), &mut classes, &mut found);
        }
    } else if entries.iter().any(|path| is_binary(&name(path))) {
        return binary(survey, folder);
    } else {
        let folders: Vec<&PathBuf> = entries.iter().filter(|path| path.is_dir()).collect();
        let splits = in_order(folders.iter().copied().filter(|path| SPLITS.contains(&name(path).as_str())));
        if folders.is_empty() {
            return Err(DoctorError::Unknown(folder.to_owned()));
        }
        if splits.is_empty() {
            survey.splits.push("train".into());
            survey.folder("", folders.into_iter(), &mut classes, &mut found);
        }
        for path in splits {
            survey.splits.push(name(path));
            let inner = listing(path)?;
            survey.folder(&format!("{}/", name(path)), inner.iter(), &mut classes, &mut found);
        }
    }
    survey.classes = classes.into_iter().collect();
    let class = |name: &String| survey.classes.binary_search(name).expect("every class was listed");
    survey.items = found
        .into_iter()
        .map(|(split, name, of, picture)| Item { split, name, picture, label: Label::Class(class(&of)) })
        .collect();
    if survey.items.is_empty() && survey.troubles.is_empty() {
        return Err(DoctorError::Unknown(folder.to_owned()));
    }
    Ok(survey)
}

impl Survey {
    fn folder<'a>(
        &mut self,
        prefix: &str,
        entries: impl Iterator<Item = &'a PathBuf>,
        classes: &mut BTreeSet<String>,
        found: &mut Vec<Found>,
    ) {
        let split = self.splits.len() - 1;
        for path in entries {
            let class = name(path);
            let Ok(files) = listing(path) else {
                self.troubles.push(Trouble::new(Kind::Stray, format!("{prefix}{class}"), ""));
                continue;
            };
            classes.insert(class.clone());
            for file in files {
                let place = format!("{prefix}{class}/{}", name(&file));
                if is_picture(&place) && file.is_file() {
                    found.push((split, place, class.clone(), Picture::File(file)));
                } else {
                    self.troubles.push(Trouble::new(Kind::Stray, place, ""));
                }
            }
        }
    }

    /// Lists a tar without unpacking it: pictures are read from it later, where they lie.
    fn tar(&mut self, path: &Path, classes: &mut BTreeSet<String>, found: &mut Vec<Found>) {
        let split = self.splits.len() - 1;
        let broken = |error: std::io::Error| Trouble::new(Kind::Archive, name(path), error.to_string());
        let file = match File::open(path) {
            Ok(file) => Arc::new(file),
            Err(error) => return self.troubles.push(broken(error)),
        };
        let size = file.metadata().map(|meta| meta.len()).unwrap_or(0);
        let mut archive = tar::Archive::new(&*file);
        let entries = match archive.entries_with_seek() {
            Ok(entries) => entries,
            Err(error) => return self.troubles.push(broken(error)),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.troubles.push(broken(error)),
            };
            let inner = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let inner = inner.trim_start_matches("./");
            let (offset, length) = (entry.raw_file_position(), entry.size());
            let parts: Vec<&str> = inner.split('/').filter(|part| !part.is_empty()).collect();
            let place = format!("{}/{inner}", name(path));
            match (entry.header().entry_type().is_dir(), &parts[..]) {
                // The folder of a class that may be empty; the outermost one may be the split's own.
                (true, &[.., _, class]) => drop(classes.insert(class.into())),
                (true, _) => {}
                (false, &[.., class, file_name]) if is_picture(file_name) => {
                    if offset + length > size {
                        self.troubles.push(Trouble::new(
                            Kind::Archive,
                            place,
                            "goes beyond the end of the tar",
                        ));
                        return;
                    }
                    classes.insert(class.into());
                    let picture = Picture::Part { file: Arc::clone(&file), offset, length };
                    found.push((split, place, class.into(), picture));
                }
                (false, _) => self.troubles.push(Trouble::new(Kind::Stray, place, "")),
            }
        }
        if !ends_with_zeros(&file, size) {
            self.troubles.push(Trouble::new(Kind::Archive, name(path), "its end mark is missing"));
        }
    }
}

/// A tar ends with blocks of zeros; where they are missing it was cut short between two files.
fn ends_with_zeros(file: &File, size: u64) -> bool {
    let mut block = [1; 512];
    size >= 512 && file.read_exact_at(&mut block, size - 512).is_ok() && block == [0; 512]
}

/// Whether a file is one of MNIST's IDX or of CIFAR's binary ones.
fn is_binary(name: &str) -> bool {
    name.contains("-ubyte") || name.starts_with("data_batch_") && name.ends_with(".bin")
}

/// A set whose pictures have no files of their own; val is what training would hold back of train.
fn binary(mut survey: Survey, folder: &Path) -> Result<Survey, DoctorError> {
    for (split, word) in [Split::Train, Split::Val, Split::Test].into_iter().zip(SPLITS) {
        let examples = match data::open(folder, split) {
            Ok(examples) => examples,
            Err(error) => {
                survey.troubles.push(Trouble::new(Kind::Archive, word, error.to_string()));
                continue;
            }
        };
        survey.classes = examples.classes().to_vec();
        survey.splits.push(word.into());
        for index in 0..examples.len() {
            // The class comes with the pixels, so that the file is read once.
            let picture = Picture::Example(Arc::clone(&examples), index);
            let name = format!("{word}/{}", examples.name(index));
            survey.items.push(Item { split: survey.splits.len() - 1, name, picture, label: Label::Missing });
        }
    }
    Ok(survey)
}
