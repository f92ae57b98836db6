//! `sedge-train eval`: how right a model is on a split.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use sedge_train::data::Split;
use sedge_train::fit::{Runner, Scores, Trial, TrialOptions};

use super::print;
use serde_json::json;

/// Measure a model on a split of a data set
///
/// A segmenter is judged at the images' own sizes: its logits are enlarged to each, as the camera program does. Quantized
/// (QDQ) models run in Sedge's own integer engine, so that the figures are the camera's; --float runs them through the
/// training graph, with quantization simulated.
#[derive(clap::Args)]
pub struct Args {
    /// A model file, a run's folder, or a checkpoint
    #[arg(long, value_name = "M.onnx")]
    model: PathBuf,
    /// Data set
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Which part of it
    #[arg(long, default_value = "test", value_name = "SPLIT")]
    split: Split,
    /// Use only N examples, evenly spread over the split
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Leave out the examples that this file names, one a line, such as doctor --leaks writes
    #[arg(long, value_name = "FILE")]
    leave_out: Option<PathBuf>,
    /// Images at a time
    #[arg(long, default_value_t = 8, value_name = "N")]
    batch: usize,
    /// Passes over each image of a network whose dropout is live, whose mean counts
    #[arg(long, default_value_t = 1, value_name = "N")]
    passes: usize,
    /// Folder for uncertainty maps (NAME.entropy.png and NAME.variance.png) of several passes
    #[arg(long, value_name = "DIR")]
    maps: Option<PathBuf>,
    /// Run a quantized model through the training graph
    #[arg(long)]
    float: bool,
    /// Seed of live dropout
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// cpu, cuda or cuda:N; by default CUDA where it is there
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Threads that compute; by default libtorch's choice
    #[arg(long, value_name = "N")]
    threads: Option<i32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.maps.is_some() && args.passes < 2 {
        return Err(super::usage("--maps needs --passes 2 or more: one pass says nothing about uncertainty"));
    }
    if let Some(threads) = args.threads {
        tch::set_num_threads(threads.max(1));
    }
    let options = TrialOptions {
        split: args.split,
        limit: args.limit,
        leave_out: args.leave_out,
        batch: args.batch,
        passes: args.passes,
        maps: args.maps.clone(),
        float: args.float,
        seed: args.seed,
        device: args.device.clone(),
    };
    let trial = Trial::run(&args.model, &args.data, &options)?;
    let (model, data) = (args.model.display(), args.data.display());
    let runner = match trial.runner {
        Runner::Engine => "Sedge's integer engine",
        Runner::Graph => "the training graph",
    };
    if args.json {
        let mut value = json!({
            "model": model.to_string(),
            "model_sha256": trial.model_sha256,
            "data": data.to_string(),
            "split": args.split,
            "passes": args.passes,
            "runner": runner,
            "scores": trial.scores,
        });
        if let Some(uncertainty) = trial.uncertainty {
            value["uncertainty"] = json!(uncertainty);
        }
        print(format_args!("{value:#}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (split, images) = (args.split, trial.scores.images);
    print(format_args!("{model}, {split} of {data}, {images} images, in {runner}"))?;
    print(table(&trial.scores).trim_end())?;
    if let Some(uncertainty) = trial.uncertainty {
        print(format_args!("{:>8.4}    mean entropy over {} passes", uncertainty.entropy, args.passes))?;
        print(format_args!("{:>8.4}    mean variance of the classes' probabilities", uncertainty.variance))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(scores: &Scores) -> String {
    let mut text = String::new();
    let mut row = |name: &str, share: Option<f64>| {
        let _ = match share {
            Some(share) => writeln!(text, "{:>8.2} %  {name}", 100.0 * share),
            None => writeln!(text, "{:>8} %  {name}", "-"),
        };
    };
    let is_segmenter = scores.mean_iou.is_some();
    row(if is_segmenter { "pixel accuracy" } else { "accuracy" }, Some(scores.accuracy));
    if scores.top5.is_some() {
        row("among the five likeliest", scores.top5);
    }
    if is_segmenter {
        row("mean IoU", scores.mean_iou);
        row("frequency weighted IoU", scores.frequency_weighted_iou);
        for (name, iou) in &scores.iou {
            row(&format!("IoU {name}"), *iou);
        }
    }
    if let Some(loss) = scores.loss {
        let _ = writeln!(text, "{loss:>8.4}    masked loss (cross entropy)");
    }
    text
}

/// The main figures in one line.
pub fn line(scores: &Scores) -> String {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let mut text = String::new();
    if let Some(mean_iou) = scores.mean_iou {
        let _ = write!(text, "mean IoU {}, pixel ", percent(mean_iou));
    }
    let _ = write!(text, "accuracy {}", percent(scores.accuracy));
    if let Some(loss) = scores.loss {
        let _ = write!(text, ", loss {loss:.4}");
    }
    let _ = write!(text, " ({} images)", scores.images);
    text
}
