//! Which program each graph becomes.

use super::super::lower;
use super::{Net, SCALE, ZERO, bounds, everything, ints, kinds};
use crate::engine::program::{Bounds, Element, Fill, Kind, Program};
use crate::onnx::{Attribute, Model, Tensor};

fn whole(model: &Model) -> Result<Program, String> {
    let lowered = lower(model).map_err(|error| error.to_string())?;
    match lowered.whole() {
        Some(program) => Ok(program.clone()),
        None => Err(format!("kept {:?}", lowered.kept)),
    }
}

/// A graph from the image `a` to the tensor `y`, and the kinds that its program has.
type Case = (&'static str, fn(&mut Net), &'static str);

const CASES: [Case; 25] = [
    ("clamps become bounds", |net| clamped(net, true, false), "Conv"),
    ("clamps after quantization do, too", |net| clamped(net, false, true), "Conv"),
    ("also twice", |net| clamped(net, true, true), "Conv"),
    (
        "a table after a table is one",
        |net| {
            net.node("t", "Tanh", &["a"])
                .qdq("b", "t", 0.01, 128)
                .node("u", "Sigmoid", &["b"])
                .qdq("y", "u", 0.004, 0);
        },
        "Table",
    ),
    (
        "a product of a tensor and a function of it is a table",
        |net| {
            net.node("t", "Sigmoid", &["a"])
                .qdq("b", "t", 0.004, 0)
                .node("u", "Mul", &["a", "b"])
                .qdq("y", "u", 0.03, 9);
        },
        "Table",
    ),
    (
        "a gate is none",
        |net| {
            net.node("t", "GlobalAveragePool", &["a"]).qdq("b", "t", 0.01, 128);
            net.node("u", "Sigmoid", &["b"])
                .qdq("c", "u", 0.004, 0)
                .node("v", "Mul", &["a", "c"])
                .qdq("y", "v", SCALE, ZERO);
        },
        "Reduce Table Mul",
    ),
    (
        "a channel shuffle copies once",
        |net| {
            net.constant("to", Tensor::i64(&[5], vec![1, 2, 2, 6, 5])).node("b", "Reshape", &["a", "to"]);
            net.with("c", "Transpose", &["b"], &[("perm", ints(&[0, 2, 1, 3, 4]))]);
            net.constant("back", Tensor::i64(&[4], vec![1, 4, 6, 5])).node("y", "Reshape", &["c", "back"]);
        },
        "View Permute View",
    ),
    (
        "tokens cost nothing",
        |net| {
            net.constant("to", Tensor::i64(&[3], vec![1, 4, 30])).node("b", "Reshape", &["a", "to"]);
            net.with("c", "Transpose", &["b"], &[("perm", ints(&[0, 2, 1]))]).weights("w", &[4, 7]);
            net.node("d", "MatMul", &["c", "w"]).qdq("y", "d", SCALE, ZERO);
        },
        "View Conv View",
    ),
    (
        "a pooled image is flattened for free",
        |net| {
            net.node("b", "GlobalAveragePool", &["a"]).qdq("c", "b", SCALE, ZERO).node(
                "d",
                "Flatten",
                &["c"],
            );
            net.weights("w", &[4, 7]).node("e", "Gemm", &["d", "w"]).qdq("y", "e", SCALE, ZERO);
        },
        "Reduce View Conv View",
    ),
    (
        "any other image is not",
        |net| {
            net.node("d", "Flatten", &["a"]).weights("w", &[120, 7]);
            net.node("e", "Gemm", &["d", "w"]).qdq("y", "e", SCALE, ZERO);
        },
        "Permute View Conv View",
    ),
    (
        "inputs of one scale join without computing",
        |net| {
            net.with("b", "Concat", &["a", "a"], &[("axis", Attribute::Int(1))]).qdq("y", "b", SCALE, ZERO);
        },
        "Concat",
    ),
    (
        "inputs of another scale get a table",
        |net| {
            net.node("n", "Neg", &["a"]).qdq("m", "n", 0.03, 128);
            net.with("b", "Concat", &["a", "m"], &[("axis", Attribute::Int(1))]).qdq("y", "b", SCALE, ZERO);
        },
        "Table Concat",
    ),
    (
        "wide weights are a sum",
        |net| {
            net.constant("w.w", Tensor::u8(&[1, 4, 1, 1], vec![0, 100, 200, 255])).params("w", 0.01, 100);
            net.node("w", "DequantizeLinear", &["w.w", "w.s", "w.z"]);
            net.node("b", "Conv", &["a", "w"]).qdq("y", "b", SCALE, ZERO);
        },
        "View Concat View Conv",
    ),
    (
        "weights around 128 are signed bytes",
        |net| {
            net.constant("w.w", Tensor::u8(&[1, 4, 1, 1], vec![0, 100, 200, 255])).params("w", 0.01, 128);
            net.node("w", "DequantizeLinear", &["w.w", "w.s", "w.z"]);
            net.node("b", "Conv", &["a", "w"]).qdq("y", "b", SCALE, ZERO);
        },
        "Conv",
    ),
    (
        "what is quantized twice is so once",
        |net| {
            net.qdq("b", "a", SCALE, ZERO)
                .qdq("c", "b", SCALE, ZERO)
                .node("d", "Tanh", &["c"])
                .qdq("y", "d", 0.01, 128);
        },
        "Table",
    ),
    (
        "values that fall out again are no operators",
        |net| {
            net.node("b", "Sigmoid", &["a"])
                .qdq("c", "b", 0.004, 0)
                .node("d", "Neg", &["a"])
                .qdq("y", "d", SCALE, ZERO);
        },
        "Table",
    ),
    (
        "resized classes are not resized",
        |net| {
            net.constant("s", Tensor::f32(&[4], vec![1.0, 1.0, 4.0, 4.0]))
                .node("t", "Neg", &["a"])
                .qdq("b", "t", SCALE, ZERO);
            net.with("c", "Resize", &["b", "", "s"], &[("mode", Attribute::String(b"linear".to_vec()))]);
            net.with("y", "ArgMax", &["c"], &[("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))]);
        },
        "Table ResizeArgMax",
    ),
    (
        "classes behind a softmax",
        |net| {
            net.with("c", "Softmax", &["a"], &[("axis", Attribute::Int(1))]);
            net.with("y", "ArgMax", &["c"], &[("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))]);
        },
        "ArgMax",
    ),
    (
        "a mean over pixels",
        |net| {
            net.with("b", "ReduceMean", &["a"], &[("axes", ints(&[2, 3]))]).qdq("y", "b", SCALE, ZERO);
        },
        "Reduce",
    ),
    (
        "a sum over what does not lie together",
        |net| {
            net.constant("axes", Tensor::i64(&[2], vec![1, 2]))
                .node("b", "ReduceSum", &["a", "axes"])
                .qdq("y", "b", 0.5, ZERO);
        },
        "Permute Reduce",
    ),
    (
        "softmax over channels",
        |net| {
            net.with("b", "Softmax", &["a"], &[("axis", Attribute::Int(1))]).qdq("y", "b", 0.004, 0);
        },
        "Softmax",
    ),
    (
        "softmax over columns",
        |net| {
            net.with("b", "Softmax", &["a"], &[("axis", Attribute::Int(3))]).qdq("y", "b", 0.004, 0);
        },
        "Permute Softmax",
    ),
    (
        "an addition to every pixel",
        |net| {
            net.constant("c", Tensor::f32(&[4, 1, 1], vec![0.1, 0.2, 0.3, 0.4]));
            net.node("b", "Add", &["a", "c"]).qdq("y", "b", SCALE, ZERO);
        },
        "Table",
    ),
    (
        "the QOperator form",
        |net| {
            net.constant("w", Tensor::i8(&[2, 4, 1, 1], vec![3; 8])).constant("z", Tensor::i8(&[], vec![0]));
            net.node("y.q", "QLinearConv", &["a.q", "a.s", "a.z", "w", "a.s", "z", "a.s", "a.z"]);
            net.node("y", "DequantizeLinear", &["y.q", "a.s", "a.z"]);
        },
        "Conv",
    ),
    (
        "integers with a constant scale",
        |net| {
            net.constant("w", Tensor::i8(&[2, 4, 1, 1], vec![3; 8])).node(
                "b",
                "ConvInteger",
                &["a.q", "w", "a.z"],
            );
            net.with("c", "Cast", &["b"], &[("to", Attribute::Int(1))])
                .node("d", "Mul", &["c", "a.s"])
                .qdq("y", "d", SCALE, ZERO);
        },
        "View Conv",
    ),
];

/// A convolution with a ReLU before and after it is quantized.
fn clamped(net: &mut Net, before: bool, after: bool) {
    net.weights("w", &[4, 4, 1, 1]).node("b", "Conv", &["a", "w"]);
    net.node("c", if before { "Relu" } else { "Identity" }, &["b"]).qdq("d", "c", SCALE, ZERO);
    net.node("e", if after { "Relu" } else { "Identity" }, &["d"]).qdq("y", "e", SCALE, ZERO);
}

#[test]
fn graphs_become_these_programs() {
    let mut failures = Vec::new();
    for (name, build, wanted) in CASES {
        let mut net = Net::new(&[1, 4, 6, 5]);
        net.qdq("a", "x", SCALE, ZERO);
        build(&mut net);
        match whole(&net.model(&["y"])) {
            Ok(program) if kinds(&program) == wanted => {}
            Ok(program) => failures.push(format!("{name}: {}, not {wanted}", kinds(&program))),
            Err(reason) => failures.push(format!("{name}: {reason}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn clamps_have_the_bounds_of_their_integers() {
    let cases: [(&str, fn(&mut Net), Bounds); 4] = [
        ("relu", |net| clamped(net, true, false), Bounds { low: ZERO, high: 255 }),
        ("relu after", |net| clamped(net, false, true), Bounds { low: ZERO, high: 255 }),
        ("none", |net| clamped(net, false, false), Bounds::ALL),
        (
            "clip",
            |net| {
                net.constant("low", Tensor::f32(&[], vec![-0.5]))
                    .constant("high", Tensor::f32(&[], vec![1.011]));
                net.weights("w", &[4, 4, 1, 1]).node("b", "Conv", &["a", "w"]);
                net.node("c", "Clip", &["b", "low", "high"]).qdq("y", "c", SCALE, ZERO);
            },
            Bounds { low: ZERO - 25, high: ZERO + 51 },
        ),
    ];
    let mut failures = Vec::new();
    for (name, build, wanted) in cases {
        let mut net = Net::new(&[1, 4, 6, 5]);
        net.qdq("a", "x", SCALE, ZERO);
        build(&mut net);
        let found = whole(&net.model(&["y"])).map(|program| bounds(&program.ops[0].kind));
        if found != Ok(Some(wanted)) {
            failures.push(format!("{name}: {found:?}, not {wanted:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Biases of a convolution with weights of ones and twos, an input scale of 0.02 and a weight scale of 0.01.
#[test]
fn biases_are_in_units_of_the_accumulator() {
    let unit = SCALE * 0.01;
    let i32s = |values: &[i32]| Tensor::i32(&[values.len()], values.to_vec());
    let cases: [(&str, Tensor, Option<f32>, [i32; 2]); 5] = [
        ("integers", i32s(&[5, -7]), Some(unit), [5, -7]),
        (
            "integers at nearly the same scale",
            i32s(&[5_000_000, -7]),
            Some(unit * (1.0 + 1e-6)),
            [5_000_000, -7],
        ),
        ("integers at another scale", i32s(&[5, -7]), Some(unit * 10.0), [50, -70]),
        ("floats", Tensor::f32(&[2], vec![0.01, -0.02]), None, [50, -100]),
        ("floats between two steps", Tensor::f32(&[2], vec![0.00031, -0.00029]), None, [2, -1]),
    ];
    let mut failures = Vec::new();
    for (name, bias, scale, wanted) in cases {
        let mut net = Net::new(&[1, 4, 6, 5]);
        net.qdq("a", "x", SCALE, ZERO).weights("w", &[2, 4, 1, 1]);
        match scale {
            None => net.constant("bias", bias),
            Some(scale) => {
                net.constant("bias.q", bias).constant("bias.s", Tensor::f32(&[], vec![scale]));
                net.node("bias", "DequantizeLinear", &["bias.q", "bias.s"])
            }
        };
        net.node("b", "Conv", &["a", "w", "bias"]).qdq("y", "b", 0.03, ZERO);
        let program = whole(&net.model(&["y"]));
        match program.as_ref().map(|program| &program.ops[0].kind) {
            Ok(Kind::Conv { weights, .. }) => {
                if weights.bias != wanted || weights.multipliers != [SCALE * 0.01 / 0.03; 2] {
                    failures.push(format!("{name}: {:?}, {:?}", weights.bias, weights.multipliers));
                }
            }
            other => failures.push(format!("{name}: {other:?}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn paddings_hold_what_stands_for_their_value() {
    for (value, wanted) in [(None, ZERO), (Some(5.0 * SCALE), ZERO + 5), (Some(100.0), 255)] {
        let mut net = Net::new(&[1, 4, 6, 5]);
        net.qdq("a", "x", SCALE, ZERO).constant("pads", Tensor::i64(&[8], vec![0, 0, 1, 1, 0, 0, 1, 1]));
        let mut inputs = vec!["a", "pads"];
        if let Some(value) = value {
            net.constant("value", Tensor::f32(&[], vec![value]));
            inputs.push("value");
        }
        net.node("b", "Pad", &inputs).qdq("y", "b", SCALE, ZERO);
        let program = whole(&net.model(&["y"])).expect("a program");
        let Some(Kind::Pad { fill, before }) = program.ops.last().map(|op| &op.kind) else {
            panic!("{}", kinds(&program));
        };
        assert_eq!((before.as_slice(), *fill), ([0, 1, 1, 0].as_slice(), Fill::Constant(wanted)));
    }
}

#[test]
fn ports_have_the_types_of_the_graph() {
    let lowered = lower(&everything()).expect("a sound graph");
    let [program] = lowered.programs.as_slice() else { panic!("{} programs", lowered.programs.len()) };
    let ports = |ports: &[crate::engine::program::Port]| {
        ports.iter().map(|port| (port.name.clone(), port.element)).collect::<Vec<_>>()
    };
    assert_eq!(ports(&program.inputs), [("x".to_string(), Element::F32)]);
    let wanted = [("part", Element::F32), ("class", Element::I64), ("o", Element::F32)];
    assert_eq!(ports(&program.outputs), wanted.map(|(name, element)| (name.to_string(), element)));
}
