//! The linear resize at the end of many segmenters, taken out of the graph: masks are interpolated from the small logits
//! once, so that the large ones never exist.

use crate::mask::{Coordinates, Resized};
use crate::onnx::{Dim, Model};

/// `model` without the linear resize of height and width that writes its only output, and that resize; `None` if it does not end so.
pub fn without_last_resize(model: &Model) -> Option<(Model, Resized)> {
    let [output] = model.graph.outputs.as_slice() else { return None };
    let at = model.graph.nodes.iter().position(|node| node.output() == output.name)?;
    let node = &model.graph.nodes[at];
    let linear = node.standard_op() == "Resize"
        && node.text("mode", "nearest") == "linear"
        && node.int("antialias", 0) == 0
        && node.int("exclude_outside", 0) == 0
        && node.text("keep_aspect_ratio_policy", "stretch") == "stretch"
        && !node.attributes.contains_key("axes");
    let coordinates = match node.text("coordinate_transformation_mode", "half_pixel") {
        "half_pixel" => Coordinates::HalfPixel,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        _ => return None,
    };
    let small = node.input(0)?;
    let shapes = model.infer_shapes().ok()?;
    let (&[1, channels, height, width], &[1, same, rows, columns]) =
        (shapes.get(small)?.as_slice(), shapes.get(&output.name)?.as_slice())
    else {
        return None;
    };
    let used_once = model.graph.uses().get(output.name.as_str()) == Some(&1);
    let is_input = model.graph.inputs.iter().any(|input| input.name == small);
    // Where only scales are given, coordinates go by them; they agree with the sizes where these are whole multiples of them.
    let by_sizes = node.input(3).is_some() || rows % height == 0 && columns % width == 0;
    if !(linear && by_sizes && used_once && channels == same && !is_input) {
        return None;
    }
    let small = small.to_string();
    let mut cut = model.clone();
    cut.graph.nodes.remove(at);
    cut.graph.outputs[0].name = small;
    cut.graph.outputs[0].shape = Some([1, channels, height, width].map(Dim::Fixed).to_vec());
    cut.graph.remove_unused();
    Some((cut, Resized { height: rows, width: columns, coordinates }))
}
