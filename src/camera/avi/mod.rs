//! AVI files of Motion-JPEG, frame by frame, with one frame in memory.
//!
//! Chunks are walked in the order in which they lie; the index (`idx1`, `indx`) is never used, and the sizes of the
//! outer lists only tell whether the end is missing. So a clip whose writer lost power before it could write index and
//! sizes reads as well as a finished one.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::picture::decode_motion_jpeg;
use super::rate::frame_time;
use super::size::check_size;
use super::{Source, SourceError, SourceInfo};
use crate::frame::Frame;
use header::Header;

mod header;
#[cfg(test)]
mod tests;

/// Most bytes of one compressed frame.
const CHUNK_MAX_BYTES: u32 = 64 << 20;
/// Most bytes of the header list.
const HEADER_MAX_BYTES: u32 = 1 << 20;

/// A clip of Motion-JPEG in an AVI file, also beyond 1 GB (OpenDML).
///
/// Frames are [`Rgb8`](crate::frame::PixelFormat::Rgb8), or [`Gray8`](crate::frame::PixelFormat::Gray8) where the JPEG
/// is gray, without a name. Their time follows from the number and the rate in the header; a clip without a rate counts
/// as 1 frame a second. A chunk without bytes repeats the frame before it, as recorders write it for a dropped frame.
/// A frame that does not decode, or has another size than the header says, is a [`SourceError::BrokenFrame`]. A clip
/// cut short gives all whole frames, then [`SourceError::Truncated`].
#[derive(Debug)]
pub struct Avi<R> {
    info: SourceInfo,
    input: BufReader<R>,
    /// Where the input stands, and where it ends, in bytes.
    position: u64,
    length: u64,
    header: Header,
    /// Where the current outer `RIFF` ends by its own word; only chunks that are surely ours count after that.
    riff_end: u64,
    state: End,
    next: u64,
    /// The compressed frame read last.
    chunk: Vec<u8>,
    done: bool,
}

/// What the end of the input will mean.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// The frame list ends inside the input.
    Whole,
    /// The writer never wrote the list's size.
    Unfinished,
    /// The list goes on after the end of the input.
    Cut,
}

impl<R: Read + Seek> Avi<R> {
    /// Reads the header, up to the first frame. `name` is what messages call the clip.
    ///
    /// # Errors
    /// [`SourceError::Malformed`] where this is not an AVI file, [`SourceError::UnsupportedCodec`] where it is not
    /// Motion-JPEG, [`SourceError::Truncated`] where it ends before the first frame, [`SourceError::Unreadable`].
    pub fn new(mut input: R, name: &str) -> Result<Avi<R>, SourceError> {
        let unreadable = |cause| SourceError::Unreadable { name: name.into(), cause };
        let malformed = |reason: String| SourceError::Malformed { name: name.into(), reason };
        let truncated = || SourceError::Truncated { name: name.into(), frame: 0 };

        let length = input.seek(SeekFrom::End(0)).map_err(unreadable)?;
        input.rewind().map_err(unreadable)?;
        let mut clip = Avi {
            info: SourceInfo { name: name.into(), ..SourceInfo::default() },
            input: BufReader::new(input),
            position: 0,
            length,
            header: Header { stream: 0, width: 0, height: 0, codec: [0; 4], rate: None, frames: None },
            riff_end: 0,
            state: End::Whole,
            next: 0,
            chunk: Vec::new(),
            done: false,
        };
        match clip.read_head().map_err(unreadable)? {
            Some((id, size)) if &id == b"RIFF" && length >= 12 => {
                if &clip.read_four().map_err(unreadable)? != b"AVI " {
                    return Err(malformed("it is a RIFF file but not an AVI clip".into()));
                }
                clip.enter_riff(size);
            }
            _ => return Err(malformed("it does not begin as an AVI clip does".into())),
        }
        let mut header = None;
        while let Some((id, size)) = clip.read_head().map_err(unreadable)? {
            if &id != b"LIST" || clip.left() < 4 {
                clip.skip(size).map_err(unreadable)?;
                continue;
            }
            match &clip.read_four().map_err(unreadable)? {
                b"movi" => {
                    clip.enter_movi(size);
                    clip.header =
                        header.ok_or_else(|| malformed("its frames come before any header".into()))?;
                    return clip.check_header();
                }
                b"hdrl" => {
                    let size = size.saturating_sub(4);
                    if u64::from(size) > clip.left() {
                        return Err(truncated());
                    }
                    if size > HEADER_MAX_BYTES {
                        return Err(malformed(format!("its header of {size} bytes is too large")));
                    }
                    clip.read_chunk(size).map_err(unreadable)?;
                    header = Some(header::parse(&clip.chunk).map_err(|reason| malformed(reason.into()))?);
                }
                _ => clip.skip(size.saturating_sub(4)).map_err(unreadable)?,
            }
        }
        if header.is_none() {
            return Err(malformed("it holds no AVI header".into()));
        }
        Err(truncated())
    }

