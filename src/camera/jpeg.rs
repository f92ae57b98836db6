//! The markers of a JPEG stream: whether it is whole, and the Huffman tables that Motion-JPEG leaves out.
//!
//! ITU-T T.81 (09/92): markers in B.1.1.3, the typical Huffman tables in K.3.3.

use std::borrow::Cow;

const SOF_BASELINE: u8 = 0xC0;
const SOF_EXTENDED: u8 = 0xC1;
const DHT: u8 = 0xC4;
const RST_FIRST: u8 = 0xD0;
const RST_LAST: u8 = 0xD7;
const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const TEM: u8 = 0x01;

/// The stream from its start to its end marker, with the typical Huffman tables put in where a baseline stream has none.
/// The error says what is missing; a decoder would fill the rest of a cut picture with gray.
pub(super) fn complete(bytes: &[u8]) -> Result<Cow<'_, [u8]>, &'static str> {
    if !bytes.starts_with(&[0xFF, SOI]) {
        return Err("it does not begin as a JPEG does");
    }
    let mut baseline = false;
    let mut has_tables = false;
    let mut scan = None;
    let mut at = 2;
    loop {
        let Some(found) = next_marker(bytes, at) else {
            return Err("the JPEG ends in the middle");
        };
        let marker = bytes[found];
        at = found + 1;
        match marker {
            EOI => break,
            TEM | SOI | RST_FIRST..=RST_LAST => continue,
            SOF_BASELINE | SOF_EXTENDED => baseline = true,
            DHT => has_tables = true,
            SOS if scan.is_none() => scan = Some(found - 1),
            _ => {}
        }
        let Some(length) = bytes.get(at..at + 2) else {
            return Err("the JPEG ends in the middle");
        };
        at += usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
    }
    let Some(scan) = scan else {
        return Err("the JPEG holds no picture data");
    };
    let whole = &bytes[..at];
    if has_tables || !baseline {
        return Ok(Cow::Borrowed(whole));
    }
    Ok(Cow::Owned([&whole[..scan], &huffman_segment(), &whole[scan..]].concat()))
}

/// Index of the next marker's code at or after `from`, over fill bytes, stuffed zeros and restart markers.
fn next_marker(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xFF)? + 1;
        match *bytes.get(at)? {
            0x00 | 0xFF => {}
            _ => return Some(at),
        }
    }
}

/// A DHT segment with the four typical tables.
fn huffman_segment() -> Vec<u8> {
    let tables: [(u8, &[u8; 16], &[u8]); 4] = [
        (0x00, &DC_LUMINANCE_COUNTS, &DC_VALUES),
        (0x10, &AC_LUMINANCE_COUNTS, &AC_LUMINANCE_VALUES),
        (0x01, &DC_CHROMINANCE_COUNTS, &DC_VALUES),
        (0x11, &AC_CHROMINANCE_COUNTS, &AC_CHROMINANCE_VALUES),
    ];
    let length: usize =
        2 + tables.iter().map(|(_, counts, values)| 1 + counts.len() + values.len()).sum::<usize>();
    let mut segment = vec![0xFF, DHT];
    segment.extend((length as u16).to_be_bytes());
    for (class_and_id, counts, values) in tables {
        segment.push(class_and_id);
        segment.extend(counts);
        segment.extend(values);
    }
    segment
}

// Tables K.3 to K.6: how many codes of each length from 1 to 16 bits, then the values in the order of their codes.
const DC_LUMINANCE_COUNTS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const DC_CHROMINANCE_COUNTS: [u8; 16] = [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
const DC_VALUES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const AC_LUMINANCE_COUNTS: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D];
const AC_CHROMINANCE_COUNTS: [u8; 16] = [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77];
#[rustfmt::skip]
const AC_LUMINANCE_VALUES: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2A, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7,
    0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5,
    0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
    0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
    0xF9, 0xFA,
];
#[rustfmt::skip]
const AC_CHROMINANCE_VALUES: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0,
    0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26,
    0x27, 0x28, 0x29, 0x2A, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5,
    0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
    0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
    0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
    0xF9, 0xFA,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::testing::{jpeg, report, without_huffman_tables};

    #[test]
    fn streams_are_completed_or_refused() {
        let whole = jpeg(16, 16, [200, 30, 90]);
        let bare = without_huffman_tables(&whole);
        let trailed = [&whole[..], &[0, 0, 0xFF, 0xFF]].concat();
        let cases: Vec<(&str, Vec<u8>, Result<usize, &str>)> = vec![
            ("whole", whole.clone(), Ok(whole.len())),
            ("padding after the end", trailed, Ok(whole.len())),
            ("tables left out", bare.clone(), Ok(bare.len() + 420)),
            ("end marker cut off", whole[..whole.len() - 2].to_vec(), Err("the JPEG ends in the middle")),
            ("header cut", whole[..30].to_vec(), Err("the JPEG ends in the middle")),
            ("no scan", vec![0xFF, SOI, 0xFF, EOI], Err("the JPEG holds no picture data")),
            ("length of 0", vec![0xFF, SOI, 0xFF, 0xE0, 0, 0], Err("the JPEG ends in the middle")),
            ("nothing", vec![], Err("it does not begin as a JPEG does")),
            ("a PNG", b"\x89PNG\r\n\x1a\n".to_vec(), Err("it does not begin as a JPEG does")),
        ];
        report(cases.into_iter().filter_map(|(name, bytes, want)| {
            let got = complete(&bytes).map(|stream| stream.len());
            (got != want).then(|| format!("{name}: {got:?}, not {want:?}"))
        }));
    }
}
