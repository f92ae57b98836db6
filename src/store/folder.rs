//! The folder of one run: masks by temporary file and rename, listed when they are whole.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::index::{self, Entry, INDEX};
use super::{Disk, RealDisk, StoreError};
use crate::mask::{Class, Mask, png};

/// Name of the list of classes in the folder of a run.
pub(super) const CLASSES: &str = "classes.json";
/// Longest file stem taken over from a frame's name, in characters.
const STEM_CHARS_MAX: usize = 60;

/// What to do where the folder holds an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone; an error.
    Refuse,
    /// Remove the files that its index lists, and nothing else.
    Overwrite,
    /// Go on after it.
    Append,
    /// Go on after it; where there is none, begin one in a folder that is empty but for hidden files and `lost+found`.
    Continue,
}

/// What the index says of a frame beside its mask.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The frame's number in its source.
    pub frame: u64,
    /// Time since the source's first frame.
    pub time: Duration,
    /// What the source calls the frame (a file's name without its ending); it names the mask.
    pub name: Option<&'a str>,
    /// A picture to keep beside the mask.
    pub overlay: Option<Picture<'a>>,
}

/// An encoded picture.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Ending of its file's name, without the dot: `jpg`, `png`.
    pub extension: &'a str,
    /// The whole file.
    pub bytes: &'a [u8],
}

/// A folder that takes the masks of a run.
///
/// Every file is written under a temporary name (`.part`) and renamed, and the index gets its line last: what the
/// index lists is whole, also after a full disk or a killed process.
pub struct MaskFolder<D: Disk = RealDisk> {
    disk: D,
    folder: PathBuf,
    classes: Vec<Class>,
    /// What each id is called in the index; no two alike.
    names: Vec<String>,
    /// Length of the index in bytes, all of it whole lines.
    index_bytes: u64,
    /// Whether a failed write may have left half a line after that.
    torn: bool,
    /// The folder, locked: keeps other runs out as long as it is open.
    lock: Option<File>,
    /// Added to a frame's number to give its file's number.
    offset: u64,
    /// Masks of earlier runs.
    listed: u64,
    /// The mask as PNG.
    encoded: Vec<u8>,
}

impl MaskFolder {
    /// Opens `folder`, which is made with its parents where it is missing, for masks of these classes.
    ///
    /// # Errors
    /// [`StoreError::EarlierRun`] where `existing` refuses a run that is there; with [`Existing::Append`]
    /// [`StoreError::Classes`] for a run of other classes and [`StoreError::Index`] for a damaged index; with
    /// [`Existing::Continue`] [`StoreError::OtherFiles`] for a folder that holds anything else;
    /// [`StoreError::Disk`] where the system fails.
    pub fn create(folder: &Path, classes: &[Class], existing: Existing) -> Result<MaskFolder, StoreError> {
        let in_disk = |action| StoreError::disk(action, folder);
        fs::create_dir_all(folder).map_err(in_disk("create the folder"))?;
        let lock = File::open(folder).map_err(in_disk("open"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { folder: folder.to_owned() }),
            // A file system without locks: two runs at once are then the user's to avoid.
            Err(TryLockError::Error(_)) => {}
        }
        let mut store = MaskFolder::create_on(RealDisk, folder, classes, existing)?;
        store.lock = Some(lock);
        Ok(store)
    }
}

impl<D: Disk> MaskFolder<D> {
    /// [`MaskFolder::create`] on any disk.
    ///
    /// # Errors
    /// Those of [`MaskFolder::create`].
    pub fn create_on(
        disk: D,
        folder: &Path,
        classes: &[Class],
        existing: Existing,
    ) -> Result<MaskFolder<D>, StoreError> {
        let mut store = MaskFolder {
            disk,
            folder: folder.to_owned(),
            classes: classes.to_vec(),
            names: unique_names(classes),
            index_bytes: 0,
            torn: false,
            lock: None,
            offset: 0,
            listed: 0,
            encoded: Vec::new(),
        };
        store.disk.create_folder(folder).map_err(StoreError::disk("create the folder", folder))?;
        if is_taken(&store.disk, folder) {
            match existing {
                Existing::Refuse => {
                    let free = free_name_on(&store.disk, folder);
                    return Err(StoreError::EarlierRun { folder: folder.to_owned(), free });
                }
                Existing::Overwrite => store.remove_run()?,
                Existing::Append | Existing::Continue => {
                    store.go_on()?;
                    return Ok(store);
                }
            }
        }
        if existing == Existing::Continue
            && let Some(name) = store.disk.any_other(folder).map_err(StoreError::disk("list", folder))?
        {
            return Err(StoreError::OtherFiles { folder: folder.to_owned(), name });
        }
        let list = serde_json::to_vec_pretty(classes).expect("classes are plain data");
        store.place(CLASSES, &list)?;
        let index = store.index_path();
        if let Err(source) = store.disk.write(&index, b"") {
            store.take_back(&[CLASSES, INDEX]);
            return Err(StoreError::Disk { action: "write", path: index, source });
        }
        Ok(store)
    }

