//! What stays outside, and how programs and float nodes are put in order.

use super::super::{DOMAIN, Lowered, lower};
use super::{Net, SCALE, ZERO, everything, kinds};
use crate::onnx::{Model, Tensor};

/// Checks what must hold of everything lowered: nodes in an order to run in, ports that the graph has.
pub(super) fn check(model: &Model, lowered: &Lowered) -> Result<(), String> {
    let graph = &lowered.model.graph;
    let mut written: Vec<&str> = graph.initializers.keys().map(String::as_str).collect();
    written.extend(graph.inputs.iter().map(|input| input.name.as_str()));
    let mut programs = 0;
    for node in &graph.nodes {
        if let Some(name) =
            node.inputs.iter().find(|name| !name.is_empty() && !written.contains(&name.as_str()))
        {
            return Err(format!("{} reads {name} before it is written", node.place()));
        }
        written.extend(node.outputs.iter().map(String::as_str));
        if node.domain == DOMAIN {
            let program = lowered.programs.get(node.int("program", -1) as usize).ok_or("no such program")?;
            let names = |ports: &[crate::engine::program::Port]| {
                ports.iter().map(|port| port.name.clone()).collect::<Vec<_>>()
            };
            if names(&program.inputs) != node.inputs || names(&program.outputs) != node.outputs {
                return Err(format!("{} has other ports than its program", node.place()));
            }
            programs += 1;
            check_program(program)?;
        }
    }
    if programs != lowered.programs.len() {
        return Err(format!("{programs} nodes for {} programs", lowered.programs.len()));
    }
    match model.graph.outputs.iter().find(|output| !written.contains(&output.name.as_str())) {
        Some(output) => Err(format!("nothing writes output {}", output.name)),
        None => Ok(()),
    }
}

/// Every tensor is written once, before it is read.
fn check_program(program: &crate::engine::program::Program) -> Result<(), String> {
    let mut written: Vec<bool> = program.tensors.iter().map(|tensor| tensor.constant.is_some()).collect();
    for port in &program.inputs {
        written[port.tensor] = true;
    }
    for op in &program.ops {
        if let Some(&input) = op.inputs.iter().find(|&&input| !written[input]) {
            return Err(format!("{} reads {} too early", op.node, program.tensors[input].name));
        }
        if std::mem::replace(&mut written[op.output], true) {
            return Err(format!("{} writes {} again", op.node, program.tensors[op.output].name));
        }
    }
    match program.outputs.iter().find(|port| !written[port.tensor]) {
        Some(port) => Err(format!("nothing writes {}", port.name)),
        None => Ok(()),
    }
}

#[test]
fn only_what_is_not_quantized_stays() {
    let model = everything();
    let lowered = lower(&model).expect("a sound graph");
    check(&model, &lowered).expect("a sound result");
    let kept: Vec<&str> = lowered.kept.iter().map(|kept| kept.node.as_str()).collect();
    assert_eq!(kept, ["float"], "{:?}", lowered.kept);
    assert!(lowered.whole().is_none());
}

