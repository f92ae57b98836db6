//! Options that `fit` and `distill` share.

use std::path::PathBuf;

use anyhow::anyhow;
use sedge_train::data::{Augment, Split};
use sedge_train::fit::{Options, Outcome, Setup};
use sedge_train::loss::ClassWeights;
use sedge_train::optimize::{Groups, Method, Shape};

/// What is trained, on what, and how.
#[derive(clap::Args)]
pub struct TrainingArgs {
    /// Network: a model file, a run's folder, a checkpoint, or zoo:NAME:setting=value,... built for the data's classes
    /// (settings: size, channels, width, divisor, head, output-stride, fc-widths, backbone, layer-norm)
    #[arg(long, value_name = "NET.onnx|zoo:NAME")]
    model: String,
    /// Data set: Sedge's folder (META.json), MNIST, CIFAR-10, or a folder (or tar) with a folder for each class
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Start from the weights of this model: tensors of the same name and shape, or else the layers at the same place
    #[arg(long, value_name = "FROM.onnx")]
    init: Option<PathBuf>,
    /// Passes over the training split
    #[arg(long, default_value_t = 20, value_name = "N")]
    epochs: usize,
    /// Images of a step
    #[arg(long, default_value_t = 8, value_name = "N")]
    batch: usize,
    /// Loss: ce, bce, dice, jaccard, lovasz, focal, focal(GAMMA), and sums such as ce+0.5*dice
    #[arg(long, default_value = "ce", value_name = "LOSS")]
    loss: String,
    /// What each class weighs in the loss: numbers, or auto (from frequencies)
    #[arg(long, default_value = "even", value_name = "W,W,...|auto")]
    class_weights: ClassWeights,
    /// Part of a target's weight that goes to all classes alike
    #[arg(long, default_value_t = 0.0, value_name = "X")]
    label_smoothing: f64,
    /// sgd, sgd:momentum=0.9,nesterov, adam or adamw
    #[arg(long, default_value = "adamw", value_name = "NAME")]
    optimizer: Method,
    /// Learning rate; by default 0.001 (sgd 0.01), and for quantized models 0.00001 (sgd 0.001)
    #[arg(long, value_name = "X")]
    lr: Option<f64>,
    /// Weight decay of weights; norms and biases have none
    #[arg(long, default_value_t = 1e-4, value_name = "X")]
    weight_decay: f64,
    /// constant, step:every=10,factor=0.1, cosine:floor=0, poly:power=0.9 or plateau:factor=0.5,patience=3
    #[arg(long, default_value = "cosine", value_name = "NAME")]
    schedule: Shape,
    /// Epochs over which the learning rate rises first
    #[arg(long, default_value_t = 0.0, value_name = "N")]
    warmup_epochs: f64,
    /// Variables that stay as they are, by name; * stands for any text; may be given several times
    #[arg(long, value_name = "PATTERN")]
    freeze: Vec<String>,
    /// Variables that learn at a factor of the rate; may be given several times, the last that fits holds
    #[arg(long, value_name = "PATTERN=X", value_parser = rate_scale)]
    lr_scale: Vec<(String, f64)>,
    /// Share of their running statistics that batch norms keep at a step
    #[arg(long, default_value_t = 0.9, value_name = "X")]
    norm_momentum: f32,
    /// Keep a moving average of the weights with this decay, which is evaluated and exported
    #[arg(long, value_name = "X")]
    ema: Option<f64>,
    /// Largest norm of the gradients
    #[arg(long, value_name = "X")]
    clip: Option<f64>,
    /// Stop after so many epochs without a better score
    #[arg(long, value_name = "N")]
    patience: Option<usize>,
    /// Random changes of the training images, such as flip,scale=0.75:1.25,rotate=10,brightness=0.2
    #[arg(long, default_value = "none", value_name = "LIST", value_parser = augment)]
    augment: Augment,
    /// Split that chooses the best epoch
    #[arg(long, default_value = "val", value_name = "SPLIT")]
    validate: Split,
    /// Use only N examples of each split, evenly spread over it
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Leave out the examples that this file names, one a line, such as doctor --leaks writes
    #[arg(long, value_name = "FILE")]
    leave_out: Option<PathBuf>,
    /// Seed of every random draw
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Stop when an epoch's loss is above the first's and so many times the least
    #[arg(long, default_value_t = 10.0, value_name = "X")]
    diverge: f64,
    /// cpu, cuda or cuda:N; by default CUDA where it is there
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Half precision on CUDA
    #[arg(long)]
    amp: bool,
    /// Go on with the run in the folder, if there is one; the options must be the same
    #[arg(long)]
    pub resume: bool,
    /// Threads that load data
    #[arg(long, default_value_t = 1, value_name = "N")]
    workers: usize,
    /// Threads that compute; by default libtorch's choice
    #[arg(long, value_name = "N")]
    threads: Option<i32>,
    /// Memory for decoded images in MiB
    #[arg(long, default_value_t = 1024, value_name = "N")]
    cache_mib: usize,
    /// Checkpoints of epochs to keep beside the last and the best
    #[arg(long, default_value_t = 1, value_name = "N")]
    keep: usize,
    /// Images on the sheet of predictions after each epoch; 0 for none
    #[arg(long, default_value_t = 8, value_name = "N")]
    sheet: usize,
}

