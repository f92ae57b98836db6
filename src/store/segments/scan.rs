//! Walks through a segment record by record, and finds the next whole one behind damage.

use std::io;

use super::entry;
use super::footer;
use super::format::{BLOCK, RECORD_MARK};
use super::header::{Header, NoHeader};
use super::volume::Content;

/// Bytes that are looked through at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// What comes next in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A whole record; it is in [`Scanner::record`] and began at this offset.
    Record { offset: u64 },
    /// Bytes that are nothing, with something whole behind them.
    Damaged { offset: u64, bytes: u64 },
    /// The footer; nothing follows.
    Footer,
    /// The end, maybe with bytes that are nothing. More may come where a writer is at work.
    End { torn_bytes: u64 },
}

/// A place in a segment.
pub(super) struct Scanner {
    content: Box<dyn Content>,
    pub offset: u64,
    /// The bytes of the last record.
    pub record: Vec<u8>,
}

/// Reads a segment's header.
pub(super) fn read_header(content: &dyn Content) -> io::Result<Result<(Header, usize), NoHeader>> {
    let mut start = vec![0; BLOCK as usize];
    let read = content.read_at(0, &mut start)?;
    start.truncate(read);
    // Nearly always a block is enough.
    if let Some(bytes) = Header::length(&start).map(|(_, bytes)| bytes).filter(|&bytes| bytes > read) {
        start.resize(bytes, 0);
        let read = content.read_at(0, &mut start)?;
        start.truncate(read);
    }
    Ok(Header::parse(&start))
}

/// Reads the footer at the end of a segment, if it is sealed.
pub(super) fn read_footer(content: &dyn Content) -> io::Result<Option<footer::Summary>> {
    let length = content.length()?;
    // Nearly always the last block holds all of it.
    let mut end = vec![0; length.min(BLOCK) as usize];
    let read = content.read_at(length - end.len() as u64, &mut end)?;
    let bytes = end[..read].last_chunk::<8>().and_then(|last| footer::length_at_end(last));
    let Some(bytes) = bytes.filter(|&bytes| bytes as u64 <= length) else {
        return Ok(None);
    };
    if let Some(from) = read.checked_sub(bytes) {
        return Ok(footer::Summary::parse(&end[from..read]));
    }
    let mut whole = vec![0; bytes];
    let read = content.read_at(length - bytes as u64, &mut whole)?;
    Ok(footer::Summary::parse(&whole[..read]))
}

impl Scanner {
    /// Begins at `offset`: the end of the header, or a record of the footer's index.
    pub(super) fn new(content: Box<dyn Content>, offset: u64) -> Scanner {
        Scanner { content, offset, record: Vec::new() }
    }

    /// The next step. After [`Step::End`] it looks again at the same place.
    pub(super) fn next(&mut self) -> io::Result<Step> {
        let length = self.content.length()?;
        while self.offset < length {
            if self.record_at(self.offset, length)? {
                let offset = self.offset;
                self.offset += self.record.len() as u64;
                return Ok(Step::Record { offset });
            }
            if let Some(end) = self.footer_at(self.offset, length)? {
                self.offset = end;
                return Ok(Step::Footer);
            }
            if let Some(end) = self.padding_at(self.offset, length)? {
                self.offset = end;
                continue;
            }
            let (offset, next) = (self.offset, self.search(self.offset + 1, length)?);
            let Some(next) = next else {
                return Ok(Step::End { torn_bytes: length - offset });
            };
            self.offset = next;
            return Ok(Step::Damaged { offset, bytes: next - offset });
        }
        Ok(Step::End { torn_bytes: 0 })
    }

    /// Whether a whole record is at `at`; it is in `self.record` then.
    fn record_at(&mut self, at: u64, length: u64) -> io::Result<bool> {
        let mut head = [0; entry::HEAD_BYTES];
        let read = self.content.read_at(at, &mut head)?;
        let Some(bytes) = entry::length(&head[..read]).filter(|&bytes| at + bytes as u64 <= length) else {
            return Ok(false);
        };
        self.record.resize(bytes, 0);
        let read = self.content.read_at(at, &mut self.record)?;
        Ok(read == bytes && super::format::is_whole(&self.record))
    }

    /// Where the footer at `at` ends, if there is one.
    fn footer_at(&self, at: u64, length: u64) -> io::Result<Option<u64>> {
        let mut head = [0; 8];
        let read = self.content.read_at(at, &mut head)?;
        let bytes = footer::length_at_start(&head[..read]);
        let Some(bytes) = bytes.filter(|&bytes| at + bytes as u64 <= length) else {
            return Ok(None);
        };
        let mut whole = vec![0; bytes];
        let read = self.content.read_at(at, &mut whole)?;
        Ok(footer::Summary::parse(&whole[..read]).map(|_| at + bytes as u64))
    }

    /// Where the padding at `at` ends, if nothing else is there up to the end of the block.
    fn padding_at(&self, at: u64, length: u64) -> io::Result<Option<u64>> {
        let end = at.next_multiple_of(BLOCK);
        if end == at || end > length {
            return Ok(None);
        }
        let mut rest = vec![1; (end - at) as usize];
        self.content.read_at(at, &mut rest)?;
        Ok(rest.iter().all(|&byte| byte == 0).then_some(end))
    }

    /// The next place from `from` on where a whole record or the footer is.
    fn search(&mut self, from: u64, length: u64) -> io::Result<Option<u64>> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut start = from;
        while start < length {
            let read = self.content.read_at(start, &mut chunk)?;
            // Marks differ in their fourth byte only.
            let common = &RECORD_MARK[..3];
            for at in (0..read).filter(|&at| chunk[at..read].starts_with(common)) {
                let at = start + at as u64;
                if self.record_at(at, length)? || self.footer_at(at, length)?.is_some() {
                    return Ok(Some(at));
                }
            }
            if read < CHUNK_BYTES {
                break;
            }
            // A mark may lie across the end of the chunk.
            start += read as u64 - 2;
        }
        Ok(None)
    }
}
