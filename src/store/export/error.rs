//! What can go wrong between a store of masks and a file that others read.

use std::io;
use std::path::PathBuf;

use crate::camera::SourceError;
use crate::frame::FrameError;
use crate::store::StoreError;

/// What is wrong with a mask that a store lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// What is there cannot be read.
    Unreadable,
    /// What is there is not what the store says of it.
    Different,
    /// Nothing is there.
    Missing,
}

/// Why a stored mask cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing lies at the path.
    #[error("{} does not exist; give the folder that `sedge run --out` wrote", path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// The path is that of a file.
    #[error("{} is a file, not a folder of masks; give the folder that `sedge run --out` wrote", path.display())]
    NotFolder {
        /// The path as given.
        path: PathBuf,
    },
    /// The folder is not one of a run.
    #[error(
        "{} holds no store of masks; give the folder that `sedge run --out` wrote or [store] path names",
        path.display()
    )]
    NoStore {
        /// The path as given.
        path: PathBuf,
    },
    /// The list of classes cannot be understood.
    #[error("{}: the list of classes is damaged ({reason}); put that of another run with the same model there", path.display())]
    Classes {
        /// The list.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// One mask is damaged; those after it can be read.
    #[error("{what}: {reason}")]
    Damaged {
        /// What kind of damage it is.
        damage: Damage,
        /// The file, with the place in it.
        what: String,
        /// What is wrong there.
        reason: String,
    },
    /// The store itself fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReadError {
    /// Whether only this mask is lost, and those after it can be read.
    pub fn is_damage(&self) -> bool {
        self.damage().is_some()
    }

    /// What kind of damage it is, where only this mask is lost.
    pub fn damage(&self) -> Option<Damage> {
        match self {
            ReadError::Damaged { damage, .. } => Some(*damage),
            ReadError::Store(StoreError::Damaged { .. }) => Some(Damage::Unreadable),
            _ => None,
        }
    }
}

/// Why masks cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The masks cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is a file at the place of the export.
    #[error("{} exists; use --overwrite to replace it, or another -o", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The export would replace a part of what is exported.
    #[error("{} belongs to the store that is exported; give another -o", path.display())]
    OwnStore {
        /// The file or folder.
        path: PathBuf,
    },
    /// There is a folder where the export would be a file.
    #[error("{} is a folder; give the name of a file, such as {}", path.display(), path.join(example).display())]
    IsFolder {
        /// The folder.
        path: PathBuf,
        /// A file's name.
        example: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// What was tried: "write", "create", ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder of pictures cannot be written.
    #[error(transparent)]
    Folder(StoreError),
    /// A class was asked for that the store does not have.
    #[error("the store has no class {name:?}; it has {known}")]
    NoClass {
        /// The name as given.
        name: String,
        /// All names.
        known: String,
    },
    /// A mask was made by another model than those before.
    #[error(
        "mask {sequence} is of a model with other classes than those before; export the two apart, with --to {} and \
         --from {sequence}",
        sequence.saturating_sub(1)
    )]
    OtherClasses {
        /// Its place in the store.
        sequence: u64,
    },
    /// No whole mask lies in the range.
    #[error("{} holds no whole mask{range}, so there is nothing to export", folder.display())]
    Nothing {
        /// The store.
        folder: PathBuf,
        /// ` from 3 to 7`, where a range was asked for.
        range: String,
    },
    /// The source of the frames fails.
    #[error("the frames cannot be read: {0}")]
    Frames(#[from] SourceError),
    /// A frame of the source contradicts itself.
    #[error("the frames cannot be read: {0}")]
    Frame(#[from] FrameError),
    /// The source ends before the frame of a mask.
    #[error("{name} has no frame {frame}; give --frames the source that the masks were made from")]
    NoFrame {
        /// The source.
        name: String,
        /// The number of the frame.
        frame: u64,
    },
    /// A mask or a picture cannot be encoded.
    #[error("mask {sequence} cannot be encoded: {reason}")]
    Encode {
        /// Its place in the store.
        sequence: u64,
        /// What the encoder says.
        reason: String,
    },
}
