//! Reads a store's masks in their order, also while a writer adds to it.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use super::entry::Entry;
use super::format::{ID_FILE, StoreId, first_of, segment_name};
use super::header::NoHeader;
use super::identity::{self, IdFile};
use super::real::RealVolume;
use super::scan::{Scanner, Step, read_footer, read_header};
use super::volume::{Folder, MountRule, OpenError, Volume};
use crate::mask::{Class, Mask};
use crate::store::{RecordMeta, StoreError};

/// A mask as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredMask {
    /// Its sequence number, which grows over the whole life of a store.
    pub sequence: u64,
    /// What was kept beside it.
    pub meta: RecordMeta,
    /// The mask.
    pub mask: Mask,
}

/// Opens the store in `folder` for reading. A writer may be at work there; what it has not yet written is not seen.
///
/// # Errors
/// [`StoreError::NoStore`] where no store is, [`StoreError::Version`] for one of a later program,
/// [`StoreError::Disk`] where the system fails.
pub fn read_store(folder: &Path) -> Result<StoreReader, StoreError> {
    StoreReader::open_on(&RealVolume, folder)
}

/// The masks of a store as an iterator, in order of their sequence numbers.
///
/// Damage gives an error, once, and then the iterator goes on behind it. Bytes at the end of the last segment that are
/// no whole record are no error: a writer may be in the middle of them, or a power cut was.
pub struct StoreReader {
    folder: Box<dyn Folder>,
    path: PathBuf,
    /// `None` where nothing tells it; then every segment is read.
    id: Option<StoreId>,
    id_file: IdFile,
    /// Segments of other stores that were passed over.
    foreign: u64,
    /// First sequence numbers of the segments that are still to be read, in order.
    ahead: VecDeque<u64>,
    current: Option<Current>,
    classes: Vec<Class>,
    /// No record below this number is given.
    from: u64,
    torn_bytes: u64,
}

struct Current {
    first: u64,
    scanner: Scanner,
    /// Whether it has been read to its end and later segments follow.
    done: bool,
}

impl StoreReader {
    /// [`read_store`] on any file system.
    ///
    /// # Errors
    /// Those of [`read_store`].
    pub fn open_on(volume: &dyn Volume, path: &Path) -> Result<StoreReader, StoreError> {
        let folder = volume.open(path, &MountRule::default(), false).map_err(|error| match error {
            OpenError::Io(source) if source.kind() == io::ErrorKind::NotFound => no_store(path),
            OpenError::Io(source) => StoreError::disk("open", path)(source),
            OpenError::NotMounted(_) => no_store(path),
        })?;
        let mut reader = StoreReader {
            folder,
            path: path.to_owned(),
            id: None,
            id_file: IdFile::Whole,
            foreign: 0,
            ahead: VecDeque::new(),
            current: None,
            classes: Vec::new(),
            from: 0,
            torn_bytes: 0,
        };
        reader.refresh()?;
        let found = identity::find(&*reader.folder, reader.ahead.make_contiguous());
        match found.map_err(StoreError::disk("read", &path.join(ID_FILE)))? {
            Some(found) => (reader.id, reader.id_file) = (Some(found.id), found.file),
            None if reader.ahead.is_empty() => return Err(no_store(path)),
            None => {}
        }
        // The classes are known before the first mask is asked for.
        reader.open_next()?;
        Ok(reader)
    }

    /// The classes of the segment that is being read: those of the first mask before one has been read, then those of
    /// the last one that was. They change where the camera was given a model with other classes.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The folder of the store.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes at the end of the last segment that are no whole record, as far as it has been read.
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// How the file with the store's id was when the store was opened.
    pub fn id_file(&self) -> IdFile {
        self.id_file
    }

    /// Segments of other stores in the folder that were passed over so far.
    pub fn foreign(&self) -> u64 {
        self.foreign
    }

    /// Looks for masks that were added since; the iterator goes on with them.
    ///
    /// # Errors
    /// [`StoreError::Disk`] where the folder cannot be listed.
    pub fn refresh(&mut self) -> Result<(), StoreError> {
        let files = self.folder.list().map_err(StoreError::disk("list", &self.path))?;
        let reached = self.current.as_ref().map(|current| current.first);
        let reached = reached.max(self.ahead.back().copied());
        let mut new: Vec<u64> = files.iter().filter_map(|(name, _)| first_of(name)).collect();
        new.retain(|&first| reached.is_none_or(|reached| first > reached));
        new.sort_unstable();
        self.ahead.extend(new);
        Ok(())
    }

