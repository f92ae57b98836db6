//! What a user may choose of a network, and what comes of it where nothing is chosen.

use std::str::FromStr;

use super::ZooError;
use super::mobilenetv2::Rounding;
use super::registry::Network;
use crate::onnx::Task;

/// Choices for one network; what is `None` or empty is as usual for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Number of classes.
    pub classes: Option<usize>,
    /// Input's height and width in pixels.
    pub size: Option<(usize, usize)>,
    /// Channels of the input: 3, or 1 for grey images.
    pub channels: Option<usize>,
    /// Multiplier of the number of channels.
    pub width: Option<f32>,
    /// What the number of channels is a multiple of where `width` makes them fewer or more: 8 as in Keras, or 1.
    pub divisor: Option<usize>,
    /// What follows a classifier's features.
    pub head: Option<Head>,
    /// By how much the deepest features are smaller than the input.
    pub output_stride: Option<usize>,
    /// Channels of the two wide convolutions of an FCN, fc6 and fc7.
    pub fc_widths: Option<(usize, usize)>,
    /// The backbone under a segmenter.
    pub backbone: Option<Backbone>,
    /// LayerNorm where hair-vit squares.
    pub layer_norm: bool,
    /// Stages of a ResNet that become outputs, from 1 to 5, in place of the classifier.
    pub stages: Vec<usize>,
}

/// What follows a classifier's features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Nothing: the output is the feature map.
    Features,
    /// A small dense layer, for small images.
    Small,
    /// The paper's.
    Classic,
}

/// Residual networks that segmenters build on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backbone {
    /// 3, 4, 6 and 3 blocks.
    ResNet50,
    /// 3, 4, 23 and 3 blocks.
    ResNet101,
    /// 3, 8, 36 and 3 blocks.
    ResNet152,
}

/// A setting beyond classes and size, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `--channels`
    Channels,
    /// `--width`
    Width,
    /// `--divisor`
    Divisor,
    /// `--head`, with what it may be
    Head(&'static [Head]),
    /// `--output-stride`, with what it may be
    OutputStride(&'static [usize]),
    /// `--fc-widths`
    FcWidths,
    /// `--backbone`
    Backbone,
    /// `--layer-norm`
    LayerNorm,
    /// `--stages`
    Stages,
}

impl Setting {
    /// The option's name.
    pub fn name(self) -> &'static str {
        match self {
            Setting::Channels => "--channels",
            Setting::Width => "--width",
            Setting::Divisor => "--divisor",
            Setting::Head(_) => "--head",
            Setting::OutputStride(_) => "--output-stride",
            Setting::FcWidths => "--fc-widths",
            Setting::Backbone => "--backbone",
            Setting::LayerNorm => "--layer-norm",
            Setting::Stages => "--stages",
        }
    }
}

impl Head {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Head::Features => "features",
            Head::Small => "small",
            Head::Classic => "classic",
        }
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Head, String> {
        [Head::Features, Head::Small, Head::Classic]
            .into_iter()
            .find(|head| head.name() == text)
            .ok_or_else(|| "write features, small or classic".to_string())
    }
}

impl Backbone {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Backbone::ResNet50 => "resnet50",
            Backbone::ResNet101 => "resnet101",
            Backbone::ResNet152 => "resnet152",
        }
    }
}

impl FromStr for Backbone {
    type Err = String;

    fn from_str(text: &str) -> Result<Backbone, String> {
        [Backbone::ResNet50, Backbone::ResNet101, Backbone::ResNet152]
            .into_iter()
            .find(|backbone| backbone.name() == text)
            .ok_or_else(|| "write resnet50, resnet101 or resnet152".to_string())
    }
}

/// Settings with every choice made and checked.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) classes: usize,
    pub(super) size: (usize, usize),
    pub(super) channels: usize,
    pub(super) width: f32,
    pub(super) rounding: Rounding,
    pub(super) head: Head,
    pub(super) output_stride: usize,
    pub(super) fc_widths: (usize, usize),
    pub(super) backbone: Backbone,
    pub(super) layer_norm: bool,
    pub(super) stages: Vec<usize>,
}

