//! From a frame to a network's input: colour order, resize and normalisation.

use serde::{Deserialize, Serialize};

use super::color::FrameError;
use super::resize::{Resizing, Task};
use super::{Crop, Frame, PixelFormat};
use crate::kernels::{self, IsaError, Kernels, LookUp, Q};
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
    /// The crop has no pixels, or reaches out of the frame.
    #[error(
        "frame {frame} has {width}x{height} pixels, which do not hold the crop of {}x{} from column {} and row {}: \
         choose one inside the camera's picture", .crop.width, .crop.height, .crop.x, .crop.y
    )]
    Crop {
        /// The frame's number.
        frame: u64,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// The crop.
        crop: Crop,
    },
    /// The environment asks for kernels that this processor cannot run.
    #[error(transparent)]
    Isa(#[from] IsaError),
}

/// Turns frames into a network's input, and keeps its buffers from frame to frame: after the first frame of a size
/// nothing is allocated.
///
/// A frame goes through in one pass, row by row: the rows of the frame that a row of the input needs are brought to RGB
/// (or grey), resized downwards, then across, and what a table says of each pixel value is written. The resize works on
/// 8-bit pixels with a triangle filter whose support grows with the reduction (bilinear with antialiasing, as Pillow's
/// `BILINEAR`). Grey frames stay one channel until the end; a grey input of a YUV frame is its Y at full range. The bits
/// are those of doing one after the other with the whole frame, on every processor.
pub struct Preparer {
    rule: InputRule,
    width: u32,
    height: u32,
    /// One table a channel, in the network's order.
    tables: Vec<[f32; 256]>,
    kernels: &'static dyn Kernels,
    crop: Option<Crop>,
    resizing: Resizing,
}

impl Preparer {
    /// A preparer for an input of `width` x `height` pixels, with the fastest kernels that this processor can run, or
    /// those that `SEDGE_ISA` names.
    ///
    /// # Errors
    /// [`PrepareError::Rule`], [`PrepareError::InputSize`] and [`PrepareError::Isa`].
    pub fn new(rule: InputRule, width: u32, height: u32) -> Result<Preparer, PrepareError> {
        Preparer::with_kernels(rule, width, height, kernels::best()?)
    }

    /// As [`Preparer::new`] with kernels of the caller's choice.
    ///
    /// # Errors
    /// [`PrepareError::Rule`] and [`PrepareError::InputSize`].
    pub fn with_kernels(
        rule: InputRule,
        width: u32,
        height: u32,
        kernels: &'static dyn Kernels,
    ) -> Result<Preparer, PrepareError> {
        rule.check()?;
        if width == 0 || height == 0 {
            return Err(PrepareError::InputSize { width, height });
        }
        let tables = (0..rule.color.channels()).map(|channel| rule.table(channel)).collect();
        let resizing = Resizing::new(kernels);
        Ok(Preparer { rule, width, height, tables, kernels, crop: None, resizing })
    }

    /// The part of every frame that is looked at from now on; none is the whole frame. What comes into the input is
    /// what a frame that has nothing but this part would give, and [`Placement`]s are those of such a frame.
    pub fn set_crop(&mut self, crop: Option<Crop>) {
        self.crop = crop;
    }

