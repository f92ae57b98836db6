//! Masks as a video: YUV4MPEG2, which ffmpeg, mpv and sedge itself read.

use std::path::Path;

use super::output::Output;
use super::selection::Selection;
use super::{ExportError, Exporter, FrameFeed, StoredMask};
use crate::overlay::{self, Legend};

/// Frames per second where nothing says how many.
const FPS: f64 = 10.0;

/// A video in the making: each mask with a legend over its frame or, without frames, in full color over black. All
/// pictures have the size of the first; others are stretched to it.
pub(super) struct Video {
    output: Output,
    selection: Selection,
    frames: Option<FrameFeed>,
    fps: f64,
    size: Option<(u32, u32)>,
    /// The picture as R, G, B, and as Y, U and V.
    rgb: Vec<u8>,
    yuv: Vec<u8>,
}

impl Video {
    /// Begins the file `out`.
    ///
    /// # Errors
    /// Those of [`Output::create`], and [`ExportError::Frames`].
    pub(super) fn create(
        out: &Path,
        selection: Selection,
        overwrite: bool,
        mut frames: Option<FrameFeed>,
        fps: Option<f64>,
    ) -> Result<Video, ExportError> {
        let own = frames.as_mut().map(FrameFeed::fps).transpose()?.flatten();
        let fps = fps.or(own).filter(|&fps| fps > 0.0 && fps.is_finite()).unwrap_or(FPS);
        let output = Output::create(out, overwrite, "masks.y4m")?;
        Ok(Video { output, selection, frames, fps, size: None, rgb: Vec::new(), yuv: Vec::new() })
    }
}

impl Exporter for Video {
    fn put(&mut self, stored: &StoredMask) -> Result<(), ExportError> {
        let mask = self.selection.reduce(&stored.mask);
        let own = match &mut self.frames {
            Some(frames) => {
                let frame = frames.frame(stored.meta.frame)?;
                frame.write_rgb(&mut self.rgb)?;
                (frame.width, frame.height)
            }
            None => (mask.width, mask.height),
        };
        let (width, height) = match self.size {
            Some(size) => size,
            None => {
                let (num, den) = ratio(self.fps);
                let (width, height) = own;
                let head = format!(
                    "YUV4MPEG2 W{width} H{height} F{num}:{den} Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n"
                );
                self.output.put(head.as_bytes())?;
                *self.size.insert(own)
            }
        };
        let mask = if (mask.width, mask.height) == (width, height) {
            mask
        } else {
            std::borrow::Cow::Owned(mask.scaled(width, height))
        };
        if self.frames.is_none() {
            let selection = &self.selection;
            let colors = (0..=255).map(|id| match selection.is_background(id) {
                true => [0; 3],
                false => selection.color(id),
            });
            let colors: Vec<[u8; 3]> = colors.collect();
            self.rgb.clear();
            self.rgb.extend(mask.data.iter().flat_map(|&id| colors[usize::from(id)]));
        } else if own != (width, height) {
            self.rgb = stretched(&self.rgb, own, (width, height));
        }
        overlay::draw(&mut self.rgb, width, height, &mask, self.selection.classes(), Legend::Shown)
            .map_err(|error| ExportError::Encode { sequence: stored.sequence, reason: error.to_string() })?;
        write_yuv(&self.rgb, width as usize, height as usize, &mut self.yuv);
        self.output.put(b"FRAME\n")?;
        self.output.put(&self.yuv)
    }

    fn finish(self: Box<Self>) -> Result<u64, ExportError> {
        self.output.finish()
    }
}

/// A rate as a fraction: whole ones, those of NTSC in 1001sts, others in thousandths.
fn ratio(fps: f64) -> (u64, u64) {
    let is_whole = |value: f64| (value - value.round()).abs() < 0.002 && value.round() >= 1.0;
    if (fps - fps.round()).abs() < 1e-6 && fps >= 1.0 {
        return (fps.round() as u64, 1);
    }
    let of_1001 = fps * 1.001;
    if is_whole(of_1001) && fps > 20.0 {
        return (of_1001.round() as u64 * 1000, 1001);
    }
    (((fps * 1000.0).round() as u64).max(1), 1000)
}

