//! Decoding a picture and its mask, whatever form they have.

use image::{DynamicImage, RgbImage};
use sedge::mask::Mask;

use super::{Item, Label};
use crate::doctor::mask;

impl Item {
    /// The picture in color; `None` where it cannot be decoded.
    pub fn decode(&self) -> Option<RgbImage> {
        if let Some(bytes) = self.picture.bytes() {
            return image::load_from_memory(&bytes.ok()?).ok().map(DynamicImage::into_rgb8);
        }
        let example = self.picture.example()?.ok()?;
        let (width, height) = (example.width as u32, example.height as u32);
        let pixels = match example.channels {
            1 => example.pixels.iter().flat_map(|&gray| [gray; 3]).collect(),
            _ => example.pixels,
        };
        RgbImage::from_raw(width, height, pixels)
    }

    /// The mask; `None` where there is none that can be read.
    pub fn decode_mask(&self) -> Option<Mask> {
        let Label::Mask(path, _) = &self.label else { return None };
        let (_, mask) = mask::examine(&std::fs::read(path).ok()?).ok()?;
        Some(mask)
    }
}
