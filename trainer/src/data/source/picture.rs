//! JPEG and PNG bytes into pixels, as the camera program reads them.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::super::error::{broken, disk};
use super::super::{DataError, Example, Target};

/// Longest side, in pixels: no header can ask for more memory than a picture is worth.
const SIDE_MAX_PX: u32 = 16384;
/// Most bytes that decoding may take.
const DECODE_MAX_BYTES: u64 = 512 << 20;
/// Endings of picture files, in small letters.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];

/// Whether a file's name is that of a picture, and not hidden.
pub(super) fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    ENDINGS.contains(&ending.as_str()) && !hidden
}

/// Reads a picture file.
pub(super) fn read(path: &Path, target: Target) -> Result<Example, DataError> {
    let bytes = fs::read(path).map_err(disk(path))?;
    decode(&bytes, target).map_err(|reason| broken(path, reason))
}

/// Decodes a JPEG or PNG to grey where it is grey and else to RGB: alpha is dropped, 16 bits become 8, and it is turned
/// upright as its EXIF orientation says. The error says what is wrong.
pub(super) fn decode(bytes: &[u8], target: Target) -> Result<Example, String> {
    let format = match bytes {
        [0xFF, 0xD8, 0xFF, ..] => ImageFormat::Jpeg,
        [0x89, b'P', b'N', b'G', ..] => ImageFormat::Png,
        [] => return Err("it is empty".into()),
        _ => return Err("it is neither a JPEG nor a PNG".into()),
    };
    // The decoder would fill the rest of a cut JPEG with grey.
    if format == ImageFormat::Jpeg && !bytes.windows(2).skip(2).any(|pair| pair == [0xFF, 0xD9]) {
        return Err("the JPEG ends in the middle".into());
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX_PX);
    limits.max_image_height = Some(SIDE_MAX_PX);
    limits.max_alloc = Some(DECODE_MAX_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| error.to_string())?;
    if decoder.total_bytes() > DECODE_MAX_BYTES {
        let (width, height) = decoder.dimensions();
        return Err(format!("decoding {width}x{height} takes more than {} MiB", DECODE_MAX_BYTES >> 20));
    }
    let orientation = decoder.orientation().ok();
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
    if let Some(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (channels, pixels) = match image.color() {
        ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16 => {
            (1, image.into_luma8().into_raw())
        }
        _ => (3, image.into_rgb8().into_raw()),
    };
    Ok(Example { width, height, channels, pixels, target })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageBuffer, LumaA, Rgb, RgbImage, Rgba};
    use sedge::camera::{Source, Still};
    use sedge::frame::PixelFormat;

    fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        image.into().write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    /// The JPEG with an EXIF orientation.
    fn oriented(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let mut tiff = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        tiff.extend([orientation, 0, 0, 0, 0, 0, 0]);
        let length = (tiff.len() as u16 + 2).to_be_bytes();
        [&jpeg[..2], &[0xFF, 0xE1], &length, &tiff, &jpeg[2..]].concat()
    }

    #[test]
    fn pictures_are_those_of_the_camera_program() {
        let colors = RgbImage::from_fn(33, 18, |x, y| Rgb([7 * x as u8, 13 * y as u8, (x * y) as u8]));
        let jpeg = encoded(colors.clone(), ImageFormat::Jpeg);
        let alpha = ImageBuffer::from_fn(5, 3, |x, y| Rgba([50 * x as u8, 60 * y as u8, 9, 100]));
        let gray_alpha = ImageBuffer::from_fn(5, 3, |x, y| LumaA([50 * x as u8, 60 * y as u8]));
        let deep = ImageBuffer::from_fn(5, 3, |x, y| Rgb([13_000 * x as u16, 20_000 * y as u16, 9]));
        let cases = [
            ("jpeg", jpeg.clone()),
            ("turned jpeg", oriented(&jpeg, 6)),
            ("png", encoded(colors, ImageFormat::Png)),
            (
                "gray",
                encoded(GrayImage::from_fn(4, 4, |x, y| image::Luma([(x * y) as u8])), ImageFormat::Jpeg),
            ),
            ("alpha", encoded(alpha, ImageFormat::Png)),
            ("gray with alpha", encoded(gray_alpha, ImageFormat::Png)),
            ("16 bits", encoded(deep, ImageFormat::Png)),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.jpg");
        let mut failures = Vec::new();
        for (name, bytes) in cases {
            fs::write(&path, &bytes).unwrap();
            let frame = Still::open(&path).unwrap().next_frame().unwrap().unwrap();
            let channels = if frame.format == PixelFormat::Gray8 { 1 } else { 3 };
            let (width, height) = (frame.width as usize, frame.height as usize);
            let target = Target::Class(0);
            let expected = Example { width, height, channels, pixels: frame.data, target: target.clone() };
            let found = read(&path, target).unwrap();
            if found != expected {
                failures.push(format!("{name}: {}x{}x{}", found.width, found.height, found.channels));
            }
        }
        assert!(failures.is_empty(), "differ from the camera's: {failures:?}");
    }

    #[test]
    fn broken_pictures_are_refused() {
        let jpeg = encoded(RgbImage::new(64, 64), ImageFormat::Jpeg);
        let png = encoded(RgbImage::new(64, 64), ImageFormat::Png);
        let cases: [(&[u8], &str); 5] = [
            (&[], "it is empty"),
            (b"hello", "it is neither a JPEG nor a PNG"),
            (&jpeg[..jpeg.len() - 9], "the JPEG ends in the middle"),
            (&jpeg[..30], "the JPEG ends in the middle"),
            (&png[..png.len() / 2], ""),
        ];
        for (bytes, expected) in cases {
            let error = decode(bytes, Target::Class(0)).unwrap_err();
            assert!(error.contains(expected), "{error} is not {expected}");
        }
    }
}
