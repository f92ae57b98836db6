//! Why a display shows nothing.

use std::io;

use crate::frame::FrameError;
use crate::overlay::OverlayError;

/// Why a display shows nothing. Masks go to disk all the same.
#[derive(Debug, thiserror::Error)]
pub enum DisplayError {
    /// The kernel does not describe the framebuffer.
    #[error(
        "{device}: its {attribute} cannot be read ({source}): check that there is a framebuffer of this name"
    )]
    Attribute {
        /// The framebuffer.
        device: String,
        /// What is missing.
        attribute: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The kernel's description makes no sense.
    #[error(
        "{device}: its {attribute} is `{value}`, which describes no picture: report this with the board's name"
    )]
    Geometry {
        /// The framebuffer.
        device: String,
        /// What is wrong.
        attribute: &'static str,
        /// As the kernel gives it.
        value: String,
    },
    /// Pixels that nothing here can write.
    #[error("{device}: has {bits} bits a pixel; set the screen to 16, 24 or 32")]
    Bits {
        /// The framebuffer.
        device: String,
        /// Its bits per pixel.
        bits: u32,
    },
    /// The device cannot be opened.
    #[error(
        "{device}: cannot be drawn on ({source}): check that it exists and that the user is in group video"
    )]
    Open {
        /// The device.
        device: String,
        /// Why.
        source: io::Error,
    },
    /// A picture cannot be written.
    #[error("{device}: the picture cannot be written ({source})")]
    Write {
        /// The device or file.
        device: String,
        /// Why.
        source: io::Error,
    },
    /// There is no display of this name.
    #[error(
        "{name}: is no display; give a framebuffer such as /dev/fb0, a picture file that ends in .jpg or .png, or \
         `window`"
    )]
    Unknown {
        /// The name.
        name: String,
    },
    /// The program has no windows.
    #[error("window: this program was built without windows; build it with --features simulator")]
    NoWindows,
    /// The window is gone, and stays so.
    #[error("window: it was closed, or there is no desktop to open it on; pictures are no longer shown")]
    Closed,
    /// The frame does not become a picture.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The mask does not become an overlay.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
}

impl DisplayError {
    /// Whether trying again may help.
    pub fn may_pass(&self) -> bool {
        !matches!(self, DisplayError::Unknown { .. } | DisplayError::NoWindows | DisplayError::Closed)
    }
}