impl Settings {
    /// Checks the settings against what `network` offers and fills in what is usual.
    pub(super) fn choose(&self, network: &Network) -> Result<Choice, ZooError> {
        let wrong = |reason: String| ZooError::Setting { network: network.name, reason };
        self.check_offered(network)?;
        let classes = self.classes.unwrap_or(network.usual_classes);
        let classes_max = match network.task {
            Task::Segmentation => MASK_CLASSES_MAX,
            Task::Classification => CHANNELS_MAX,
        };
        if !(1..=classes_max).contains(&classes) {
            return Err(wrong(format!("{classes} classes; give 1 to {classes_max}")));
        }
        let size = self.size.unwrap_or(network.usual_size);
        network.sizes.check(network.name, size)?;
        let channels = self.channels.unwrap_or(network.usual_channels);
        if channels != 1 && channels != 3 {
            return Err(wrong(format!("--channels {channels}; give 3, or 1 for grey images")));
        }
        let width = self.width.unwrap_or(1.0);
        if !(WIDTH_MIN..=WIDTH_MAX).contains(&width) {
            return Err(wrong(format!("--width {width}; give {WIDTH_MIN} to {WIDTH_MAX}")));
        }
        let rounding = match self.divisor {
            None | Some(8) => Rounding::Eighths,
            Some(1) => Rounding::Integers,
            Some(other) => return Err(wrong(format!("--divisor {other}; give 8 or 1"))),
        };
        let offered_heads = network.settings.iter().find_map(|setting| match setting {
            Setting::Head(heads) => Some(*heads),
            _ => None,
        });
        let heads = offered_heads.unwrap_or(&[Head::Classic]);
        let head = self.head.unwrap_or(heads[0]);
        if !heads.contains(&head) {
            let names: Vec<&str> = heads.iter().map(|head| head.name()).collect();
            return Err(wrong(format!("--head {}; it has {}", head.name(), names.join(", "))));
        }
        let offered_strides = network.settings.iter().find_map(|setting| match setting {
            Setting::OutputStride(strides) => Some(*strides),
            _ => None,
        });
        let strides = offered_strides.unwrap_or(&[32]);
        let output_stride = self.output_stride.unwrap_or(strides[0]);
        if !strides.contains(&output_stride) {
            return Err(wrong(format!("--output-stride {output_stride}; it has {strides:?}")));
        }
        let fc_widths = self.fc_widths.unwrap_or((4096, 4096));
        let channels_fit = |channels: usize| (1..=CHANNELS_MAX).contains(&channels);
        if !(channels_fit(fc_widths.0) && channels_fit(fc_widths.1)) {
            let (fc6, fc7) = fc_widths;
            return Err(wrong(format!("--fc-widths {fc6},{fc7}; give two numbers from 1 to {CHANNELS_MAX}")));
        }
        if let Some(stage) = self.stages.iter().find(|stage| !(1..=5).contains(*stage)) {
            return Err(wrong(format!("--stages {stage}; the stages are 1 to 5")));
        }
        if !self.stages.is_sorted_by(|a, b| a < b) {
            return Err(wrong(format!("--stages {:?}; give each stage once, in rising order", self.stages)));
        }
        Ok(Choice {
            classes,
            size,
            channels,
            width,
            rounding,
            head,
            output_stride,
            fc_widths,
            backbone: self.backbone.unwrap_or(Backbone::ResNet50),
            layer_norm: self.layer_norm,
            stages: self.stages.clone(),
        })
    }

    fn check_offered(&self, network: &Network) -> Result<(), ZooError> {
        let given = [
            ("--channels", self.channels.is_some()),
            ("--width", self.width.is_some()),
            ("--divisor", self.divisor.is_some()),
            ("--head", self.head.is_some()),
            ("--output-stride", self.output_stride.is_some()),
            ("--fc-widths", self.fc_widths.is_some()),
            ("--backbone", self.backbone.is_some()),
            ("--layer-norm", self.layer_norm),
            ("--stages", !self.stages.is_empty()),
        ];
        let offered: Vec<&str> = network.settings.iter().map(|setting| setting.name()).collect();
        match given.into_iter().find(|(name, given)| *given && !offered.contains(name)) {
            None => Ok(()),
            Some((name, _)) => {
                let offers =
                    if offered.is_empty() { "no setting of its own".to_string() } else { offered.join(", ") };
                Err(ZooError::Setting {
                    network: network.name,
                    reason: format!("{name} is no setting of it; it has {offers}"),
                })
            }
        }
    }
}

/// Ids that fit in a mask of bytes.
const MASK_CLASSES_MAX: usize = 256;
/// More channels than any network that fits in memory.
const CHANNELS_MAX: usize = 65_536;
const WIDTH_MIN: f32 = 0.1;
const WIDTH_MAX: f32 = 4.0;

/// Input sizes that a network's strides can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Smallest height and width.
    pub min: usize,
    /// Height and width are multiples of this.
    pub multiple: usize,
}

impl Sizes {
    fn check(self, network: &'static str, (height, width): (usize, usize)) -> Result<(), ZooError> {
        let fits = |size: usize| size >= self.min && size.is_multiple_of(self.multiple);
        if fits(height) && fits(width) {
            return Ok(());
        }
        let near = |size: usize| size.next_multiple_of(self.multiple).max(self.min);
        let rule = if self.multiple == 1 {
            format!("height and width of at least {}", self.min)
        } else {
            format!("heights and widths that are multiples of {}, at least {}", self.multiple, self.min)
        };
        Err(ZooError::Size {
            network,
            height,
            width,
            rule,
            example: format!("{}x{}", near(height), near(width)),
        })
    }
}
