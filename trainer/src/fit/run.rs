//! A run from its options to `result.json`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sedge::onnx::Task;
use serde::{Deserialize, Serialize};
use tch::Device;

use super::export::{Origin, with_card};
use super::folder::link_atomic;
use super::record::{Data, Record, json};
use super::sheets::Sheet;
use super::start::data_name;
use super::state::{Best, State};
use super::training::{Trained, Training, mixed};
use super::{
    Checkpoint, Context, EpochLine, FitError, Folder, Options, Recipe, Scores, Setup, Start, Stop, Subset,
    Watch, device, evaluate, evaluate_at_image_size, memory, norms, sha256, write_atomic,
};
use crate::data::{Augment, Examples, Loader, LoaderOptions, Split, class_frequencies, fingerprint, open};
use crate::graph::Network;
use crate::loss::{ClassWeights, Loss, median_frequency};
use crate::optimize::{Exact, Method, Schedule};
use crate::plot::curves;

/// libtorch does not tell its version through tch, which is bound to this one.
const LIBTORCH: &str = "2.11, by tch 0.24";

/// What a complete run came to; `result.json` holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Epochs done; fewer than asked for after an early stop.
    pub epochs: usize,
    /// The epoch whose weights were kept, from 1.
    pub best_epoch: usize,
    /// Its scores on the split that chose it; a segmenter's at the images' own sizes.
    pub val: Scores,
    /// Its scores on the test split, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Scores>,
    /// SHA-256 of `model.onnx`.
    pub model_sha256: String,
    /// Seconds of training and validation.
    pub seconds: f64,
}

/// Trains to the end, or goes on with the run in `folder`.
///
/// # Errors
/// [`FitError`].
pub fn fit(
    options: &Options,
    setup: &Setup,
    recipe: &dyn Recipe,
    folder: &Path,
    watch: &mut dyn Watch,
    stop: &Stop,
) -> Result<Outcome, FitError> {
    let run = Run::open(options, setup, recipe, folder, watch)?;
    let folder = run.folder.clone();
    if setup.resume
        && let Some(done) = read_result(&folder)?
    {
        return Ok(done);
    }
    let outcome = run.train(watch, stop)?;
    write_result(&folder, &outcome)?;
    Ok(outcome)
}

/// Writes `result.json`, which says that the run is complete.
pub(crate) fn write_result(folder: &Folder, result: &impl Serialize) -> Result<(), FitError> {
    let path = folder.result();
    write_atomic(&path, format!("{:#}\n", json(result, &path)?).as_bytes())
}

/// What `result.json` holds; `None` where the run is not complete.
pub(crate) fn read_result<T: serde::de::DeserializeOwned>(folder: &Folder) -> Result<Option<T>, FitError> {
    let path = folder.result();
    match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FitError::file(&path)(error)),
        // One of another version of the program is made anew.
        Ok(text) => Ok(serde_json::from_str(&text).ok()),
    }
}

/// A run that is ready to begin or to go on.
pub struct Run<'a> {
    options: &'a Options,
    setup: &'a Setup,
    folder: Folder,
    start: Start,
    train: Loader,
    val: Loader,
    data: Data,
    teacher: Option<String>,
    training: Training<'a>,
}

