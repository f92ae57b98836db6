//! The header list of an AVI file: which stream holds the pictures, their size, codec, rate and count.
//!
//! Structures as in Microsoft's "AVI RIFF File Reference"; all numbers are little-endian.

use crate::camera::rate::Rate;

/// What the header says of the first video stream.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// Place among the streams, from 0; chunks of the stream begin with it as two digits.
    pub(super) stream: u8,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Four-character code of the codec, for example `MJPG`.
    pub(super) codec: [u8; 4],
    pub(super) rate: Option<Rate>,
    /// Number of frames, where the writer noted one.
    pub(super) frames: Option<u64>,
}

/// Parses the inside of `LIST hdrl`, after the list's type. Total on any bytes; the error says what is missing.
pub(super) fn parse(list: &[u8]) -> Result<Header, &'static str> {
    let mut microseconds_per_frame = 0;
    let mut stream = 0;
    for chunk in Chunks(list) {
        match &chunk.id {
            b"avih" => microseconds_per_frame = u32_at(chunk.data, 0).unwrap_or(0),
            b"LIST" if chunk.data.starts_with(b"strl") => {
                if let Some(mut header) = video_stream(&chunk.data[4..])? {
                    header.stream = stream;
                    header.rate = header.rate.or(Rate::new(1_000_000, microseconds_per_frame));
                    return Ok(header);
                }
                stream += 1;
                if stream == 100 {
                    break;
                }
            }
            _ => {}
        }
    }
    Err("the AVI header lists no video stream")
}

/// The stream in one `strl` list, or `None` where it is not video.
fn video_stream(list: &[u8]) -> Result<Option<Header>, &'static str> {
    let (mut stream_header, mut format): (&[u8], &[u8]) = (&[], &[]);
    for chunk in Chunks(list) {
        match &chunk.id {
            b"strh" => stream_header = chunk.data,
            b"strf" => format = chunk.data,
            _ => {}
        }
    }
    if !stream_header.starts_with(b"vids") {
        return Ok(None);
    }
    // BITMAPINFOHEADER: a negative height only says that rows run from the top.
    let (Some(width), Some(height), Some(codec)) =
        (u32_at(format, 4), u32_at(format, 8), format.get(16..20).and_then(|code| code.try_into().ok()))
    else {
        return Err("the AVI header does not say the size of its pictures");
    };
    let (scale, rate) = (u32_at(stream_header, 20).unwrap_or(0), u32_at(stream_header, 24).unwrap_or(0));
    let frames = u32_at(stream_header, 32).filter(|&frames| frames > 0 && frames < u32::MAX);
    Ok(Some(Header {
        stream: 0,
        width,
        height: height.cast_signed().unsigned_abs(),
        codec,
        rate: Rate::new(rate, scale),
        frames: frames.map(u64::from),
    }))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

struct Chunk<'a> {
    id: [u8; 4],
    data: &'a [u8],
}

/// The chunks that lie one after another in a list; one that is cut off ends the walk.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let id = self.0.get(..4)?.try_into().ok()?;
        let size = u32_at(self.0, 4)? as usize;
        let data = self.0[8..].get(..size)?;
        self.0 = self.0[8 + size..].get(size % 2..).unwrap_or(&[]);
        Some(Chunk { id, data })
    }
}
