//! Random changes of pictures, the same for image and mask, by draws that follow from seed, epoch and example.

mod canvas;
mod color;
mod optics;
mod text;
mod warp;

pub use text::AugmentError;

pub(super) use canvas::Canvas;

use serde::{Deserialize, Serialize};

/// By how much examples are changed; the default changes nothing. Written as `flip,scale=0.75:1.25,rotate=10`
/// ([`std::str::FromStr`], [`std::fmt::Display`]).
///
/// Flip, scale, crop, shift and rotation are one affine map of the input's pixels, bilinear for the image and nearest for the
/// mask. Beside the image, it goes on with its border pixels, and the mask has the ignore label. Blur, color and noise, in
/// this order, change the image alone; its values are rounded to 8 bits once, at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Chance in 0..=1 to swap left and right. `flip` alone is 0.5.
    pub flip: f64,
    /// Chance in 0..=1 to swap top and bottom. `vflip` alone is 0.5.
    pub vflip: f64,
    /// Least and largest factor by which the picture is made larger about its center, `scale=LEAST:LARGEST`.
    pub scale: (f64, f64),
    /// Least part of the sides, in 0..=1, of a window at a random place that is then enlarged to the input. 0: none.
    pub crop: f64,
    /// Largest shift across and down, in 0..=1 of the sides.
    pub shift: f64,
    /// Largest angle, in 0..=180 degrees, to either side.
    pub rotate: f64,
    /// Values are multiplied by up to `1 +- brightness`.
    pub brightness: f64,
    /// Distances from the image's mean luminance are multiplied by up to `1 +- contrast`.
    pub contrast: f64,
    /// Distances from grey are multiplied by up to `1 +- saturation`; grey pictures stay.
    pub saturation: f64,
    /// Largest turn of the hue, in 0..=0.5 of the color circle, to either side; grey pictures stay.
    pub hue: f64,
    /// Largest deviation of normal noise, in 0..=1 of the range of values.
    pub noise: f64,
    /// Largest deviation of a Gaussian blur, in pixels of the input, up to 10.
    pub blur: f64,
}

impl Default for Augment {
    fn default() -> Augment {
        Augment {
            flip: 0.0,
            vflip: 0.0,
            scale: (1.0, 1.0),
            crop: 0.0,
            shift: 0.0,
            rotate: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            hue: 0.0,
            noise: 0.0,
            blur: 0.0,
        }
    }
}

impl Augment {
    /// Whether nothing is changed.
    pub fn is_none(&self) -> bool {
        *self == Augment::default()
    }

    /// Whether places beside the image can come into view, which masks must then ignore.
    pub fn moves(&self) -> bool {
        self.scale.0 < 1.0 || self.shift > 0.0 || self.rotate > 0.0
    }
}
