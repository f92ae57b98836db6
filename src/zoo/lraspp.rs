//! LR-ASPP, the light segmentation head of the MobileNetV3 paper, in the form of torchvision.

use super::builder::{Builder, Value};
use super::layers::{Act, Conv, Norm};
use super::mobilenetv3::{LARGE, encoder};
use super::settings::Choice;
use super::tensors::Pixels;

/// Channels between the deepest features and the scores.
const CHANNELS: usize = 128;

pub(super) fn build(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    let features = encoder(b, image, &LARGE, Norm::MOBILENET_TORCH, 16, true);
    // Block 3 is the first at 1/8.
    let (fine, deep) = (&features.blocks[3], &features.top);
    let x = b.conv_norm("head.point", deep, Conv::new(CHANNELS, 1), Norm::TORCH, Act::Relu);
    let gate = b.global_average_pool("head.gate.pool", deep);
    let gate = b.conv("head.gate.conv", &gate, Conv::new(CHANNELS, 1).linear());
    let gate = b.sigmoid("head.gate", &gate);
    let x = b.mul("head.gated", &x, &gate);
    let x = b.bilinear("head.resize", &x, fine.size(), Pixels::Squares);
    let scores = Conv::new(choice.classes, 1).bias().linear();
    let fine = b.conv("head.scores.fine", fine, scores);
    let deep = b.conv("head.scores.deep", &x, scores);
    let sum = b.add("head.sum", &fine, &deep);
    vec![b.bilinear("head.enlarge", &sum, image.size(), Pixels::Squares)]
}
