//! Small constants that exporters compute inside the graph, such as the size to resize to from the shape of another tensor.

use std::collections::BTreeMap;

use crate::onnx::shapes::{Shapes, shape_slice};
use crate::onnx::{Node, Tensor, TensorData};

/// Most elements of a constant that may be a setting instead of weights.
pub(super) const ELEMENTS_MAX: usize = 1024;

/// What `node` gives if it follows from `settings` and from shapes.
pub(super) fn fold(node: &Node, settings: &BTreeMap<String, Tensor>, shapes: &Shapes) -> Option<Tensor> {
    if node.standard_op() == "Shape" {
        let shape = shapes.get(node.input(0)?)?;
        let sizes: Option<Vec<i64>> =
            shape[shape_slice(node, shape.len())].iter().map(|&size| size.try_into().ok()).collect();
        let sizes = sizes?;
        return Some(Tensor::i64(&[sizes.len()], sizes));
    }
    let inputs: Option<Vec<&Tensor>> = node.inputs.iter().map(|name| settings.get(name)).collect();
    let inputs = inputs?;
    let &first = inputs.first()?;
    let folded = match node.standard_op() {
        "Identity" => first.clone(),
        "Cast" => cast(first, node.int("to", 0))?,
        "Floor" | "Ceil" => {
            let round = if node.op == "Floor" { f32::floor } else { f32::ceil };
            Tensor::f32(&first.shape, first.as_f32()?.iter().map(|&value| round(value)).collect())
        }
        "Reshape" | "Squeeze" | "Unsqueeze" => {
            let shape = shapes.get(node.output())?;
            let product = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
            (product == Some(first.elements()))
                .then(|| Tensor { shape: shape.clone(), data: first.data.clone() })?
        }
        "Gather" => gather(node, first, inputs.get(1)?)?,
        "Concat" => concat(&inputs)?,
        "Slice" => slice(&inputs)?,
        "Add" | "Sub" | "Mul" | "Div" => arithmetic(&node.op, first, inputs.get(1)?)?,
        _ => return None,
    };
    (folded.elements() <= ELEMENTS_MAX).then_some(folded)
}

fn cast(tensor: &Tensor, to: i64) -> Option<Tensor> {
    Some(match (&tensor.data, to) {
        (TensorData::F32(_), 1) | (TensorData::I64(_), 7) => tensor.clone(),
        (TensorData::F32(values), 7) => {
            Tensor::i64(&tensor.shape, values.iter().map(|&value| value as i64).collect())
        }
        (TensorData::I64(values), 1) => {
            Tensor::f32(&tensor.shape, values.iter().map(|&value| value as f32).collect())
        }
        (TensorData::I32(values), 7) => {
            Tensor::i64(&tensor.shape, values.iter().map(|&value| i64::from(value)).collect())
        }
        _ => return None,
    })
}

/// Elements of a list, by an index or a list of them.
fn gather(node: &Node, list: &Tensor, indices: &Tensor) -> Option<Tensor> {
    let values = list.as_i64()?;
    if list.shape.len() != 1 || ![0, -1].contains(&node.int("axis", 0)) {
        return None;
    }
    let count = values.len() as i64;
    let value = |&index: &i64| {
        let index = if index < 0 { index.checked_add(count)? } else { index };
        values.get(usize::try_from(index).ok()?).copied()
    };
    let gathered: Option<Vec<i64>> = indices.as_i64()?.iter().map(value).collect();
    Some(Tensor::i64(&indices.shape, gathered?))
}

/// Lists one after another.
fn concat(inputs: &[&Tensor]) -> Option<Tensor> {
    if inputs.iter().any(|tensor| tensor.shape.len() != 1) {
        return None;
    }
    if let Some(lists) = inputs.iter().map(|tensor| tensor.as_i64()).collect::<Option<Vec<_>>>() {
        let joined = lists.concat();
        return Some(Tensor::i64(&[joined.len()], joined));
    }
    let joined = inputs.iter().map(|tensor| tensor.as_f32()).collect::<Option<Vec<_>>>()?.concat();
    Some(Tensor::f32(&[joined.len()], joined))
}

