//! Reading what was written, and refusing what is not whole.

use super::{Model, OnnxError};

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

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(200))]

    /// Whatever a flipped byte does to a model, reading, shapes and writing it do not panic.
    #[test]
    fn flipped_bytes_never_panic(place in 0..4096usize, bits in 1..=255u8) {
        // Most of the file is weights; names and shapes are in its small start and end.
        let mut bytes = SHIPPED[..60_000].to_vec();
        let model = Model::from_bytes("shipped", SHIPPED).unwrap();
        let mut small = model.clone();
        small.graph.initializers.retain(|_, tensor| tensor.elements() < 64);
        small.graph.nodes.truncate(40);
        let mut valid = small.to_bytes();
        let at = place % valid.len();
        valid[at] ^= bits;
        bytes[place] ^= bits;
        for bytes in [&bytes, &valid] {
            if let Ok(mut model) = Model::from_bytes("flipped", bytes) {
                let _ = model.fix_input_shapes(Some((64, 64)));
                let _ = model.infer_shapes();
                let _ = model.to_bytes();
            }
        }
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
