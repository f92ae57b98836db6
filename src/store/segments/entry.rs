//! A record of a segment: a mask with what is kept beside it, as bytes and back.

use std::io::Cursor;

use super::age::Stamp;
use super::format::{Fields, RECORD_MARK, is_whole, nanoseconds};
use super::header::cut;
use crate::mask::{Class, Mask, png, rle};
use crate::store::{RecordMeta, Throttle};

/// Most pixels of a mask, four times as many as the largest camera of a small board has.
pub(super) const PIXELS_MAX: u64 = 1 << 26;
/// Bytes by which a record's length can be trusted.
pub(super) const HEAD_BYTES: usize = 20;
/// Bytes before the frame's name.
const FIXED: usize = HEAD_BYTES + Stamp::BYTES + 68;
/// Shortest record.
pub(super) const RECORD_BYTES_MIN: usize = FIXED + 4;
/// Runs of single pixels take two bytes each; the rest is names and counts.
const RECORD_BYTES_MAX: usize = 2 * PIXELS_MAX as usize + (1 << 16);

/// How masks are kept in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Run lengths: small and fast.
    #[default]
    Rle,
    /// Indexed PNG, which other programs can cut out of the record and open.
    Png,
}

/// What puts a record into its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub sequence: u64,
    pub stamp: Stamp,
}

/// Appends a record to `out`. The mask must not be empty or have more than [`PIXELS_MAX`] pixels.
///
/// # Errors
/// Those of the PNG encoder.
pub(super) fn encode(
    out: &mut Vec<u8>,
    place: Place,
    meta: &RecordMeta,
    mask: &Mask,
    encoding: Encoding,
    classes: &[Class],
) -> Result<(), png::PngError> {
    let start = out.len();
    out.extend(RECORD_MARK);
    // Length and place come last.
    out.extend([0; HEAD_BYTES - 4 + Stamp::BYTES]);
    out.extend(meta.frame.to_le_bytes());
    out.extend(nanoseconds(meta.time).to_le_bytes());
    out.extend(nanoseconds(meta.monotonic).to_le_bytes());
    out.extend(meta.wall_us.to_le_bytes());
    out.extend(nanoseconds(meta.latency).to_le_bytes());
    out.extend(meta.model);
    out.extend(meta.tune_generation.to_le_bytes());
    out.extend(meta.throttle.0.to_le_bytes());
    out.push(encoding as u8);
    out.push(u8::from(meta.name.is_some()));
    out.extend(mask.width.to_le_bytes());
    out.extend(mask.height.to_le_bytes());
    let name = cut(meta.name.as_deref().unwrap_or_default());
    let counts = mask.histogram();
    let occurring = || (0..=255_u8).zip(counts).filter(|&(_, pixels)| pixels > 0);
    out.extend((name.len() as u16).to_le_bytes());
    out.extend((occurring().count() as u16).to_le_bytes());
    out.extend(name.as_bytes());
    for (id, pixels) in occurring() {
        out.push(id);
        out.extend((pixels as u32).to_le_bytes());
    }
    match encoding {
        Encoding::Rle => rle::encode_runs(&mask.data, out),
        Encoding::Png => {
            if let Err(error) = png::write(&mut *out, mask, classes) {
                out.truncate(start);
                return Err(error);
            }
        }
    }
    out.extend([0; 4]);
    let length = (out.len() - start) as u32;
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    stamp(&mut out[start..], place);
    Ok(())
}

/// Gives the record that `bytes` are another place.
pub(super) fn stamp(bytes: &mut [u8], place: Place) {
    bytes[8..16].copy_from_slice(&place.sequence.to_le_bytes());
    let head = crc32fast::hash(&bytes[..16]);
    bytes[16..20].copy_from_slice(&head.to_le_bytes());
    bytes[HEAD_BYTES..][..Stamp::BYTES].copy_from_slice(&place.stamp.encode());
    let body = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..body]);
    bytes[body..].copy_from_slice(&checksum.to_le_bytes());
}

/// The length in bytes of the record whose head these bytes are; `None` where they are no head.
pub(super) fn length(head: &[u8]) -> Option<usize> {
    let head = head.get(..HEAD_BYTES)?;
    let mut fields = Fields(head);
    let marked = fields.array()? == RECORD_MARK;
    let length = fields.u32()? as usize;
    let fits = (RECORD_BYTES_MIN..=RECORD_BYTES_MAX).contains(&length);
    (marked && fits && is_whole(head)).then_some(length)
}

/// A record whose checksum is right.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry<'a> {
    pub place: Place,
    pub meta: RecordMeta,
    pub width: u32,
    pub height: u32,
    encoding: Encoding,
    /// Class ids and their pixels.
    counts: Vec<(u8, u32)>,
    payload: &'a [u8],
}

