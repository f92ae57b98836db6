//! Resizing of images: which input pixels each output pixel is made of.
//!
//! Coordinates are computed in f32 and in the order of ONNX Runtime, so that both choose the same pixels.

use super::super::program::{Between, Id, Kind};
use super::conv::{push_image, spatial, spatial_of};
use super::elementwise::multiplier;
use super::value::{Step, contradiction, unsupported};
use super::walk::{Target, Walk};
use crate::onnx::{Attribute, Node};

/// Most pixels on a side: where each comes from is kept.
pub(super) const SIDE_MAX: usize = 1 << 16;

/// Whether a node takes the nearest pixel.
pub(super) fn is_nearest(node: &Node) -> bool {
    node.text("mode", "nearest") == "nearest"
}

/// Output coordinates to input coordinates along one dimension.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub input: usize,
    pub output: usize,
    pub scale: f32,
}

/// The two spatial dimensions of a resize, all others left as they are.
fn axes(walk: &Walk, node: &Node, input: &[usize], output: &[usize]) -> Step<[Axis; 2]> {
    if input.len() != output.len() || input.len() < 3 || input[..2] != output[..2] {
        return unsupported(format!("resizes shape {input:?} to {output:?}"));
    }
    if node.int("antialias", 0) != 0 {
        return unsupported("resizes with a filter against aliasing");
    }
    let old = node.op == "Upsample" || walk.model.opset() < 11;
    let scales: Option<Vec<f32>> = match node.attributes.get("scales") {
        Some(Attribute::Floats(scales)) => Some(scales.clone()),
        _ => walk.setting_floats(node, if old { 1 } else { 2 }).map(<[f32]>::to_vec),
    };
    let scales = scales.filter(|scales| scales.len() == input.len());
    let given = |axis: usize| scales.as_ref().map(|scales| scales[axis]);
    let [in_size, out_size] = [spatial_of(input)?, spatial_of(output)?];
    if out_size.iter().any(|&size| size > SIDE_MAX) {
        return unsupported(format!("resizes to {} x {} pixels", out_size[0], out_size[1]));
    }
    let mut found = [0, 1].map(|d| Axis { input: in_size[d], output: out_size[d], scale: 1.0 });
    for (d, axis) in found.iter_mut().enumerate() {
        // An image of rank 3 has no height.
        let at = (input.len() + d).checked_sub(2).filter(|&at| at >= 2);
        let Some(at) = at else { continue };
        axis.scale = given(at).unwrap_or(axis.output as f32 / axis.input as f32);
        if !(axis.scale.is_finite() && axis.scale > 0.0) {
            return contradiction(format!("resizes by {}", axis.scale));
        }
    }
    Ok(found)
}

/// How a node places output coordinates on the input.
fn coordinates(walk: &Walk, node: &Node) -> String {
    let old = node.op == "Upsample" || walk.model.opset() < 11;
    let mode = if old { "asymmetric" } else { node.text("coordinate_transformation_mode", "half_pixel") };
    mode.to_string()
}

impl Axis {
    /// The input coordinate of output coordinate `at`; `None` for a mode that is not known.
    fn origin(self, mode: &str, at: usize) -> Option<f32> {
        if self.scale == 1.0 && self.input == self.output {
            return Some(at as f32);
        }
        let x = at as f32;
        let (input, output) = (self.input as f32, self.output as f32);
        Some(match mode {
            "half_pixel" => (x + 0.5) / self.scale - 0.5,
            "pytorch_half_pixel" if self.output > 1 => (x + 0.5) / self.scale - 0.5,
            "pytorch_half_pixel" => 0.0,
            "asymmetric" => x / self.scale,
            "align_corners" if self.output > 1 => x * (input - 1.0) / (output - 1.0),
            "align_corners" => 0.0,
            "tf_half_pixel_for_nn" => (x + 0.5) / self.scale,
            "half_pixel_symmetric" => {
                let adjustment = output / (self.scale * input);
                let offset = input / 2.0 * (1.0 - adjustment);
                offset + (x + 0.5) / self.scale - 0.5
            }
            _ => return None,
        })
    }

    fn between(self, mode: &str) -> Option<Vec<Between>> {
        let last = self.input - 1;
        let place = |at: usize| {
            let origin = self.origin(mode, at)?.clamp(0.0, last as f32);
            let low = (origin as usize).min(last);
            let high = (low + 1).min(last);
            let fraction = if low == high { 0.0 } else { origin - low as f32 };
            Some(Between { low, high, fraction })
        };
        (0..self.output).map(place).collect()
    }

