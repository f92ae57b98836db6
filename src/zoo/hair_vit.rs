//! A modified mobile vision transformer for hair: inverted residuals, two stages of separable self-attention (Mehta
//! and Rastegari, 2022) on unfolded patches, a top-down path, and a depthwise-separable head.

use super::builder::{Builder, Value};
use super::layers::{Act, Conv};
use super::parameter::Initial;
use super::settings::Choice;
use super::tensors::Pixels;

/// Side of a patch in pixels.
const PATCH: usize = 4;
/// Channels of the top-down path, and of the head.
const PATH: usize = 64;
const HEAD: usize = 32;
/// Epsilon of the layer norm that may stand for the square.
const EPSILON: f32 = 1e-5;

pub(super) fn build(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    let stem = b.conv_act("stem", image, Conv::new(16, 3).stride(2), Act::Relu);
    let x = inverted(b, "stage1.block1", &stem, (96, 1, 64));
    let first = inverted(b, "stage1.block2", &x, (384, 2, 128));
    let x = inverted(b, "stage1.block3", &first, (768, 1, 128));
    let fine = b.add("stage1.add", &first, &x);

    let x = inverted(b, "stage2.block", &fine, (768, 2, 256));
    let x = transformer(b, "stage2", &x, 128, 2, choice.layer_norm);
    let middle = b.conv_act("stage2.widen", &x, Conv::new(256, 1), Act::None);

    let x = inverted(b, "stage3.block", &middle, (1536, 2, 384));
    let x = transformer(b, "stage3", &x, 192, 4, choice.layer_norm);
    let x = b.conv_act("stage3.widen", &x, Conv::new(384, 1), Act::None);
    let x = b.conv_act("stage3.depthwise", &x, Conv::depthwise(1), Act::None);
    let deep = b.conv_act("stage3.project", &x, Conv::new(PATH, 1), Act::None);

    let mut levels = vec![deep];
    for (level, side) in [(5, &middle), (6, &fine), (7, &stem)] {
        let name = format!("path{level}");
        let lateral = b.conv_act(&format!("{name}.depthwise"), side, Conv::depthwise(1), Act::None);
        let lateral = b.conv_act(&format!("{name}.point"), &lateral, Conv::new(PATH, 1), Act::None);
        let above = b.nearest(&format!("{name}.nearest"), &levels[levels.len() - 1], 2);
        levels.push(b.add(&format!("{name}.add"), &lateral, &above));
    }
    let mut merged = merge(b, "merge7", &levels[3]);
    let size = merged.size();
    for level in [6, 5, 4] {
        let name = format!("merge{level}");
        let y = merge(b, &name, &levels[level - 4]);
        let y = b.bilinear(&format!("{name}.resize"), &y, size, Pixels::Squares);
        merged = b.add(&format!("{name}.add"), &merged, &y);
    }
    head(b, &merged, choice)
}

/// 1x1 to `wide` channels, depthwise 3x3, 1x1 to `channels`; a bias everywhere, no norms.
fn inverted(
    b: &mut Builder,
    name: &str,
    x: &Value,
    (wide, stride, channels): (usize, usize, usize),
) -> Value {
    let y = b.conv_act(&format!("{name}.expand"), x, Conv::new(wide, 1), Act::Relu);
    let y = b.conv_act(&format!("{name}.depthwise"), &y, Conv::depthwise(3).stride(stride), Act::Relu);
    b.conv_act(&format!("{name}.project"), &y, Conv::new(channels, 1), Act::None)
}

/// Local convolutions, then attention between the patches for each position inside a patch.
fn transformer(
    b: &mut Builder,
    name: &str,
    x: &Value,
    channels: usize,
    blocks: usize,
    layer_norm: bool,
) -> Value {
    let x = b.conv_act(&format!("{name}.local"), x, Conv::new(channels, 3), Act::Relu);
    let x = b.conv_act(&format!("{name}.point"), &x, Conv::new(channels, 1), Act::Relu);
    let (height, width) = x.size();
    let (rows, columns) = (height / PATCH, width / PATCH);
    // [1,C,rows,4,columns,4] -> [1,C,4,4,rows,columns] -> [1,C,positions,patches]
    let mut p = b.reshape(&format!("{name}.patches"), &x, &[1, channels, rows, PATCH, columns, PATCH]);
    p = b.transpose(&format!("{name}.positions"), &p, &[0, 1, 3, 5, 2, 4]);
    p = b.reshape(&format!("{name}.unfold"), &p, &[1, channels, PATCH * PATCH, rows * columns]);
    for block in 1..=blocks {
        p = attention(b, &format!("{name}.attention{block}"), &p, layer_norm);
    }
    p = b.reshape(&format!("{name}.grid"), &p, &[1, channels, PATCH, PATCH, rows, columns]);
    p = b.transpose(&format!("{name}.pixels"), &p, &[0, 1, 4, 2, 5, 3]);
    b.reshape(&format!("{name}.fold"), &p, &[1, channels, height, width])
}

/// Separable self-attention on `[1,C,positions,patches]`: its cost grows with the number of patches, not its square.
fn attention(b: &mut Builder, name: &str, p: &Value, layer_norm: bool) -> Value {
    let part = |part: &str| format!("{name}.{part}");
    let channels = p.channels();
    let point = |filters| Conv::new(filters, 1).bias().initial(Initial::TruncatedNormal(0.02));
    // Every block starts as the identity: squares would grow from block to block.
    let silent = |filters| Conv::new(filters, 1).bias().initial(Initial::Constant(0.0));
    let a = if layer_norm {
        b.layer_norm(&part("norm"), p, EPSILON)
    } else {
        let square = b.mul(&part("square"), p, p);
        b.scale(&part("doubled"), &square, 2.0)
    };
    let scores = b.conv(&part("scores"), &a, point(1));
    let weights = b.softmax(&part("softmax"), &scores, 3);
    let key = b.conv(&part("key"), &a, point(channels));
    let weighted = b.mul(&part("weighted"), &key, &weights);
    let context = b.sum(&part("context"), &weighted, 3);
    let value = b.conv(&part("value"), &a, point(channels));
    let value = b.act(&part("value"), &value, Act::Relu);
    let mixed = b.mul(&part("mixed"), &value, &context);
    let mixed = b.conv(&part("project"), &mixed, silent(channels));
    let o = b.add(&part("add"), &mixed, p);
    let y = b.conv(&part("widen"), &a, point(2 * channels));
    let y = b.conv(&part("narrow"), &y, silent(channels));
    b.add(&part("out"), &o, &y)
}

/// Depthwise 3x3 and 1x1.
fn merge(b: &mut Builder, name: &str, x: &Value) -> Value {
    let y = b.conv_act(&format!("{name}.depthwise"), x, Conv::depthwise(3), Act::None);
    b.conv_act(&format!("{name}.point"), &y, Conv::new(PATH, 1), Act::None)
}

/// The logits; a softmax over the classes is left to whoever wants shares.
fn head(b: &mut Builder, x: &Value, choice: &Choice) -> Vec<Value> {
    let mut x = x.clone();
    for layer in 1..=5 {
        x = b.conv_act(&format!("head.layer{layer}.depthwise"), &x, Conv::depthwise(3), Act::Relu);
        x = b.conv_act(&format!("head.layer{layer}.point"), &x, Conv::new(HEAD, 1), Act::Relu);
    }
    x = b.conv_transpose("head.up", &x, HEAD, (2, 2), true, Some(Initial::linear(HEAD)));
    vec![b.conv("head.scores", &x, Conv::new(choice.classes, 1).bias().linear())]
}
