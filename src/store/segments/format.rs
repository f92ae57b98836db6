//! The bytes of a segment file, and what its parts share.
//!
//! A store is a folder. It holds `store.id`, one line of text (`sedge store 1 `, 32 hexadecimal digits, the store's id,
//! a space, and 8 more, the checksum of the line before that space; earlier programs left the last two out), and segments, whose names are the sequence number of their first record in 16 decimal digits and `.seg`.
//! Files that end in `.new` are unfinished and mean nothing. A segment is a header, records, and, once it is sealed, a
//! footer. All numbers are little-endian. Checksums are CRC-32 as in PNG and gzip (IEEE 802.3). Texts are UTF-8.
//!
//! # Header
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `SEDGESEG` |
//! | 8 | 2 | version of the format, 1 |
//! | 10 | 2 | 0 |
//! | 12 | 4 | length *h* of the header |
//! | 16 | 16 | id of the store |
//! | 32 | 8 | sequence number of the first record |
//! | 40 | 2 | number of classes |
//! | 42 | | for each class: id (1), R, G, B (1 each), length *n* of its name (2), its name (*n*) |
//! | *h* - 4 | 4 | checksum of the bytes before |
//!
//! # Record
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | `SDGR` |
//! | 4 | 4 | length *r* of the record |
//! | 8 | 8 | sequence number; grows by 1 with each record of a store, and may leave numbers out |
//! | 16 | 4 | checksum of bytes 0 to 15, so that a reader can trust the length before it reads the rest |
//! | 20 | 8 | store time in ns (see [`super`]) |
//! | 28 | 8 | monotonic time of storing in ns |
//! | 36 | 8 | wall time of storing, Unix time in microseconds, signed |
//! | 44 | 8 | bytes that the store had written before in this day of store time |
//! | 52 | 8 | number of the frame in its source |
//! | 60 | 8 | time since the source's first frame in ns |
//! | 68 | 8 | monotonic time of capture in ns |
//! | 76 | 8 | wall time of capture, Unix time in microseconds, signed |
//! | 84 | 8 | latency from capture to mask in ns |
//! | 92 | 8 | first 8 bytes of the SHA-256 of the model's file |
//! | 100 | 4 | tune generation of the model |
//! | 104 | 2 | throttle bits ([`crate::store::Throttle`]) |
//! | 106 | 1 | encoding of the mask: 0 runs, 1 indexed PNG |
//! | 107 | 1 | 1 where the frame has a name, else 0 |
//! | 108 | 4 | width of the mask in pixels, at least 1 |
//! | 112 | 4 | height of the mask in pixels, at least 1 |
//! | 116 | 2 | length *n* of the frame's name |
//! | 118 | 2 | number *c* of classes that occur in the mask |
//! | 120 | *n* | the frame's name |
//! | | 5 *c* | for each class that occurs, in rising order: id (1), pixels (4) |
//! | | | the mask, up to the checksum |
//! | *r* - 4 | 4 | checksum of the bytes before |
//!
//! A mask in *runs* is, row by row and over the ends of rows, for each run of equal ids: the id (1 byte), the length
//! of the run as LEB128 (seven bits a byte, the lowest first, the high bit set on all bytes but the last).
//!
//! # Padding
//!
//! Where a write to the medium ends, zeros follow up to the next multiple of 4096. The next record or the footer is
//! there. So a block that holds promised records is never written again, and no power cut can tear it; the card writes
//! whole blocks anyway, and without padding would write the last block of each batch twice.
//!
//! # Footer
//!
//! The last bytes of a sealed segment; *f* is chosen so that the file ends at a multiple of 4096.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | `SDGF` |
//! | 4 | 4 | length *f* of the footer |
//! | 8 | 8 | number of records |
//! | 16 | 8 | sequence number of the last record |
//! | 24 | 32 | bytes 20 to 51 of the last record |
//! | 56 | 8 | wall time of capture of the first record |
//! | 64 | 8 | wall time of capture of the last record |
//! | 72 | 4 | number *i* of index entries |
//! | 76 | 16 *i* | for every 64th record from the first: its sequence number (8), its offset in the file (8) |
//! | | 2 | version of the format; 0 in segments of earlier programs, which have zeros from here on |
//! | | 6 | 0 |
//! | | 16 | id of the store |
//! | | 8 | sequence number that the store had reached when it began the segment |
//! | | | zeros |
//! | *f* - 12 | 4 | checksum of the bytes before |
//! | *f* - 8 | 4 | length *f* of the footer |
//! | *f* - 4 | 4 | `SDGE` |
//!
//! # Reading
//!
//! Where neither a record, nor the footer, nor padding is found, the file is damaged there: a reader looks for the next
//! `SDGR` whose two checksums are right and goes on with it. Damage at the end of the last segment is what a power cut
//! leaves of records that were not yet promised. The order of records is that of their sequence numbers; wall times
//! may jump.

