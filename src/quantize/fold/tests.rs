//! Folded graphs compute the same function with fewer nodes.

use super::fold;
use crate::engine::Session;
use crate::onnx::{Attribute, Model, Node};
use crate::quantize::testing::{model, numbers};

fn run(model: &Model) -> Vec<f32> {
    let input = numbers(3 * 6 * 6, 1);
    let outputs = Session::new(model).and_then(|session| session.run(&input));
    outputs.expect("the test graph runs")[0].as_f32().expect("floats").to_vec()
}

/// Each case: what it shows, the graph, and the operators that are left.
fn check(cases: Vec<(&str, Model, &str)>) {
    let mut failures = Vec::new();
    for (name, model, left) in cases {
        let mut folded = model.clone();
        if let Err(error) = fold(&mut folded) {
            failures.push(format!("{name}: {error}"));
            continue;
        }
        let operators: Vec<&str> = folded.graph.nodes.iter().map(|node| node.op.as_str()).collect();
        if operators.join(" ") != left {
            failures.push(format!("{name}: left with {operators:?}"));
        }
        let difference =
            run(&model).iter().zip(run(&folded)).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
        if difference.is_nan() || difference > 1e-5 {
            failures.push(format!("{name}: differs by {difference}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

const BN: [(&str, &[usize]); 4] = [("gamma", &[4]), ("beta", &[4]), ("mean", &[4]), ("variance", &[4])];

fn bn(input: &str, output: &str) -> Node {
    Node::new("bn", "BatchNormalization", &[input, "gamma", "beta", "mean", "variance"], &[output])
}

fn conv(input: &str, output: &str) -> Node {
    Node::new("conv", "Conv", &[input, "w"], &[output])
}

fn with_bn(more: &[(&'static str, &'static [usize])]) -> Vec<(&'static str, &'static [usize])> {
    BN.iter().chain(more).copied().collect()
}

#[test]
fn batch_norms_and_arithmetic_move_into_the_operator_before() {
    let w = ("w", &[4, 3, 3, 3][..]);
    let transposed = Node::new("up", "ConvTranspose", &["x", "w"], &["c"]).with("group", Attribute::Int(3));
    let grouped: &[(&str, &[usize])] = &[("w", &[3, 2, 2, 2]), ("scale", &[1, 6, 1, 1])];
    let gemm = vec![
        Node::new("flat", "Flatten", &["x"], &["f"]),
        Node::new("gemm", "Gemm", &["f", "w", "b"], &["c"]),
        bn("c", "y"),
    ];
    let mul = |a: &str, b: &str| Node::new("mul", "Mul", &[a, b], &["y"]);
    check(vec![
        ("conv, batch norm", model(vec![conv("x", "c"), bn("c", "y")], &with_bn(&[w]), &[], "y"), "Conv"),
        (
            "gemm, batch norm",
            model(gemm, &with_bn(&[("w", &[108, 4]), ("b", &[4])]), &[], "y"),
            "Flatten Gemm",
        ),
        (
            "grouped transposed",
            model(vec![transposed, mul("c", "scale")], grouped, &[], "y"),
            "ConvTranspose",
        ),
        (
            "constant on the left",
            model(vec![conv("x", "c"), mul("scale", "c")], &[w, ("scale", &[4, 1, 1])], &[], "y"),
            "Conv",
        ),
        (
            "constant minus convolution",
            model(
                vec![conv("x", "c"), Node::new("sub", "Sub", &["k", "c"], &["y"])],
                &[w, ("k", &[1])],
                &[],
                "y",
            ),
            "Conv",
        ),
        (
            "a constant that varies over the image stays",
            model(vec![conv("x", "c"), mul("c", "k")], &[w, ("k", &[1, 4, 4, 4])], &[], "y"),
            "Conv Mul",
        ),
        (
            "a convolution that is read twice stays",
            model(
                vec![conv("x", "c"), bn("c", "n"), Node::new("add", "Add", &["c", "n"], &["y"])],
                &with_bn(&[w]),
                &[],
                "y",
            ),
            "Conv Conv Add",
        ),
        (
            "a batch norm first becomes a convolution",
            model(
                vec![
                    Node::new("bn", "BatchNormalization", &["x", "g", "b", "m", "variance"], &["n"]),
                    conv("n", "y"),
                ],
                &[("g", &[3]), ("b", &[3]), ("m", &[3]), ("variance", &[3]), w],
                &[],
                "y",
            ),
            "Conv Conv",
        ),
    ]);
}

#[test]
fn what_changes_nothing_goes() {
    let relu = |input: &str, output: &str| Node::new("relu", "Relu", &[input], &[output]);
    let pad = Node::new("pad", "Pad", &["x", "pads"], &["p"]);
    let resize = Node::new("resize", "Resize", &["r", "", "", "sizes"], &["y"]);
    let shape_chain = vec![
        relu("x", "r"),
        Node::new("shape", "Shape", &["r"], &["s"]),
        Node::new("gather", "Gather", &["s", "first"], &["n"]),
        Node::new("join", "Concat", &["n", "rest"], &["target"]).with("axis", Attribute::Int(0)),
        Node::new("reshape", "Reshape", &["r", "target"], &["y"]),
    ];
    let w: &[(&str, &[usize])] = &[("w", &[4, 3, 3, 3])];
    check(vec![
        (
            "identity at the end keeps the output's name",
            model(vec![relu("x", "r"), Node::new("id", "Identity", &["r"], &["y"])], &[], &[], "y"),
            "Relu",
        ),
        (
            "resize to the same size",
            model(vec![relu("x", "r"), resize], &[], &[("sizes", &[1, 3, 6, 6])], "y"),
            "Relu",
        ),
        (
            "zero padding",
            model(vec![pad.clone(), conv("p", "y")], w, &[("pads", &[0, 0, 1, 0, 0, 0, 2, 1])], "y"),
            "Conv",
        ),
        (
            "padding of channels stays",
            model(
                vec![pad, conv("p", "y")],
                &[("w", &[4, 4, 3, 3])],
                &[("pads", &[0, 1, 1, 0, 0, 0, 2, 1])],
                "y",
            ),
            "Pad Conv",
        ),
        (
            "a shape computed in the graph",
            model(shape_chain, &[], &[("first", &[0]), ("rest", &[-1])], "y"),
            "Relu Reshape",
        ),
    ]);
}
