//! The table of networks.

use super::builder::{Builder, Value};
use super::settings::{Choice, Head, Setting, Sizes};
use super::{
    ZooError, deeplab, fcn, fcn_mnv2, hair_vit, kd, lraspp, mobilenetv2, mobilenetv3, resnet, segformer,
    segnet, unet, vgg, xception,
};
use crate::onnx::Task;

/// A network of the zoo.
pub struct Network {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// What it does.
    pub task: Task,
    /// Height and width that it is usually fed.
    pub usual_size: (usize, usize),
    /// Channels that it is usually fed.
    pub usual_channels: usize,
    /// Classes that it is usually given.
    pub usual_classes: usize,
    /// Sizes that it can be fed.
    pub sizes: Sizes,
    /// How pixels become its input.
    pub values: InputValues,
    /// What else may be chosen.
    pub settings: &'static [Setting],
    /// Lays it out from the image to its outputs.
    pub(super) build: fn(&mut Builder, &Value, &Choice) -> Vec<Value>,
}

/// How pixels become numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputValues {
    /// From 0 to 1.
    Unit,
    /// From -1 to 1.
    Symmetric,
    /// Less the mean of ImageNet, by its standard deviation.
    ImageNet,
}

/// The network called `name`.
///
/// # Errors
/// [`ZooError::Unknown`] with the nearest names.
pub fn find(name: &str) -> Result<&'static Network, ZooError> {
    NETWORKS.iter().find(|network| network.name == name).ok_or_else(|| ZooError::Unknown {
        name: name.to_string(),
        nearest: super::nearest::nearest(name, NETWORKS.iter().map(|network| network.name), 3),
    })
}

/// A classifier without settings at 224x224, and what most networks share with it.
const CLASSIFIER: Network = Network {
    name: "",
    summary: "",
    task: Task::Classification,
    usual_size: (224, 224),
    usual_channels: 3,
    usual_classes: 1000,
    sizes: Sizes { min: 32, multiple: 1 },
    values: InputValues::Symmetric,
    settings: &[],
    build: mobilenetv2::build,
};

/// The same for a segmenter.
const SEGMENTER: Network = Network { task: Task::Segmentation, usual_classes: 21, ..CLASSIFIER };

const KD: Network = Network {
    usual_size: (32, 32),
    usual_classes: 10,
    sizes: Sizes { min: 8, multiple: 1 },
    values: InputValues::Unit,
    settings: &[Setting::Channels],
    ..CLASSIFIER
};

const RESNET: Network = Network {
    values: InputValues::ImageNet,
    settings: &[Setting::Head(CLASSIC_HEADS), Setting::OutputStride(&[32, 16, 8]), Setting::Stages],
    ..CLASSIFIER
};

const FCN: Network = Network {
    sizes: Sizes { min: 32, multiple: 32 },
    values: InputValues::ImageNet,
    settings: &[Setting::Backbone, Setting::FcWidths],
    ..SEGMENTER
};

const SEGNET: Network = Network {
    sizes: Sizes { min: 32, multiple: 32 },
    values: InputValues::ImageNet,
    settings: &[Setting::Backbone],
    ..SEGMENTER
};

const SEGFORMER: Network = Network {
    usual_size: (512, 512),
    sizes: Sizes { min: 32, multiple: 32 },
    values: InputValues::ImageNet,
    build: segformer::b0,
    ..SEGMENTER
};

const CLASSIC_HEADS: &[Head] = &[Head::Classic, Head::Features];

