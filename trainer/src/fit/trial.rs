//! A model tried on a split: with the training graph, several times where dropout is live, or in Sedge's own engine.

use std::path::{Path, PathBuf};

use sedge::engine::Session;
use sedge::frame::InputRule;
use sedge::onnx::{Card, Model, Task};
use serde::Serialize;
use tch::{Device, Kind, TchError, Tensor};

use super::image_size::judge_image;
use super::training::mixed;
use super::{FitError, Judge, Scores, Subset, device, read_model};
use crate::data::{Batch, Loader, LoaderOptions, Split, open};
use crate::graph::{Mode, Network};
use crate::plot::gray_png;

/// How a model is tried.
#[derive(Clone, Debug)]
pub struct TrialOptions {
    /// On which split.
    pub split: Split,
    /// On so many of its examples, evenly spread over it.
    pub limit: Option<usize>,
    /// Without those that this file names, a line each.
    pub leave_out: Option<PathBuf>,
    /// Images at a time.
    pub batch: usize,
    /// Passes over each image; their mean probabilities count.
    pub passes: usize,
    /// Where maps of uncertainty go.
    pub maps: Option<PathBuf>,
    /// Run quantized models through the training graph, too.
    pub float: bool,
    /// Seed of live dropout.
    pub seed: u64,
    /// `cpu`, `cuda` or `cuda:N`; `None`: CUDA where it is there.
    pub device: Option<String>,
}

/// Who computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// The training graph.
    Graph,
    /// Sedge's integer engine.
    Engine,
}

/// Uncertainty over several passes, as means over all pixels (images, for a classifier).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Uncertainty {
    /// Entropy of the mean probabilities as a share of the largest possible, 0..=1.
    pub entropy: f64,
    /// Variance of each class's probability over the passes, summed over the classes.
    pub variance: f64,
}

/// What a trial found.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The figures; a segmenter's at the images' own sizes.
    pub scores: Scores,
    /// Who computed.
    pub runner: Runner,
    /// Over several passes.
    pub uncertainty: Option<Uncertainty>,
    /// SHA-256 of the model's file.
    pub model_sha256: String,
}

enum Body {
    Graph(Box<Network>),
    Engine(Box<Session>),
}

impl Trial {
    /// Tries the model in the file (or run's folder) `model` on the data set `data`.
    ///
    /// # Errors
    /// When model or data are wrong or do not fit.
    pub fn run(model: &Path, data: &Path, options: &TrialOptions) -> Result<Trial, FitError> {
        if options.passes == 0 || options.batch == 0 {
            return Err(FitError::Option("--passes and --batch must be at least 1".to_string()));
        }
        let (graph, model_sha256) = read_model(model)?;
        let rule = Card::of_file(&graph, model)?.input.unwrap_or_else(|| super::start::usual_rule(&graph));
        let quantized = graph.graph.nodes.iter().any(|node| node.standard_op() == "DequantizeLinear");
        let runner = if quantized && !options.float { Runner::Engine } else { Runner::Graph };
        if runner == Runner::Engine && options.passes > 1 {
            return Err(FitError::Option(
                "--passes is for float models, whose dropout is live; add --float".to_string(),
            ));
        }
        let body = match runner {
            Runner::Graph => Body::Graph(Box::new(Network::new(&graph, device(options.device.as_deref())?)?)),
            Runner::Engine => Body::Engine(Box::new(Session::new(&graph).map_err(FitError::engine)?)),
        };
        let loader = loader(&body, rule, data, options)?;
        body.check_classes(&graph, &loader, data)?;
        let mut judge = Judge::new(loader.examples().as_ref());
        let mut sum = Sum::default();
        let _guard = tch::no_grad_guard();
        for (number, batch) in loader.epoch(0).enumerate() {
            let batch = batch?;
            let logits = if options.passes == 1 {
                body.logits(&batch, options.seed, number, 0)?
            } else {
                let passes = (0..options.passes).map(|pass| body.logits(&batch, options.seed, number, pass));
                let passes = passes.collect::<Result<Vec<_>, _>>()?;
                several(&passes, &batch, &loader, options, &mut sum)?
            };
            match loader.examples().task() {
                Task::Classification => drop(judge.add(&logits, &batch.targets)?),
                Task::Segmentation => {
                    for (place, &index) in batch.indices.iter().enumerate() {
                        drop(judge_image(&mut judge, &logits.f_narrow(0, place as i64, 1)?, &loader, index)?);
                    }
                }
            }
        }
        let mut scores = judge.scores();
        if !gives_logits(&graph) && runner == Runner::Engine {
            // Probabilities are no logits: their cross entropy would be another figure.
            scores.loss = None;
        }
        Ok(Trial { scores, runner, uncertainty: sum.mean(), model_sha256 })
    }
}