/// A graph from the dequantized image `a` to `y`; the nodes that stay, the programs' kinds, and part of the last node's reason.
type Case = (&'static str, fn(&mut Net), &'static [&'static str], &'static [&'static str], &'static str);

const CASES: [Case; 8] = [
    (
        "a float operator between two regions",
        |net| {
            net.node("b", "Tanh", &["a"])
                .qdq("c", "b", 0.01, 128)
                .node("d", "LogSoftmax", &["c"])
                .qdq("e", "d", 0.01, 128);
            net.node("f", "Add", &["c", "e"]).qdq("y", "f", 0.02, 128);
        },
        &["d"],
        &["Table", "Add"],
        "the operator has no int8 form",
    ),
    (
        "a float operator beside a region",
        |net| {
            net.node("b", "Tanh", &["a"])
                .qdq("c", "b", 0.01, 128)
                .node("d", "LogSoftmax", &["x"])
                .qdq("e", "d", 0.01, 128);
            net.node("f", "Add", &["c", "e"]).qdq("y", "f", 0.02, 128);
        },
        &["d"],
        &["Table Add"],
        "the operator has no int8 form",
    ),
    (
        "a result that is not quantized",
        |net| {
            net.node("b", "Neg", &["a"]).qdq("c", "b", SCALE, 128).weights("w", &[2, 4, 1, 1]).node(
                "y",
                "Conv",
                &["c", "w"],
            );
        },
        &["w", "y"],
        &["Table"],
        "its result y is not quantized",
    ),
    (
        "a result that is also read in float",
        |net| {
            net.weights("w", &[4, 4, 1, 1]).node("b", "Conv", &["a", "w"]).qdq("c", "b", SCALE, ZERO);
            net.node("d", "LogSoftmax", &["b"])
                .qdq("e", "d", SCALE, ZERO)
                .node("f", "Add", &["c", "e"])
                .qdq("y", "f", SCALE, ZERO);
        },
        &["a.q", "a", "w", "b", "d"],
        &["Conv Add"],
        "the operator has no int8 form",
    ),
    (
        "a function that is not a clamp before quantization",
        |net| {
            net.weights("w", &[4, 4, 1, 1]).node("b", "Conv", &["a", "w"]).node("c", "Sigmoid", &["b"]);
            net.qdq("d", "c", 0.004, 0).node("e", "Neg", &["d"]).qdq("y", "e", SCALE, 255);
        },
        &["a.q", "a", "w", "b", "c"],
        &["Table"],
        "not quantized before it",
    ),
    (
        "sums that may not fit",
        |net| {
            net.constant("w.w", Tensor::i8(&[1, 4, 1, 1], vec![127; 4]))
                .constant("w.s", Tensor::f32(&[], vec![0.01]));
            net.node("w", "DequantizeLinear", &["w.w", "w.s"]).constant("bias", Tensor::f32(&[1], vec![5e5]));
            net.node("b", "Conv", &["a", "w", "bias"])
                .qdq("c", "b", SCALE, ZERO)
                .node("d", "Neg", &["c"])
                .qdq("y", "d", SCALE, 9);
        },
        &["a.q", "a", "w", "b"],
        &["Table"],
        "may not fit into 32 bits",
    ),
    (
        "scales that are computed",
        |net| {
            net.node("m", "Neg", &["a.s"]).node("s", "Neg", &["m"]).node(
                "b.q",
                "QuantizeLinear",
                &["a", "s", "a.z"],
            );
            net.node("b", "DequantizeLinear", &["b.q", "a.s", "a.z"])
                .node("c", "Neg", &["b"])
                .qdq("y", "c", SCALE, ZERO);
        },
        &["a.q", "a", "m", "s", "b.q"],
        &["Table"],
        "computed at run time",
    ),
    (
        "sixteen bits",
        |net| {
            net.constant("z", Tensor { shape: vec![], data: crate::onnx::TensorData::Other(4, vec![0, 0]) });
            net.node("b.q", "QuantizeLinear", &["a", "a.s", "z"]).node(
                "b",
                "DequantizeLinear",
                &["b.q", "a.s", "z"],
            );
            net.node("c", "Neg", &["a"]).qdq("d", "c", SCALE, ZERO).node("y", "Add", &["b", "d"]);
        },
        &["a.q", "a", "b.q", "b", "y"],
        &["Table"],
        "its input b is not quantized",
    ),
];

#[test]
fn float_nodes_stay_around_the_programs() {
    let mut failures = Vec::new();
    for (name, build, kept, programs, reason) in CASES {
        let mut net = Net::new(&[1, 4, 6, 5]);
        net.qdq("a", "x", SCALE, ZERO);
        build(&mut net);
        let model = net.model(&["y"]);
        let lowered = match lower(&model) {
            Ok(lowered) => lowered,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        if let Err(reason) = check(&model, &lowered) {
            failures.push(format!("{name}: {reason}"));
        }
        let found: Vec<&str> = lowered.kept.iter().map(|kept| kept.node.as_str()).collect();
        let found_programs: Vec<String> = lowered.programs.iter().map(kinds).collect();
        let found_reason = lowered.kept.last().map_or("", |kept| &kept.reason);
        if found != kept || found_programs != programs || !found_reason.contains(reason) {
            failures.push(format!("{name}: {found:?}, {found_programs:?}, {found_reason}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
