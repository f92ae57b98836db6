//! Opens the folder of a store, gives it up when the disk fails, and tries again with growing pauses.

use std::io;
use std::time::Duration;

use super::StoreEvent;
use super::age::StoreTime;
use super::budget::{Budget, SYNC_BYTES, day_start};
use super::footer::TAIL_BYTES;
use super::format::{BLOCK, segment_name};
use super::opened::{OpenTail, Opened};
use super::recover::{Recovered, Recovery, Unrecovered, recover};
use super::status::WaitReason;
use super::volume::{Folder, OpenError};
use super::writer::{SegmentStore, Wait};
use crate::store::StoreError;

/// First and longest pause between two tries to open the folder again.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Why a try to open the folder failed.
pub(super) enum Trouble {
    /// What may end by itself.
    Wait(WaitReason),
    /// What somebody must change.
    Wrong(StoreError),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Wait(error.into())
    }
}

impl From<WaitReason> for Trouble {
    fn from(reason: WaitReason) -> Trouble {
        Trouble::Wait(reason)
    }
}

impl SegmentStore {
    /// Gives the folder up and waits.
    pub(super) fn wait_for(&mut self, reason: WaitReason) {
        self.opened = None;
        let now = self.clock.monotonic();
        let refused_before = self.counts.refused_waiting;
        let wait = self.wait.get_or_insert(Wait {
            reason: reason.clone(),
            since: now,
            pause: PAUSE_MIN / 2,
            retry_at: now,
            told: 0,
            refused_before,
        });
        wait.pause = (wait.pause * 2).min(PAUSE_MAX);
        wait.retry_at = now + wait.pause;
        wait.reason = reason.clone();
        let bit = 1 << reason.kind();
        if wait.told & bit == 0 {
            wait.told |= bit;
            self.tell(StoreEvent::Waiting(reason));
        }
    }

    pub(super) fn try_again(&mut self) {
        let tried = self.connect().and_then(|recovery| {
            self.flush().map_err(Trouble::Wait)?;
            Ok(recovery)
        });
        match tried {
            Ok(recovery) => {
                if let Some(wait) = self.wait.take() {
                    let waited = self.clock.monotonic().saturating_sub(wait.since);
                    let refused = self.counts.refused_waiting - wait.refused_before;
                    self.tell(StoreEvent::Resumed { waited, refused, recovery });
                }
            }
            Err(Trouble::Wait(reason)) => self.wait_for(reason),
            // A store that was running waits for whoever put things wrong.
            Err(Trouble::Wrong(error)) => self.wait_for(WaitReason::Failing(error.to_string())),
        }
    }

    /// Opens the folder and takes up what is in it.
    pub(super) fn connect(&mut self) -> Result<Recovery, Trouble> {
        let mut folder = match self.volume.open(&self.path, &self.options.rule(), true) {
            Ok(folder) => folder,
            Err(OpenError::Io(error)) if is_wrong(&error) => {
                return Err(Trouble::Wrong(StoreError::disk("open the folder", &self.path)(error)));
            }
            Err(other) => return Err(Trouble::Wait(other.into())),
        };
        if !folder.lock()? {
            return Err(Trouble::Wait(WaitReason::InUse));
        }
        let recovered = recover(&mut *folder, self.expected, &self.batch).map_err(|error| match error {
            Unrecovered::Io(error) if is_wrong(&error) => {
                Trouble::Wrong(StoreError::disk("take up the store in", &self.path)(error))
            }
            Unrecovered::Io(error) => error.into(),
            Unrecovered::Pictures => Trouble::Wrong(StoreError::Pictures { folder: self.path.clone() }),
            Unrecovered::Version(first, version) => {
                Trouble::Wrong(StoreError::Version { path: self.path.join(segment_name(first)), version })
            }
        })?;
        Ok(self.take_up(folder, recovered)?)
    }

    /// Goes on after what was found.
    fn take_up(&mut self, folder: Box<dyn Folder>, recovered: Recovered) -> Result<Recovery, WaitReason> {
        let Recovered { id, segments, tail, last, found, report, written_bytes } = recovered;
        if self.id != Some(id) {
            if self.id.is_some() {
                self.counts.other_stores += 1;
                self.tell(StoreEvent::OtherStore);
            }
            self.id = Some(id);
            self.time = StoreTime::new(last, self.clock.monotonic(), self.clock.wall_us());
            let now = self.now();
            let today = last.filter(|last| last.store_time >= day_start(now));
            // The write with the last record came after its stamp.
            let spent = today.map_or(0, |last| last.written_today_bytes + BLOCK + SYNC_BYTES);
            self.budget = Budget::new(self.options.write_bytes_per_day, now, spent);
        }
        self.spend(written_bytes);
        self.counts.torn_bytes += report.torn_bytes;
        (self.counts.damaged_bytes, self.counts.foreign) = (report.damaged_bytes, report.foreign);
        // What is cut has been cut; what is in memory is written behind it.
        self.expected = None;
        self.counts.listed += found.len() as u64;
        self.batch.leave_out(&found);
        let now = self.now();
        if !self.batch.is_empty() && self.batch.first < report.next_sequence {
            self.batch.renumber(report.next_sequence, self.stamp(now));
        }
        let batch_end = if self.batch.is_empty() { 0 } else { self.batch.first + self.batch.records };
        self.next = self.next.max(report.next_sequence).max(batch_end);
        let same_classes = tail.as_ref().is_none_or(|tail| tail.classes == self.classes);
        let tail = tail.map(|tail| OpenTail { tail, since: now });
        self.opened = Some(Opened { folder, id, segments, tail });
        let full = |tail: &OpenTail| tail.tail.bytes + TAIL_BYTES as u64 >= self.options.seal_bytes();
        if !same_classes || self.opened.as_ref().and_then(|opened| opened.tail.as_ref()).is_some_and(full) {
            self.seal()?;
        }
        Ok(report)
    }
}

/// Whether somebody must change something before a folder can be opened.
fn is_wrong(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, InvalidInput, IsADirectory, NotADirectory, PermissionDenied};
    matches!(error.kind(), AlreadyExists | InvalidInput | IsADirectory | NotADirectory | PermissionDenied)
}
