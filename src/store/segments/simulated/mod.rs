//! A simulated card that loses, tears and reorders what was not synced, fills up, fails, and is pulled out.
//!
//! # What it keeps
//!
//! Each file has two faces: what programs *see*, and what is on the *medium*. So has the folder's list of names. A sync
//! of a file makes the medium as what is seen, a sync of the folder does so for the names; neither does the other.
//!
//! # What a power cut leaves
//!
//! [`Disk::after_crash`] draws one of the outcomes that a file system may leave, more of them than a real one does:
//! - each change of a name since the folder's last sync has happened or not, each by itself;
//! - a file that was changed since its last sync has the old length, the new one, or one between;
//! - each sector of 512 bytes that was touched since then is new, old, torn somewhere, zero, or garbage: also the
//!   synced bytes in such a sector are gone;
//! - files do not wait for each other.
//!
//! # How it fails
//!
//! An operation can fail by number, for once or until it is mended. A write that fails leaves a part behind; a full
//! card takes what fits. A sync that fails leaves the medium as it was and forgets the change: a later sync succeeds and
//! does not make up for it, as Linux does it. What is read shows the change all the same.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

mod handles;

#[cfg(test)]
mod tests;

const SECTOR: usize = 512;

/// Random numbers (SplitMix64; Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Copy, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

#[derive(Clone, Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    medium: Vec<u8>,
    /// Bytes before this are the same on both.
    clean: usize,
    /// Whether the length or the bytes have changed since the last sync.
    dirty: bool,
    /// What a failed sync has forgotten.
    forgotten: Vec<Range<usize>>,
}

#[derive(Clone, Debug)]
enum Change {
    Add(String, u64),
    Remove(String),
    Rename(String, String, u64),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Change::Add(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Change::Remove(name) => {
                names.remove(name);
            }
            Change::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// EIO, of everything.
    Input,
    /// ENOSPC, of writes and of new files.
    Full,
    /// EROFS, of everything that changes something.
    ReadOnly,
}

/// The whole state of a card and of what the system holds of it in memory.
#[derive(Clone, Debug)]
pub struct Disk {
    inodes: BTreeMap<u64, Arc<Inode>>,
    names: BTreeMap<String, u64>,
    names_on_medium: BTreeMap<String, u64>,
    changes: Vec<Change>,
    next_inode: u64,
    /// Bytes of the card.
    pub capacity: u64,
    /// Bytes that other programs' files take.
    pub foreign_bytes: u64,
    /// Whether the card is in its place.
    pub mounted: bool,
    /// Counts how often it was pulled out.
    generation: u64,
    locked: bool,
    /// Operations so far, reading ones too.
    pub operations: u64,
    /// Bytes that were read of files so far.
    pub read_bytes: u64,
    /// Bytes of whole blocks that syncs of files have brought to the medium so far.
    pub written_bytes: u64,
    /// Syncs of files and of the folder so far that had something to save.
    pub syncs: u64,
    /// Which operations fail, and how.
    pub failing: Option<(Range<u64>, Failure)>,
    /// Whether the state after each changing operation goes to `history`.
    pub recording: bool,
    /// Handles that are open now.
    pub handles: u64,
}

/// A simulated card as a [`super::Volume`]; clones share it.
#[derive(Clone)]
pub struct Simulated {
    pub disk: Arc<Mutex<Disk>>,
    pub history: Arc<Mutex<Vec<Disk>>>,
}

impl Simulated {
    pub fn new(capacity: u64) -> Simulated {
        Simulated::from(Disk {
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            names_on_medium: BTreeMap::new(),
            changes: Vec::new(),
            next_inode: 0,
            capacity,
            foreign_bytes: 0,
            mounted: true,
            generation: 0,
            locked: false,
            operations: 0,
            read_bytes: 0,
            written_bytes: 0,
            syncs: 0,
            failing: None,
            recording: false,
            handles: 0,
        })
    }

