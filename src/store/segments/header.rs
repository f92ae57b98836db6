//! The header of a segment: whose it is, and the classes of its masks.

use super::format::{Fields, StoreId, VERSION, is_whole, push_checksum};
use crate::mask::Class;

const MAGIC: [u8; 8] = *b"SEDGESEG";
/// Bytes before the classes.
const FIXED: usize = 42;
/// Longest header: 256 classes with names of 1024 bytes fit.
const HEADER_BYTES_MAX: usize = 512 * 1024;
/// Longest name of a class or a frame in bytes; longer ones are cut.
pub(super) const NAME_BYTES_MAX: usize = 1024;

/// What a segment's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub id: StoreId,
    /// Sequence number of the first record.
    pub first: u64,
    pub classes: Vec<Class>,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHeader {
    Damaged,
    /// A version that this program does not know.
    Version(u16),
}

impl Header {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([0; 6]);
        out.extend(self.id);
        out.extend(self.first.to_le_bytes());
        out.extend((self.classes.len() as u16).to_le_bytes());
        for class in &self.classes {
            let name = cut(&class.name);
            out.push(class.id);
            out.extend(class.color);
            out.extend((name.len() as u16).to_le_bytes());
            out.extend(name.as_bytes());
        }
        let length = (out.len() + 4 - start) as u32;
        out[start + 12..start + 16].copy_from_slice(&length.to_le_bytes());
        push_checksum(out, start);
    }

    /// The header at the start of `bytes`, and its length.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Header, usize), NoHeader> {
        let (version, length) = Header::length(bytes).ok_or(NoHeader::Damaged)?;
        if version != VERSION {
            return Err(NoHeader::Version(version));
        }
        let whole = bytes.get(..length).filter(|bytes| is_whole(bytes)).ok_or(NoHeader::Damaged)?;
        let header = Header::fields(&whole[16..length - 4]).ok_or(NoHeader::Damaged)?;
        Ok((header, length))
    }

    /// The version and the length that the first bytes tell.
    pub(super) fn length(bytes: &[u8]) -> Option<(u16, usize)> {
        let mut fields = Fields(bytes);
        if fields.array()? != MAGIC {
            return None;
        }
        let version = fields.u16()?;
        fields.u16()?;
        let length = fields.u32()? as usize;
        (FIXED + 4..=HEADER_BYTES_MAX).contains(&length).then_some((version, length))
    }

    fn fields(bytes: &[u8]) -> Option<Header> {
        let mut fields = Fields(bytes);
        let id = fields.array()?;
        let first = fields.u64()?;
        let count = fields.u16()?;
        let mut classes = Vec::new();
        for _ in 0..count {
            let [id] = fields.array()?;
            let color = fields.array()?;
            let length = fields.u16()?.into();
            let name = std::str::from_utf8(fields.bytes(length)?).ok()?.to_owned();
            classes.push(Class { id, name, color });
        }
        fields.0.is_empty().then_some(Header { id, first, classes })
    }
}

/// The start of a name that is not longer than [`NAME_BYTES_MAX`].
pub(super) fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::classes_from_names;
    use proptest::prelude::*;

    fn header(names: &[String]) -> Header {
        Header { id: [7; 16], first: 12, classes: classes_from_names(names) }
    }

    #[test]
    fn the_longest_header_fits() {
        let header = header(&vec!["é".repeat(NAME_BYTES_MAX); 256]);
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        let (parsed, length) = Header::parse(&bytes).unwrap();
        assert_eq!(length, bytes.len());
        assert_eq!(parsed.classes[255].name.len(), NAME_BYTES_MAX);
    }

    #[test]
    fn another_version_is_told() {
        let mut bytes = Vec::new();
        header(&[]).encode(&mut bytes);
        bytes[8] = 9;
        assert_eq!(Header::parse(&bytes), Err(NoHeader::Version(9)));
    }

    proptest! {
        #[test]
        fn round_trip(names in proptest::collection::vec(".{0,20}", 0..5), more in 0_usize..9) {
            let header = header(&names);
            let mut bytes = Vec::new();
            header.encode(&mut bytes);
            let length = bytes.len();
            bytes.resize(length + more, 0xab);
            prop_assert_eq!(Header::parse(&bytes), Ok((header, length)));
        }

        #[test]
        fn a_changed_byte_is_found(at in 0_usize..90, change in 1_u8..) {
            let mut bytes = Vec::new();
            header(&["background".to_owned(), "a cat".to_owned()]).encode(&mut bytes);
            let at = at % bytes.len();
            bytes[at] ^= change;
            prop_assert!(Header::parse(&bytes).is_err());
        }
    }
}
