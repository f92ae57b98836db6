//! From options to a run that is ready to begin or to go on.

use std::path::Path;
use std::sync::Arc;

use tch::Device;

use super::check::check_fit;
use super::record::{Data, Record};
use super::run::Run;
use super::start::data_name;
use super::training::Training;
use super::{
    Checkpoint, Context, FitError, Folder, Options, Recipe, Setup, Start, Subset, Watch, device, memory,
    norms,
};
use crate::data::{Augment, Examples, Loader, LoaderOptions, Split, class_frequencies, fingerprint, open};
use crate::graph::Network;
use crate::loss::{ClassWeights, Loss, median_frequency};
use crate::optimize::{Method, Schedule};

/// libtorch does not tell its version through tch, which is bound to this one.
const LIBTORCH: &str = "2.11, by tch 0.24";

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
        let part =
            |split| Subset::of(open(&options.data, split)?, options.limit, options.leave_out.as_deref());
        let train = part(Split::Train)?;
        let val = match options.validate {
            Split::Train => Arc::clone(&train),
            split => part(split)?,
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
            commit: super::COMMIT.to_string(),
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