/// Whether the graph's output is not behind a softmax, sigmoid or arg max, which the training graph leaves out.
fn gives_logits(model: &Model) -> bool {
    let output = model.graph.outputs.first().map_or("", |output| output.name.as_str());
    let node = model.graph.nodes.iter().find(|node| node.outputs.iter().any(|name| name == output));
    node.is_none_or(|node| !matches!(node.standard_op(), "Softmax" | "Sigmoid" | "ArgMax" | "Cast"))
}

fn loader(body: &Body, rule: InputRule, data: &Path, options: &TrialOptions) -> Result<Loader, FitError> {
    let (height, width) = match body {
        Body::Graph(network) => (network.input()[1], network.input()[2]),
        Body::Engine(session) => (session.input_shape()[2], session.input_shape()[3]),
    };
    let examples = Subset::of(open(data, options.split)?, options.limit, options.leave_out.as_deref())?;
    let loader_options =
        LoaderOptions { cache_bytes: 0, ..LoaderOptions::plain(options.batch, width, height, rule) };
    Ok(Loader::new(examples, loader_options)?)
}

impl Body {
    fn check_classes(&self, model: &Model, loader: &Loader, data: &Path) -> Result<(), FitError> {
        let (examples, data) = (loader.examples().as_ref(), super::start::data_name(data));
        match self {
            Body::Graph(network) => super::check::check_fit(network, examples, &model.origin, &data),
            Body::Engine(session) => {
                let input = session.input_shape();
                let blank = vec![0.0; input.iter().product()];
                let logits = engine_logits(session, &blank)?.size();
                let channels = logits.get(1).map_or(0, |&channels| channels as usize);
                let is_segmenter = logits.len() == 4;
                super::check::check_output(is_segmenter, channels, examples, &model.origin, &data)
            }
        }
    }

    /// Logits `[N,C,...]` of a batch.
    fn logits(&self, batch: &Batch, seed: u64, number: usize, pass: usize) -> Result<Tensor, FitError> {
        match self {
            Body::Graph(network) => {
                tch::manual_seed(mixed([seed, number as u64, pass as u64]));
                Ok(network.forward(&batch.images, Mode::Evaluate)?.f_to_device(Device::Cpu)?)
            }
            Body::Engine(session) => {
                let each = (0..batch.indices.len() as i64).map(|place| {
                    let image = batch.images.f_get(place)?.f_contiguous()?;
                    let mut pixels = vec![0_f32; image.numel()];
                    image.f_copy_data(&mut pixels, image.numel())?;
                    engine_logits(session, &pixels)
                });
                Ok(Tensor::f_cat(&each.collect::<Result<Vec<_>, FitError>>()?, 0)?)
            }
        }
    }
}

/// Sedge's engine on one image, `[C,H,W]`.
fn engine_logits(session: &Session, pixels: &[f32]) -> Result<Tensor, FitError> {
    let values = session.run(pixels).map_err(FitError::engine)?;
    let value = values.first().ok_or_else(|| FitError::Option("the model gives no output".to_string()))?;
    let floats = value.as_f32().ok_or_else(|| {
        FitError::Option(
            "the model gives no float scores; evaluate it with --float, or with sedge eval".to_string(),
        )
    })?;
    let shape: Vec<i64> = value.shape().iter().map(|&size| size as i64).collect();
    Ok(Tensor::f_from_slice(floats)?.f_view(&shape[..])?)
}