/// Every network, in the order in which it is listed.
pub const NETWORKS: &[Network] = &[
    Network {
        name: "kd-teacher",
        summary: "wide teacher of a distillation pair: convolutions of 256 and 512, one dense layer",
        build: kd::teacher,
        ..KD
    },
    Network {
        name: "kd-student",
        summary: "narrow student of the pair, and its control: convolutions of 16 and 32, one dense layer",
        build: kd::student,
        ..KD
    },
    Network {
        name: "vgg16",
        summary: "VGG-16, by default with a head of 20 units for 32x32 images",
        usual_size: (32, 32),
        usual_classes: 10,
        values: InputValues::ImageNet,
        settings: &[Setting::Head(&[Head::Small, Head::Classic, Head::Features])],
        build: vgg::build,
        ..CLASSIFIER
    },
    Network {
        name: "xception",
        summary: "Xception; images below 71x71 are enlarged inside the graph",
        usual_size: (299, 299),
        sizes: Sizes { min: 8, multiple: 1 },
        settings: &[Setting::Head(CLASSIC_HEADS)],
        build: xception::build,
        ..CLASSIFIER
    },
    Network {
        name: "mobilenetv2",
        summary: "MobileNetV2, of widths 0.35, 0.5, 0.75, 1, 1.4 and between",
        settings: &[
            Setting::Width,
            Setting::Divisor,
            Setting::Head(CLASSIC_HEADS),
            Setting::OutputStride(&[32, 16, 8]),
        ],
        ..CLASSIFIER
    },
    Network {
        name: "mobilenetv3-small",
        summary: "MobileNetV3-small",
        settings: &[Setting::Head(CLASSIC_HEADS), Setting::OutputStride(&[32, 16, 8])],
        build: mobilenetv3::small,
        ..CLASSIFIER
    },
    Network {
        name: "mobilenetv3-large",
        summary: "MobileNetV3-large",
        settings: &[Setting::Head(CLASSIC_HEADS), Setting::OutputStride(&[32, 16, 8])],
        build: mobilenetv3::large,
        ..CLASSIFIER
    },
    Network { name: "resnet18", summary: "ResNet-18", build: resnet::resnet18, ..RESNET },
    Network { name: "resnet50", summary: "ResNet-50", build: resnet::resnet50, ..RESNET },
    Network { name: "resnet101", summary: "ResNet-101", build: resnet::resnet101, ..RESNET },
    Network { name: "resnet152", summary: "ResNet-152", build: resnet::resnet152, ..RESNET },
    Network {
        name: "unet-mnv2",
        summary: "U-Net on MobileNetV2, five steps up from 1/32",
        sizes: Sizes { min: 32, multiple: 32 },
        settings: &[Setting::Width, Setting::Divisor],
        build: unet::five_steps,
        ..SEGMENTER
    },
    Network {
        name: "unet-mnv2-4",
        summary: "U-Net on MobileNetV2, four steps up from 1/16; narrow ones make students",
        usual_size: (256, 256),
        sizes: Sizes { min: 16, multiple: 16 },
        settings: &[Setting::Width, Setting::Divisor],
        build: unet::four_steps,
        ..SEGMENTER
    },
    Network {
        name: "fcn-mnv2",
        summary: "MobileNetV2 and five nearest upsamplings with concatenation",
        sizes: Sizes { min: 32, multiple: 32 },
        settings: &[Setting::Width, Setting::Divisor],
        build: fcn_mnv2::build,
        ..SEGMENTER
    },
    Network {
        name: "fcn-32s",
        summary: "fully convolutional ResNet, scores enlarged 32 times",
        build: fcn::fcn_32s,
        ..FCN
    },
    Network {
        name: "fcn-16s",
        summary: "fully convolutional ResNet, with scores at 1/16",
        build: fcn::fcn_16s,
        ..FCN
    },
    Network {
        name: "fcn-8s",
        summary: "fully convolutional ResNet, with scores at 1/16 and 1/8",
        build: fcn::fcn_8s,
        ..FCN
    },
    Network {
        name: "segnet",
        summary: "SegNet on a ResNet, five upsampling groups",
        build: segnet::segnet,
        ..SEGNET
    },
    Network {
        name: "bayesian-segnet",
        summary: "SegNet that keeps its dropout: several runs give a mean and an uncertainty",
        build: segnet::bayesian,
        ..SEGNET
    },
    Network {
        name: "deeplabv3",
        summary: "DeepLabV3 on a ResNet, atrous pyramid at 6, 12 and 18",
        usual_size: (512, 512),
        sizes: Sizes { min: 16, multiple: 16 },
        values: InputValues::ImageNet,
        settings: &[Setting::Backbone],
        build: deeplab::on_resnet,
        ..SEGMENTER
    },
    Network {
        name: "deeplabv3-mnv2",
        summary: "DeepLabV3 on MobileNetV2, best at sizes of the form 16k+1",
        usual_size: (257, 257),
        settings: &[Setting::Width, Setting::OutputStride(&[16, 8, 32])],
        build: deeplab::on_mobilenetv2,
        ..SEGMENTER
    },
    Network {
        name: "deeplab-mnv3-small",
        summary: "DeepLab on MobileNetV3-small, light pyramid with a gate, decoder at 1/8",
        usual_size: (257, 257),
        settings: &[Setting::OutputStride(&[16, 32])],
        build: deeplab::on_mobilenetv3,
        ..SEGMENTER
    },
    Network {
        name: "lraspp-mnv3-large",
        summary: "LR-ASPP on MobileNetV3-large",
        usual_size: (520, 520),
        values: InputValues::ImageNet,
        build: lraspp::build,
        ..SEGMENTER
    },
    Network { name: "segformer-b0", summary: "SegFormer-B0", ..SEGFORMER },
    Network { name: "segformer-b1", summary: "SegFormer-B1", build: segformer::b1, ..SEGFORMER },
    Network {
        name: "hair-vit",
        summary: "mobile vision transformer for hair, separable attention on patches",
        usual_size: (256, 256),
        usual_classes: 6,
        sizes: Sizes { min: 64, multiple: 64 },
        values: InputValues::Unit,
        settings: &[Setting::LayerNorm],
        build: hair_vit::build,
        ..SEGMENTER
    },
];
