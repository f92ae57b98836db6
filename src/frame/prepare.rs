//! From a frame to a network's input: colour order, resize and normalisation.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

use super::color::FrameError;
use super::{Frame, PixelFormat};
use crate::mask::Region;

/// The pixel value, before normalisation, around a letterboxed frame.
const PADDING: u8 = 114;

/// Channels that a network takes, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColorOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Luminance (BT.601: 0.299 R + 0.587 G + 0.114 B) alone.
    Gray,
}

impl ColorOrder {
    /// Number of channels: 3, or 1 for grey.
    pub fn channels(self) -> usize {
        match self {
            ColorOrder::Rgb | ColorOrder::Bgr => 3,
            ColorOrder::Gray => 1,
        }
    }
}

/// How a frame comes to the size of a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeRule {
    /// Each direction on its own; the frame covers the whole input.
    Stretch,
    /// The same factor in both directions; the frame is centred and the rest holds the pixel value 114.
    Letterbox,
}

/// What a network expects of its input: value = (pixel / 255 - mean) / std in each channel, as in torchvision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputRule {
    /// Channels and their order.
    pub color: ColorOrder,
    /// Mean of each channel, in the order of `color`, for pixels in 0..=1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, above 0, for pixels in 0..=1.
    pub std: Vec<f32>,
    /// How the frame is brought to the input's size.
    pub resize: ResizeRule,
}

impl InputRule {
    /// A checked rule.
    ///
    /// # Errors
    /// Those of [`InputRule::check`].
    pub fn new(
        color: ColorOrder,
        mean: Vec<f32>,
        std: Vec<f32>,
        resize: ResizeRule,
    ) -> Result<InputRule, PrepareError> {
        let rule = InputRule { color, mean, std, resize };
        rule.check()?;
        Ok(rule)
    }

    /// RGB, stretched, mean 0.5 and std 0.5: values in -1..=1.
    pub fn symmetric() -> InputRule {
        InputRule {
            color: ColorOrder::Rgb,
            mean: vec![0.5; 3],
            std: vec![0.5; 3],
            resize: ResizeRule::Stretch,
        }
    }

    /// Checks that `mean` and `std` have one finite value a channel and that every std is above 0.
    ///
    /// # Errors
    /// [`PrepareError::Rule`] says what is wrong.
    pub fn check(&self) -> Result<(), PrepareError> {
        let channels = self.color.channels();
        let wrong = |reason: String| Err(PrepareError::Rule { reason });
        for (name, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != channels {
                return wrong(format!(
                    "{name} has {} values, but {:?} has {channels} channel(s)",
                    values.len(),
                    self.color
                ));
            }
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return wrong(format!("{name} holds {value}, which is not a finite number"));
            }
        }
        match self.std.iter().find(|&&value| value <= 0.0) {
            Some(value) => wrong(format!("std holds {value}, but it must be above 0")),
            None => Ok(()),
        }
    }

    /// The value of every pixel value in one channel.
    fn table(&self, channel: usize) -> [f32; 256] {
        std::array::from_fn(|pixel| (pixel as f32 / 255.0 - self.mean[channel]) / self.std[channel])
    }
}

/// The part of a network's input that the frame covers, in pixels of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Placement {
    /// The placement as fractions of an input of `input_width` x `input_height` pixels, which is what
    /// [`crate::mask::Masker`] takes: logits may have another size than the input.
    pub fn fraction(&self, input_width: u32, input_height: u32) -> Region {
        let (width, height) = (input_width as f32, input_height as f32);
        Region {
            x: self.x as f32 / width,
            y: self.y as f32 / height,
            width: self.width as f32 / width,
            height: self.height as f32 / height,
        }
    }
}

/// Why a frame cannot become a network's input.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PrepareError {
    /// The input rule contradicts itself.
    #[error(
        "the input rule is wrong: {reason}; correct the model card or the options for mean, std and color"
    )]
    Rule {
        /// What is wrong.
        reason: String,
    },
    /// The network's input has no pixels.
    #[error("the network's input is {width}x{height} and so has no pixels: give it a size")]
    InputSize {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// The slice for the input has the wrong length.
    #[error("the network's input takes {expected} values, but there is room for {found}")]
    InputLength {
        /// Values that it takes: channels * height * width.
        expected: usize,
        /// Length of the slice.
        found: usize,
    },
    /// The frame is broken.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The resize failed.
    #[error("frame {frame} cannot be resized: {reason}")]
    Resize {
        /// The frame's number.
        frame: u64,
        /// What the resizer says.
        reason: String,
    },
}

/// Turns frames into a network's input, and keeps its buffers from frame to frame.
pub struct Preparer {
    rule: InputRule,
    width: u32,
    height: u32,
    /// One table a channel, in the network's order.
    tables: Vec<[f32; 256]>,
    resizer: Resizer,
    /// The frame in the channels that are resized, where they are not the frame's own bytes.
    pixels: Vec<u8>,
    /// `pixels` at the size that the frame has in the input.
    resized: Vec<u8>,
}

