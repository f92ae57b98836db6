//! What can go wrong with a folder of masks, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::mask::png::PngError;

/// Why masks cannot be stored or an index cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {action} {}: {}", path.display(), reason(source))]
    Disk {
        /// What was tried: "write", "create", ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder belongs to an earlier run.
    #[error(
        "{} holds the masks of an earlier run; use --overwrite to replace them, --append to go on after them, or \
         another --out ({} is free)",
        folder.display(),
        free.display()
    )]
    EarlierRun {
        /// The folder.
        folder: PathBuf,
        /// A folder name that no run has taken.
        free: PathBuf,
    },
    /// Another run writes to the folder now.
    #[error("{} is in use by another run; end that one, or use another --out", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The earlier run in the folder had other classes.
    #[error(
        "{} lists other classes than this model has, so its masks would not go together; use another --out",
        path.display()
    )]
    Classes {
        /// The folder's `classes.json`.
        path: PathBuf,
    },
    /// A line of the index, not its last one, cannot be read.
    #[error(
        "{}: line {line} is damaged ({reason}); repair or remove the line, or use another --out",
        path.display()
    )]
    Index {
        /// The index.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The mask itself cannot be encoded.
    #[error("frame {frame}: {source}")]
    Mask {
        /// The frame's number.
        frame: u64,
        /// What is wrong with the mask.
        source: PngError,
    },
}

impl StoreError {
    /// Whether the disk has no room left, so that no later frame can be stored either.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, StoreError::Disk { source, .. } if is_full(source))
    }

    pub(super) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::Disk { action, path, source }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn reason(error: &io::Error) -> String {
    if is_full(error) {
        return "no space left on the disk; free some space or choose another --out".to_owned();
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("{error}; allow writing there or choose another --out")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            format!("{error}; there is a file where a folder is needed, choose another --out")
        }
        _ => error.to_string(),
    }
}
