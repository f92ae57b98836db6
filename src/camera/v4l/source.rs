//! A camera as a source of frames.

use std::sync::Arc;
use std::time::Duration;

use super::capture::{Capture, DAMAGED_MAX};
use super::device::Cameras;
use super::mode::Interval;
use super::negotiate::Choice;
use super::options::V4lOptions;
use crate::camera::live::{Captured, Live, Shared, TroubleKind};
use crate::camera::picture::{Picture, decode_motion_jpeg};
use crate::camera::{Geometry, Losses, Source, SourceError, SourceInfo};
use crate::clock::Clock;
use crate::frame::Frame;
use crate::status::Heartbeats;

/// A camera that is opened again whenever it is lost.
///
/// [`Source::next_frame`] gives the newest frame that it did not give yet, and waits up to 0.9 s for one. While there is
/// none it gives [`SourceError::Interrupted`]. It never ends. Frames number the buffers that the camera filled, so a
/// gap shows what was dropped; their times are the driver's. Size and format may change when the camera comes back.
pub struct V4l {
    info: SourceInfo,
    geometry: Geometry,
    live: Live,
    /// Undecodable frames in a row.
    undecoded: u32,
}

impl V4l {
    /// Opens a camera and starts a thread that reads it.
    ///
    /// A camera that another program has is waited for, as is one that is not there if [`V4lOptions::wait`] says so.
    ///
    /// # Errors
    /// [`SourceError::Camera`] where there is none, it does not offer what is asked for, or it fails;
    /// [`SourceError::Unsupported`] in a build without the feature `v4l`.
    pub fn open(options: V4lOptions) -> Result<V4l, SourceError> {
        #[cfg(feature = "v4l")]
        return V4l::with(super::kernel::System, options, Box::new(crate::clock::SystemClock));
        #[cfg(not(feature = "v4l"))]
        Err(super::not_built(&options.name()))
    }

    /// The same on any cameras and by any clock.
    pub(super) fn with<C: Cameras>(
        cameras: C,
        options: V4lOptions,
        clock: Box<dyn Clock>,
    ) -> Result<V4l, SourceError> {
        let shared = Arc::new(Shared::default());
        let name = options.name();
        let (geometry, wait) = (options.geometry, options.wait.unwrap_or(false));
        let mut capture = Capture::new(cameras, options, clock, shared.clone());
        let (fps, pause) = match capture.connect() {
            Ok(choice) => (choice.interval.map(Interval::fps), Duration::ZERO),
            Err(trouble) if trouble.kind == TroubleKind::Busy => (None, capture.lost(trouble)),
            Err(trouble) if wait && matches!(trouble.kind, TroubleKind::Missing | TroubleKind::Lost) => {
                (None, capture.lost(trouble))
            }
            Err(trouble) => return Err(trouble.into_error(name)),
        };
        let live = Live::start(name.clone(), capture, shared, pause)?;
        let info = SourceInfo { name, frames: None, fps, live: true };
        Ok(V4l { info, geometry, live, undecoded: 0 })
    }

    /// What the camera now gives, before the geometry; `None` while it is lost.
    pub fn mode(&self) -> Option<Choice> {
        self.live.shared().mode()
    }

    fn frame(&mut self, number: u64, captured: Captured) -> Result<Frame, SourceError> {
        let Captured { time, width, height, format, bytes } = captured;
        let broken =
            |reason| SourceError::BrokenFrame { name: self.info.name.clone(), frame: number, reason };
        let plain =
            |width, height, format, data| Frame { number, time, width, height, format, data, name: None };
        let Some(format) = format else {
            let Picture { width, height, format, data } = match decode_motion_jpeg(&bytes, (width, height)) {
                Ok(picture) => picture,
                Err(reason) => {
                    let error = broken(reason);
                    self.undecoded += 1;
                    if self.undecoded >= DAMAGED_MAX {
                        self.undecoded = 0;
                        self.live.shared().ask_reopen("no frame can be decoded".into());
                    }
                    return Err(error);
                }
            };
            self.undecoded = 0;
            self.live.shared().proven();
            return self.geometry.apply(plain(width, height, format, data)).map_err(broken);
        };
        // The crop was made on the way out of the driver's memory.
        self.geometry.turned(plain(width, height, format, bytes)).map_err(broken)
    }
}

impl Source for V4l {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let next = self.live.next()?;
        Some(next.and_then(|(number, captured)| self.frame(number, captured)))
    }

    fn keeps_newest(&self) -> bool {
        true
    }

    fn losses(&self) -> Losses {
        self.live.shared().losses()
    }

    fn watch(&mut self, heartbeats: &Heartbeats) {
        self.live.watch(heartbeats);
    }
}

#[cfg(test)]
mod tests;
