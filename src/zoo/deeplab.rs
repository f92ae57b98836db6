//! DeepLabV3 (Chen et al., *Rethinking Atrous Convolution*, 2017) on a ResNet, MobileNetV2 and MobileNetV3.

use super::builder::{Builder, Value};
use super::layers::{Act, Conv, Norm};
use super::mobilenetv2::{self, End, Rounding};
use super::mobilenetv3;
use super::resnet::{Depth, backbone};
use super::settings::Choice;
use super::tensors::Pixels;

/// Channels of the atrous pyramid's branches.
const PYRAMID: usize = 256;

/// On a ResNet with stages to 1/16: a pyramid of plain convolutions, without norms or activations inside.
pub(super) fn on_resnet(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    let [.., x] = backbone(b, image, choice.backbone, Depth::Dilated);
    let branch = |kernel| Conv::new(PYRAMID, kernel).bias().linear();
    let mut branches = vec![b.conv("pyramid.point", &x, branch(1))];
    for rate in [6, 12, 18] {
        branches.push(b.conv(&format!("pyramid.rate{rate}"), &x, branch(3).dilation(rate)));
    }
    let pool = b.global_average_pool("pyramid.image.pool", &x);
    let pool = b.conv("pyramid.image.conv", &pool, branch(1));
    branches.push(b.bilinear("pyramid.image.resize", &pool, x.size(), Pixels::Squares));
    let x = b.concat("pyramid.concat", &branches.iter().collect::<Vec<_>>());
    let x = b.conv_norm("head.join", &x, Conv::new(PYRAMID, 1).bias(), Norm::TORCH, Act::None);
    let x = b.conv("head.scores", &x, Conv::new(choice.classes, 1).bias().linear());
    vec![b.bilinear("head.resize", &x, image.size(), Pixels::Squares)]
}

/// On MobileNetV2, as TensorFlow's model library has it: a pyramid of the image's mean and a 1x1 convolution.
pub(super) fn on_mobilenetv2(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    let rounding = if choice.width < 1.0 { Rounding::Integers } else { Rounding::Eighths };
    let features = mobilenetv2::encoder(b, image, choice.width, rounding, choice.output_stride, End::Blocks);
    let x = features.last();
    let norm = Norm::TENSORFLOW_HEAD;
    let pool = b.global_average_pool("pyramid.image.pool", x);
    let pool = b.conv_norm("pyramid.image", &pool, Conv::new(PYRAMID, 1), norm, Act::Relu);
    let pool = b.bilinear("pyramid.image.resize", &pool, x.size(), Pixels::Corners);
    let point = b.conv_norm("pyramid.point", x, Conv::new(PYRAMID, 1), norm, Act::Relu);
    let x = b.concat("pyramid.concat", &[&pool, &point]);
    let x = b.conv_norm("head.join", &x, Conv::new(PYRAMID, 1), norm, Act::Relu);
    let x = b.conv("head.scores", &x, Conv::new(choice.classes, 1).bias().linear());
    vec![b.bilinear("head.resize", &x, image.size(), Pixels::Corners)]
}

/// Side of the image whose features one window of the light pyramid's pool covers, and the pool's stride.
const POOL_IMAGE: usize = 257;
const POOL_STRIDE: (usize, usize) = (4, 5);

/// Filters of the light pyramid.
const LIGHT_PYRAMID: usize = 128;

/// On MobileNetV3-small with the light pyramid of its paper: 128 filters gated by the pooled image, and a decoder that
/// adds the scores of the features at 1/8 to its own.
pub(super) fn on_mobilenetv3(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    let stride = choice.output_stride;
    let features = mobilenetv3::encoder(b, image, &mobilenetv3::SMALL, Norm::MOBILENET, stride, false);
    let x = features.top;
    let norm = Norm::TENSORFLOW_HEAD;

    let (height, width) = x.size();
    let window = (POOL_IMAGE - 1) / stride + 1;
    let (kernel, step) = ((height.min(window), width.min(window)), POOL_STRIDE);
    let gate = b.average_pool("pyramid.image.pool", &x, kernel, step);
    let gate = b.conv_norm("pyramid.image", &gate, Conv::new(LIGHT_PYRAMID, 1), norm, Act::None);
    let gate = b.sigmoid("pyramid.image.gate", &gate);
    let gate = b.bilinear("pyramid.image.resize", &gate, x.size(), Pixels::Corners);
    let y = b.conv_norm("pyramid.point", &x, Conv::new(LIGHT_PYRAMID, 1), norm, Act::Relu);
    let y = b.mul("pyramid.gated", &y, &gate);

    // Block 2 is the last at 1/8; its depthwise convolution has the most channels there.
    let fine = &features.depthwise[2];
    let scores = Conv::new(choice.classes, 1).bias().linear();
    let deep = b.conv("decoder.deep", &y, scores);
    let deep = b.bilinear("decoder.deep.resize", &deep, fine.size(), Pixels::Corners);
    let fine = b.conv("decoder.fine", fine, scores);
    let sum = b.add("decoder.sum", &deep, &fine);
    vec![b.bilinear("decoder.resize", &sum, image.size(), Pixels::Corners)]
}