impl Entry<'_> {
    /// The record that `bytes` are. The mask is not decoded yet.
    ///
    /// # Errors
    /// What is wrong, as part of a sentence.
    pub(super) fn parse(bytes: &[u8]) -> Result<Entry<'_>, &'static str> {
        if length(bytes) != Some(bytes.len()) || !is_whole(bytes) {
            return Err("its checksum is wrong");
        }
        Entry::fields(&bytes[..bytes.len() - 4]).ok_or("its fields contradict each other")
    }

    fn fields(bytes: &[u8]) -> Option<Entry<'_>> {
        let mut fields = Fields(bytes);
        fields.bytes(8)?;
        let sequence = fields.u64()?;
        fields.u32()?;
        let place = Place { sequence, stamp: Stamp::parse(&mut fields)? };
        let mut meta = RecordMeta {
            frame: fields.u64()?,
            time: fields.duration()?,
            monotonic: fields.duration()?,
            wall_us: fields.i64()?,
            latency: fields.duration()?,
            model: fields.array()?,
            tune_generation: fields.u32()?,
            throttle: Throttle(fields.u16()?),
            name: None,
        };
        let encoding = match fields.array()? {
            [0] => Encoding::Rle,
            [1] => Encoding::Png,
            _ => return None,
        };
        let [named] = fields.array()?;
        let (width, height) = (fields.u32()?, fields.u32()?);
        let (name_bytes, classes) = (fields.u16()?, fields.u16()?);
        let name = std::str::from_utf8(fields.bytes(name_bytes.into())?).ok()?;
        meta.name = (named != 0).then(|| name.to_owned());
        let mut counts = Vec::new();
        for _ in 0..classes {
            let [id] = fields.array()?;
            counts.push((id, fields.u32()?));
        }
        let pixels = u64::from(width) * u64::from(height);
        let counted: u64 = counts.iter().map(|&(_, pixels)| u64::from(pixels)).sum();
        let fits = (1..=PIXELS_MAX).contains(&pixels) && counted == pixels;
        fits.then_some(Entry { place, meta, width, height, encoding, counts, payload: fields.0 })
    }

    /// The mask, which is checked against the size and the class counts of the record.
    ///
    /// # Errors
    /// What is wrong, as part of a sentence.
    pub(super) fn mask(&self) -> Result<Mask, &'static str> {
        let data = match self.encoding {
            Encoding::Rle => {
                let pixels = self.width as usize * self.height as usize;
                rle::decode_runs(self.payload, pixels).ok_or("its runs do not fill the mask")?
            }
            Encoding::Png => {
                // Width and height in the PNG's own header, before its decoder makes room for them.
                let size = [self.width.to_be_bytes(), self.height.to_be_bytes()].concat();
                if self.payload.get(16..24) != Some(&size) {
                    return Err("its PNG has another size");
                }
                png::read(Cursor::new(self.payload)).map_err(|_| "its PNG cannot be decoded")?.data
            }
        };
        let mask = Mask { width: self.width, height: self.height, data };
        let mut counts = [0; 256];
        for &(id, pixels) in &self.counts {
            counts[usize::from(id)] += u64::from(pixels);
        }
        if mask.histogram() != counts {
            return Err("its class counts are not those of its mask");
        }
        Ok(mask)
    }
}

/// The sequence number and the checksum of a whole record: what tells it from others without decoding it.
pub(super) fn identity(record: &[u8]) -> Option<(u64, u32)> {
    let sequence = Fields(record.get(8..)?).u64()?;
    let (_, checksum) = record.split_last_chunk()?;
    Some((sequence, u32::from_le_bytes(*checksum)))
}

