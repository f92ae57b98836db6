//! Where the windows of convolutions and pools lie: kernel, strides, dilations and padding of a node, checked.

use super::super::program::Window;
use super::value::{Step, contradiction, unsupported};
use crate::onnx::Node;

/// Larger settings than any image is wide.
const SETTING_MAX: i64 = 1 << 20;

/// A setting of one or two spatial dimensions, as height and width.
fn setting(node: &Node, name: &str, count: usize, default: i64) -> Step<Vec<usize>> {
    let values = match node.ints(name) {
        None => vec![default; count],
        Some(values) if values.len() == count => values.to_vec(),
        Some(values) => return contradiction(format!("{name} {values:?} for {count} dimensions")),
    };
    match values
        .iter()
        .map(|&v| if (0..=SETTING_MAX).contains(&v) { usize::try_from(v).ok() } else { None })
        .collect()
    {
        Some(values) => Ok(values),
        None => contradiction(format!("{name} {values:?}")),
    }
}

/// Two dimensions from one or two; a missing height is `first`.
fn pair(values: &[usize], first: usize) -> Step<[usize; 2]> {
    match *values {
        [width] => Ok([first, width]),
        [height, width] => Ok([height, width]),
        _ => unsupported(format!("works on images of two dimensions, not of {}", values.len())),
    }
}

/// The window of a node with `kernel` from spatial sizes `input` to `output`, as the operators slide it over the input.
/// Padding at the end is made large enough for the last window.
pub(super) fn sliding(node: &Node, kernel: &[usize], input: [usize; 2], output: [usize; 2]) -> Step<Window> {
    let count = kernel.len();
    let strides = pair(&setting(node, "strides", count, 1)?, 1)?;
    let dilations = pair(&setting(node, "dilations", count, 1)?, 1)?;
    let explicit = setting(node, "pads", 2 * count, 0)?;
    let (starts, ends) = (pair(&explicit[..count], 0)?, pair(&explicit[count..], 0)?);
    let kernel = pair(kernel, 1)?;
    let mut pads = [starts[0], starts[1], ends[0], ends[1]];
    let auto_pad = node.text("auto_pad", "NOTSET");
    for d in 0..2 {
        if kernel[d] == 0 || strides[d] == 0 || dilations[d] == 0 {
            return contradiction("has a window of size, stride or dilation 0");
        }
        let reach = (kernel[d] - 1) * dilations[d] + 1;
        let end = (output[d].saturating_sub(1)) * strides[d] + reach;
        let needed = end.saturating_sub(input[d]);
        match auto_pad {
            "SAME_UPPER" | "SAME_LOWER" => {
                let small = needed / 2;
                let start = if auto_pad == "SAME_UPPER" { small } else { needed - small };
                (pads[d], pads[2 + d]) = (start, needed - start);
            }
            "VALID" => (pads[d], pads[2 + d]) = (0, 0),
            "NOTSET" | "" => {}
            other => return contradiction(format!("auto_pad {other}")),
        }
        pads[2 + d] = pads[2 + d].max(end.saturating_sub(input[d] + pads[d]));
    }
    Ok(Window { kernel, strides, pads, dilations })
}

/// Padding at the end that the file gives, down and right.
pub(super) fn end_pads(node: &Node, count: usize) -> Step<[usize; 2]> {
    let explicit = setting(node, "pads", 2 * count, 0)?;
    pair(&explicit[count..], 0)
}

/// The window of a transposed convolution with `kernel`: as [`sliding`], but on the output.
pub(super) fn transposed(
    node: &Node,
    kernel: &[usize],
    input: [usize; 2],
    output: [usize; 2],
) -> Step<Window> {
    let count = kernel.len();
    let strides = pair(&setting(node, "strides", count, 1)?, 1)?;
    let dilations = pair(&setting(node, "dilations", count, 1)?, 1)?;
    let extra = pair(&setting(node, "output_padding", count, 0)?, 0)?;
    let explicit = setting(node, "pads", 2 * count, 0)?;
    let (starts, ends) = (pair(&explicit[..count], 0)?, pair(&explicit[count..], 0)?);
    let kernel = pair(kernel, 1)?;
    let mut pads = [starts[0], starts[1], ends[0], ends[1]];
    let auto_pad = node.text("auto_pad", "NOTSET");
    let chosen = node.ints("output_shape").is_some() || auto_pad.starts_with("SAME");
    for d in 0..2 {
        if kernel[d] == 0 || strides[d] == 0 || dilations[d] == 0 || input[d] == 0 {
            return contradiction("has a window of size, stride or dilation 0");
        }
        if chosen {
            let full = strides[d] * (input[d] - 1) + extra[d] + (kernel[d] - 1) * dilations[d] + 1;
            let total = full.saturating_sub(output[d]);
            let small = total / 2;
            let start = if auto_pad == "SAME_UPPER" { small } else { total - small };
            (pads[d], pads[2 + d]) = (start, total - start);
        }
    }
    Ok(Window { kernel, strides, pads, dilations })
}
