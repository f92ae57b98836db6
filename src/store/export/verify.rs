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
    /// Places between the first and the last mask where there is none: masks that were lost before they were safe, or
    /// that are damaged.
    pub missing: u64,
    /// Bytes behind the last mask that are no whole one: those of a writer at work, or what a power cut left.
    pub torn_bytes: u64,
}

/// Reads every mask in `folder` and compares it with what the store says of it; each damage is told to `found`.
///
/// # Errors
/// [`ReadError`] where the store as a whole cannot be read.
pub fn verify(folder: &Path, found: &mut dyn FnMut(&ReadError)) -> Result<Verified, ReadError> {
    let mut verified = Verified::default();
    let mut range: Option<(u64, u64)> = None;
    let mut masks = Masks::open(folder)?;
    for mask in &mut masks {
        match mask {
            Ok(stored) => {
                verified.whole += 1;
                range = Some((range.map_or(stored.sequence, |(first, _)| first), stored.sequence));
            }
            Err(error) if error.is_damage() => {
                verified.damaged += 1;
                found(&error);
            }
            Err(error) => return Err(error),
        }
    }
    verified.missing = range.map_or(0, |(first, last)| (last - first + 1).saturating_sub(verified.whole));
    verified.torn_bytes = masks.torn_bytes();
    Ok(verified)
}
