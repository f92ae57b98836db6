//! The durable mask store of a field camera: records in segments that survive power cuts, full disks and pulled cards.
//!
//! [`SegmentStore`] writes, [`read_store`] reads, [`verify_segments`] checks. [`mod@format`] describes the bytes, so
//! that a reader can be written from it.
//!
//! # The promise
//!
//! A mask is *listed* once it has been synced. After a power cut at any instant every listed mask is whole and right,
//! and what is lost is at most the sync interval ([`Sync`]).
//!
//! 1. Records gather in memory and go to the end of the open segment in one write, up to a block's end, and one sync.
//!    No block that holds listed records is ever written again.
//! 2. A new segment is written under another name with its first records, synced, renamed, and then its folder synced.
//! 3. After a crash the last segment is scanned, what is torn at its end is cut, and everything that is left is synced
//!    before anything new is written.
//! 4. After a failed write or sync the records stay in memory, the file is given up, and the folder is opened anew with
//!    growing pauses (1 s to 60 s). What was not promised is then cut and written again, since after a failed sync the
//!    system may forget what it still shows.
//!
//! # Identity
//!
//! A store has an id, which is in the file `store.id` with a checksum, in the header of each segment and in its footer.
//! Where the file is damaged or gone, the id that most segments bear is the store's, and the next writer puts the file
//! there again. Segments of another id are never read, written or deleted; they are counted and told, and
//! [`verify_segments`] finds a store with them wanting.
//!
//! # Time
//!
//! Order is that of sequence numbers. Ages are told by *store time*, because the wall's clock jumps on a board without
//! a battery: it grows with the monotonic clock while the board has power. A restart adds the time that the wall's
//! clock says has passed since the newest record, if that is at most 7 days more than the monotonic clock says, and
//! nothing otherwise. So a jump of years deletes nothing, a jump back stops nothing, and a board that was off keeps its
//! masks too long rather than too short. The day of the write budget is a day of store time as well.
//!
//! # Space
//!
//! `max_bytes` and `max_age` delete the oldest sealed segments, nothing else. Where free space is lacking, segments are
//! deleted for about as many bytes as are to be written, so a full card goes on as a ring; if that is not enough, other
//! files take the space, and the store waits.

mod age;
mod batch;
mod budget;
mod connect;
mod entry;
mod flush;
mod footer;
pub mod format;
mod header;
mod identity;
mod look;
mod opened;
mod options;
mod quota;
mod reader;
mod real;
mod recover;
mod scan;
mod status;
mod verify;
mod volume;
mod writer;

#[cfg(test)]
pub(crate) mod simulated;
#[cfg(test)]
mod tests;

pub use entry::Encoding;
pub use identity::IdFile;
pub use options::{StoreOptions, Sync, TICK_MAX};
pub use reader::{StoreReader, StoredMask, read_store};
pub use real::RealVolume;
pub use recover::Recovery;
pub use status::{StoreEvent, StoreState, StoreStatus, Stored, WaitReason};
pub use verify::verify_segments;
pub use volume::{Appender, Content, Folder, MountRule, OpenError, Volume};
pub use writer::SegmentStore;
