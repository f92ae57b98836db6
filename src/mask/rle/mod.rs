//! Masks as run-lengths: those of the store, of COCO and of CVAT, which are three.
//!
//! | | store ([`encode_runs`]) | COCO | CVAT |
//! |---|---|---|---|
//! | of | all classes at once | one class | one class |
//! | order of the pixels | row by row | column by column | row by row |
//! | what is covered | the mask | the picture | the class's bounding box |
//! | written as | bytes: id, length as LEB128 | six bits a character, each count less the one two before it | decimal numbers |
//!
//! In those of COCO and CVAT, counts alternate between pixels outside and inside of the class, and begin outside.

mod coco;
mod cvat;
mod runs;

pub use coco::{CocoRle, RleError};
pub use cvat::CvatRle;
pub use runs::{decode_runs, encode_runs};

#[cfg(test)]
mod tests;
