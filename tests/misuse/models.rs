//! Files that are no models, models that contradict themselves, and models that are not for Sedge.

use std::fs;
use std::path::Path;

use sedge::onnx::{Attribute, DataType, Dim, Model, Node, Tensor};

use super::program::{FLOAT, INT8, project, report};
use super::{Case, check, nothing, picture, put, put_model, tiny};

const RUN_BAD: &str = "run --model bad.onnx --source synthetic:20x20@30:1";

#[test]
fn files_that_are_no_models() {
    let case = |name, prepare, says| Case { name, prepare, arguments: RUN_BAD, code: 1, says };
    check(vec![
        case("empty", |f| put(f, "bad.onnx", ""), &["bad.onnx", "empty", "export or copy it again"]),
        case(
            "text",
            |f| put(f, "bad.onnx", "hello, world\n".repeat(50)),
            &["bad.onnx", "not a whole ONNX model"],
        ),
        case(
            "a JPEG",
            |f| put(f, "bad.onnx", picture("photo-cat.jpg")),
            &["bad.onnx", "not a whole ONNX model"],
        ),
        case("zeros", |f| put(f, "bad.onnx", vec![0; 1000]), &["bad.onnx", "not a whole ONNX model"]),
        case(
            "an LFS pointer",
            |f| put(f, "bad.onnx", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
            &["bad.onnx"],
        ),
        case("a folder", |f| put(f, "bad.onnx/x", ""), &["bad.onnx", "directory"]),
        Case {
            name: "a device",
            prepare: nothing,
            arguments: "inspect /dev/zero",
            code: 1,
            says: &["/dev/zero", "it is a device"],
        },
        case("missing", nothing, &["bad.onnx", "no such file"]),
        case(
            "cut in the middle",
            |f| {
                let bytes = tiny::carded().to_bytes();
                put(f, "bad.onnx", &bytes[..bytes.len() / 2]);
            },
            &["bad.onnx", "not a whole ONNX model"],
        ),
        Case {
            name: "inspect",
            prepare: nothing,
            arguments: "inspect none.onnx",
            code: 1,
            says: &["none.onnx"],
        },
        Case {
            name: "inspect text",
            prepare: |f| put(f, "bad.onnx", "hello"),
            arguments: "inspect bad.onnx",
            code: 1,
            says: &["bad.onnx", "not a whole ONNX model"],
        },
    ]);
}

#[test]
fn models_that_contradict_themselves() {
    let case = |name, prepare, says| Case { name, prepare, arguments: RUN_BAD, code: 1, says };
    check(vec![
        case(
            "an unknown operator",
            |f| put_model(f, |m| m.graph.nodes[1].op = "Frobnicate".into()),
            &["bad.onnx", "node relu", "Frobnicate", "replace it"],
        ),
        case(
            "an operator of another domain",
            |f| {
                put_model(f, |m| {
                    m.opsets.insert("org.example".into(), 1);
                    m.graph.nodes[1].domain = "org.example".into();
                });
            },
            &["bad.onnx", "node relu", "org.example.Relu", "replace it"],
        ),
        case(
            "an input that nothing writes",
            |f| put_model(f, |m| m.graph.nodes[1].inputs[0] = "nowhere".into()),
            &["bad.onnx", "node relu", "nowhere", "nothing writes"],
        ),
        case(
            "an output that nothing writes",
            |f| put_model(f, |m| m.graph.outputs[0].name = "dangling".into()),
            &["bad.onnx", "dangling", "nothing writes it"],
        ),
        case(
            "a tensor written twice",
            |f| put_model(f, |m| m.graph.nodes[1].outputs[0] = "features".into()),
            &["bad.onnx", "node relu", "features", "written already"],
        ),
        case(
            "a cycle",
            |f| put_model(f, |m| m.graph.nodes[0].inputs[0] = "positive".into()),
            &["bad.onnx", "node first", "cycle"],
        ),
        case("no nodes", |f| put_model(f, |m| m.graph.nodes.clear()), &["bad.onnx", "no nodes"]),
        case("no outputs", |f| put_model(f, |m| m.graph.outputs.clear()), &["bad.onnx", "no outputs"]),
        case(
            "no inputs",
            |f| {
                put_model(f, |m| {
                    m.graph.inputs.clear();
                    m.graph.initializers.insert("image".into(), Tensor::f32(&[1, 3, 16, 16], vec![0.5; 768]));
                });
            },
            &["bad.onnx", "0 inputs"],
        ),
        case(
            "an old operator set",
            |f| put_model(f, |m| m.opsets.values_mut().for_each(|version| *version = 6)),
            &["bad.onnx", "operator set 6", "export"],
        ),
        case(
            "weights for other channels",
            |f| {
                put_model(f, |m| {
                    m.graph
                        .initializers
                        .insert("first_weight".into(), Tensor::f32(&[8, 5, 3, 3], vec![0.1; 360]));
                });
            },
            &["bad.onnx", "node first", "channels"],
        ),
        case(
            "a kernel larger than its input",
            |f| {
                put_model(f, |m| {
                    m.graph
                        .initializers
                        .insert("last_weight".into(), Tensor::f32(&[4, 8, 40, 40], vec![0.1; 51200]));
                });
            },
            &["bad.onnx", "node last"],
        ),
        case(
            "a bias of another length",
            |f| {
                put_model(f, |m| {
                    drop(m.graph.initializers.insert("first_bias".into(), Tensor::f32(&[5], vec![0.0; 5])))
                })
            },
            &["bad.onnx"],
        ),
        case(
            "a missing input",
            |f| put_model(f, |m| m.graph.nodes[0].inputs.truncate(1)),
            &["bad.onnx", "first"],
        ),
        case("no node inputs", |f| put_model(f, |m| m.graph.nodes[1].inputs.clear()), &["bad.onnx"]),
        case(
            "a stride of zero",
            |f| {
                put_model(f, |m| {
                    drop(m.graph.nodes[0].attributes.insert("strides".into(), Attribute::Ints(vec![0, 0])))
                })
            },
            &["bad.onnx", "node first"],
        ),
        case(
            "negative padding without end",
            |f| {
                put_model(f, |m| {
                    drop(m.graph.nodes[0].attributes.insert("pads".into(), Attribute::Ints(vec![-40; 4])))
                })
            },
            &["bad.onnx", "node first"],
        ),
        case(
            "groups that do not divide",
            |f| put_model(f, |m| drop(m.graph.nodes[0].attributes.insert("group".into(), Attribute::Int(2)))),
            &["bad.onnx", "node first"],
        ),
    ]);
}

#[test]
fn models_that_are_not_for_sedge() {
    let case = |name, prepare, says| Case { name, prepare, arguments: RUN_BAD, code: 1, says };
    let with = |name, prepare, arguments, says| Case { name, prepare, arguments, code: 1, says };
    check(vec![
        case(
            "channels last",
            |f| put_model(f, |m| m.graph.inputs[0] = tiny::value("image", &[1, 16, 16, 3])),
            &["bad.onnx", "image", "channels last", "--inputs-as-nchw"],
        ),
        case(
            "two inputs",
            |f| put_model(f, |m| m.graph.inputs.push(tiny::value("other", &[1]))),
            &["bad.onnx", "2 inputs", "one image"],
        ),
        case(
            "bytes in",
            |f| put_model(f, |m| m.graph.inputs[0].data_type = DataType::U8),
            &["bad.onnx", "image is u8", "f32"],
        ),
        case(
            "half floats in",
            |f| put_model(f, |m| m.graph.inputs[0].data_type = DataType::Other(10)),
            &["bad.onnx", "f16", "f32"],
        ),
        case(
            "an input of no size",
            |f| {
                put_model(f, |m| {
                    let open = |name: &str| Dim::Symbol(name.into());
                    m.graph.inputs[0].shape = Some(vec![open("n"), Dim::Fixed(3), open("h"), open("w")]);
                });
            },
            &["bad.onnx", "image", "--size HEIGHTxWIDTH"],
        ),
        case(
            "an input without shape",
            |f| put_model(f, |m| m.graph.inputs[0].shape = None),
            &["bad.onnx", "image", "no shape"],
        ),
        case(
            "a batch",
            |f| put_model(f, |m| m.graph.inputs[0] = tiny::value("image", &[8, 3, 16, 16])),
            &["bad.onnx", "[8, 3, 16, 16]", "one image"],
        ),
        case(
            "class numbers out",
            |f| {
                put_model(f, |m| {
                    m.graph.nodes.push(
                        Node::new("best", "ArgMax", &["logits"], &["ids"]).with("axis", Attribute::Int(1)),
                    );
                    m.graph.outputs[0] = tiny::value("ids", &[1, 1, 16, 16]);
                    m.graph.outputs[0].data_type = DataType::I64;
                });
            },
            &["bad.onnx", "output ids", "without its ArgMax"],
        ),
        case(
            "a classifier",
            |f| {
                put_model(f, |m| {
                    m.graph.nodes.push(Node::new("pool", "GlobalAveragePool", &["logits"], &["pooled"]));
                    m.graph.nodes.push(Node::new("flat", "Flatten", &["pooled"], &["scores"]));
                    m.graph.outputs[0] = tiny::value("scores", &[1, 4]);
                });
            },
            &["bad.onnx", "output scores", "[1, 4]", "[1, classes, height, width]"],
        ),
        case(
            "more classes than a mask holds",
            |f| {
                put_model(f, |m| {
                    m.metadata.remove("sedge.classes");
                    m.graph
                        .initializers
                        .insert("last_weight".into(), Tensor::f32(&[300, 8, 1, 1], vec![0.1; 2400]));
                    m.graph.outputs[0] = tiny::value("logits", &[1, 300, 16, 16]);
                });
            },
            &["300"],
        ),
        case(
            "a broken card inside",
            |f| put_model(f, |m| drop(m.metadata.insert("sedge.input".into(), "{".into()))),
            &["bad.onnx", "sedge.input", "card"],
        ),
        case(
            "an unknown field in the card",
            |f| {
                put_model(f, |m| {
                    drop(m.metadata.insert("sedge.provenance".into(), r#"{"origin":1}"#.into()))
                });
            },
            &["bad.onnx", "sedge.provenance", "origin"],
        ),
        case(
            "a std of zero in the card",
            |f| {
                put_model(f, |m| {
                    let text =
                        m.metadata["sedge.input"].replace("\"std\":[0.5,0.5,0.5]", "\"std\":[0,0.5,0.5]");
                    m.metadata.insert("sedge.input".into(), text);
                });
            },
            &["bad.onnx", "std", "above 0"],
        ),
        with(
            "a card beside it that is no card",
            |f| put(f, "net.card.json", "{\"classes\": 3}"),
            "run --model net.onnx",
            &["net.card.json", "line 1"],
        ),
        with("a missing card", nothing, "run --model net.onnx --card no.json", &["no.json", "no such file"]),
        with(
            "three names for four classes",
            |f| put(f, "three.txt", "a\nb\nc\n"),
            "run --model net.onnx --classes three.txt",
            &["net.onnx", "4 classes", "3 are named", "--classes"],
        ),
        with(
            "no names",
            |f| put(f, "no.txt", "\n\n"),
            "run --model net.onnx --classes no.txt",
            &["no.txt", "one name a line"],
        ),
        with(
            "names that are missing",
            nothing,
            "run --model net.onnx --classes no.txt",
            &["no.txt", "no such file"],
        ),
        with(
            "names that are no text",
            |f| put(f, "no.txt", [0xff, 0xfe, 0]),
            "run --model net.onnx --classes no.txt",
            &["no.txt"],
        ),
        with(
            "too many names",
            |f| put(f, "many.txt", "x\n".repeat(300)),
            "run --model net.onnx --classes many.txt",
            &["many.txt", "300", "256"],
        ),
        with(
            "no card and no options",
            |f| tiny::bare().write(&f.join("bare.onnx")).expect("a model"),
            "run --model bare.onnx",
            &["bare.onnx", "--mean", "--std", "--card"],
        ),
        Case {
            name: "no card and --mean alone",
            prepare: |f| tiny::bare().write(&f.join("bare.onnx")).expect("a model"),
            arguments: "run --model bare.onnx --mean 0,0,0",
            code: 2,
            says: &["--mean and --std"],
        },
        with("two means", nothing, "run --model net.onnx --mean 0,0", &["mean has 2 values", "3 channel"]),
        with("a std of zero", nothing, "run --model net.onnx --std 1,0,1", &["std", "above 0"]),
        with("a mean that is no number", nothing, "run --model net.onnx --mean nan,0,0", &["mean", "NaN"]),
        with(
            "gray for three channels",
            nothing,
            "run --model net.onnx --color gray",
            &["mean has 3 values", "1 channel"],
        ),
        with(
            "gray for three channels, all said",
            nothing,
            "run --model net.onnx --color gray --mean 0 --std 1",
            &["net.onnx", "3 channels", "--color"],
        ),
    ]);
}

/// What the library's own model type cannot hold, so as protocol buffers.
#[test]
fn models_with_parts_outside_sedge() {
    use prost::Message;
    use tract_onnx::pb;

    fn put_proto(folder: &Path, change: fn(&mut pb::GraphProto)) {
        let mut proto = pb::ModelProto::decode(tiny::carded().to_bytes().as_slice()).expect("a model");
        change(proto.graph.as_mut().expect("a graph"));
        put(folder, "bad.onnx", proto.encode_to_vec());
    }
    let case = |name, prepare, says| Case { name, prepare, arguments: RUN_BAD, code: 1, says };
    check(vec![
        case(
            "weights in another file",
            |f| {
                put_proto(f, |graph| {
                    let tensor = &mut graph.initializer[0];
                    tensor.raw_data.clear();
                    tensor.data_location = Some(1);
                });
            },
            &["bad.onnx", "first_bias", "another file", "save_as_external_data=False"],
        ),
        case(
            "a subgraph",
            |f| {
                put_proto(f, |graph| {
                    let attribute = pb::AttributeProto {
                        name: "body".into(),
                        r#type: pb::attribute_proto::AttributeType::Graph as i32,
                        g: Some(pb::GraphProto::default()),
                        ..Default::default()
                    };
                    graph.node[1].attribute.push(attribute);
                });
            },
            &["bad.onnx", "node relu", "subgraph", "control flow"],
        ),
        case(
            "fewer weights than the shape says",
            |f| put_proto(f, |graph| graph.initializer[0].dims = vec![9]),
            &["bad.onnx", "first_bias", "9"],
        ),
        case(
            "a shape beyond all memory",
            |f| put_proto(f, |graph| graph.initializer[0].dims = vec![1 << 40, 1 << 40]),
            &["bad.onnx", "first_bias", "impossible"],
        ),
        case(
            "a negative size",
            |f| put_proto(f, |graph| graph.initializer[0].dims = vec![-8]),
            &["bad.onnx", "first_bias", "-8"],
        ),
        case(
            "an input beyond all memory",
            |f| {
                put_proto(f, |graph| {
                    use pb::tensor_shape_proto::dimension::Value;
                    let Some(pb::type_proto::Value::TensorType(tensor)) =
                        graph.input[0].r#type.as_mut().and_then(|kind| kind.value.as_mut())
                    else {
                        panic!("the input is a tensor");
                    };
                    for dimension in tensor.shape.as_mut().expect("a shape").dim.iter_mut().skip(2) {
                        dimension.value = Some(Value::DimValue(1 << 40));
                    }
                });
            },
            &["bad.onnx", "image", "16384"],
        ),
        case(
            "sparse weights",
            |f| put_proto(f, |graph| graph.sparse_initializer.push(Default::default())),
            &["bad.onnx", "sparse", "dense"],
        ),
    ]);
}

/// A shipped model that is cut off anywhere is refused, by the library and so by every command.
#[test]
fn cut_models_are_refused() {
    let mut failures = Vec::new();
    for path in [INT8, FLOAT] {
        let bytes = fs::read(project(path)).expect("a model");
        let cuts = (0..40).map(|part| bytes.len() * part / 40).chain([1, 2, 3, bytes.len() - 1]);
        for cut in cuts {
            if let Ok(model) = Model::from_bytes("cut.onnx", &bytes[..cut]) {
                failures
                    .push(format!("{path} cut to {cut} bytes reads as {} nodes", model.graph.nodes.len()));
            }
        }
    }
    report(failures);
}

/// Whatever byte of a model is changed, the library answers with a model or an error: it neither panics nor aborts.
#[test]
fn changed_bytes_never_panic() {
    use sedge::onnx::Card;
    use sedge::pipeline::{MaskSize, Segmenter};
    let bytes = tiny::carded().to_bytes();
    let frame = sedge::camera::open("synthetic:20x20@30:1").expect("a pattern").next_frame();
    let frame = frame.expect("a frame").expect("a whole frame");
    let mut failures = Vec::new();
    let mut refused = 0;
    // Steps that have no common factor reach every part of the file with every change.
    for (at, change) in (0..bytes.len()).step_by(3).zip([0x01u8, 0x80, 0xff, 0x08, 0x7f].into_iter().cycle())
    {
        let mut changed = bytes.clone();
        changed[at] ^= change;
        let outcome = std::panic::catch_unwind(|| {
            let model = Model::from_bytes("changed.onnx", &changed).map_err(|error| error.to_string())?;
            let card = Card::of(&model).map_err(|error| error.to_string())?;
            let mut segmenter =
                Segmenter::new(&model, &card, MaskSize::Frame).map_err(|error| error.to_string())?;
            segmenter.segment(&frame, &mut Default::default()).map_err(|error| error.to_string())
        });
        match outcome {
            Err(_) => failures.push(format!("byte {at} ^ {change:#x} panics")),
            Ok(Err(error)) if error.contains('\n') => {
                failures.push(format!("byte {at} ^ {change:#x}: {error:?}"))
            }
            Ok(Err(_)) => refused += 1,
            Ok(Ok(_)) => {}
        }
    }
    assert!(refused > 50, "only {refused} changes are noticed: does this test still change what matters?");
    report(failures);
}
