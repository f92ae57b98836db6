//! The masks of a run one after the other, whichever way the run stored them.

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::ReadError;
use super::folder::FolderReader;
use crate::mask::{Class, Mask};
use crate::store::folder::CLASSES;
use crate::store::{RecordMeta, StoreError};

/// A mask from a store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredMask {
    /// Its place in the store, from 0; frames' numbers begin anew with every run, these do not.
    pub sequence: u64,
    /// What the store keeps beside it.
    pub meta: RecordMeta,
    /// The mask.
    pub mask: Mask,
}

/// The masks in a folder, in the order in which they were stored; holds one at a time.
///
/// As an iterator it gives `None` at the end for now: where a run goes on writing, it gives masks again later. After an
/// error for which [`ReadError::is_damage`] holds, the masks behind the damage follow.
pub struct Masks {
    folder: PathBuf,
    classes: Vec<Class>,
    reader: FolderReader,
    /// The last masks before the end, where these were asked for.
    waiting: VecDeque<Waiting>,
}

type Waiting = Result<(u64, crate::store::Entry), ReadError>;

impl Masks {
    /// Opens a folder that a run wrote.
    ///
    /// # Errors
    /// [`ReadError`] where it is missing, no folder or no store.
    pub fn open(folder: &Path) -> Result<Masks, ReadError> {
        let path = || folder.to_owned();
        match fs::metadata(folder) {
            Ok(metadata) if !metadata.is_dir() => return Err(ReadError::NotFolder { path: path() }),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(ReadError::Missing { path: path() });
            }
            Err(source) => return Err(StoreError::disk("read", folder)(source).into()),
        }
        let list = folder.join(CLASSES);
        let bytes = match fs::read(&list) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(ReadError::NoStore { path: path() });
            }
            Err(source) => return Err(StoreError::disk("read", &list)(source).into()),
        };
        let classes = serde_json::from_slice(&bytes)
            .map_err(|error| ReadError::Classes { path: list, reason: error.to_string() })?;
        let reader = FolderReader::open(folder)?;
        Ok(Masks { folder: path(), classes, reader, waiting: VecDeque::new() })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The classes of the model that made the masks.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Goes on to the last `count` masks that there are now, without looking at those before.
    ///
    /// # Errors
    /// [`ReadError`] where the store fails; damage is met when the masks are read.
    pub fn skip_to_last(&mut self, count: usize) -> Result<(), ReadError> {
        while let Some(entry) = self.reader.next_entry() {
            if entry.as_ref().is_err_and(|error| !error.is_damage()) {
                return entry.map(drop);
            }
            self.waiting.push_back(entry);
            if self.waiting.len() > count {
                self.waiting.pop_front();
            }
        }
        Ok(())
    }

    /// Goes on to the mask `sequence`, without looking at those before.
    ///
    /// # Errors
    /// [`ReadError`] where the store fails.
    pub fn skip_to(&mut self, sequence: u64) -> Result<(), ReadError> {
        while self.reader.lines() < sequence {
            match self.reader.next_entry() {
                None => break,
                Some(Err(error)) if !error.is_damage() => return Err(error),
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Looks whether the store has been replaced by another since; its masks then come from the first on.
    ///
    /// # Errors
    /// [`ReadError`] where the new one cannot be read.
    pub fn follow(&mut self) -> Result<(), ReadError> {
        self.reader.follow()
    }
}

impl Iterator for Masks {
    type Item = Result<StoredMask, ReadError>;

    fn next(&mut self) -> Option<Result<StoredMask, ReadError>> {
        let entry = match self.waiting.pop_front() {
            Some(entry) => entry,
            None => self.reader.next_entry()?,
        };
        Some(entry.and_then(|(sequence, entry)| self.reader.load(sequence, entry)))
    }
}
