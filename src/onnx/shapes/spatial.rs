//! Shapes of operators on images: convolution, pooling, resizing.

use super::{Known, NoShape, NodeShapes, contradiction, product, sum};
use crate::onnx::Attribute;

/// Batch, channels and spatial sizes of input 0.
fn image<'a>(known: &Known<'a>) -> Result<(usize, usize, &'a [usize]), NoShape> {
    match known.shape(0)? {
        [batch, channels, spatial @ ..] if !spatial.is_empty() => Ok((*batch, *channels, spatial)),
        shape => contradiction(format!("needs an input [batch, channels, ...], found {shape:?}")),
    }
}

/// One attribute of a sliding window, a number for each spatial dimension.
fn window(known: &Known, name: &str, dimensions: usize, default: usize) -> Result<Vec<usize>, NoShape> {
    match known.node.ints(name) {
        None => Ok(vec![default; dimensions]),
        Some(values) if values.len() == dimensions && values.iter().all(|&v| v > 0) => {
            Ok(values.iter().map(|&v| v as usize).collect())
        }
        Some(values) => contradiction(format!("{name} {values:?} for {dimensions} spatial dimensions")),
    }
}

/// Padding at the start and end of each spatial dimension.
fn padding(known: &Known, dimensions: usize) -> Result<Vec<(usize, usize)>, NoShape> {
    match known.node.ints("pads") {
        None => Ok(vec![(0, 0); dimensions]),
        Some(pads) if pads.len() == 2 * dimensions && pads.iter().all(|&v| v >= 0) => {
            let (starts, ends) = pads.split_at(dimensions);
            Ok(starts.iter().zip(ends).map(|(&start, &end)| (start as usize, end as usize)).collect())
        }
        Some(pads) => contradiction(format!("pads {pads:?} for {dimensions} spatial dimensions")),
    }
}

/// Output sizes of a window with `kernel` that slides over `spatial`.
fn slide(known: &Known, spatial: &[usize], kernel: &[usize]) -> Result<Vec<usize>, NoShape> {
    if kernel.len() != spatial.len() {
        return contradiction(format!("a kernel of {kernel:?} over {spatial:?}"));
    }
    let strides = window(known, "strides", spatial.len(), 1)?;
    let dilations = window(known, "dilations", spatial.len(), 1)?;
    let pads = padding(known, spatial.len())?;
    let round_up = known.node.int("ceil_mode", 0) != 0;
    let same = known.node.text("auto_pad", "NOTSET").starts_with("SAME");
    (0..spatial.len())
        .map(|d| {
            if same {
                return Ok(spatial[d].div_ceil(strides[d]));
            }
            let (start, end) = pads[d];
            let padded = sum(&[spatial[d], start, end])?;
            let reach = sum(&[product(&[dilations[d], kernel[d] - 1])?, 1])?;
            let Some(room) = padded.checked_sub(reach) else {
                return contradiction(format!(
                    "a kernel that reaches {reach} over a padded size of {padded}"
                ));
            };
            if !round_up {
                return Ok(room / strides[d] + 1);
            }
            let steps = room.div_ceil(strides[d]);
            // A window that starts in the end padding is left out.
            let inside = product(&[steps, strides[d]])? < spatial[d] + start;
            Ok(if inside { steps + 1 } else { steps })
        })
        .collect()
}

pub(super) fn conv(known: &Known) -> NodeShapes {
    let (batch, channels, spatial) = image(known)?;
    let weights = known.shape(1)?;
    let [filters, weight_channels, kernel @ ..] = weights else {
        return contradiction(format!("weights of shape {weights:?}"));
    };
    let groups = known.node.int("group", 1).max(1) as usize;
    if channels != product(&[*weight_channels, groups])? || filters % groups != 0 || kernel.contains(&0) {
        return contradiction(format!("weights {weights:?} in {groups} groups over {channels} channels"));
    }
    let mut shape = vec![batch, *filters];
    shape.extend(slide(known, spatial, kernel)?);
    Ok(vec![shape])
}

