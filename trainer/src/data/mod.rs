//! Labelled pictures as batches: reading, augmentation, loading ahead.
//!
//! 1. [`open`] recognizes a data set and gives its [`Examples`]: decoded pictures, each with a class or a mask.
//! 2. [`Loader`] brings them to a network's input as the camera program does ([`sedge::frame::Preparer`]) and keeps
//!    what fits into memory as 8-bit pixels.
//! 3. [`Augment`] changes them, image and mask alike, by draws that only depend on seed, epoch and example.
//! 4. Worker threads do this ahead of the training, which takes [`Batch`]es of tensors in a fixed order.
//!
//! [`fingerprint`] is the hash of the data that stands in a run's record, [`class_frequencies`] is what weights of classes
//! are made from.

mod augment;
mod draws;
mod error;
mod loader;
mod source;
mod split;
mod summary;

pub use augment::{Augment, AugmentError};
pub use draws::Draws;
pub use error::DataError;
pub use loader::{Batch, Epoch, Loader, LoaderOptions};
pub use source::open;
pub use split::{Split, SplitError};
pub use summary::{class_frequencies, fingerprint};

use sedge::onnx::Task;
use sha2::{Digest, Sha256};

/// What is to be learnt of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Its class, a place in [`Examples::classes`].
    Class(i64),
    /// The class of each pixel, row by row, as many as the picture has: places in [`Examples::classes`] or the ignore label.
    Mask(Vec<u8>),
}

/// A decoded picture and what is to be learnt of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 3 (red, green, blue) or 1 (grey).
    pub channels: usize,
    /// `[height, width, channels]`.
    pub pixels: Vec<u8>,
    /// Class or mask, as [`Examples::task`] says.
    pub target: Target,
}

/// A split of a data set. All methods may be called from several threads at a time.
pub trait Examples: Send + Sync {
    /// How many there are, at least 1 for what [`open`] gives.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A name, unique in the data set and the same wherever it lies: the file's, or the file's with a number.
    ///
    /// # Panics
    /// If `index` is not below [`Examples::len`]; so do the other methods that take one.
    fn name(&self, index: usize) -> String;

    /// Reads and decodes an example.
    ///
    /// # Errors
    /// [`DataError`] names the file that is missing, broken, or does not fit to its mask.
    fn example(&self, index: usize) -> Result<Example, DataError>;

    /// What is to be learnt of an example, without its picture where that is quicker.
    ///
    /// # Errors
    /// As [`Examples::example`].
    fn target(&self, index: usize) -> Result<Target, DataError> {
        Ok(self.example(index)?.target)
    }

    /// Adds what is stored of an example, picture and target, to a hash: by default pixels and labels, for files their bytes.
    ///
    /// # Errors
    /// As [`Examples::example`].
    fn hash(&self, index: usize, hash: &mut Sha256) -> Result<(), DataError> {
        let example = self.example(index)?;
        for length in [example.width, example.height, example.channels] {
            hash.update((length as u64).to_le_bytes());
        }
        hash.update(&example.pixels);
        match &example.target {
            Target::Class(class) => hash.update(class.to_le_bytes()),
            Target::Mask(mask) => hash.update(mask),
        }
        Ok(())
    }

    /// Names of the classes; the place is the id. The same for all splits of a data set.
    fn classes(&self) -> &[String];

    /// The id of pixels that count neither way: there for every set of masks, absent for classes.
    fn ignore(&self) -> Option<u8> {
        None
    }

    /// Masks (segmentation) or classes (classification).
    fn task(&self) -> Task;
}
