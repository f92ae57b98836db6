//! `Resize` and the older `Upsample`: each spatial axis to another size, by nearest pixels or linearly, with every
//! transformation of coordinates that keeps the whole image.
//!
//! Where libtorch's own kernels follow the same definition they are used; else rows are picked by index, or mixed by a
//! matrix `[output,input]` an axis.

use tch::{Kind, Tensor};

use super::Table;
use super::call::{Call, one};
use crate::graph::error::{Fault, failed, unsupported};
use crate::graph::value::{Value, axis_of};

pub(super) const TABLE: Table = &[("Resize", resize), ("Upsample", resize)];

/// How one axis changes.
struct Axis {
    axis: usize,
    input: i64,
    output: i64,
    /// Output pixels an input pixel, as the coordinates see it.
    scale: f64,
}

impl Axis {
    /// Where pixel `x` of the output lies in the input.
    fn coordinate(&self, x: i64, transformation: &str) -> Result<f64, Fault> {
        let (place, input, output) = (x as f64, self.input as f64, self.output as f64);
        Ok(match transformation {
            "half_pixel" => (place + 0.5) / self.scale - 0.5,
            "pytorch_half_pixel" if self.output == 1 => 0.0,
            "pytorch_half_pixel" => (place + 0.5) / self.scale - 0.5,
            "half_pixel_symmetric" => {
                let adjustment = output / (input * self.scale);
                input / 2.0 * (1.0 - adjustment) + (place + 0.5) / self.scale - 0.5
            }
            "asymmetric" => place / self.scale,
            "tf_half_pixel_for_nn" => (place + 0.5) / self.scale,
            "align_corners" if self.output == 1 => 0.0,
            "align_corners" => place * (input - 1.0) / (output - 1.0),
            other => return unsupported(format!("coordinates by {other}")),
        })
    }

    /// For each output pixel the nearest input pixel.
    fn nearest(&self, transformation: &str, rounding: &str) -> Result<Vec<i64>, Fault> {
        (0..self.output)
            .map(|x| {
                let at = self.coordinate(x, transformation)?;
                let pixel = match rounding {
                    "round_prefer_floor" => (at - 0.5).ceil(),
                    "round_prefer_ceil" => (at + 0.5).floor(),
                    "floor" => at.floor(),
                    "ceil" => at.ceil(),
                    other => return unsupported(format!("nearest pixels by {other}")),
                };
                Ok((pixel as i64).clamp(0, self.input - 1))
            })
            .collect()
    }

    /// The matrix `[output,input]` of linear interpolation.
    fn weights(&self, transformation: &str) -> Result<Vec<f64>, Fault> {
        let mut matrix = vec![0.0; (self.output * self.input) as usize];
        for x in 0..self.output {
            let at = self.coordinate(x, transformation)?.clamp(0.0, (self.input - 1) as f64);
            let low = at.floor() as i64;
            let high = (low + 1).min(self.input - 1);
            let share = at - low as f64;
            matrix[(x * self.input + low) as usize] += 1.0 - share;
            matrix[(x * self.input + high) as usize] += share;
        }
        Ok(matrix)
    }

    /// Whether the scale is what the sizes say.
    fn is_plain(&self) -> bool {
        (self.scale - self.output as f64 / self.input as f64).abs() < 1e-6 * self.scale
    }
}

fn resize(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let node = call.node;
    let is_first = call.opset < 11 || node.op == "Upsample";
    let transformation =
        if is_first { "asymmetric" } else { node.text("coordinate_transformation_mode", "half_pixel") };
    let rounding = if is_first { "floor" } else { node.text("nearest_mode", "round_prefer_floor") };
    if node.int("antialias", 0) != 0 {
        return unsupported("antialias");
    }
    if node.text("keep_aspect_ratio_policy", "stretch") != "stretch" {
        return unsupported("keep_aspect_ratio_policy");
    }
    let axes: Vec<Axis> =
        axes(call, x, is_first)?.into_iter().filter(|a| a.output != a.input || a.scale != 1.0).collect();
    for axis in &axes {
        x.keep_apart(axis.axis)?;
    }
    if axes.is_empty() {
        return one(x.clone());
    }
    let y = match node.text("mode", "nearest") {
        "nearest" => nearest(&x.tensor, &axes, transformation, rounding)?,
        "linear" | "bilinear" => linear(&x.tensor, &axes, transformation)?,
        other => return unsupported(format!("mode {other}")),
    };
    one(x.like(y))
}

