//! Masks on disk: a folder of PNG for runs that somebody watches, segments for cameras that nobody does.
//!
//! A run's folder holds
//! - `classes.json`: the classes, an array of id, name and colour;
//! - one indexed PNG a frame, `000000.png` or the frame's own name, and where wanted a picture beside it;
//! - `index.jsonl`: one line of JSON a frame, an [`Entry`], in the order of writing.
//!
//! A field camera stores its masks as [`segments`] instead, which spare the card and survive a power cut.

mod disk;
mod error;
pub mod export;
mod folder;
mod index;
mod record;
pub mod rules;
pub mod segments;
mod verify;

pub use disk::{Disk, RealDisk};
pub use error::StoreError;
pub use folder::{Existing, MaskFolder, Picture, Record, free_name};
pub use index::{Entry, read_index};
pub use record::{RecordMeta, Throttle};
pub use segments::{
    Encoding, Recovery, SegmentStore, StoreOptions, StoreReader, StoreState, StoredMask, Sync, read_store,
};
pub use verify::{Verified, verify};
