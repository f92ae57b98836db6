//! How a camera that nobody watches says what it does: to people, to monitoring, and to the service manager.
//!
//! - [`Status`] is one line of JSON a minute; a [`Reporter`] prints it, keeps the newest in a file, and tells systemd.
//! - [`Told`] says what changes (a camera lost, a disk back), each state once, and not more often than a log bears.
//! - [`Heartbeats`] knows when a thread is stuck; a [`Watchdog`] feeds systemd's only while none is.
//! - [`Exit`] lists the program's exit codes.

mod exit;
mod heartbeats;
mod meter;
mod notify;
mod report;
mod snapshot;
mod told;
mod watchdog;

pub use exit::Exit;
pub use heartbeats::{Beat, Heartbeats, Stuck};
pub use meter::{Due, Figures, Meter, resident_bytes};
pub use notify::{Notification, Notify, NotifyLog, Silent};
#[cfg(feature = "device")]
pub use notify::{Systemd, watchdog_timeout};
pub use report::{ReportError, Reporter};
pub use snapshot::{BoardStatus, CameraStatus, Queue, Status, StoreStatus, throttle_names};
pub use told::Told;
pub use watchdog::Watchdog;
