//! Folders and files of a simulated card.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Disk;
use super::{Change, Inode, Simulated};
use crate::store::segments::volume::{Appender, Content, Folder, MountRule, OpenError, Volume};

impl Volume for Simulated {
    fn open(&self, _: &Path, rule: &MountRule, _: bool) -> Result<Box<dyn Folder>, OpenError> {
        let mut disk = self.lock();
        if !disk.mounted {
            let reason = "nothing is mounted";
            assert!(rule.mount.is_some(), "the store would fill the system's disk");
            return Err(OpenError::NotMounted(reason.to_owned()));
        }
        let generation = disk.generation;
        disk.operate(generation, false, false)?;
        disk.handles += 1;
        Ok(Box::new(SimulatedFolder { card: self.clone(), generation, locked: false }))
    }
}

struct SimulatedFolder {
    card: Simulated,
    generation: u64,
    /// Whether this handle holds the lock.
    locked: bool,
}

impl SimulatedFolder {
    /// Does something that changes the folder.
    fn change(&self, fills: bool, change: impl FnOnce(&mut Disk) -> io::Result<()>) -> io::Result<()> {
        let mut disk = self.card.lock();
        disk.operate(self.generation, true, fills)?;
        change(&mut disk)?;
        self.card.record(&disk);
        Ok(())
    }

    fn file(&self, inode: u64) -> SimulatedFile {
        self.card.lock().handles += 1;
        SimulatedFile { card: self.card.clone(), generation: self.generation, inode }
    }

    fn find(&self, name: &str) -> io::Result<SimulatedFile> {
        let inode = {
            let mut disk = self.card.lock();
            disk.operate(self.generation, false, false)?;
            disk.names.get(name).copied().ok_or(io::ErrorKind::NotFound)?
        };
        Ok(self.file(inode))
    }
}

impl Drop for SimulatedFolder {
    fn drop(&mut self) {
        let mut disk = self.card.lock();
        disk.handles -= 1;
        if self.locked && self.generation == disk.generation {
            disk.locked = false;
        }
    }
}

impl Folder for SimulatedFolder {
    fn lock(&mut self) -> io::Result<bool> {
        let mut disk = self.card.lock();
        self.locked = !disk.locked;
        disk.locked = true;
        Ok(self.locked)
    }

    fn in_place(&self) -> bool {
        let disk = self.card.lock();
        disk.mounted && disk.generation == self.generation
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut disk = self.card.lock();
        disk.operate(self.generation, false, false)?;
        let length = |inode| disk.inodes.get(inode).map_or(0, |file: &Arc<Inode>| file.seen.len() as u64);
        Ok(disk.names.iter().map(|(name, inode)| (name.clone(), length(inode))).collect())
    }

    fn create(&mut self, name: &str) -> io::Result<Box<dyn Appender>> {
        let mut inode = 0;
        self.change(true, |disk| {
            if disk.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            disk.next_inode += 1;
            inode = disk.next_inode;
            disk.inodes.insert(inode, Arc::default());
            disk.change(Change::Add(name.to_owned(), inode));
            Ok(())
        })?;
        Ok(Box::new(self.file(inode)))
    }

    fn append(&mut self, name: &str) -> io::Result<Box<dyn Appender>> {
        Ok(Box::new(self.find(name)?))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Content>> {
        Ok(Box::new(self.find(name)?))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.change(false, |disk| {
            let inode = *disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
            disk.change(Change::Rename(from.to_owned(), to.to_owned(), inode));
            Ok(())
        })
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.change(false, |disk| {
            if !disk.names.contains_key(name) {
                return Err(io::ErrorKind::NotFound.into());
            }
            disk.change(Change::Remove(name.to_owned()));
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.change(false, |disk| {
            disk.syncs += u64::from(!disk.changes.is_empty());
            disk.names_on_medium = disk.names.clone();
            disk.changes.clear();
            disk.collect();
            Ok(())
        })
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let mut disk = self.card.lock();
        disk.operate(self.generation, false, false)?;
        Ok(disk.free_bytes())
    }
}

struct SimulatedFile {
    card: Simulated,
    generation: u64,
    inode: u64,
}

impl SimulatedFile {
    /// Changes the file; `change` learns whether the operation must fail.
    fn change(
        &self,
        fills: bool,
        change: impl FnOnce(&mut Inode, &mut io::Result<()>, u64),
    ) -> io::Result<()> {
        let mut disk = self.card.lock();
        let mut result = disk.operate(self.generation, true, fills);
        if self.generation != disk.generation {
            return result;
        }
        let free = disk.free_bytes();
        if let Some(file) = disk.inodes.get_mut(&self.inode) {
            change(Arc::make_mut(file), &mut result, free);
        }
        self.card.record(&disk);
        result
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        self.card.lock().handles -= 1;
    }
}

impl Appender for SimulatedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.change(true, |file, result, free| {
            // A failing write leaves half behind.
            let wanted = if result.is_err() { bytes.len() / 2 } else { bytes.len() };
            let fits = wanted.min(free as usize);
            if fits < wanted && result.is_ok() {
                *result = Err(io::ErrorKind::StorageFull.into());
            }
            file.seen.extend(&bytes[..fits]);
            file.dirty = true;
        })
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.change(false, |file, result, _| {
            if result.is_ok() {
                file.truncate(length as usize);
            }
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        let unsynced = self.card.lock().inodes.get(&self.inode).and_then(|file| file.unsynced_bytes());
        self.change(false, |file, result, _| if result.is_ok() { file.sync() } else { file.forget() })?;
        let mut disk = self.card.lock();
        disk.written_bytes += unsynced.unwrap_or(0);
        disk.syncs += u64::from(unsynced.is_some());
        Ok(())
    }
}

impl Content for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        let mut disk = self.card.lock();
        disk.operate(self.generation, false, false)?;
        Ok(disk.inodes.get(&self.inode).map_or(0, |file| file.seen.len() as u64))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut disk = self.card.lock();
        disk.operate(self.generation, false, false)?;
        let file = Arc::clone(disk.inodes.get(&self.inode).ok_or(io::ErrorKind::NotFound)?);
        let rest = file.seen.get(offset as usize..).unwrap_or(&[]);
        let read = rest.len().min(into.len());
        into[..read].copy_from_slice(&rest[..read]);
        disk.read_bytes += read as u64;
        Ok(read)
    }
}
