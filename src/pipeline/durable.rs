//! The durable store as a sink.

use std::path::{Path, PathBuf};

use super::{PipelineError, Saved, Sink};
use crate::status::StoreStatus;
use crate::store::segments::{self, WaitReason};
use crate::store::{SegmentStore, StoreState};

/// A [`SegmentStore`] as a sink: a disk that is full or away is waited for.
pub struct DurableStore {
    store: SegmentStore,
    folder: PathBuf,
    refused: u64,
}

impl DurableStore {
    /// Masks go into `store`, which is in `folder`.
    pub fn new(store: SegmentStore, folder: &Path) -> DurableStore {
        DurableStore { store, folder: folder.to_owned(), refused: 0 }
    }
}

impl Sink for DurableStore {
    fn put(&mut self, saved: &Saved) -> Result<bool, PipelineError> {
        match self.store.put(&saved.meta, &saved.mask) {
            Ok(_) => Ok(true),
            Err(error) if error.waits() => {
                self.refused += 1;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn tick(&mut self) -> Result<(), PipelineError> {
        // What it tells is its state, which is asked for after each mask.
        self.store.tick();
        Ok(())
    }

    fn bytes_written(&self) -> u64 {
        self.store.status().written_bytes
    }

    fn waits(&self) -> Option<String> {
        trouble(&self.store.status().state)
    }

    fn status(&self) -> StoreStatus {
        words(&self.store.status(), &self.folder, self.refused)
    }

    fn close(self: Box<Self>) -> Result<StoreStatus, PipelineError> {
        let DurableStore { store, folder, refused } = *self;
        Ok(words(&store.close()?, &folder, refused))
    }
}

/// Why a store in this state takes nothing; `None` while it does.
fn trouble(state: &StoreState) -> Option<String> {
    match state {
        StoreState::Writing => None,
        // Without the bytes, which change all the time.
        StoreState::Waiting(WaitReason::Full { .. }) => {
            Some("the disk is full, and other files take the space; remove some".into())
        }
        StoreState::Waiting(reason) => Some(reason.to_string()),
        StoreState::OverBudget => {
            Some("what may be written in a day is written; the rest of the day's masks are lost".into())
        }
    }
}

fn words(status: &segments::StoreStatus, folder: &Path, refused: u64) -> StoreStatus {
    let free = rustix::fs::statvfs(folder).ok();
    StoreStatus {
        state: trouble(&status.state).unwrap_or_else(|| "writing".into()),
        saved: status.records,
        listed: status.listed,
        refused,
        bytes: status.bytes,
        free_bytes: free.map(|free| free.f_bavail.saturating_mul(free.f_frsize)),
        written_bytes: status.written_bytes,
        bytes_per_mask: status.bytes_per_mask,
    }
}