impl Preparer {
    /// A preparer for an input of `width` x `height` pixels.
    ///
    /// # Errors
    /// [`PrepareError::Rule`] and [`PrepareError::InputSize`].
    pub fn new(rule: InputRule, width: u32, height: u32) -> Result<Preparer, PrepareError> {
        rule.check()?;
        if width == 0 || height == 0 {
            return Err(PrepareError::InputSize { width, height });
        }
        let tables = (0..rule.color.channels()).map(|channel| rule.table(channel)).collect();
        let resizer = Resizer::new();
        Ok(Preparer { rule, width, height, tables, resizer, pixels: Vec::new(), resized: Vec::new() })
    }

    /// The rule that it follows.
    pub fn rule(&self) -> &InputRule {
        &self.rule
    }

    /// Values of an input: channels * height * width.
    pub fn input_len(&self) -> usize {
        self.tables.len() * self.height as usize * self.width as usize
    }

    /// Where a frame of `width` x `height` pixels comes to lie in the input. A letterboxed frame keeps its shape to
    /// the nearest pixel, has at least one row and one column, and an odd rest of padding goes to the right and
    /// the bottom.
    pub fn placement(&self, width: u32, height: u32) -> Placement {
        let whole = Placement { x: 0, y: 0, width: self.width, height: self.height };
        if self.rule.resize == ResizeRule::Stretch || width == 0 || height == 0 {
            return whole;
        }
        let scale =
            f64::min(f64::from(self.width) / f64::from(width), f64::from(self.height) / f64::from(height));
        let fit = |length: u32, limit: u32| ((f64::from(length) * scale).round() as u32).clamp(1, limit);
        let (width, height) = (fit(width, self.width), fit(height, self.height));
        Placement { x: (self.width - width) / 2, y: (self.height - height) / 2, width, height }
    }

    /// For each channel, in the network's order, the value of every pixel value.
    pub fn tables(&self) -> &[[f32; 256]] {
        &self.tables
    }

    /// Writes the frame as `[1, channels, height, width]` into `input` and says which part of the input it covers.
    ///
    /// The resize works on 8-bit pixels with a triangle filter whose support grows with the reduction (bilinear with
    /// antialiasing, as Pillow's `BILINEAR`); then one table of 256 values a channel normalises. Grey frames stay
    /// one channel until the end; a grey input of a YUV frame is its Y at full range.
    ///
    /// # Errors
    /// [`PrepareError::InputLength`] for an `input` of another length than [`Preparer::input_len`],
    /// [`PrepareError::Frame`] for a broken frame.
    pub fn prepare(&mut self, frame: &Frame, input: &mut [f32]) -> Result<Placement, PrepareError> {
        self.check_len(input.len())?;
        let (place, channels) = self.resize_frame(frame)?;
        let pixels = self.placed(frame, place);
        let plane = self.width as usize * self.height as usize;
        for (channel, (values, table)) in input.chunks_exact_mut(plane).zip(&self.tables).enumerate() {
            let offset = self.source_channel(channel, channels);
            write_plane(values, self.width as usize, place, table, &pixels[offset..], channels);
        }
        Ok(place)
    }

    /// As [`Preparer::prepare`], but writes `[height, width, channels]`, and what `tables` say for each channel and pixel value: the
    /// input of a network whose values are not f32.
    ///
    /// # Errors
    /// As [`Preparer::prepare`].
    pub fn prepare_pixels<T: Copy>(
        &mut self,
        frame: &Frame,
        tables: &[[T; 256]],
        input: &mut [T],
    ) -> Result<Placement, PrepareError> {
        self.check_len(input.len())?;
        let (place, channels) = self.resize_frame(frame)?;
        let pixels = self.placed(frame, place);
        let (x, y) = (place.x as usize, place.y as usize);
        let (columns, rows) = (place.width as usize, place.height as usize);
        let outputs = tables.len();
        let fill = |values: &mut [T]| {
            for pixel in values.chunks_exact_mut(outputs) {
                pixel.iter_mut().zip(tables).for_each(|(value, table)| *value = table[PADDING as usize]);
            }
        };
        let row_len = self.width as usize * outputs;
        for (row, values) in input.chunks_exact_mut(row_len).enumerate() {
            if !(y..y + rows).contains(&row) {
                fill(values);
                continue;
            }
            fill(&mut values[..x * outputs]);
            fill(&mut values[(x + columns) * outputs..]);
            let values = values[x * outputs..(x + columns) * outputs].chunks_exact_mut(outputs);
            let pixels = pixels[(row - y) * columns * channels..].chunks_exact(channels);
            match (tables, channels, self.rule.color) {
                ([first, second, third], 3, ColorOrder::Rgb) => {
                    for (value, pixel) in values.zip(pixels) {
                        value[0] = first[usize::from(pixel[0])];
                        value[1] = second[usize::from(pixel[1])];
                        value[2] = third[usize::from(pixel[2])];
                    }
                }
                _ => {
                    for (value, pixel) in values.zip(pixels) {
                        for (channel, (value, table)) in value.iter_mut().zip(tables).enumerate() {
                            *value = table[usize::from(pixel[self.source_channel(channel, channels)])];
                        }
                    }
                }
            }
        }
        Ok(place)
    }

