//! A folder for each class inside `train.tar`, `val.tar` and `test.tar`: listed once, members read where they lie.

use std::cmp::Ordering;
use std::fs::File;
use std::path::{Path, PathBuf};

use sedge::onnx::Task;
use sha2::{Digest, Sha256};

use super::super::error::{broken, disk};
use super::super::split::Part;
use super::super::{DataError, Example, Examples, Split, Target};
use super::class_folders::ids;
use super::member::Archive;
use super::picture;

/// Largest picture file in an archive.
const MEMBER_MAX_BYTES: u64 = 256 << 20;

fn archive(folder: &Path, split: Split) -> PathBuf {
    folder.join(format!("{split}.tar"))
}

/// Whether the folder holds such archives.
pub(super) fn recognizes(folder: &Path) -> bool {
    [Split::Train, Split::Test].into_iter().any(|split| archive(folder, split).is_file())
}

/// A picture in an archive.
struct Member {
    /// `CLASS/FILE`.
    name: String,
    class: usize,
    offset: u64,
    length: u64,
}

/// A split in an archive.
pub(super) struct ClassTar {
    archive: Archive,
    stored: Split,
    classes: Vec<String>,
    members: Vec<Member>,
}

impl ClassTar {
    pub(super) fn open(folder: &Path, split: Split) -> Result<ClassTar, DataError> {
        let part = Part::new(split, archive(folder, Split::Val).is_file());
        let path = archive(folder, part.stored);
        let train = archive(folder, Split::Train);
        let (found, mut members) = list(&path)?;
        let classes =
            if part.stored != Split::Train && train.is_file() { list(&train)?.0 } else { found.clone() };
        let ids = ids(&path, &found, &classes)?;
        members.retain(|member| part.takes(&member.name));
        members.iter_mut().for_each(|member| member.class = ids[member.class]);
        if members.is_empty() {
            let reason = format!("{} holds no pictures in a folder for each class", path.display());
            return Err(DataError::Empty { path: folder.to_owned(), split, reason });
        }
        Ok(ClassTar { archive: Archive::open(&path)?, stored: part.stored, classes, members })
    }

    fn bytes(&self, index: usize) -> Result<Vec<u8>, DataError> {
        let member = &self.members[index];
        self.archive.read(member.offset, member.length)
    }
}

/// The classes and pictures of an archive, classes and files in natural order. A picture's class is the folder it lies in.
fn list(path: &Path) -> Result<(Vec<String>, Vec<Member>), DataError> {
    let wrong = |error: std::io::Error| broken(path, error.to_string());
    let mut archive = tar::Archive::new(File::open(path).map_err(disk(path))?);
    let mut found = Vec::new();
    for entry in archive.entries_with_seek().map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let name = entry.path().map_err(wrong)?;
        let class = name.parent().and_then(Path::file_name);
        if let (true, true, Some(class)) =
            (entry.header().entry_type().is_file(), picture::is_picture(&name), class)
        {
            let class = class.to_string_lossy().into_owned();
            let file = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if entry.size() > MEMBER_MAX_BYTES {
                return Err(broken(
                    &path.join(&name),
                    format!("it is larger than {} MiB", MEMBER_MAX_BYTES >> 20),
                ));
            }
            found.push((class, file, entry.raw_file_position(), entry.size()));
        }
    }
    found.sort_by(|(class, file, ..), (other_class, other_file, ..)| {
        natural(class, other_class).then_with(|| natural(file, other_file))
    });
    let (mut classes, mut members) = (Vec::<String>::new(), Vec::new());
    for (class, file, offset, length) in found {
        let name = format!("{class}/{file}");
        if classes.last() != Some(&class) {
            classes.push(class);
        }
        members.push(Member { name, class: classes.len() - 1, offset, length });
    }
    Ok((classes, members))
}

/// Natural order, in which no two names are equal.
fn natural(one: &str, other: &str) -> Ordering {
    alphanumeric_sort::compare_str(one, other).then_with(|| one.cmp(other))
}

impl Examples for ClassTar {
    fn len(&self) -> usize {
        self.members.len()
    }

    fn name(&self, index: usize) -> String {
        format!("{}/{}", self.stored, self.members[index].name)
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        let member = &self.members[index];
        picture::decode(&self.bytes(index)?, Target::Class(member.class as i64))
            .map_err(|reason| broken(&self.archive.path().join(&member.name), reason))
    }

    fn target(&self, index: usize) -> Result<Target, DataError> {
        Ok(Target::Class(self.members[index].class as i64))
    }

    fn hash(&self, index: usize, hash: &mut Sha256) -> Result<(), DataError> {
        hash.update(self.bytes(index)?);
        Ok(())
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn task(&self) -> Task {
        Task::Classification
    }
}
