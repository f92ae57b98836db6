//! Tables of nodes with the shapes that the ONNX operator list gives them.

use std::collections::BTreeMap;

use super::{NoShape, Shapes, node_shapes};
use crate::onnx::{Attribute, Node, Tensor};

enum Arg {
    Shape(&'static [usize]),
    Ints(&'static [i64]),
    Floats(&'static [f32]),
    Missing,
}
use Arg::{Floats, Ints, Missing, Shape};

type Case =
    (&'static str, &'static [Arg], &'static [(&'static str, &'static [i64])], Option<&'static [usize]>);

/// Attributes are integer lists; a list of one stands for a single integer too.
fn check(cases: &[Case]) {
    let mut failures = Vec::new();
    for (op, args, attributes, expected) in cases {
        let (mut shapes, mut constants) = (Shapes::new(), BTreeMap::new());
        let mut node = Node { name: "n".into(), op: op.to_string(), ..Node::default() };
        for (index, arg) in args.iter().enumerate() {
            let name = format!("x{index}");
            let constant = match arg {
                Shape(shape) => {
                    shapes.insert(name.clone(), shape.to_vec());
                    None
                }
                Ints(values) => Some(Tensor::i64(&[values.len()], values.to_vec())),
                Floats(values) => Some(Tensor::f32(&[values.len()], values.to_vec())),
                Missing => None,
            };
            if let Some(tensor) = constant {
                shapes.insert(name.clone(), tensor.shape.clone());
                constants.insert(name.clone(), tensor);
            }
            node.inputs.push(if matches!(arg, Missing) { String::new() } else { name });
        }
        node.outputs = vec!["y".to_string(); if *op == "Split" { 2 } else { 1 }];
        for (name, values) in *attributes {
            let single =
                matches!(*name, "group" | "axis" | "keepdims" | "blocksize" | "transB" | "ceil_mode");
            let value = if single { Attribute::Int(values[0]) } else { Attribute::Ints(values.to_vec()) };
            node.attributes.insert(name.to_string(), value);
        }
        let found = node_shapes(&node, 13, &shapes, &constants);
        let agrees = match (&found, expected) {
            (Ok(shapes), Some(expected)) => shapes[0] == *expected,
            (Err(NoShape::Contradiction(_)), None) => true,
            _ => false,
        };
        if !agrees {
            failures.push(format!("{op}: expected {expected:?}, found {found:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn convolutions_and_pools() {
    check(&[
        (
            "Conv",
            &[Shape(&[1, 3, 257, 129]), Shape(&[16, 3, 3, 3])],
            &[("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])],
            Some(&[1, 16, 129, 65]),
        ),
        (
            "Conv",
            &[Shape(&[1, 8, 9, 9]), Shape(&[8, 1, 3, 3])],
            &[("group", &[8]), ("dilations", &[4, 4])],
            Some(&[1, 8, 1, 1]),
        ),
        (
            "Conv",
            &[Shape(&[1, 8, 8, 9]), Shape(&[8, 1, 3, 3])],
            &[("group", &[8]), ("dilations", &[4, 4])],
            None,
        ),
        ("Conv", &[Shape(&[1, 4, 8, 8]), Shape(&[8, 3, 1, 1])], &[], None),
        (
            "ConvTranspose",
            &[Shape(&[1, 8, 4, 4]), Shape(&[8, 5, 3, 3])],
            &[("strides", &[2, 2]), ("pads", &[1, 1, 1, 1]), ("output_padding", &[1, 1])],
            Some(&[1, 5, 8, 8]),
        ),
        (
            "MaxPool",
            &[Shape(&[1, 8, 7, 7])],
            &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])],
            Some(&[1, 8, 3, 3]),
        ),
        (
            "MaxPool",
            &[Shape(&[1, 8, 7, 7])],
            &[("kernel_shape", &[2, 2]), ("strides", &[2, 2]), ("ceil_mode", &[1])],
            Some(&[1, 8, 4, 4]),
        ),
        ("GlobalAveragePool", &[Shape(&[1, 8, 7, 5])], &[], Some(&[1, 8, 1, 1])),
        ("DepthToSpace", &[Shape(&[1, 8, 3, 2])], &[("blocksize", &[2])], Some(&[1, 2, 6, 4])),
        ("DepthToSpace", &[Shape(&[1, 6, 3, 2])], &[("blocksize", &[2])], None),
    ]);
}

#[test]
fn resizes() {
    check(&[
        (
            "Resize",
            &[Shape(&[1, 8, 3, 3]), Missing, Missing, Ints(&[1, 8, 33, 7])],
            &[],
            Some(&[1, 8, 33, 7]),
        ),
        ("Resize", &[Shape(&[1, 8, 3, 3]), Missing, Floats(&[1., 1., 2., 1.5])], &[], Some(&[1, 8, 6, 4])),
        ("Resize", &[Shape(&[1, 8, 3, 3]), Missing, Floats(&[1., 1.])], &[], None),
    ]);
}

#[test]
fn products() {
    check(&[
        ("Gemm", &[Shape(&[1, 64]), Shape(&[10, 64])], &[("transB", &[1])], Some(&[1, 10])),
        ("Gemm", &[Shape(&[1, 64]), Shape(&[10, 64])], &[], None),
        ("MatMul", &[Shape(&[2, 1, 4, 8]), Shape(&[3, 8, 5])], &[], Some(&[2, 3, 4, 5])),
        ("Add", &[Shape(&[1, 8, 4, 4]), Shape(&[8, 1, 1])], &[], Some(&[1, 8, 4, 4])),
        ("Add", &[Shape(&[1, 8, 4, 4]), Shape(&[7, 1, 1])], &[], None),
    ]);
}

#[test]
fn layouts() {
    check(&[
        ("Concat", &[Shape(&[1, 3, 4, 4]), Shape(&[1, 5, 4, 4])], &[("axis", &[1])], Some(&[1, 8, 4, 4])),
        ("Concat", &[Shape(&[1, 3, 4, 4]), Shape(&[1, 5, 4, 5])], &[("axis", &[1])], None),
        ("Flatten", &[Shape(&[2, 3, 4, 5])], &[], Some(&[2, 60])),
        ("Tile", &[Shape(&[1, 3, 4]), Ints(&[1, 2, 3])], &[], Some(&[1, 6, 12])),
        ("Tile", &[Shape(&[1, 3, 4]), Ints(&[1, 1 << 20, 1 << 20])], &[], None),
        ("ConstantOfShape", &[Ints(&[2, 3])], &[], Some(&[2, 3])),
        ("ConstantOfShape", &[Ints(&[1 << 40])], &[], None),
        ("Reshape", &[Shape(&[1, 8, 4, 4]), Ints(&[0, -1])], &[], Some(&[1, 128])),
        ("Reshape", &[Shape(&[1, 8, 4, 4]), Ints(&[3, -1])], &[], None),
        ("Transpose", &[Shape(&[1, 8, 4, 5])], &[("perm", &[0, 2, 3, 1])], Some(&[1, 4, 5, 8])),
        ("Squeeze", &[Shape(&[1, 8, 1, 1]), Ints(&[2, 3])], &[], Some(&[1, 8])),
        ("Unsqueeze", &[Shape(&[8]), Ints(&[0, -1])], &[], Some(&[1, 8, 1])),
        (
            "Slice",
            &[Shape(&[1, 8, 9]), Ints(&[1]), Ints(&[-1]), Ints(&[2]), Ints(&[2])],
            &[],
            Some(&[1, 8, 4]),
        ),
        ("Slice", &[Shape(&[9]), Ints(&[-1]), Ints(&[i64::MIN]), Ints(&[0]), Ints(&[-1])], &[], Some(&[9])),
        ("Split", &[Shape(&[1, 8, 4])], &[("axis", &[1])], Some(&[1, 4, 4])),
        ("Split", &[Shape(&[1, 8, 4]), Ints(&[3, 4])], &[("axis", &[1])], None),
        ("Gather", &[Shape(&[4]), Shape(&[])], &[], Some(&[])),
        ("Pad", &[Shape(&[1, 8, 4, 4]), Ints(&[0, 0, 1, 1, 0, 0, 1, 2])], &[], Some(&[1, 8, 6, 7])),
        ("ReduceMean", &[Shape(&[1, 8, 4, 4])], &[("axes", &[2, 3]), ("keepdims", &[0])], Some(&[1, 8])),
        ("ArgMax", &[Shape(&[1, 21, 4, 4])], &[("axis", &[1])], Some(&[1, 1, 4, 4])),
    ]);
}
