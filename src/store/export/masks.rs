//! The masks of a run one after the other, whichever way the run stored them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::ReadError;
use super::folder::FolderReader;
use super::segments::SegmentsReader;
use crate::mask::Class;
use crate::store::folder::{CLASSES, unique_names};
use crate::store::{StoreError, StoredMask};

/// One kind of store, as it is read. What each method promises is said at [`Masks`].
pub(super) trait Reading: Iterator<Item = Result<StoredMask, ReadError>> {
    fn classes(&self) -> &[Class];
    fn skip_to(&mut self, sequence: u64) -> Result<(), ReadError>;
    fn skip_to_last(&mut self, count: usize) -> Result<(), ReadError>;
    fn follow(&mut self) -> Result<(), ReadError>;
    fn torn_bytes(&self) -> u64;
}

/// The masks in a folder, in the order in which they were stored; holds one at a time.
///
/// As an iterator it gives `None` at the end for now: where a run goes on writing, it gives masks again after
/// [`Masks::follow`]. After an error for which [`ReadError::is_damage`] holds, the masks behind the damage follow.
pub struct Masks {
    folder: PathBuf,
    is_segments: bool,
    reading: Box<dyn Reading>,
}

impl Masks {
    /// Opens a folder that a run wrote: one of PNG, or one of segments.
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
        let is_segments = !folder.join(CLASSES).exists();
        let reading: Box<dyn Reading> = match is_segments {
            false => Box::new(FolderReader::open(folder)?),
            true => Box::new(SegmentsReader::open(folder)?),
        };
        Ok(Masks { folder: path(), is_segments, reading })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether they lie in segments, and not in a folder of pictures.
    pub(in crate::store) fn is_segments(&self) -> bool {
        self.is_segments
    }

    /// The classes of the model that made the last mask that was read; of the first one before that.
    pub fn classes(&self) -> &[Class] {
        self.reading.classes()
    }

    /// What the class of an id is called; no two alike.
    pub fn name(&self, id: u8) -> String {
        match self.classes().iter().any(|class| class.id == id) {
            true => unique_names(self.classes()).swap_remove(usize::from(id)),
            false => format!("class {id}"),
        }
    }

    /// Goes on to the last `count` masks that there are now, without looking at those before.
    ///
    /// # Errors
    /// [`ReadError`] where the store fails; damage is met when the masks are read.
    pub fn skip_to_last(&mut self, count: usize) -> Result<(), ReadError> {
        self.reading.skip_to_last(count)
    }

    /// Goes on to the mask `sequence` or the first behind it, without looking at those before; only forward.
    ///
    /// # Errors
    /// [`ReadError`] where the store fails.
    pub fn skip_to(&mut self, sequence: u64) -> Result<(), ReadError> {
        self.reading.skip_to(sequence)
    }

    /// Looks what has come to the store since. Where another one has replaced it, its masks come from the first on.
    ///
    /// # Errors
    /// [`ReadError`] where the store fails.
    pub fn follow(&mut self) -> Result<(), ReadError> {
        self.reading.follow()
    }

    /// Bytes behind the last mask that are no whole one, as far as has been read: those of a writer at work, or what a
    /// power cut left.
    pub fn torn_bytes(&self) -> u64 {
        self.reading.torn_bytes()
    }
}

impl Iterator for Masks {
    type Item = Result<StoredMask, ReadError>;

    fn next(&mut self) -> Option<Result<StoredMask, ReadError>> {
        self.reading.next()
    }
}
