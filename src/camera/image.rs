//! One JPEG or PNG file as a stream of one frame.

use std::path::Path;
use std::time::Duration;

use super::picture::read_still;
use super::{Source, SourceError, SourceInfo};
use crate::frame::Frame;

/// One still image.
///
/// The frame is [`Rgb8`](crate::frame::PixelFormat::Rgb8), or [`Gray8`](crate::frame::PixelFormat::Gray8) where the
/// file is gray; alpha is dropped, 16 bits become 8, and the picture is turned upright as its EXIF orientation says.
/// The frame's name is the file's stem.
#[derive(Debug)]
pub struct Still {
    info: SourceInfo,
    frame: Option<Frame>,
}

impl Still {
    /// Reads and decodes the file.
    ///
    /// # Errors
    /// [`SourceError::BrokenImage`] where the file cannot be read or decoded.
    pub fn open(path: &Path) -> Result<Still, SourceError> {
        let name = path.display().to_string();
        let picture =
            read_still(path).map_err(|reason| SourceError::BrokenImage { name: name.clone(), reason })?;
        let frame = Frame {
            number: 0,
            time: Duration::ZERO,
            width: picture.width,
            height: picture.height,
            format: picture.format,
            data: picture.data,
            name: path.file_stem().map(|stem| stem.to_string_lossy().into_owned()),
        };
        Ok(Still { info: SourceInfo { name, frames: Some(1), ..SourceInfo::default() }, frame: Some(frame) })
    }
}

impl Source for Still {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        self.frame.take().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ::image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, Rgba};

    use super::*;
    use crate::camera::testing::{jpeg, report, transcript};

    fn png(image: DynamicImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        image.write_to(&mut std::io::Cursor::new(&mut bytes), ImageFormat::Png).expect("a picture in memory");
        bytes
    }

    /// A JPEG of 32x16, left half black, right half white, with an EXIF orientation.
    fn oriented(orientation: u8) -> Vec<u8> {
        let half = ImageBuffer::from_fn(32, 16, |x, _| Rgb([if x < 16 { 0u8 } else { 255 }; 3]));
        let mut plain = Vec::new();
        DynamicImage::ImageRgb8(half)
            .write_to(&mut std::io::Cursor::new(&mut plain), ImageFormat::Jpeg)
            .expect("a picture in memory");
        let mut tiff = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        tiff.extend([orientation, 0, 0, 0, 0, 0, 0]);
        let length = (tiff.len() as u16 + 2).to_be_bytes();
        [&plain[..2], &[0xFF, 0xE1], &length, &tiff, &plain[2..]].concat()
    }

    #[test]
    fn stills_become_one_frame() {
        let whole = jpeg(16, 8, [64, 64, 64]);
        let gray_alpha: ImageBuffer<::image::LumaA<u8>, _> =
            ImageBuffer::from_pixel(3, 2, ::image::LumaA([48u8, 9]));
        let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
            ("a.jpg", whole.clone(), &["frame 0 at 0 ms 16x8 Rgb8 ~64 a"]),
            ("wrong-name.png", whole.clone(), &["frame 0 at 0 ms 16x8 Rgb8 ~64 wrong-name"]),
            (
                "alpha.png",
                png(ImageBuffer::from_pixel(3, 2, Rgba([80u8, 1, 2, 0])).into()),
                &["frame 0 at 0 ms 3x2 Rgb8 ~80 alpha"],
            ),
            (
                "deep.png",
                png(ImageBuffer::from_pixel(3, 2, Rgb([32u16 << 8, 1, 2])).into()),
                &["frame 0 at 0 ms 3x2 Rgb8 ~32 deep"],
            ),
            (
                "gray16.png",
                png(ImageBuffer::from_pixel(3, 2, Luma([96u16 << 8])).into()),
                &["frame 0 at 0 ms 3x2 Gray8 ~96 gray16"],
            ),
            ("gray.png", png(DynamicImage::ImageLumaA8(gray_alpha)), &["frame 0 at 0 ms 3x2 Gray8 ~48 gray"]),
            ("upright.jpg", oriented(1), &["frame 0 at 0 ms 32x16 Rgb8 ~0 upright"]),
            ("turned.jpg", oriented(3), &["frame 0 at 0 ms 32x16 Rgb8 ~256 turned"]),
            ("portrait.jpg", oriented(6), &["frame 0 at 0 ms 16x32 Rgb8 ~0 portrait"]),
            (
                "cut.jpg",
                whole[..whole.len() - 9].to_vec(),
                &["error: cut.jpg: the picture cannot be decoded: the JPEG ends in the middle"],
            ),
            ("empty.jpg", vec![], &["error: empty.jpg: the picture cannot be decoded: the file is empty"]),
            (
                "text.jpg",
                b"hello".to_vec(),
                &["error: text.jpg: the picture cannot be decoded: it is neither a JPEG nor a PNG"],
            ),
        ];
        let folder = tempfile::tempdir().expect("a temporary folder");
        report(cases.into_iter().filter_map(|(name, bytes, want)| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).expect("a temporary file");
            let got = transcript(Still::open(&path)).replace(&format!("{}/", folder.path().display()), "");
            (got != want.join("\n")).then(|| format!("{name}: {got}"))
        }));
    }
}
