//! The networks of the zoo at sizes and widths that are quick to run, and their int8 models.
// Every test program compiles this file and uses a part of it.
#![allow(dead_code)]

use std::path::Path;

use libtest_mimic::Failed;
use sedge::camera;
use sedge::onnx::{Card, Model, Tensor};
use sedge::quantize::{self, Method, Options, Quantized};
use sedge::zoo::{self, Blueprint, Head, Settings};

/// Networks at sizes and widths that are quick to run.
pub fn cases() -> Vec<(&'static str, &'static str, Settings)> {
    let at =
        |height, width| Settings { size: Some((height, width)), classes: Some(5), ..Settings::default() };
    let features = |height, width| Settings { head: Some(Head::Features), ..at(height, width) };
    let narrow = |width, settings| Settings { width: Some(width), ..settings };
    let striding = |stride, settings| Settings { output_stride: Some(stride), ..settings };
    let thin_fcn = |height, width| Settings { fc_widths: Some((48, 40)), ..at(height, width) };
    vec![
        ("color", "kd-teacher", at(32, 32)),
        ("grey", "kd-teacher", Settings { channels: Some(1), ..at(28, 28) }),
        ("color", "kd-student", at(32, 32)),
        ("grey", "kd-student", Settings { channels: Some(1), ..at(28, 28) }),
        ("small", "vgg16", at(32, 32)),
        ("features", "vgg16", features(32, 48)),
        ("enlarged", "xception", at(32, 32)),
        ("features", "xception", features(75, 80)),
        ("0.35", "mobilenetv2", narrow(0.35, at(64, 64))),
        ("1.4-stride-8", "mobilenetv2", narrow(1.4, striding(8, features(64, 65)))),
        ("classifier", "mobilenetv3-small", at(64, 64)),
        ("stride-16", "mobilenetv3-small", striding(16, features(65, 64))),
        ("classifier", "mobilenetv3-large", at(64, 64)),
        ("classifier", "resnet18", at(64, 64)),
        ("stride-8", "resnet18", striding(8, features(64, 64))),
        ("classifier", "resnet50", at(64, 64)),
        ("stages", "resnet50", striding(8, Settings { stages: vec![1, 2, 3, 4, 5], ..at(32, 48) })),
        ("classifier", "resnet101", at(32, 32)),
        ("classifier", "resnet152", at(32, 32)),
        ("whole", "unet-mnv2", at(64, 96)),
        ("0.35", "unet-mnv2", narrow(0.35, at(64, 64))),
        ("whole", "unet-mnv2-4", at(64, 64)),
        ("0.5", "unet-mnv2-4", narrow(0.5, at(64, 48))),
        ("whole", "fcn-mnv2", at(64, 96)),
        ("thin", "fcn-32s", thin_fcn(64, 96)),
        ("thin", "fcn-16s", thin_fcn(64, 96)),
        ("thin", "fcn-8s", thin_fcn(64, 96)),
        ("whole", "segnet", at(32, 32)),
        ("fixed", "bayesian-segnet", at(32, 32)),
        ("whole", "deeplabv3", at(64, 80)),
        ("0.5-stride-8", "deeplabv3-mnv2", narrow(0.5, striding(8, at(65, 97)))),
        ("stride-16", "deeplabv3-mnv2", at(65, 65)),
        ("one-window", "deeplab-mnv3-small", at(65, 97)),
        ("many-windows", "deeplab-mnv3-small", at(337, 353)),
        ("whole", "lraspp-mnv3-large", at(64, 96)),
        ("whole", "segformer-b0", at(64, 96)),
        ("whole", "segformer-b1", at(64, 64)),
        ("squares", "hair-vit", at(64, 128)),
        ("layer-norm", "hair-vit", Settings { layer_norm: true, ..at(64, 128) }),
    ]
}

/// One variant of each network goes through the quantizer.
pub const CONVERTED: [(&str, &str); 26] = [
    ("kd-teacher", "color"),
    ("kd-student", "grey"),
    ("vgg16", "small"),
    ("xception", "enlarged"),
    ("mobilenetv2", "0.35"),
    ("mobilenetv3-small", "classifier"),
    ("mobilenetv3-large", "classifier"),
    ("resnet18", "classifier"),
    ("resnet50", "classifier"),
    ("resnet101", "classifier"),
    ("resnet152", "classifier"),
    ("unet-mnv2", "0.35"),
    ("unet-mnv2-4", "0.5"),
    ("fcn-mnv2", "whole"),
    ("fcn-32s", "thin"),
    ("fcn-16s", "thin"),
    ("fcn-8s", "thin"),
    ("segnet", "whole"),
    ("bayesian-segnet", "fixed"),
    ("deeplabv3", "whole"),
    ("deeplabv3-mnv2", "0.5-stride-8"),
    ("deeplab-mnv3-small", "one-window"),
    ("lraspp-mnv3-large", "whole"),
    ("segformer-b0", "whole"),
    ("segformer-b1", "whole"),
    ("hair-vit", "squares"),
];

pub fn blueprint(network: &str, settings: &Settings) -> Result<Blueprint, Failed> {
    Ok(Blueprint::of(zoo::find(network)?, settings)?)
}

/// Numbers from 0 to 1 (xorshift64*, Vigna 2016).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1 << 24) as f32
    }

    pub fn values(&mut self, count: usize, low: f32, high: f32) -> Vec<f32> {
        (0..count).map(|_| low + (high - low) * self.next()).collect()
    }
}

/// Gives biases and norms values at which a mistake in any of them shows.
pub fn randomize(model: &mut Model, random: &mut Random) {
    for (name, tensor) in &mut model.graph.initializers {
        let (low, high) = match name.rsplit('.').next() {
            Some("mean" | "beta" | "bias") => (-0.2, 0.2),
            Some("variance" | "gamma") => (0.5, 1.5),
            // Layers that start at zero would hide what leads to them.
            Some("weight") if is_zero(tensor) => (-0.03, 0.03),
            _ => continue,
        };
        *tensor = Tensor::f32(&tensor.shape, random.values(tensor.elements(), low, high));
    }
}

pub fn is_zero(tensor: &Tensor) -> bool {
    tensor.as_f32().is_some_and(|values| values.iter().all(|&value| value == 0.0))
}

/// The int8 model of a network with random weights and statistics, calibrated on one picture.
pub fn quantized(network: &str, settings: &Settings) -> Result<Quantized, Failed> {
    let mut model = blueprint(network, settings)?.model(3)?;
    randomize(&mut model, &mut Random(9));
    let card = Card::of(&model)?;
    let rule = card.input.clone().ok_or("the card has no input rule")?;
    let picture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("calibration/voc/cars-6.jpg").display().to_string();
    let options = Options { method: Method::MinMax, ..Options::default() };
    Ok(quantize::quantize(&model, &card, &rule, options, &|| camera::open(&picture), &|_| {})?)
}
