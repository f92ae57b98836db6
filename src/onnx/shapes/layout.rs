//! Shapes of operators that rearrange, cut or reduce tensors.

use super::{Known, NoShape, NodeShapes, axis, broadcast, contradiction, product, sum};

pub(super) fn concat(known: &Known) -> NodeShapes {
    let mut shape = known.shape(0)?.to_vec();
    let along = axis(known.node.int("axis", 0), shape.len())?;
    for index in 1..known.node.inputs.len() {
        let other = known.shape(index)?;
        let fits = other.len() == shape.len() && (0..shape.len()).all(|d| d == along || other[d] == shape[d]);
        if !fits {
            return contradiction(format!("joins shapes {shape:?} and {other:?} along axis {along}"));
        }
        shape[along] = sum(&[shape[along], other[along]])?;
    }
    Ok(vec![shape])
}

pub(super) fn expand(known: &Known) -> NodeShapes {
    let target = known.constant_ints(1)?.ok_or(NoShape::Unknown)?;
    let target: Vec<usize> = target.iter().map(|&v| v.max(0) as usize).collect();
    Ok(vec![broadcast(known.shape(0)?, &target)?])
}

pub(super) fn constant_of_shape(known: &Known) -> NodeShapes {
    let sizes = known.constant_ints(0)?.ok_or(NoShape::Unknown)?;
    match sizes.iter().map(|&size| usize::try_from(size)).collect() {
        Ok(shape) => Ok(vec![shape]),
        Err(_) => contradiction(format!("shape {sizes:?}")),
    }
}

pub(super) fn tile(known: &Known) -> NodeShapes {
    let shape = known.shape(0)?;
    let repeats = known.constant_ints(1)?.ok_or(NoShape::Unknown)?;
    if repeats.len() != shape.len() || repeats.iter().any(|&count| count < 0) {
        return contradiction(format!("repeats {repeats:?} of shape {shape:?}"));
    }
    let sizes = shape.iter().zip(repeats).map(|(&size, &count)| product(&[size, count as usize]));
    sizes.collect::<Result<_, _>>().map(|shape| vec![shape])
}

pub(super) fn flatten(known: &Known) -> NodeShapes {
    let shape = known.shape(0)?;
    let value = known.node.int("axis", 1);
    let at = if value == shape.len() as i64 { shape.len() } else { axis(value, shape.len())? };
    let (rows, columns) = shape.split_at(at);
    Ok(vec![vec![product(rows)?, product(columns)?]])
}

pub(super) fn gather(known: &Known) -> NodeShapes {
    let (data, indices) = (known.shape(0)?, known.shape(1)?);
    let along = axis(known.node.int("axis", 0), data.len())?;
    Ok(vec![[&data[..along], indices, &data[along + 1..]].concat()])
}

pub(super) fn pad(known: &Known) -> NodeShapes {
    let shape = known.shape(0)?;
    let pads = known.ints_by_version("pads", 1)?.ok_or(NoShape::Unknown)?;
    if known.node.input(3).is_some() {
        return Err(NoShape::Unknown);
    }
    if pads.len() != 2 * shape.len() {
        return contradiction(format!("pads {pads:?} for shape {shape:?}"));
    }
    let sizes = shape
        .iter()
        .enumerate()
        .map(|(d, &size)| (size as i64).saturating_add(pads[d]).saturating_add(pads[d + shape.len()]));
    sizes
        .map(
            |size| {
                if size > 0 { Ok(size as usize) } else { contradiction(format!("pads {pads:?} cut all off")) }
            },
        )
        .collect::<Result<_, _>>()
        .map(|shape| vec![shape])
}

/// The shape of drawn numbers is an attribute.
pub(super) fn random(known: &Known) -> NodeShapes {
    let shape = known.node.ints("shape").ok_or(NoShape::Unknown)?;
    Ok(vec![shape.iter().map(|&size| size.max(0) as usize).collect()])
}

pub(super) fn reshape(known: &Known) -> NodeShapes {
    let input = known.shape(0)?;
    let target = known.ints_by_version("shape", 1)?.ok_or(NoShape::Unknown)?;
    let allow_zero = known.node.int("allowzero", 0) != 0;
    let elements = product(input)?;
    let mut shape = Vec::with_capacity(target.len());
    let mut open = None;
    for (index, &size) in target.iter().enumerate() {
        shape.push(match size {
            0 if !allow_zero => match input.get(index) {
                Some(&size) => size,
                None => {
                    return contradiction(format!(
                        "shape {target:?} copies a missing dimension of {input:?}"
                    ));
                }
            },
            -1 if open.is_none() => {
                open = Some(index);
                1
            }
            size if size >= 0 => size as usize,
            _ => return contradiction(format!("shape {target:?}")),
        });
    }
    let fixed = product(&shape)?;
    if let Some(index) = open
        && fixed > 0
    {
        shape[index] = elements / fixed;
    }
    if product(&shape)? == elements {
        Ok(vec![shape])
    } else {
        contradiction(format!("{elements} elements of shape {input:?} as {target:?}"))
    }
}

