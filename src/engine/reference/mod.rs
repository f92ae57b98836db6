//! An interpreter of int8 programs that is as plain as their definition. Tests hold what is fast against it.
//!
//! It shares no code with the kernels, keeps every tensor, and is far too slow for anything but small images.

#[cfg(test)]
mod conformance;
mod elements;
mod moves;
mod ports;
#[cfg(test)]
mod problems;
mod resize;
mod rows;
mod tensor;
#[cfg(test)]
mod tests;
mod windows;

pub use ports::{dequantize, memory_order, onnx_order, quantize};

use super::program::{Bounds, Kind, Op, Program};
use tensor::View;

/// Outputs of a program, in order. Inputs and outputs are in unsigned form and in the order of memory; class numbers are
/// the numbers themselves.
///
/// # Panics
/// Where the program does not hold together, or an input does not have the size of its tensor.
pub fn evaluate(program: &Program, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let tensors = evaluate_all(program, inputs);
    program.outputs.iter().map(|port| tensors[port.tensor].clone()).collect()
}

/// Like [`evaluate`], but gives every tensor; one that no operator writes is empty.
///
/// # Panics
/// As [`evaluate`].
pub fn evaluate_all(program: &Program, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    assert_eq!(inputs.len(), program.inputs.len(), "one tensor for each input");
    let mut tensors: Vec<Vec<u8>> =
        program.tensors.iter().map(|tensor| tensor.constant.clone().unwrap_or_default()).collect();
    for (port, input) in program.inputs.iter().zip(inputs) {
        let expected = program.tensors[port.tensor].elements();
        assert_eq!(input.len(), expected, "input {} has the size of its tensor", port.name);
        tensors[port.tensor] = input.clone();
    }
    for op in &program.ops {
        tensors[op.output] = evaluate_op(program, op, &tensors);
    }
    tensors
}

/// What one operator writes, given all tensors.
fn evaluate_op(program: &Program, op: &Op, tensors: &[Vec<u8>]) -> Vec<u8> {
    let inputs: Vec<View> =
        (op.inputs.iter()).map(|&id| View { tensor: &program.tensors[id], values: &tensors[id] }).collect();
    for input in &inputs {
        assert_eq!(input.values.len(), input.tensor.elements(), "{}: an input is not there yet", op.node);
    }
    let output = &program.tensors[op.output];
    let x = &inputs[0];
    let values = match &op.kind {
        Kind::View => x.values.to_vec(),
        Kind::Conv { window, weights, bounds } => windows::conv(x, window, weights, *bounds, output),
        Kind::ConvTranspose { window, weights, bounds } => {
            windows::conv_transpose(x, window, weights, *bounds, output)
        }
        Kind::MatMul { transposed, multiplier, bounds } => {
            elements::mat_mul(x, &inputs[1], *transposed, *multiplier, *bounds, output)
        }
        Kind::Add { factors, bounds } => elements::add(x, &inputs[1], *factors, *bounds, output),
        Kind::Mul { multiplier, bounds } => elements::mul(x, &inputs[1], *multiplier, *bounds, output),
        Kind::Table { tables } => elements::table(x, tables),
        Kind::Concat { dim } => moves::concat(&inputs, *dim, output),
        Kind::Slice { starts, steps } => moves::slice(x, starts, steps, output),
        Kind::Pad { before, fill } => moves::pad(x, before, *fill, output),
        Kind::Permute { order } => moves::permute(x, order, output),
        Kind::Nearest { rows, columns } => resize::nearest(x, rows, columns, output),
        Kind::Linear { rows, columns, multiplier } => resize::linear(x, rows, columns, *multiplier, output),
        Kind::MaxPool { window } => windows::max_pool(x, window, output),
        Kind::AveragePool { window, count_include_pad, bounds } => {
            windows::average_pool(x, window, *count_include_pad, *bounds, output)
        }
        Kind::Reduce { from, to, multiplier, bounds } => {
            rows::reduce(x, *from, *to, *multiplier, *bounds, output)
        }
        Kind::Softmax { exponentials } => rows::softmax(x, exponentials, output),
        Kind::LayerNorm { scale, shift, epsilon } => rows::layer_norm(x, scale, shift, *epsilon, output),
        Kind::ArgMax => rows::argmax(x),
        Kind::ResizeArgMax { rows, columns } => resize::resize_argmax(x, rows, columns, output),
    };
    assert_eq!(values.len(), output.elements(), "{}: the output has the size of its tensor", op.node);
    values
}

/// `round_half_even(real) + zero point`, bounded.
fn round(real: f32, zero_point: u8, bounds: Bounds) -> u8 {
    // In f64 nothing is lost whatever the real number; NaN is as low as can be.
    let rounded = f64::from(real).round_ties_even() + f64::from(zero_point);
    if rounded.is_nan() {
        return bounds.low;
    }
    rounded.clamp(f64::from(bounds.low), f64::from(bounds.high)) as u8
}
