//! A folder of PNG masks and its index, read mask by mask, also while a run is writing to it.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::masks::Reading;
use super::{Damage, ReadError};
use crate::mask::{Class, png};
use crate::store::folder::CLASSES;
use crate::store::index::INDEX;
use crate::store::{Entry, RecordMeta, StoreError, StoredMask};

/// A place in the index of a folder of masks. At the index's end there is nothing to read until the run goes on.
pub(super) struct FolderReader {
    folder: PathBuf,
    index: PathBuf,
    classes: Vec<Class>,
    file: BufReader<File>,
    /// The line that is being written, as far as it is there.
    line: Vec<u8>,
    /// Bytes of the index before that line's end.
    position: u64,
    /// Lines before it, which number the masks.
    lines: u64,
    /// The last masks before the end, where these were asked for.
    waiting: VecDeque<Result<(u64, Entry), ReadError>>,
}

impl FolderReader {
    /// Reads `folder` from its first mask.
    ///
    /// # Errors
    /// [`ReadError::Classes`], [`ReadError::Store`].
    pub(super) fn open(folder: &Path) -> Result<FolderReader, ReadError> {
        let list = folder.join(CLASSES);
        let bytes = fs::read(&list).map_err(StoreError::disk("read", &list))?;
        let classes = serde_json::from_slice(&bytes)
            .map_err(|error| ReadError::Classes { path: list, reason: error.to_string() })?;
        let index = folder.join(INDEX);
        let file = BufReader::new(File::open(&index).map_err(StoreError::disk("read", &index))?);
        let folder = folder.to_owned();
        let (line, waiting) = (Vec::new(), VecDeque::new());
        Ok(FolderReader { folder, index, classes, file, line, position: 0, lines: 0, waiting })
    }

    /// The next entry with its number; `None` where no further line is whole.
    fn next_entry(&mut self) -> Option<Result<(u64, Entry), ReadError>> {
        match self.file.read_until(b'\n', &mut self.line) {
            Err(source) => return Some(Err(StoreError::disk("read", &self.index)(source).into())),
            Ok(bytes) => self.position += bytes as u64,
        }
        if !self.line.ends_with(b"\n") {
            return None;
        }
        let number = self.lines;
        self.lines += 1;
        let entry = serde_json::from_slice(&self.line);
        self.line.clear();
        Some(match entry {
            Ok(entry) => Ok((number, entry)),
            Err(error) => Err(damaged(
                Damage::Unreadable,
                format!("{}: line {}", self.index.display(), number + 1),
                error,
            )),
        })
    }

    /// The mask of an entry.
    fn load(&self, sequence: u64, entry: Entry) -> Result<StoredMask, ReadError> {
        let path = self.folder.join(&entry.file);
        let what = || format!("mask {sequence} ({})", path.display());
        // An index from elsewhere must not reach out of its folder.
        if Path::new(&entry.file).file_name() != Some(entry.file.as_ref()) {
            return Err(damaged(
                Damage::Unreadable,
                what(),
                "the index names a file that is not in the folder",
            ));
        }
        let bytes = fs::read(&path).map_err(|error| {
            let gone = error.kind() == ErrorKind::NotFound;
            damaged(if gone { Damage::Missing } else { Damage::Unreadable }, what(), error)
        })?;
        let mask =
            png::read(Cursor::new(bytes)).map_err(|error| damaged(Damage::Unreadable, what(), error))?;
        if (mask.width, mask.height) != (entry.width, entry.height) {
            let (width, height) = (mask.width, mask.height);
            let reason =
                format!("it is {width}x{height}, but the index says {}x{}", entry.width, entry.height);
            return Err(damaged(Damage::Different, what(), reason));
        }
        // Names say little of ids here, but the same counts in any order are the same mask for all that is known.
        let mut counted: Vec<u64> = mask.histogram().into_iter().filter(|&count| count > 0).collect();
        let mut listed: Vec<u64> = entry.pixels.values().copied().collect();
        counted.sort_unstable();
        listed.sort_unstable();
        if counted != listed {
            return Err(damaged(
                Damage::Different,
                what(),
                "its classes have other numbers of pixels than the index says",
            ));
        }
        let time = Duration::try_from_secs_f64(entry.time_s).map_err(|_| {
            damaged(Damage::Unreadable, what(), format!("its time of {} s is none", entry.time_s))
        })?;
        let meta = RecordMeta { frame: entry.frame, time, name: entry.name, ..RecordMeta::default() };
        Ok(StoredMask { sequence, meta, mask })
    }
}

impl Iterator for FolderReader {
    type Item = Result<StoredMask, ReadError>;

    fn next(&mut self) -> Option<Result<StoredMask, ReadError>> {
        let entry = match self.waiting.pop_front() {
            Some(entry) => entry,
            None => self.next_entry()?,
        };
        Some(entry.and_then(|(sequence, entry)| self.load(sequence, entry)))
    }
}

impl Reading for FolderReader {
    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn skip_to(&mut self, sequence: u64) -> Result<(), ReadError> {
        while self.lines < sequence {
            match self.next_entry() {
                None => break,
                Some(Err(error)) if !error.is_damage() => return Err(error),
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn skip_to_last(&mut self, count: usize) -> Result<(), ReadError> {
        while let Some(entry) = self.next_entry() {
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

    fn follow(&mut self) -> Result<(), ReadError> {
        let Ok(now) = fs::metadata(&self.index) else { return Ok(()) };
        let Ok(open) = self.file.get_ref().metadata() else { return Ok(()) };
        // Another index is there now, as after `sedge run --overwrite`.
        if (now.dev(), now.ino()) != (open.dev(), open.ino()) {
            *self = FolderReader::open(&self.folder)?;
        } else if now.len() < self.position {
            self.file.rewind().map_err(StoreError::disk("read", &self.index))?;
            self.line.clear();
            (self.position, self.lines) = (0, 0);
        }
        Ok(())
    }

    fn torn_bytes(&self) -> u64 {
        self.line.len() as u64
    }
}

fn damaged(damage: Damage, what: String, reason: impl ToString) -> ReadError {
    ReadError::Damaged { damage, what, reason: reason.to_string() }
}
