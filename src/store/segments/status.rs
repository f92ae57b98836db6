//! What a store tells of itself.

use std::fmt;
use std::io;
use std::time::Duration;

use super::Recovery;
use super::volume::OpenError;

/// What a store waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// The card is not there, or another one is: the reason, part of a sentence.
    NotMounted(String),
    /// There is too little space, and other files take it.
    Full {
        /// Bytes that are free.
        free_bytes: u64,
        /// Bytes that must be free to go on.
        needed_bytes: u64,
    },
    /// The file system is read-only.
    ReadOnly,
    /// The folder has been moved, removed or mounted over.
    Moved,
    /// Another program writes to the store.
    InUse,
    /// The disk fails: what the system says.
    Failing(String),
}

impl WaitReason {
    /// A number for each kind, below 8.
    pub(super) fn kind(&self) -> u8 {
        match self {
            WaitReason::NotMounted(_) => 0,
            WaitReason::Full { .. } => 1,
            WaitReason::ReadOnly => 2,
            WaitReason::Moved => 3,
            WaitReason::InUse => 4,
            WaitReason::Failing(_) => 5,
        }
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitReason::NotMounted(reason) => write!(f, "{reason}; plug in and mount the card"),
            WaitReason::Full { free_bytes, needed_bytes } => write!(
                f,
                "{free_bytes} bytes are free of {needed_bytes} needed, and other files take the space; remove some"
            ),
            WaitReason::ReadOnly => {
                write!(f, "the file system is read-only; check it and mount it for writing")
            }
            WaitReason::Moved => {
                write!(f, "the folder is no longer where it was; put it back or mount its card")
            }
            WaitReason::InUse => write!(f, "another program writes there; end it"),
            WaitReason::Failing(error) => write!(f, "the disk fails ({error}); check the card"),
        }
    }
}

impl From<io::Error> for WaitReason {
    fn from(error: io::Error) -> WaitReason {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                WaitReason::Full { free_bytes: 0, needed_bytes: 1 }
            }
            io::ErrorKind::ReadOnlyFilesystem => WaitReason::ReadOnly,
            _ => WaitReason::Failing(error.to_string()),
        }
    }
}

impl From<OpenError> for WaitReason {
    fn from(error: OpenError) -> WaitReason {
        match error {
            OpenError::NotMounted(reason) => WaitReason::NotMounted(reason),
            OpenError::Io(error) => error.into(),
        }
    }
}

/// Whether a store takes masks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreState {
    /// It does.
    Writing,
    /// It waits for the disk and tries again by itself.
    Waiting(WaitReason),
    /// The day's write budget is spent.
    OverBudget,
}

/// A change that is worth a line in the log; each is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreEvent {
    /// The store waits.
    Waiting(WaitReason),
    /// It takes masks again.
    Resumed {
        /// How long it waited.
        waited: Duration,
        /// Masks that were refused meanwhile.
        refused: u64,
        /// What was found in the folder.
        recovery: Recovery,
    },
    /// The card now holds another store than before; sequence numbers go on.
    OtherStore,
    /// The day's write budget is spent.
    BudgetSpent,
    /// A new day has begun.
    BudgetRenewed {
        /// Masks that were refused meanwhile.
        refused: u64,
    },
}

/// How a store is.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreStatus {
    /// Whether it takes masks.
    pub state: StoreState,
    /// Masks taken since the store was opened.
    pub records: u64,
    /// Those of them that are on the medium; a power cut takes none of these.
    pub listed: u64,
    /// Masks in memory that are not yet there.
    pub unsynced: u64,
    /// Masks refused since it was opened, while it waited.
    pub refused_waiting: u64,
    /// Masks refused since it was opened, for the budget.
    pub refused_budget: u64,
    /// Bytes of all segments in the folder; 0 while it is not there.
    pub bytes: u64,
    /// Segments in the folder.
    pub segments: u64,
    /// Bytes written since it was opened: whole blocks of data with headers, footers and padding, and 16 KiB for each
    /// sync of a file or folder, which is about what a journaling file system adds. Deletions are not counted.
    pub written_bytes: u64,
    /// Bytes written in this day of store time.
    pub written_today_bytes: u64,
    /// Bytes written for each mask that is on the medium.
    pub bytes_per_mask: Option<f64>,
    /// Sequence numbers of the oldest mask and the one after the newest.
    pub sequences: Option<(u64, u64)>,
    /// Wall times of the oldest and the newest mask in Unix microseconds, as the clock was then.
    pub wall_us: Option<(i64, i64)>,
    /// Segments that the quota has deleted since it was opened.
    pub deleted_segments: u64,
    /// How often the folder was found to hold another store than before.
    pub other_stores: u64,
    /// Bytes of torn records that were cut off since it was opened.
    pub torn_bytes: u64,
    /// Damaged bytes that were there when the folder was last opened, and stay.
    pub damaged_bytes: u64,
    /// Files that were there then and are no segments of the store.
    pub foreign: u64,
}

/// A mask that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its sequence number. If the disk fails before the mask is on the medium it may get a later one.
    pub sequence: u64,
    /// Bytes of its record.
    pub bytes: u64,
    /// Whether it is on the medium already.
    pub listed: bool,
}
