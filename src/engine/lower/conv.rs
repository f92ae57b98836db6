//! Convolutions: weights as signed bytes in the program's order, bias and multipliers in units of the accumulator.

use super::super::program::{Id, Kind, Weights};
use super::draft::{At, canonical, permuted};
use super::elementwise::multiplier;
use super::value::{Constant, Step, bad, contradiction, unsupported};
use super::walk::{Target, Walk};
use super::window;
use crate::onnx::{DataType, Node, TensorData};

/// Operators with constant weights, which take a scale and shift after them.
pub(super) fn is_weighted(op: &str) -> bool {
    matches!(op, "Conv" | "ConvTranspose" | "Gemm" | "MatMul" | "ConvInteger" | "MatMulInteger")
}

/// Weights before they are bytes.
pub(super) struct Raw {
    /// `[outputs][kernel height][kernel width][inputs / groups]`, zero points subtracted.
    pub values: Vec<i16>,
    /// One for each output.
    pub scales: Vec<f32>,
    pub groups: usize,
}

/// A bias.
pub(super) enum Bias {
    None,
    /// In units of the accumulator.
    Integers(Vec<i64>),
    /// Real numbers, one or one for each output.
    Reals(Vec<f64>),
}

/// A `Conv` between a dequantize and a quantize node.
pub(super) fn emit<'a>(walk: &mut Walk<'a>, node: &'a Node, target: &Target) -> Step<Id> {
    let input = walk.linear(node, 0)?;
    let constant = weight_constant(walk, node, 1)?;
    let bias = bias(walk, node, 2)?;
    sliding(walk, node, input, &constant, bias, target)
}

/// A `Conv` of a tensor on a scale with constant weights behind a `DequantizeLinear`.
pub(super) fn sliding(
    walk: &mut Walk,
    node: &Node,
    input: Id,
    constant: &Constant,
    bias: BiasConstant,
    target: &Target,
) -> Step<Id> {
    let shape = constant.tensor.shape.clone();
    let &[outputs, inputs, ref kernel @ ..] = shape.as_slice() else {
        return contradiction(format!("weights of shape {shape:?}"));
    };
    let taps: usize = kernel.iter().product();
    let scales = output_scales(constant, outputs, 0)?;
    let values = centered(constant)?;
    // [o][i][taps] to [o][taps][i].
    let values = permuted(&values, &[outputs, inputs, taps], &[0, 2, 1]);
    let groups = groups(node)?;
    let raw = Raw { values, scales, groups };
    let bias = bias.resolve(walk.draft.grid(input).scale, &raw.scales, outputs)?;
    let image = walk.draft.image(target.at, input)?;
    let out = walk.shape(node.output())?.to_vec();
    let sizes = spatial(walk.draft.dims(image));
    let window = window::sliding(node, kernel, sizes, spatial_of(&out)?)?;
    let (image, weights) = weights(walk, image, raw, bias, target)?;
    let bounds = target.bounds();
    push_image(walk, target, Kind::Conv { window, weights, bounds }, image, &out)
}

/// A `ConvTranspose` between a dequantize and a quantize node.
pub(super) fn emit_transposed<'a>(walk: &mut Walk<'a>, node: &'a Node, target: &Target) -> Step<Id> {
    let input = walk.linear(node, 0)?;
    let constant = weight_constant(walk, node, 1)?;
    let bias = bias(walk, node, 2)?;
    let shape = constant.tensor.shape.clone();
    let &[inputs, per_group, ref kernel @ ..] = shape.as_slice() else {
        return contradiction(format!("weights of shape {shape:?}"));
    };
    let taps: usize = kernel.iter().product();
    let groups = groups(node)?;
    if !inputs.is_multiple_of(groups) {
        return contradiction(format!("{groups} groups of {inputs} channels"));
    }
    let outputs = per_group * groups;
    // A scale along axis 1 belongs to a channel of every group.
    let of_group = output_scales(&constant, per_group, 1)?;
    let scales = (0..outputs).map(|output| of_group[output % per_group]).collect();
    // [g][i][m][taps] to [g][m][taps][i].
    let dims = [groups, inputs / groups, per_group, taps];
    let values = permuted(&centered(&constant)?, &dims, &[0, 2, 3, 1]);
    let raw = Raw { values, scales, groups };
    let bias = bias.resolve(walk.draft.grid(input).scale, &raw.scales, outputs)?;
    let image = walk.draft.image(target.at, input)?;
    let out = walk.shape(node.output())?.to_vec();
    let window = window::transposed(node, kernel, spatial(walk.draft.dims(image)), spatial_of(&out)?)?;
    let (image, weights) = weights(walk, image, raw, bias, target)?;
    let bounds = target.bounds();
    push_image(walk, target, Kind::ConvTranspose { window, weights, bounds }, image, &out)
}

