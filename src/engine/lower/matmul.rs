//! Matrix products: with constant weights a 1x1 convolution over rows, else a product of two computed tensors.

use super::super::program::{Id, Kind, Window};
use super::conv::{self, BiasConstant, Raw, weight_constant};
use super::draft::{At, canonical, permuted};
use super::elementwise::multiplier;
use super::value::{Constant, Step, contradiction, unsupported};
use super::walk::{Target, Walk};
use crate::onnx::Node;

/// Most terms of a product of two computed tensors: more could leave 32 bits.
const TERMS_MAX: usize = i32::MAX as usize / (255 * 255);

/// A `Gemm` or `MatMul` between dequantize and quantize nodes.
pub(super) fn emit<'a>(walk: &mut Walk<'a>, node: &'a Node, target: &Target) -> Step<Id> {
    let right = walk.constant(walk.required(node, 1)?);
    let is_matrix = |constant: &Constant| {
        let rank = constant.tensor.shape.len();
        rank >= 2 && constant.tensor.shape[..rank - 2].iter().all(|&size| size == 1)
    };
    let (trans_a, trans_b, alpha, beta) = match node.standard_op() {
        "Gemm" => {
            let flag = |name: &str| node.int(name, 0) != 0;
            (flag("transA"), flag("transB"), node.float("alpha", 1.0), node.float("beta", 1.0))
        }
        _ => (false, false, 1.0, 1.0),
    };
    if !(alpha.is_finite() && alpha > 0.0 && beta.is_finite()) {
        return unsupported(format!("its alpha is {alpha}, its beta {beta}"));
    }
    if right.is_some_and(|constant| is_matrix(&constant)) {
        let input = left(walk, node, trans_a)?;
        let constant = weight_constant(walk, node, 1)?;
        let bias = match conv::bias(walk, node, 2)? {
            BiasConstant::None => BiasConstant::None,
            bias if beta == 1.0 => bias,
            bias => scaled(bias, beta),
        };
        let product = Product { constant: &constant, transposed: trans_b, alpha, bias };
        return with_weights(walk, node, input, product, target);
    }
    if node.input(2).is_some() {
        return unsupported("adds a bias to a product of two computed tensors");
    }
    let factor = match (target.factor, target.shift) {
        ([], []) => alpha,
        (&[factor], []) => alpha * factor,
        _ => return unsupported("its result is scaled or shifted before it is quantized"),
    };
    let mut inputs = [walk.linear_or_constant(node, 0)?, walk.linear_or_constant(node, 1)?];
    for (input, transposed) in inputs.iter_mut().zip([trans_a, trans_b]) {
        if transposed {
            *input = walk.draft.transpose(target.at, *input, &[1, 0]);
        }
    }
    computed(walk, inputs, factor, walk.shape(node.output())?.to_vec(), target)
}

fn left<'a>(walk: &mut Walk<'a>, node: &'a Node, transposed: bool) -> Step<Id> {
    let input = walk.linear(node, 0)?;
    let at = At { node: &node.name, name: node.output() };
    Ok(if transposed { walk.draft.transpose(at, input, &[1, 0]) } else { input })
}

fn scaled(bias: BiasConstant, beta: f32) -> BiasConstant {
    match bias {
        BiasConstant::Integers(values, Some(scales)) => {
            let real = |(index, value): (usize, i32)| value as f32 * scales[index % scales.len()] * beta;
            BiasConstant::Reals(values.into_iter().enumerate().map(real).collect())
        }
        BiasConstant::Reals(values) => {
            BiasConstant::Reals(values.into_iter().map(|value| value * beta).collect())
        }
        other => other,
    }
}

/// The constant side of a matrix product.
pub(super) struct Product<'c> {
    /// `[.., k, n]`, or `[n, k]` if `transposed`; leading sizes are 1.
    pub constant: &'c Constant<'c>,
    pub transposed: bool,
    /// Factor of the product.
    pub alpha: f32,
    pub bias: BiasConstant,
}

