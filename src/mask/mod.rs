//! From logits to a mask: upsampling with argmax in one pass, classes and their colours, indexed PNG, run-lengths.

mod argmax;
mod palette;
pub mod png;
pub mod rle;

pub use argmax::{Coordinates, Logits, MaskError, Masker, Region, Resized};
pub(crate) use palette::is_background_name;
pub use palette::{class_color, classes_from_names};

/// A class id for every pixel, row by row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Class ids, `width * height` of them.
    pub data: Vec<u8>,
}

impl Mask {
    /// The mask at another size, each pixel the class of the nearest.
    pub fn scaled(&self, width: u32, height: u32) -> Mask {
        let nearest = |place: u32, size: u32, own: u32| {
            (u64::from(place) * u64::from(own) / u64::from(size.max(1))) as usize
        };
        let data = (0..height)
            .flat_map(|y| {
                let row = nearest(y, height, self.height) * self.width as usize;
                (0..width).map(move |x| self.data[row + nearest(x, width, self.width)])
            })
            .collect();
        Mask { width, height, data }
    }

    /// Pixels of each class id, 256 counts.
    pub fn histogram(&self) -> [u64; 256] {
        let mut counts = [0; 256];
        for &id in &self.data {
            counts[id as usize] += 1;
        }
        counts
    }
}

/// A class that a model can tell or a data set holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Class {
    /// Its value in masks.
    pub id: u8,
    /// Its name, as people say it.
    pub name: String,
    /// Its colour in pictures: R, G, B.
    pub color: [u8; 3],
}
