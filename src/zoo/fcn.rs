//! Fully convolutional networks (Long et al., 2015) on a ResNet: FCN-32s, FCN-16s and FCN-8s.

use super::builder::{Builder, Value};
use super::layers::{Act, Conv};
use super::parameter::Initial;
use super::resnet::{Depth, backbone};
use super::settings::Choice;

/// Scores at 1/32, enlarged at once.
pub(super) fn fcn_32s(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    build(b, image, 32, choice)
}

/// With the scores of c4.
pub(super) fn fcn_16s(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    build(b, image, 16, choice)
}

/// With the scores of c4 and c3.
pub(super) fn fcn_8s(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    build(b, image, 8, choice)
}

/// `stride`: that of the last enlargement.
fn build(b: &mut Builder, image: &Value, stride: usize, choice: &Choice) -> Vec<Value> {
    let stages = backbone(b, image, choice.backbone, Depth::Full);
    let (fc6, fc7) = choice.fc_widths;
    let x = b.conv_act("head.fc6", &stages[4], Conv::new(fc6, 7), Act::Relu);
    let x = b.dropout("head.fc6.dropout", &x, 0.5);
    let x = b.conv_act("head.fc7", &x, Conv::new(fc7, 1), Act::Relu);
    let x = b.dropout("head.fc7.dropout", &x, 0.5);
    let scores = Conv::new(choice.classes, 1).bias().linear();
    let mut x = b.conv("head.scores.c5", &x, scores);
    let mut reached = 32;
    for stage in [4, 3] {
        if reached > stride {
            x = enlarge(b, &format!("head.up.c{stage}"), &x, 2);
            let skip = b.conv(&format!("head.scores.c{stage}"), &stages[stage - 1], scores);
            x = b.add(&format!("head.sum.c{stage}"), &x, &skip);
            reached /= 2;
        }
    }
    vec![enlarge(b, "head.up", &x, stride)]
}

/// Starts as bilinear upsampling and learns.
fn enlarge(b: &mut Builder, name: &str, x: &Value, factor: usize) -> Value {
    b.conv_transpose(name, x, x.channels(), (2 * factor, factor), true, Some(Initial::Bilinear))
}
