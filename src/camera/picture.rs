//! JPEG and PNG bytes into pixels, within bounds of size and memory.

use std::io::{Cursor, Read};
use std::path::Path;

use ::image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::jpeg;
use super::size::{FRAME_MAX_BYTES, SIDE_MAX_PX, check_size};
use crate::frame::PixelFormat;

/// Decoded pixels, [`PixelFormat::Rgb8`] or [`PixelFormat::Gray8`].
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) format: PixelFormat,
    pub(super) data: Vec<u8>,
}

/// Which of the two still formats the bytes begin as.
pub(super) fn still_format(bytes: &[u8]) -> Option<ImageFormat> {
    if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        Some(ImageFormat::Jpeg)
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(ImageFormat::Png)
    } else {
        None
    }
}

/// Reads a JPEG or PNG file, turned upright as its EXIF orientation says.
pub(super) fn read_still(path: &Path) -> Result<Picture, String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(FRAME_MAX_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| format!("it cannot be read: {error}"))?;
    if bytes.len() as u64 > FRAME_MAX_BYTES {
        return Err(format!("the file is larger than {} MiB", FRAME_MAX_BYTES >> 20));
    }
    match still_format(&bytes) {
        Some(ImageFormat::Jpeg) => decode(&jpeg::complete(&bytes)?, ImageFormat::Jpeg, None),
        Some(format) => decode(&bytes, format, None),
        None if bytes.is_empty() => Err("the file is empty".into()),
        None => Err("it is neither a JPEG nor a PNG".into()),
    }
}

/// Decodes one frame of a Motion-JPEG stream whose header promised `size`, width and height in pixels.
pub(super) fn decode_motion_jpeg(bytes: &[u8], size: (u32, u32)) -> Result<Picture, String> {
    decode(&jpeg::complete(bytes)?, ImageFormat::Jpeg, Some(size))
}

fn decode(bytes: &[u8], format: ImageFormat, size: Option<(u32, u32)>) -> Result<Picture, String> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX_PX);
    limits.max_image_height = Some(SIDE_MAX_PX);
    limits.max_alloc = Some(2 * FRAME_MAX_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| error.to_string())?;

    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into())?;
    if let Some((expected_width, expected_height)) = size
        && (width, height) != (expected_width, expected_height)
    {
        return Err(format!(
            "the picture is {width}x{height} where the stream's header says {expected_width}x{expected_height}"
        ));
    }
    // The decoder's own layout may be wider than ours: 16 bits a channel, alpha.
    if decoder.total_bytes() > 2 * FRAME_MAX_BYTES {
        return Err(format!(
            "decoding {width}x{height} at this depth takes more than {} MiB",
            FRAME_MAX_BYTES >> 19
        ));
    }
    // A frame of a stream is upright as it is; only stills are turned.
    let orientation = if size.is_none() { decoder.orientation().ok() } else { None };
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
    if let Some(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    let (width, height) = (image.width(), image.height());
    let (format, data) = match image.color() {
        ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16 => {
            (PixelFormat::Gray8, image.into_luma8().into_raw())
        }
        _ => (PixelFormat::Rgb8, image.into_rgb8().into_raw()),
    };
    Ok(Picture { width, height, format, data })
}