    fn check_len(&self, found: usize) -> Result<(), PrepareError> {
        if found == self.input_len() {
            return Ok(());
        }
        Err(PrepareError::InputLength { expected: self.input_len(), found })
    }

    /// Which of a pixel's channels is `channel` of the network.
    fn source_channel(&self, channel: usize, channels: usize) -> usize {
        match (channels, self.rule.color) {
            (1, _) => 0,
            (_, ColorOrder::Bgr) => 2 - channel,
            (_, _) => channel,
        }
    }

    /// Brings the frame to its size in the input, in as many interleaved channels as are said.
    fn resize_frame(&mut self, frame: &Frame) -> Result<(Placement, usize), PrepareError> {
        frame.check()?;
        let place = self.placement(frame.width, frame.height);
        let (pixels, channels) = channels_to_resize(frame, self.rule.color, &mut self.pixels)?;
        if (place.width, place.height) != (frame.width, frame.height) {
            let target = (place.width, place.height);
            self.resized.resize(channels * place.width as usize * place.height as usize, 0);
            let (resizer, resized) = (&mut self.resizer, &mut self.resized);
            let result = match channels {
                1 => resize::<U8>(resizer, pixels, (frame.width, frame.height), resized, target),
                _ => resize::<U8x3>(resizer, pixels, (frame.width, frame.height), resized, target),
            };
            result.map_err(|reason| PrepareError::Resize { frame: frame.number, reason })?;
        }
        Ok((place, channels))
    }

    /// The pixels that [`Preparer::resize_frame`] gave.
    fn placed<'a>(&'a self, frame: &'a Frame, place: Placement) -> &'a [u8] {
        if (place.width, place.height) != (frame.width, frame.height) {
            return &self.resized;
        }
        if uses_own_bytes(frame, self.rule.color) { &frame.data } else { &self.pixels }
    }
}

/// Whether [`channels_to_resize`] gives the frame's own bytes.
fn uses_own_bytes(frame: &Frame, color: ColorOrder) -> bool {
    match frame.format {
        PixelFormat::Gray8 => true,
        PixelFormat::Rgb8 => color != ColorOrder::Gray,
        _ => false,
    }
}

/// Resizes `pixels` into `resized`; sizes are width and height. On typed images, because the untyped call builds code
/// for every pixel type that the library knows.
fn resize<P: PixelTrait>(
    resizer: &mut Resizer,
    pixels: &[u8],
    (width, height): (u32, u32),
    resized: &mut [u8],
    (target_width, target_height): (u32, u32),
) -> Result<(), String> {
    let source = TypedImageRef::<P>::from_buffer(width, height, pixels).map_err(|e| e.to_string())?;
    let mut target =
        TypedImage::<P>::from_buffer(target_width, target_height, resized).map_err(|e| e.to_string())?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    resizer.resize_typed(&source, &mut target, &options).map_err(|e| e.to_string())
}

/// The frame's pixels with as many interleaved channels as the resize must handle: 1 where the frame or the input
/// is grey, else R, G, B. `buffer` holds them where they are not the frame's own bytes.
fn channels_to_resize<'a>(
    frame: &'a Frame,
    color: ColorOrder,
    buffer: &'a mut Vec<u8>,
) -> Result<(&'a [u8], usize), FrameError> {
    match (frame.format, color) {
        (PixelFormat::Gray8, _) => Ok((frame.data.as_slice(), 1)),
        (_, ColorOrder::Gray) => {
            frame.write_gray(buffer)?;
            Ok((buffer.as_slice(), 1))
        }
        (PixelFormat::Rgb8, _) => Ok((frame.data.as_slice(), 3)),
        (_, _) => {
            frame.write_rgb(buffer)?;
            Ok((buffer.as_slice(), 3))
        }
    }
}

/// Fills one channel of the input, `width` values a row: padding, and inside `place` every `step`-th of `pixels`.
fn write_plane(
    values: &mut [f32],
    width: usize,
    place: Placement,
    table: &[f32; 256],
    pixels: &[u8],
    step: usize,
) {
    let padding = table[PADDING as usize];
    let (x, y) = (place.x as usize, place.y as usize);
    let (columns, rows) = (place.width as usize, place.height as usize);
    let (above, rest) = values.split_at_mut(y * width);
    let (inside, below) = rest.split_at_mut(rows * width);
    above.fill(padding);
    below.fill(padding);
    for (row, values) in inside.chunks_exact_mut(width).enumerate() {
        values[..x].fill(padding);
        values[x + columns..].fill(padding);
        let pixels = pixels[row * columns * step..].iter().step_by(step);
        for (value, &pixel) in values[x..x + columns].iter_mut().zip(pixels) {
            *value = table[pixel as usize];
        }
    }
}

#[cfg(test)]
mod tests;
