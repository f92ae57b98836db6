//! Xception (Chollet, 2016) in the form of Keras, and small images enlarged until its strides can serve them.

use super::builder::{Builder, Value};
use super::layers::{Act, Conv, Norm, Padding};
use super::mobilenetv2::pooled_classifier;
use super::settings::{Choice, Head};

/// Smallest height and width that the unpadded stem leaves something of after all strides.
const SIZE_MIN: usize = 71;

pub(super) fn build(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    let norm = Norm::KERAS;
    let smallest = image.dim(2).min(image.dim(3));
    let mut x = image.clone();
    if smallest < SIZE_MIN {
        x = b.nearest("enlarge", &x, SIZE_MIN.div_ceil(smallest));
    }
    let stem = Conv::new(32, 3).stride(2).padding(Padding::Valid);
    x = b.conv_norm("block1.first", &x, stem, norm, Act::Relu);
    x = b.conv_norm("block1.second", &x, Conv::new(64, 3).padding(Padding::Valid), norm, Act::Relu);
    for (block, channels) in [(2, [128, 128]), (3, [256, 256]), (4, [728, 728])] {
        x = entry(b, block, &x, channels, block > 2);
    }
    for block in 5..=12 {
        let mut y = x.clone();
        for part in 1..=3 {
            y = activated_separable(b, &format!("block{block}.separable{part}"), &y, 728);
        }
        x = b.add(&format!("block{block}.add"), &x, &y);
    }
    x = entry(b, 13, &x, [728, 1024], true);
    for (part, channels) in [(1, 1536), (2, 2048)] {
        let name = format!("block14.separable{part}");
        x = separable(b, &name, &x, channels);
        x = b.act(&name, &x, Act::Relu);
    }
    if choice.head == Head::Features {
        return vec![x];
    }
    vec![pooled_classifier(b, &x, choice.classes)]
}

/// Two separable convolutions and a pool beside a projection, all halving the size; `activate` the block's input.
fn entry(b: &mut Builder, block: usize, x: &Value, channels: [usize; 2], activate: bool) -> Value {
    let name = format!("block{block}");
    let project = Conv::new(channels[1], 1).stride(2);
    let shortcut = b.conv_norm(&format!("{name}.shortcut"), x, project, Norm::KERAS, Act::None);
    let first = format!("{name}.separable1");
    let y = if activate {
        activated_separable(b, &first, x, channels[0])
    } else {
        separable(b, &first, x, channels[0])
    };
    let y = activated_separable(b, &format!("{name}.separable2"), &y, channels[1]);
    let y = b.max_pool(&format!("{name}.pool"), &y, (3, 2), Padding::Same);
    b.add(&format!("{name}.add"), &y, &shortcut)
}

fn activated_separable(b: &mut Builder, name: &str, x: &Value, channels: usize) -> Value {
    let x = b.act(name, x, Act::Relu);
    separable(b, name, &x, channels)
}

/// Depthwise 3x3 and 1x1, nothing between them, then a norm.
fn separable(b: &mut Builder, name: &str, x: &Value, channels: usize) -> Value {
    let x = b.conv(&format!("{name}.depthwise"), x, Conv::depthwise(3).linear());
    b.conv_norm(name, &x, Conv::new(channels, 1), Norm::KERAS, Act::None)
}
