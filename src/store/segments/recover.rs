//! Takes up a store: finds its segments, scans those without a footer, cuts what a power cut tore.

use std::io;

use super::age::Stamp;
use super::batch::{BATCH_BYTES_MAX, Batch};
use super::budget::SYNC_BYTES;
use super::entry::{self, Entry};
use super::footer::{Owner, Summary};
use super::format::{BLOCK, ID_FILE, StoreId, UNFINISHED, first_of, is_unfinished, padding, segment_name};
use super::header::Header;
use super::identity::{self, IdFile};
use super::look::{Look, look};
use super::opened::Closed;
use super::quota::Size;
use super::scan::{Scanner, Step};
use super::volume::{Appender, Folder};
use crate::mask::Class;
use crate::store::folder::CLASSES;
use crate::store::index::INDEX;

/// What was found in the folder when the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments of the store.
    pub segments: u64,
    /// Whole records in them.
    pub records: u64,
    /// Segments that had no whole footer and were scanned record by record.
    pub scanned: u64,
    /// Bytes of the last segment that were no whole record and were cut out.
    pub torn_bytes: u64,
    /// Damaged bytes elsewhere, which were left as they are.
    pub damaged_bytes: u64,
    /// Files named as segments that are none of this store: of another store, or with a damaged header. They are left
    /// as they are.
    pub foreign: u64,
    /// How the file with the store's id was; where it was missing or damaged it has been written anew by what the
    /// segments say.
    pub id_file: IdFile,
    /// Sequence number that the next record gets.
    pub next_sequence: u64,
}

impl Recovery {
    /// What was found wrong and mended, in words; `None` where all was as it should be.
    pub fn trouble(&self) -> Option<String> {
        let mut found = Vec::new();
        match self.id_file {
            IdFile::Whole | IdFile::Unchecked => {}
            IdFile::Missing => found.push("store.id was missing and is written again".to_owned()),
            IdFile::Damaged => found.push("store.id was damaged and is written again".to_owned()),
        }
        if self.torn_bytes > 0 {
            found.push(format!("{} bytes that a power cut tore are cut off", self.torn_bytes));
        }
        if self.damaged_bytes > 0 {
            found.push(format!("{} damaged bytes are left as they are", self.damaged_bytes));
        }
        if self.foreign > 0 {
            found.push(format!("{} files are no segments of this store and are left alone", self.foreign));
        }
        (!found.is_empty()).then(|| found.join("; "))
    }
}

/// A segment as the writer remembers it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub first: u64,
    /// The number after its last record.
    pub end: u64,
    pub records: u64,
    pub size: Size,
    pub first_wall_us: i64,
    pub last_wall_us: i64,
}

impl Segment {
    pub(super) fn new(first: u64, summary: &Summary, bytes: u64) -> Segment {
        Segment {
            first,
            end: if summary.records > 0 { summary.last + 1 } else { first },
            records: summary.records,
            size: Size { bytes, store_time: summary.stamp.store_time },
            first_wall_us: summary.first_wall_us,
            last_wall_us: summary.last_wall_us,
        }
    }
}

/// The segment that is open for writing.
pub(super) struct Tail {
    pub first: u64,
    pub file: Box<dyn Appender>,
    /// Its length, all of it on the medium, a multiple of [`BLOCK`].
    pub bytes: u64,
    pub summary: Summary,
    pub classes: Vec<Class>,
}

/// How far a segment was promised when a write to it failed. What is behind that is all in memory still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub id: StoreId,
    pub first: u64,
    pub bytes: u64,
}

/// A store that has been taken up.
pub(super) struct Recovered {
    pub id: StoreId,
    pub segments: Closed,
    pub tail: Option<Tail>,
    /// What was noted with the newest record; of no meaning where a write is expected.
    pub last: Option<Stamp>,
    /// Records of the batch that are on the medium.
    pub found: Vec<(u64, u32)>,
    pub report: Recovery,
    /// Bytes that taking it up has written, with what the file system adds.
    pub written_bytes: u64,
}

/// Why a store cannot be taken up.
#[derive(Debug)]
pub(super) enum Unrecovered {
    Io(io::Error),
    /// A segment of a later program: its first record, its version.
    Version(u64, u16),
    /// The folder is that of a run that stores pictures.
    Pictures,
}

impl From<io::Error> for Unrecovered {
    fn from(error: io::Error) -> Unrecovered {
        Unrecovered::Io(error)
    }
}

