//! Cameras through Video4Linux2, kept running: whatever happens to a camera, the stream goes on when it is back.
//!
//! 1. [`V4l::open`] finds the device, asks it what it offers, and `negotiate` chooses the cheapest mode that serves.
//! 2. A thread dequeues mapped buffers all the time (`capture`), copies each tight and cropped out of the driver's memory
//!    and puts it in the place of the last one (`camera::live`): a slow reader always gets the newest frame.
//! 3. [`V4l::next_frame`](super::Source::next_frame) takes it, decodes a JPEG, mirrors and turns.
//! 4. On any loss (unplugged, silent, damaged) the thread closes the device fully, waits, and begins at 1.
//!
//! The kernel stands behind the traits of `device`; only `kernel` talks to it, and is there with the feature `v4l`.

// Without the feature only the tests run cameras, those of `testing`.
#[cfg_attr(not(feature = "v4l"), allow(dead_code))]
mod capture;
#[cfg_attr(not(feature = "v4l"), allow(dead_code))]
mod control;
#[cfg_attr(not(feature = "v4l"), allow(dead_code))]
mod device;
mod format;
#[cfg(feature = "v4l")]
mod kernel;
#[cfg_attr(not(feature = "v4l"), allow(dead_code))]
mod list;
mod mode;
mod negotiate;
#[cfg_attr(not(feature = "v4l"), allow(dead_code))]
mod options;
#[cfg_attr(not(feature = "v4l"), allow(dead_code))]
mod source;
#[cfg(test)]
mod testing;

pub use control::{Control, ControlKind};
pub use format::{Encoding, FourCc};
pub use list::{CameraInfo, cameras};
pub use mode::{Interval, Intervals, Mode, Steps};
pub use negotiate::{Choice, Wish, negotiate};
pub use options::V4lOptions;
pub use source::V4l;

/// What a build without the feature says.
#[cfg(not(feature = "v4l"))]
fn not_built(name: &str) -> super::SourceError {
    super::SourceError::Unsupported {
        name: name.into(),
        reason:
            "this build reads no cameras; give /dev/video0 alone to read one through ffmpeg, or build with \
                 `cargo build --release --features v4l`"
                .into(),
    }
}
