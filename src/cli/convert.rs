//! `sedge convert`: from a float model to int8.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::ValueEnum;
use sedge::camera;
use sedge::dataset::Dataset;
use sedge::onnx::Score;
use sedge::pipeline::PipelineError;
use sedge::quantize::{self, Activations, Method, Options, Quantized};

use super::eval;
use super::model::CardArgs;
use super::progress::Progress;

/// Quantize a float ONNX model to int8
#[derive(clap::Args)]
pub struct Args {
    /// Float ONNX model
    float: PathBuf,
    /// Where to write the int8 model
    #[arg(short, long, value_name = "INT8.onnx")]
    output: PathBuf,
    /// What the model will see, a few dozen frames of it: a folder of images or any source that `sedge run` reads
    #[arg(long, value_name = "DIR")]
    calibration: String,
    /// Use only the first frames of --calibration
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frames: Option<u64>,
    /// How the range of each activation is chosen
    #[arg(long, value_enum, default_value_t = MethodName::Mse)]
    method: MethodName,
    /// Percentage of the values that --method percentile keeps [default: 99.99]
    #[arg(long, value_name = "PERCENT", value_parser = percentile)]
    percentile: Option<f64>,
    /// Type of the activations
    #[arg(long, value_name = "u8|s8", default_value = "u8")]
    activations: Activations,
    /// Data set to measure both models on (META.json and val/images, val/masks)
    #[arg(long, value_name = "DIR")]
    validate: Option<PathBuf>,
    /// Largest loss of mean IoU, in points, with which the int8 model is still written
    #[arg(long, value_name = "POINTS", requires = "validate", value_parser = points)]
    max_drop: Option<f64>,
    #[command(flatten)]
    card: CardArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum MethodName {
    /// Smallest to largest value
    Minmax,
    /// The share of the values that --percentile says
    Percentile,
    /// The range with the least squared error
    Mse,
}

/// What --method percentile keeps when it is not said.
const PERCENTILE_DEFAULT: f64 = 99.99;

fn percentile(text: &str) -> anyhow::Result<f64> {
    match text.parse::<f64>() {
        Ok(value) if value > 50.0 && value <= 100.0 => Ok(value),
        _ => bail!("write a percentage above 50 and up to 100"),
    }
}

fn points(text: &str) -> anyhow::Result<f64> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        _ => bail!("write a number of points from 0 to 100"),
    }
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let (model, mut card) = args.card.load(&args.float)?;
    let bytes = std::fs::read(&args.float).with_context(|| args.float.display().to_string())?;
    card.provenance.get_or_insert_default().parent_sha256 = Some(quantize::sha256(&bytes));
    let Some(rule) = card.input.clone() else {
        return Err(PipelineError::NoInputRule { model: model.origin.clone() }.into());
    };
    check_output(&args)?;
    let method = match (args.method, args.percentile) {
        (MethodName::Percentile, percent) => Method::Percentile(percent.unwrap_or(PERCENTILE_DEFAULT)),
        (_, Some(_)) => return Err(super::usage("--percentile goes with --method percentile only")),
        (MethodName::Minmax, None) => Method::MinMax,
        (MethodName::Mse, None) => Method::Mse,
    };
    let known = calibration_frames(&args)?;
    let frames = known.into_iter().chain(args.frames).min();
    let passes = if method == Method::MinMax { 1 } else { 2 };
    let progress = Progress::new("calibrating", "frames", frames.map(|frames| frames * passes));
    let mut quantized = quantize::quantize(
        &model,
        &card,
        &rule,
        Options { method, activations: args.activations, frames_max: args.frames },
        &|| camera::open(&args.calibration),
        &|_| progress.step(&String::new),
    )?;
    progress.finish();
    report(&quantized)?;

    if let Some(path) = &args.validate {
        let dataset = Dataset::open(path)?;
        let score = |model, card| {
            let (confusion, _) =
                eval::confusion(model, card, &dataset, "val", &sedge::engine::Options::default())?;
            let mean = confusion
                .mean_iou()
                .with_context(|| format!("{}: holds no pixel to score", path.display()))?;
            anyhow::Ok(100.0 * mean)
        };
        let int8_card = sedge::onnx::Card::of(&quantized.model)?;
        let (float, int8) = (score(&model, &card)?, score(&quantized.model, &int8_card)?);
        super::print(&format!("mean IoU on {}: float {float:.2} %, int8 {int8:.2} %\n", path.display()))?;
        if let Some(max_drop) = args.max_drop
            && float - int8 > max_drop
        {
            bail!(
                "int8 loses {:.2} points, more than the {max_drop} of --max-drop, so {} is not written; try another \
                 --method or calibration frames more like those the camera sees",
                float - int8,
                args.output.display()
            );
        }
        let data =
            path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        let mut card = int8_card;
        if let Some(quantization) = &mut card.quantization {
            quantization.score =
                Some(Score { metric: "mIoU".into(), data: format!("{data} val"), float, int8 });
        }
        card.store(&mut quantized.model);
    }
    quantized.model.write(&args.output)?;
    super::print(&format!("{} written\n", args.output.display()))
}

/// Finds out before the work, not after it, that the result has no place.
fn check_output(args: &Args) -> anyhow::Result<()> {
    let output = &args.output;
    let is_float = match (output.canonicalize(), args.float.canonicalize()) {
        (Ok(output), Ok(float)) => output == float,
        _ => false,
    };
    if is_float {
        bail!("{}: is the float model itself; give another name with -o", output.display());
    }
    if output.is_dir() {
        bail!("{}: is a folder; give the name of a file with -o", output.display());
    }
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!("{}: the folder {} does not exist; make it first", output.display(), folder.display());
    }
    Ok(())
}

/// How many frames the calibration source holds, where it knows. Each is read twice, so the source must give it twice.
fn calibration_frames(args: &Args) -> anyhow::Result<Option<u64>> {
    let source = args.calibration.as_str();
    let is_device = std::fs::metadata(source).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    if source == "-" || source.contains("://") || is_device {
        bail!("{source}: calibration reads its frames twice; record a clip or a folder of images first");
    }
    let known = camera::open(source)?.info().frames;
    if known.is_none() && args.frames.is_none() && source.starts_with("synthetic:") {
        bail!("{source}: never ends; say with --frames how many frames to use");
    }
    Ok(known)
}

/// What became of the nodes.
fn report(quantized: &Quantized) -> anyhow::Result<()> {
    let mut text = format!(
        "{} nodes in int8, of which {} activations cost nothing; {} in float\n",
        quantized.int8_nodes,
        quantized.dropped_activations,
        quantized.float_nodes.len()
    );
    if quantized.broken_frames > 0 {
        text.push_str(&format!("{} broken calibration frames were left out\n", quantized.broken_frames));
    }
    for node in &quantized.float_nodes {
        text.push_str(&format!("  float: {} ({}): {}\n", node.node, node.op, node.reason));
    }
    super::print(&text)
}
