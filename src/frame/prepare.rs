//! From a frame to a network's input: colour order, resize and normalisation.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

use super::color::{FrameError, luma_to_gray};
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
        if input.len() != self.input_len() {
            return Err(PrepareError::InputLength { expected: self.input_len(), found: input.len() });
        }
        frame.check()?;
        let place = self.placement(frame.width, frame.height);
        let (pixels, channels) = channels_to_resize(frame, self.rule.color, &mut self.pixels)?;
        let pixels = if (place.width, place.height) == (frame.width, frame.height) {
            pixels
        } else {
            let failed = |reason: String| PrepareError::Resize { frame: frame.number, reason };
            let kind = if channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
            self.resized.resize(channels * place.width as usize * place.height as usize, 0);
            let source =
                ImageRef::new(frame.width, frame.height, pixels, kind).map_err(|e| failed(e.to_string()))?;
            let mut target = Image::from_slice_u8(place.width, place.height, &mut self.resized, kind)
                .map_err(|e| failed(e.to_string()))?;
            let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
            self.resizer.resize(&source, &mut target, &options).map_err(|e| failed(e.to_string()))?;
            self.resized.as_slice()
        };
        let plane = self.width as usize * self.height as usize;
        for (channel, (values, table)) in input.chunks_exact_mut(plane).zip(&self.tables).enumerate() {
            let offset = match (channels, self.rule.color) {
                (1, _) => 0,
                (_, ColorOrder::Bgr) => 2 - channel,
                (_, _) => channel,
            };
            write_plane(values, self.width as usize, place, table, &pixels[offset..], channels);
        }
        Ok(place)
    }
}

/// The frame's pixels with as many interleaved channels as the resize must handle: 1 where the frame or the input
/// is grey, else R, G, B. `buffer` holds them where they are not the frame's own bytes.
fn channels_to_resize<'a>(
    frame: &'a Frame,
    color: ColorOrder,
    buffer: &'a mut Vec<u8>,
) -> Result<(&'a [u8], usize), FrameError> {
    let area = frame.width as usize * frame.height as usize;
    match (frame.format, color) {
        (PixelFormat::Gray8, _) => Ok((frame.data.as_slice(), 1)),
        (PixelFormat::Rgb8, ColorOrder::Gray) => {
            buffer.clear();
            buffer.extend(frame.data.chunks_exact(3).map(rgb_to_gray));
            Ok((buffer.as_slice(), 1))
        }
        (_, ColorOrder::Gray) => {
            buffer.clear();
            buffer.extend(frame.data[..area].iter().map(|&y| luma_to_gray(y)));
            Ok((buffer.as_slice(), 1))
        }
        (PixelFormat::Rgb8, _) => Ok((frame.data.as_slice(), 3)),
        (_, _) => {
            frame.write_rgb(buffer)?;
            Ok((buffer.as_slice(), 3))
        }
    }
}

