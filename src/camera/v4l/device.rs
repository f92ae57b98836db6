//! The edge to the cameras of a machine, behind traits: what the kernel does, and what the tests' double does in its
//! place.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::control::Control;
use super::format::FourCc;
use super::mode::{Interval, Mode};
use super::negotiate::Choice;

/// The cameras of a machine.
pub(super) trait Cameras: Send + 'static {
    type Device: Device;

    /// Device nodes that may be cameras, in natural order.
    fn nodes(&self) -> Vec<PathBuf>;

    /// A name of the device at `path` that stays its own when it is plugged in again.
    fn stable_path(&self, path: &Path) -> Option<PathBuf>;

    /// Opens a device; changes nothing of it.
    fn open(&self, path: &Path) -> io::Result<Self::Device>;
}

/// An open device. Dropping it stops the stream, unmaps its buffers and closes it, and never panics.
pub(super) trait Device: Send {
    fn identity(&self) -> io::Result<Identity>;

    /// What it offers: formats, sizes, rates.
    fn modes(&self) -> io::Result<Vec<Mode>>;

    fn controls(&self) -> io::Result<Vec<Control>>;

    fn set_control(&mut self, id: u32, value: i64) -> io::Result<()>;

    /// Asks for a mode; says what the driver made of it.
    fn set_format(&mut self, choice: &Choice) -> io::Result<Layout>;

    /// Asks for a frame interval; says what the driver made of it, where it does.
    fn set_interval(&mut self, interval: Interval) -> io::Result<Option<Interval>>;

    /// Maps buffers, hands them to the driver and starts the stream.
    fn start(&mut self) -> io::Result<()>;

    /// The oldest filled buffer; `None` where there is none within `patience`. It goes back by [`Device::requeue`].
    fn dequeue(&mut self, patience: Duration) -> io::Result<Option<Buffer<'_>>>;

    fn requeue(&mut self, index: u32) -> io::Result<()>;

    /// Stops the stream and unmaps its buffers, all of it even if a part fails.
    fn stop(&mut self) -> io::Result<()>;
}

/// Who a device says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) driver: String,
    pub(super) card: String,
    pub(super) bus: String,
    pub(super) captures: Captures,
}

/// Whether frames can be had from a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Captures {
    /// It captures into mapped buffers of one plane.
    Frames,
    /// It captures, but only in a way that is not supported: several planes, or without mapped buffers.
    Otherwise,
    /// It captures no frames: an output, a codec, meta data.
    #[default]
    Nothing,
}

/// The format that a driver has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) format: FourCc,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bytes from row to row of the first plane; 0 where there is no padding.
    pub(super) bytes_per_line: u32,
}

/// A filled buffer, still the driver's memory.
#[derive(Debug)]
pub(super) struct Buffer<'a> {
    pub(super) index: u32,
    /// What the driver wrote.
    pub(super) bytes: &'a [u8],
    /// The driver's count of frames, with those that it skipped.
    pub(super) sequence: u32,
    /// When the frame was captured by the monotonic clock, where the driver tells that.
    pub(super) time: Option<Duration>,
    /// Whether the driver says that the bytes are damaged.
    pub(super) damaged: bool,
}