pub(super) fn slice(known: &Known) -> NodeShapes {
    let mut shape = known.shape(0)?.to_vec();
    let starts = known.ints_by_version("starts", 1)?.ok_or(NoShape::Unknown)?;
    let ends = known.ints_by_version("ends", 2)?.ok_or(NoShape::Unknown)?;
    let all_axes: Vec<i64> = (0..starts.len() as i64).collect();
    let axes = known.ints_by_version("axes", 3)?.unwrap_or(&all_axes);
    let steps = known.constant_ints(4)?;
    if ends.len() != starts.len()
        || axes.len() != starts.len()
        || steps.is_some_and(|s| s.len() != starts.len())
    {
        return contradiction(format!("{} starts, {} ends, {} axes", starts.len(), ends.len(), axes.len()));
    }
    for index in 0..starts.len() {
        let along = axis(axes[index], shape.len())?;
        let size = shape[along] as i64;
        if size == 0 {
            continue;
        }
        let step = steps.map_or(1, |steps| steps[index]);
        let absolute = |value: i64| if value < 0 { value.saturating_add(size) } else { value };
        let (start, end) = (absolute(starts[index]), absolute(ends[index]));
        let length = match step {
            0 => return contradiction("a step of 0"),
            1.. => (end.clamp(0, size) - start.clamp(0, size)).max(0),
            _ => (start.clamp(0, size - 1) - end.clamp(-1, size - 1)).max(0),
        };
        shape[along] = (length as u64).div_ceil(step.unsigned_abs()) as usize;
    }
    Ok(vec![shape])
}

pub(super) fn split(known: &Known) -> NodeShapes {
    let shape = known.shape(0)?;
    let along = axis(known.node.int("axis", 0), shape.len())?;
    let parts = known.node.outputs.len();
    let size = shape[along];
    let sizes: Vec<usize> = match known.ints_by_version("split", 1)? {
        Some(sizes) => sizes.iter().map(|&v| v.max(0) as usize).collect(),
        None => {
            let part = size.div_ceil(parts.max(1));
            (0..parts).map(|index| part.min(size.saturating_sub(index.saturating_mul(part)))).collect()
        }
    };
    if sizes.len() != parts || sum(&sizes)? != size {
        return contradiction(format!("splits {size} into {sizes:?} for {parts} outputs"));
    }
    let part = |size: usize| {
        let mut part = shape.to_vec();
        part[along] = size;
        part
    };
    Ok(sizes.into_iter().map(part).collect())
}

pub(super) fn squeeze(known: &Known) -> NodeShapes {
    let shape = known.shape(0)?;
    let drop: Vec<usize> = match known.ints_by_version("axes", 1)? {
        Some(axes) => axes.iter().map(|&v| axis(v, shape.len())).collect::<Result<_, _>>()?,
        None => (0..shape.len()).filter(|&d| shape[d] == 1).collect(),
    };
    if let Some(&d) = drop.iter().find(|&&d| shape[d] != 1) {
        return contradiction(format!("squeezes axis {d} of shape {shape:?}"));
    }
    Ok(vec![(0..shape.len()).filter(|d| !drop.contains(d)).map(|d| shape[d]).collect()])
}

pub(super) fn unsqueeze(known: &Known) -> NodeShapes {
    let shape = known.shape(0)?;
    let axes = known.ints_by_version("axes", 1)?.ok_or(NoShape::Unknown)?;
    let rank = shape.len() + axes.len();
    let added: Vec<usize> = axes.iter().map(|&v| axis(v, rank)).collect::<Result<_, _>>()?;
    let mut rest = shape.iter();
    let sizes = (0..rank).map(|d| if added.contains(&d) { Some(1) } else { rest.next().copied() });
    match sizes.collect() {
        Some(shape) => Ok(vec![shape]),
        None => contradiction(format!("adds axes {axes:?}")),
    }
}

pub(super) fn transpose(known: &Known) -> NodeShapes {
    let shape = known.shape(0)?;
    let Some(order) = known.node.ints("perm") else {
        return Ok(vec![shape.iter().rev().copied().collect()]);
    };
    if order.len() != shape.len() {
        return contradiction(format!("perm {order:?} of shape {shape:?}"));
    }
    order
        .iter()
        .map(|&v| axis(v, shape.len()).map(|d| shape[d]))
        .collect::<Result<_, _>>()
        .map(|shape| vec![shape])
}

pub(super) fn reduce(known: &Known) -> NodeShapes {
    let shape = known.shape(0)?;
    let axes = known.ints_by_version("axes", 1)?;
    let keep = known.node.int("keepdims", 1) != 0;
    let reduced: Vec<usize> = match axes {
        Some(axes) if !axes.is_empty() => {
            axes.iter().map(|&v| axis(v, shape.len())).collect::<Result<_, _>>()?
        }
        _ if known.node.int("noop_with_empty_axes", 0) != 0 => Vec::new(),
        _ => (0..shape.len()).collect(),
    };
    Ok(vec![without(shape, &reduced, keep)])
}

pub(super) fn arg_max(known: &Known) -> NodeShapes {
    let shape = known.shape(0)?;
    let along = axis(known.node.int("axis", 0), shape.len())?;
    Ok(vec![without(shape, &[along], known.node.int("keepdims", 1) != 0)])
}

/// `shape` with the reduced axes at size 1, or gone.
fn without(shape: &[usize], reduced: &[usize], keep: bool) -> Vec<usize> {
    let size = |d: usize| if reduced.contains(&d) { 1 } else { shape[d] };
    (0..shape.len()).filter(|d| keep || !reduced.contains(d)).map(size).collect()
}
