//! Records in memory that are not yet on the medium.

use std::time::Duration;

use super::age::Stamp;
use super::entry::{self, Place};

/// Bytes of records at which they are written at once, whatever the sync interval.
pub(super) const BATCH_BYTES_MAX: usize = 1 << 20;

/// Encoded records, one after the other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub bytes: Vec<u8>,
    pub records: u64,
    /// Sequence number of the first.
    pub first: u64,
    /// Monotonic time at which the first was added.
    pub since: Duration,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.records = 0;
        // One huge mask must not hold its memory for months.
        self.bytes.shrink_to(2 * BATCH_BYTES_MAX);
    }

    /// The records in order.
    pub(super) fn records(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (record, after) = rest.split_at_checked(entry::length(rest)?)?;
            rest = after;
            Some(record)
        })
    }

    /// Leaves out the records with these identities.
    pub(super) fn leave_out(&mut self, found: &[(u64, u32)]) {
        if found.is_empty() {
            return;
        }
        let is_left = |record: &&[u8]| !entry::identity(record).is_some_and(|own| found.contains(&own));
        let left: Vec<u8> = self.records().filter(is_left).flatten().copied().collect();
        self.records = self.records().filter(is_left).count() as u64;
        self.bytes = left;
        let first = self.records().next().and_then(entry::identity);
        self.first = first.map_or(self.first, |(sequence, _)| sequence);
    }

    /// Gives the records the sequence numbers from `first` on, and another stamp.
    pub(super) fn renumber(&mut self, first: u64, stamp: Stamp) {
        self.first = first;
        let mut rest = &mut self.bytes[..];
        for sequence in first.. {
            let Some(length) = entry::length(rest) else {
                break;
            };
            let (record, after) = rest.split_at_mut(length);
            entry::stamp(record, Place { sequence, stamp });
            rest = after;
        }
    }
}
