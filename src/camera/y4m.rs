//! YUV4MPEG2 streams: raw video with a line of text before it, from a file or a pipe.

use std::io::{self, BufRead, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::y4m::{Colorspace, Decoder, Error};

use super::rate::{Rate, frame_time};
use super::size::{FRAME_MAX_BYTES, check_size};
use super::{Source, SourceError, SourceInfo};
use crate::frame::{Frame, PixelFormat};

/// Longest header line, in bytes; the decoder's own bound.
const HEADER_MAX_BYTES: u64 = 1024;

/// A Y4M stream of 8 bits a sample: 4:2:0 in all its spellings, 4:2:2, 4:4:4 and mono.
///
/// Frames are [`I420`](PixelFormat::I420), [`I422`](PixelFormat::I422), [`I444`](PixelFormat::I444) or
/// [`Gray8`](PixelFormat::Gray8), without a name. Color of full range (`XCOLORRANGE=FULL`) becomes limited range, as the
/// formats want it; gray of limited range (`XCOLORRANGE=LIMITED`) becomes full. A frame's time follows from its number
/// and the rate; a stream that ends within a frame gives all whole frames, then [`SourceError::Truncated`].
pub struct Y4m<R: Read> {
    info: SourceInfo,
    decoder: Decoder<Counted<R>>,
    /// Bytes read from the input, as its wrapper counts them.
    bytes: Arc<AtomicU64>,
    width: u32,
    height: u32,
    format: PixelFormat,
    rate: Option<Rate>,
    range: Option<RangeTables>,
    next: u64,
    done: bool,
}

/// The header line, then the rest of the input, counted: the decoder reports an end between frames and an end within
/// one alike, and the count tells them apart.
struct Counted<R> {
    header: Cursor<Vec<u8>>,
    input: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let from_header = self.header.read(buffer)?;
        if from_header > 0 {
            return Ok(from_header);
        }
        loop {
            match self.input.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    self.bytes.fetch_add(*read.as_ref().unwrap_or(&0) as u64, Ordering::Relaxed);
                    return read;
                }
            }
        }
    }
}

/// What each sample becomes where the stream's range is not the format's.
struct RangeTables {
    luma: [u8; 256],
    chroma: [u8; 256],
}

impl RangeTables {
    /// Full to limited range, ITU-R BT.601: Y' = 16 + 219/255 Y, C' = 128 + 224/255 (C - 128), rounded.
    fn to_limited() -> RangeTables {
        let table = |offset: f64, zero: f64, steps: f64| {
            std::array::from_fn(|value| (offset + (value as f64 - zero) * steps / 255.0).round() as u8)
        };
        RangeTables { luma: table(16.0, 0.0, 219.0), chroma: table(128.0, 128.0, 224.0) }
    }

    /// Limited to full range of luminance: Y = 255/219 (Y' - 16), rounded and clamped.
    fn to_full() -> RangeTables {
        let luma = std::array::from_fn(|value| ((value as f64 - 16.0) * 255.0 / 219.0).round() as u8);
        RangeTables { luma, chroma: luma }
    }
}

