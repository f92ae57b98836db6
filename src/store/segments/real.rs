//! This machine's file system by folder handles (`openat` and its kin).

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, StatVfsMountFlags};
use rustix::io::Errno;

use super::volume::{Appender, Content, Folder, MountRule, OpenError, Volume};

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealVolume;

impl Volume for RealVolume {
    fn open(&self, folder: &Path, rule: &MountRule, create: bool) -> Result<Box<dyn Folder>, OpenError> {
        let (start, rest) = match &rule.mount {
            Some(mount) => {
                let root = mount_point(mount)?;
                let rest = folder.strip_prefix(mount).map_err(|_| {
                    io::Error::new(io::ErrorKind::InvalidInput, "the folder is not under the mount point")
                })?;
                (root, rest)
            }
            None => (walk_from(folder)?, folder),
        };
        let device = fs::fstat(&start).map_err(io::Error::from)?.st_dev;
        let handle = descend(start, rest, create, |place| check_uuid(place, rule))?;
        let stat = fs::fstat(&handle).map_err(io::Error::from)?;
        if rule.mount.is_some() && stat.st_dev != device {
            return Err(OpenError::NotMounted(format!(
                "{} is on another file system than its mount point",
                folder.display()
            )));
        }
        let handle = reopen(&handle)?;
        Ok(Box::new(RealFolder { handle, path: folder.to_owned(), identity: identity(&stat) }))
    }
}

const PATH_ONLY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);

/// A handle on `mount`, if something is mounted there.
fn mount_point(mount: &Path) -> Result<OwnedFd, OpenError> {
    let root = match fs::open(mount, PATH_ONLY, Mode::empty()) {
        Ok(root) => root,
        Err(Errno::NOENT | Errno::NOTDIR) => {
            return Err(OpenError::NotMounted(format!("there is no folder {}", mount.display())));
        }
        Err(error) => return Err(OpenError::Io(error.into())),
    };
    let own = fs::fstat(&root).map_err(io::Error::from)?;
    let parent = fs::statat(&root, "..", AtFlags::empty()).map_err(io::Error::from)?;
    // The root folder is its own parent.
    if own.st_dev == parent.st_dev && own.st_ino != parent.st_ino {
        return Err(OpenError::NotMounted(format!("nothing is mounted at {}", mount.display())));
    }
    Ok(root)
}

fn check_uuid(place: &OwnedFd, rule: &MountRule) -> Result<(), OpenError> {
    let Some(uuid) = &rule.uuid else {
        return Ok(());
    };
    let device = Path::new("/dev/disk/by-uuid").join(uuid);
    let expected = match fs::stat(&device) {
        Ok(stat) => stat.st_rdev,
        Err(_) => return Err(OpenError::NotMounted(format!("no disk with UUID {uuid} is plugged in"))),
    };
    match fs::fstat(place).map_err(io::Error::from)?.st_dev == expected {
        true => Ok(()),
        false => Err(OpenError::NotMounted(format!("the disk with UUID {uuid} is not the one mounted"))),
    }
}

fn walk_from(folder: &Path) -> io::Result<OwnedFd> {
    let start = if folder.is_absolute() { "/" } else { "." };
    Ok(fs::open(start, PATH_ONLY, Mode::empty())?)
}

/// Walks `path` down from `start`, making what is missing. `check` is asked once, of the deepest folder that is there.
fn descend(
    start: OwnedFd,
    path: &Path,
    create: bool,
    check: impl Fn(&OwnedFd) -> Result<(), OpenError>,
) -> Result<OwnedFd, OpenError> {
    let mut here = start;
    let mut checked = false;
    for part in path.components() {
        let name: &Path = match part {
            Component::Normal(name) => name.as_ref(),
            Component::ParentDir => "..".as_ref(),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => continue,
        };
        let next = match fs::openat(&here, name, PATH_ONLY, Mode::empty()) {
            Err(Errno::NOENT) if create => {
                if !checked {
                    check(&here)?;
                    checked = true;
                }
                match fs::mkdirat(&here, name, FOLDER_MODE) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(OpenError::Io(error.into())),
                }
                // A folder whose entry is lost takes everything in it along.
                fs::fsync(reopen(&here)?).map_err(io::Error::from)?;
                fs::openat(&here, name, PATH_ONLY, Mode::empty())
            }
            other => other,
        };
        here = next.map_err(io::Error::from)?;
    }
    if !checked {
        check(&here)?;
    }
    Ok(here)
}

/// A handle that can be listed and synced, in place of one that only names a folder.
fn reopen(folder: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(fs::openat(folder, ".", flags, Mode::empty())?)
}

fn identity(stat: &Stat) -> (u64, u64) {
    // The types of these fields differ between architectures.
    #[allow(clippy::unnecessary_cast)]
    (stat.st_dev as u64, stat.st_ino as u64)
}

struct RealFolder {
    handle: OwnedFd,
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl RealFolder {
    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(fs::openat(&self.handle, name, flags, FILE_MODE)?.into())
    }
}

impl Folder for RealFolder {
    fn lock(&mut self) -> io::Result<bool> {
        match fs::flock(&self.handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            // A file system without locks: two writers at once are then the user's to avoid.
            Err(Errno::NOTSUP | Errno::NOSYS | Errno::INVAL | Errno::NOLCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn in_place(&self) -> bool {
        fs::stat(&self.path).is_ok_and(|stat| identity(&stat) == self.identity)
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::Dir::read_from(&self.handle)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            let stat = match fs::statat(self.handle.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                other => other?,
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                files.push((name.to_owned(), stat.st_size as u64));
            }
        }
        Ok(files)
    }

    fn create(&mut self, name: &str) -> io::Result<Box<dyn Appender>> {
        let file = self.file(name, OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL)?;
        Ok(Box::new(RealFile(file)))
    }

    fn append(&mut self, name: &str) -> io::Result<Box<dyn Appender>> {
        Ok(Box::new(RealFile(self.file(name, OFlags::WRONLY | OFlags::APPEND)?)))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Content>> {
        Ok(Box::new(RealFile(self.file(name, OFlags::RDONLY)?)))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        Ok(fs::renameat(&self.handle, from, &self.handle, to)?)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        Ok(fs::unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    fn sync(&mut self) -> io::Result<()> {
        fs::fsync(&self.handle)?;
        still_writable(&self.handle)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = fs::fstatvfs(&self.handle)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

struct RealFile(File);

impl Appender for RealFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()?;
        if fs::fstat(&self.0)?.st_nlink == 0 {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the segment was deleted while it was written",
            ));
        }
        still_writable(&self.0)
    }
}

/// ext4 that was remounted read-only in an emergency takes writes to files that were open, and says that it has synced
/// them, though nothing reaches the disk.
fn still_writable(handle: impl AsFd) -> io::Result<()> {
    match fs::fstatvfs(handle)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
        true => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        false => Ok(()),
    }
}

impl Content for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while read < into.len() {
            match self.0.read_at(&mut into[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(bytes) => read += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }
}