/// Takes up the store in `folder`, or begins one. Whole records are never deleted, but for those behind the promised
/// end of `expected` that `batch` holds too: after a failed sync nobody can say what of them is on the medium, though
/// they can be read, so they are written again.
pub(super) fn recover(
    folder: &mut dyn Folder,
    expected: Option<Expected>,
    batch: &Batch,
) -> Result<Recovered, Unrecovered> {
    let names: Vec<String> = folder.list()?.into_iter().map(|(name, _)| name).collect();
    for name in names.iter().filter(|name| is_unfinished(name)) {
        folder.remove(name)?;
    }
    // Readers take such a folder for one of pictures, so that segments in it would not be seen.
    let is = |wanted: &str| names.iter().any(|name| name == wanted);
    if !is(ID_FILE) && (is(CLASSES) || is(INDEX)) {
        return Err(Unrecovered::Pictures);
    }
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| first_of(name)).collect();
    firsts.sort_unstable();
    let (id, id_file, id_bytes) = identity::take_up(folder, &firsts)?;
    let mut recovered = Recovered {
        id,
        segments: Closed::default(),
        tail: None,
        last: None,
        found: Vec::new(),
        report: Recovery { id_file, ..Recovery::default() },
        written_bytes: id_bytes,
    };
    let mut next = 0;
    let mut unsealed = None;
    for &first in &firsts {
        next = next.max(first);
        let content = folder.read(&segment_name(first))?;
        let promised = expected.filter(|expected| expected.id == id && expected.first == first);
        let look = look(&*content, first, id, promised.is_some())?;
        // Only the last segment is open; one before it without a footer is damaged, and closed.
        if !matches!(look, Look::Foreign { may_be_own: false, .. })
            && let Some(scanned) = unsealed.take()
        {
            close(&mut recovered, scanned);
        }
        let (header, start) = match look {
            Look::Sealed(summary) => {
                next = next.max(summary.last + 1);
                recovered.last = Some(summary.stamp);
                recovered.segments.push_back(Segment::new(first, &summary, content.length()?));
                continue;
            }
            Look::Unsealed(header, start) => (header, start as u64),
            Look::Foreign { end, .. } => {
                next = next.max(end);
                recovered.report.foreign += 1;
                continue;
            }
        };
        let bytes = content.length()?;
        let scanned = scan(Scanner::new(content, start), promised.map(|promised| promised.bytes), batch)?;
        if scanned.summary.records > 0 {
            next = next.max(scanned.summary.last + 1);
            recovered.last = Some(scanned.summary.stamp);
        }
        recovered.report.scanned += 1;
        unsealed = Some(Unsealed { header, start, bytes, promised, scanned });
    }
    if let Some(unsealed) = unsealed {
        next = open_tail(folder, &mut recovered, unsealed, next)?;
    }
    // Entries that were not synced before a crash are there now, and what is in them counts as promised from here on.
    folder.sync()?;
    let report = &mut recovered.report;
    let tail_records = recovered.tail.as_ref().map(|tail| tail.summary.records);
    report.segments = recovered.segments.len() as u64 + u64::from(tail_records.is_some());
    report.records =
        recovered.segments.iter().map(|segment| segment.records).sum::<u64>() + tail_records.unwrap_or(0);
    report.next_sequence = next;
    Ok(recovered)
}

/// A segment without a footer.
struct Unsealed {
    header: Header,
    /// End of the header.
    start: u64,
    bytes: u64,
    promised: Option<Expected>,
    scanned: Scanned,
}

/// What a scan has found.
#[derive(Default)]
struct Scanned {
    summary: Summary,
    /// End of the last whole record and its padding.
    end: u64,
    damaged_bytes: u64,
    /// Records that the batch holds too.
    found: Vec<(u64, u32)>,
    /// The summary of the records before the promised end, where others follow it.
    promised: Option<Summary>,
    /// Whether a record behind the promised end is not in the batch.
    strange: bool,
}

fn scan(mut scanner: Scanner, promised: Option<u64>, batch: &Batch) -> io::Result<Scanned> {
    let in_memory: Vec<_> = batch.records().filter_map(entry::identity).collect();
    let mut scanned = Scanned::default();
    loop {
        match scanner.next()? {
            Step::Record { offset } => {
                let Ok(entry) = Entry::parse(&scanner.record) else {
                    scanned.damaged_bytes += scanner.record.len() as u64;
                    continue;
                };
                let own = entry::identity(&scanner.record).filter(|own| in_memory.contains(own));
                if promised.is_some_and(|end| offset >= end) {
                    if scanned.promised.is_none() {
                        scanned.promised = Some(scanned.summary.clone());
                    }
                    scanned.strange |= own.is_none();
                }
                scanned.found.extend(own);
                scanned.summary.add(&entry, offset);
            }
            Step::Damaged { bytes, .. } => scanned.damaged_bytes += bytes,
            // A footer that is not at the end of the file: it has been torn behind it.
            Step::Footer => {}
            Step::End { .. } => {
                scanned.end = scanner.offset;
                return Ok(scanned);
            }
        }
    }
}

