//! A contact sheet: small pictures of masks from the whole time of a store, in one PNG.

use std::io::{BufWriter, Write};
use std::path::Path;

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_6X10;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Baseline, Text};

use super::output::{Output, disk};
use super::selection::Selection;
use super::{ExportError, Exporter, StoredMask, annotations};
use crate::mask::Mask;
use crate::overlay::Canvas;

/// Most pictures on a sheet. Where a store holds more masks, every second one goes, and every second one of these, ...:
/// what is left is evenly spaced, and at least half of this.
const CELLS_MAX: usize = 60;
/// The area of one picture in pixels.
const PICTURE: [u32; 2] = [200, 150];
/// Space around pictures, in pixels.
const GAP: u32 = 8;
/// Lines of text under a picture, and the height of one in pixels.
const LINES: u32 = 2;
const LINE: u32 = 11;
/// Grey of the sheet behind the pictures.
const GROUND: u8 = 40;

/// A sheet in the making.
pub(super) struct Sheet {
    output: Output,
    path: std::path::PathBuf,
    selection: Selection,
    samples: Samples<Cell>,
}

struct Cell {
    mask: Mask,
    lines: [String; LINES as usize],
}

impl Sheet {
    /// Begins the file `out`.
    ///
    /// # Errors
    /// Those of [`Output::create`].
    pub(super) fn create(out: &Path, selection: Selection, overwrite: bool) -> Result<Sheet, ExportError> {
        let output = Output::create(out, overwrite, "sheet.png")?;
        Ok(Sheet { output, path: out.to_owned(), selection, samples: Samples::new(CELLS_MAX) })
    }

    /// The sheet as R, G, B with its width and height.
    fn draw(&self) -> (Vec<u8>, u32, u32) {
        let cells = &self.samples.kept;
        let columns = (1..).find(|columns| columns * columns >= cells.len()).unwrap_or(1) as u32;
        let rows = (cells.len() as u32).div_ceil(columns);
        let (step_x, step_y) = (PICTURE[0] + GAP, PICTURE[1] + LINES * LINE + GAP);
        let (width, height) = (GAP + columns * step_x, GAP + rows * step_y);
        let mut rgb = vec![GROUND; 3 * width as usize * height as usize];
        let mut canvas = Canvas::new(&mut rgb, width, height);
        let style = MonoTextStyle::new(&FONT_6X10, Rgb888::WHITE);
        for (index, cell) in cells.iter().enumerate() {
            let (column, row) = (index as u32 % columns, index as u32 / columns);
            let corner = Point::new((GAP + column * step_x) as i32, (GAP + row * step_y) as i32);
            let size = Size::new(cell.mask.width, cell.mask.height);
            let margin = Size::new(PICTURE[0], PICTURE[1]).saturating_sub(size) / 2;
            let colors = cell.mask.data.iter().map(|&id| {
                let [r, g, b] = self.selection.color(id);
                Rgb888::new(r, g, b)
            });
            // Drawing into memory cannot fail.
            let Ok(()) = canvas.fill_contiguous(&Rectangle::new(corner + margin, size), colors);
            for (line, text) in cell.lines.iter().enumerate() {
                let below = Point::new(0, (PICTURE[1] + line as u32 * LINE) as i32 + 1);
                let Ok(_) = Text::with_baseline(text, corner + below, style, Baseline::Top).draw(&mut canvas);
            }
        }
        (rgb, width, height)
    }
}

/// The size of a picture of `width` x `height` pixels in the area for one, at least one pixel.
fn fitted(width: u32, height: u32) -> (u32, u32) {
    let (w, h) = (u64::from(width.max(1)), u64::from(height.max(1)));
    let [room_w, room_h] = PICTURE.map(u64::from);
    // The side that fills its room is the one with the larger part of it.
    let (w, h) = if w * room_h >= h * room_w { (room_w, h * room_w / w) } else { (w * room_h / h, room_h) };
    (w.max(1) as u32, h.max(1) as u32)
}

impl Exporter for Sheet {
    fn put(&mut self, stored: &StoredMask) -> Result<(), ExportError> {
        let selection = &self.selection;
        self.samples.add(|| {
            let (width, height) = fitted(stored.mask.width, stored.mask.height);
            let mask = selection.reduce(&stored.mask).scaled(width, height);
            let when = match annotations::captured(stored) {
                // To the second.
                Some((_, utc)) => utc.split('.').next().unwrap_or_default().replace('T', " ") + " UTC",
                None => format!("{:.3} s", stored.meta.time.as_secs_f64()),
            };
            let which = format!("#{} frame {}", stored.sequence, stored.meta.frame);
            let name = stored.meta.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
            let most = (PICTURE[0] / FONT_6X10.character_size.width) as usize;
            Cell { mask, lines: [format!("{which}{name}"), when].map(|t| t.chars().take(most).collect()) }
        });
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64, ExportError> {
        let (rgb, width, height) = self.draw();
        let mut out = BufWriter::new(&mut self.output);
        let mut write = || -> Result<(), png::EncodingError> {
            let mut encoder = png::Encoder::new(&mut out, width, height);
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_depth(png::BitDepth::Eight);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&rgb)?;
            writer.finish()
        };
        let written = write().map_err(|error| match error {
            png::EncodingError::IoError(error) => error,
            other => std::io::Error::other(other),
        });
        written.and_then(|()| out.flush()).map_err(disk("write", &self.path))?;
        drop(out);
        self.output.finish()
    }
}

/// Evenly spaced ones of a sequence whose length is not known.
struct Samples<T> {
    kept: Vec<T>,
    most: usize,
    /// Every how manieth is kept.
    stride: u64,
    seen: u64,
}

impl<T> Samples<T> {
    fn new(most: usize) -> Samples<T> {
        Samples { kept: Vec::new(), most, stride: 1, seen: 0 }
    }

    /// Takes the next one, which is made only where it is kept.
    fn add(&mut self, make: impl FnOnce() -> T) {
        let is_wanted = self.seen.is_multiple_of(self.stride);
        self.seen += 1;
        if !is_wanted {
            return;
        }
        if self.kept.len() == self.most {
            let mut index = 0;
            self.kept.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride *= 2;
            // It is in step with the new stride where the number of those that were kept is even.
            if !(self.seen - 1).is_multiple_of(self.stride) {
                return;
            }
        }
        self.kept.push(make());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_evenly_spaced() {
        for most in [1, 2, 3, 4, 7] {
            for count in 1..100 {
                let mut samples = Samples::new(most);
                (0..count).for_each(|number| samples.add(|| number));
                let stride = samples.stride as usize;
                let want: Vec<usize> = (0..count).step_by(stride).collect();
                assert_eq!(samples.kept, want, "{most} of {count}");
                assert!(want.len() <= most && (stride == 1 || 2 * want.len() >= most), "{most} of {count}");
            }
        }
    }

    #[test]
    fn pictures_fit_their_area() {
        let cases = [
            ((640, 480), (200, 150)),
            ((512, 288), (200, 112)),
            ((480, 640), (112, 150)),
            ((40, 30), (200, 150)),
            ((10_000, 1), (200, 1)),
            ((1, 10_000), (1, 150)),
            ((0, 0), (150, 150)),
        ];
        let wrong: Vec<_> = cases.into_iter().filter(|&((w, h), want)| fitted(w, h) != want).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