use std::time::Duration;

/// Version of the format that is written, and the highest that is read.
pub(super) const VERSION: u16 = 1;
/// Writes to the medium end at a multiple of this.
pub(super) const BLOCK: u64 = 4096;
pub(super) const RECORD_MARK: [u8; 4] = *b"SDGR";
pub(super) const FOOTER_MARK: [u8; 4] = *b"SDGF";
pub(super) const FOOTER_END: [u8; 4] = *b"SDGE";
/// Name of the file with the store's id.
pub(super) const ID_FILE: &str = "store.id";
/// Ending of a segment's name.
const SEGMENT_ENDING: &str = ".seg";
/// What is appended to the name of a file that is not finished.
pub(super) const UNFINISHED: &str = ".new";
const ID_PREFIX: &str = "sedge store 1 ";

/// What tells a store from all others.
pub(super) type StoreId = [u8; 16];

/// Name of the segment that begins with record `first`.
pub(super) fn segment_name(first: u64) -> String {
    format!("{first:016}{SEGMENT_ENDING}")
}

/// Sequence number of the first record of the segment with this name, if it is a segment's name.
pub(super) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SEGMENT_ENDING)?;
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    (segment_name(number) == name).then_some(number)
}

/// Whether a file of this name is one that the store did not finish.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(UNFINISHED).is_some_and(|name| name == ID_FILE || first_of(name).is_some())
}

/// The text of the file with the store's id.
pub(super) fn id_text(id: &StoreId) -> String {
    let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let line = format!("{ID_PREFIX}{digits}");
    format!("{line} {:08x}\n", crc32fast::hash(line.as_bytes()))
}

/// The id in such a text, and whether a checksum vouches for it.
pub(super) fn parse_id(text: &[u8]) -> Option<(StoreId, bool)> {
    let line = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
    let (digits, rest) = line.strip_prefix(ID_PREFIX)?.split_at_checked(32)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let id = u128::from_str_radix(digits, 16).ok()?.to_be_bytes();
    match rest {
        "" => Some((id, false)),
        _ => (id_text(&id).as_bytes() == text).then_some((id, true)),
    }
}

/// Bytes from `length` up to the next multiple of [`BLOCK`].
pub(super) fn padding(length: u64) -> u64 {
    length.next_multiple_of(BLOCK) - length
}

/// A duration in nanoseconds, as records keep it: at most 584 years.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Appends the checksum of `bytes[from..]`.
pub(super) fn push_checksum(bytes: &mut Vec<u8>, from: usize) {
    let checksum = crc32fast::hash(&bytes[from..]);
    bytes.extend(checksum.to_le_bytes());
}

/// Whether the last four bytes are the checksum of those before.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    bytes
        .split_last_chunk()
        .is_some_and(|(body, checksum)| crc32fast::hash(body) == u32::from_le_bytes(*checksum))
}

/// Takes little-endian numbers from the front of bytes; `None` where they have run out.
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(first)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn duration(&mut self) -> Option<Duration> {
        self.u64().map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_segments() {
        let cases = [
            ("0000000000000012.seg", Some(12)),
            ("12.seg", None),
            ("+000000000000012.seg", None),
            ("0000000000000012.seg.new", None),
            ("photo.jpg", None),
            ("", None),
        ];
        let wrong: Vec<_> = cases.into_iter().filter(|&(name, first)| first_of(name) != first).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        assert!(is_unfinished("0000000000000012.seg.new") && is_unfinished("store.id.new"));
        assert!(!is_unfinished("my.new") && !is_unfinished("store.id"));
    }

    #[test]
    fn ids_as_text() {
        let id = *b"0123456789abcdef";
        let text = id_text(&id);
        assert_eq!(parse_id(text.as_bytes()), Some((id, true)));
        assert_eq!(parse_id(b"sedge store 1 30313233343536373839616263646566\n"), Some((id, false)));
        let wrong = ["", "sedge store 1 12\n", "sedge store 2 30313233343536373839616263646566\n"];
        assert!(wrong.iter().all(|text| parse_id(text.as_bytes()).is_none()));
        for at in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[at] ^= 1;
            assert_eq!((parse_id(&damaged), parse_id(&text.as_bytes()[..at])), (None, None), "byte {at}");
        }
    }
}