fn close(recovered: &mut Recovered, unsealed: Unsealed) {
    let Unsealed { header, bytes, scanned, .. } = unsealed;
    recovered.report.damaged_bytes += scanned.damaged_bytes + (bytes - scanned.end);
    recovered.found.extend(scanned.found);
    recovered.segments.push_back(Segment::new(header.first, &scanned.summary, bytes));
}

/// Cuts the last segment to what is whole and opens it for writing. Returns the next sequence number.
fn open_tail(
    folder: &mut dyn Folder,
    recovered: &mut Recovered,
    unsealed: Unsealed,
    next: u64,
) -> io::Result<u64> {
    let Unsealed { header, start, bytes, promised, mut scanned } = unsealed;
    let name = segment_name(header.first);
    let mut next = next;
    let follows = recovered.segments.back().map_or(header.first, |before| before.end);
    let owner = Some(Owner::new(header.id, follows));
    if let Some(promised) = promised.filter(|promised| !scanned.strange && promised.bytes <= bytes) {
        scanned.summary = scanned.promised.unwrap_or(scanned.summary);
        scanned.end = promised.bytes;
        scanned.found.clear();
        // Numbers of records that are in memory only are theirs again.
        next = if scanned.summary.records > 0 { scanned.summary.last + 1 } else { header.first };
        if promised.bytes == 0 {
            folder.remove(&name)?;
            return Ok(next);
        }
    }
    if scanned.damaged_bytes > 0 && promised.is_none() {
        match write_anew(folder, &header, start) {
            Ok((summary, whole)) => {
                let summary = Summary { owner, ..summary };
                recovered.report.torn_bytes += scanned.damaged_bytes + (bytes - scanned.end);
                recovered.found.extend(scanned.found);
                recovered.written_bytes += whole + 2 * SYNC_BYTES;
                let file = folder.append(&name)?;
                let (first, classes) = (header.first, header.classes);
                recovered.tail = Some(Tail { first, file, bytes: whole, summary, classes });
                return Ok(next);
            }
            // Then the damage stays, and readers step over it.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                folder.remove(&format!("{name}{UNFINISHED}"))?;
            }
            Err(error) => return Err(error),
        }
    }
    let end = scanned.end.max(start);
    let mut file = folder.append(&name)?;
    if end < bytes {
        recovered.report.torn_bytes += bytes - end;
        file.truncate(end)?;
    }
    let pad = padding(end);
    if pad > 0 {
        file.append(&[0; BLOCK as usize][..pad as usize])?;
    }
    if pad > 0 || end < bytes {
        recovered.written_bytes += BLOCK + SYNC_BYTES;
    }
    // Also where nothing was cut: records that were not yet synced are promised from here on.
    file.sync()?;
    recovered.report.damaged_bytes += scanned.damaged_bytes;
    recovered.found.extend(scanned.found);
    let summary = Summary { owner, ..scanned.summary };
    let (bytes, classes) = (end + pad, header.classes);
    recovered.tail = Some(Tail { first: header.first, file, bytes, summary, classes });
    Ok(next)
}

/// Writes the whole records of a segment to a new file in its place, so that what a power cut tore between them is not
/// taken for damage later. Returns what is in it and its length.
fn write_anew(folder: &mut dyn Folder, header: &Header, start: u64) -> io::Result<(Summary, u64)> {
    let name = segment_name(header.first);
    let unfinished = format!("{name}{UNFINISHED}");
    let mut scanner = Scanner::new(folder.read(&name)?, start);
    let mut file = folder.create(&unfinished)?;
    let mut summary = Summary::default();
    let mut chunk = Vec::new();
    header.encode(&mut chunk);
    let mut written = 0;
    loop {
        match scanner.next()? {
            Step::Record { .. } => {
                if let Ok(entry) = Entry::parse(&scanner.record) {
                    summary.add(&entry, written + chunk.len() as u64);
                    chunk.extend(&scanner.record);
                }
            }
            Step::Damaged { .. } | Step::Footer => {}
            Step::End { .. } => break,
        }
        if chunk.len() >= BATCH_BYTES_MAX {
            file.append(&chunk)?;
            written += chunk.len() as u64;
            chunk.clear();
        }
    }
    chunk.resize(chunk.len() + padding(written + chunk.len() as u64) as usize, 0);
    file.append(&chunk)?;
    written += chunk.len() as u64;
    file.sync()?;
    folder.rename(&unfinished, &name)?;
    folder.sync()?;
    Ok((summary, written))
}
