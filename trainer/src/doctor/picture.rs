//! The check of one picture: is it whole, what is in it, and by what it is recognized again.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, imageops};
use sha2::{Digest, Sha256};

use super::finding::Kind;
use super::perceptual::{self, SIDE, Small};

/// What a picture is.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Whether it has one channel.
    pub is_gray: bool,
    /// Hash of its pixels and size, equal for equal pictures in different files.
    pub hash: [u8; 16],
    /// Perceptual hash.
    pub perceptual: u64,
    /// The picture in grey and small.
    pub small: Box<Small>,
    /// What is wrong with it, though it can be decoded.
    pub troubles: Vec<(Kind, String)>,
}

/// The facts of an encoded picture whose file is called `name`.
///
/// # Errors
/// [`Kind::Undecodable`] or [`Kind::Truncated`] and what the decoder says.
pub fn examine(name: &str, bytes: &[u8]) -> Result<Facts, (Kind, String)> {
    let undecodable = |error: image::ImageError| (Kind::Undecodable, error.to_string());
    let Ok(format) = image::guess_format(bytes) else {
        let what = if bytes.is_empty() { "the file is empty" } else { "neither JPEG nor PNG" };
        return Err((Kind::Undecodable, what.into()));
    };
    let whole = match format {
        ImageFormat::Jpeg => is_whole_jpeg(bytes),
        ImageFormat::Png => bytes.windows(4).any(|word| word == b"IEND"),
        other => return Err((Kind::Undecodable, format!("a {other:?} file: only JPEG and PNG are read"))),
    };
    if !whole {
        return Err((Kind::Truncated, format!("{} bytes, and its end mark is missing", bytes.len())));
    }
    let mut decoder =
        ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(undecodable)?;
    let (color, orientation) = (decoder.color_type(), decoder.orientation().map_err(undecodable)?);
    let picture = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
    let mut troubles = Vec::new();
    if ImageFormat::from_path(name).is_ok_and(|named| named != format) {
        troubles.push((Kind::Ending, format!("is {format:?}")));
    }
    if color.bytes_per_pixel() > color.channel_count() {
        troubles.push((Kind::Depth, format!("{color:?}")));
    }
    if color.has_alpha() && is_transparent(&picture) {
        troubles.push((Kind::Alpha, format!("{color:?}")));
    }
    if orientation != Orientation::NoTransforms {
        troubles.push((Kind::Orientation, format!("{orientation:?}")));
    }
    let (width, height) = (picture.width(), picture.height());
    let is_gray = !color.has_color();
    let pixels = if is_gray { picture.into_luma8().into_raw() } else { picture.into_rgb8().into_raw() };
    let mut facts = of_pixels(width, height, is_gray, &pixels);
    facts.troubles.extend(troubles);
    Ok(facts)
}

/// The facts of a decoded picture: `pixels` is `[height, width, 1]` where it is grey, else `[height, width, 3]`.
///
/// # Panics
/// If the pixels are not as many as the size says.
pub fn of_pixels(width: u32, height: u32, is_gray: bool, pixels: &[u8]) -> Facts {
    let channels = if is_gray { 1 } else { 3 };
    assert_eq!(pixels.len(), channels * width as usize * height as usize, "pixels of a picture");
    let first = &pixels[..channels.min(pixels.len())];
    let mut troubles = Vec::new();
    if pixels.chunks_exact(channels).all(|pixel| pixel == first) {
        troubles.push((Kind::Constant, format!("every pixel is {first:?}")));
    }
    let mut hash = Sha256::new_with_prefix([width.to_le_bytes(), height.to_le_bytes()].concat());
    hash.update(pixels);
    let hash = hash.finalize()[..16].try_into().expect("a hash has 32 bytes");
    let small = small(width, height, is_gray, pixels);
    Facts { width, height, is_gray, hash, perceptual: perceptual::hash(&small), small, troubles }
}

/// Luma as of ITU-R BT.601, averaged over areas.
fn small(width: u32, height: u32, is_gray: bool, pixels: &[u8]) -> Box<Small> {
    let luma = |rgb: &[u8]| {
        let sum = 299 * u32::from(rgb[0]) + 587 * u32::from(rgb[1]) + 114 * u32::from(rgb[2]);
        (sum / 1000) as u8
    };
    let gray = if is_gray { pixels.to_vec() } else { pixels.chunks_exact(3).map(luma).collect() };
    let gray = GrayImage::from_raw(width, height, gray).expect("the size was checked");
    let side = SIDE as u32;
    let small = imageops::thumbnail(&gray, side, side).into_raw();
    small.into_boxed_slice().try_into().expect("a thumbnail has the size that was asked for")
}

fn is_transparent(picture: &DynamicImage) -> bool {
    picture.to_rgba8().pixels().any(|pixel| pixel[3] < 255)
}

/// Whether the end mark follows the scan data; a JPEG of a camera may have a small JPEG within it, whose end mark comes
/// before the large one's scan.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xFF, marker, high, low]) = bytes.get(at..at + 4) {
        if marker == 0xDA {
            return bytes[at..].windows(2).any(|word| word == [0xFF, 0xD9]);
        }
        // Fill bytes may stand before a marker.
        at += if marker == 0xFF { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
    }
    false
}