/// A picture at another size, each pixel the nearest.
fn stretched(rgb: &[u8], (width, height): (u32, u32), (new_width, new_height): (u32, u32)) -> Vec<u8> {
    let nearest =
        |place: u32, new: u32, own: u32| (u64::from(place) * u64::from(own) / u64::from(new.max(1))) as usize;
    let row = |y: u32| nearest(y, new_height, height) * width as usize;
    let places = (0..new_height)
        .flat_map(|y| (0..new_width).map(move |x| (y, x)))
        .map(|(y, x)| row(y) + nearest(x, new_width, width));
    places.flat_map(|at| [rgb[3 * at], rgb[3 * at + 1], rgb[3 * at + 2]]).collect()
}

// Full-range RGB to BT.601, limited range, coefficients times 2^16, rounded:
//   Y = 16  + 219/255 (0.299 R + 0.587 G + 0.114 B)
//   U = 128 + 224/255 (B - Y') / 1.772
//   V = 128 + 224/255 (R - Y') / 1.402
// The rows of U and V add up to 0, so that grey stays grey.
const TO_Y: [i32; 3] = [16_829, 33_039, 6_416];
const TO_U: [i32; 3] = [-9_714, -19_070, 28_784];
const TO_V: [i32; 3] = [28_784, -24_103, -4_681];

fn weighted(weights: [i32; 3], [r, g, b]: [i32; 3]) -> i32 {
    weights[0] * r + weights[1] * g + weights[2] * b
}

/// Y, U and V of a picture as 4:2:0, chroma averaged over the pixels that it covers and placed between them (as JPEG has
/// it).
fn write_yuv(rgb: &[u8], width: usize, height: usize, yuv: &mut Vec<u8>) {
    let pixel = |x: usize, y: usize| {
        let at = 3 * (y * width + x);
        [rgb[at], rgb[at + 1], rgb[at + 2]].map(i32::from)
    };
    yuv.clear();
    yuv.extend(rgb.chunks_exact(3).map(|rgb| {
        let luma = weighted(TO_Y, [rgb[0], rgb[1], rgb[2]].map(i32::from));
        (16 + ((luma + (1 << 15)) >> 16)) as u8
    }));
    for weights in [TO_U, TO_V] {
        for y in (0..height).step_by(2) {
            for x in (0..width).step_by(2) {
                // The last column and row of an odd size stand for the missing ones too.
                let (right, below) = ((x + 1).min(width - 1), (y + 1).min(height - 1));
                let four = [pixel(x, y), pixel(right, y), pixel(x, below), pixel(right, below)];
                let sum: i32 = four.into_iter().map(|pixel| weighted(weights, pixel)).sum();
                yuv.push((128 + ((sum + (1 << 17)) >> 18)) as u8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, PixelFormat};
    use std::time::Duration;

    #[test]
    fn rates_are_fractions() {
        let cases = [
            (10.0, (10, 1)),
            (29.97, (30_000, 1001)),
            (30_000.0 / 1001.0, (30_000, 1001)),
            (23.976, (24_000, 1001)),
            (12.5, (12_500, 1000)),
            (0.1, (100, 1000)),
            (0.000_01, (1, 1000)),
        ];
        let wrong: Vec<_> = cases.into_iter().filter(|&(fps, want)| ratio(fps) != want).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn pictures_are_stretched() {
        let rgb: Vec<u8> = (0..12).collect();
        assert_eq!(stretched(&rgb, (2, 2), (4, 1)), [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]);
        assert_eq!(stretched(&rgb, (2, 2), (1, 2)), [0, 1, 2, 6, 7, 8]);
    }

    #[test]
    fn colors_come_back() {
        let mut wrong = Vec::new();
        let values = [0, 1, 64, 127, 128, 200, 254, 255];
        for at in 0..values.len().pow(3) {
            let [r, g, b] = [at / 64, at / 8 % 8, at % 8].map(|index| values[index]);
            let (width, height) = (3, 3);
            let mut yuv = Vec::new();
            write_yuv(&[r, g, b].repeat(9), 3, 3, &mut yuv);
            let (number, time, format) = (0, Duration::ZERO, PixelFormat::I420);
            let frame = Frame { number, time, width, height, format, data: yuv, name: None };
            let mut rgb = Vec::new();
            frame.write_rgb(&mut rgb).unwrap();
            // Two roundings to the coarser steps of the limited range.
            if !rgb.chunks_exact(3).all(|got| got.iter().zip([r, g, b]).all(|(a, b)| a.abs_diff(b) <= 3)) {
                wrong.push(format!("{:?} becomes {:?}", [r, g, b], &rgb[..3]));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