/// `[.., rows, k]` times constant weights: a 1x1 convolution over the rows.
pub(super) fn with_weights(
    walk: &mut Walk,
    node: &Node,
    input: Id,
    product: Product,
    target: &Target,
) -> Step<Id> {
    let shape = &product.constant.tensor.shape;
    let rank = shape.len();
    let own = walk.draft.tensors[input].onnx_shape();
    let (Some(&terms), true) = (own.last(), rank >= 2) else {
        return unsupported("multiplies a vector");
    };
    let output_axis = if product.transposed { rank - 2 } else { rank - 1 };
    let outputs = shape[output_axis];
    if outputs == 0 || shape[..rank - 2].iter().any(|&size| size != 1) {
        return unsupported(format!("its weights have shape {shape:?}"));
    }
    if shape.iter().product::<usize>() != terms * outputs {
        return contradiction(format!("product of shapes {own:?} and {shape:?}"));
    }
    let mut scales = conv::output_scales(product.constant, outputs, output_axis)?;
    if product.alpha != 1.0 {
        scales.iter_mut().for_each(|scale| *scale *= product.alpha);
    }
    let mut values = conv::centered(product.constant)?;
    if !product.transposed {
        values = permuted(&values, &[terms, outputs], &[1, 0]);
    }
    let raw = Raw { values, scales, groups: 1 };
    let bias = product.bias.resolve(walk.draft.grid(input).scale, &raw.scales, outputs)?;

    let rows = walk.draft.with_last(target.at, input, own.len() - 1);
    let (mut dims, axes) = (walk.draft.dims(rows).to_vec(), walk.draft.axes(rows).to_vec());
    let count: usize = dims[..dims.len() - 1].iter().product();
    let image = walk.draft.view(target.at, rows, vec![1, 1, count, terms], canonical(4));
    let (image, weights) = conv::weights(walk, image, raw, bias, target)?;
    let window = Window { kernel: [1, 1], strides: [1, 1], pads: [0; 4], dilations: [1, 1] };
    let kind = Kind::Conv { window, weights, bounds: target.bounds() };
    let layout = (vec![1, 1, count, outputs], canonical(4));
    let product = walk.draft.push(target.at, kind, vec![image], layout, target.grid);
    if let Some(last) = dims.last_mut() {
        *last = outputs;
    }
    let product = walk.draft.view(target.at, product, dims, axes);
    let shape = walk.shape(node.output())?.to_vec();
    Ok(walk.draft.reshape(target.at, product, &shape))
}

/// `[.., m, k]` times `[.., k, n]`, both computed.
pub(super) fn computed(
    walk: &mut Walk,
    inputs: [Id; 2],
    factor: f32,
    shape: Vec<usize>,
    target: &Target,
) -> Step<Id> {
    let rank = shape.len();
    let [a, b] = inputs.map(|id| {
        let own = walk.draft.tensors[id].onnx_shape();
        let mut padded = vec![1; rank - own.len().min(rank)];
        padded.extend(own);
        walk.draft.reshape(target.at, id, &padded)
    });
    let order: Vec<usize> = (0..rank).collect();
    let mut swapped = order.clone();
    swapped.swap(rank - 1, rank - 2);
    let a = walk.draft.arrange(target.at, a, &order);
    let transposed = !walk.draft.is_view(b, &order) && walk.draft.is_view(b, &swapped);
    let b = walk.draft.arrange(target.at, b, if transposed { &swapped } else { &order });
    let terms = walk.draft.dims(a)[rank - 1];
    if terms > TERMS_MAX {
        return unsupported(format!("a sum of {terms} products may not fit into 32 bits"));
    }
    let [a_scale, b_scale] = [a, b].map(|id| walk.draft.grid(id).scale);
    let multiplier = multiplier(a_scale * b_scale * factor / target.grid.scale)?;
    let kind = Kind::MatMul { transposed, multiplier, bounds: target.bounds() };
    Ok(walk.draft.push(target.at, kind, vec![a, b], (shape, order), target.grid))
}