    /// The part of every frame that is looked at.
    pub fn crop(&self) -> Option<Crop> {
        self.crop
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

    /// Writes the frame as `[1, channels, height, width]` into `input` and says which part of the input it covers. Of each
    /// pixel value [`Preparer::tables`] say what is written.
    ///
    /// # Errors
    /// [`PrepareError::InputLength`] for an `input` of another length than [`Preparer::input_len`],
    /// [`PrepareError::Frame`] for a broken frame, [`PrepareError::Crop`] for one that does not hold the crop.
    pub fn prepare(&mut self, frame: &Frame, input: &mut [f32]) -> Result<Placement, PrepareError> {
        self.check_len(input.len())?;
        let (place, task) = self.task(frame)?;
        let width = self.width as usize;
        let (x, y) = (place.x as usize, place.y as usize);
        let (columns, rows) = (place.width as usize, place.height as usize);
        let plane = width * self.height as usize;
        for (values, table) in input.chunks_exact_mut(plane).zip(&self.tables) {
            let padding = table[usize::from(PADDING)];
            values[..y * width].fill(padding);
            values[(y + rows) * width..].fill(padding);
        }
        let (order, tables) = (self.order(task.channels), &self.tables);
        self.resizing.rows(frame, task, |row, pixels| {
            for ((values, table), channel) in input.chunks_exact_mut(plane).zip(tables).zip(order) {
                let padding = table[usize::from(PADDING)];
                let values = &mut values[(y + row) * width..][..width];
                values[..x].fill(padding);
                values[x + columns..].fill(padding);
                let pixels = pixels[channel..].iter().step_by(task.channels);
                for (value, &pixel) in values[x..x + columns].iter_mut().zip(pixels) {
                    *value = table[usize::from(pixel)];
                }
            }
        });
        Ok(place)
    }

    /// As [`Preparer::prepare`], but writes `[height, width, channels]`, and what `tables` say for each channel and pixel
    /// value: the input of a network whose values are stored integers.
    ///
    /// # Errors
    /// As [`Preparer::prepare`].
    ///
    /// # Panics
    /// If there is not one table for each channel.
    pub fn prepare_pixels(
        &mut self,
        frame: &Frame,
        tables: &[[Q; 256]],
        input: &mut [Q],
    ) -> Result<Placement, PrepareError> {
        self.check_len(input.len())?;
        assert_eq!(tables.len(), self.tables.len(), "one table a channel");
        let (place, task) = self.task(frame)?;
        let outputs = tables.len();
        let (x, y) = (place.x as usize * outputs, place.y as usize);
        let (length, rows) = (place.width as usize * outputs, place.height as usize);
        let row_len = self.width as usize * outputs;
        let pad = |values: &mut [Q]| {
            for pixel in values.chunks_exact_mut(outputs) {
                pixel.iter_mut().zip(tables).for_each(|(value, table)| *value = table[usize::from(PADDING)]);
            }
        };
        pad(&mut input[..y * row_len]);
        pad(&mut input[(y + rows) * row_len..]);
        let order = self.order(task.channels);
        let look_up = LookUp::new(tables, &order[..outputs], task.channels);
        let kernels = self.kernels;
        self.resizing.rows(frame, task, |row, pixels| {
            let values = &mut input[(y + row) * row_len..][..row_len];
            pad(&mut values[..x]);
            pad(&mut values[x + length..]);
            kernels.look_up(pixels, &look_up, &mut values[x..x + length]);
        });
        Ok(place)
    }

    fn check_len(&self, found: usize) -> Result<(), PrepareError> {
        if found == self.input_len() {
            return Ok(());
        }
        Err(PrepareError::InputLength { expected: self.input_len(), found })
    }

    /// Which of the resized channels each channel of the network is.
    fn order(&self, channels: usize) -> [usize; 3] {
        match (channels, self.rule.color) {
            (1, _) => [0, 0, 0],
            (_, ColorOrder::Bgr) => [2, 1, 0],
            (_, _) => [0, 1, 2],
        }
    }

    /// What is to be made of a frame, and where it goes.
    fn task(&self, frame: &Frame) -> Result<(Placement, Task), PrepareError> {
        frame.check()?;
        let Frame { number, width, height, format, .. } = *frame;
        let crop = self.crop.unwrap_or(Crop::whole(width, height));
        if !crop.fits(width, height) {
            return Err(PrepareError::Crop { frame: number, width, height, crop });
        }
        let place = self.placement(crop.width, crop.height);
        let gray = format == PixelFormat::Gray8 || self.rule.color == ColorOrder::Gray;
        let channels = if gray { 1 } else { 3 };
        Ok((place, Task { crop, width: place.width, height: place.height, channels }))
    }
}

#[cfg(test)]
mod plain;
#[cfg(test)]
mod tests;
