//! Drawing masks, legends and statistics over frames, for files and for displays of any size.

mod blend;
mod canvas;
mod legend;
mod panel;
mod scene;
mod statistics;

pub use canvas::Canvas;
pub use scene::{Parts, Scene, View};
pub use statistics::Statistics;

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use crate::mask::{Class, Mask};

/// Quality of overlay pictures, 1..=100.
const JPEG_QUALITY: u8 = 90;

/// Whether the classes are named in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Legend {
    /// No text.
    Hidden,
    /// A panel in the upper left corner: color, name and share of the pixels of every class that is painted, the
    /// largest first.
    Shown,
}

/// Why an overlay cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverlayError {
    /// The picture has no pixels, or not as many bytes as its size says.
    #[error("a picture of {width}x{height} takes {expected} bytes of RGB, but there are {found}")]
    Picture {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// Bytes that it takes.
        expected: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// The mask is not of the picture's size.
    #[error(
        "the mask is {mask_width}x{mask_height} but the picture {width}x{height}: make the mask at that size"
    )]
    Mask {
        /// Width of the mask.
        mask_width: u32,
        /// Height of the mask.
        mask_height: u32,
        /// Width of the picture.
        width: u32,
        /// Height of the picture.
        height: u32,
    },
    /// The encoder refuses the picture.
    #[error("the picture of {width}x{height} cannot become a JPEG: {reason}")]
    Jpeg {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// What the encoder says.
        reason: String,
    },
}

/// Draws `mask` over the picture `rgb`, interleaved R, G, B of `width` x `height` pixels: each painted class covers
/// half of the picture's color, its contour all of it. Class 0 stays unpainted where it is a background
/// ([`Class::is_background`]) or has no entry in `classes`; ids without a class have their color of the VOC map.
///
/// # Errors
/// [`OverlayError::Picture`] and [`OverlayError::Mask`] where sizes contradict each other.
pub fn draw(
    rgb: &mut [u8],
    width: u32,
    height: u32,
    mask: &Mask,
    classes: &[Class],
    legend: Legend,
) -> Result<(), OverlayError> {
    check_picture(rgb, width, height)?;
    let area = width as usize * height as usize;
    if (mask.width, mask.height) != (width, height) || mask.data.len() != area {
        return Err(OverlayError::Mask { mask_width: mask.width, mask_height: mask.height, width, height });
    }
    let paint = blend::paint(classes);
    blend::blend(rgb, 3 * width as usize, mask, &paint);
    if legend == Legend::Shown {
        let rows = legend::rows(mask, classes, &paint);
        legend::draw(&mut Canvas::new(rgb, width, height), &rows, height);
    }
    Ok(())
}

/// The picture as a JPEG file of quality 90.
///
/// # Errors
/// [`OverlayError::Picture`], and [`OverlayError::Jpeg`] beyond 65535 pixels a side.
pub fn encode_jpeg(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, OverlayError> {
    check_picture(rgb, width, height)?;
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY);
    match encoder.encode(rgb, width, height, ExtendedColorType::Rgb8) {
        Ok(()) => Ok(file),
        Err(error) => Err(OverlayError::Jpeg { width, height, reason: error.to_string() }),
    }
}

fn check_picture(rgb: &[u8], width: u32, height: u32) -> Result<(), OverlayError> {
    let (expected, found) = (3 * width as usize * height as usize, rgb.len());
    if expected == 0 || expected != found {
        return Err(OverlayError::Picture { width, height, expected, found });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::classes_from_names;

    #[test]
    fn sizes_must_agree() {
        let mask = |width, height| Mask { width, height, data: vec![0; (width * height) as usize] };
        let cases = [
            (12, 2, 2, mask(2, 2), None),
            (11, 2, 2, mask(2, 2), Some("a picture of 2x2 takes 12 bytes of RGB, but there are 11")),
            (0, 0, 2, mask(0, 2), Some("a picture of 0x2 takes 0 bytes of RGB, but there are 0")),
            (12, 2, 2, mask(4, 1), Some("the mask is 4x1 but the picture 2x2: make the mask at that size")),
        ];
        for (bytes, width, height, mask, expected) in cases {
            let result = draw(&mut vec![0; bytes], width, height, &mask, &[], Legend::Shown);
            assert_eq!(result.err().map(|error| error.to_string()).as_deref(), expected);
        }
    }

    #[test]
    fn every_size_can_be_drawn() {
        let classes = classes_from_names(&["background", "a class with a rather long name", "cat"]);
        for (width, height) in [(1, 1), (3, 40), (40, 3), (64, 48), (320, 240), (1920, 1080)] {
            let data = (0..width * height).map(|i| (i % 5) as u8).collect();
            let mut rgb = vec![90; 3 * (width * height) as usize];
            draw(&mut rgb, width, height, &Mask { width, height, data }, &classes, Legend::Shown).unwrap();
        }
    }

    #[test]
    fn jpeg_files_hold_the_picture() {
        let rgb = [200, 40, 90].repeat(16 * 8);
        let file = encode_jpeg(&rgb, 16, 8).unwrap();
        let read = image::load_from_memory(&file).unwrap().to_rgb8();
        assert_eq!(read.dimensions(), (16, 8));
        assert!(read.iter().zip(&rgb).all(|(got, want)| got.abs_diff(*want) < 4));
        assert!(matches!(encode_jpeg(&vec![0; 3 * 70_000], 70_000, 1), Err(OverlayError::Jpeg { .. })));
    }
}