impl<R: BufRead> Y4m<R> {
    /// Reads the header line. `name` is what messages call the stream.
    ///
    /// # Errors
    /// [`SourceError::Malformed`] where this is not Y4M or its header is wrong, [`SourceError::Unsupported`] for more
    /// than 8 bits a sample or another layout, [`SourceError::Unreadable`].
    pub fn new(mut input: R, name: &str) -> Result<Y4m<R>, SourceError> {
        let malformed = |reason: String| SourceError::Malformed { name: name.into(), reason };
        let mut header = Vec::new();
        (&mut input)
            .take(HEADER_MAX_BYTES)
            .read_until(b'\n', &mut header)
            .map_err(|cause| SourceError::Unreadable { name: name.into(), cause })?;
        if header.is_empty() {
            return Err(malformed(
                "the stream is empty; a Y4M stream begins with a line YUV4MPEG2 ...".into(),
            ));
        }
        if !header.starts_with(b"YUV4MPEG2 ") {
            return Err(malformed("it does not begin as a Y4M stream does, with the word YUV4MPEG2".into()));
        }
        if header.last() != Some(&b'\n') {
            return Err(malformed("its Y4M header line does not end".into()));
        }
        // The decoder multiplies width and height as they come, so they are bounded before it sees them.
        let (width, height) = (number(&header, b'W'), number(&header, b'H'));
        let (Some(width), Some(height)) = (width, height) else {
            return Err(malformed("its Y4M header does not say width and height".into()));
        };
        let (width, height) = check_size(width, height).map_err(malformed)?;
        let full_range = parameters(&header).any(|text| text == b"XCOLORRANGE=FULL");
        let limited_range = parameters(&header).any(|text| text == b"XCOLORRANGE=LIMITED");
        let layout = parameters(&header)
            .filter(|text| text[0] == b'C')
            .last()
            .map(|text| text.escape_ascii().to_string());

        let limits = ::y4m::Limits { bytes: FRAME_MAX_BYTES as usize };
        let bytes = Arc::new(AtomicU64::new(0));
        let input = Counted { header: Cursor::new(header), input, bytes: bytes.clone() };
        let unsupported = |layout: &str| SourceError::Unsupported {
            name: name.into(),
            reason: format!(
                "its samples are laid out as {layout}, and only 8 bits in 4:2:0, 4:2:2, 4:4:4 or mono are read; \
                 make it with ffmpeg's -pix_fmt yuv420p"
            ),
        };
        let decoder = Decoder::new_with_limits(input, limits).map_err(|error| match error {
            Error::UnknownColorspace => unsupported(layout.as_deref().unwrap_or("C")),
            Error::IoError(cause) => SourceError::Unreadable { name: name.into(), cause },
            error => malformed(format!("its Y4M header is wrong: {error}")),
        })?;
        let format = match decoder.get_colorspace() {
            Colorspace::C420 | Colorspace::C420jpeg | Colorspace::C420paldv | Colorspace::C420mpeg2 => {
                PixelFormat::I420
            }
            Colorspace::C422 => PixelFormat::I422,
            Colorspace::C444 => PixelFormat::I444,
            Colorspace::Cmono => PixelFormat::Gray8,
            other => return Err(unsupported(&format!("{other:?}"))),
        };
        let range = match format {
            PixelFormat::Gray8 => limited_range.then(RangeTables::to_full),
            _ => full_range.then(RangeTables::to_limited),
        };
        let framerate = decoder.get_framerate();
        let rate = match (u32::try_from(framerate.num), u32::try_from(framerate.den)) {
            (Ok(frames), Ok(seconds)) => Rate::new(frames, seconds),
            _ => None,
        };
        let info = SourceInfo { name: name.into(), frames: None, fps: rate.map(Rate::fps), live: false };
        Ok(Y4m { info, decoder, bytes, width, height, format, rate, range, next: 0, done: false })
    }
}

fn parameters(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    header.trim_ascii_end().split(|&byte| byte == b' ').skip(1).filter(|text| !text.is_empty())
}

/// The last parameter with this letter, as the decoder takes it, where it is a number.
fn number(header: &[u8], letter: u8) -> Option<u64> {
    let text = parameters(header).filter(|text| text[0] == letter).last()?;
    std::str::from_utf8(&text[1..]).ok()?.parse().ok()
}

impl<R: Read> Y4m<R> {
    fn read_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let name = &self.info.name;
        let before = self.bytes.load(Ordering::Relaxed);
        let frame = match self.decoder.read_frame() {
            Ok(frame) => frame,
            Err(Error::EOF) if self.bytes.load(Ordering::Relaxed) == before => return None,
            Err(Error::EOF) => {
                return Some(Err(SourceError::Truncated { name: name.clone(), frame: self.next }));
            }
            Err(Error::IoError(cause)) => {
                return Some(Err(SourceError::Unreadable { name: name.clone(), cause }));
            }
            Err(_) => {
                let reason =
                    format!("frame {} does not begin with the word FRAME; the stream is damaged", self.next);
                return Some(Err(SourceError::Malformed { name: name.clone(), reason }));
            }
        };
        let mut data = [frame.get_y_plane(), frame.get_u_plane(), frame.get_v_plane()].concat();
        if let Some(range) = &self.range {
            let (luma, chroma) = data.split_at_mut(frame.get_y_plane().len());
            luma.iter_mut().for_each(|sample| *sample = range.luma[usize::from(*sample)]);
            chroma.iter_mut().for_each(|sample| *sample = range.chroma[usize::from(*sample)]);
        }
        let number = self.next;
        self.next += 1;
        Some(Ok(Frame {
            number,
            time: frame_time(number, self.rate),
            width: self.width,
            height: self.height,
            format: self.format,
            data,
            name: None,
        }))
    }
}

impl<R: Read + Send> Source for Y4m<R> {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        if self.done {
            return None;
        }
        let event = self.read_frame();
        self.done = !matches!(event, Some(Ok(_)));
        event
    }
}

#[cfg(test)]
mod tests;
