//! Checks all segments of a store: every checksum, every mask, and that each record which a footer counts is there.

use std::io;
use std::path::Path;

use super::entry::Entry;
use super::footer::{Owner, Summary};
use super::format::{ID_FILE, first_of, segment_name};
use super::header::NoHeader;
use super::identity;
use super::scan::{Scanner, Step, read_footer, read_header};
use super::volume::{Content, MountRule, OpenError, Volume};
use crate::store::{StoreError, Verified};

/// Checks every checksum and decodes every mask of the store of segments in the folder `path`; each damaged place is
/// told to `found` as a [`StoreError::Damaged`].
///
/// # Errors
/// Those of [`super::read_store`], and [`StoreError::Disk`] where reading fails; damage is none.
pub fn verify_segments(
    volume: &dyn Volume,
    path: &Path,
    found: &mut dyn FnMut(StoreError),
) -> Result<Verified, StoreError> {
    let folder = volume.open(path, &MountRule::default(), false).map_err(|error| match error {
        OpenError::Io(source) if source.kind() != io::ErrorKind::NotFound => {
            StoreError::disk("open", path)(source)
        }
        _ => StoreError::NoStore { folder: path.to_owned() },
    })?;
    let files = folder.list().map_err(StoreError::disk("list", path))?;
    let mut firsts: Vec<u64> = files.iter().filter_map(|(name, _)| first_of(name)).collect();
    firsts.sort_unstable();
    let identity =
        identity::find(&*folder, &firsts).map_err(StoreError::disk("read", &path.join(ID_FILE)))?;
    if identity.is_none() && firsts.is_empty() {
        return Err(StoreError::NoStore { folder: path.to_owned() });
    }
    let mut verified = Verified::default();
    let mut owned = Vec::new();
    for first in firsts {
        let failed = |source| StoreError::disk("read", &path.join(segment_name(first)))(source);
        match (identity.map(|identity| identity.id), identity::owner_of(&*folder, first).map_err(failed)?) {
            (Some(id), Some(owner)) if owner != id => verified.foreign += 1,
            _ => owned.push(first),
        }
    }
    verified.id_file = identity.map_or_else(Default::default, |identity| identity.file);
    let mut check = Check { folder: path, found, verified, end: None, is_torn: false };
    let last = owned.last().copied();
    for first in owned {
        let failed = |source| StoreError::disk("read", &path.join(segment_name(first)))(source);
        let content = match folder.read(&segment_name(first)) {
            // The quota of a writer at work has removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            content => content.map_err(failed)?,
        };
        if let Err(NoHeader::Version(version)) = read_header(&*content).map_err(failed)? {
            return Err(StoreError::Version { path: path.join(segment_name(first)), version });
        }
        check.segment(content, first, last == Some(first)).map_err(failed)?;
    }
    Ok(check.verified)
}

/// A check on its way through the segments of a store.
struct Check<'a> {
    folder: &'a Path,
    found: &'a mut dyn FnMut(StoreError),
    verified: Verified,
    /// The number after the last record so far.
    end: Option<u64>,
    /// Whether the segment before ended within a record, so that nobody knows how many it had.
    is_torn: bool,
}

impl Check<'_> {
    fn damaged(&mut self, first: u64, offset: u64, reason: &'static str) {
        self.verified.damaged += 1;
        (self.found)(StoreError::Damaged { path: self.folder.join(segment_name(first)), offset, reason });
    }

    fn segment(&mut self, content: Box<dyn Content>, first: u64, is_last: bool) -> io::Result<()> {
        let footer = read_footer(&*content)?;
        self.gap(first, footer.as_ref().and_then(|footer| footer.owner));
        let start = read_header(&*content)?.map_or(0, |(_, length)| length as u64);
        let mut scanner = Scanner::new(content, start);
        let (mut records, mut lost, mut in_damage) = (0, 0, false);
        let mut end = first;
        self.is_torn = false;
        loop {
            match scanner.next()? {
                Step::Record { offset } => {
                    records += 1;
                    let entry = match Entry::parse(&scanner.record) {
                        Ok(entry) => entry,
                        Err(why) => {
                            self.verified.different += 1;
                            self.damaged(first, offset, why);
                            continue;
                        }
                    };
                    let sequence = entry.place.sequence;
                    let gap = sequence.saturating_sub(end);
                    match in_damage {
                        true => lost += gap,
                        false if footer.is_none() => self.verified.skipped += gap,
                        false => {}
                    }
                    (end, in_damage) = (sequence + 1, false);
                    match entry.mask() {
                        Ok(_) => self.verified.add_whole(sequence),
                        Err(why) => {
                            self.verified.different += 1;
                            self.damaged(first, offset, why);
                        }
                    }
                }
                Step::Damaged { offset, .. } => {
                    in_damage = true;
                    self.damaged(first, offset, "bytes that are no record come before the next whole one");
                }
                Step::Footer => {}
                Step::End { torn_bytes: 0 } => break,
                Step::End { torn_bytes } if is_last => {
                    self.verified.torn_bytes = torn_bytes;
                    break;
                }
                Step::End { .. } => {
                    self.is_torn = true;
                    self.damaged(
                        first,
                        scanner.offset,
                        "it ends within a record though later segments follow",
                    );
                    break;
                }
            }
        }
        if let Some(Summary { records: counted, last, .. }) = footer {
            lost = counted.saturating_sub(records);
            // Numbers that no record of the segment ever had.
            self.verified.skipped += (last + 1).saturating_sub(first).saturating_sub(counted.max(records));
            end = end.max(last + 1);
        }
        self.verified.listed += records + lost;
        self.verified.unreadable += lost;
        self.end = Some(end);
        Ok(())
    }

    /// Counts the numbers between the segment before and the one that begins with `first`.
    fn gap(&mut self, first: u64, owner: Option<Owner>) {
        let Some(end) = self.end else { return };
        let gap = first.saturating_sub(end);
        if self.is_torn {
            self.verified.listed += gap;
            self.verified.unreadable += gap;
            return;
        }
        // What the store had reached when it began this segment was there then.
        let missing = owner.map_or(0, |owner| owner.follows.min(first).saturating_sub(end));
        self.verified.listed += missing;
        self.verified.missing += missing;
        self.verified.skipped += gap - missing;
    }
}
