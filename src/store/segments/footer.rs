//! The footer that seals a segment: what is in it and where.

use super::age::Stamp;
use super::entry::Entry;
use super::format::{FOOTER_END, FOOTER_MARK, Fields, StoreId, VERSION, is_whole, padding};

/// Every so many records the index has an entry.
const INDEX_STEP: u64 = 64;
/// Bytes before the index entries.
const FIXED: usize = 76;
/// Bytes of an [`Owner`], after the index entries.
const OWNER_BYTES: usize = 32;
/// Bytes at the end: checksum, length, mark.
pub(super) const TAIL_BYTES: usize = 12;
/// Longest footer; a segment of 1 GiB of the smallest records has a shorter one.
const FOOTER_BYTES_MAX: usize = 8 << 20;

/// Whose a segment is, said a second time: the footer alone tells it, and a damaged header does not hide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The version of the format.
    pub version: u16,
    pub id: StoreId,
    /// The sequence number that the store had reached when it began the segment: where no segment before this one
    /// reaches it, one is missing.
    pub follows: u64,
}

impl Owner {
    pub(super) fn new(id: StoreId, follows: u64) -> Owner {
        Owner { version: VERSION, id, follows }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.version.to_le_bytes());
        out.extend([0; 6]);
        out.extend(self.id);
        out.extend(self.follows.to_le_bytes());
    }

    /// `None` where there are zeros: earlier programs did not write it.
    fn parse(fields: &mut Fields<'_>) -> Option<Owner> {
        let version = fields.u16()?;
        fields.bytes(6)?;
        let owner = Owner { version, id: fields.array()?, follows: fields.u64()? };
        (owner.version > 0).then_some(owner)
    }
}

/// What a footer says, and the writer keeps of an open segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub records: u64,
    /// Sequence number of the last record.
    pub last: u64,
    /// What the store noted with the last record.
    pub stamp: Stamp,
    pub first_wall_us: i64,
    pub last_wall_us: i64,
    /// Sequence number and offset of every 64th record.
    pub index: Vec<(u64, u64)>,
    pub owner: Option<Owner>,
}

impl Summary {
    /// Takes up the record at `offset`.
    pub(super) fn add(&mut self, entry: &Entry<'_>, offset: u64) {
        if self.records == 0 {
            self.first_wall_us = entry.meta.wall_us;
        }
        if self.records.is_multiple_of(INDEX_STEP) {
            self.index.push((entry.place.sequence, offset));
        }
        self.records += 1;
        self.last = entry.place.sequence;
        self.stamp = entry.place.stamp;
        self.last_wall_us = entry.meta.wall_us;
    }

    /// Appends the footer to `out`, whose end is at `offset` in the file.
    pub(super) fn encode(&self, offset: u64, out: &mut Vec<u8>) {
        let start = out.len();
        let least = FIXED + 16 * self.index.len() + OWNER_BYTES + TAIL_BYTES;
        let length = least + padding(offset + least as u64) as usize;
        out.extend(FOOTER_MARK);
        out.extend((length as u32).to_le_bytes());
        out.extend(self.records.to_le_bytes());
        out.extend(self.last.to_le_bytes());
        out.extend(self.stamp.encode());
        out.extend(self.first_wall_us.to_le_bytes());
        out.extend(self.last_wall_us.to_le_bytes());
        out.extend((self.index.len() as u32).to_le_bytes());
        for (sequence, offset) in &self.index {
            out.extend(sequence.to_le_bytes());
            out.extend(offset.to_le_bytes());
        }
        if let Some(owner) = &self.owner {
            owner.encode(out);
        }
        out.resize(start + length - TAIL_BYTES, 0);
        let checksum = crc32fast::hash(&out[start..]);
        out.extend(checksum.to_le_bytes());
        out.extend((length as u32).to_le_bytes());
        out.extend(FOOTER_END);
    }

    /// The footer that `bytes` are.
    pub(super) fn parse(bytes: &[u8]) -> Option<Summary> {
        let (whole, end) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
        if length_at_end(end) != Some(bytes.len()) || !is_whole(whole) {
            return None;
        }
        let mut fields = Fields(whole);
        if fields.array()? != FOOTER_MARK || fields.u32()? as usize != bytes.len() {
            return None;
        }
        let mut summary = Summary {
            records: fields.u64()?,
            last: fields.u64()?,
            stamp: Stamp::parse(&mut fields)?,
            first_wall_us: fields.i64()?,
            last_wall_us: fields.i64()?,
            index: Vec::new(),
            owner: None,
        };
        for _ in 0..fields.u32()? {
            summary.index.push((fields.u64()?, fields.u64()?));
        }
        // Before the checksum.
        fields.0 = fields.0.split_last_chunk::<4>()?.0;
        summary.owner = Owner::parse(&mut fields);
        Some(summary)
    }
}

/// The length of the footer whose first eight bytes these are.
pub(super) fn length_at_start(head: &[u8]) -> Option<usize> {
    let mut fields = Fields(head);
    let marked = fields.array()? == FOOTER_MARK;
    let length = fields.u32()? as usize;
    (marked && (FIXED + TAIL_BYTES..=FOOTER_BYTES_MAX).contains(&length)).then_some(length)
}

/// The length of the footer whose last eight bytes these are.
pub(super) fn length_at_end(end: &[u8]) -> Option<usize> {
    let mut fields = Fields(end);
    let length = fields.u32()? as usize;
    let marked = fields.array()? == FOOTER_END;
    (marked && (FIXED + TAIL_BYTES..=FOOTER_BYTES_MAX).contains(&length)).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn summary(entries: u64) -> Summary {
        let index = (0..entries).map(|i| (10 + 64 * i, 5000 * i)).collect();
        let owner = entries.is_multiple_of(2).then(|| Owner::new(*b"0123456789abcdef", 7));
        Summary { records: 64 * entries, last: 900, first_wall_us: -3, index, owner, ..Summary::default() }
    }

    #[test]
    fn footers_end_at_blocks() {
        let mut wrong = Vec::new();
        for (entries, offset) in [(0, 0), (1, 4096), (3, 4096 + 17), (300, 8000), (251, 0), (252, 0)] {
            let mut bytes = Vec::new();
            summary(entries).encode(offset, &mut bytes);
            let ends = (offset + bytes.len() as u64).is_multiple_of(4096);
            let lengths = (length_at_start(&bytes), length_at_end(&bytes[bytes.len() - 8..]));
            if !ends || lengths != (Some(bytes.len()), Some(bytes.len())) {
                wrong.push((entries, offset));
            }
            if Summary::parse(&bytes) != Some(summary(entries)) {
                wrong.push((entries, offset));
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_found(at in any::<usize>(), change in 1_u8..) {
            let mut bytes = Vec::new();
            summary(3).encode(0, &mut bytes);
            let at = at % bytes.len();
            bytes[at] ^= change;
            prop_assert_eq!(Summary::parse(&bytes), None);
        }

        #[test]
        fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Summary::parse(&bytes);
        }
    }
}
