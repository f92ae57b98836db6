//! Convolutions: `[N,C,H,W]` and filters `[M,C/groups,h,w]` to `[N,M,H',W']`; transposed ones with filters
//! `[C,M/groups,h,w]`. Images of one or three dimensions work alike.

use tch::Tensor;

use super::Table;
use super::call::{Call, one};
use super::window::{Window, pad};
use crate::graph::error::{Fault, failed};
use crate::graph::memory_order::channels_last;
use crate::graph::value::Value;

pub(super) const TABLE: Table = &[("Conv", conv), ("ConvTranspose", conv_transpose)];

/// Image and filters, checked.
fn operands<'a>(call: &'a Call) -> Result<(&'a Value, &'a Tensor, Vec<i64>), Fault> {
    let (x, weight) = (call.input(0)?, &call.input(1)?.tensor);
    x.batch_first()?;
    let sizes = x.tensor.size();
    if sizes.len() < 3 || weight.dim() != sizes.len() {
        return failed(format!("convolves an image of shape {sizes:?} with filters of {:?}", weight.size()));
    }
    Ok((x, weight, sizes[2..].to_vec()))
}

fn conv(call: &Call) -> Result<Vec<Value>, Fault> {
    let (x, weight, sizes) = operands(call)?;
    let window = Window::of(call.node, weight.size()[2..].to_vec(), &sizes)?;
    // libtorch pads both sides alike; the rest is added before.
    let both: Vec<i64> = window.begin.iter().zip(&window.end).map(|(&a, &b)| a.min(b).max(0)).collect();
    let rest = |pads: &[i64]| -> Vec<i64> { pads.iter().zip(&both).map(|(pad, both)| pad - both).collect() };
    let padded = pad(&x.tensor, &rest(&window.begin), &rest(&window.end), 0.0)?;
    let y = padded.f_convolution(
        weight,
        call.tensor(2),
        &window.strides,
        &both,
        &window.dilations,
        false,
        vec![0; sizes.len()],
        call.node.int("group", 1),
    )?;
    one(x.like(y))
}

fn conv_transpose(call: &Call) -> Result<Vec<Value>, Fault> {
    let (x, weight, sizes) = operands(call)?;
    let node = call.node;
    // `auto_pad` means something else here: what the output loses.
    let mut plain = node.clone();
    let auto_pad = node.text("auto_pad", "NOTSET").to_string();
    if auto_pad.starts_with("SAME") {
        plain.attributes.remove("auto_pad");
    }
    let mut window = Window::of(&plain, weight.size()[2..].to_vec(), &sizes)?;
    let rank = sizes.len();
    let extra = node.ints("output_padding").map_or_else(|| vec![0; rank], <[i64]>::to_vec);
    let whole: Vec<i64> =
        (0..rank).map(|axis| window.strides[axis] * (sizes[axis] - 1) + window.reach(axis)).collect();
    // Older exporters give the batch and the channels, too.
    let asked = node.ints("output_shape").map(|shape| &shape[shape.len().saturating_sub(rank)..]);
    if extra.len() != rank || asked.is_some_and(|asked| asked.len() != rank) {
        return failed("has an output padding or shape of another number of dimensions");
    }
    let mut outputs = Vec::with_capacity(rank);
    for axis in 0..rank {
        let wanted = match asked {
            Some(asked) => Some(asked[axis]),
            None => auto_pad.starts_with("SAME").then(|| sizes[axis] * window.strides[axis]),
        };
        if let Some(wanted) = wanted {
            let total = whole[axis] + extra[axis] - wanted;
            let (less, more) = (total.div_euclid(2), total - total.div_euclid(2));
            (window.begin[axis], window.end[axis]) =
                if auto_pad == "SAME_UPPER" { (less, more) } else { (more, less) };
        }
        outputs.push(whole[axis] + extra[axis] - window.begin[axis] - window.end[axis]);
    }
    let convolve = |padding: &[i64], output_padding: &[i64]| {
        let groups = node.int("group", 1);
        let (strides, dilations) = (&window.strides, &window.dilations);
        x.tensor.f_convolution(
            weight,
            call.tensor(2),
            strides,
            padding,
            dilations,
            true,
            output_padding,
            groups,
        )
    };
    if window.is_symmetric() {
        return one(x.like(convolve(&window.begin, &extra)?));
    }
    // Without padding first, with what the output has beyond that; then the asked part of it.
    let beyond: Vec<i64> =
        (0..rank).map(|axis| (window.begin[axis] + outputs[axis] - whole[axis]).max(0)).collect();
    let mut y = convolve(&vec![0; rank], &beyond)?;
    for (axis, (&begin, &output)) in window.begin.iter().zip(&outputs).enumerate() {
        if begin < 0 {
            return failed("has negative padding");
        }
        y = y.f_narrow(axis as i64 + 2, begin, output)?;
    }
    // A part with gaps between its rows would slow down what follows, batch norms above all.
    one(x.like(if rank == 2 { channels_last(&y)? } else { y.f_contiguous()? }))
}