    fn nearest(self, mode: &str, rounding: &str) -> Option<Vec<usize>> {
        let place = |at: usize| {
            let x = self.origin(mode, at)?;
            let nearest = match rounding {
                "round_prefer_floor" if x.fract() == 0.5 => x.floor(),
                "round_prefer_floor" | "round_prefer_ceil" => x.round(),
                "floor" => x.floor(),
                "ceil" => x.ceil(),
                _ => return None,
            };
            Some((nearest.max(0.0) as usize).min(self.input - 1))
        };
        (0..self.output).map(place).collect()
    }
}

/// Where the output of a linear resize lies between input pixels: rows and columns.
pub(super) fn linear(walk: &Walk, node: &Node, input: &[usize]) -> Step<(Vec<Between>, Vec<Between>)> {
    let mode = node.text("mode", "nearest");
    if mode != "linear" && mode != "bilinear" {
        return unsupported(format!("interpolates with mode {mode}"));
    }
    let output = walk.shape(node.output())?;
    let [rows, columns] = axes(walk, node, input, output)?;
    let coordinates = coordinates(walk, node);
    match (rows.between(&coordinates), columns.between(&coordinates)) {
        (Some(rows), Some(columns)) => Ok((rows, columns)),
        _ => unsupported(format!("places pixels by {coordinates}")),
    }
}

/// A linear resize before a quantize node.
pub(super) fn emit_linear<'a>(walk: &mut Walk<'a>, node: &'a Node, target: &Target) -> Step<Id> {
    let input = walk.linear(node, 0)?;
    write_linear(walk, node, input, target)
}

/// A linear resize of the integers themselves, rounded to the nearest integer.
pub(super) fn linear_integers(walk: &mut Walk, node: &Node, input: Id) -> Step<Id> {
    let (at, grid) = (walk.at(node), walk.draft.grid(input));
    let target = Target { at, grid, factor: &[], shift: &[], low: f32::NEG_INFINITY, high: f32::INFINITY };
    write_linear(walk, node, input, &target)
}

fn write_linear(walk: &mut Walk, node: &Node, input: Id, target: &Target) -> Step<Id> {
    let shape = walk.draft.tensors[input].onnx_shape();
    let (rows, columns) = linear(walk, node, &shape)?;
    let image = walk.draft.image(target.at, input)?;
    let multiplier = multiplier(walk.draft.grid(input).scale / target.grid.scale)?;
    let out = walk.shape(node.output())?.to_vec();
    push_image(walk, target, Kind::Linear { rows, columns, multiplier }, image, &out)
}

/// A nearest resize, or one to the same size.
pub(super) fn nearest(walk: &mut Walk, node: &Node, id: Id) -> Step<Id> {
    let at = walk.at(node);
    let shape = walk.draft.tensors[id].onnx_shape();
    let out = walk.shape(node.output())?.to_vec();
    let [rows, columns] = axes(walk, node, &shape, &out)?;
    let coordinates = coordinates(walk, node);
    let old = node.op == "Upsample" || walk.model.opset() < 11;
    let rounding = if old { "floor" } else { node.text("nearest_mode", "round_prefer_floor") };
    let (Some(rows), Some(columns)) =
        (rows.nearest(&coordinates, rounding), columns.nearest(&coordinates, rounding))
    else {
        return unsupported(format!("takes pixels by {coordinates} and {rounding}"));
    };
    take_pixels(walk, at, id, rows, columns, &out)
}

/// The image that is made of `rows` and `columns` of another.
pub(super) fn take_pixels(
    walk: &mut Walk,
    at: super::draft::At,
    id: Id,
    rows: Vec<usize>,
    columns: Vec<usize>,
    out: &[usize],
) -> Step<Id> {
    let grid = walk.draft.grid(id);
    let image = walk.draft.image(at, id)?;
    let same = |taken: &[usize], size: usize| taken.iter().copied().eq(0..size);
    let [height, width] = spatial(walk.draft.dims(image));
    if same(&rows, height) && same(&columns, width) {
        return Ok(id);
    }
    let target = Target { at, grid, factor: &[], shift: &[], low: 0.0, high: 0.0 };
    push_image(walk, &target, Kind::Nearest { rows, columns }, image, out)
}