/// Writes an operator from an image to an image of the ONNX shape `shape`, of rank 4 or 3.
pub(super) fn push_image(
    walk: &mut Walk,
    target: &Target,
    kind: Kind,
    image: Id,
    shape: &[usize],
) -> Step<Id> {
    let full = match *shape {
        [n, c, w] => [n, c, 1, w],
        [n, c, h, w] => [n, c, h, w],
        _ => return unsupported(format!("gives an image of shape {shape:?}")),
    };
    let axes = canonical(4);
    let layout = (axes.iter().map(|&axis| full[axis]).collect(), axes);
    let id = walk.draft.push(target.at, kind, vec![image], layout, target.grid);
    Ok(walk.draft.reshape(target.at, id, shape))
}

/// Height and width of `[n, h, w, c]`.
pub(super) fn spatial(dims: &[usize]) -> [usize; 2] {
    [dims[1], dims[2]]
}

/// Height and width of an ONNX shape of rank 4 or 3.
pub(super) fn spatial_of(shape: &[usize]) -> Step<[usize; 2]> {
    match *shape {
        [_, _, w] => Ok([1, w]),
        [_, _, h, w] => Ok([h, w]),
        _ => unsupported(format!("works on images of two dimensions, not on shape {shape:?}")),
    }
}

fn groups(node: &Node) -> Step<usize> {
    match usize::try_from(node.int("group", 1)) {
        Ok(groups) if groups > 0 => Ok(groups),
        _ => contradiction(format!("{} groups", node.int("group", 1))),
    }
}

/// Constant weights with scales.
pub(super) fn weight_constant<'a>(
    walk: &Walk<'a>,
    node: &Node,
    index: usize,
) -> Step<std::rc::Rc<Constant<'a>>> {
    let name = walk.required(node, index)?;
    match walk.constant(name) {
        Some(constant) if constant.scaling.is_some() => Ok(constant),
        Some(_) => unsupported(format!("its weights {name} are not quantized")),
        None => unsupported(format!("its weights {name} are computed at run time")),
    }
}

/// One scale for each of `outputs`, which lie along `axis`.
pub(super) fn output_scales(constant: &Constant, outputs: usize, axis: usize) -> Step<Vec<f32>> {
    let Some(scaling) = &constant.scaling else {
        return unsupported("its weights are not quantized");
    };
    match scaling.scales.as_slice() {
        &[scale] => Ok(vec![scale; outputs]),
        scales if scaling.axis == axis && scales.len() == outputs => Ok(scales.to_vec()),
        _ => {
            unsupported(format!("its weights have scales along axis {}, not along the outputs", scaling.axis))
        }
    }
}

/// The integers of weights, zero points subtracted.
pub(super) fn centered(constant: &Constant) -> Step<Vec<i16>> {
    let Some(scaling) = &constant.scaling else {
        return unsupported("its weights are not quantized");
    };
    let mut values: Vec<i16> = match &constant.tensor.data {
        TensorData::U8(values) => values.iter().map(|&value| i16::from(value)).collect(),
        TensorData::I8(values) => values.iter().map(|&value| i16::from(value)).collect(),
        _ => {
            let element = constant.tensor.data_type();
            return unsupported(format!("its weights are {element}, not 8-bit integers"));
        }
    };
    if scaling.zeros.iter().any(|&zero| zero != 0) {
        for (index, value) in values.iter_mut().enumerate() {
            *value -= scaling.zeros[scaling.part(&constant.tensor.shape, index)] as i16;
        }
    }
    Ok(values)
}

/// A constant bias as the graph gives it.
pub(super) enum BiasConstant {
    None,
    /// 32-bit integers, with one scale or one for each; without one they are in units of the accumulator.
    Integers(Vec<i32>, Option<Vec<f32>>),
    Reals(Vec<f32>),
}

/// The bias in input `index` of a node.
pub(super) fn bias(walk: &Walk, node: &Node, index: usize) -> Step<BiasConstant> {
    let Some(name) = node.input(index) else {
        return Ok(BiasConstant::None);
    };
    let Some(constant) = walk.constant(name) else {
        return unsupported(format!("its bias {name} is computed at run time"));
    };
    if constant.tensor.shape.iter().filter(|&&size| size != 1).count() > 1 {
        return unsupported(format!("its bias {name} has shape {:?}", constant.tensor.shape));
    }
    if let Some(scaling) = &constant.scaling
        && let (Some(values), DataType::I32) = (constant.integers(), constant.tensor.data_type())
    {
        return Ok(BiasConstant::Integers(values, Some(scaling.scales.clone())));
    }
    match constant.reals() {
        Some(values) if values.iter().all(|value| value.is_finite()) => Ok(BiasConstant::Reals(values)),
        Some(_) => bad(format!("its bias {name} is not finite")),
        None => unsupported(format!("its bias {name} is {}", constant.tensor.data_type())),
    }
}

