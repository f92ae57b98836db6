//! `sedge eval`: how right a model is on a labelled data set.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sedge::camera;
use sedge::dataset::{ClassificationFolder, Dataset, Matching, match_classes};
use sedge::mask::Mask;
use sedge::metrics::Confusion;
use sedge::onnx::{Card, Model};
use sedge::pipeline::{Classifier, MaskSize, Segmenter};
use serde_json::json;

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
    model: ModelArgs,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let (model, card) = args.model.load()?;
    if args.data.join("META.json").exists() || !has_image_folders(&args.data) {
        segmentation(&args, &model, &card)
    } else {
        classification(&args, &model, &card)
    }
}

/// Mean IoU in percent of a model on one split, for `sedge convert --validate`.
#[cfg(feature = "host")]
pub fn mean_iou(model: &Model, card: &Card, dataset: &Dataset, split: &str) -> anyhow::Result<f64> {
    let (confusion, _) = confusion(model, card, dataset, split)?;
    Ok(100.0 * confusion.mean_iou().unwrap_or(0.0))
}

/// Every pixel of a split, by true and predicted class.
fn confusion(
    model: &Model,
    card: &Card,
    dataset: &Dataset,
    split: &str,
) -> anyhow::Result<(Confusion, Matching)> {
    let mut segmenter = Segmenter::new(model, card, MaskSize::Frame)?;
    let meta = dataset.meta();
    let matching = match_classes(segmenter.classes(), &meta.classes, meta.ignore)?;
    let samples = dataset.split(split)?;
    let progress = Progress::new("evaluating", "images", Some(samples.len() as u64));
    let mut confusion = Confusion::new(meta.classes.len());
    let mut mask = Mask::default();
    for sample in &samples {
        let frame = still(&sample.image)?;
        let truth = dataset.read_mask(sample)?;
        if (truth.width, truth.height) != (frame.width, frame.height) {
            bail!(
                "{}: is {}x{}, but its image {}x{}; masks and images must have one size",
                sample.mask.display(),
                truth.width,
                truth.height,
                frame.width,
                frame.height
            );
        }
        segmenter.segment(&frame, &mut mask)?;
        let truth: Vec<u8> = truth.data.iter().map(|&id| matching.data_to_data[id as usize]).collect();
        let predicted: Vec<u8> = mask.data.iter().map(|&id| matching.model_to_data[id as usize]).collect();
        confusion
            .add(&truth, &predicted, Some(meta.ignore))
            .with_context(|| sample.mask.display().to_string())?;
        progress.step(&String::new);
    }
    progress.finish();
    Ok((confusion, matching))
}

fn segmentation(args: &Args, model: &Model, card: &Card) -> anyhow::Result<()> {
    let dataset = Dataset::open(&args.data)?;
    let (confusion, matching) = confusion(model, card, &dataset, &args.split)?;
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

fn classification(args: &Args, model: &Model, card: &Card) -> anyhow::Result<()> {
    let split = args.data.join(&args.split);
    let data = ClassificationFolder::open(if split.is_dir() { &split } else { &args.data })?;
    let mut classifier = Classifier::new(model, card)?;
    let labels = label_ids(&data.classes, card, classifier.classes())?;
    let progress = Progress::new("evaluating", "images", Some(data.samples.len() as u64));
    let mut right = 0usize;
    for (path, class) in &data.samples {
        if classifier.classify(&still(path)?)? == labels[*class] {
            right += 1;
        }
        progress.step(&String::new);
    }
    progress.finish();
    let images = data.samples.len();
    let top1 = 100.0 * right as f64 / images as f64;
    if args.json {
        let value =
            json!({ "model": model.origin, "data": args.data, "images": images, "top1_percent": top1 });
        return super::print(&format!("{value:#}\n"));
    }
    super::print(&format!(
        "{}, {images} images of {} classes\n{top1:>6.2} %  top-1\n",
        model.origin,
        labels.len()
    ))
}

/// The model's class of each folder: by name where the card has labels, else by place.
fn label_ids(folders: &[String], card: &Card, classes: usize) -> anyhow::Result<Vec<usize>> {
    if card.labels.is_empty() {
        if folders.len() != classes {
            bail!(
                "the model tells {classes} classes apart and names none, but there are {} folders; name them with \
                 --labels",
                folders.len()
            );
        }
        return Ok((0..classes).collect());
    }
    let normal = |name: &str| name.to_lowercase().replace(['-', '_'], " ");
    folders
        .iter()
        .map(|folder| {
            card.labels
                .iter()
                .position(|label| label.split(',').any(|name| normal(name.trim()) == normal(folder)))
                .with_context(|| {
                    format!("folder {folder} is none of the model's {} labels", card.labels.len())
                })
        })
        .collect()
}

fn still(path: &Path) -> anyhow::Result<sedge::frame::Frame> {
    let mut source = camera::Still::open(path)?;
    let frame = camera::Source::next_frame(&mut source);
    Ok(frame.with_context(|| format!("{}: holds no image", path.display()))??)
}

/// Whether `folder` or its split folders hold folders of images, as classification data sets do.
fn has_image_folders(folder: &Path) -> bool {
    ClassificationFolder::open(folder).is_ok()
}
