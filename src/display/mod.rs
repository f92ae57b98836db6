//! What is shown at the board: the newest mask over its frame, on a framebuffer, in a window or in a picture file.

mod error;
mod framebuffer;
mod picture_file;
mod show;
#[cfg(feature = "simulator")]
mod window;

pub use error::DisplayError;
pub use framebuffer::{Device, Framebuffer, Geometry, PixelLayout, Port, Screen, SystemPort};
pub use picture_file::PictureFile;
pub use show::{Display, Event};
#[cfg(feature = "simulator")]
pub use window::Window;

use std::path::Path;

use embedded_graphics::prelude::Size;

use crate::overlay::Scene;

/// Something that shows whole pictures.
pub trait Output: Send {
    /// Size in pixels of the pictures it takes, where frames are of size `frame`; opens it where it is not open.
    ///
    /// # Errors
    /// When it cannot be opened. The next call tries again.
    fn size(&mut self, frame: Size) -> Result<Size, DisplayError>;

    /// Shows a picture of that size.
    ///
    /// # Errors
    /// When it is lost. The next call of [`Output::size`] opens it again.
    fn show(&mut self, scene: &Scene) -> Result<(), DisplayError>;
}

/// The output of a name: a framebuffer (`/dev/fb0`), a picture file that is replaced again and again (`.jpg`, `.png`),
/// or `window`, in programs with the feature `simulator`. Nothing is opened yet.
///
/// # Errors
/// [`DisplayError::Unknown`] and [`DisplayError::NoWindows`].
pub fn open(name: &Path) -> Result<Box<dyn Output>, DisplayError> {
    let file_name = name.file_name().unwrap_or_default().to_string_lossy();
    let is_numbered = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    if name == Path::new("window") {
        return window();
    }
    if let Some(file) = PictureFile::new(name) {
        return Ok(Box::new(file));
    }
    if file_name.strip_prefix("fb").is_some_and(is_numbered) {
        return Ok(Box::new(Screen::new(SystemPort::new(name))));
    }
    Err(DisplayError::Unknown { name: name.display().to_string() })
}

#[cfg(feature = "simulator")]
fn window() -> Result<Box<dyn Output>, DisplayError> {
    Ok(Box::new(Window::new()))
}

#[cfg(not(feature = "simulator"))]
fn window() -> Result<Box<dyn Output>, DisplayError> {
    Err(DisplayError::NoWindows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_outputs() {
        let unknown = "is no display";
        let cases = [
            ("/dev/fb0", None),
            ("/dev/fb12", None),
            ("/run/sedge/view.jpg", None),
            ("view.PNG", None),
            ("/dev/fb", Some(unknown)),
            ("/dev/video0", Some(unknown)),
            ("", Some(unknown)),
            #[cfg(not(feature = "simulator"))]
            ("window", Some("built without windows")),
        ];
        for (name, expected) in cases {
            let error = open(Path::new(name)).err().map(|error| error.to_string());
            let is_right = match (&error, expected) {
                (Some(error), Some(part)) => error.contains(part),
                (error, expected) => error.is_none() && expected.is_none(),
            };
            assert!(is_right, "{name}: {error:?}");
        }
    }
}