/// BT.601 luminance, weights times 2^16 (19595 + 38470 + 7471 = 2^16), rounded half up.
fn rgb_to_gray(rgb: &[u8]) -> u8 {
    let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
    ((19_595 * r + 38_470 * g + 7_471 * b + (1 << 15)) >> 16) as u8
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
mod tests {
    use super::*;
    use std::time::Duration;

    fn frame(format: PixelFormat, width: u32, height: u32, data: Vec<u8>) -> Frame {
        Frame { number: 3, time: Duration::ZERO, width, height, format, data, name: None }
    }

    fn rule(color: ColorOrder, resize: ResizeRule) -> InputRule {
        // Mean 0 and std 1/255 give the pixel values themselves.
        let channels = color.channels();
        InputRule { color, mean: vec![0.0; channels], std: vec![1.0 / 255.0; channels], resize }
    }

    #[test]
    fn channels_sizes_and_padding() {
        use ColorOrder::*;
        use PixelFormat::*;
        use ResizeRule::*;
        let p = f32::from(PADDING);
        struct Case {
            name: &'static str,
            rule: InputRule,
            size: (u32, u32),
            frame: Frame,
            place: (u32, u32, u32, u32),
            input: Vec<f32>,
        }
        let cases = [
            Case {
                name: "rgb at its own size",
                rule: rule(Rgb, Stretch),
                size: (2, 1),
                frame: frame(Rgb8, 2, 1, vec![1, 2, 3, 4, 5, 6]),
                place: (0, 0, 2, 1),
                input: vec![1., 4., 2., 5., 3., 6.],
            },
            Case {
                name: "bgr turns the channels round",
                rule: rule(Bgr, Stretch),
                size: (2, 1),
                frame: frame(Rgb8, 2, 1, vec![1, 2, 3, 4, 5, 6]),
                place: (0, 0, 2, 1),
                input: vec![3., 6., 2., 5., 1., 4.],
            },
            Case {
                name: "grey of rgb",
                rule: rule(Gray, Stretch),
                size: (3, 1),
                frame: frame(Rgb8, 3, 1, vec![255, 255, 255, 100, 0, 0, 0, 100, 0]),
                place: (0, 0, 3, 1),
                input: vec![255., 30., 59.],
            },
            Case {
                name: "grey frame in every channel",
                rule: rule(Rgb, Stretch),
                size: (1, 1),
                frame: frame(Gray8, 1, 1, vec![9]),
                place: (0, 0, 1, 1),
                input: vec![9., 9., 9.],
            },
            Case {
                name: "grey of yuv is Y at full range",
                rule: rule(Gray, Stretch),
                size: (2, 1),
                frame: frame(I420, 2, 1, vec![16, 235, 7, 250]),
                place: (0, 0, 2, 1),
                input: vec![0., 255.],
            },
            Case {
                name: "yuv to rgb",
                rule: rule(Rgb, Stretch),
                size: (1, 1),
                frame: frame(I444, 1, 1, vec![81, 90, 240]),
                place: (0, 0, 1, 1),
                input: vec![254., 0., 0.],
            },
            Case {
                name: "a reduction averages (triangle of support 2)",
                rule: rule(Gray, Stretch),
                size: (1, 1),
                frame: frame(Gray8, 2, 2, vec![10, 20, 30, 40]),
                place: (0, 0, 1, 1),
                input: vec![25.],
            },
            Case {
                name: "a wide frame gets padding above and below",
                rule: rule(Gray, Letterbox),
                size: (4, 4),
                frame: frame(Gray8, 4, 2, vec![1, 2, 3, 4, 5, 6, 7, 8]),
                place: (0, 1, 4, 2),
                input: vec![p, p, p, p, 1., 2., 3., 4., 5., 6., 7., 8., p, p, p, p],
            },
            Case {
                name: "a high frame gets padding left and right, the odd column right",
                rule: rule(Gray, Letterbox),
                size: (4, 2),
                frame: frame(Gray8, 1, 2, vec![1, 2]),
                place: (1, 0, 1, 2),
                input: vec![p, 1., p, p, p, 2., p, p],
            },
            Case {
                name: "a very flat frame keeps one row",
                rule: rule(Gray, Letterbox),
                size: (2, 3),
                frame: frame(Gray8, 100, 1, vec![5; 100]),
                place: (0, 1, 2, 1),
                input: vec![p, p, 5., 5., p, p],
            },
        ];
        let mut wrong = Vec::new();
        for case in cases {
            let mut preparer = Preparer::new(case.rule, case.size.0, case.size.1).unwrap();
            // Twice, so that what the first frame left in the buffers would show.
            for _ in 0..2 {
                let mut input = vec![f32::NAN; preparer.input_len()];
                let place = preparer.prepare(&case.frame, &mut input).unwrap();
                let near = input.len() == case.input.len()
                    && input.iter().zip(&case.input).all(|(got, want)| (got - want).abs() < 1e-3);
                if !near || (place.x, place.y, place.width, place.height) != case.place {
                    wrong.push(format!("{}: {place:?} {input:?}", case.name));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn values_are_those_of_torchvision() {
        let (mean, std) = (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]);
        let rule = InputRule::new(ColorOrder::Rgb, mean.clone(), std.clone(), ResizeRule::Stretch).unwrap();
        let mut preparer = Preparer::new(rule, 256, 1).unwrap();
        let data = (0..=255).flat_map(|pixel| [pixel; 3]).collect();
        let mut input = vec![0.0; preparer.input_len()];
        preparer.prepare(&frame(PixelFormat::Rgb8, 256, 1, data), &mut input).unwrap();
        for (channel, values) in input.chunks_exact(256).enumerate() {
            for (pixel, &value) in values.iter().enumerate() {
                assert_eq!(value, (pixel as f32 / 255.0 - mean[channel]) / std[channel], "{channel} {pixel}");
            }
        }
    }

    #[test]
    fn placements_as_fractions() {
        let place = Placement { x: 0, y: 64, width: 512, height: 384 };
        assert_eq!(place.fraction(512, 512), Region { x: 0.0, y: 0.125, width: 1.0, height: 0.75 });
    }

    #[test]
    fn rules_are_checked_and_read() {
        let cases = [
            (r#"{"color":"rgb","mean":[0,0,0],"std":[1,1,1],"resize":"stretch"}"#, None),
            (r#"{"color":"gray","mean":[0],"std":[1],"resize":"letterbox"}"#, None),
            (
                r#"{"color":"bgr","mean":[0,0],"std":[1,1,1],"resize":"stretch"}"#,
                Some("mean has 2 values, but Bgr has 3 channel(s)"),
            ),
            (
                r#"{"color":"gray","mean":[0],"std":[1,1,1],"resize":"stretch"}"#,
                Some("std has 3 values, but Gray has 1 channel(s)"),
            ),
            (
                r#"{"color":"gray","mean":[0],"std":[0],"resize":"stretch"}"#,
                Some("std holds 0, but it must be above 0"),
            ),
            (
                r#"{"color":"gray","mean":[0],"std":[-1],"resize":"stretch"}"#,
                Some("std holds -1, but it must be above 0"),
            ),
        ];
        let mut wrong = Vec::new();
        for (json, expected) in cases {
            let rule: InputRule = serde_json::from_str(json).unwrap();
            let reason = match rule.check() {
                Err(PrepareError::Rule { reason }) => Some(reason),
                _ => None,
            };
            if reason.as_deref() != expected {
                wrong.push(format!("{json}: {reason:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let nan = InputRule { mean: vec![f32::NAN; 3], ..InputRule::symmetric() };
        assert!(nan.check().is_err());
        assert_eq!(InputRule::symmetric().check(), Ok(()));
        assert_eq!(
            serde_json::to_string(&InputRule::symmetric()).unwrap(),
            r#"{"color":"rgb","mean":[0.5,0.5,0.5],"std":[0.5,0.5,0.5],"resize":"stretch"}"#
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let size = Preparer::new(InputRule::symmetric(), 0, 4).err();
        assert_eq!(size, Some(PrepareError::InputSize { width: 0, height: 4 }));
        let mut preparer = Preparer::new(InputRule::symmetric(), 2, 2).unwrap();
        let good = frame(PixelFormat::Gray8, 1, 1, vec![0]);
        let short = preparer.prepare(&good, &mut [0.0; 11]).err();
        assert_eq!(short, Some(PrepareError::InputLength { expected: 12, found: 11 }));
        let broken = frame(PixelFormat::Gray8, 1, 2, vec![0]);
        let message = preparer.prepare(&broken, &mut [0.0; 12]).unwrap_err().to_string();
        assert!(message.starts_with("frame 3: 1x2 Gray8 takes 2 bytes"), "{message}");
    }
}