    /// Goes on with the first mask whose sequence number is at least `sequence`; only forward. Sealed segments before
    /// it are not read.
    ///
    /// # Errors
    /// [`StoreError::Disk`] where a segment cannot be read.
    pub fn skip_to(&mut self, sequence: u64) -> Result<(), StoreError> {
        self.from = self.from.max(sequence);
        // The segment that holds it is the last one that begins at or before it.
        let before = self.ahead.iter().take_while(|&&first| first <= sequence).count();
        if before > 0 {
            self.ahead.drain(..before - 1);
            self.current = None;
            self.open_next()?;
        }
        let Some(Current { first, scanner, .. }) = &mut self.current else {
            return Ok(());
        };
        let path = self.path.join(segment_name(*first));
        let content = self.folder.read(&segment_name(*first)).map_err(StoreError::disk("open", &path))?;
        let footer = read_footer(&*content).map_err(StoreError::disk("read", &path))?;
        let index = footer.map(|footer| footer.index).unwrap_or_default();
        let start = index.iter().take_while(|&&(indexed, _)| indexed <= sequence).last();
        if let Some(&(_, offset)) = start {
            scanner.offset = scanner.offset.max(offset);
        }
        Ok(())
    }

    /// Opens the next segment that is there and belongs to the store, if any.
    fn open_next(&mut self) -> Result<(), StoreError> {
        while let Some(first) = self.ahead.pop_front() {
            let name = segment_name(first);
            let path = self.path.join(&name);
            let content = match self.folder.read(&name) {
                Ok(content) => content,
                // The quota may have removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(StoreError::disk("open", &path)(source)),
            };
            let header = read_header(&*content).map_err(StoreError::disk("read", &path))?;
            match header {
                Ok((header, _)) if self.id.is_some_and(|id| id != header.id) => {
                    self.foreign += 1;
                    continue;
                }
                Ok((header, length)) => {
                    self.classes = header.classes;
                    let scanner = Scanner::new(content, length as u64);
                    self.current = Some(Current { first, scanner, done: false });
                }
                Err(NoHeader::Version(version)) => return Err(StoreError::Version { path, version }),
                // Its records may still be whole; their classes are taken to be those of the segment before. The
                // header is told as damage when the iterator meets it.
                Err(NoHeader::Damaged) => {
                    let owner = identity::owner(&*content).map_err(StoreError::disk("read", &path))?;
                    if owner.is_some() && self.id.is_some() && owner != self.id {
                        self.foreign += 1;
                        continue;
                    }
                    self.current = Some(Current { first, scanner: Scanner::new(content, 0), done: false });
                }
            }
            return Ok(());
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Option<StoredMask>, StoreError> {
        loop {
            let Some(current) = &mut self.current else {
                self.open_next()?;
                if self.current.is_none() {
                    return Ok(None);
                }
                continue;
            };
            let path = || self.path.join(segment_name(current.first));
            let damaged = |offset, reason| StoreError::Damaged { path: path(), offset, reason };
            if current.done {
                if self.ahead.is_empty() {
                    return Ok(None);
                }
                self.current = None;
                continue;
            }
            let step = match current.scanner.next() {
                Ok(step) => step,
                Err(source) => {
                    let error = StoreError::disk("read", &path())(source);
                    // The next call goes on with the next segment, so that a broken card does not hold it for ever.
                    self.current = None;
                    return Err(error);
                }
            };
            match step {
                Step::Record { offset } => {
                    let entry = Entry::parse(&current.scanner.record).map_err(|why| damaged(offset, why))?;
                    let sequence = entry.place.sequence;
                    if sequence < self.from {
                        continue;
                    }
                    let mask = entry.mask().map_err(|why| damaged(offset, why))?;
                    self.from = sequence + 1;
                    return Ok(Some(StoredMask { sequence, meta: entry.meta, mask }));
                }
                Step::Damaged { offset, .. } => {
                    return Err(damaged(offset, "bytes that are no record come before the next whole one"));
                }
                Step::Footer => {}
                Step::End { torn_bytes } => {
                    self.torn_bytes = torn_bytes;
                    if self.ahead.is_empty() {
                        return Ok(None);
                    }
                    let offset = current.scanner.offset;
                    current.done = true;
                    if torn_bytes > 0 {
                        self.torn_bytes = 0;
                        return Err(damaged(offset, "it ends within a record though later segments follow"));
                    }
                }
            }
        }
    }
}

impl Iterator for StoreReader {
    type Item = Result<StoredMask, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

fn no_store(path: &Path) -> StoreError {
    StoreError::NoStore { folder: path.to_owned() }
}
