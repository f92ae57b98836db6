//! One thread's work: from examples to a batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sedge::frame::{Frame, PixelFormat, Preparer};
use sedge::kernels::Q;
use sedge::mask::Mask;
use sedge::onnx::Task;
use tch::Tensor;

use super::cache::{Goal, Resized};
use super::{Batch, Shared, preparer};
use crate::data::augment::Canvas;
use crate::data::{DataError, Example, Target};

/// Makes batches, and keeps its buffers from one to the next.
pub(super) struct Maker {
    shared: Arc<Shared>,
    preparer: Preparer,
    /// Each pixel value as itself, so that the preparer gives pixels.
    identity: Vec<[Q; 256]>,
    stored: Vec<Q>,
    canvas: Canvas,
    images: Vec<f32>,
    targets: Vec<i64>,
}

impl Maker {
    pub(super) fn new(shared: Arc<Shared>) -> Result<Maker, DataError> {
        let options = &shared.options;
        let preparer = preparer(options)?;
        let channels = options.rule.color.channels();
        let identity = vec![std::array::from_fn(|pixel| pixel as Q); channels];
        let stored = vec![0; preparer.input_len()];
        let canvas = Canvas::new(options.width, options.height, options.rule.color);
        Ok(Maker { shared, preparer, identity, stored, canvas, images: Vec::new(), targets: Vec::new() })
    }

    /// The batch of these examples in an epoch; none if `stop` was set meanwhile.
    pub(super) fn batch(
        &mut self,
        epoch: u64,
        indices: &[usize],
        stop: &AtomicBool,
    ) -> Result<Option<Batch>, DataError> {
        self.images.clear();
        self.targets.clear();
        let mut moves = vec![None; indices.len()];
        for (&index, moved) in indices.iter().zip(&mut moves) {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let example = self.resized(index)?;
            let shared = Arc::clone(&self.shared);
            let augment = &shared.options.augment;
            if augment.is_none() {
                self.push(&example.pixels, &example.goal);
                continue;
            }
            let mask = match &example.goal {
                Goal::Class(_) => None,
                Goal::Mask(mask) => Some((&mask[..], shared.examples.ignore())),
            };
            let mut canvas = std::mem::take(&mut self.canvas);
            *moved = canvas.change(augment, &mut shared.draws(epoch, index), &example.pixels, mask);
            match &example.goal {
                Goal::Class(class) => self.push(&canvas.pixels, &Goal::Class(*class)),
                Goal::Mask(_) => {
                    self.push_image(&canvas.pixels);
                    self.targets.extend(canvas.mask.iter().map(|&id| i64::from(id)));
                }
            }
            self.canvas = canvas;
        }
        let options = &self.shared.options;
        let (count, height, width) = (indices.len() as i64, options.height as i64, options.width as i64);
        let channels = options.rule.color.channels() as i64;
        let images = Tensor::f_from_slice(&self.images)?.f_view([count, channels, height, width])?;
        let targets = Tensor::f_from_slice(&self.targets)?;
        let targets = match self.shared.examples.task() {
            Task::Classification => targets,
            Task::Segmentation => targets.f_view([count, height, width])?,
        };
        Ok(Some(Batch { images, targets, indices: indices.to_vec(), moves }))
    }

    fn push(&mut self, pixels: &[u8], goal: &Goal) {
        self.push_image(pixels);
        match goal {
            Goal::Class(class) => self.targets.push(*class),
            Goal::Mask(mask) => self.targets.extend(mask.iter().map(|&id| i64::from(id))),
        }
    }

    /// Normalises pixels `[height, width, channels]` into planes.
    fn push_image(&mut self, pixels: &[u8]) {
        let tables = self.preparer.tables();
        for (channel, table) in tables.iter().enumerate() {
            let values = pixels[channel..].iter().step_by(tables.len());
            self.images.extend(values.map(|&pixel| table[usize::from(pixel)]));
        }
    }

    /// The example at the size of the input, from the cache or the files.
    fn resized(&mut self, index: usize) -> Result<Arc<Resized>, DataError> {
        if let Some(example) = self.shared.cache.get(index) {
            return Ok(example);
        }
        let shared = Arc::clone(&self.shared);
        let example = shared.examples.example(index)?;
        let wrong = |reason| DataError::Example { name: shared.examples.name(index), reason };
        let resized = Arc::new(self.resize(example).map_err(wrong)?);
        shared.cache.put(index, &resized);
        Ok(resized)
    }

    /// Brings image and mask to the input's size; the error says what is wrong with the example.
    fn resize(&mut self, example: Example) -> Result<Resized, String> {
        let Example { width, height, channels, pixels, target } = example;
        let format = match channels {
            1 => PixelFormat::Gray8,
            3 => PixelFormat::Rgb8,
            _ => return Err(format!("it has {channels} channels, but only 1 and 3 can be used")),
        };
        let too_large = |_| format!("it has {width}x{height} pixels, which is too large");
        let (columns, rows) =
            (u32::try_from(width).map_err(too_large)?, u32::try_from(height).map_err(too_large)?);
        let time = Duration::ZERO;
        let frame = Frame { number: 0, time, width: columns, height: rows, format, data: pixels, name: None };
        frame.check().map_err(|error| error.to_string())?;
        let place = self
            .preparer
            .prepare_pixels(&frame, &self.identity, &mut self.stored)
            .map_err(|error| error.to_string())?;
        // Stored values are signed on ARM; the bits are the pixel's.
        let pixels = self.stored.iter().map(|value| value.to_le_bytes()[0]).collect();
        let goal = match (target, self.shared.examples.task()) {
            (Target::Class(class), Task::Classification) => Goal::Class(class),
            (Target::Mask(ids), Task::Segmentation) => {
                if ids.len() != width * height {
                    return Err(format!(
                        "its mask has {} pixels, but the image has {width}x{height}: make the mask anew at that size",
                        ids.len()
                    ));
                }
                let mask = Mask { width: columns, height: rows, data: ids }.scaled(place.width, place.height);
                let options = &self.shared.options;
                // Without an ignore label the mask covers the whole input, see `Loader::new`.
                let mut ids =
                    vec![self.shared.examples.ignore().unwrap_or_default(); options.width * options.height];
                let target_rows = ids.chunks_exact_mut(options.width).skip(place.y as usize);
                for (target, source) in target_rows.zip(mask.data.chunks_exact(place.width as usize)) {
                    target[place.x as usize..][..source.len()].copy_from_slice(source);
                }
                Goal::Mask(ids.into())
            }
            (Target::Class(_), Task::Segmentation) => {
                return Err("it has a class where the data set has masks".into());
            }
            (Target::Mask(_), Task::Classification) => {
                return Err("it has a mask where the data set has classes".into());
            }
        };
        Ok(Resized { pixels, goal })
    }
}
