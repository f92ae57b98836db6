//! The durable store as a sink.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{PipelineError, Saved, Sink};
use crate::status::{StoreStatus, Told};
use crate::store::segments::{self, StoreEvent, WaitReason};
use crate::store::{Recovery, SegmentStore, StoreError, StoreOptions, StoreState};

/// A [`SegmentStore`] as a sink: a disk that is full or away is waited for.
pub struct DurableStore {
    store: SegmentStore,
    folder: PathBuf,
    refused: u64,
    limits: StoreLimits,
    told: Option<Arc<Told>>,
}

/// New limits for a store that is at work in a pipeline; clones lead to the same store.
#[derive(Clone)]
pub struct StoreLimits {
    folder: PathBuf,
    new: Arc<Mutex<Option<StoreOptions>>>,
}

impl StoreLimits {
    /// Lets the store go on with these limits from its next tick on, as [`SegmentStore::set_limits`] does.
    ///
    /// # Errors
    /// [`StoreError::Setting`]; the store goes on as before.
    pub fn set(&self, options: StoreOptions) -> Result<(), StoreError> {
        options.check(&self.folder)?;
        *self.new.lock().unwrap_or_else(PoisonError::into_inner) = Some(options);
        Ok(())
    }

    fn take(&self) -> Option<StoreOptions> {
        self.new.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl DurableStore {
    /// Masks go into `store`, which is in `folder`.
    pub fn new(store: SegmentStore, folder: &Path) -> DurableStore {
        let limits = StoreLimits { folder: folder.to_owned(), new: Arc::default() };
        DurableStore { store, folder: folder.to_owned(), refused: 0, limits, told: None }
    }

    /// Tells `told` what the store finds in its folder: now `recovery`, later what comes of another card or of damage.
    pub fn telling(mut self, told: Arc<Told>, recovery: &Recovery) -> DurableStore {
        self.told = Some(told);
        self.tell_found(recovery);
        self
    }

    /// What changes the store's limits while it is at work.
    pub fn limits(&self) -> StoreLimits {
        self.limits.clone()
    }

    /// That it waits and goes on is its state, which is asked for after each mask.
    fn tell(&self, event: &StoreEvent) {
        match event {
            StoreEvent::OtherStore => {
                if let Some(told) = &self.told {
                    let folder = self.folder.display();
                    told.event(
                        "card",
                        &format!("{folder} holds another store than before; the numbers of masks go on"),
                    );
                }
            }
            StoreEvent::Resumed { recovery, .. } => self.tell_found(recovery),
            StoreEvent::Waiting(_) | StoreEvent::BudgetSpent | StoreEvent::BudgetRenewed { .. } => {}
        }
    }

    fn tell_found(&self, recovery: &Recovery) {
        if let (Some(told), Some(trouble)) = (&self.told, recovery.trouble()) {
            told.event("found", &format!("{}: {trouble}", self.folder.display()));
        }
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
        if let Some(options) = self.limits.take() {
            self.store.set_limits(&options)?;
        }
        for event in self.store.tick() {
            self.tell(&event);
        }
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
        let DurableStore { store, folder, refused, .. } = *self;
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
        other_stores: status.other_stores,
        torn_bytes: status.torn_bytes,
        damaged_bytes: status.damaged_bytes,
        foreign_segments: status.foreign,
        bytes: status.bytes,
        free_bytes: free.map(|free| free.f_bavail.saturating_mul(free.f_frsize)),
        written_bytes: status.written_bytes,
        bytes_per_mask: status.bytes_per_mask,
    }
}

#[cfg(test)]
mod tests;
