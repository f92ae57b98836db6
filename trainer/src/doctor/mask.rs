//! The check of one mask: is it one at all, what ids it holds, and which of them lie only on borders.

use std::io::Cursor;

use sedge::mask::Mask;
use sedge::mask::png::{self, PngError};
use sha2::{Digest, Sha256};

use super::finding::Kind;

/// What a mask holds.
#[derive(Clone, Debug)]
pub struct MaskFacts {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Pixels of each id.
    pub counts: Box<[u64; 256]>,
    /// Pixels of each id that look like a blend of their neighbours.
    pub fringe: Box<[u64; 256]>,
    /// Hash of the ids.
    pub hash: [u8; 16],
    /// Whether it has a palette.
    pub has_palette: bool,
}

/// The facts of an encoded mask.
///
/// # Errors
/// [`Kind::MaskFormat`] or [`Kind::MaskUndecodable`] and why.
pub fn examine(bytes: &[u8]) -> Result<(MaskFacts, Mask), (Kind, String)> {
    let mask = png::read(Cursor::new(bytes)).map_err(|error| refused(bytes, &error))?;
    let hash = Sha256::digest(&mask.data)[..16].try_into().expect("a hash has 32 bytes");
    // The color type of the header, byte 25 of a PNG: 3 is indexed.
    let has_palette = bytes.get(25) == Some(&3);
    let (counts, fringe) = (Box::new(mask.histogram()), Box::new(fringe(&mask)));
    Ok((MaskFacts { width: mask.width, height: mask.height, counts, fringe, hash, has_palette }, mask))
}

fn refused(bytes: &[u8], error: &PngError) -> (Kind, String) {
    match error {
        PngError::NotIds { color, bits } => {
            let what = format!("{color:?} with {bits} bits{}", colors(bytes));
            (Kind::MaskFormat, what)
        }
        _ if bytes.starts_with(&[0xFF, 0xD8]) => (Kind::MaskFormat, "a JPEG called .png".into()),
        _ if bytes.is_empty() => (Kind::MaskUndecodable, "the file is empty".into()),
        error => (Kind::MaskUndecodable, error.to_string()),
    }
}

/// The colors of a mask that holds colors, where they are few enough to be classes.
fn colors(bytes: &[u8]) -> String {
    let Ok(picture) = image::load_from_memory(bytes) else { return String::new() };
    let mut colors: Vec<[u8; 3]> = picture.into_rgb8().pixels().map(|pixel| pixel.0).collect();
    colors.sort_unstable();
    colors.dedup();
    let shown: Vec<String> = colors.iter().take(4).map(|color| format!("{color:?}")).collect();
    let more = if colors.len() > shown.len() { ", ..." } else { "" };
    format!(", {} colors: {}{more}", colors.len(), shown.join(", "))
}

/// Pixels of each id that look like a blend: of a stroke one pixel wide (in no 2x2 block of their own id), with both a
/// lower and a higher id among the eight around them, which is where interpolation puts its values.
fn fringe(mask: &Mask) -> [u64; 256] {
    let mut fringe = [0; 256];
    let (width, height) = (mask.width as usize, mask.height as usize);
    for y in 1..height.saturating_sub(1) {
        let rows = [y - 1, y, y + 1].map(|y| &mask.data[y * width..][..width]);
        for x in 1..width.saturating_sub(1) {
            let id = rows[1][x];
            let (left, right) = (rows[1][x - 1], rows[1][x + 1]);
            let (up, down) = (rows[0][x], rows[2][x]);
            if left == id && right == id && up == id && down == id {
                continue;
            }
            let corners = [rows[0][x - 1], rows[0][x + 1], rows[2][x - 1], rows[2][x + 1]];
            let sides = [(left, up), (right, up), (left, down), (right, down)];
            let is_in_block =
                sides.iter().zip(corners).any(|(&(a, b), corner)| a == id && b == id && corner == id);
            let around = || corners.into_iter().chain([left, right, up, down]);
            if !is_in_block && around().any(|other| other < id) && around().any(|other| other > id) {
                fringe[usize::from(id)] += 1;
            }
        }
    }
    fringe
}
