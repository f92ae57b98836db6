//! Options that say which model to use and what it needs where its card does not tell.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;
use sedge::frame::{ColorOrder, InputRule, ResizeRule};
use sedge::mask::classes_from_names;
use sedge::onnx::{Card, Model};

/// The model that runs when none is named.
const BUILT_IN: &[u8] = include_bytes!("../../models/deeplabv3_mnv2_dm05_voc21_257.int8.onnx");
/// What messages call it.
const BUILT_IN_NAME: &str = "the model inside sedge";

#[derive(clap::Args)]
pub struct ModelArgs {
    /// ONNX model; without it the int8 DeepLabV3 inside the program (21 PASCAL VOC classes)
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub card: CardArgs,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Where the model has no card")]
pub struct CardArgs {
    /// Card as a JSON file; without it a FILE.card.json beside the model, then the card inside the model
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Class names, one a line, in the order of the logits
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// Names of a classifier's classes, one a line, in the order of its scores
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Order of the input's channels
    #[arg(long, value_enum)]
    color: Option<Color>,
    /// Mean of each channel, for pixels from 0 to 1
    #[arg(long, value_name = "M,M,M", value_delimiter = ',', allow_negative_numbers = true)]
    mean: Option<Vec<f32>>,
    /// Standard deviation of each channel, for pixels from 0 to 1
    #[arg(long, value_name = "S,S,S", value_delimiter = ',')]
    std: Option<Vec<f32>>,
    /// How frames are brought to the network's size
    #[arg(long, value_enum)]
    resize: Option<Resize>,
    /// Size of the network's input where the model leaves it open
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = size)]
    size: Option<(usize, usize)>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Color {
    Rgb,
    Bgr,
    Gray,
}

#[derive(Clone, Copy, ValueEnum)]
enum Resize {
    Stretch,
    Letterbox,
}

/// The model in a file, or the one inside the program.
pub fn read(path: Option<&Path>) -> anyhow::Result<Model> {
    match path {
        Some(path) => Ok(Model::read(path)?),
        None => Ok(Model::from_bytes(BUILT_IN_NAME, BUILT_IN)?),
    }
}

impl ModelArgs {
    /// The model's file.
    pub fn bytes(&self) -> anyhow::Result<Cow<'static, [u8]>> {
        match &self.model {
            Some(path) => Ok(Model::read_bytes(path)?.into()),
            None => Ok(BUILT_IN.into()),
        }
    }

    /// Reads the model and all that is known about it.
    pub fn load(&self) -> anyhow::Result<(Model, Card)> {
        let beside = self.model.as_deref().and_then(Card::file_beside);
        let model = read(self.model.as_deref())?;
        self.card.complete(model, beside)
    }
}

impl CardArgs {
    /// Reads a model file and all that is known about it.
    #[cfg(feature = "host")]
    pub fn load(&self, path: &Path) -> anyhow::Result<(Model, Card)> {
        self.complete(Model::read(path)?, Card::file_beside(path))
    }

    /// Fixes the model's input shape and puts its card together: options first, then `--card` or the file beside the
    /// model, then the card inside.
    fn complete(&self, mut model: Model, beside: Option<PathBuf>) -> anyhow::Result<(Model, Card)> {
        model.fix_input_shapes(self.size)?;
        let mut card = Card::of(&model)?;
        if let Some(path) = self.card.as_ref().or(beside.as_ref()) {
            card = Card::read(path)?.or(card);
        }
        if let Some(path) = &self.classes {
            let names = read_names(path)?;
            if names.len() > 256 {
                bail!("{}: names {} classes, but a mask holds 256 at most", path.display(), names.len());
            }
            card.classes = classes_from_names(&names);
        }
        if let Some(path) = &self.labels {
            card.labels = read_names(path)?;
        }
        card.input = self.input_rule(card.input)?;
        Ok((model, card))
    }

    fn input_rule(&self, known: Option<InputRule>) -> anyhow::Result<Option<InputRule>> {
        let given = self.mean.is_some() || self.std.is_some() || self.color.is_some();
        let mut rule = match (known, &self.mean, &self.std) {
            (Some(rule), ..) => rule,
            (None, Some(mean), Some(std)) => {
                let color = if mean.len() == 1 { ColorOrder::Gray } else { ColorOrder::Rgb };
                InputRule { color, mean: mean.clone(), std: std.clone(), resize: ResizeRule::Stretch }
            }
            (None, ..) if given => {
                return Err(super::usage("a model without a card needs both --mean and --std"));
            }
            (None, ..) => return Ok(None),
        };
        if let Some(color) = self.color {
            rule.color = match color {
                Color::Rgb => ColorOrder::Rgb,
                Color::Bgr => ColorOrder::Bgr,
                Color::Gray => ColorOrder::Gray,
            };
        }
        if let Some(resize) = self.resize {
            rule.resize = match resize {
                Resize::Stretch => ResizeRule::Stretch,
                Resize::Letterbox => ResizeRule::Letterbox,
            };
        }
        rule.mean = self.mean.clone().unwrap_or(rule.mean);
        rule.std = self.std.clone().unwrap_or(rule.std);
        rule.check()?;
        Ok(Some(rule))
    }
}

fn read_names(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let names: Vec<String> =
        text.lines().map(|line| line.trim().to_string()).filter(|line| !line.is_empty()).collect();
    if names.is_empty() {
        bail!("{}: names no classes; write one name a line", path.display());
    }
    Ok(names)
}

pub fn size(text: &str) -> anyhow::Result<(usize, usize)> {
    let wrong = || anyhow!("write it as HEIGHTxWIDTH, for example 256x320");
    let (height, width) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
    match (height.parse(), width.parse()) {
        (Ok(height @ 1..=16384), Ok(width @ 1..=16384)) => Ok((height, width)),
        _ => Err(wrong()),
    }
}
