//! `sedge new`: an untrained network of the zoo.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use sedge::onnx::{Card, Model};
use sedge::zoo::{self, Backbone, Blueprint, Head, Settings, transfer};
use sha2::{Digest, Sha256};

use super::zoo::grouped;

/// Write an untrained network of the zoo; `sedge zoo` lists them
#[derive(clap::Args)]
pub struct Args {
    /// Name of the network
    network: String,
    /// Where to write it
    #[arg(short, long, value_name = "NET.onnx")]
    output: PathBuf,
    /// Number of classes
    #[arg(long, value_name = "N")]
    classes: usize,
    /// Size of the input; without it the network's usual one
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = super::model::size)]
    size: Option<(usize, usize)>,
    /// Seed of the weights
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Start from the weights of this model: tensors of the same name and shape, or else the layers at the same
    /// place, batch norms folded or not
    #[arg(long, value_name = "FROM.onnx")]
    init: Option<PathBuf>,
    #[command(flatten)]
    own: OwnSettings,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Settings of some networks (sedge zoo --json lists whose)")]
struct OwnSettings {
    /// Channels of the input: 3, or 1 for grey images
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
    /// Multiplier of the number of channels
    #[arg(long, value_name = "X")]
    width: Option<f32>,
    /// What the number of channels is a multiple of below or above width 1: 8, or 1 as in TensorFlow's DeepLab x0.5
    #[arg(long, value_name = "8|1")]
    divisor: Option<usize>,
    /// What follows a classifier's features: features (nothing), small or classic
    #[arg(long, value_name = "HEAD", value_parser = head)]
    head: Option<Head>,
    /// By how much the deepest features are smaller than the input
    #[arg(long, value_name = "8|16|32")]
    output_stride: Option<usize>,
    /// Channels of fc6 and fc7
    #[arg(long, value_name = "N,N", value_parser = pair)]
    fc_widths: Option<(usize, usize)>,
    /// Backbone: resnet50, resnet101 or resnet152
    #[arg(long, value_name = "NAME", value_parser = backbone)]
    backbone: Option<Backbone>,
    /// LayerNorm where hair-vit squares
    #[arg(long)]
    layer_norm: bool,
    /// Stages of a ResNet to give as outputs, from 1 to 5, in place of the classifier
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    stages: Vec<usize>,
}

fn head(text: &str) -> anyhow::Result<Head> {
    text.parse().map_err(|reason| anyhow!("{reason}"))
}

fn backbone(text: &str) -> anyhow::Result<Backbone> {
    text.parse().map_err(|reason| anyhow!("{reason}"))
}

fn pair(text: &str) -> anyhow::Result<(usize, usize)> {
    let numbers: Option<Vec<usize>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[a, b]) => Ok((a, b)),
        _ => bail!("write two numbers, for example 1024,512"),
    }
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let own = args.own;
    let settings = Settings {
        classes: Some(args.classes),
        size: args.size,
        channels: own.channels,
        width: own.width,
        divisor: own.divisor,
        head: own.head,
        output_stride: own.output_stride,
        fc_widths: own.fc_widths,
        backbone: own.backbone,
        layer_norm: own.layer_norm,
        stages: own.stages,
    };
    let blueprint = Blueprint::of(zoo::find(&args.network)?, &settings)?;
    let mut model = blueprint.model(args.seed)?;
    let mut text = String::new();
    let mut trained = blueprint.trained();
    if let Some(path) = &args.init {
        let bytes = std::fs::read(path).map_err(|reason| anyhow!("{}: {reason}", path.display()))?;
        let source = Model::from_bytes(&path.display().to_string(), &bytes)?;
        let taken = transfer::transfer(&mut model, &source)?;
        let mut card = Card::of(&model)?;
        let theirs = Card::of_file(&source, path)?;
        if let Some(provenance) = &mut card.provenance {
            let hash = Sha256::digest(&bytes);
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            provenance.source =
                Some(format!("{} of sedge {}, begun with {file}", args.network, env!("CARGO_PKG_VERSION")));
            provenance.license = theirs.provenance.as_ref().and_then(|theirs| theirs.license.clone());
            provenance.parent_sha256 = Some(hash.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        if taken.kept.is_empty() {
            // The same network at another size: its outputs mean what they meant.
            card = Card {
                classes: theirs.classes,
                labels: theirs.labels,
                input: theirs.input,
                ..Card::default()
            }
            .or(card);
        }
        card.store(&mut model);
        let added = taken
            .biases_added
            .iter()
            .filter_map(|node| model.graph.initializers.get(&format!("{node}.bias")));
        trained += added.map(|bias| bias.elements() as u64).sum::<u64>();
        text.push_str(&report(&taken, path));
    }
    model.write(&args.output)?;
    text.push_str(&format!(
        "{} written: {}, {} parameters and {} running statistics, {:.1} million multiply-accumulates\n",
        args.output.display(),
        args.network,
        grouped(trained),
        grouped(blueprint.statistics()),
        blueprint.macs() as f64 / 1e6
    ));
    super::print(&text)
}

/// Names of a report's line; a whole network has hundreds.
const SHOWN: usize = 8;

/// What came from another model and what did not.
fn report(taken: &transfer::Taken, path: &std::path::Path) -> String {
    let mut text = format!("from {}:\n", path.display());
    let mut list = |what: &str, names: &[String]| {
        if !names.is_empty() {
            let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if names.len() > SHOWN { ", ..." } else { "" };
            text.push_str(&format!("  {} {what}: {shown}{more}\n", names.len()));
        }
    };
    list("tensors of the same name and shape taken", &taken.by_name);
    let places: Vec<String> =
        taken.by_place.iter().map(|(own, source)| format!("{own} = {source}")).collect();
    list("layers at the same place taken, their norms folded", &places);
    list("layers given a bias, which their norm's fold left over", &taken.biases_added);
    list("layers keep their first values", &taken.kept);
    list("layers of the source not taken", &taken.left);
    text
}
