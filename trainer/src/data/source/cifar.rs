//! CIFAR-10, binary version: `data_batch_{1..5}.bin` and `test_batch.bin`, records of a label and 32x32 pixels in planes.

use std::fs;
use std::path::{Path, PathBuf};

use sedge::onnx::Task;
use sha2::{Digest, Sha256};

use super::super::error::{broken, disk};
use super::super::split::Part;
use super::super::{DataError, Example, Examples, Split, Target};
use super::member::Archive;

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const RECORD_BYTES: u64 = 1 + 3 * PLANE as u64;
/// Where `batches.meta.txt` is missing.
const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const MARKS: [&str; 2] = ["data_batch_1.bin", "test_batch.bin"];

/// The folder that holds the files, if there is one.
pub(super) fn folder(path: &Path) -> Option<PathBuf> {
    [path.to_owned(), path.join("cifar-10-batches-bin")]
        .into_iter()
        .find(|folder| MARKS.iter().any(|file| folder.join(file).is_file()))
}

/// A split, whose records are read from the files.
pub(super) struct Cifar {
    files: Vec<Archive>,
    /// File and number in it of each record.
    records: Vec<(usize, u64)>,
    classes: Vec<String>,
}

impl Cifar {
    pub(super) fn open(folder: &Path, split: Split) -> Result<Cifar, DataError> {
        let part = Part::new(split, false);
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(disk(folder))? {
            let path = entry.map_err(disk(folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(if part.stored == Split::Test { "test_batch" } else { "data_batch_" })
                && name.ends_with(".bin")
            {
                files.push(path);
            }
        }
        alphanumeric_sort::sort_path_slice(&mut files);
        let files: Vec<Archive> = files.iter().map(|path| Archive::open(path)).collect::<Result<_, _>>()?;
        let mut records = Vec::new();
        for (at, file) in files.iter().enumerate() {
            if !file.length().is_multiple_of(RECORD_BYTES) {
                let reason =
                    format!("its {} bytes are not records of {RECORD_BYTES}: fetch it anew", file.length());
                return Err(broken(file.path(), reason));
            }
            let numbers = (0..file.length() / RECORD_BYTES).filter(|&number| part.takes(&name(file, number)));
            records.extend(numbers.map(|number| (at, number)));
        }
        if records.is_empty() {
            let reason = "its .bin files are missing or empty".to_owned();
            return Err(DataError::Empty { path: folder.to_owned(), split, reason });
        }
        let listed = fs::read_to_string(folder.join("batches.meta.txt")).unwrap_or_default();
        let listed: Vec<&str> = listed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let names = if listed.len() == CLASSES.len() { &listed[..] } else { &CLASSES };
        let classes = names.iter().map(ToString::to_string).collect();
        Ok(Cifar { files, records, classes })
    }

    fn record(&self, index: usize) -> Result<(Vec<u8>, Target), DataError> {
        let (file, number) = self.records[index];
        let record = self.files[file].read(number * RECORD_BYTES, RECORD_BYTES)?;
        if usize::from(record[0]) >= self.classes.len() {
            let reason = format!("its class is {}, of {}", record[0], self.classes.len());
            return Err(DataError::Example { name: self.name(index), reason });
        }
        let target = Target::Class(record[0].into());
        Ok((record, target))
    }
}

fn name(file: &Archive, number: u64) -> String {
    format!("{}[{number}]", file.path().file_name().unwrap_or_default().to_string_lossy())
}

impl Examples for Cifar {
    fn len(&self) -> usize {
        self.records.len()
    }

    fn name(&self, index: usize) -> String {
        let (file, number) = self.records[index];
        name(&self.files[file], number)
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        let (record, target) = self.record(index)?;
        let planes = &record[1..];
        let pixels =
            (0..PLANE).flat_map(|at| [planes[at], planes[PLANE + at], planes[2 * PLANE + at]]).collect();
        Ok(Example { width: SIDE, height: SIDE, channels: 3, pixels, target })
    }

    fn hash(&self, index: usize, hash: &mut Sha256) -> Result<(), DataError> {
        hash.update(self.record(index)?.0);
        Ok(())
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn task(&self) -> Task {
        Task::Classification
    }
}
