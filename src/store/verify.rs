//! Reading every mask of a store, to know which ones are whole, and how many of those that it lists are not.

use std::fmt;
use std::path::Path;

use super::export::{Damage, Masks, ReadError};
use super::segments::{self, IdFile, RealVolume};

/// What a store was found to hold. Of the masks that it lists each is whole, unreadable, different or missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Masks that the store says it holds: lines of the index of a folder of pictures; in segments, the records that
    /// footers count, those that are found where there is no footer, and those of segments that are gone.
    pub listed: u64,
    /// Masks that are whole and as the store lists them.
    pub whole: u64,
    /// Listed masks of which something is there that cannot be read.
    pub unreadable: u64,
    /// Listed masks that can be read but are not what the store says of them: of another size, with other pixels.
    pub different: u64,
    /// Listed masks of which nothing is there: the file or the segment is gone.
    pub missing: u64,
    /// Numbers between the first and the last mask that the store did not use or had not yet promised: what a power cut
    /// took of the last seconds, or what was skipped when another card was there.
    pub skipped: u64,
    /// Damaged places, which may hold several masks or none.
    pub damaged: u64,
    /// Segments that are none of this store: of another one, or of one whose file with the id is gone.
    pub foreign: u64,
    /// How the file with the store's id is; whole for a folder of pictures, which has none.
    pub id_file: IdFile,
    /// Bytes behind the last mask that are no whole one: those of a writer at work, or what a power cut left.
    pub torn_bytes: u64,
    /// Numbers of the first and the last mask that is whole.
    pub sequences: Option<(u64, u64)>,
}

impl Verified {
    /// Whether every listed mask is whole, nothing is damaged and everything belongs to the store.
    pub fn is_whole(&self) -> bool {
        let id_file = matches!(self.id_file, IdFile::Whole | IdFile::Unchecked);
        self.whole == self.listed && self.damaged == 0 && self.foreign == 0 && id_file
    }

    pub(super) fn add_whole(&mut self, sequence: u64) {
        self.whole += 1;
        self.sequences = Some((self.sequences.map_or(sequence, |(first, _)| first), sequence));
    }
}

/// What is wrong, as part of a sentence that begins with the store's name; empty for a whole one.
impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut wrong = Vec::new();
        let Verified { listed, whole, unreadable, different, missing, damaged, foreign, .. } = self;
        if whole < listed {
            wrong.push(format!(
                "of {listed} listed masks {whole} are whole, {unreadable} unreadable, {different} different from what \
                 the store says and {missing} missing"
            ));
        } else if *damaged > 0 {
            wrong.push(format!("{damaged} places are damaged, though no mask is lost"));
        }
        match self.id_file {
            IdFile::Whole | IdFile::Unchecked => {}
            IdFile::Missing => wrong.push("store.id is missing; the next run writes it again".to_owned()),
            IdFile::Damaged => wrong.push("store.id is damaged; the next run writes it again".to_owned()),
        }
        match foreign {
            0 => {}
            1 => wrong.push("1 segment belongs to another store; move it to a folder of its own".to_owned()),
            _ => wrong.push(format!(
                "{foreign} segments belong to another store; move them to a folder of their own"
            )),
        }
        write!(f, "{}", wrong.join("; "))
    }
}

/// Reads every mask in `folder`, of pictures or of segments, and compares it with what the store says of it; each damage
/// is told to `found`.
///
/// # Errors
/// [`ReadError`] where the store as a whole cannot be read.
pub fn verify(folder: &Path, found: &mut dyn FnMut(&ReadError)) -> Result<Verified, ReadError> {
    let masks = Masks::open(folder)?;
    if masks.is_segments() {
        return Ok(segments::verify_segments(&RealVolume, folder, &mut |error| found(&error.into()))?);
    }
    let mut verified = Verified::default();
    let mut masks = masks;
    for mask in &mut masks {
        verified.listed += 1;
        match mask {
            Ok(stored) => verified.add_whole(stored.sequence),
            Err(error) => {
                match error.damage() {
                    Some(Damage::Unreadable) => verified.unreadable += 1,
                    Some(Damage::Different) => verified.different += 1,
                    Some(Damage::Missing) => verified.missing += 1,
                    None => return Err(error),
                }
                verified.damaged += 1;
                found(&error);
            }
        }
    }
    verified.torn_bytes = masks.torn_bytes();
    Ok(verified)
}
