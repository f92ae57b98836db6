//! What can go wrong with a folder of masks, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::segments::WaitReason;
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
    /// The folder holds something else, which masks would be mixed with.
    #[error(
        "{} holds other files (such as {name}), with which masks would be mixed; use an empty folder, such as {}",
        folder.display(),
        folder.join("masks").display()
    )]
    OtherFiles {
        /// The folder.
        folder: PathBuf,
        /// One of the files.
        name: String,
    },
    /// The folder holds a run's masks as pictures, and a store of segments would be mixed with them.
    #[error("{} holds the masks of a run as pictures; use another folder for segments", folder.display())]
    Pictures {
        /// The folder.
        folder: PathBuf,
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
    /// The folder holds no store of segments.
    #[error("{} holds no store of segments; name the folder that [store] path names", folder.display())]
    NoStore {
        /// The folder.
        folder: PathBuf,
    },
    /// A segment was written by a later program.
    #[error("{} has format version {version}, which this program does not know; use a newer one", path.display())]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// A place in a segment is damaged; what is behind it can still be read.
    #[error("{} is damaged at byte {offset}: {reason}; the masks behind it can still be read", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong, part of a sentence.
        reason: &'static str,
    },
    /// A setting of the store makes no sense.
    #[error("[store] {setting}: {reason}")]
    Setting {
        /// Its name in the configuration.
        setting: &'static str,
        /// What is wrong and what to do, part of a sentence.
        reason: String,
    },
    /// The store cannot take masks now; it takes up again by itself.
    #[error("no masks can be stored in {} now: {reason}; storing goes on by itself", folder.display())]
    Waiting {
        /// The folder.
        folder: PathBuf,
        /// What it waits for.
        reason: WaitReason,
    },
    /// The store ended while it waited, with masks in memory.
    #[error("the last {masks} masks could not be stored in {} and are lost: {reason}", folder.display())]
    Lost {
        /// The folder.
        folder: PathBuf,
        /// How many.
        masks: u64,
        /// What it waited for.
        reason: WaitReason,
    },
    /// The day's write budget is spent.
    #[error(
        "the write budget of {bytes} bytes a day is spent; storing goes on in {} min, raise [store] \
         write_bytes_per_day or save less often",
        renewed_in.as_secs().div_ceil(60)
    )]
    Budget {
        /// The budget.
        bytes: u64,
        /// Until the next day of the store begins.
        renewed_in: Duration,
    },
    /// The mask has no pixels, not as many as its size says, or too many.
    #[error(
        "frame {frame}: a mask of {width}x{height} with {found} class ids cannot be stored; its size and its data must agree, and 67 million pixels are the most"
    )]
    MaskSize {
        /// The frame's number.
        frame: u64,
        /// The mask's width.
        width: u32,
        /// The mask's height.
        height: u32,
        /// Class ids that it holds.
        found: usize,
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
    /// Whether the store takes masks again later without anybody's doing, so that the caller goes on with the next
    /// frame; any other error of [`super::SegmentStore`] is wrong usage.
    pub fn waits(&self) -> bool {
        matches!(self, StoreError::Waiting { .. } | StoreError::Budget { .. })
    }

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