impl<'a> Run<'a> {
    /// Reads data and model, checks that they fit, writes `run.json` or compares it, and loads the last checkpoint when a
    /// run is resumed.
    ///
    /// # Errors
    /// [`FitError`]; nothing was trained then.
    pub fn open(
        options: &'a Options,
        setup: &'a Setup,
        recipe: &dyn Recipe,
        folder: &Path,
        watch: &mut dyn Watch,
    ) -> Result<Run<'a>, FitError> {
        options.check()?;
        let device = device(options.device.as_deref())?;
        let train = Subset::first(open(&options.data, Split::Train)?, options.limit);
        let val = match options.validate {
            Split::Train => Arc::clone(&train),
            split => Subset::first(open(&options.data, split)?, options.limit),
        };
        let classes = train.classes().len();
        let grey = train.example(0)?.channels == 1;
        let mut start = Start::new(&options.model, options.init.as_deref(), classes, grey, options.seed)?;
        norms::set_momentum(&mut start.model, options.norm_momentum);
        start.notes.iter().for_each(|note| watch.note(note));
        let mut network = Network::new(&start.model, device)?;
        check_fit(&network, train.as_ref(), &options.model, &data_name(&options.data))?;
        if device == Device::Cpu {
            memory::check(&start.model, options.batch)?;
        }
        if !options.freeze.is_empty() {
            let frozen = network.freeze(&options.freeze)?;
            watch.note(&format!("{frozen} of {} variables frozen", network.variables().len()));
        }
        let data = Data {
            name: data_name(&options.data),
            train_sha256: fingerprint(train.as_ref())?,
            val_sha256: fingerprint(val.as_ref())?,
            train_images: train.len(),
            val_images: val.len(),
            classes: train.classes().to_vec(),
        };
        let folder = Folder::create(folder)?;
        let objective = recipe.describe()?;
        let teacher = objective.get("teacher_sha256").and_then(|hash| hash.as_str()).map(str::to_string);
        let record = Record {
            program: format!("sedge-train {}", env!("CARGO_PKG_VERSION")),
            commit: super::commit(),
            libtorch: LIBTORCH.to_string(),
            command: setup.command.clone(),
            options: options.clone(),
            objective,
            model_sha256: start.sha256.clone(),
            data: data.clone(),
            device: format!("{device:?}"),
            threads: tch::get_num_threads(),
        };
        record.keep(&folder, setup.resume)?;