    fn check_header(mut self) -> Result<Avi<R>, SourceError> {
        let name = || self.info.name.clone();
        let codec = self.header.codec;
        if ![b"MJPG", b"JPEG"].iter().any(|known| codec.eq_ignore_ascii_case(*known)) {
            let codec = codec.escape_ascii().to_string();
            return Err(SourceError::UnsupportedCodec { name: name(), codec });
        }
        check_size(self.header.width.into(), self.header.height.into())
            .map_err(|reason| SourceError::Malformed { name: name(), reason })?;
        self.info.frames = self.header.frames;
        self.info.fps = self.header.rate.map(|rate| rate.fps());
        self.chunk.clear();
        Ok(self)
    }

    fn left(&self) -> u64 {
        self.length.saturating_sub(self.position)
    }

    fn read_four(&mut self) -> io::Result<[u8; 4]> {
        let mut four = [0; 4];
        self.input.read_exact(&mut four)?;
        self.position += 4;
        Ok(four)
    }

    /// A chunk's id and size, or `None` where fewer than 8 bytes are left.
    fn read_head(&mut self) -> io::Result<Option<([u8; 4], u32)>> {
        if self.left() < 8 {
            return Ok(None);
        }
        let id = self.read_four()?;
        Ok(Some((id, u32::from_le_bytes(self.read_four()?))))
    }

    /// Goes to the next chunk over `size` bytes and the padding to an even size, or to the end.
    fn skip(&mut self, size: u32) -> io::Result<()> {
        self.advance(u64::from(size) + u64::from(size % 2))
    }

    /// Goes on by this many bytes, or to the end.
    fn advance(&mut self, bytes: u64) -> io::Result<()> {
        let step = bytes.min(self.left());
        self.position += step;
        self.input.seek_relative(step as i64)
    }

    /// Reads `size` bytes that are known to be there into `chunk`, and goes over the padding.
    fn read_chunk(&mut self, size: u32) -> io::Result<()> {
        self.chunk.resize(size as usize, 0);
        self.input.read_exact(&mut self.chunk)?;
        self.position += u64::from(size);
        self.advance(u64::from(size % 2))
    }

    /// Notes the end of a RIFF whose size field and type were just read.
    fn enter_riff(&mut self, size: u32) {
        self.riff_end = match size {
            // Never filled in by the writer.
            0 | u32::MAX => self.length,
            size => self.position - 4 + u64::from(size),
        };
    }

    /// Notes what the end means for a frame list whose size field and type were just read.
    fn enter_movi(&mut self, size: u32) {
        self.state = match size {
            0 | u32::MAX => End::Unfinished,
            size if self.position - 4 + u64::from(size) > self.length => End::Cut,
            _ => End::Whole,
        };
    }