impl BiasConstant {
    /// The bias of a product whose accumulator has the scale `input` times `weights`.
    pub(super) fn resolve(self, input: f32, weights: &[f32], outputs: usize) -> Step<Bias> {
        let wrong = |count: usize| contradiction(format!("{count} biases for {outputs} outputs"));
        Ok(match self {
            BiasConstant::None => Bias::None,
            BiasConstant::Reals(values) if ![1, outputs].contains(&values.len()) => {
                return wrong(values.len());
            }
            BiasConstant::Reals(values) => Bias::Reals(values.into_iter().map(f64::from).collect()),
            BiasConstant::Integers(values, _) if ![1, outputs].contains(&values.len()) => {
                return wrong(values.len());
            }
            BiasConstant::Integers(values, None) => {
                Bias::Integers(values.into_iter().map(i64::from).collect())
            }
            BiasConstant::Integers(values, Some(scales)) => {
                let scale = |output: usize| f64::from(scales[output % scales.len()]);
                let unit = |output: usize| f64::from(input) * f64::from(weights[output]);
                // Every tool means the accumulator's scale, which some round to a float in between.
                if (0..outputs).all(|output| (scale(output) / unit(output) - 1.0).abs() < 1e-5) {
                    Bias::Integers(values.into_iter().map(i64::from).collect())
                } else {
                    let value = |output: usize| f64::from(values[output % values.len()]) * scale(output);
                    Bias::Reals((0..outputs).map(value).collect())
                }
            }
        })
    }
}

/// Bytes, bias and multipliers of `raw` over `image`, and the image that they work on: weights that need more than a signed byte
/// are sums of several, over an image that holds each channel as often.
pub(super) fn weights(
    walk: &mut Walk,
    image: Id,
    raw: Raw,
    bias: Bias,
    target: &Target,
) -> Step<(Id, Weights)> {
    let input_scale = walk.draft.grid(image).scale;
    let Raw { values, scales, groups } = raw;
    let outputs = scales.len();
    let per_output = values.len() / outputs.max(1);
    let at = |list: &[f32], output: usize, missing: f32| {
        if list.is_empty() { missing } else { list[output % list.len()] }
    };
    let mut multipliers = Vec::with_capacity(outputs);
    let mut biases = Vec::with_capacity(outputs);
    for output in 0..outputs {
        // In f32 and in this order, as ONNX Runtime's kernels multiply.
        let scale = match target.factor {
            [] => scales[output],
            factor => scales[output] * at(factor, output, 1.0),
        };
        multipliers.push(multiplier(input_scale * scale / target.grid.scale)?);
        let unit = f64::from(input_scale) * f64::from(scales[output]);
        let factor = f64::from(at(target.factor, output, 1.0));
        let shift = f64::from(at(target.shift, output, 0.0)) / factor;
        let rounded = match &bias {
            Bias::None => (shift / unit).round_ties_even(),
            Bias::Integers(values) if shift == 0.0 => values[output % values.len()] as f64,
            Bias::Integers(values) => (values[output % values.len()] as f64 + shift / unit).round_ties_even(),
            Bias::Reals(values) => ((values[output % values.len()] + shift) / unit).round_ties_even(),
        };
        // Every sum, also one of part of the terms, must fit into 32 bits.
        let filter = &values[output * per_output..][..per_output];
        let sum = 255 * filter.iter().map(|&value| u64::from(value.unsigned_abs())).sum::<u64>();
        let fits = rounded.is_finite() && rounded.abs() + sum as f64 <= f64::from(i32::MAX);
        if !fits {
            return unsupported(format!("the sum of output channel {output} may not fit into 32 bits"));
        }
        biases.push(rounded as i32);
    }
    let (low, high) = values.iter().fold((0, 0), |(low, high), &value| (value.min(low), value.max(high)));
    let copies = copies_of(low).max(copies_of(high));
    let (image, values) = match copies {
        1 => (image, values.iter().map(|&value| value as i8).collect()),
        _ => {
            let part = |copy: i16, value: i16| (value * (copy + 1) / copies - value * copy / copies) as i8;
            let values = values.iter().flat_map(|&value| (0..copies).map(move |copy| part(copy, value)));
            (repeated(walk, target.at, image, copies as usize), values.collect())
        }
    };
    Ok((image, Weights { values, bias: biases, multipliers, groups }))
}

/// How many signed bytes a weight takes.
fn copies_of(value: i16) -> i16 {
    match value {
        -128..=127 => 1,
        -254..=254 => 2,
        _ => 3,
    }
}

/// `[n, h, w, c]` as `[n, h, w, c * copies]`, each channel `copies` times in a row.
fn repeated(walk: &mut Walk, at: At, image: Id, copies: usize) -> Id {
    let grid = walk.draft.grid(image);
    let dims = walk.draft.dims(image).to_vec();
    let axes = vec![0, 3, 4, 1, 2];
    let single: Vec<usize> = dims.iter().copied().chain([1]).collect();
    let single = walk.draft.view(at, image, single, axes.clone());
    let mut wide: Vec<usize> = dims.clone();
    wide.push(copies);
    let joined = walk.draft.push(at, Kind::Concat { dim: 4 }, vec![single; copies], (wide, axes), grid);
    let flat = vec![dims[0], dims[1], dims[2], dims[3] * copies];
    walk.draft.view(at, joined, flat, canonical(4))
}
