//! U-Nets (Ronneberger et al., 2015) with a MobileNetV2 encoder.

use super::builder::{Builder, Value};
use super::layers::{Act, Norm};
use super::mobilenetv2::{End, divisible_by_eight, encoder};
use super::settings::Choice;

/// Kernel and stride of every step up.
const UP: (usize, usize) = (3, 2);

/// From 1/32 up in five steps.
pub(super) fn five_steps(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    let features = encoder(b, image, choice.width, choice.rounding, 32, End::BareProjection);
    let skips = [13, 6, 3, 1].map(|block| features.expansions[block].clone());
    decoder(b, features.last(), &[512, 256, 128, 64], &skips, choice)
}

/// From 1/16 up in four steps.
pub(super) fn four_steps(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    let features = encoder(b, image, choice.width, choice.rounding, 32, End::Expansion(13));
    let skips = [6, 3, 1].map(|block| features.expansions[block].clone());
    decoder(b, features.last(), &[128, 64, 32], &skips, choice)
}

/// Doubles the size and joins a skip, step by step; the last step gives the logits.
fn decoder(b: &mut Builder, x: &Value, channels: &[usize], skips: &[Value], choice: &Choice) -> Vec<Value> {
    let mut x = x.clone();
    for (step, (&channels, skip)) in (1..).zip(channels.iter().zip(skips)) {
        let name = format!("decoder.up{step}");
        let channels = divisible_by_eight(channels as f32 * choice.width);
        let y = b.conv_transpose(&format!("{name}.conv"), &x, channels, UP, false, None);
        let y = b.norm(&format!("{name}.norm"), &y, Norm::KERAS);
        let y = b.act(&name, &y, Act::Relu);
        x = b.concat(&format!("{name}.concat"), &[&y, skip]);
    }
    vec![b.conv_transpose("decoder.scores", &x, choice.classes, UP, true, None)]
}
