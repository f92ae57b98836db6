//! The writer: takes masks into memory, does what is due at each tick, and tells how it is.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::StoreOptions;
use super::age::{Stamp, StoreTime};
use super::batch::{BATCH_BYTES_MAX, Batch};
use super::budget::{Budget, SYNC_BYTES};
use super::connect::Trouble;
use super::entry::{self, PIXELS_MAX, Place};
use super::format::{BLOCK, StoreId};
use super::header::cut;
use super::opened::Opened;
use super::real::RealVolume;
use super::recover::{Expected, Recovery};
use super::status::{StoreEvent, StoreState, StoreStatus, Stored, WaitReason};
use super::volume::Volume;
use crate::clock::Clock;
use crate::mask::{Class, Mask};
use crate::store::{RecordMeta, StoreError};

/// Most events that wait to be fetched; older ones are forgotten.
const EVENTS_MAX: usize = 16;

/// A store of segments that is open for writing; see [`super`] for what it promises.
pub struct SegmentStore {
    pub(super) volume: Box<dyn Volume>,
    pub(super) path: PathBuf,
    pub(super) classes: Vec<Class>,
    pub(super) options: StoreOptions,
    pub(super) clock: Box<dyn Clock>,
    /// The folder, while it can be written to.
    pub(super) opened: Option<Opened>,
    pub(super) wait: Option<Wait>,
    pub(super) batch: Batch,
    /// Sequence number of the next mask.
    pub(super) next: u64,
    /// Set from before a write until it has succeeded.
    pub(super) expected: Option<Expected>,
    /// The id of the store, once it was open.
    pub(super) id: Option<StoreId>,
    pub(super) time: StoreTime,
    pub(super) budget: Budget,
    /// Masks refused for the budget since it was spent; `None` while it is not.
    pub(super) over_budget: Option<u64>,
    pub(super) counts: Counts,
    pub(super) events: VecDeque<StoreEvent>,
    /// What is written next, kept for its memory.
    pub(super) scratch: Vec<u8>,
}

pub(super) struct Wait {
    pub reason: WaitReason,
    pub since: Duration,
    pub pause: Duration,
    /// Monotonic time of the next try.
    pub retry_at: Duration,
    /// Kinds of reasons that were told, as bits.
    pub told: u8,
    pub refused_before: u64,
}

#[derive(Default)]
pub(super) struct Counts {
    pub records: u64,
    pub listed: u64,
    pub refused_waiting: u64,
    pub refused_budget: u64,
    pub written_bytes: u64,
    pub deleted_segments: u64,
    pub other_stores: u64,
    pub torn_bytes: u64,
    /// Of the last time that the folder was opened.
    pub damaged_bytes: u64,
    pub foreign: u64,
}

impl SegmentStore {
    /// Opens the store in `folder`, which is made where it is missing, for masks of these classes. Where the disk is
    /// not there or fails, the store is open all the same, waits, and takes up by itself.
    ///
    /// # Errors
    /// What somebody must change: [`StoreError::Setting`], [`StoreError::InUse`], [`StoreError::Version`] for a store
    /// of a later program, [`StoreError::Disk`] where the folder must not be written to or is a file.
    pub fn open(
        folder: &Path,
        classes: &[Class],
        options: StoreOptions,
        clock: Box<dyn Clock>,
    ) -> Result<(SegmentStore, Recovery), StoreError> {
        SegmentStore::open_on(Box::new(RealVolume), folder, classes, options, clock)
    }

    /// [`SegmentStore::open`] on any file system.
    ///
    /// # Errors
    /// Those of [`SegmentStore::open`].
    pub fn open_on(
        volume: Box<dyn Volume>,
        folder: &Path,
        classes: &[Class],
        options: StoreOptions,
        clock: Box<dyn Clock>,
    ) -> Result<(SegmentStore, Recovery), StoreError> {
        options.check(folder)?;
        if classes.len() > 256 {
            let reason = format!("the model has {} classes; 256 are the most", classes.len());
            return Err(StoreError::Setting { setting: "classes", reason });
        }
        // As they come back from a header.
        let classes = classes
            .iter()
            .map(|class| Class { name: cut(&class.name).to_owned(), ..class.clone() })
            .collect();
        let time = StoreTime::new(None, clock.monotonic(), clock.wall_us());
        let mut store = SegmentStore {
            volume,
            path: folder.to_owned(),
            classes,
            budget: Budget::new(options.write_bytes_per_day, Duration::ZERO, 0),
            options,
            clock,
            opened: None,
            wait: None,
            batch: Batch::default(),
            next: 0,
            expected: None,
            id: None,
            time,
            over_budget: None,
            counts: Counts::default(),
            events: VecDeque::new(),
            scratch: Vec::new(),
        };
        let recovery = match store.connect() {
            Ok(recovery) => recovery,
            Err(Trouble::Wait(WaitReason::InUse)) => {
                return Err(StoreError::InUse { folder: folder.to_owned() });
            }
            Err(Trouble::Wait(reason)) => {
                store.wait_for(reason);
                Recovery::default()
            }
            Err(Trouble::Wrong(error)) => return Err(error),
        };
        Ok((store, recovery))
    }