#[derive(Default)]
struct Sum {
    entropy: f64,
    variance: f64,
    images: usize,
}

impl Sum {
    fn mean(&self) -> Option<Uncertainty> {
        let images = self.images as f64;
        (self.images > 0)
            .then(|| Uncertainty { entropy: self.entropy / images, variance: self.variance / images })
    }
}

/// The logarithm of the passes' mean probabilities, which serves as logits; their uncertainty goes into `sum` and, where
/// wanted, into pictures.
fn several(
    passes: &[Tensor],
    batch: &Batch,
    loader: &Loader,
    options: &TrialOptions,
    sum: &mut Sum,
) -> Result<Tensor, FitError> {
    let (mean, entropy, variance) = uncertainty(passes)?;
    for (place, &index) in batch.indices.iter().enumerate() {
        let (entropy, variance) = (entropy.f_get(place as i64)?, variance.f_get(place as i64)?);
        sum.entropy += entropy.f_mean(Kind::Double)?.f_double_value(&[])?;
        sum.variance += variance.f_mean(Kind::Double)?.f_double_value(&[])?;
        sum.images += 1;
        if let Some(folder) = &options.maps
            && entropy.dim() == 2
        {
            std::fs::create_dir_all(folder).map_err(FitError::file(folder))?;
            let name = loader.examples().name(index).replace(['/', '\\'], "_");
            // The variance of a probability is at most 1/4, and so is the sum's over two classes by half.
            for (what, map, largest) in [("entropy", &entropy, 1.0), ("variance", &variance, 0.5)] {
                gray_png(&folder.join(format!("{name}.{what}.png")), map, largest)?;
            }
        }
    }
    Ok(mean.f_clamp_min(1e-12)?.f_log()?)
}

/// Mean probabilities `[N,C,...]`, and of each pixel `[N,...]` the entropy of the mean as a share of log C, and the
/// variance over the passes summed over the classes.
fn uncertainty(passes: &[Tensor]) -> Result<(Tensor, Tensor, Tensor), TchError> {
    let probabilities =
        passes.iter().map(|logits| logits.f_softmax(1, Kind::Float)).collect::<Result<Vec<_>, _>>()?;
    let all = Tensor::f_stack(&probabilities, 0)?;
    let mean = all.f_mean_dim(&[0_i64][..], false, Kind::Float)?;
    let classes = mean.size().get(1).copied().unwrap_or(1).max(2) as f64;
    let logarithm = mean.f_clamp_min(1e-12)?.f_log()?;
    let entropy = mean.f_mul(&logarithm)?.f_sum_dim_intlist(&[1_i64][..], false, Kind::Float)?;
    let entropy = entropy.f_div_scalar(-classes.ln())?;
    let squares = all.f_sub(&mean)?.f_square()?.f_mean_dim(&[0_i64][..], false, Kind::Float)?;
    Ok((mean, entropy, squares.f_sum_dim_intlist(&[1_i64][..], false, Kind::Float)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uncertainty_worked_out_by_hand() {
        // Two passes over one pixel of two classes: (1/2, 1/2) and (3/4, 1/4).
        let pass = |ratio: f32| Tensor::from_slice(&[ratio.ln(), 0.0]).view([1, 2, 1, 1]);
        let (mean, entropy, variance) = uncertainty(&[pass(1.0), pass(3.0)]).unwrap();
        let (p, q) = (0.625_f64, 0.375_f64);
        assert!((mean.double_value(&[0, 0, 0, 0]) - p).abs() < 1e-6);
        let expected = -(p * p.ln() + q * q.ln()) / 2.0_f64.ln();
        assert!((entropy.double_value(&[0, 0, 0]) - expected).abs() < 1e-6);
        assert!((variance.double_value(&[0, 0, 0]) - 2.0 * 0.125_f64.powi(2)).abs() < 1e-6);
        let (_, none, still) = uncertainty(&[pass(1e30), pass(1e30)]).unwrap();
        assert!(none.double_value(&[0, 0, 0]).abs() < 1e-6 && still.double_value(&[0, 0, 0]) == 0.0);
    }
}