    pub fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was recorded.
    pub fn take_history(&self) -> Vec<Disk> {
        std::mem::take(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn record(&self, disk: &Disk) {
        if disk.recording {
            let snapshot = Disk { recording: false, ..disk.clone() };
            self.history.lock().unwrap_or_else(PoisonError::into_inner).push(snapshot);
        }
    }
}

impl From<Disk> for Simulated {
    fn from(disk: Disk) -> Simulated {
        Simulated { disk: Arc::new(Mutex::new(disk)), history: Arc::default() }
    }
}

impl Disk {
    /// What is there when the power comes back.
    pub fn after_crash(&self, random: &mut Random) -> Disk {
        let mut names = self.names_on_medium.clone();
        // All, none, or each by itself.
        let mode = random.below(3);
        for change in &self.changes {
            if mode == 0 || mode == 1 && random.below(2) == 0 {
                change.apply(&mut names);
            }
        }
        let mut inodes = BTreeMap::new();
        for &inode in names.values() {
            if let Some(file) = self.inodes.get(&inode) {
                inodes.insert(
                    inode,
                    if file.dirty { Arc::new(file.after_crash(random)) } else { file.settled() },
                );
            }
        }
        Disk {
            inodes,
            names_on_medium: names.clone(),
            names,
            changes: Vec::new(),
            locked: false,
            mounted: true,
            failing: None,
            handles: 0,
            ..self.clone()
        }
    }

    /// The bytes that all files take.
    pub fn used_bytes(&self) -> u64 {
        self.names
            .values()
            .filter_map(|inode| self.inodes.get(inode))
            .map(|file| file.seen.len() as u64)
            .sum()
    }

    pub fn free_bytes(&self) -> u64 {
        self.capacity.saturating_sub(self.used_bytes() + self.foreign_bytes)
    }

    /// Puts a file of another program there.
    pub fn put_file(&mut self, name: &str, bytes: &[u8]) {
        let file =
            Inode { seen: bytes.to_vec(), medium: bytes.to_vec(), clean: bytes.len(), ..Inode::default() };
        self.next_inode += 1;
        self.inodes.insert(self.next_inode, Arc::new(file));
        self.names.insert(name.to_owned(), self.next_inode);
        self.names_on_medium.insert(name.to_owned(), self.next_inode);
    }

    /// Removes a file as another program does.
    pub fn remove_file(&mut self, name: &str) {
        self.names.remove(name);
        self.names_on_medium.remove(name);
    }

    /// The names of all files as they are seen.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.names.keys().cloned()
    }

    /// The bytes of a file as they are seen.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        Some(&self.inodes.get(self.names.get(name)?)?.seen)
    }

    /// Pulls the card out: everything that is open is lost.
    pub fn pull_out(&mut self) {
        self.mounted = false;
        self.generation += 1;
        self.locked = false;
    }

    /// Counts an operation, and fails where it must.
    fn operate(&mut self, generation: u64, changes: bool, fills: bool) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        if generation != self.generation || !self.mounted {
            return Err(io::Error::from_raw_os_error(5));
        }
        let failing = self.failing.as_ref().filter(|(range, _)| range.contains(&number));
        match failing.map(|&(_, failure)| failure) {
            Some(Failure::Input) => Err(io::Error::from_raw_os_error(5)),
            Some(Failure::Full) if fills => Err(io::ErrorKind::StorageFull.into()),
            Some(Failure::ReadOnly) if changes => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    /// Forgets files that no name leads to.
    fn collect(&mut self) {
        let (seen, medium) = (&self.names, &self.names_on_medium);
        self.inodes.retain(|inode, _| seen.values().chain(medium.values()).any(|named| named == inode));
    }
}

impl Inode {
    /// A clean file; what a failed sync has forgotten is not there any more.
    fn settled(self: &Arc<Inode>) -> Arc<Inode> {
        if self.forgotten.is_empty() {
            return self.clone();
        }
        let medium = self.medium.clone();
        Arc::new(Inode { seen: medium.clone(), clean: medium.len(), medium, ..Inode::default() })
    }

    fn after_crash(&self, random: &mut Random) -> Inode {
        let (old, new) = (self.medium.len(), self.seen.len());
        let length = match random.below(3) {
            0 => old,
            1 => new,
            _ => old.min(new) + random.below(old.abs_diff(new) + 1),
        };
        let byte = |bytes: &[u8], at: usize| bytes.get(at).copied().unwrap_or(0);
        let mut medium: Vec<u8> = self.medium.clone();
        medium.resize(length, 0);
        let first = self.clean / SECTOR * SECTOR;
        for start in (first..length).step_by(SECTOR) {
            let end = (start + SECTOR).min(length);
            let (kind, torn) = (random.below(6), start + random.below(SECTOR));
            for (at, place) in medium.iter_mut().enumerate().take(end).skip(start) {
                let forgotten = self.forgotten.iter().any(|range| range.contains(&at));
                *place = match kind {
                    0 => byte(&self.medium, at),
                    1 if at >= torn => byte(&self.medium, at),
                    2 => 0,
                    3 => random.next() as u8,
                    _ if forgotten => byte(&self.medium, at),
                    _ => byte(&self.seen, at),
                };
            }
        }
        Inode { seen: medium.clone(), clean: medium.len(), medium, ..Inode::default() }
    }

    /// Bytes of the blocks that a sync would write; `None` where there is nothing to save.
    fn unsynced_bytes(&self) -> Option<u64> {
        const BLOCK: usize = 4096;
        let blocks = self.seen.len().next_multiple_of(BLOCK) - self.clean / BLOCK * BLOCK;
        self.dirty.then_some(blocks as u64)
    }

    fn truncate(&mut self, length: usize) {
        self.seen.truncate(length);
        self.clean = self.clean.min(length);
        self.forgotten.retain_mut(|range| {
            range.end = range.end.min(length);
            range.start < range.end
        });
        self.dirty = true;
    }

    fn sync(&mut self) {
        let old = std::mem::take(&mut self.medium);
        self.medium.clone_from(&self.seen);
        for range in &self.forgotten {
            for at in range.clone() {
                self.medium[at] = old.get(at).copied().unwrap_or(0);
            }
        }
        self.clean = self.forgotten.first().map_or(self.seen.len(), |range| range.start);
        self.dirty = false;
    }

    fn forget(&mut self) {
        let range = self.clean..self.seen.len();
        self.forgotten = vec![range];
        self.dirty = false;
    }
}
