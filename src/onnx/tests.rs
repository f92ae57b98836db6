//! Reading what was written, and refusing what is not whole.

use super::{Attribute, Model, Node, OnnxError, Tensor, TensorData, cost};

const SHIPPED: &[u8] = include_bytes!("../../models/deeplabv3_mnv2_dm05_voc21_257.int8.onnx");

#[test]
fn what_is_written_reads_back_the_same() {
    let model = Model::from_bytes("shipped", SHIPPED).unwrap();
    let bytes = model.to_bytes();
    assert_eq!(Model::from_bytes("shipped", &bytes).unwrap(), model);
    assert_eq!(bytes, SHIPPED, "the shipped file was written by this code");
}

#[test]
fn damaged_files_are_errors() {
    let mut failures = Vec::new();
    for part in 0..64 {
        let cut = SHIPPED.len() * part / 64;
        if let Ok(model) = Model::from_bytes("cut", &SHIPPED[..cut]) {
            failures.push(format!("{cut} bytes are a model of {} nodes", model.graph.nodes.len()));
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

/// A small model with the operators whose shapes depend on numbers in the file.
fn small() -> Model {
    let mut model = Model::from_bytes("shipped", SHIPPED).expect("it ships");
    let graph = &mut model.graph;
    let node = |op: &str, inputs: &[&str], output: &str| Node::new(op, op, inputs, &[output]);
    graph.nodes = vec![
        node("Conv", &["t183", "w"], "c")
            .with("pads", Attribute::Ints(vec![1; 4]))
            .with("strides", Attribute::Ints(vec![2, 2])),
        node("DepthToSpace", &["c"], "d").with("blocksize", Attribute::Int(2)),
        node("Slice", &["d", "starts", "ends", "axes", "steps"], "s"),
        node("Resize", &["s", "", "", "sizes"], "r"),
        node("ConvTranspose", &["r", "u"], "t").with("strides", Attribute::Ints(vec![2, 2])),
        node("Reshape", &["t", "shape"], "h"),
        Node::new("Split", "Split", &["h"], &["t168", "rest"]).with("axis", Attribute::Int(1)),
    ];
    graph.initializers.clear();
    graph.initializers.insert("w".into(), Tensor::f32(&[4, 3, 3, 3], vec![0.5; 108]));
    graph.initializers.insert("u".into(), Tensor::f32(&[1, 2, 2, 2], vec![0.5; 8]));
    let ints: [(&str, &[i64]); 6] = [
        ("starts", &[-1]),
        ("ends", &[i64::MIN]),
        ("axes", &[2]),
        ("steps", &[-2]),
        ("sizes", &[1, 1, 8, 8]),
        ("shape", &[1, -1]),
    ];
    for (name, values) in ints {
        graph.initializers.insert(name.into(), Tensor::i64(&[values.len()], values.to_vec()));
    }
    model
}

/// Reads `bytes` and does with the model all that needs no inference; says how far it came.
fn look_at(bytes: &[u8]) -> usize {
    let Ok(mut model) = Model::from_bytes("changed", bytes) else { return 0 };
    let _ = model.fix_input_shapes(None);
    let Ok(shapes) = model.infer_shapes() else { return 1 };
    let _ = (cost::macs(&model.graph, &shapes), model.to_bytes());
    2
}

#[test]
fn the_small_model_is_whole() {
    assert_eq!(look_at(&small().to_bytes()), 2);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(2000))]

    /// Whatever a flipped byte does to a model, reading, shapes, costs and writing do not panic.
    #[test]
    fn flipped_bytes_never_panic(place in 0..2048usize, bits in 1..=255u8) {
        let mut bytes = small().to_bytes();
        let at = place % bytes.len();
        bytes[at] ^= bits;
        look_at(&bytes);
    }

    /// Nor do extreme numbers in attributes, constants and shapes.
    #[test]
    fn extreme_numbers_never_panic(
        which in 0..32usize,
        place in 0..4usize,
        value in proptest::sample::select(vec![0, 1, -1, 2, 1 << 15, 1 << 32, i64::MAX, i64::MIN, i64::MIN + 1]),
    ) {
        let mut model = small();
        let attributes = model.graph.nodes.iter_mut().flat_map(|node| node.attributes.values_mut());
        let lists = attributes.filter_map(|attribute| match attribute {
            Attribute::Ints(values) => Some(values),
            _ => None,
        });
        let constants = model.graph.initializers.values_mut().filter_map(|tensor| match &mut tensor.data {
            TensorData::I64(values) => Some(values),
            _ => None,
        });
        let mut lists: Vec<&mut Vec<i64>> = lists.chain(constants).collect();
        let count = lists.len();
        let list = &mut lists[which % count];
        let length = list.len();
        list[place % length] = value;
        if which == 31 {
            for node in &mut model.graph.nodes {
                node.attributes.insert("blocksize".into(), Attribute::Int(value));
                node.attributes.insert("group".into(), Attribute::Int(value));
                node.attributes.insert("axis".into(), Attribute::Int(value));
            }
        }
        look_at(&model.to_bytes());
    }
}

/// Each case changes the shipped model; the error must hold the word.
#[test]
fn contradictions_name_their_place() {
    type Change = fn(&mut Model);
    let cases: [(&str, Change, &str); 8] = [
        ("no output", |model| model.graph.outputs.clear(), "no outputs"),
        ("no nodes", |model| model.graph.nodes.clear(), "no nodes"),
        ("dangling input", |model| model.graph.nodes[5].inputs[0] = "nowhere".into(), "nowhere"),
        ("dangling output", |model| model.graph.outputs[0].name = "nowhere".into(), "nowhere"),
        (
            "written twice",
            |model| {
                let node = model.graph.nodes[9].clone();
                model.graph.nodes.push(node);
            },
            "written already",
        ),
        (
            "cycle",
            |model| {
                let last = model.graph.nodes.iter().rposition(|node| node.op == "Conv").unwrap_or(0);
                let output = model.graph.nodes[last].outputs[0].clone();
                let first = model.graph.nodes.iter().position(|node| node.op == "Conv").unwrap_or(0);
                model.graph.nodes[first].inputs[0] = output;
            },
            "cycle",
        ),
        (
            "old operator set",
            |model| {
                model.opsets.insert(String::new(), 5);
            },
            "operator set 5",
        ),
        (
            "odd tensor",
            |model| {
                if let Some(tensor) = model.graph.initializers.values_mut().next() {
                    tensor.shape = vec![3, 7];
                }
            },
            "elements",
        ),
    ];
    let mut failures = Vec::new();
    for (name, change, word) in cases {
        let mut model = Model::from_bytes("shipped", SHIPPED).unwrap();
        change(&mut model);
        match Model::from_bytes("changed", &model.to_bytes()) {
            Ok(_) => failures.push(format!("{name}: was read")),
            Err(error) if !error.to_string().contains(word) => failures.push(format!("{name}: {error}")),
            Err(OnnxError::Unsupported { .. } | OnnxError::Invalid { .. }) => {}
            Err(error) => failures.push(format!("{name}: of another kind: {error}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