        let [_, height, width] = network.input();
        let loader_options = LoaderOptions {
            batch: options.batch,
            height,
            width,
            rule: start.rule.clone(),
            augment: options.augment.clone(),
            seed: options.seed,
            shuffle: true,
            workers: setup.workers,
            cache_bytes: setup.cache_bytes,
            // A last batch of one image would break batch norms over single values.
            drop_last: train.len() % options.batch == 1 && train.len() > options.batch,
        };
        let val_options = LoaderOptions {
            augment: Augment::default(),
            shuffle: false,
            drop_last: false,
            cache_bytes: setup.cache_bytes / 2,
            ..loader_options.clone()
        };
        let loss = loss(options, train.as_ref(), network.classes(), device, watch)?;
        let val = Loader::new(val, val_options.clone())?;
        let last = folder.checkpoint("last");
        let checkpoint = match setup.resume && last.exists() {
            true => Some(Checkpoint::read(&last)?),
            false => {
                // Without augmentation: the statistics are those that the camera's pictures have.
                let plain = LoaderOptions { seed: options.seed, shuffle: true, ..val_options };
                let filled =
                    norms::fill(&mut network, &start.model, &Loader::new(Arc::clone(&train), plain)?)?;
                if filled > 0 {
                    watch.note(&format!(
                        "{filled} batch norms filled with the statistics of the training images"
                    ));
                }
                None
            }
        };
        let context = Context {
            network: &network,
            examples: &train,
            data_sha256: &data.train_sha256,
            loader: &loader_options,
            device,
            folder: folder.path(),
            seed: options.seed,
        };
        let objective = recipe.objective(loss, &context, &mut |note| watch.note(note))?;
        let train = Loader::new(train, loader_options)?;
        let schedule = Schedule {
            rate: options.rate.unwrap_or_else(|| usual_rate(options, &start)),
            shape: options.schedule,
            warmup_epochs: options.warmup_epochs,
            epochs: options.epochs,
            epoch_steps: train.batches(),
        };
        let mut training = Training::new(network, objective, options, schedule, device)?;
        if let Some(checkpoint) = checkpoint {
            training.load(&checkpoint)?;
            watch.note(&format!("going on after epoch {}", training.state.epoch));
        }
        Ok(Run { options, setup, folder, start, train, val, data, teacher, training })
    }

    /// Trains the epochs that are left and scores the best one's weights, which are `model.onnx` then. The result is not
    /// written yet.
    ///
    /// # Errors
    /// [`FitError`]; checkpoints of whole epochs stay.
    pub fn train(mut self, watch: &mut dyn Watch, stop: &Stop) -> Result<Outcome, FitError> {
        let mut lines = self.lines()?;
        while self.training.state.epoch < self.options.epochs && !self.is_out_of_patience() {
            let trained = self.training.epoch(&self.train, watch, stop)?;
            let begun = Instant::now();
            let scores = self.validate()?;
            let line = self.end_epoch(&trained, &scores, begun.elapsed().as_secs_f64())?;
            lines.push(line.clone());
            self.write_lines(&lines)?;
            curves(&self.folder.curves(), &lines, scores.selection_name())?;
            let is_best = self.training.state.best.is_some_and(|best| best.epoch == line.epoch);
            watch.end_epoch(&line, scores.selection_name(), is_best);
        }
        if self.is_out_of_patience() && self.training.state.epoch < self.options.epochs {
            watch.note(&format!("stopped early: no better score for {} epochs", self.training.state.waited));
        }
        self.finish(watch)
    }

    fn is_out_of_patience(&self) -> bool {
        self.options.patience.is_some_and(|patience| self.training.state.waited >= patience)
    }

    fn validate(&mut self) -> Result<Scores, FitError> {
        let Run { val, folder, setup, start, .. } = &*self;
        let (val, folder, seed) = (val, folder.clone(), self.options.seed);
        let examples = val.examples();
        let mut sheet = Sheet::new(setup.sheet_images, &start.rule, examples.task(), examples.ignore());
        let epoch = self.training.state.epoch;
        // Networks with live dropout are judged by the same draws whenever the epoch is judged.
        tch::manual_seed(mixed([seed, epoch as u64, u64::MAX]));
        let val = &self.val;
        let scores = self
            .training
            .with_average(|network| evaluate(network, val, |batch, predicted| sheet.add(batch, predicted)))?;
        sheet.write(&folder, epoch + 1)?;
        Ok(scores)
    }

    /// Takes an epoch into the state and writes its checkpoints.
    fn end_epoch(
        &mut self,
        trained: &Trained,
        scores: &Scores,
        val_seconds: f64,
    ) -> Result<EpochLine, FitError> {
        let training = &mut self.training;
        let state = &mut training.state;
        state.epoch += 1;
        state.seconds += trained.seconds + val_seconds;
        state.first_loss.get_or_insert(Exact(trained.loss));
        state.least_loss =
            Some(Exact(state.least_loss.map_or(trained.loss, |least| least.0.min(trained.loss))));
        let score = scores.selection();
        let is_best = state.best.is_none_or(|best| score > best.score.0);
        if is_best {
            state.best = Some(Best { epoch: state.epoch, score: Exact(score) });
            state.waited = 0;
        } else {
            state.waited += 1;
        }
        training.schedule.scored(score, &mut state.plateau);
        let epoch = state.epoch;
        let path = self.folder.checkpoint(&format!("epoch-{epoch}"));
        training.checkpoint().write(&path)?;
        if is_best {
            self.write_model()?;
            link_atomic(&path, &self.folder.checkpoint("best"))?;
        }
        link_atomic(&path, &self.folder.checkpoint("last"))?;
        self.folder.keep_newest(self.setup.keep)?;
        Ok(EpochLine {
            epoch,
            loss: trained.loss,
            val_loss: scores.loss.unwrap_or(f64::NAN),
            score,
            accuracy: scores.accuracy,
            rate: trained.rate,
            train_seconds: trained.seconds,
            val_seconds,
            images_per_second: trained.images as f64 / trained.seconds.max(1e-9),
        })
    }

    /// Writes the present weights (averaged, where they are) as `model.onnx`; gives its SHA-256.
    fn write_model(&mut self) -> Result<String, FitError> {
        let model = self.training.with_average(|network| Ok(network.model()?))?;
        let origin = Origin {
            source: &self.options.model,
            data: &self.data.name,
            data_sha256: &self.data.train_sha256,
            seed: self.options.seed,
            teacher: self.teacher.as_ref().map(|hash| format!("sha256:{hash}")),
        };
        let bytes = with_card(model, &self.start, self.train.examples().as_ref(), &origin).to_bytes();
        write_atomic(&self.folder.model(), &bytes)?;
        Ok(sha256(&bytes))
    }

    /// The lines of the log up to the epoch of the checkpoint: later ones are done anew.
    fn lines(&self) -> Result<Vec<EpochLine>, FitError> {
        if self.training.state.epoch == 0 {
            return Ok(Vec::new());
        }
        let path = self.folder.log();
        let text = std::fs::read_to_string(&path).map_err(FitError::file(&path))?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<EpochLine>(line).ok());
        Ok(lines.filter(|line| line.epoch <= self.training.state.epoch).collect())
    }

    fn write_lines(&self, lines: &[EpochLine]) -> Result<(), FitError> {
        let path = self.folder.log();
        let mut text = String::new();
        for line in lines {
            text.push_str(&format!("{}\n", json(line, &path)?));
        }
        write_atomic(&path, text.as_bytes())
    }

    /// Scores the best epoch's weights on validation and test split and writes the result.
    fn finish(mut self, watch: &mut dyn Watch) -> Result<Outcome, FitError> {
        let best: Checkpoint<State> = Checkpoint::read(&self.folder.checkpoint("best"))?;
        let state = self.training.state.clone();
        self.training.load(&best)?;
        let model_sha256 = self.write_model()?;
        let test = match open(&self.options.data, Split::Test) {
            Ok(examples) => {
                let examples = Subset::first(examples, self.options.limit);
                Some(Loader::new(examples, self.val.options().clone())?)
            }
            Err(error) => {
                watch.note(&format!("no scores on a test split: {error}"));
                None
            }
        };
        let seed = self.options.seed;
        let val = &self.val;
        let (val, test) = self.training.with_average(|network| {
            tch::manual_seed(mixed([seed, u64::MAX, 0]));
            let val = evaluate_at_image_size(network, val, |_| ())?;
            let test = test.map(|test| evaluate_at_image_size(network, &test, |_| ())).transpose()?;
            Ok((val, test))
        })?;
        Ok(Outcome {
            epochs: state.epoch,
            best_epoch: best.state.epoch,
            val,
            test,
            model_sha256,
            seconds: state.seconds,
        })
    }
}