    /// Walks to the next chunk of our stream and returns its size; `None` at the end of the clip.
    fn next_size(&mut self) -> Result<Option<u32>, SourceError> {
        loop {
            let start = self.position;
            let beyond = start >= self.riff_end;
            let Some((id, size)) = self.read_head().map_err(|cause| self.unreadable(cause))? else {
                let cut = self.state == End::Cut || (self.state == End::Unfinished && self.left() > 0);
                return if cut { Err(self.truncated()) } else { Ok(None) };
            };
            let step = match &id {
                b"LIST" | b"RIFF" if self.left() >= 4 => self.enter_list(id, size),
                _ if self.is_frame(id) => {
                    return if u64::from(size) > self.left() {
                        Err(self.truncated())
                    } else {
                        Ok(Some(size))
                    };
                }
                // What other programs append, and what is left of an overwritten file.
                _ if beyond => return Ok(None),
                _ if !id.iter().all(|byte| matches!(byte, b' '..=b'~')) => {
                    let reason = format!(
                        "it is damaged at byte {start}, where frame {} should begin; what follows cannot be found",
                        self.next
                    );
                    return Err(SourceError::Malformed { name: self.info.name.clone(), reason });
                }
                _ => self.skip(size),
            };
            step.map_err(|cause| self.unreadable(cause))?;
        }
    }

    /// Steps into the lists that hold frames, over all others.
    fn enter_list(&mut self, id: [u8; 4], size: u32) -> io::Result<()> {
        match (&id, &self.read_four()?) {
            (b"RIFF", b"AVIX") => self.enter_riff(size),
            (b"LIST", b"movi") => self.enter_movi(size),
            (b"LIST", b"rec ") => {}
            _ => self.skip(size.saturating_sub(4))?,
        }
        Ok(())
    }

    /// Whether a chunk is a frame of our stream: `00dc` (compressed) or `00db` (which some writers use all the same).
    fn is_frame(&self, id: [u8; 4]) -> bool {
        let stream = self.header.stream;
        id[..3] == [b'0' + stream / 10, b'0' + stream % 10, b'd'] && matches!(id[3], b'c' | b'b')
    }

    /// The frame in the chunk of `size` bytes at which the input stands.
    fn read_frame(&mut self, size: u32) -> Result<Frame, SourceError> {
        let number = self.next;
        self.next += 1;
        let broken = |name: &str, reason: String| SourceError::BrokenFrame {
            name: name.into(),
            frame: number,
            reason,
        };
        if size > CHUNK_MAX_BYTES {
            self.chunk.clear();
            self.skip(size).map_err(|cause| self.unreadable(cause))?;
            return Err(broken(&self.info.name, format!("it takes {size} bytes, more than any frame may")));
        }
        if size > 0 {
            self.read_chunk(size).map_err(|cause| self.unreadable(cause))?;
        } else if self.chunk.is_empty() {
            return Err(broken(&self.info.name, "it repeats the frame before it, which is not there".into()));
        }
        let picture = decode_motion_jpeg(&self.chunk, (self.header.width, self.header.height))
            .map_err(|reason| broken(&self.info.name, reason))?;
        Ok(Frame {
            number,
            time: frame_time(number, self.header.rate),
            width: picture.width,
            height: picture.height,
            format: picture.format,
            data: picture.data,
            name: None,
        })
    }

    fn unreadable(&self, cause: io::Error) -> SourceError {
        SourceError::Unreadable { name: self.info.name.clone(), cause }
    }

    fn truncated(&self) -> SourceError {
        SourceError::Truncated { name: self.info.name.clone(), frame: self.next }
    }
}

impl<R: Read + Seek + Send> Source for Avi<R> {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        if self.done {
            return None;
        }
        let event = match self.next_size() {
            Ok(Some(size)) => Some(self.read_frame(size)),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        };
        self.done = match &event {
            Some(Ok(_)) => false,
            Some(Err(error)) => !error.is_broken_frame(),
            None => true,
        };
        event
    }
}
