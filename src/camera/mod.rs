//! Where frames come from: one image, a folder, a clip, a pipe, a pattern; all behind [`Source`].
//!
//! [`open`] chooses by the text a user gives:
//!
//! | text | source |
//! |---|---|
//! | `synthetic:WxH@FPS`, `synthetic:WxH@FPS:FRAMES` | [`Synthetic`], a moving pattern |
//! | `v4l:`, `v4l:/dev/video0`, `v4l:/dev/video0?width=640&fps=15` | [`V4l`], a camera; [`V4lOptions::parse`] names the keys |
//! | `-` | [`Y4m`] on standard input |
//! | a folder | [`Folder`], its JPEG and PNG files in natural order |
//! | `*.y4m` | [`Y4m`] |
//! | an AVI file of Motion-JPEG | [`Avi`] |
//! | a JPEG or PNG file | [`Still`] |
//! | a device, or `rtsp://...`, `rtmp://...`, `srt://...`, `udp://...`, `rtp://...` | [`Network`], a child process that is started again |
//! | any other file, or `scheme://...` | [`Ffmpeg`], a child process |
//!
//! [`demo`] is the clip inside the program. But for `.y4m`, what a file holds is told from its first
//! bytes, not from its name. Pictures
//! with more than 16384 pixels on a side or more than 256 MiB of pixels are refused.

use crate::frame::Frame;
use crate::status::Heartbeats;

mod avi;
mod ffmpeg;
mod folder;
mod geometry;
mod image;
mod jpeg;
mod live;
mod network;
mod open;
mod picture;
mod planes;
mod rate;
mod size;
mod synthetic;
#[cfg(test)]
mod testing;
pub mod v4l;
mod y4m;

pub use avi::Avi;
pub use ffmpeg::{Ffmpeg, end_children, without_password};
pub use folder::Folder;
pub use geometry::{Geometry, Mirror, Rotation, Turned};
pub use image::Still;
pub use network::Network;
pub use open::{OpenOptions, demo, is_live_source, open, open_with};
pub use planes::Crop;
pub use synthetic::Synthetic;
pub use v4l::{CameraInfo, Encoding, V4l, V4lOptions, cameras};
pub use y4m::Y4m;

/// What is known of a stream before its first frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceInfo {
    /// What to call the stream in messages: a path, an address, a pattern.
    pub name: String,
    /// Number of frames, where the source knows it. A clip's own count may be wrong.
    pub frames: Option<u64>,
    /// Frames per second, where the source has a rate.
    pub fps: Option<f64>,
    /// Whether frames come at their own time and are lost if nobody takes them, as a camera's are.
    pub live: bool,
}

/// What a live source has lost since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Frames that were captured and dropped because a newer one came before anybody asked.
    pub dropped: u64,
    /// Frames that the camera itself skipped, by its sequence numbers.
    pub missed: u64,
    /// How often the camera was closed and opened again.
    pub reopened: u64,
}