/// What scales or sizes say about each axis.
fn axes(call: &Call, x: &Value, is_first: bool) -> Result<Vec<Axis>, Fault> {
    let shape = x.shape_of_one(call.pictures);
    let named = match call.node.ints("axes") {
        Some(axes) => axes.iter().map(|&axis| axis_of(axis, shape.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..shape.len()).collect(),
    };
    let scales = match call.floats(if is_first { 1 } else { 2 })? {
        Some(scales) => Some(scales),
        None => match call.node.attributes.get("scales") {
            Some(sedge::onnx::Attribute::Floats(scales)) => {
                Some(scales.iter().map(|&s| f64::from(s)).collect())
            }
            _ => None,
        },
    };
    let sizes = if is_first { None } else { call.integers(3)? };
    let fits = |count: usize| count == named.len();
    match (scales.filter(|scales| !scales.is_empty()), sizes) {
        (_, Some(sizes)) if fits(sizes.len()) => Ok(named
            .into_iter()
            .zip(sizes)
            .map(|(axis, output)| Axis {
                axis,
                input: shape[axis],
                output,
                scale: output as f64 / shape[axis] as f64,
            })
            .collect()),
        (Some(scales), None) if fits(scales.len()) => Ok(named
            .into_iter()
            .zip(scales)
            .map(|(axis, scale)| {
                let output = (shape[axis] as f64 * scale).floor() as i64;
                Axis { axis, input: shape[axis], output, scale }
            })
            .collect()),
        _ => failed("has neither scales nor sizes for its axes"),
    }
}

/// The two axes of an image `[N,C,H,W]`, if only these change; one that does not is added.
fn image_axes(x: &Tensor, axes: &[Axis]) -> Option<[(i64, i64); 2]> {
    let sizes = x.size();
    if sizes.len() != 4 || axes.iter().any(|axis| axis.axis < 2 || !axis.is_plain()) {
        return None;
    }
    let of = |place: usize| {
        let found = axes.iter().find(|axis| axis.axis == place);
        (sizes[place], found.map_or(sizes[place], |axis| axis.output))
    };
    Some([of(2), of(3)])
}

fn nearest(x: &Tensor, axes: &[Axis], transformation: &str, rounding: &str) -> Result<Tensor, Fault> {
    let mut picks = Vec::with_capacity(axes.len());
    for axis in axes {
        picks.push(axis.nearest(transformation, rounding)?);
    }
    let repeats = |axis: &Axis, picks: &[i64]| {
        axis.output % axis.input == 0
            && (0..).zip(picks).all(|(place, &pick)| pick == place / (axis.output / axis.input))
    };
    if let Some([height, width]) = image_axes(x, axes)
        && axes.iter().zip(&picks).all(|(axis, picks)| repeats(axis, picks))
    {
        return Ok(x.f_upsample_nearest2d([height.1, width.1], None, None)?);
    }
    let mut y = x.shallow_clone();
    for (axis, picks) in axes.iter().zip(&picks) {
        let index = Tensor::f_from_slice(picks)?.f_to_device(x.device())?;
        y = y.f_index_select(axis.axis as i64, &index)?;
    }
    Ok(y)
}

fn linear(x: &Tensor, axes: &[Axis], transformation: &str) -> Result<Tensor, Fault> {
    let corners = match transformation {
        "align_corners" => Some(true),
        "half_pixel" | "half_pixel_symmetric" => Some(false),
        "pytorch_half_pixel" if axes.iter().all(|axis| axis.output > 1) => Some(false),
        _ => None,
    };
    if let (Some([height, width]), Some(corners)) = (image_axes(x, axes), corners) {
        return Ok(x.f_upsample_bilinear2d([height.1, width.1], corners, None, None)?);
    }
    let mut y = x.shallow_clone();
    for axis in axes {
        let matrix = Tensor::f_from_slice(&axis.weights(transformation)?)?;
        let kind = if x.is_floating_point() { x.kind() } else { Kind::Float };
        let matrix = matrix.f_to_kind(kind)?.f_to_device(x.device())?.f_reshape([axis.output, axis.input])?;
        let (place, last) = (axis.axis as i64, y.dim() as i64 - 1);
        y = y.f_transpose(place, last)?.f_matmul(&matrix.f_tr()?)?.f_transpose(place, last)?;
    }
    Ok(y)
}
