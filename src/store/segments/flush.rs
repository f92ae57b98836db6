//! Puts masks on the medium: batches, footers, and the deletions that make room for them.

use std::io;

use super::batch::BATCH_BYTES_MAX;
use super::budget::SYNC_BYTES;
use super::entry::Entry;
use super::footer::Owner;
use super::format::{BLOCK, UNFINISHED, padding, segment_name};
use super::header::Header;
use super::opened::OpenTail;
use super::quota::{self, Situation};
use super::recover::{Expected, Tail};
use super::status::WaitReason;
use super::writer::SegmentStore;

impl SegmentStore {
    /// Puts the batch on the medium.
    pub(super) fn flush(&mut self) -> Result<(), WaitReason> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let most = (self.batch.bytes.len() as u64).next_multiple_of(BLOCK) + 2 * BLOCK;
        self.make_room(most)?;
        let now = self.now();
        let Some(opened) = &mut self.opened else {
            return Err(WaitReason::Moved);
        };
        let first = opened.tail.as_ref().map_or(self.batch.first, |open| open.tail.first);
        let (start, mut summary) =
            opened.tail.as_ref().map(|open| (open.tail.bytes, open.tail.summary.clone())).unwrap_or_default();
        let bytes = &mut self.scratch;
        bytes.clear();
        if opened.tail.is_none() {
            Header { id: opened.id, first, classes: self.classes.clone() }.encode(bytes);
            let follows = opened.segments.back().map_or(first, |before| before.end);
            summary.owner = Some(Owner::new(opened.id, follows));
        }
        for record in self.batch.records() {
            // Also a check that nothing in memory has changed since.
            if let Ok(entry) = Entry::parse(record) {
                summary.add(&entry, start + bytes.len() as u64);
                bytes.extend(record);
            }
        }
        let full = start + bytes.len() as u64 >= self.options.seal_bytes();
        if full {
            summary.encode(start + bytes.len() as u64, bytes);
        }
        bytes.resize(bytes.len() + padding(start + bytes.len() as u64) as usize, 0);
        self.expected = Some(Expected { id: opened.id, first, bytes: start });
        let written = bytes.len() as u64;
        let mut syncs = 1;
        match &mut opened.tail {
            Some(open) => {
                open.tail.file.append(bytes)?;
                open.tail.file.sync()?;
                open.tail.bytes += written;
                open.tail.summary = summary;
            }
            None => {
                let name = segment_name(first);
                let unfinished = format!("{name}{UNFINISHED}");
                let mut file = opened.folder.create(&unfinished)?;
                file.append(bytes)?;
                file.sync()?;
                opened.folder.rename(&unfinished, &name)?;
                opened.folder.sync()?;
                syncs = 2;
                let tail = Tail { first, file, bytes: written, summary, classes: self.classes.clone() };
                let age = self.clock.monotonic().saturating_sub(self.batch.since);
                opened.tail = Some(OpenTail { tail, since: now.saturating_sub(age) });
            }
        }
        self.expected = None;
        if full {
            opened.close_tail();
        }
        self.counts.listed += self.batch.records;
        self.batch.clear();
        self.scratch.clear();
        self.scratch.shrink_to(2 * BATCH_BYTES_MAX);
        self.spend(written + syncs * SYNC_BYTES);
        Ok(())
    }

    /// Writes the open segment's footer.
    pub(super) fn seal(&mut self) -> Result<(), WaitReason> {
        let Some(opened) = &mut self.opened else {
            return Ok(());
        };
        let Some(OpenTail { tail, .. }) = &mut opened.tail else {
            return Ok(());
        };
        self.scratch.clear();
        tail.summary.encode(tail.bytes, &mut self.scratch);
        self.expected = Some(Expected { id: opened.id, first: tail.first, bytes: tail.bytes });
        tail.file.append(&self.scratch)?;
        tail.file.sync()?;
        self.expected = None;
        tail.bytes += self.scratch.len() as u64;
        opened.close_tail();
        let written = self.scratch.len() as u64;
        self.spend(written + SYNC_BYTES);
        Ok(())
    }

    pub(super) fn spend(&mut self, bytes: u64) {
        self.counts.written_bytes += bytes;
        self.budget.spend(bytes);
    }

    /// Deletes what the quota says, before `needed` bytes are written.
    pub(super) fn make_room(&mut self, needed: u64) -> Result<(), WaitReason> {
        let now = self.now();
        let Some(opened) = &mut self.opened else {
            return Ok(());
        };
        let free = if needed > 0 { opened.folder.free_bytes()? } else { 0 };
        let open_bytes = opened.tail.as_ref().map_or(0, |open| open.tail.bytes);
        let sizes = opened.segments.iter().map(|segment| segment.size);
        let closed_bytes = opened.segments.bytes();
        let situation = Situation { closed_bytes, open_bytes, needed, free, now };
        let plan = quota::plan(sizes, situation, &self.options);
        for _ in 0..plan.delete {
            let Some(segment) = opened.segments.iter().next() else {
                break;
            };
            match opened.folder.remove(&segment_name(segment.first)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
            opened.segments.pop_front();
            self.counts.deleted_segments += 1;
        }
        if plan.room {
            return Ok(());
        }
        let needed_bytes = needed + self.options.min_free_bytes;
        Err(WaitReason::Full { free_bytes: free, needed_bytes })
    }
}