    /// Takes a mask. It is copied into memory and put on the medium when its time has come; an error of the disk then
    /// is none of this call: the mask stays in memory and the store waits.
    ///
    /// # Errors
    /// [`StoreError::Waiting`] and [`StoreError::Budget`] (see [`StoreError::waits`]) where it cannot be taken now;
    /// [`StoreError::MaskSize`] and [`StoreError::Mask`] for a mask that cannot be stored at all.
    pub fn put(&mut self, meta: &RecordMeta, mask: &Mask) -> Result<Stored, StoreError> {
        let pixels = u64::from(mask.width) * u64::from(mask.height);
        if pixels != mask.data.len() as u64 || !(1..=PIXELS_MAX).contains(&pixels) {
            let (width, height, found) = (mask.width, mask.height, mask.data.len());
            return Err(StoreError::MaskSize { frame: meta.frame, width, height, found });
        }
        if let Some(wait) = &self.wait {
            self.counts.refused_waiting += 1;
            return Err(StoreError::Waiting { folder: self.path.clone(), reason: wait.reason.clone() });
        }
        let now = self.now();
        let place = Place { sequence: self.next, stamp: self.stamp(now) };
        let before = self.batch.bytes.len();
        entry::encode(&mut self.batch.bytes, place, meta, mask, self.options.encoding, &self.classes)
            .map_err(|source| StoreError::Mask { frame: meta.frame, source })?;
        self.within_budget(now).inspect_err(|_| self.batch.bytes.truncate(before))?;
        if self.batch.is_empty() {
            self.batch.first = self.next;
            self.batch.since = self.clock.monotonic();
        }
        self.batch.records += 1;
        self.next += 1;
        self.counts.records += 1;
        let bytes = (self.batch.bytes.len() - before) as u64;
        if self.is_due() {
            self.flush_or_wait();
        }
        Ok(Stored { sequence: place.sequence, bytes, listed: self.batch.is_empty() })
    }

    /// Goes on with the limits and times of `options`; where and how masks lie (`mount`, `mount_uuid`, `encoding`) stays
    /// as it was. What is too much by the new limits is deleted with the next tick.
    ///
    /// # Errors
    /// [`StoreError::Setting`]; nothing has changed then.
    pub fn set_limits(&mut self, options: &StoreOptions) -> Result<(), StoreError> {
        let StoreOptions { encoding, mount, mount_uuid, .. } = self.options.clone();
        let options = StoreOptions { encoding, mount, mount_uuid, ..options.clone() };
        options.check(&self.path)?;
        self.budget.set_limit(options.write_bytes_per_day);
        self.options = options;
        if let Some(wait) = &mut self.wait {
            // It may be a limit that it waits for.
            wait.retry_at = self.clock.monotonic();
        }
        Ok(())
    }

    /// Does what is due: syncs, seals, deletes, tries again. To be called at least once in [`super::TICK_MAX`], also
    /// when there are no masks. Returns what has changed since the last call.
    pub fn tick(&mut self) -> Vec<StoreEvent> {
        let now = self.now();
        self.budget.turn(now);
        if let Some(refused) = self.over_budget
            && self.budget.is_renewed()
        {
            self.over_budget = None;
            self.tell(StoreEvent::BudgetRenewed { refused });
        }
        match &self.wait {
            Some(wait) if self.clock.monotonic() >= wait.retry_at => self.try_again(),
            Some(_) => {}
            None => self.housekeeping(now),
        }
        self.events.drain(..).collect()
    }

    /// How the store is.
    pub fn status(&self) -> StoreStatus {
        let state = match (&self.wait, self.over_budget) {
            (Some(wait), _) => StoreState::Waiting(wait.reason.clone()),
            (None, Some(_)) => StoreState::OverBudget,
            (None, None) => StoreState::Writing,
        };
        let (bytes, segments) = self.opened.as_ref().map_or((0, 0), Opened::totals);
        let ends = self.opened.as_ref().and_then(Opened::ends);
        let counts = &self.counts;
        StoreStatus {
            state,
            records: counts.records,
            listed: counts.listed,
            unsynced: self.batch.records,
            refused_waiting: counts.refused_waiting,
            refused_budget: counts.refused_budget,
            bytes,
            segments,
            written_bytes: counts.written_bytes,
            written_today_bytes: self.budget.spent(),
            bytes_per_mask: (counts.listed > 0).then(|| counts.written_bytes as f64 / counts.listed as f64),
            sequences: ends.map(|(oldest, _)| (oldest.first, self.batch_start())),
            wall_us: ends.map(|(oldest, newest)| (oldest.first_wall_us, newest.last_wall_us)),
            deleted_segments: counts.deleted_segments,
            other_stores: counts.other_stores,
            torn_bytes: counts.torn_bytes,
            damaged_bytes: counts.damaged_bytes,
            foreign: counts.foreign,
        }
    }