/// Makes the checksums right of a record whose fields a test has changed.
#[cfg(test)]
pub(super) fn reseal(record: &mut Vec<u8>) {
    record.truncate(record.len() - 4);
    let head = crc32fast::hash(&record[..16]);
    record[16..20].copy_from_slice(&head.to_le_bytes());
    super::format::push_checksum(record, 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::classes_from_names;
    use proptest::prelude::*;
    use std::time::Duration;

    fn encoded(meta: &RecordMeta, mask: &Mask, encoding: Encoding) -> Vec<u8> {
        let mut out = vec![9; 3];
        let place = Place { sequence: 11, stamp: Stamp { wall_us: -5, ..Stamp::default() } };
        encode(&mut out, place, meta, mask, encoding, &classes_from_names(&["a", "b"])).unwrap();
        out.split_off(3)
    }

    fn meta() -> RecordMeta {
        RecordMeta {
            frame: 3,
            time: Duration::from_millis(1500),
            monotonic: Duration::from_secs(77),
            wall_us: -5,
            model: *b"modelsha",
            tune_generation: 2,
            latency: Duration::from_micros(1234),
            throttle: Throttle::GOVERNED,
            name: Some("a frame".to_owned()),
        }
    }

    fn masks() -> impl Strategy<Value = Mask> {
        (1_u32..20, 1_u32..20).prop_flat_map(|(width, height)| {
            let pixels = (width * height) as usize;
            proptest::collection::vec(0_u8..4, pixels).prop_map(move |data| Mask { width, height, data })
        })
    }

    fn metas() -> impl Strategy<Value = RecordMeta> {
        let numbers = (any::<u64>(), any::<[u64; 3]>(), any::<i64>(), any::<[u8; 8]>());
        (numbers, any::<u32>(), any::<u16>(), proptest::option::of(".{0,40}")).prop_map(
            |((frame, times, wall_us, model), tune_generation, throttle, name)| {
                let [time, monotonic, latency] = times.map(Duration::from_nanos);
                let throttle = Throttle(throttle);
                RecordMeta {
                    frame,
                    time,
                    monotonic,
                    wall_us,
                    model,
                    tune_generation,
                    latency,
                    throttle,
                    name,
                }
            },
        )
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let meta = RecordMeta { name: Some("x".to_owned() + &"é".repeat(2000)), ..RecordMeta::default() };
        let mask = Mask { width: 1, height: 1, data: vec![0] };
        let bytes = encoded(&meta, &mask, Encoding::Rle);
        let name = Entry::parse(&bytes).unwrap().meta.name.unwrap();
        assert_eq!(name, "x".to_owned() + &"é".repeat(511));
    }

    #[test]
    fn another_place() {
        let mask = Mask { width: 2, height: 1, data: vec![0, 1] };
        let mut bytes = encoded(&meta(), &mask, Encoding::Rle);
        let place =
            Place { sequence: 99, stamp: Stamp { monotonic: Duration::from_secs(1), ..Stamp::default() } };
        stamp(&mut bytes, place);
        let entry = Entry::parse(&bytes).unwrap();
        assert_eq!((entry.place, &entry.meta, entry.mask()), (place, &meta(), Ok(mask)));
    }

    #[test]
    fn contradictions_under_a_right_checksum() {
        let mask = Mask { width: 4, height: 3, data: vec![0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0] };
        // What is changed, the encoding, the byte, its new value.
        let cases = [
            ("encoding", Encoding::Rle, 106, 7),
            ("width 0", Encoding::Rle, 108, 0),
            ("a huge width", Encoding::Rle, 111, 0xff),
            ("another height", Encoding::Rle, 112, 4),
            ("more classes", Encoding::Rle, 118, 9),
            ("a longer name", Encoding::Rle, 117, 9),
            ("no UTF-8", Encoding::Rle, 121, 0xff),
            ("another count", Encoding::Rle, 120 + 7 + 1, 9),
            ("another class", Encoding::Rle, 120 + 7 + 5, 2),
            ("a longer run", Encoding::Rle, 120 + 7 + 10 + 1, 9),
            ("PNG's own width", Encoding::Png, 120 + 7 + 10 + 19, 5),
            ("PNG's data", Encoding::Png, 120 + 7 + 10 + 60, 0xa5),
        ];
        let mut wrong = Vec::new();
        for (name, encoding, at, value) in cases {
            let mut bytes = encoded(&meta(), &mask, encoding);
            bytes[at] = value;
            reseal(&mut bytes);
            if Entry::parse(&bytes).and_then(|entry| entry.mask()).is_ok() {
                wrong.push(name);
            }
        }
        assert!(wrong.is_empty(), "accepted: {wrong:?}");
    }

    proptest! {
        #[test]
        fn round_trip(mask in masks(), meta in metas(), png in any::<bool>()) {
            let bytes = encoded(&meta, &mask, if png { Encoding::Png } else { Encoding::Rle });
            let entry = Entry::parse(&bytes).unwrap();
            prop_assert_eq!(entry.place.sequence, 11);
            prop_assert_eq!(entry.mask().unwrap(), mask);
            prop_assert_eq!(entry.meta, meta);
        }

        #[test]
        fn a_changed_byte_is_found(mask in masks(), at in any::<usize>(), change in 1_u8..) {
            let mut bytes = encoded(&meta(), &mask, Encoding::Rle);
            let at = at % bytes.len();
            bytes[at] ^= change;
            prop_assert!(Entry::parse(&bytes).is_err());
        }

        #[test]
        fn changed_bytes_with_a_right_checksum_do_no_harm(
            mask in masks(),
            png in any::<bool>(),
            changes in proptest::collection::vec((20_usize..400, any::<u8>()), 1..6),
        ) {
            let mut bytes = encoded(&meta(), &mask, if png { Encoding::Png } else { Encoding::Rle });
            for (at, value) in changes {
                let at = at % bytes.len();
                if at >= HEAD_BYTES {
                    bytes[at] = value;
                }
            }
            reseal(&mut bytes);
            if let Ok(mask) = Entry::parse(&bytes).and_then(|entry| entry.mask()) {
                prop_assert_eq!(mask.data.len(), mask.width as usize * mask.height as usize);
            }
        }

        #[test]
        fn any_bytes_do_no_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), sealed in any::<bool>()) {
            if sealed && bytes.len() >= RECORD_BYTES_MIN {
                bytes[..4].copy_from_slice(&RECORD_MARK);
                let length = bytes.len() as u32;
                bytes[4..8].copy_from_slice(&length.to_le_bytes());
                reseal(&mut bytes);
            }
            let _ = Entry::parse(&bytes).and_then(|entry| entry.mask());
        }
    }
}
