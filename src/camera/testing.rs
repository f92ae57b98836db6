//! What the tests of all sources share: a stream written out as lines, and small pictures.

use ::image::{ImageBuffer, Rgb, codecs::jpeg::JpegEncoder};

use super::{Source, SourceError};

/// Fails with every line given, if any is.
pub(super) fn report(failures: impl IntoIterator<Item = String>) {
    let failures: Vec<String> = failures.into_iter().collect();
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

/// Reads a stream to its end, one line an event. A frame shows its first byte rounded to a multiple of 16, as JPEG is
/// not exact. Frames must number in order, hold as many bytes as their format says, and nothing may follow a fatal error.
pub(super) fn transcript<S: Source>(source: Result<S, SourceError>) -> String {
    let mut source = match source {
        Ok(source) => source,
        Err(error) => return format!("error: {error}"),
    };
    let mut lines = Vec::new();
    let mut number = 0;
    while let Some(event) = source.next_frame() {
        match event {
            Ok(frame) => {
                assert_eq!(frame.number, number, "frames number in order");
                assert_eq!(
                    frame.data.len(),
                    frame.format.frame_bytes(frame.width, frame.height),
                    "bytes of a frame"
                );
                let value = (u32::from(frame.data[0]) + 8) / 16 * 16;
                let time_ms = frame.time.as_millis();
                let name = frame.name.map(|name| format!(" {name}")).unwrap_or_default();
                let (width, height, format) = (frame.width, frame.height, frame.format);
                lines.push(format!(
                    "frame {number} at {time_ms} ms {width}x{height} {format:?} ~{value}{name}"
                ));
            }
            Err(error) if error.is_broken_frame() => lines.push(format!("broken: {error}")),
            Err(error) => {
                lines.push(format!("error: {error}"));
                assert!(source.next_frame().is_none(), "nothing follows a fatal error");
                break;
            }
        }
        number += 1;
    }
    assert!(source.next_frame().is_none(), "the end stays the end");
    lines.join("\n")
}

/// A JPEG of one color.
pub(super) fn jpeg(width: u32, height: u32, color: [u8; 3]) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90)
        .encode_image(&ImageBuffer::from_pixel(width, height, Rgb(color)))
        .expect("a picture in memory");
    bytes
}

/// The same JPEG as Motion-JPEG cameras write it.
pub(super) fn without_huffman_tables(jpeg: &[u8]) -> Vec<u8> {
    let mut bytes = jpeg[..2].to_vec();
    let mut at = 2;
    while jpeg[at + 1] != 0xDA {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != 0xC4 {
            bytes.extend(&jpeg[at..end]);
        }
        at = end;
    }
    bytes.extend(&jpeg[at..]);
    bytes
}
