//! SegFormer (Xie et al., 2021): a Mix Transformer encoder with efficient self-attention, and an all-MLP decoder.
//! Linear layers are 1x1 convolutions over `[N,C,H,W]`, so that they quantize like every other convolution.

use super::builder::{Builder, Value};
use super::layers::{Act, Conv, Norm, Padding};
use super::parameter::Initial;
use super::settings::Choice;
use super::tensors::Pixels;

/// Kernel and stride of the patch embedding, reduction of keys and values, and heads of each stage.
const STAGES: [(usize, usize, usize, usize); 4] = [(7, 4, 8, 1), (3, 2, 4, 2), (3, 2, 2, 5), (3, 2, 1, 8)];
/// Transformer blocks a stage.
const BLOCKS: usize = 2;
/// Hidden channels of the feed-forward part, as a multiple.
const FEED_FORWARD: usize = 4;
/// Channels of the decoder.
const DECODER: usize = 256;

/// Epsilon of the norms in blocks and at the end of a stage, and of those after a convolution.
const BLOCK_EPSILON: f32 = 1e-6;
const EMBED_EPSILON: f32 = 1e-5;

pub(super) fn b0(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    build(b, image, [32, 64, 160, 256], choice)
}

pub(super) fn b1(b: &mut Builder, image: &Value, choice: &Choice) -> Vec<Value> {
    build(b, image, [64, 128, 320, 512], choice)
}

/// A linear layer, with the initialisation of the paper's code.
fn linear(channels: usize) -> Conv {
    Conv::new(channels, 1).bias().initial(Initial::TruncatedNormal(0.02))
}

fn build(b: &mut Builder, image: &Value, channels: [usize; 4], choice: &Choice) -> Vec<Value> {
    let mut x = image.clone();
    let mut stages = Vec::new();
    for (stage, (channels, (kernel, stride, reduction, heads))) in (1..).zip(channels.into_iter().zip(STAGES))
    {
        let name = format!("encoder.stage{stage}");
        let embed = Conv::new(channels, kernel).stride(stride).padding(Padding::Half).bias().linear();
        x = b.conv(&format!("{name}.embed.conv"), &x, embed);
        x = b.layer_norm(&format!("{name}.embed.norm"), &x, EMBED_EPSILON);
        for block in 1..=BLOCKS {
            let name = format!("{name}.block{block}");
            let y = b.layer_norm(&format!("{name}.attention.norm"), &x, BLOCK_EPSILON);
            let y = attention(b, &format!("{name}.attention"), &y, reduction, heads);
            x = b.add(&format!("{name}.attention.add"), &x, &y);
            let y = b.layer_norm(&format!("{name}.feed.norm"), &x, BLOCK_EPSILON);
            let y = feed_forward(b, &format!("{name}.feed"), &y);
            x = b.add(&format!("{name}.feed.add"), &x, &y);
        }
        x = b.layer_norm(&format!("{name}.norm"), &x, BLOCK_EPSILON);
        stages.push(x.clone());
    }
    decoder(b, image, &stages, choice)
}

/// Softmax attention in which keys and values are `reduction` times smaller along both sides.
fn attention(b: &mut Builder, name: &str, x: &Value, reduction: usize, heads: usize) -> Value {
    let part = |part: &str| format!("{name}.{part}");
    let channels = x.channels();
    let depth = channels / heads;
    let tokens = |value: &Value| value.dim(2) * value.dim(3);

    let mut reduced = x.clone();
    if reduction > 1 {
        let conv = Conv::new(channels, reduction).stride(reduction).padding(Padding::Valid).bias().linear();
        reduced = b.conv(&part("reduce.conv"), x, conv);
        reduced = b.layer_norm(&part("reduce.norm"), &reduced, EMBED_EPSILON);
    }
    let query = b.conv(&part("query"), x, linear(channels));
    let key = b.conv(&part("key"), &reduced, linear(channels));
    let value = b.conv(&part("value"), &reduced, linear(channels));

    let query = b.reshape(&part("query.heads"), &query, &[1, heads, depth, tokens(x)]);
    let query = b.transpose(&part("query.rows"), &query, &[0, 1, 3, 2]);
    let key = b.reshape(&part("key.heads"), &key, &[1, heads, depth, tokens(&reduced)]);
    let value = b.reshape(&part("value.heads"), &value, &[1, heads, depth, tokens(&reduced)]);
    let value = b.transpose(&part("value.rows"), &value, &[0, 1, 3, 2]);

    let scores = b.matmul(&part("scores"), &query, &key);
    let scores = b.scale(&part("scaled"), &scores, 1.0 / (depth as f32).sqrt());
    let weights = b.softmax(&part("softmax"), &scores, -1);
    let mixed = b.matmul(&part("mixed"), &weights, &value);
    let mixed = b.transpose(&part("mixed.columns"), &mixed, &[0, 1, 3, 2]);
    let mixed = b.reshape(&part("mixed.image"), &mixed, &x.shape);
    b.conv(&part("project"), &mixed, linear(channels))
}

/// Two linear layers with a depthwise convolution between them, which stands for the positions.
fn feed_forward(b: &mut Builder, name: &str, x: &Value) -> Value {
    let part = |part: &str| format!("{name}.{part}");
    let y = b.conv(&part("widen"), x, linear(FEED_FORWARD * x.channels()));
    let y = b.conv(&part("depthwise"), &y, Conv::depthwise(3).bias());
    let y = b.gelu(&part("gelu"), &y);
    b.conv(&part("project"), &y, linear(x.channels()))
}

fn decoder(b: &mut Builder, image: &Value, stages: &[Value], choice: &Choice) -> Vec<Value> {
    let size = stages[0].size();
    let mut parts = Vec::new();
    for (stage, x) in stages.iter().enumerate().rev() {
        let name = format!("decoder.stage{}", stage + 1);
        let mut y = b.conv(&format!("{name}.linear"), x, linear(DECODER));
        if y.size() != size {
            y = b.bilinear(&format!("{name}.resize"), &y, size, Pixels::Squares);
        }
        parts.push(y);
    }
    let x = b.concat("decoder.concat", &parts.iter().collect::<Vec<_>>());
    let x = b.conv_norm("decoder.fuse", &x, Conv::new(DECODER, 1), Norm::TORCH, Act::Relu);
    let x = b.dropout("decoder.dropout", &x, 0.1);
    let x = b.conv("decoder.scores", &x, linear(choice.classes));
    vec![b.bilinear("decoder.resize", &x, image.size(), Pixels::Squares)]
}
