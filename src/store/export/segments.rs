//! A store of segments, read mask by mask, also while a camera is writing to it.

use std::path::{Path, PathBuf};

use super::ReadError;
use super::masks::Reading;
use crate::mask::Class;
use crate::store::{StoreError, StoreReader, StoredMask, read_store};

/// A place in a store of segments.
pub(super) struct SegmentsReader {
    folder: PathBuf,
    reader: StoreReader,
}

impl SegmentsReader {
    /// Reads `folder` from its first mask.
    ///
    /// # Errors
    /// [`ReadError::NoStore`], [`ReadError::Store`].
    pub(super) fn open(folder: &Path) -> Result<SegmentsReader, ReadError> {
        match read_store(folder) {
            Ok(reader) => Ok(SegmentsReader { folder: folder.to_owned(), reader }),
            Err(StoreError::NoStore { folder }) => Err(ReadError::NoStore { path: folder }),
            Err(error) => Err(error.into()),
        }
    }

    /// The first mask at or behind `sequence`, as another reader finds it.
    fn first_from(&self, sequence: u64) -> Result<Option<u64>, ReadError> {
        let mut reader = read_store(&self.folder)?;
        reader.skip_to(sequence)?;
        for stored in reader {
            match stored {
                Ok(stored) => return Ok(Some(stored.sequence)),
                Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// The last mask that there is now, found in about two steps a bit of its number: segments know what they begin
    /// with.
    fn newest(&self) -> Result<Option<u64>, ReadError> {
        let Some(mut last) = self.first_from(0)? else { return Ok(None) };
        let mut step = 1_u64;
        // There is a mask at or behind `last`; is there one further on?
        while let Some(found) = self.first_from(last.saturating_add(step))? {
            last = found;
            step = step.saturating_mul(2);
        }
        while step > 1 {
            step = step.div_ceil(2);
            if let Some(found) = self.first_from(last.saturating_add(step))? {
                last = found;
            }
        }
        Ok(Some(last))
    }
}

impl Iterator for SegmentsReader {
    type Item = Result<StoredMask, ReadError>;

    fn next(&mut self) -> Option<Result<StoredMask, ReadError>> {
        self.reader.next().map(|stored| stored.map_err(ReadError::from))
    }
}

impl Reading for SegmentsReader {
    fn classes(&self) -> &[Class] {
        self.reader.classes()
    }

    fn skip_to(&mut self, sequence: u64) -> Result<(), ReadError> {
        Ok(self.reader.skip_to(sequence)?)
    }

    fn skip_to_last(&mut self, count: usize) -> Result<(), ReadError> {
        match self.newest()? {
            Some(last) => self.skip_to((last + 1).saturating_sub(count as u64)),
            None => Ok(()),
        }
    }

    fn follow(&mut self) -> Result<(), ReadError> {
        Ok(self.reader.refresh()?)
    }

    fn torn_bytes(&self) -> u64 {
        self.reader.torn_bytes()
    }
}
