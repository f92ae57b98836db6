//! MobileNetV3 (Howard et al., *Searching for MobileNetV3*, 2019): the encoder and the classifiers.

use super::builder::{Builder, Value};
use super::layers::{Act, Conv, Norm};
use super::mobilenetv2::divisible_by_eight;
use super::parameter::Initial;
use super::settings::{Choice, Head};

/// One inverted residual block.
pub(super) struct Block {
    expansion: usize,
    channels: usize,
    kernel: usize,
    stride: usize,
    /// Squeeze and excitation.
    squeeze: bool,
    act: Act,
}

const fn block(
    expansion: usize,
    channels: usize,
    kernel: usize,
    stride: usize,
    squeeze: bool,
    act: Act,
) -> Block {
    Block { expansion, channels, kernel, stride, squeeze, act }
}

/// Blocks of the small network, to 1/32.
pub(super) const SMALL: [Block; 11] = [
    block(16, 16, 3, 2, true, Act::Relu),
    block(72, 24, 3, 2, false, Act::Relu),
    block(88, 24, 3, 1, false, Act::Relu),
    block(96, 40, 5, 2, true, Act::HardSwish),
    block(240, 40, 5, 1, true, Act::HardSwish),
    block(240, 40, 5, 1, true, Act::HardSwish),
    block(120, 48, 5, 1, true, Act::HardSwish),
    block(144, 48, 5, 1, true, Act::HardSwish),
    block(288, 96, 5, 2, true, Act::HardSwish),
    block(576, 96, 5, 1, true, Act::HardSwish),
    block(576, 96, 5, 1, true, Act::HardSwish),
];

/// Blocks of the large network, to 1/32.
pub(super) const LARGE: [Block; 15] = [
    block(16, 16, 3, 1, false, Act::Relu),
    block(64, 24, 3, 2, false, Act::Relu),
    block(72, 24, 3, 1, false, Act::Relu),
    block(72, 40, 5, 2, true, Act::Relu),
    block(120, 40, 5, 1, true, Act::Relu),
    block(120, 40, 5, 1, true, Act::Relu),
    block(240, 80, 3, 2, false, Act::HardSwish),
    block(200, 80, 3, 1, false, Act::HardSwish),
    block(184, 80, 3, 1, false, Act::HardSwish),
    block(184, 80, 3, 1, false, Act::HardSwish),
    block(480, 112, 3, 1, true, Act::HardSwish),
    block(672, 112, 3, 1, true, Act::HardSwish),
    block(672, 160, 5, 2, true, Act::HardSwish),
    block(960, 160, 5, 1, true, Act::HardSwish),
    block(960, 160, 5, 1, true, Act::HardSwish),
];

/// What the encoder saw on its way.
pub(super) struct Features {
    /// Output of each block.
    pub(super) blocks: Vec<Value>,
    /// Activated depthwise convolution of each block.
    pub(super) depthwise: Vec<Value>,
    /// After the last 1x1 convolution, of six times the channels.
    pub(super) top: Value,
}

/// Writes the encoder under the name `encoder`. Blocks beyond the output stride do not stride; `dilate_own` says
/// whether the block that gives up its stride dilates itself (torchvision) or only those after it (TensorFlow).
pub(super) fn encoder(
    b: &mut Builder,
    image: &Value,
    blocks: &[Block],
    norm: Norm,
    output_stride: usize,
    dilate_own: bool,
) -> Features {
    let mut x = b.conv_norm("encoder.stem", image, Conv::new(16, 3).stride(2), norm, Act::HardSwish);
    let (mut outputs, mut depthwise) = (Vec::new(), Vec::new());
    let (mut reached, mut dilation) = (2, 1);
    for (index, block) in blocks.iter().enumerate() {
        let name = format!("encoder.block{index}");
        let mut y = x.clone();
        if block.expansion != x.channels() {
            let expand = Conv::new(block.expansion, 1);
            y = b.conv_norm(&format!("{name}.expand"), &y, expand, norm, block.act);
        }
        let gives_up = block.stride > 1 && reached >= output_stride;
        let before = dilation;
        if gives_up {
            dilation *= block.stride;
        } else {
            reached *= block.stride;
        }
        let conv = Conv::depthwise(block.kernel)
            .stride(if gives_up { 1 } else { block.stride })
            .dilation(if dilate_own { dilation } else { before });
        y = b.conv_norm(&format!("{name}.depthwise"), &y, conv, norm, block.act);
        depthwise.push(y.clone());
        if block.squeeze {
            y = squeeze(b, &format!("{name}.squeeze"), &y);
        }
        let project = Conv::new(block.channels, 1).linear();
        y = b.conv_norm(&format!("{name}.project"), &y, project, norm, Act::None);
        let residual = block.stride == 1 && x.channels() == block.channels;
        x = if residual { b.add(&format!("{name}.add"), &x, &y) } else { y };
        outputs.push(x.clone());
    }
    let top = b.conv_norm("encoder.top", &x, Conv::new(6 * x.channels(), 1), norm, Act::HardSwish);
    Features { blocks: outputs, depthwise, top }
}

/// Multiplies each channel by a gate that the means of all channels open or close.
fn squeeze(b: &mut Builder, name: &str, x: &Value) -> Value {
    let fewer = divisible_by_eight(x.channels() as f32 / 4.0);
    let gate = b.global_average_pool(&format!("{name}.pool"), x);
    let gate = b.conv_act(&format!("{name}.reduce"), &gate, Conv::new(fewer, 1), Act::Relu);
    let gate = b.conv(&format!("{name}.widen.conv"), &gate, Conv::new(x.channels(), 1).bias().linear());
    let gate = b.hard_sigmoid(&format!("{name}.gate"), &gate);
    b.mul(name, x, &gate)
}

pub(super) fn small(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    classifier(b, image, &SMALL, 1024, choice)
}

pub(super) fn large(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    classifier(b, image, &LARGE, 1280, choice)
}

/// The classifier in the form of Keras: pooled features, `units` channels, scores.
fn classifier(b: &mut Builder, image: &Value, blocks: &[Block], units: usize, choice: &Choice) -> Vec<Value> {
    let features = encoder(b, image, blocks, Norm::MOBILENET, choice.output_stride, false);
    if choice.head == Head::Features {
        return vec![features.top];
    }
    let x = b.global_average_pool("head.pool", &features.top);
    let x = b.conv_act("head.widen", &x, Conv::new(units, 1), Act::HardSwish);
    let x = b.dropout("head.dropout", &x, 0.2);
    let x = b.flatten("head.flatten", &x);
    vec![b.dense("head.dense", &x, choice.classes, Some(Initial::Normal(0.01)))]
}