    /// Masks of earlier runs after which this one goes on.
    pub fn listed(&self) -> u64 {
        self.listed
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Stores a mask and, where the record has one, its picture, then lists them. Returns the bytes written, index
    /// line included.
    ///
    /// # Errors
    /// [`StoreError::Mask`] and [`StoreError::Disk`]; the frame is then not listed, and what was written of it is
    /// removed as far as the system allows. The folder can be used on.
    pub fn put(&mut self, record: Record, mask: &Mask) -> Result<u64, StoreError> {
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.clear();
        let result = match png::write(&mut encoded, mask, &self.classes) {
            Ok(_) => self.put_encoded(record, mask, &encoded),
            Err(source) => Err(StoreError::Mask { frame: record.frame, source }),
        };
        self.encoded = encoded;
        result
    }

    /// Waits until the index is on the medium. The masks' own bytes are left to the system, as is usual.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn finish(mut self) -> Result<(), StoreError> {
        let index = self.index_path();
        self.disk.sync(&index).map_err(StoreError::disk("save", &index))
    }

    fn put_encoded(&mut self, record: Record, mask: &Mask, encoded: &[u8]) -> Result<u64, StoreError> {
        let stem = self.free_stem(&record);
        let file = format!("{stem}.png");
        let overlay = record.overlay.map(|picture| (overlay_name(&stem, picture.extension), picture.bytes));
        let mut pixels = BTreeMap::new();
        for (id, count) in mask.histogram().into_iter().enumerate().filter(|&(_, count)| count > 0) {
            pixels.insert(self.names[id].clone(), count);
        }
        let entry = Entry {
            frame: record.frame,
            // Microseconds: finer than any camera's clock, and short in the file.
            time_s: record.time.as_micros() as f64 / 1e6,
            file: file.clone(),
            width: mask.width,
            height: mask.height,
            name: record.name.map(str::to_owned),
            overlay: overlay.as_ref().map(|(name, _)| name.clone()),
            pixels,
        };
        let mut line = serde_json::to_vec(&entry).expect("an entry is plain data");
        line.push(b'\n');

        self.place(&file, encoded)?;
        let mut bytes = (encoded.len() + line.len()) as u64;
        if let Some((name, picture)) = &overlay {
            if let Err(error) = self.place(name, picture) {
                self.take_back(&[&file]);
                return Err(error);
            }
            bytes += picture.len() as u64;
        }
        let index = self.index_path();
        if let Err(source) = self.mend_index().and_then(|()| self.disk.append(&index, &line)) {
            // Half a line would spoil the next one. Should this fail too, it is tried again before the next line.
            self.torn = self.disk.truncate(&index, self.index_bytes).is_err();
            let names: Vec<&str> = [Some(file.as_str()), overlay.as_ref().map(|(name, _)| name.as_str())]
                .into_iter()
                .flatten()
                .collect();
            self.take_back(&names);
            return Err(StoreError::Disk { action: "write", path: index, source });
        }
        self.index_bytes += line.len() as u64;
        Ok(bytes)
    }