    /// Puts everything on the medium and ends. The next start goes on in the same segment.
    ///
    /// # Errors
    /// [`StoreError::Lost`] where the masks in memory cannot be written.
    pub fn close(mut self) -> Result<StoreStatus, StoreError> {
        if self.wait.is_some() && !self.batch.is_empty() {
            self.try_again();
        }
        if self.wait.is_none() {
            self.flush_or_wait();
        }
        match &self.wait {
            Some(wait) if !self.batch.is_empty() => {
                let (folder, reason) = (self.path.clone(), wait.reason.clone());
                Err(StoreError::Lost { folder, masks: self.batch.records, reason })
            }
            _ => Ok(self.status()),
        }
    }

    /// All masks with lower sequence numbers are listed.
    fn batch_start(&self) -> u64 {
        if self.batch.is_empty() { self.next } else { self.batch.first }
    }

    /// Store time.
    pub(super) fn now(&mut self) -> Duration {
        self.time.now(self.clock.monotonic(), self.clock.wall_us())
    }

    pub(super) fn stamp(&self, store_time: Duration) -> Stamp {
        Stamp {
            store_time,
            monotonic: self.clock.monotonic(),
            wall_us: self.clock.wall_us(),
            written_today_bytes: self.budget.spent(),
        }
    }

    fn within_budget(&mut self, now: Duration) -> Result<(), StoreError> {
        self.budget.turn(now);
        let Some(bytes) = self.options.write_bytes_per_day.filter(|_| !self.budget.allows(self.cost()))
        else {
            return Ok(());
        };
        if self.over_budget.is_none() {
            self.tell(StoreEvent::BudgetSpent);
        }
        self.budget.refuse();
        *self.over_budget.get_or_insert(0) += 1;
        self.counts.refused_budget += 1;
        Err(StoreError::Budget { bytes, renewed_in: Budget::renewed_in(now) })
    }

    /// Bytes that writing the batch takes, with what the file system adds and a header or a footer.
    fn cost(&self) -> u64 {
        (self.batch.bytes.len() as u64).next_multiple_of(BLOCK) + 2 * BLOCK + 2 * SYNC_BYTES
    }

    fn is_due(&self) -> bool {
        if self.batch.is_empty() {
            return false;
        }
        let age = self.clock.monotonic().saturating_sub(self.batch.since);
        let tail_bytes = self.opened.as_ref().and_then(|opened| opened.tail.as_ref());
        let bytes = self.batch.bytes.len() as u64 + tail_bytes.map_or(0, |open| open.tail.bytes);
        self.options.unsynced_age_max().is_some_and(|most| age >= most)
            || self.batch.bytes.len() >= BATCH_BYTES_MAX
            || bytes >= self.options.seal_bytes()
    }

    fn flush_or_wait(&mut self) {
        if let Err(reason) = self.flush() {
            self.wait_for(reason);
        }
    }

    fn housekeeping(&mut self, now: Duration) {
        let Some(opened) = &mut self.opened else {
            return;
        };
        if !opened.folder.in_place() {
            return self.wait_for(WaitReason::Moved);
        }
        let mut done = match self.is_due() {
            true => self.flush(),
            false => Ok(()),
        };
        let seal_age = self.options.seal_age();
        let tail = self.opened.as_ref().and_then(|opened| opened.tail.as_ref());
        if tail
            .is_some_and(|open| open.tail.summary.records > 0 && now.saturating_sub(open.since) >= seal_age)
        {
            done = done.and_then(|()| self.seal());
        }
        let done = done.and_then(|()| self.make_room(0));
        if let Err(reason) = done {
            self.wait_for(reason);
        }
    }

    pub(super) fn tell(&mut self, event: StoreEvent) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

#[cfg(test)]
impl SegmentStore {
    /// Sizes of everything that could grow: bytes of the batch, of the scratch memory, segments, index entries, events.
    pub(super) fn sizes(&self) -> [usize; 5] {
        let opened = self.opened.as_ref();
        let tail = opened.and_then(|opened| opened.tail.as_ref());
        [
            self.batch.bytes.capacity(),
            self.scratch.capacity(),
            opened.map_or(0, |opened| opened.segments.capacity()),
            tail.map_or(0, |open| open.tail.summary.index.capacity()),
            self.events.len(),
        ]
    }

    /// All masks with lower sequence numbers are promised.
    pub(super) fn promised(&self) -> u64 {
        self.batch_start()
    }
}
