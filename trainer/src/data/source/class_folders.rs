//! A folder for each class: `{train,val,test}/CLASS/*.jpg, *.png`.

use std::fs;
use std::path::{Path, PathBuf};

use sedge::dataset::ClassificationFolder;
use sedge::onnx::Task;
use sha2::{Digest, Sha256};

use super::super::error::disk;
use super::super::split::Part;
use super::super::{DataError, Example, Examples, Split, Target};
use super::picture;

/// Whether the folder holds splits with folders in them.
pub(super) fn recognizes(path: &Path) -> bool {
    [Split::Train, Split::Test].into_iter().any(|split| {
        fs::read_dir(path.join(split.name()))
            .is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|entry| entry.path().is_dir())))
    })
}

/// A split of class folders.
pub(super) struct ClassFolders {
    root: PathBuf,
    classes: Vec<String>,
    /// Pictures and their class.
    samples: Vec<(PathBuf, usize)>,
}

impl ClassFolders {
    pub(super) fn open(root: &Path, split: Split) -> Result<ClassFolders, DataError> {
        let part = Part::new(split, root.join(Split::Val.name()).is_dir());
        let stored = root.join(part.stored.name());
        let train = root.join(Split::Train.name());
        let found = ClassificationFolder::open(&stored)?;
        let classes = if part.stored != Split::Train && train.is_dir() {
            ClassificationFolder::open(&train)?.classes
        } else {
            found.classes.clone()
        };
        let ids = ids(&stored, &found.classes, &classes)?;
        let mut samples = found.samples;
        let listed = samples.len();
        samples.retain(|(path, _)| {
            let name = path.strip_prefix(&stored).unwrap_or(path).display().to_string();
            part.takes(&name)
        });
        samples.iter_mut().for_each(|(_, class)| *class = ids[*class]);
        if samples.is_empty() {
            let reason =
                format!("there is no folder val, and none of the {listed} of train falls into its tenth");
            return Err(DataError::Empty { path: root.to_owned(), split, reason });
        }
        Ok(ClassFolders { root: root.to_owned(), classes, samples })
    }
}

/// The place of each found class among those of the training data.
pub(super) fn ids(path: &Path, found: &[String], classes: &[String]) -> Result<Vec<usize>, DataError> {
    let id = |class: &String| {
        let strange = || DataError::StrangeClass { path: path.to_owned(), class: class.clone() };
        classes.iter().position(|known| known == class).ok_or_else(strange)
    };
    found.iter().map(id).collect()
}

impl Examples for ClassFolders {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn name(&self, index: usize) -> String {
        let path = &self.samples[index].0;
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        picture::read(&self.samples[index].0, Target::Class(self.samples[index].1 as i64))
    }

    fn target(&self, index: usize) -> Result<Target, DataError> {
        Ok(Target::Class(self.samples[index].1 as i64))
    }

    fn hash(&self, index: usize, hash: &mut Sha256) -> Result<(), DataError> {
        let path = &self.samples[index].0;
        hash.update(fs::read(path).map_err(disk(path))?);
        Ok(())
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn task(&self) -> Task {
        Task::Classification
    }
}
