//! The settings of a store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::entry::Encoding;
use super::volume::MountRule;
use crate::store::StoreError;

/// Longest time between two calls of [`super::SegmentStore::tick`] with which the sync interval holds.
pub const TICK_MAX: Duration = Duration::from_secs(1);

/// When masks are put on the medium, and so what a power cut may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Each at once.
    Record,
    /// Each within this time, which is the most that a power cut takes.
    Every(Duration),
    /// When the memory for them is full (1 MiB), a segment is, or the store is closed.
    Close,
}

/// How a store behaves. `Default` keeps everything, in runs, synced every 10 s, in segments of 16 MiB or an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// How masks are encoded.
    pub encoding: Encoding,
    /// When masks are put on the medium.
    pub sync: Sync,
    /// Length in bytes at which a segment is sealed, 4096 to 2^30. Quotas delete whole segments; with `max_bytes` set a
    /// segment has at most a quarter of that.
    pub segment_bytes: u64,
    /// Age at which a segment is sealed; with `max_age` set at most a quarter of that.
    pub segment_age: Duration,
    /// Most bytes that all segments together take, at least 65536.
    pub max_bytes: Option<u64>,
    /// Age at which masks are deleted, in store time (see [`super`]).
    pub max_age: Option<Duration>,
    /// Bytes that stay free on the file system.
    pub min_free_bytes: u64,
    /// A folder at or above the store that must be a mount point.
    pub mount: Option<PathBuf>,
    /// UUID that the file system must have.
    pub mount_uuid: Option<String>,
    /// Most bytes that are written in a day of store time, with what the file system adds.
    pub write_bytes_per_day: Option<u64>,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            encoding: Encoding::Rle,
            sync: Sync::Every(Duration::from_secs(10)),
            segment_bytes: 16 << 20,
            segment_age: Duration::from_secs(3600),
            max_bytes: None,
            max_age: None,
            min_free_bytes: 0,
            mount: None,
            mount_uuid: None,
            write_bytes_per_day: None,
        }
    }
}

impl StoreOptions {
    /// Checks what does not depend on the disk, for a store in `folder`.
    ///
    /// # Errors
    /// [`StoreError::Setting`].
    pub fn check(&self, folder: &Path) -> Result<(), StoreError> {
        let wrong = |setting, reason: &str| Err(StoreError::Setting { setting, reason: reason.to_owned() });
        if !(4096..=1 << 30).contains(&self.segment_bytes) {
            return wrong("segment_bytes", "use 4096 bytes to 1 GiB");
        }
        if self.max_bytes.is_some_and(|bytes| bytes < 65536) {
            return wrong("max_bytes", "less than 65536 bytes hold no masks; use more");
        }
        if self.max_age.is_some_and(|age| age < Duration::from_secs(1)) {
            return wrong("max_age", "use at least a second");
        }
        if matches!(self.sync, Sync::Every(time) if time.is_zero()) {
            return wrong("sync", "use \"record\" to sync each mask at once");
        }
        if self.write_bytes_per_day.is_some_and(|bytes| bytes < 1 << 20) {
            return wrong("write_bytes_per_day", "use at least 1 MiB");
        }
        if let Some(mount) = &self.mount
            && !folder.starts_with(mount)
        {
            let reason = format!("{} is not under {}; change one", folder.display(), mount.display());
            return Err(StoreError::Setting { setting: "mount", reason });
        }
        Ok(())
    }

    pub(super) fn rule(&self) -> MountRule {
        MountRule { mount: self.mount.clone(), uuid: self.mount_uuid.clone() }
    }

    /// Bytes at which a segment is sealed.
    pub(super) fn seal_bytes(&self) -> u64 {
        self.max_bytes.map_or(self.segment_bytes, |most| self.segment_bytes.min(most / 4))
    }

    /// Age at which a segment is sealed.
    pub(super) fn seal_age(&self) -> Duration {
        self.max_age.map_or(self.segment_age, |most| self.segment_age.min(most / 4))
    }

    /// How old the oldest record in memory may become before it is written. Ticks come too late by as much as
    /// [`TICK_MAX`], and the promise holds all the same.
    pub(super) fn unsynced_age_max(&self) -> Option<Duration> {
        match self.sync {
            Sync::Record => Some(Duration::ZERO),
            Sync::Every(time) => Some(time.saturating_sub(TICK_MAX.min(time / 2))),
            Sync::Close => None,
        }
    }
}
