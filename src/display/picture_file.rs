//! The display of a board without a screen: a picture file that always holds the newest view.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use embedded_graphics::prelude::Size;

use super::{DisplayError, Output};
use crate::overlay::{self, Scene};

/// A JPEG or PNG file of the frame's size, replaced as a whole with each picture, so that a reader never sees half of
/// one. It belongs on a file system in memory (`/run`): on a card it would wear.
#[derive(Clone, Debug)]
pub struct PictureFile {
    path: PathBuf,
    is_png: bool,
}

impl PictureFile {
    /// A picture file; `None` where its name ends in neither `.jpg`, `.jpeg` nor `.png`.
    pub fn new(path: &Path) -> Option<PictureFile> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        let is_png = extension == "png";
        let is_picture = is_png || extension == "jpg" || extension == "jpeg";
        is_picture.then(|| PictureFile { path: path.to_owned(), is_png })
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let mut part = self.path.clone().into_os_string();
        part.push(".part");
        let replaced = fs::write(&part, bytes).and_then(|()| fs::rename(&part, &self.path));
        if replaced.is_err() {
            // A full disk leaves half a picture, which would hold the space; it may not even let it be removed.
            let _ = fs::remove_file(&part);
        }
        replaced
    }
}

/// The picture as a PNG file of 8-bit RGB.
fn encode_png(rgb: &[u8], size: Size) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, size.width, size.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(rgb)?;
    writer.finish()?;
    Ok(file)
}

impl Output for PictureFile {
    fn size(&mut self, frame: Size) -> Result<Size, DisplayError> {
        Ok(frame)
    }

    fn show(&mut self, scene: &Scene) -> Result<(), DisplayError> {
        let failed = |source| DisplayError::Write { device: self.path.display().to_string(), source };
        let bytes = if self.is_png {
            encode_png(scene.rgb(), scene.size()).map_err(|error| failed(io::Error::other(error)))?
        } else {
            overlay::encode_jpeg(scene.rgb(), scene.size().width, scene.size().height)?
        };
        self.replace(&bytes).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::Mask;
    use crate::overlay::{Parts, Statistics, View};

    #[test]
    fn the_file_holds_the_newest_picture() {
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts { overlay: false, legend: false, statistics: false };
        let mask = Mask { width: 1, height: 1, data: vec![0] };
        for name in ["view.png", "view.jpg"] {
            let path = folder.path().join(name);
            let mut file = PictureFile::new(&path).unwrap();
            for level in [0, 60, 200] {
                let rgb = [level; 3 * 8 * 8];
                let (classes, statistics) = (&[][..], Statistics::default());
                let view = View { rgb: &rgb, width: 8, height: 8, mask: &mask, classes, statistics };
                let mut scene = Scene::new(parts);
                scene.compose(&view, file.size(Size::new(8, 8)).unwrap()).unwrap();
                file.show(&scene).unwrap();
                let read = image::open(&path).unwrap().to_rgb8();
                assert_eq!(read.dimensions(), (8, 8), "{name}");
                assert!(read.iter().all(|value| value.abs_diff(level) < 3), "{name} at level {level}");
            }
        }
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        // A picture that cannot be put in its place leaves nothing behind.
        let taken = folder.path().join("taken.png");
        fs::create_dir_all(taken.join("folder")).unwrap();
        assert!(PictureFile::new(&taken).unwrap().show(&Scene::default()).is_err());
        assert!(!folder.path().join("taken.png.part").exists());
        let missing =
            PictureFile::new(&folder.path().join("missing/view.png")).unwrap().show(&Scene::default());
        assert!(missing.is_err());
    }
}
