//! The kinds of data sets and which one a folder is.

mod cifar;
mod class_folders;
mod class_tar;
mod idx;
mod masks;
mod member;
mod picture;

use std::path::Path;
use std::sync::Arc;

use super::error::disk;
use super::{DataError, Examples, Split};

/// Opens a split of a data set, whose kind is recognized by its files:
///
/// | kind | recognized by | validation |
/// |---|---|---|
/// | pictures with masks | `META.json`; `{train,val,test}/{images,masks}` | `val`, or a tenth of `train` |
/// | MNIST and its like (IDX, also `.gz`) | `{train,t10k}-images-idx3-ubyte` and `-labels-idx1-ubyte` | a tenth of `train` |
/// | CIFAR-10, binary version | `data_batch_1.bin` or `test_batch.bin`, also in `cifar-10-batches-bin` | a tenth of `train` |
/// | a folder for each class, in archives | `train.tar`, `test.tar` | `val.tar`, or a tenth of `train` |
/// | a folder for each class | `{train,test}/CLASS/*.jpg, *.png` | `val`, or a tenth of `train` |
///
/// The tenth is chosen by the examples' names, is the same each time, and is left out of `train`. Files are read when
/// examples are asked for; only lists, and IDX files, are kept in memory.
///
/// # Errors
/// [`DataError::Unknown`] for a folder of no such kind, [`DataError::Empty`] for a split without examples, and errors that
/// name the file that is missing or broken.
pub fn open(path: &Path, split: Split) -> Result<Arc<dyn Examples>, DataError> {
    std::fs::read_dir(path).map_err(disk(path))?;
    if path.join("META.json").is_file() {
        Ok(Arc::new(masks::Masks::open(path, split)?))
    } else if idx::recognizes(path) {
        Ok(Arc::new(idx::Idx::open(path, split)?))
    } else if let Some(folder) = cifar::folder(path) {
        Ok(Arc::new(cifar::Cifar::open(&folder, split)?))
    } else if class_tar::recognizes(path) {
        Ok(Arc::new(class_tar::ClassTar::open(path, split)?))
    } else if class_folders::recognizes(path) {
        Ok(Arc::new(class_folders::ClassFolders::open(path, split)?))
    } else {
        Err(DataError::Unknown(path.to_owned()))
    }
}