    /// Cuts off what a failed write left behind the index's whole lines.
    fn mend_index(&mut self) -> std::io::Result<()> {
        if self.torn {
            self.disk.truncate(&self.index_path(), self.index_bytes)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Writes a file under a temporary name and renames it.
    fn place(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (temporary, path) = (self.folder.join(format!("{name}.part")), self.folder.join(name));
        let written = match self.disk.write(&temporary, bytes) {
            Ok(()) => self.disk.rename(&temporary, &path),
            failed => failed,
        };
        written.map_err(|source| {
            // What matters is the first error; the rest of a file that cannot be removed is not listed.
            let _ = self.disk.remove(&temporary);
            StoreError::Disk { action: "write", path, source }
        })
    }

    /// Removes files of a frame that did not come to be listed.
    fn take_back(&mut self, names: &[&str]) {
        for name in names {
            let _ = self.disk.remove(&self.folder.join(name));
        }
    }

    /// A stem whose files do not exist yet: the frame's own name, else its number; never that of a foreign file.
    fn free_stem(&mut self, record: &Record) -> String {
        let number = record.frame + self.offset;
        if let Some(own) = record.name.and_then(safe_stem) {
            if self.is_free(&own, record) {
                return own;
            }
            let numbered = format!("{own}-{number:06}");
            if self.is_free(&numbered, record) {
                return numbered;
            }
        }
        loop {
            let stem = format!("{:06}", record.frame + self.offset);
            if self.is_free(&stem, record) {
                return stem;
            }
            self.offset += 1;
        }
    }

    fn is_free(&self, stem: &str, record: &Record) -> bool {
        let taken = |name: String| self.disk.exists(&self.folder.join(name));
        let overlay = record.overlay.map(|picture| overlay_name(stem, picture.extension));
        !taken(format!("{stem}.png")) && !overlay.is_some_and(taken)
    }

    fn index_path(&self) -> PathBuf {
        self.folder.join(INDEX)
    }

    /// Removes what the earlier run's index lists, then the index.
    fn remove_run(&mut self) -> Result<(), StoreError> {
        let index = self.index_path();
        let bytes = match self.disk.exists(&index) {
            true => self.disk.read(&index).map_err(StoreError::disk("read", &index))?,
            false => Vec::new(),
        };
        for line in bytes.split(|&byte| byte == b'\n') {
            // A damaged line names no file for sure, so its file stays.
            let Ok(entry) = serde_json::from_slice::<Entry>(line) else {
                continue;
            };
            for name in [Some(entry.file), entry.overlay].into_iter().flatten() {
                // An index from elsewhere must not reach out of its folder.
                if Path::new(&name).file_name() != Some(name.as_ref()) {
                    continue;
                }
                self.remove_if_there(&name)?;
            }
        }
        self.remove_if_there(CLASSES)?;
        self.remove_if_there(INDEX)
    }

    fn remove_if_there(&mut self, name: &str) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        if self.disk.exists(&path) {
            self.disk.remove(&path).map_err(StoreError::disk("remove", &path))?;
        }
        Ok(())
    }

    /// Takes up the earlier run: the same classes, a repaired index, the next file number.
    fn go_on(&mut self) -> Result<(), StoreError> {
        let (index, list) = (self.index_path(), self.folder.join(CLASSES));
        let bytes = self.disk.read(&list).map_err(StoreError::disk("read", &list))?;
        if serde_json::from_slice::<Vec<Class>>(&bytes).ok().as_deref() != Some(&self.classes) {
            return Err(StoreError::Classes { path: list });
        }
        // A run that was killed before its first frame may have no index yet.
        self.disk.append(&index, b"").map_err(StoreError::disk("write", &index))?;
        let bytes = self.disk.read(&index).map_err(StoreError::disk("read", &index))?;
        let (entries, whole) = index::parse(&bytes, &index)?;
        if whole < bytes.len() as u64 {
            self.disk.truncate(&index, whole).map_err(StoreError::disk("repair", &index))?;
        }
        self.index_bytes = whole;
        self.listed = entries.len() as u64;
        self.offset =
            entries.iter().filter_map(|entry| number_of(&entry.file)).max().map_or(0, |last| last + 1);
        Ok(())
    }
}

/// The first of `base`, `base-2`, `base-3`, ... that holds no run.
pub fn free_name(base: &Path) -> PathBuf {
    free_name_on(&RealDisk, base)
}

fn free_name_on(disk: &impl Disk, base: &Path) -> PathBuf {
    let candidate = |number: u64| match number {
        1 => base.to_owned(),
        _ => {
            let mut name = base.file_name().unwrap_or_default().to_owned();
            name.push(format!("-{number}"));
            base.with_file_name(name)
        }
    };
    (1..).map(candidate).find(|path| !is_taken(disk, path)).expect("numbers do not run out")
}

/// Whether the folder holds a run, or a file that a run would write over.
fn is_taken(disk: &impl Disk, folder: &Path) -> bool {
    [INDEX, CLASSES].iter().any(|name| disk.exists(&folder.join(name)))
}

/// A file stem made of a frame's name: the last part of a path, letters, digits and `-_.` kept, anything else an
/// underscore. `None` where nothing of it is left.
pub(super) fn safe_stem(name: &str) -> Option<String> {
    let stem = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let safe = |c: char| {
        if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }
    };
    let stem: String = stem.trim_start_matches('.').chars().take(STEM_CHARS_MAX).map(safe).collect();
    stem.chars().any(char::is_alphanumeric).then_some(stem)
}

fn overlay_name(stem: &str, extension: &str) -> String {
    format!("{stem}-overlay.{extension}")
}

/// The number in a file's name that is nothing but a number.
fn number_of(file: &str) -> Option<u64> {
    file.strip_suffix(".png")?.parse().ok()
}

/// A name for each id in the index: the class's own, with its id where two classes share a name, or the bare id.
pub(super) fn unique_names(classes: &[Class]) -> Vec<String> {
    let mut names: Vec<String> = (0..=255).map(|id: u8| id.to_string()).collect();
    for class in classes {
        let shared = classes.iter().any(|other| other.id != class.id && other.name == class.name);
        names[class.id as usize] =
            if shared { format!("{} ({})", class.name, class.id) } else { class.name.clone() };
    }
    names
}

#[cfg(test)]
mod tests;
