//! Masks as a folder of indexed PNG, which is a store of its own.

use std::path::Path;

use super::selection::Selection;
use super::{ExportError, Exporter, StoredMask, annotations};
use crate::store::{Existing, MaskFolder, Record, StoreError};

/// A folder of pictures in the making.
pub(super) struct Pictures {
    folder: MaskFolder,
    selection: Selection,
    bytes: u64,
}

impl Pictures {
    /// Begins the folder `out`.
    ///
    /// # Errors
    /// [`ExportError::Exists`] where a run's masks are there already, [`ExportError::Folder`].
    pub(super) fn create(out: &Path, selection: Selection, overwrite: bool) -> Result<Pictures, ExportError> {
        let existing = if overwrite { Existing::Overwrite } else { Existing::Refuse };
        match MaskFolder::create(out, selection.classes(), existing) {
            Ok(folder) => Ok(Pictures { folder, selection, bytes: 0 }),
            Err(StoreError::EarlierRun { folder, .. }) => Err(ExportError::Exists { path: folder }),
            Err(error) => Err(ExportError::Folder(error)),
        }
    }
}

impl Exporter for Pictures {
    fn put(&mut self, stored: &StoredMask) -> Result<(), ExportError> {
        let name = annotations::stem(stored);
        let meta = &stored.meta;
        let record = Record { frame: meta.frame, time: meta.time, name: Some(&name), overlay: None };
        let mask = self.selection.reduce(&stored.mask);
        self.bytes += self.folder.put(record, &mask).map_err(ExportError::Folder)?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<u64, ExportError> {
        self.folder.finish().map_err(ExportError::Folder)?;
        Ok(self.bytes)
    }
}
