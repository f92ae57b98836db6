//! Residual networks (He et al., *Deep Residual Learning for Image Recognition*, 2015): classifiers in the form of
//! torchvision, and the backbone of the FCN, SegNet and DeepLabV3 segmenters.

use super::builder::{Builder, Value};
use super::layers::{Act, Conv, Norm, Padding};
use super::mobilenetv2::pooled_classifier;
use super::settings::{Backbone, Choice, Head};

/// The shape of a residual network.
struct ResNet {
    /// Name of the whole, before every layer's.
    name: &'static str,
    /// Blocks of stages 2 to 5.
    blocks: [usize; 4],
    /// Three convolutions a block, the last with four times the channels, in place of two.
    bottleneck: bool,
    /// Convolutions have a bias beside their norm.
    bias: bool,
    /// Projection blocks stride in their first 1x1 convolution, as in the paper, not in the 3x3.
    stride_first: bool,
    /// Stride and dilations of each stage; the last dilation holds for all further blocks.
    stages: [(usize, &'static [usize]); 4],
}

/// Strides of stages 2 to 5 without dilation.
const PLAIN: [(usize, &[usize]); 4] = [(1, &[1]), (2, &[1]), (2, &[1]), (2, &[1])];

/// Identity blocks dilate as much as what they replace would stride; the projection block before them does not yet.
fn dilated(output_stride: usize) -> [(usize, &'static [usize]); 4] {
    match output_stride {
        8 => [(1, &[1]), (2, &[1]), (1, &[1, 2]), (1, &[2, 4])],
        16 => [(1, &[1]), (2, &[1]), (2, &[1]), (1, &[1, 2])],
        _ => PLAIN,
    }
}

pub(super) fn resnet18(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    classifier(b, image, [2, 2, 2, 2], false, choice)
}

pub(super) fn resnet50(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    classifier(b, image, [3, 4, 6, 3], true, choice)
}

pub(super) fn resnet101(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    classifier(b, image, [3, 4, 23, 3], true, choice)
}

pub(super) fn resnet152(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    classifier(b, image, [3, 8, 36, 3], true, choice)
}

/// torchvision's: no biases, the 3x3 convolutions stride.
fn classifier(
    b: &mut Builder,
    image: &Value,
    blocks: [usize; 4],
    bottleneck: bool,
    choice: &Choice,
) -> Vec<Value> {
    let stages = dilated(choice.output_stride);
    let network = ResNet { name: "", blocks, bottleneck, bias: false, stride_first: false, stages };
    let stages = network.build(b, image);
    if !choice.stages.is_empty() {
        return choice.stages.iter().map(|stage| stages[stage - 1].clone()).collect();
    }
    if choice.head == Head::Features {
        return vec![stages[4].clone()];
    }
    vec![pooled_classifier(b, &stages[4], choice.classes)]
}

/// How far a segmenter's backbone goes down.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Depth {
    /// To 1/32.
    Full,
    /// To 1/16; stage 5 has stride 1 and dilations 2, 2 and 4.
    Dilated,
}

/// Stages c1 to c5 of the backbone of the FCN family, under the name `backbone`: every convolution has a bias and a
/// batch norm, and the first 1x1 of a projection block strides.
pub(super) fn backbone(b: &mut Builder, image: &Value, kind: Backbone, depth: Depth) -> [Value; 5] {
    let blocks = match kind {
        Backbone::ResNet50 => [3, 4, 6, 3],
        Backbone::ResNet101 => [3, 4, 23, 3],
        Backbone::ResNet152 => [3, 8, 36, 3],
    };
    let mut stages = PLAIN;
    if depth == Depth::Dilated {
        stages[3] = (1, &[2, 2, 4]);
    }
    ResNet { name: "backbone.", blocks, bottleneck: true, bias: true, stride_first: true, stages }
        .build(b, image)
}

impl ResNet {
    fn conv(&self, conv: Conv) -> Conv {
        let conv = conv.padding(Padding::Half);
        if self.bias { conv.bias() } else { conv }
    }

    /// Stages c1 to c5.
    fn build(&self, b: &mut Builder, image: &Value) -> [Value; 5] {
        let stem = self.conv(Conv::new(64, 7).stride(2));
        let x = b.conv_norm(&format!("{}stage1", self.name), image, stem, Norm::TORCH, Act::Relu);
        let x = b.max_pool(&format!("{}stage1.pool", self.name), &x, (3, 2), Padding::Half);
        let mut stages = [x.clone(), x.clone(), x.clone(), x.clone(), x];
        for stage in 0..4 {
            let (stride, dilations) = self.stages[stage];
            let mut x = stages[stage].clone();
            for block in 0..self.blocks[stage] {
                let name = format!("{}stage{}.block{block}", self.name, stage + 2);
                let dilation = dilations[block.min(dilations.len() - 1)];
                let stride = if block == 0 { stride } else { 1 };
                x = self.block(b, &name, &x, (64 << stage, stride, dilation, block == 0));
            }
            stages[stage + 1] = x;
        }
        stages
    }

    fn block(
        &self,
        b: &mut Builder,
        name: &str,
        x: &Value,
        (channels, stride, dilation, first): (usize, usize, usize, bool),
    ) -> Value {
        let part = |part: &str| format!("{name}.{part}");
        let wide = if self.bottleneck { 4 * channels } else { channels };
        let norm = Norm::TORCH;
        let y = if self.bottleneck {
            let (first, second) = if self.stride_first { (stride, 1) } else { (1, stride) };
            let reduce = self.conv(Conv::new(channels, 1).stride(first));
            let y = b.conv_norm(&part("reduce"), x, reduce, norm, Act::Relu);
            let middle = self.conv(Conv::new(channels, 3).stride(second).dilation(dilation));
            let y = b.conv_norm(&part("middle"), &y, middle, norm, Act::Relu);
            b.conv_norm(&part("widen"), &y, self.conv(Conv::new(wide, 1)), norm, Act::None)
        } else {
            let conv1 = self.conv(Conv::new(channels, 3).stride(stride).dilation(dilation));
            let y = b.conv_norm(&part("first"), x, conv1, norm, Act::Relu);
            let conv2 = self.conv(Conv::new(channels, 3).dilation(dilation));
            b.conv_norm(&part("second"), &y, conv2, norm, Act::None)
        };
        let shortcut = if first && (stride != 1 || x.channels() != wide || self.bottleneck) {
            b.conv_norm(&part("shortcut"), x, self.conv(Conv::new(wide, 1).stride(stride)), norm, Act::None)
        } else {
            x.clone()
        };
        let sum = b.add(&part("add"), &shortcut, &y);
        b.act(name, &sum, Act::Relu)
    }
}
