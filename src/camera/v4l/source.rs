//! A camera as a source of frames.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::capture::{Capture, DAMAGED_MAX};
use super::device::Cameras;
use super::mode::Interval;
use super::negotiate::Choice;
use super::options::V4lOptions;
use super::shared::{Arrival, Captured, Content, Found, Shared, TroubleKind};
use crate::camera::picture::{Picture, decode_motion_jpeg};
use crate::camera::{Geometry, Losses, Source, SourceError, SourceInfo};
use crate::clock::Clock;
use crate::frame::Frame;

/// Longest wait of `next_frame`.
const PATIENCE: Duration = Duration::from_millis(900);

/// Longest wait for the thread when the source is dropped; a driver that hangs keeps only the thread.
const GRACE: Duration = Duration::from_secs(1);

/// A camera that is opened again whenever it is lost.
///
/// [`Source::next_frame`] gives the newest frame that it did not give yet, and waits up to 0.9 s for one. While there is
/// none it gives [`SourceError::Interrupted`]. It never ends. Frames number the buffers that the camera filled, so a
/// gap shows what was dropped; their times are the driver's. Size and format may change when the camera comes back.
pub struct V4l {
    info: SourceInfo,
    geometry: Geometry,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// How long dropping waits for the thread.
    grace: Duration,
    /// The interruption that was told last.
    told: Option<String>,
    /// Undecodable frames in a row.
    undecoded: u32,
    over: bool,
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
        let (geometry, wait) = (options.geometry, options.wait);
        let mut capture = Capture::new(cameras, options, clock, shared.clone());
        let (fps, pause) = match capture.connect() {
            Ok(choice) => (choice.interval.map(Interval::fps), Duration::ZERO),
            Err(trouble) if trouble.kind == TroubleKind::Busy => (None, capture.lost(trouble)),
            Err(trouble) if wait && trouble.kind != TroubleKind::Wrong => (None, capture.lost(trouble)),
            Err(trouble) => return Err(trouble.into_error(name)),
        };
        let thread = std::thread::Builder::new()
            .name("sedge-camera".into())
            .spawn(move || keep(capture, pause))
            .map_err(|cause| SourceError::Unreadable { name: name.clone(), cause })?;
        Ok(V4l {
            info: SourceInfo { name, frames: None, fps, live: true },
            geometry,
            shared,
            thread: Some(thread),
            grace: GRACE,
            told: None,
            undecoded: 0,
            over: false,
        })
    }

    /// What the camera now gives, before the geometry; `None` while it is lost.
    pub fn mode(&self) -> Option<Choice> {
        self.shared.mode()
    }

    #[cfg(test)]
    pub(super) fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
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
                        self.shared.ask_reopen("no frame can be decoded".into());
                    }
                    return Err(error);
                }
            };
            self.undecoded = 0;
            self.shared.proven();
            return self.geometry.apply(plain(width, height, format, data)).map_err(broken);
        };
        // The crop was made on the way out of the driver's memory.
        self.geometry.turned(plain(width, height, format, bytes)).map_err(broken)
    }
}

/// The thread: one step after another until it is stopped.
fn keep<C: Cameras>(mut capture: Capture<C>, first_pause: Duration) {
    let shared = capture.shared();
    // Told however the thread ends, so that nobody waits for a frame that cannot come.
    struct AtEnd(Arc<Shared>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.ended();
        }
    }
    let end = AtEnd(shared.clone());
    let mut pause = first_pause;
    loop {
        if !pause.is_zero() {
            shared.pause(pause);
        }
        if shared.stopped() {
            break;
        }
        pause = capture.step();
    }
    capture.close();
    drop(capture);
    drop(end);
}

impl Source for V4l {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        if self.over {
            return None;
        }
        let interrupted =
            |name: &str, reason: String| Some(Err(SourceError::Interrupted { name: name.into(), reason }));
        match self.shared.next(PATIENCE, self.told.as_deref()) {
            Found::Arrival(Arrival { number, content: Content::Frame(captured) }) => {
                self.told = None;
                Some(self.frame(number, captured))
            }
            Found::Arrival(Arrival { number, content: Content::Broken(reason) }) => {
                Some(Err(SourceError::BrokenFrame { name: self.info.name.clone(), frame: number, reason }))
            }
            Found::Interrupted(reason) => {
                self.told = Some(reason.clone());
                interrupted(&self.info.name, reason)
            }
            Found::Nothing => Some(Err(SourceError::NotYet { name: self.info.name.clone() })),
            Found::Ended => {
                self.over = true;
                let reason = "the thread that reads the camera has ended; start the program again".into();
                Some(Err(SourceError::Camera { name: self.info.name.clone(), reason }))
            }
        }
    }

    fn keeps_newest(&self) -> bool {
        true
    }

    fn losses(&self) -> Losses {
        self.shared.losses()
    }
}

impl Drop for V4l {
    fn drop(&mut self) {
        self.shared.stop();
        let ended = self.shared.wait_for_end(self.grace);
        if let (true, Some(thread)) = (ended, self.thread.take()) {
            // It has nothing left to do but return. That it panicked was told by the panic itself.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
