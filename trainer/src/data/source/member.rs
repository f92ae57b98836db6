//! A part of a file that is read when it is asked for.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::super::DataError;
use super::super::error::{broken, disk};

/// A file of many members, read by several threads.
pub(super) struct Archive {
    path: PathBuf,
    file: Mutex<File>,
    length: u64,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Archive, DataError> {
        let file = File::open(path).map_err(disk(path))?;
        let length = file.metadata().map_err(disk(path))?.len();
        Ok(Archive { path: path.to_owned(), file: Mutex::new(file), length })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file when it was opened.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes of a member.
    pub(super) fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>, DataError> {
        if offset.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(broken(&self.path, "it ends in the middle"));
        }
        let mut bytes = vec![0; length as usize];
        // Each reader seeks first, so a place that another one left behind does not matter.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset)).map_err(disk(&self.path))?;
        file.read_exact(&mut bytes).map_err(disk(&self.path))?;
        Ok(bytes)
    }
}
