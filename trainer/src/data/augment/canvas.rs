//! All changes of one example, with their buffers.

use sedge::frame::ColorOrder;

use super::color::ColorChange;
use super::warp::Warp;
use super::{Augment, optics};
use crate::data::Draws;

/// Where examples are changed.
#[derive(Debug, Default)]
pub(in crate::data) struct Canvas {
    /// The changed image, `[height, width, channels]`.
    pub(in crate::data) pixels: Vec<u8>,
    /// The changed mask, `[height, width]`; empty where there is none.
    pub(in crate::data) mask: Vec<u8>,
    width: usize,
    height: usize,
    channels: usize,
    /// Channels of red, green and blue.
    order: [usize; 3],
    values: Vec<f32>,
    rows: Vec<f32>,
}

impl Canvas {
    /// For images of a size and an order of channels.
    pub(in crate::data) fn new(width: usize, height: usize, color: ColorOrder) -> Canvas {
        let order = match color {
            ColorOrder::Bgr => [2, 1, 0],
            ColorOrder::Rgb | ColorOrder::Gray => [0, 1, 2],
        };
        Canvas { width, height, channels: color.channels(), order, ..Canvas::default() }
    }

    /// Changes an image and, where there is one, its mask, whose pixels beside the image get the ignore label; gives
    /// [`Batch::moves`](crate::data::Batch::moves) of the example.
    pub(in crate::data) fn change(
        &mut self,
        augment: &Augment,
        draws: &mut Draws,
        pixels: &[u8],
        mask: Option<(&[u8], Option<u8>)>,
    ) -> Option<[[f64; 3]; 2]> {
        let Canvas { width, height, channels, order, .. } = *self;
        let warp = Warp::draw(augment, draws, width, height);
        self.mask.clear();
        if let Some((ids, ignore)) = mask {
            self.mask.extend_from_slice(ids);
            if !warp.is_identity() {
                // Without an ignore label nothing beside the image comes into view, see `Loader::new`, but for rounding.
                warp.mask(ids, width, ignore.unwrap_or(ids[0]), &mut self.mask);
            }
        }
        let values = &mut self.values;
        values.clear();
        values.extend(pixels.iter().copied().map(f32::from));
        if !warp.is_identity() {
            warp.image(pixels, width, channels, values);
        }
        optics::blur(augment, draws, values, (width, channels), &mut self.rows);
        ColorChange::draw(augment, draws).apply(values, channels, order);
        optics::noise(augment, draws, values);
        self.pixels.clear();
        // The cast goes to the nearest end of 0..=255.
        self.pixels.extend(values.iter().map(|value| value.round() as u8));
        (!warp.is_identity()).then_some(warp.matrix)
    }
}
