//! The file operations that the store needs, as a trait, and the real disk behind it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// What the store does to files. Tests put a disk behind it that fills up and fails.
pub trait Disk {
    /// Creates a folder and its parents; one that exists is fine.
    fn create_folder(&mut self, path: &Path) -> io::Result<()>;
    /// Whether there is anything at `path`.
    fn exists(&self, path: &Path) -> bool;
    /// The name of anything in a folder that is neither hidden nor `lost+found`.
    fn any_other(&self, folder: &Path) -> io::Result<Option<String>>;
    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Writes a file anew; after an error there may be a part of it.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Appends to a file, which is made where it is missing; after an error there may be a part of `bytes`.
    fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Shortens a file to `length` bytes.
    fn truncate(&mut self, path: &Path, length: u64) -> io::Result<()>;
    /// Gives a file another name in one step.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
    /// Waits until a file's bytes are on the medium.
    fn sync(&mut self, path: &Path) -> io::Result<()>;
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn exists(&self, path: &Path) -> bool {
        // A dangling link is something too: writing there would go through it.
        path.symlink_metadata().is_ok()
    }

    fn any_other(&self, folder: &Path) -> io::Result<Option<String>> {
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if is_other(&name) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::write(path, bytes)
    }

    fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new().append(true).create(true).open(path)?.write_all(bytes)
    }

    fn truncate(&mut self, path: &Path, length: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(length)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// Whether a file of this name is somebody's, and not the file system's or a desktop's.
fn is_other(name: &str) -> bool {
    !name.starts_with('.') && name != "lost+found"
}

#[cfg(test)]
pub(super) mod memory {
    //! A disk in memory that fills up and fails on command.

    use super::Disk;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::io;
    use std::path::{Path, PathBuf};
    use std::rc::Rc;

    /// What is on the disk, and how it behaves.
    pub struct State {
        pub files: BTreeMap<PathBuf, Vec<u8>>,
        /// Bytes that all files together may take.
        pub capacity: usize,
        /// Changes until one fails; none does at `None`.
        pub fails_in: Option<usize>,
    }

    /// A handle on the disk; clones share it, as a process that comes after a crash does.
    #[derive(Clone)]
    pub struct MemoryDisk(pub Rc<RefCell<State>>);

    impl MemoryDisk {
        pub fn new(capacity: usize) -> MemoryDisk {
            MemoryDisk(Rc::new(RefCell::new(State { files: BTreeMap::new(), capacity, fails_in: None })))
        }

        /// Counts a change, and fails where its turn has come.
        fn change(&self) -> io::Result<()> {
            match &mut self.0.borrow_mut().fails_in {
                Some(0) => Err(io::Error::from_raw_os_error(5)),
                Some(left) => {
                    *left -= 1;
                    Ok(())
                }
                None => Ok(()),
            }
        }
    }

    fn missing() -> io::Error {
        io::ErrorKind::NotFound.into()
    }

    impl Disk for MemoryDisk {
        fn create_folder(&mut self, _: &Path) -> io::Result<()> {
            self.change()
        }

        fn exists(&self, path: &Path) -> bool {
            self.0.borrow().files.contains_key(path)
        }

        fn any_other(&self, folder: &Path) -> io::Result<Option<String>> {
            let state = self.0.borrow();
            let names = state.files.keys().filter_map(|path| path.strip_prefix(folder).ok());
            let mut names = names.map(|name| name.to_string_lossy().into_owned());
            Ok(names.find(|name| super::is_other(name)))
        }

        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            self.0.borrow().files.get(path).cloned().ok_or_else(missing)
        }

        fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            self.0.borrow_mut().files.insert(path.to_owned(), Vec::new());
            self.append(path, bytes)
        }

        fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            let failed = self.change();
            let mut state = self.0.borrow_mut();
            let used: usize = state.files.values().map(Vec::len).sum();
            let room = state.capacity - used;
            // A failing write leaves half behind.
            let fits = if failed.is_err() { bytes.len() / 2 } else { bytes.len() }.min(room);
            state.files.entry(path.to_owned()).or_default().extend(&bytes[..fits]);
            failed?;
            if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn truncate(&mut self, path: &Path, length: u64) -> io::Result<()> {
            self.change()?;
            self.0.borrow_mut().files.get_mut(path).ok_or_else(missing)?.truncate(length as usize);
            Ok(())
        }

        fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
            self.change()?;
            let mut state = self.0.borrow_mut();
            let bytes = state.files.remove(from).ok_or_else(missing)?;
            state.files.insert(to.to_owned(), bytes);
            Ok(())
        }

        fn remove(&mut self, path: &Path) -> io::Result<()> {
            self.change()?;
            self.0.borrow_mut().files.remove(path).map(|_| ()).ok_or_else(missing)
        }

        fn sync(&mut self, path: &Path) -> io::Result<()> {
            self.change()?;
            if self.exists(path) { Ok(()) } else { Err(missing()) }
        }
    }
}
