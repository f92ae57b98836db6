//! Reading every mask of a store, to know which ones are whole.

use std::path::Path;

use super::{Masks, ReadError};

/// What a store was found to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Masks that are whole.
    pub whole: u64,
    /// Masks that are damaged or missing.
    pub damaged: u64,
}

/// Reads every mask in `folder` and compares it with what the store says of it; each damage is told to `found`.
///
/// # Errors
/// [`ReadError`] where the store as a whole cannot be read.
pub fn verify(folder: &Path, found: &mut dyn FnMut(&ReadError)) -> Result<Verified, ReadError> {
    let mut verified = Verified::default();
    for mask in Masks::open(folder)? {
        match mask {
            Ok(_) => verified.whole += 1,
            Err(error) if error.is_damage() => {
                verified.damaged += 1;
                found(&error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(verified)
}