pub(super) fn conv_transpose(known: &Known) -> NodeShapes {
    let (batch, channels, spatial) = image(known)?;
    let weights = known.shape(1)?;
    let [weight_channels, filters, kernel @ ..] = weights else {
        return contradiction(format!("weights of shape {weights:?}"));
    };
    let groups = known.node.int("group", 1).max(1) as usize;
    let fits = channels == *weight_channels && kernel.len() == spatial.len();
    if !fits || kernel.contains(&0) || spatial.contains(&0) {
        return contradiction(format!("weights {weights:?} over {channels} channels"));
    }
    let mut shape = vec![batch, product(&[*filters, groups])?];
    if let Some(sizes) = known.node.ints("output_shape") {
        shape.extend(sizes.iter().rev().take(spatial.len()).rev().map(|&v| v.max(0) as usize));
        return Ok(vec![shape]);
    }
    let strides = window(known, "strides", spatial.len(), 1)?;
    let dilations = window(known, "dilations", spatial.len(), 1)?;
    let pads = padding(known, spatial.len())?;
    let extra = known.node.ints("output_padding").unwrap_or_default();
    let same = known.node.text("auto_pad", "NOTSET").starts_with("SAME");
    for d in 0..spatial.len() {
        if same {
            shape.push(product(&[spatial[d], strides[d]])?);
            continue;
        }
        let extra = extra.get(d).map_or(0, |&v| v.max(0) as usize);
        let steps = product(&[strides[d], spatial[d] - 1])?;
        let full = sum(&[steps, extra, product(&[dilations[d], kernel[d] - 1])?, 1])?;
        match full.checked_sub(sum(&[pads[d].0, pads[d].1])?) {
            Some(size) if size > 0 => shape.push(size),
            _ => return contradiction(format!("pads {:?} cut off the whole output", pads[d])),
        }
    }
    Ok(vec![shape])
}

pub(super) fn pool(known: &Known) -> NodeShapes {
    let (batch, channels, spatial) = image(known)?;
    let kernel = window(known, "kernel_shape", spatial.len(), 1)?;
    let mut shape = vec![batch, channels];
    shape.extend(slide(known, spatial, &kernel)?);
    Ok(vec![shape; known.node.outputs.len().max(1)])
}

pub(super) fn global_pool(known: &Known) -> NodeShapes {
    let (batch, channels, spatial) = image(known)?;
    let mut shape = vec![batch, channels];
    shape.resize(2 + spatial.len(), 1);
    Ok(vec![shape])
}

/// `sizes` wins over `scales`; an output size is `floor(input * scale)`.
pub(super) fn resize(known: &Known) -> NodeShapes {
    let input = known.shape(0)?;
    if known.opset < 11 {
        return scaled(input, known.constant_floats(1)?);
    }
    if known.node.attributes.contains_key("axes")
        || known.node.text("keep_aspect_ratio_policy", "stretch") != "stretch"
    {
        return Err(NoShape::Unknown);
    }
    match known.constant_ints(3)? {
        Some(sizes) if sizes.len() == input.len() && sizes.iter().all(|&v| v > 0) => {
            Ok(vec![sizes.iter().map(|&v| v as usize).collect()])
        }
        Some(sizes) => contradiction(format!("sizes {sizes:?} for an input of shape {input:?}")),
        None => scaled(input, known.constant_floats(2)?),
    }
}

pub(super) fn upsample(known: &Known) -> NodeShapes {
    match known.node.attributes.get("scales") {
        Some(Attribute::Floats(scales)) => scaled(known.shape(0)?, Some(scales)),
        _ => scaled(known.shape(0)?, known.constant_floats(1)?),
    }
}

fn scaled(input: &[usize], scales: Option<&[f32]>) -> NodeShapes {
    match scales {
        Some(scales) if scales.len() == input.len() => Ok(vec![
            input.iter().zip(scales).map(|(&size, &scale)| (size as f32 * scale).floor() as usize).collect(),
        ]),
        Some(scales) => contradiction(format!("scales {scales:?} for an input of shape {input:?}")),
        None => contradiction("neither sizes nor scales are given"),
    }
}

/// Larger blocks than images have pixels are no blocks.
const BLOCK_MAX: i64 = 1 << 15;

fn block(known: &Known) -> Result<usize, NoShape> {
    match known.node.int("blocksize", 0) {
        size @ 1..=BLOCK_MAX => Ok(size as usize),
        size => contradiction(format!("blocksize {size}")),
    }
}

pub(super) fn depth_to_space(known: &Known) -> NodeShapes {
    let (block, shape) = (block(known)?, known.shape(0)?);
    match shape {
        &[n, c, h, w] if c % (block * block) == 0 => {
            Ok(vec![vec![n, c / (block * block), product(&[h, block])?, product(&[w, block])?]])
        }
        shape => contradiction(format!("blocks of {block} from shape {shape:?}")),
    }
}

pub(super) fn space_to_depth(known: &Known) -> NodeShapes {
    let (block, shape) = (block(known)?, known.shape(0)?);
    match shape {
        &[n, c, h, w] if h % block == 0 && w % block == 0 => {
            Ok(vec![vec![n, product(&[c, block, block])?, h / block, w / block]])
        }
        shape => contradiction(format!("blocks of {block} from shape {shape:?}")),
    }
}
