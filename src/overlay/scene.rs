//! One picture for a display of any size: frame, mask, legend and statistics, drawn in memory and sent in one go.

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use super::canvas::Canvas;
use super::statistics::{self, Statistics};
use super::{OverlayError, blend, check_picture, legend, panel};
use crate::mask::{Class, Mask};

/// What of a view is drawn beside the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The mask over the frame.
    pub overlay: bool,
    /// Names and shares of the classes, upper left.
    pub legend: bool,
    /// How the camera fares, lower left.
    pub statistics: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Parts { overlay: true, legend: true, statistics: true }
    }
}

/// A frame and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The frame as interleaved R, G, B, `3 * width * height` bytes.
    pub rgb: &'a [u8],
    /// Width of the frame in pixels.
    pub width: u32,
    /// Height of the frame in pixels.
    pub height: u32,
    /// Its mask, of any size.
    pub mask: &'a Mask,
    /// The classes of the mask.
    pub classes: &'a [Class],
    /// What the statistics panel says.
    pub statistics: Statistics<'a>,
}

/// Pictures of a display, one after another in the same memory.
#[derive(Debug, Default)]
pub struct Scene {
    parts: Parts,
    rgb: Vec<u8>,
    size: Size,
    mask: Mask,
    painted: Vec<u8>,
    frame_columns: Columns,
    mask_columns: Columns,
}

impl Scene {
    /// A scene that shows these parts.
    pub fn new(parts: Parts) -> Scene {
        Scene { parts, ..Scene::default() }
    }

    /// Shows other parts from the next picture on.
    pub fn set_parts(&mut self, parts: Parts) {
        self.parts = parts;
    }

    /// The newest picture: interleaved R, G, B, `3 * width * height` bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Size of the newest picture in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Draws a picture of `size` pixels: the frame as large as it fits in whole, in the middle, black beside it; the
    /// mask over it as [`super::draw`] paints it; the panels over both. Frame and mask are scaled to the nearest pixel.
    ///
    /// # Errors
    /// [`OverlayError::Picture`] where frame or `size` have no pixels or the frame's bytes are not as many as its size
    /// takes, [`OverlayError::Mask`] where the mask has no pixels or not as many as its size says.
    pub fn compose(&mut self, view: &View, size: Size) -> Result<(), OverlayError> {
        check_picture(view.rgb, view.width, view.height)?;
        let (mask, frame) = (view.mask, Size::new(view.width, view.height));
        let mask_pixels = mask.width as usize * mask.height as usize;
        if mask_pixels == 0 || mask.data.len() != mask_pixels {
            let (width, height) = (view.width, view.height);
            return Err(OverlayError::Mask {
                mask_width: mask.width,
                mask_height: mask.height,
                width,
                height,
            });
        }
        let bytes = 3 * size.width as usize * size.height as usize;
        if bytes == 0 {
            let (width, height) = (size.width, size.height);
            return Err(OverlayError::Picture { width, height, expected: 0, found: 0 });
        }
        let area = letterbox(frame, size);
        if self.size != size || area.size != size {
            self.rgb.clear();
            self.rgb.resize(bytes, 0);
            self.size = size;
        }

        let stride = 3 * size.width as usize;
        let inside = &mut self.rgb[area.top_left.y as usize * stride + 3 * area.top_left.x as usize..];
        let paint = blend::paint(view.classes);
        // Painted at the smaller of the two sizes, which is less work, and keeps contours visible on large displays.
        let is_painted_first = self.parts.overlay && frame.width < area.size.width;
        if is_painted_first {
            scale_mask(mask, &mut self.mask, frame, &mut self.mask_columns);
            self.painted.clear();
            self.painted.extend_from_slice(view.rgb);
            blend::blend(&mut self.painted, 3 * frame.width as usize, &self.mask, &paint);
        }
        let rgb = if is_painted_first { &self.painted } else { view.rgb };
        scale_rgb(rgb, frame, inside, stride, area.size, &mut self.frame_columns);
        if self.parts.overlay && !is_painted_first {
            scale_mask(mask, &mut self.mask, area.size, &mut self.mask_columns);
            blend::blend(inside, stride, &self.mask, &paint);
        }
        let canvas = &mut Canvas::new(&mut self.rgb, size.width, size.height);
        let mut room = size.height;
        if self.parts.statistics {
            let lines = statistics::lines(&view.statistics);
            panel::draw(canvas, panel::Corner::LowerLeft, &lines);
            room = room.saturating_sub(panel::height(size, lines.len()));
        }
        if self.parts.legend {
            legend::draw(canvas, &legend::rows(mask, view.classes, &paint), room);
        }
        Ok(())
    }