impl TrainingArgs {
    /// What decides the run's result, and what does not.
    pub fn split(&self) -> (Options, Setup) {
        if let Some(threads) = self.threads {
            tch::set_num_threads(threads.max(1));
        }
        let options = Options {
            init: self.init.clone(),
            validate: self.validate,
            limit: self.limit,
            leave_out: self.leave_out.clone(),
            epochs: self.epochs,
            batch: self.batch,
            loss: self.loss.clone(),
            class_weights: self.class_weights.clone(),
            label_smoothing: self.label_smoothing,
            optimizer: self.optimizer,
            rate: self.lr,
            weight_decay: self.weight_decay,
            schedule: self.schedule,
            warmup_epochs: self.warmup_epochs,
            freeze: self.freeze.clone(),
            rate_scales: Groups { scales: self.lr_scale.clone() },
            norm_momentum: self.norm_momentum,
            average: self.ema,
            clip: self.clip,
            patience: self.patience,
            augment: self.augment.clone(),
            seed: self.seed,
            device: self.device.clone(),
            half: self.amp,
            diverge_factor: self.diverge,
            ..Options::new(&self.model, self.data.clone())
        };
        let setup = Setup {
            workers: self.workers,
            cache_bytes: self.cache_mib << 20,
            keep: self.keep,
            sheet_images: self.sheet,
            resume: self.resume,
            command: std::env::args().skip(1).collect(),
        };
        (options, setup)
    }
}

fn rate_scale(text: &str) -> anyhow::Result<(String, f64)> {
    let parts = text.rsplit_once('=').and_then(|(pattern, factor)| Some((pattern, factor.parse().ok()?)));
    let (pattern, factor) = parts.ok_or_else(|| anyhow!("write PATTERN=FACTOR, for example encoder*=0.1"))?;
    Ok((pattern.to_string(), factor))
}

fn augment(text: &str) -> anyhow::Result<Augment> {
    if text == "none" { Ok(Augment::default()) } else { Ok(text.parse()?) }
}

/// The lines that a complete run ends with.
pub fn summary(outcome: &Outcome) -> String {
    let mut text =
        format!("best epoch {} of {}, {:.0} s\n", outcome.best_epoch, outcome.epochs, outcome.seconds);
    let splits = [("validation", Some(&outcome.val)), ("test", outcome.test.as_ref())];
    for (name, scores) in splits {
        if let Some(scores) = scores {
            text.push_str(&format!("{name}: {}\n", super::eval::line(scores)));
        }
    }
    text
}
