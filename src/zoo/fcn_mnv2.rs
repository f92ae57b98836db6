//! A fully convolutional segmenter on MobileNetV2 that climbs back by nearest upsampling and concatenation.

use super::builder::{Builder, Value};
use super::layers::{Act, Conv};
use super::mobilenetv2::{End, encoder};
use super::settings::Choice;

/// The block whose projection joins each step up, and the step's channels.
const STEPS: [(usize, usize); 4] = [(12, 128), (5, 64), (2, 32), (0, 32)];

pub(super) fn build(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    let features = encoder(b, image, choice.width, choice.rounding, 32, End::Top);
    let mut x = features.last().clone();
    for (step, (block, channels)) in (1..).zip(STEPS) {
        let name = format!("decoder.up{step}");
        x = b.nearest(&format!("{name}.nearest"), &x, 2);
        x = b.concat(&format!("{name}.concat"), &[&x, &features.projections[block]]);
        x = b.conv_act(&name, &x, Conv::new(channels, 3), Act::Relu);
    }
    x = b.nearest("decoder.up5.nearest", &x, 2);
    x = b.conv_act("decoder.up5", &x, Conv::new(32, 3), Act::Relu);
    vec![b.conv("decoder.scores", &x, Conv::new(choice.classes, 1).bias().linear())]
}