/// Network and data must be for the same task and classes.
pub(super) fn check_fit(
    network: &Network,
    examples: &dyn Examples,
    model: &str,
    data: &str,
) -> Result<(), FitError> {
    check_output(network.is_segmenter(), network.classes(), examples, model, data)
}

/// The same for a network that gives so many channels of scores, for each pixel if it is a segmenter.
pub(super) fn check_output(
    is_segmenter: bool,
    channels: usize,
    examples: &dyn Examples,
    model: &str,
    data: &str,
) -> Result<(), FitError> {
    let (model, data) = (model.to_string(), data.to_string());
    let is_masks = examples.task() == Task::Segmentation;
    if is_segmenter != is_masks {
        return Err(FitError::Task {
            model,
            network: if is_segmenter { "segmenter" } else { "classifier" },
            data,
            targets: if is_masks { "masks" } else { "a class for each image" },
        });
    }
    let classes = examples.classes();
    let is_binary = channels == 1 && classes.len() == 2;
    if channels == classes.len() || is_binary {
        return Ok(());
    }
    Err(FitError::Classes { model, channels, data, classes: classes.to_vec() })
}

/// The loss that the options describe, with class weights from the data where asked for.
fn loss(
    options: &Options,
    examples: &dyn Examples,
    channels: usize,
    device: Device,
    watch: &mut dyn Watch,
) -> Result<Loss, FitError> {
    let classes = examples.classes().len();
    let weights = match &options.class_weights {
        ClassWeights::Even => None,
        ClassWeights::Given(weights) => Some(weights.clone()),
        ClassWeights::Auto => {
            let weights = median_frequency(&class_frequencies(examples)?);
            watch.note(&format!("class weights from frequencies: {weights:.3?}"));
            Some(weights)
        }
    };
    let loss = Loss::parse(&options.loss)?
        .with_ignore(examples.ignore())
        .with_smoothing(options.label_smoothing)?
        .with_weights(weights.as_deref(), device)?;
    loss.check(channels, classes)?;
    Ok(loss)
}

/// The learning rate where none is given: small for a quantized model, which is trained already and whose weights move in
/// steps.
fn usual_rate(options: &Options, start: &Start) -> f64 {
    let quantized = start.model.graph.nodes.iter().any(|node| node.standard_op() == "DequantizeLinear");
    match (options.optimizer, quantized) {
        (Method::Sgd { .. }, false) => 1e-2,
        (Method::Sgd { .. }, true) => 1e-3,
        (_, false) => 1e-3,
        (_, true) => 1e-5,
    }
}