/// Why a frame, or a whole stream, could not be had. All but [`SourceError::BrokenFrame`],
/// [`SourceError::Interrupted`] and [`SourceError::NotYet`] end the stream.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// One frame is broken; the stream goes on after it.
    #[error("{name}: frame {frame} is broken: {reason}")]
    BrokenFrame {
        /// The stream, or the frame's own file.
        name: String,
        /// Its number.
        frame: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A live source has no frame for now and goes on trying. While that lasts it is given at least once a second, with
    /// the same reason as long as the state is the same.
    #[error("{name}: {reason}; trying again")]
    Interrupted {
        /// The stream.
        name: String,
        /// What is wrong, without figures that change.
        reason: String,
    },
    /// A live source that works, but is slow, has no new frame yet; ask again.
    #[error("{name}: the next frame is not there yet")]
    NotYet {
        /// The stream.
        name: String,
    },
    /// Nothing lies at this path.
    #[error(
        "{path:?} is neither a file nor a folder; give the path of one, an address like rtsp://..., or - for a pipe"
    )]
    NotFound {
        /// The path as given.
        path: String,
    },
    /// The text after `synthetic:` says no pattern.
    #[error(
        "{text:?} is not a pattern: {reason}; write synthetic:WIDTHxHEIGHT@FPS or synthetic:WIDTHxHEIGHT@FPS:FRAMES, \
         for example synthetic:640x480@30:100"
    )]
    BadPattern {
        /// The text as given.
        text: String,
        /// Which part is wrong.
        reason: String,
    },
    /// The text after `v4l:` names no camera.
    #[error(
        "{text:?} does not name a camera: {reason}; write v4l:/dev/video0 or \
         v4l:/dev/video0?width=640&height=480&fps=15&format=YUYV"
    )]
    BadCamera {
        /// The text as given.
        text: String,
        /// Which part is wrong.
        reason: String,
    },
    /// A camera is not there, does not offer what is asked of it, or fails.
    #[error("{name}: {reason}")]
    Camera {
        /// The camera.
        name: String,
        /// What is wrong, and what there is instead.
        reason: String,
    },
    /// The crop that is asked for does not lie in the picture.
    #[error("{name}: {reason}; give another crop")]
    BadCrop {
        /// The stream.
        name: String,
        /// Which crop, and how large the picture is.
        reason: String,
    },
    /// A folder without pictures.
    #[error("{path}: no file in this folder ends in .jpg, .jpeg or .png, so there is nothing to read")]
    EmptyFolder {
        /// The folder.
        path: String,
    },
    /// The system could not read it.
    #[error("{name}: cannot be read: {cause}")]
    Unreadable {
        /// The stream or file.
        name: String,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A single image that does not decode.
    #[error("{name}: the picture cannot be decoded: {reason}")]
    BrokenImage {
        /// The file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The stream breaks the rules of its own format.
    #[error("{name}: {reason}")]
    Malformed {
        /// The stream.
        name: String,
        /// What was found, and where.
        reason: String,
    },
    /// The stream follows its format but holds what this build does not read.
    #[error("{name}: {reason}")]
    Unsupported {
        /// The stream.
        name: String,
        /// What is not read, and what to do instead.
        reason: String,
    },
    /// An AVI file of something other than Motion-JPEG.
    #[error(
        "{name}: its pictures are compressed as {codec}, not Motion-JPEG; convert it with \
         `ffmpeg -i FILE -c:v mjpeg -q:v 3 NEW.avi`"
    )]
    UnsupportedCodec {
        /// The clip.
        name: String,
        /// The codec's four-character code.
        codec: String,
    },
    /// The stream ends in the middle of a frame; all frames before it were given.
    #[error("{name}: ends in the middle of frame {frame}; all frames before it are whole")]
    Truncated {
        /// The stream.
        name: String,
        /// The number of the frame that is missing.
        frame: u64,
    },
    /// The stream needs the program ffmpeg, which is not there.
    #[error(
        "{name}: reading this needs the program ffmpeg, which is not installed (on Debian: apt install ffmpeg)"
    )]
    NoFfmpeg {
        /// The stream.
        name: String,
    },
    /// The program ffmpeg gave up.
    #[error("{name}: ffmpeg failed: {reason}")]
    Ffmpeg {
        /// The stream.
        name: String,
        /// The last line ffmpeg wrote to standard error, or how it ended.
        reason: String,
    },
}

impl SourceError {
    /// Whether only this frame is lost and the stream goes on.
    pub fn is_broken_frame(&self) -> bool {
        matches!(self, SourceError::BrokenFrame { .. })
    }

    /// Whether the stream goes on after this: one frame is lost, or a live source waits for its camera.
    pub fn goes_on(&self) -> bool {
        matches!(
            self,
            SourceError::BrokenFrame { .. } | SourceError::Interrupted { .. } | SourceError::NotYet { .. }
        )
    }
}

/// A stream of frames.
pub trait Source: Send {
    /// What is known of the stream.
    fn info(&self) -> &SourceInfo;

    /// The next frame; `None` at the end. After an error for which [`SourceError::goes_on`] holds, the
    /// stream goes on; after any other error it has ended and gives `None`.
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>>;

    /// Whether the source itself reads its camera all the time and gives the newest frame when it is asked. Any other live source
    /// must be read all the time, or its frames grow old in a pipe.
    fn keeps_newest(&self) -> bool {
        false
    }

    /// Lets threads of its own, where it has some, say that they live.
    fn watch(&mut self, _heartbeats: &Heartbeats) {}

    /// What a live source has lost so far; a source that waits for its reader loses nothing.
    fn losses(&self) -> Losses {
        Losses::default()
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn info(&self) -> &SourceInfo {
        (**self).info()
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        (**self).next_frame()
    }

    fn keeps_newest(&self) -> bool {
        (**self).keeps_newest()
    }

    fn watch(&mut self, heartbeats: &Heartbeats) {
        (**self).watch(heartbeats);
    }

    fn losses(&self) -> Losses {
        (**self).losses()
    }
}
