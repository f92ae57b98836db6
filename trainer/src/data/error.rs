//! Why data cannot be used, each with the file or example.

use std::io;
use std::path::{Path, PathBuf};

use sedge::dataset::DatasetError;
use sedge::frame::PrepareError;
use tch::TchError;

use super::split::Split;

/// Why data cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The folder is of no kind that is known.
    #[error(
        "{} is no data set that is known here: expected META.json with {{train,val,test}}/{{images,masks}}, \
         MNIST's train-images-idx3-ubyte (or .gz), CIFAR-10's data_batch_1.bin, or train and test with a folder \
         for each class, as folders or as train.tar and test.tar", .0.display()
    )]
    Unknown(PathBuf),
    /// The split holds nothing.
    #[error("{} holds no examples for {split}: {reason}", path.display())]
    Empty {
        /// The data set.
        path: PathBuf,
        /// Which split.
        split: Split,
        /// What was looked for.
        reason: String,
    },
    /// The system refused.
    #[error("cannot read {}: {source}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what its format says.
    #[error("{} is broken: {reason}", path.display())]
    Broken {
        /// The file, or the file and the member in it.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// META.json, masks and their pairing.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A mask is not of its image's size.
    #[error(
        "{name}: the image has {}x{} pixels and its mask {}x{}: make the mask anew at the image's size",
        image.0, image.1, mask.0, mask.1
    )]
    SizeMismatch {
        /// The example.
        name: String,
        /// Width and height of the image.
        image: (usize, usize),
        /// Width and height of the mask.
        mask: (usize, usize),
    },
    /// An example contradicts itself or its data set.
    #[error("example {name}: {reason}")]
    Example {
        /// The example.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A class in one split is not in the training split.
    #[error("{} has the class {class:?}, which the training data lack: take it out or add it there", path.display())]
    StrangeClass {
        /// The split's folder or archive.
        path: PathBuf,
        /// The class.
        class: String,
    },
    /// The loader's settings contradict each other.
    #[error("{0}")]
    Options(String),
    /// The input rule or the input's size is wrong.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// A thread of the loader could not be started, or stopped of itself.
    #[error("a loader thread failed: {0}")]
    Worker(String),
    /// libtorch refused, for want of memory as a rule.
    #[error("a batch cannot become a tensor: {0}")]
    Tensor(#[from] TchError),
}

/// Adds the path to what the system says.
pub(super) fn disk(path: &Path) -> impl FnOnce(io::Error) -> DataError {
    let path = path.to_owned();
    move |source| DataError::Disk { path, source }
}

/// An error for a broken file.
pub(super) fn broken(path: &Path, reason: impl Into<String>) -> DataError {
    DataError::Broken { path: path.to_owned(), reason: reason.into() }
}
