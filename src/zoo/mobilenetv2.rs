//! MobileNetV2 (Sandler et al., 2018): the encoder that several segmenters share, and the classifier.

use super::builder::{Builder, Value};
use super::layers::{Act, Conv, Norm};
use super::parameter::Initial;
use super::settings::{Choice, Head};

/// Channels, stride and expansion of blocks 0 to 16.
const BLOCKS: [(usize, usize, usize); 17] = [
    (16, 1, 1),
    (24, 2, 6),
    (24, 1, 6),
    (32, 2, 6),
    (32, 1, 6),
    (32, 1, 6),
    (64, 2, 6),
    (64, 1, 6),
    (64, 1, 6),
    (64, 1, 6),
    (96, 1, 6),
    (96, 1, 6),
    (96, 1, 6),
    (160, 2, 6),
    (160, 1, 6),
    (160, 1, 6),
    (320, 1, 6),
];

/// How channels are rounded after the multiplication with the width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rounding {
    /// To a multiple of 8, and never by more than a tenth down (Keras, and TensorFlow from width 1 on).
    Eighths,
    /// To the next integer (TensorFlow's DeepLab below width 1).
    Integers,
}

impl Rounding {
    pub(super) fn channels(self, channels: usize, width: f32) -> usize {
        let wanted = channels as f32 * width;
        match self {
            Rounding::Eighths => divisible_by_eight(wanted),
            Rounding::Integers => (wanted.round() as usize).max(1),
        }
    }
}

/// The multiple of 8 nearest to `wanted`, the next one where that would lose more than a tenth.
pub(super) fn divisible_by_eight(wanted: f32) -> usize {
    let rounded = ((wanted as usize + 4) / 8 * 8).max(8);
    if (rounded as f32) < 0.9 * wanted { rounded + 8 } else { rounded }
}

/// Where the encoder ends.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum End {
    /// After the expansion of a block.
    Expansion(usize),
    /// After the projection of block 16, before its norm.
    BareProjection,
    /// After block 16.
    Blocks,
    /// After the last 1x1 convolution, of 1280 channels.
    Top,
}

/// What the encoder saw on its way.
#[derive(Default)]
pub(super) struct Features {
    /// Activated expansion of each block; block 0 has none and gives its input.
    pub(super) expansions: Vec<Value>,
    /// Normed projection of each block, before the addition.
    pub(super) projections: Vec<Value>,
    /// The deepest features.
    pub(super) last: Option<Value>,
}

impl Features {
    /// The deepest features.
    pub(super) fn last(&self) -> &Value {
        match &self.last {
            Some(value) => value,
            // Every encoder has a stem, and so a last value.
            None => unreachable!("an encoder without features"),
        }
    }
}

/// Writes the encoder under the name `encoder`.
pub(super) fn encoder(
    b: &mut Builder,
    image: &Value,
    width: f32,
    rounding: Rounding,
    output_stride: usize,
    end: End,
) -> Features {
    let norm = Norm::MOBILENET;
    let mut features = Features::default();
    let stem = rounding.channels(32, width);
    let mut x = b.conv_norm("encoder.stem", image, Conv::new(stem, 3).stride(2), norm, Act::Relu6);
    let (mut reached, mut dilation) = (2, 1);
    for (block, (channels, stride, expansion)) in BLOCKS.into_iter().enumerate() {
        let name = format!("encoder.block{block}");
        // Keras cuts off the fraction before it rounds.
        let channels = match rounding {
            Rounding::Eighths => divisible_by_eight((channels as f32 * width).floor()),
            Rounding::Integers => rounding.channels(channels, width),
        };
        let mut y = x.clone();
        if expansion > 1 {
            let expand = Conv::new(x.channels() * expansion, 1);
            y = b.conv_norm(&format!("{name}.expand"), &y, expand, norm, Act::Relu6);
        }
        features.expansions.push(y.clone());
        if end == End::Expansion(block) {
            features.last = Some(y);
            return features;
        }
        // Where the output stride is reached a block dilates what follows it in place of striding itself.
        let (block_stride, block_dilation) = (if reached >= output_stride { 1 } else { stride }, dilation);
        if block_stride == stride {
            reached *= stride;
        } else {
            dilation *= stride;
        }
        let depthwise = Conv::depthwise(3).stride(block_stride).dilation(block_dilation);
        let y = b.conv_norm(&format!("{name}.depthwise"), &y, depthwise, norm, Act::Relu6);
        let project = Conv::new(channels, 1).linear();
        if block == BLOCKS.len() - 1 && end == End::BareProjection {
            features.last = Some(b.conv(&format!("{name}.project.conv"), &y, project));
            return features;
        }
        let y = b.conv_norm(&format!("{name}.project"), &y, project, norm, Act::None);
        features.projections.push(y.clone());
        let residual = stride == 1 && x.channels() == channels;
        x = if residual { b.add(&format!("{name}.add"), &x, &y) } else { y };
    }
    if end == End::Top {
        let channels = if width > 1.0 { divisible_by_eight(1280.0 * width) } else { 1280 };
        x = b.conv_norm("encoder.top", &x, Conv::new(channels, 1), norm, Act::Relu6);
    }
    features.last = Some(x);
    features
}

/// The classifier, in the form of Keras.
pub(super) fn build(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    let x = encoder(b, image, choice.width, choice.rounding, choice.output_stride, End::Top);
    if choice.head == Head::Features {
        return vec![x.last().clone()];
    }
    vec![pooled_classifier(b, x.last(), choice.classes)]
}

/// Mean over the image, then one dense layer `head`.
pub(super) fn pooled_classifier(b: &mut Builder, x: &Value, classes: usize) -> Value {
    let x = b.global_average_pool("head.pool", x);
    let x = b.flatten("head.flatten", &x);
    b.dense("head.dense", &x, classes, Some(Initial::Normal(0.01)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_of_channels() {
        let cases = [
            (Rounding::Eighths, 32, 0.35, 16),
            (Rounding::Eighths, 32, 0.5, 16),
            (Rounding::Eighths, 32, 1.4, 48),
            (Rounding::Eighths, 24, 0.75, 24),
            (Rounding::Eighths, 16, 0.5, 8),
            (Rounding::Integers, 24, 0.5, 12),
            (Rounding::Integers, 160, 0.5, 80),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .filter(|&(rounding, channels, width, expected)| rounding.channels(channels, width) != expected)
            .map(|(_, channels, width, expected)| (channels, width, expected))
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