/// A run of a list.
fn slice(inputs: &[&Tensor]) -> Option<Tensor> {
    let list = inputs[0].as_i64()?;
    let one = |index: usize, missing: i64| match inputs.get(index) {
        None => Some(missing),
        Some(tensor) => match tensor.as_i64()? {
            &[value] => Some(value),
            _ => None,
        },
    };
    let (axis, step) = (one(3, 0)?, one(4, 1)?);
    if inputs[0].shape.len() != 1 || ![0, -1].contains(&axis) || step != 1 {
        return None;
    }
    let count = list.len() as i64;
    let place = |value: i64| {
        let absolute = if value < 0 { value.saturating_add(count) } else { value };
        absolute.clamp(0, count) as usize
    };
    let (start, end) = (place(one(1, 0)?), place(one(2, count)?));
    let run = list.get(start..end.max(start))?;
    Some(Tensor::i64(&[run.len()], run.to_vec()))
}

/// Two tensors of one shape, or one of them a single number.
fn arithmetic(op: &str, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    let shape = match (a.elements(), b.elements()) {
        _ if a.shape == b.shape => &a.shape,
        (_, 1) if b.shape.len() <= a.shape.len() => &a.shape,
        (1, _) if a.shape.len() <= b.shape.len() => &b.shape,
        _ => return None,
    };
    let count = a.elements().max(b.elements());
    if a.elements() == 0 || b.elements() == 0 {
        return None;
    }
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        let value = |at: usize| {
            let (a, b) = (a[at % a.len()], b[at % b.len()]);
            match op {
                "Add" => a.checked_add(b),
                "Sub" => a.checked_sub(b),
                "Mul" => a.checked_mul(b),
                _ => a.checked_div(b),
            }
        };
        return Some(Tensor::i64(shape, (0..count).map(value).collect::<Option<_>>()?));
    }
    let (a, b) = (a.as_f32()?, b.as_f32()?);
    let value = |at: usize| {
        let (a, b) = (a[at % a.len()], b[at % b.len()]);
        match op {
            "Add" => a + b,
            "Sub" => a - b,
            "Mul" => a * b,
            _ => a / b,
        }
    };
    Some(Tensor::f32(shape, (0..count).map(value).collect()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::fold;
    use crate::onnx::{Attribute, Node, Tensor};

    #[test]
    fn settings_follow_from_shapes_and_settings() {
        let ints = |values: &[i64]| Tensor::i64(&[values.len()], values.to_vec());
        let one = |value: i64| Tensor::i64(&[], vec![value]);
        let settings = BTreeMap::from([
            ("list".to_string(), ints(&[1, 3, 20, 30])),
            ("two".to_string(), ints(&[2])),
            ("end".to_string(), ints(&[i64::MAX])),
            ("last".to_string(), one(-1)),
            ("zero".to_string(), one(0)),
            ("half".to_string(), Tensor::f32(&[], vec![0.5])),
            ("reals".to_string(), Tensor::f32(&[2], vec![5.0, 7.0])),
        ]);
        let shapes = BTreeMap::from([("x".to_string(), vec![1, 3, 20, 30]), ("y".to_string(), vec![1, 1])]);
        let cases: [(&str, &[&str], Option<Tensor>); 14] = [
            ("Shape", &["x"], Some(ints(&[1, 3, 20, 30]))),
            ("Shape", &["unknown"], None),
            ("Gather", &["list", "last"], Some(one(30))),
            ("Gather", &["two", "list"], None),
            ("Slice", &["list", "two", "end"], Some(ints(&[20, 30]))),
            ("Concat", &["two", "list"], Some(ints(&[2, 1, 3, 20, 30]))),
            ("Mul", &["list", "two"], Some(ints(&[2, 6, 40, 60]))),
            ("Div", &["list", "two"], Some(ints(&[0, 1, 10, 15]))),
            ("Div", &["list", "zero"], None),
            ("Mul", &["half", "reals"], Some(Tensor::f32(&[2], vec![2.5, 3.5]))),
            ("Floor", &["reals"], Some(Tensor::f32(&[2], vec![5.0, 7.0]))),
            ("Cast", &["reals"], Some(ints(&[5, 7]))),
            ("Unsqueeze", &["last"], Some(Tensor::i64(&[1, 1], vec![-1]))),
            ("Reshape", &["list"], None),
        ];
        let mut failures = Vec::new();
        for (op, inputs, wanted) in cases {
            let node = Node::new("n", op, inputs, &["y"]).with("to", Attribute::Int(7));
            let found = fold(&node, &settings, &shapes);
            if found != wanted {
                failures.push(format!("{op} {inputs:?}: {found:?}, not {wanted:?}"));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
