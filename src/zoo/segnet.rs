//! SegNet (Badrinarayanan et al., 2015) on a ResNet, and the Bayesian SegNet that keeps its dropout at inference.

use super::builder::{Builder, Value};
use super::layers::{Act, Conv, Norm};
use super::resnet::{Depth, backbone};
use super::settings::Choice;

/// Channels of the convolutions after each doubling.
const GROUPS: [&[usize]; 5] = [&[512, 512, 512], &[512, 512, 256], &[256, 256, 128], &[128, 64], &[64]];

/// Number of groups before which the Bayesian network drops half of the elements.
const DROPOUT_GROUPS: usize = 4;

pub(super) fn segnet(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    build(b, image, false, choice)
}

pub(super) fn bayesian(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    build(b, image, true, choice)
}

fn build(b: &mut Builder, image: &Value, bayesian: bool, choice: &Choice) -> Vec<Value> {
    let [.., mut x] = backbone(b, image, choice.backbone, Depth::Full);
    for (group, channels) in GROUPS.into_iter().enumerate() {
        let name = format!("decoder.up{}", group + 1);
        if bayesian && group < DROPOUT_GROUPS {
            x = b.sampled_dropout(&format!("{name}.dropout"), &x, 0.5);
        }
        x = b.nearest(&format!("{name}.nearest"), &x, 2);
        for (part, &channels) in (1..).zip(channels) {
            let conv = Conv::new(channels, 3).bias();
            x = b.conv_norm(&format!("{name}.{part}"), &x, conv, Norm::TORCH, Act::Relu);
        }
    }
    let scores = Conv::new(choice.classes, 1).bias().linear();
    vec![b.conv_norm("decoder.scores", &x, scores, Norm::TORCH, Act::None)]
}
