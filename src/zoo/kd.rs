//! The pair of small classifiers that knowledge distillation is usually shown with: a wide teacher, a narrow student.

use super::builder::{Builder, Value};
use super::layers::Conv;
use super::layers::Padding;
use super::parameter::Initial;
use super::settings::Choice;

/// 256 and 512 channels.
pub(super) fn teacher(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    classifier(b, image, [256, 512], choice)
}

/// 16 and 32 channels.
pub(super) fn student(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    classifier(b, image, [16, 32], choice)
}

fn classifier(b: &mut Builder, image: &Value, channels: [usize; 2], choice: &Choice) -> Vec<Value> {
    let x = b.conv("conv1", image, Conv::new(channels[0], 3).stride(2).bias());
    let x = b.leaky_relu("conv1.leakyrelu", &x, 0.2);
    let x = b.max_pool("pool", &x, (2, 1), Padding::Same);
    let x = b.conv("conv2", &x, Conv::new(channels[1], 3).stride(2).bias().linear());
    let x = b.flatten("flatten", &x);
    let features = x.dim(1);
    vec![b.dense("dense", &x, choice.classes, Some(Initial::linear(features)))]
}
