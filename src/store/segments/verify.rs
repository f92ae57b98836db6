//! Checks a whole store: every checksum, every mask.

use std::path::Path;

use super::reader::StoreReader;
use super::real::RealVolume;
use super::volume::Volume;
use crate::store::StoreError;

/// Most errors that a report lists; all are counted.
const LISTED_MAX: usize = 100;

/// What was found in a store.
#[derive(Debug, Default)]
pub struct Report {
    /// Masks that are whole: their checksums, sizes, runs and class counts are right.
    pub records: u64,
    /// Sequence numbers of the first and the last of them.
    pub sequences: Option<(u64, u64)>,
    /// Sequence numbers between them that are not there: each is a mask that was lost before it was promised, or that
    /// is damaged.
    pub missing: u64,
    /// Damaged places.
    pub damaged: u64,
    /// What is wrong at the first hundred of them.
    pub errors: Vec<StoreError>,
    /// Bytes at the end of the last segment that are no whole record: what a power cut leaves, or a writer at work.
    pub torn_bytes: u64,
}

impl Report {
    /// Whether nothing is damaged.
    pub fn is_whole(&self) -> bool {
        self.damaged == 0
    }
}

/// Checks every checksum and decodes every mask of the store in `folder`.
///
/// # Errors
/// Those of [`super::read_store`], and [`StoreError::Disk`] where reading fails; damage is no error but in the report.
pub fn verify(folder: &Path) -> Result<Report, StoreError> {
    verify_on(&RealVolume, folder)
}

/// [`verify`] on any file system.
///
/// # Errors
/// Those of [`verify`].
pub fn verify_on(volume: &dyn Volume, folder: &Path) -> Result<Report, StoreError> {
    let mut reader = StoreReader::open_on(volume, folder)?;
    let mut report = Report::default();
    for next in reader.by_ref() {
        match next {
            Ok(stored) => {
                report.records += 1;
                let first = report.sequences.map_or(stored.sequence, |(first, _)| first);
                report.sequences = Some((first, stored.sequence));
            }
            Err(error @ StoreError::Damaged { .. }) => {
                report.damaged += 1;
                if report.errors.len() < LISTED_MAX {
                    report.errors.push(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
    if let Some((first, last)) = report.sequences {
        report.missing = last - first + 1 - report.records;
    }
    report.torn_bytes = reader.torn_bytes();
    Ok(report)
}
