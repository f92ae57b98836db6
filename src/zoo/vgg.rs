//! VGG-16 (Simonyan and Zisserman, 2014).

use super::builder::{Builder, Value};
use super::layers::{Act, Conv, Padding};
use super::parameter::Initial;
use super::settings::{Choice, Head};

/// Channels and number of convolutions of each stage.
const STAGES: [(usize, usize); 5] = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)];

/// Units of the dense layers of the classic head, and of the small one for 32x32 images.
const CLASSIC_UNITS: usize = 4096;
const SMALL_UNITS: usize = 20;

pub(super) fn build(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    let mut x = image.clone();
    for (stage, (channels, convs)) in (1..).zip(STAGES) {
        for conv in 1..=convs {
            x = b.conv_act(&format!("stage{stage}.{conv}"), &x, Conv::new(channels, 3), Act::Relu);
        }
        x = b.max_pool(&format!("stage{stage}.pool"), &x, (2, 2), Padding::Valid);
    }
    let hidden: &[usize] = match choice.head {
        Head::Features => return vec![x],
        Head::Small => &[SMALL_UNITS],
        Head::Classic => &[CLASSIC_UNITS, CLASSIC_UNITS],
    };
    let mut x = b.flatten("head.flatten", &x);
    for (layer, &units) in (1..).zip(hidden) {
        x = b.dense(&format!("head.dense{layer}"), &x, units, None);
        x = b.act(&format!("head.dense{layer}"), &x, Act::Relu);
        if choice.head == Head::Classic {
            x = b.dropout(&format!("head.dropout{layer}"), &x, 0.5);
        }
    }
    let features = x.dim(1);
    vec![b.dense("head.scores", &x, choice.classes, Some(Initial::linear(features)))]
}