    /// Sends the newest picture to a display, from its upper left corner, in one call of its `fill_contiguous`.
    ///
    /// # Errors
    /// Those of the display.
    pub fn send<D>(&self, display: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget,
        D::Color: From<Rgb888>,
    {
        let colors = self.rgb.chunks_exact(3).map(|rgb| Rgb888::new(rgb[0], rgb[1], rgb[2]).into());
        display.fill_contiguous(&Rectangle::new(display.bounding_box().top_left, self.size), colors)
    }
}

/// The largest area in the middle of `outer` that has the proportions of `inner`; both have pixels.
fn letterbox(inner: Size, outer: Size) -> Rectangle {
    let fitted = |side: u32, other: u32, by: u32| {
        // Rounded to the nearest pixel, and never to none.
        ((u64::from(side) * u64::from(by) + u64::from(other) / 2) / u64::from(other)).max(1) as u32
    };
    let high = fitted(inner.height, inner.width, outer.width);
    let size = if high <= outer.height {
        Size::new(outer.width, high)
    } else {
        Size::new(fitted(inner.width, inner.height, outer.height).min(outer.width), outer.height)
    };
    Rectangle::new(Point::new(0, 0) + (outer - size) / 2, size)
}

/// The pixel of `from` in the middle of which, or nearest to it, lies the middle of pixel `at` of `to`.
fn nearest(at: u32, from: u32, to: u32) -> usize {
    ((2 * u64::from(at) + 1) * u64::from(from) / (2 * u64::from(to))) as usize
}

/// Which pixel of a row each pixel of a scaled row is; kept until the widths change.
#[derive(Debug, Default)]
struct Columns {
    from: u32,
    of: Vec<usize>,
}

impl Columns {
    fn between(&mut self, from: u32, to: u32) -> &[usize] {
        if self.from != from || self.of.len() != to as usize {
            self.from = from;
            self.of.clear();
            self.of.extend((0..to).map(|at| nearest(at, from, to)));
        }
        &self.of
    }
}

/// Fills an area of `size` whose rows begin `stride` bytes after each other.
fn scale_rgb(rgb: &[u8], from: Size, into: &mut [u8], stride: usize, size: Size, columns: &mut Columns) {
    let columns = columns.between(from.width, size.width);
    let bytes = 3 * size.width as usize;
    for y in 0..size.height {
        let source = nearest(y, from.height, size.height);
        let start = y as usize * stride;
        if y > 0 && nearest(y - 1, from.height, size.height) == source {
            into.copy_within(start - stride..start - stride + bytes, start);
            continue;
        }
        let source = &rgb[source * 3 * from.width as usize..][..3 * from.width as usize];
        let row = &mut into[start..][..bytes];
        if from.width == size.width {
            row.copy_from_slice(source);
            continue;
        }
        for (pixel, &x) in row.chunks_exact_mut(3).zip(columns) {
            pixel.copy_from_slice(&source[3 * x..][..3]);
        }
    }
}

/// The mask at `size`, in the memory of `scaled`.
fn scale_mask(mask: &Mask, scaled: &mut Mask, size: Size, columns: &mut Columns) {
    let columns = columns.between(mask.width, size.width);
    (scaled.width, scaled.height) = (size.width, size.height);
    scaled.data.clear();
    for y in 0..size.height {
        let row = &mask.data[nearest(y, mask.height, size.height) * mask.width as usize..];
        scaled.data.extend(columns.iter().map(|&x| row[x]));
    }
}

#[cfg(test)]
mod tests;
