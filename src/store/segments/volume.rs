//! What the durable store needs of a file system, as traits: folders and files by handle, so that nothing is written
//! elsewhere when a card is pulled out between two steps.

use std::io;
use std::path::{Path, PathBuf};

/// What must be true of the place before anything is created there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountRule {
    /// A folder at or above the store that must be a mount point: on another device than its parent.
    pub mount: Option<PathBuf>,
    /// The file system's UUID, as in `/dev/disk/by-uuid`.
    pub uuid: Option<String>,
}

/// Why a folder could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The mount rule does not hold: the reason, part of a sentence.
    NotMounted(String),
    /// The operating system refused.
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        OpenError::Io(error)
    }
}

/// A file system: this machine's ([`super::RealVolume`]), or a simulated one in tests.
pub trait Volume: Send {
    /// Opens `folder`; where `create` is set it is made with its parents, durably. The rule is checked first, and on
    /// the same handles that are then used.
    ///
    /// # Errors
    /// [`OpenError::NotMounted`] where the rule does not hold (nothing has been touched then).
    fn open(&self, folder: &Path, rule: &MountRule, create: bool) -> Result<Box<dyn Folder>, OpenError>;
}

/// An open folder. Names are those of files right in it.
pub trait Folder: Send {
    /// Keeps other writers out until the folder is closed; `false` where one has it already.
    fn lock(&mut self) -> io::Result<bool>;
    /// Whether the path that this folder was opened by still leads to it.
    fn in_place(&self) -> bool;
    /// The regular files with their lengths in bytes, in any order.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;
    /// Makes an empty file; one of that name is an error.
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Appender>>;
    /// Opens a file that exists for writing at its end.
    fn append(&mut self, name: &str) -> io::Result<Box<dyn Appender>>;
    /// Opens a file for reading.
    fn read(&self, name: &str) -> io::Result<Box<dyn Content>>;
    /// Gives a file another name in one step, in place of any file of that name.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// Waits until the folder's entries are on the medium. The bytes of its files are not meant.
    fn sync(&mut self) -> io::Result<()>;
    /// Bytes that this user may still write to the file system.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// A file that is open for writing.
pub trait Appender: Send {
    /// Writes at the end of the file; after an error there may be a part of `bytes`.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Shortens the file to `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Waits until the file's bytes and its length are on the medium. Its entry in the folder is not meant. After an
    /// error what was written since the last success is in doubt for good: a later success does not cover it.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that is open for reading.
pub trait Content: Send {
    /// Its length in bytes now.
    fn length(&self) -> io::Result<u64>;
    /// Reads from `offset` on until `into` is full or the file ends; returns the bytes read.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
}
