//! The same elements in another order or shape.

use super::Table;
use super::call::{Call, one};
use crate::graph::error::{Fault, failed, unsupported};
use crate::graph::value::{Value, axis_of};

pub(super) const TABLE: Table = &[
    ("DepthToSpace", depth_to_space),
    ("Expand", expand),
    ("Flatten", flatten),
    ("Reshape", reshape),
    ("SpaceToDepth", space_to_depth),
    ("Squeeze", squeeze),
    ("Tile", tile),
    ("Transpose", transpose),
    ("Unsqueeze", unsqueeze),
];

/// `x` in the shape `wanted` that one picture would have. The axis that then counts the pictures is the one with as many
/// elements before it as before.
fn shaped(call: &Call, x: &Value, mut wanted: Vec<i64>) -> Result<Value, Fault> {
    let Some(axis) = x.batch else {
        return Ok(Value::fixed(x.tensor.f_reshape(&wanted)?));
    };
    let before: i64 = x.tensor.size()[..axis].iter().product();
    let mut product = 1;
    for place in 0..wanted.len() {
        if product == before {
            wanted[place] *= call.pictures;
            return Ok(Value { tensor: x.tensor.f_reshape(&wanted)?, batch: Some(place) });
        }
        product *= wanted[place];
    }
    failed(format!("a shape of {wanted:?} would mix the pictures of a batch"))
}

fn reshape(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let Some(mut wanted) = call.list("shape", 1)? else { return failed("has no shape") };
    let shape = x.shape_of_one(call.pictures);
    if call.node.int("allowzero", 0) == 0 {
        for (place, size) in wanted.iter_mut().enumerate().filter(|(_, size)| **size == 0) {
            let Some(&known) = shape.get(place) else {
                return failed(format!("keeps dimension {place}, which its input lacks"));
            };
            *size = known;
        }
    }
    let elements: i64 = shape.iter().product();
    if let Some(open) = wanted.iter().position(|&size| size == -1) {
        let known: i64 =
            wanted.iter().enumerate().filter(|(place, _)| *place != open).map(|(_, &size)| size).product();
        if known == 0 || elements % known != 0 {
            return failed(format!("cannot give {shape:?} the shape {wanted:?}"));
        }
        wanted[open] = elements / known;
    }
    if wanted.iter().product::<i64>() != elements {
        return failed(format!("cannot give {shape:?} the shape {wanted:?}"));
    }
    one(shaped(call, x, wanted)?)
}

/// The axes before `axis` become one, those from it on another.
fn flatten(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let axis = call.node.int("axis", 1);
    let axis = if axis == x.rank() as i64 { x.rank() } else { axis_of(axis, x.rank())? };
    let shape = x.shape_of_one(call.pictures);
    let size = |part: &[i64]| part.iter().product::<i64>();
    one(shaped(call, x, vec![size(&shape[..axis]), size(&shape[axis..])])?)
}

fn transpose(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let reversed = || (0..x.rank() as i64).rev().collect();
    let order: Vec<i64> = call.node.ints("perm").map_or_else(reversed, <[i64]>::to_vec);
    let batch = x.batch.and_then(|axis| order.iter().position(|&from| from == axis as i64));
    one(Value { tensor: x.tensor.f_permute(&order)?, batch })
}

fn squeeze(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let shape = x.shape_of_one(call.pictures);
    let gone = match call.list("axes", 1)? {
        Some(axes) => axes.iter().map(|&axis| axis_of(axis, x.rank())).collect::<Result<Vec<_>, _>>()?,
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
    };
    if gone.iter().any(|&axis| shape[axis] != 1) {
        return failed(format!("removes an axis of {shape:?} that is not 1"));
    }
    let kept: Vec<i64> =
        (0..shape.len()).filter(|axis| !gone.contains(axis)).map(|axis| shape[axis]).collect();
    one(shaped(call, x, kept)?)
}

fn unsqueeze(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let Some(axes) = call.list("axes", 1)? else { return failed("has no axes") };
    let rank = x.rank() + axes.len();
    let new = axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<Vec<_>, _>>()?;
    let old: Vec<usize> = (0..rank).filter(|axis| !new.contains(axis)).collect();
    if old.len() != x.rank() {
        return failed("adds an axis twice");
    }
    let mut shape = vec![1; rank];
    for (&place, size) in old.iter().zip(x.shape_of_one(call.pictures)) {
        shape[place] = size;
    }
    one(shaped(call, x, shape)?)
}

fn expand(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let Some(wanted) = call.integers(1)? else { return failed("has no shape") };
    let own = x.tensor.size();
    let rank = own.len().max(wanted.len());
    let mut shape = vec![1; rank];
    let missing = rank - own.len();
    for (place, size) in shape.iter_mut().enumerate() {
        let asked = if place < rank - wanted.len() { 1 } else { wanted[place + wanted.len() - rank] };
        let known = if place < missing { 1 } else { own[place - missing] };
        let is_batch = x.batch.is_some_and(|axis| axis + missing == place);
        if is_batch && asked != 1 && asked * call.pictures != known {
            return failed("would repeat the pictures of a batch");
        }
        *size = if is_batch || asked == 1 { known } else { asked };
    }
    one(Value { tensor: x.tensor.f_expand(&shape, false)?, batch: x.batch.map(|axis| axis + missing) })
}

fn tile(call: &Call) -> Result<Vec<Value>, Fault> {
    let x = call.input(0)?;
    let Some(repeats) = call.integers(1)? else { return failed("has no repeats") };
    if x.batch.is_some_and(|axis| repeats.get(axis) != Some(&1)) {
        return failed("would repeat the pictures of a batch");
    }
    one(x.like(x.tensor.f_repeat(&repeats)?))
}

/// Size of a block, and the image's sizes `[N,C,H,W]`.
fn blocks<'a>(call: &'a Call) -> Result<(&'a Value, i64, [i64; 4]), Fault> {
    let x = call.input(0)?;
    x.batch_first()?;
    let Ok(sizes) = <[i64; 4]>::try_from(x.tensor.size()) else { return failed("takes an image [N,C,H,W]") };
    match call.node.int("blocksize", 0) {
        block if block > 0 => Ok((x, block, sizes)),
        block => unsupported(format!("blocks of {block}")),
    }
}

fn depth_to_space(call: &Call) -> Result<Vec<Value>, Fault> {
    let (x, b, [n, c, h, w]) = blocks(call)?;
    let (shape, order) = match call.node.text("mode", "DCR") {
        "DCR" => ([n, b, b, c / (b * b), h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, c / (b * b), b, b, h, w], [0, 1, 4, 2, 5, 3]),
        mode => return unsupported(format!("mode {mode}")),
    };
    let y = x.tensor.f_reshape(shape)?.f_permute(order)?.f_reshape([n, c / (b * b), h * b, w * b])?;
    one(x.like(y))
}

fn space_to_depth(call: &Call) -> Result<Vec<Value>, Fault> {
    let (x, b, [n, c, h, w]) = blocks(call)?;
    let parts = x.tensor.f_reshape([n, c, h / b, b, w / b, b])?.f_permute([0, 3, 5, 1, 2, 4])?;
    one(x.like(parts.f_reshape([n, c * b * b, h / b, w / b])?))
}
