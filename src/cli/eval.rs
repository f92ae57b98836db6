//! `sedge eval`: how right a model is on a labelled data set.

use std::fmt::Write;
use std::path::PathBuf;

use sedge::dataset::{ClassificationFolder, Dataset, Matching};
use sedge::engine::Options;
use sedge::evaluate;
use sedge::metrics::Confusion;
use sedge::onnx::{Card, Model};
use sedge::pipeline::{Classifier, MaskSize, Segmenter};
use serde_json::json;

use super::engine::EngineArgs;
use super::model::ModelArgs;
use super::progress::Progress;

/// Measure a model on a labelled data set
///
/// A segmentation data set is a folder with META.json (class names and the ignore label) and SPLIT/images and
/// SPLIT/masks, masks being 8-bit PNG of class ids named like the images. Classes of model and data set are matched by
/// name; those without a partner count as background. A folder of folders of images, one a class, is a classification
/// data set.
#[derive(clap::Args)]
pub struct Args {
    /// The data set's folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Which part of it
    #[arg(long, default_value = "test")]
    split: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    model: ModelArgs,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let (model, card) = args.model.load()?;
    let split = args.data.join(&args.split);
    if args.data.join("META.json").exists() || split.join("images").exists() {
        return segmentation(&args, &model, &card);
    }
    match [split.as_path(), &args.data].into_iter().find_map(|dir| ClassificationFolder::open(dir).ok()) {
        Some(classes) => classification(&args, &model, &card, &classes),
        None => segmentation(&args, &model, &card),
    }
}

/// Pixels of a split by true and predicted class, with a progress bar.
pub fn confusion(
    model: &Model,
    card: &Card,
    dataset: &Dataset,
    split: &str,
    options: &Options,
) -> anyhow::Result<(Confusion, Matching)> {
    let mut segmenter = Segmenter::with_options(model, card, MaskSize::Frame, options)?;
    let mut bar = Bar::default();
    Ok(evaluate::segmentation(&mut segmenter, dataset, split, &mut |images| bar.step(images))?)
}

/// A progress bar that learns its length from the first step, and goes when it is dropped.
#[derive(Default)]
struct Bar(Option<Progress>);

impl Bar {
    fn step(&mut self, images: usize) {
        let progress = || Progress::new("evaluating", "images", Some(images as u64));
        self.0.get_or_insert_with(progress).step(&String::new);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(progress) = &self.0 {
            progress.finish();
        }
    }
}

fn segmentation(args: &Args, model: &Model, card: &Card) -> anyhow::Result<()> {
    let dataset = Dataset::open(&args.data)?;
    let (confusion, matching) = confusion(model, card, &dataset, &args.split, &args.engine.options())?;
    let percent = |share: Option<f64>| share.map(|share| 100.0 * share);
    let overall = [
        ("mean IoU", "mean_iou_percent", percent(confusion.mean_iou())),
        (
            "frequency-weighted IoU",
            "frequency_weighted_iou_percent",
            percent(confusion.frequency_weighted_iou()),
        ),
        ("pixel accuracy", "pixel_accuracy_percent", percent(confusion.pixel_accuracy())),
    ];
    let classes: Vec<(&String, Option<f64>)> =
        (0..=255).zip(&dataset.meta().classes).map(|(id, name)| (name, percent(confusion.iou(id)))).collect();
    if args.json {
        let classes: serde_json::Map<String, serde_json::Value> =
            classes.iter().map(|(name, iou)| (name.to_string(), json!(iou))).collect();
        let mut value = json!({
            "model": model.origin,
            "data": args.data,
            "split": args.split,
            "pixels": confusion.pixels(),
            "iou_percent": classes,
            "matched": matching.matched,
            "folded_model": matching.folded_model,
            "folded_data": matching.folded_data,
        });
        for (_, key, figure) in overall {
            value[key] = json!(figure);
        }
        return super::print(&format!("{value:#}\n"));
    }
    let show = |figure: Option<f64>| figure.map_or("   -  ".to_string(), |figure| format!("{figure:>6.2}"));
    let mut text = format!("{}, {} of {}\n{matching}\n", model.origin, args.split, args.data.display());
    for (name, _, figure) in overall {
        writeln!(text, "{} %  {name}", show(figure))?;
    }
    for (name, iou) in classes {
        writeln!(text, "{} %  IoU {name}", show(iou))?;
    }
    super::print(&text)
}

fn classification(
    args: &Args,
    model: &Model,
    card: &Card,
    data: &ClassificationFolder,
) -> anyhow::Result<()> {
    let mut classifier = Classifier::with_options(model, card, &args.engine.options())?;
    let mut bar = Bar::default();
    let top1 = evaluate::classification(&mut classifier, &card.labels, data, &mut |images| bar.step(images))?;
    drop(bar);
    let (images, percent) = (data.samples.len(), 100.0 * top1);
    if args.json {
        let value =
            json!({ "model": model.origin, "data": args.data, "images": images, "top1_percent": percent });
        return super::print(&format!("{value:#}\n"));
    }
    let classes = data.classes.len();
    super::print(&format!(
        "{}, {images} images of {classes} classes\n{percent:>6.2} %  top-1\n",
        model.origin
    ))
}
