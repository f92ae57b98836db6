//! Batches of a data set, made ahead of the training by threads, in an order that does not depend on them.

mod cache;
mod epoch;
mod maker;

pub use epoch::Epoch;

use std::sync::Arc;

use sedge::frame::{InputRule, Preparer, ResizeRule};
use sedge::onnx::Task;
use tch::Tensor;

use super::{Augment, DataError, Draws, Examples};
use cache::Cache;

/// What the stream of draws is for, so that orders and augmentations of equal keys differ.
const ORDER: u64 = 1;
const AUGMENT: u64 = 2;

/// What a loader makes of its examples.
#[derive(Clone, Debug)]
pub struct LoaderOptions {
    /// Examples in a batch, at least 1. The last one of an epoch may hold fewer.
    pub batch: usize,
    /// Rows of the network's input.
    pub height: usize,
    /// Columns of the network's input.
    pub width: usize,
    /// What the network expects of its input. Grey pictures fill all channels of a colour network; of colour pictures a grey
    /// network gets the luminance.
    pub rule: InputRule,
    /// How examples are changed from epoch to epoch.
    pub augment: Augment,
    /// Orders and augmentations follow from it.
    pub seed: u64,
    /// A new order in each epoch, else that of the data set.
    pub shuffle: bool,
    /// Threads that work ahead, each by one batch and the one it works on; with 0 the caller's thread does the work.
    pub workers: usize,
    /// Most bytes of decoded and resized examples that are kept from epoch to epoch.
    pub cache_bytes: usize,
    /// Leaves out a last batch that is not full.
    pub drop_last: bool,
}

impl LoaderOptions {
    /// The plain options, for validation and tests: in order, nothing changed, one thread, 256 MiB of cache.
    pub fn plain(batch: usize, width: usize, height: usize, rule: InputRule) -> LoaderOptions {
        LoaderOptions {
            batch,
            height,
            width,
            rule,
            augment: Augment::default(),
            seed: 0,
            shuffle: false,
            workers: 1,
            cache_bytes: 256 << 20,
            drop_last: false,
        }
    }
}

/// Examples as tensors, on the CPU.
#[derive(Debug)]
pub struct Batch {
    /// f32 `[N, channels, height, width]`, normalised by the input rule.
    pub images: Tensor,
    /// i64: classes `[N]`, or masks `[N, height, width]` in which ignored pixels keep the ignore label.
    pub targets: Tensor,
    /// Which examples these are.
    pub indices: Vec<usize>,
    /// Where the pixels of each come from in the example at the input's size: `x` and `y` as the products of two rows with
    /// (column, row, 1), for centers of pixels, which lie at halves. `None` where every pixel kept its place.
    pub moves: Vec<Option<[[f64; 3]; 2]>>,
}

/// Makes the batches of each epoch. The same seed, epoch and options give the same batches to the bit, whatever the number
/// of workers and the size of the cache.
pub struct Loader {
    shared: Arc<Shared>,
}

/// What all threads of a loader look at.
struct Shared {
    examples: Arc<dyn Examples>,
    options: LoaderOptions,
    cache: Cache,
}

impl Loader {
    /// A loader over a split.
    ///
    /// # Errors
    /// [`DataError::Options`] for a batch of 0, an empty split, wrong augmentations, or where pixels would have to be
    /// ignored and the data set has no ignore label; [`DataError::Prepare`] for a wrong input rule or size.
    pub fn new(examples: Arc<dyn Examples>, options: LoaderOptions) -> Result<Loader, DataError> {
        let wrong = |reason: &str| Err(DataError::Options(reason.to_owned()));
        if options.batch == 0 {
            return wrong("a batch of 0 examples trains nothing: give at least 1");
        }
        if examples.is_empty() {
            return wrong("the data set holds no examples: give another one");
        }
        options.augment.check().map_err(|error| DataError::Options(error.to_string()))?;
        let letterbox = options.rule.resize == ResizeRule::Letterbox;
        if examples.task() == Task::Segmentation
            && examples.ignore().is_none()
            && (letterbox || options.augment.moves())
        {
            return wrong(
                "the data set has no ignore label for pixels beside the image: give it one, stretch the images, and \
                 leave augmentations out that move them",
            );
        }
        preparer(&options)?;
        let cache = Cache::new(examples.len(), options.cache_bytes);
        Ok(Loader { shared: Arc::new(Shared { examples, options, cache }) })
    }

    /// Batches of an epoch.
    pub fn batches(&self) -> usize {
        let Shared { examples, options, .. } = &*self.shared;
        if options.drop_last {
            examples.len() / options.batch
        } else {
            examples.len().div_ceil(options.batch)
        }
    }

    /// The batches of an epoch, from the first. Workers stop when it is dropped.
    pub fn epoch(&self, number: u64) -> Epoch {
        Epoch::start(Arc::clone(&self.shared), number, self.batches())
    }

    /// What it loads from.
    pub fn examples(&self) -> &Arc<dyn Examples> {
        &self.shared.examples
    }

    /// What it was made with.
    pub fn options(&self) -> &LoaderOptions {
        &self.shared.options
    }

    /// Bytes of decoded examples that are kept at present, at most [`LoaderOptions::cache_bytes`].
    pub fn cached_bytes(&self) -> usize {
        self.shared.cache.used_bytes()
    }
}

impl Shared {
    /// The order of an epoch.
    fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.examples.len()).collect();
        if self.options.shuffle {
            Draws::new([self.options.seed, ORDER, epoch, 0]).shuffle(&mut order);
        }
        order
    }

    /// The draws for changing an example in an epoch.
    fn draws(&self, epoch: u64, index: usize) -> Draws {
        Draws::new([self.options.seed, AUGMENT, epoch, index as u64])
    }
}

/// What brings pictures to the input's size, as in the camera program.
fn preparer(options: &LoaderOptions) -> Result<Preparer, DataError> {
    let side = |length: usize| {
        u32::try_from(length)
            .map_err(|_| DataError::Options(format!("an input of {length} pixels a side is too large")))
    };
    Ok(Preparer::new(options.rule.clone(), side(options.width)?, side(options.height)?)?)
}
