//! Wrong models, sources, folders and options: an exit code, one line that names the place and says what to do, and
//! never a panic.

mod program;
mod tiny;

use std::fs;
use std::path::Path;
use std::process::Command;

use program::{CALIBRATION, CLIP, Outcome, finish, masks, project, report, run, sedge, y4m};
use sedge::onnx::{Attribute, DataType, Dim, Model, Node, Tensor};

/// A wrong use and what comes of it.
struct Case {
    name: &'static str,
    /// Puts files into the fresh folder, which holds `net.onnx`, a sound tiny model with a card.
    prepare: fn(&Path),
    arguments: &'static str,
    code: i32,
    /// What standard error must say, whatever its case.
    says: &'static [&'static str],
}

fn nothing(_: &Path) {}

/// Runs all cases and reports those that end otherwise: another exit code, more or less than one line that begins
/// with `error:`, a panic, missing words.
fn check(cases: Vec<Case>) {
    let mut failures = Vec::new();
    for case in cases {
        let folder = tempfile::tempdir().expect("a temporary folder");
        tiny::carded().write(&folder.path().join("net.onnx")).expect("a model");
        (case.prepare)(folder.path());
        let outcome = run(folder.path(), case.arguments);
        failures.extend(complaint(&outcome, case.code, case.says).map(|c| {
            format!("{} ({}): {c}\nexit code {:?}\n{}", case.name, case.arguments, outcome.code, outcome.err)
        }));
    }
    report(failures);
}

/// What is wrong with how the program refused.
fn complaint(outcome: &Outcome, code: i32, says: &[&str]) -> Option<String> {
    let text = outcome.err.to_lowercase();
    let lines = outcome.complaints();
    if outcome.code != Some(code) {
        Some(format!("wanted exit code {code}"))
    } else if text.contains("panicked") {
        Some("panicked".into())
    } else if code == 1 && !(lines.len() == 1 && lines[0].starts_with("error: ")) {
        Some("wanted one line that begins with error:".into())
    } else if code == 0 && !lines.is_empty() {
        Some("wanted no complaint".into())
    } else if let Some(line) = lines.iter().find(|line| says_twice(line)) {
        Some(format!("says a thing twice: {line}"))
    } else {
        let missing: Vec<_> = says.iter().filter(|word| !text.contains(&word.to_lowercase())).collect();
        (!missing.is_empty()).then(|| format!("does not say {missing:?}"))
    }
}

/// Whether the end of a message repeats what comes before it.
fn says_twice(line: &str) -> bool {
    line.rsplit_once(": ").is_some_and(|(before, end)| before.contains(end))
}

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(path, bytes).expect("a file");
}

/// Writes the tiny model, changed, as `bad.onnx`.
fn put_model(folder: &Path, change: fn(&mut Model)) {
    let mut model = tiny::carded();
    change(&mut model);
    model.write(&folder.join("bad.onnx")).expect("a model");
}

fn picture(name: &str) -> Vec<u8> {
    fs::read(project(CALIBRATION).join(name)).expect("a picture")
}

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
        with(
            "no card and --mean alone",
            |f| tiny::bare().write(&f.join("bare.onnx")).expect("a model"),
            "run --model bare.onnx --mean 0,0,0",
            &["--mean and --std"],
        ),
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

#[test]
fn sources_that_give_nothing() {
    let case = |name, prepare, arguments, says| Case { name, prepare, arguments, code: 1, says };
    check(vec![
        case(
            "missing",
            nothing,
            "run --model net.onnx --source none.avi",
            &["none.avi", "neither a file nor a folder"],
        ),
        case(
            "an empty folder",
            |f| fs::create_dir(f.join("d")).expect("a folder"),
            "run --model net.onnx --source d",
            &["d: ", ".jpg"],
        ),
        case(
            "an empty file",
            |f| put(f, "x.avi", ""),
            "run --model net.onnx --source x.avi",
            &["x.avi", "empty"],
        ),
        case(
            "a picture that is none",
            |f| put(f, "x.jpg", [0xff, 0xd8, 0xff, 0xe0, 0, 0]),
            "run --model net.onnx --source x.jpg",
            &["x.jpg", "cannot be decoded"],
        ),
        case(
            "a cut picture",
            |f| put(f, "x.jpg", &picture("photo-cat.jpg")[..4000]),
            "run --model net.onnx --source x.jpg",
            &["x.jpg", "ends in the middle"],
        ),
        case(
            "a folder of broken pictures",
            |f| {
                put(f, "d/1.png", "x");
                put(f, "d/2.jpg", "");
            },
            "run --model net.onnx --source d",
            &["d: gave no whole frame", "skipped: d/1.png", "skipped: d/2.jpg"],
        ),
        case(
            "a camera",
            nothing,
            "run --model net.onnx --source v4l:/dev/video0",
            &["v4l:/dev/video0", "no camera support", "ffmpeg"],
        ),
        case(
            "a pattern without size",
            nothing,
            "run --model net.onnx --source synthetic:wide",
            &["synthetic:wide", "for example"],
        ),
        case(
            "a pattern without pixels",
            nothing,
            "run --model net.onnx --source synthetic:0x8@30",
            &["0x8", "no pixels"],
        ),
        case(
            "a pattern without end",
            nothing,
            "run --model net.onnx --source synthetic:99999x8@30",
            &["too large"],
        ),
        case(
            "nothing on standard input",
            nothing,
            "run --model net.onnx --source -",
            &["standard input", "empty"],
        ),
        case(
            "a clip that is none",
            |f| put(f, "x.y4m", "hello\n"),
            "run --model net.onnx --source x.y4m",
            &["x.y4m", "YUV4MPEG2"],
        ),
        case(
            "an AVI that ends in its header",
            |f| {
                put(f, "x.avi", &fs::read(project(CLIP)).expect("the clip")[..100]);
            },
            "run --model net.onnx --source x.avi",
            &["x.avi", "ends in the middle of frame 0"],
        ),
    ]);
}

#[test]
fn folders_that_cannot_take_masks() {
    let case = |name, prepare, arguments, says| Case { name, prepare, arguments, code: 1, says };
    let clip = "run --model net.onnx --source synthetic:20x20@30:1";
    let with = |options: &str| -> &'static str { format!("{clip} {options}").leak() };
    fn earlier(folder: &Path) {
        assert_eq!(run(folder, "run --model net.onnx --source synthetic:20x20@30:2 --out m").failure(), None);
    }
    check(vec![
        case("a file in its place", |f| put(f, "m", "x"), with("--out m"), &["m: ", "choose another --out"]),
        case("below a file", |f| put(f, "m", "x"), with("--out m/n"), &["m/n: ", "choose another --out"]),
        case("a file named masks", |f| put(f, "masks", "x"), with(""), &["masks: ", "choose another --out"]),
        case("where nobody can write", nothing, with("--out /proc/masks"), &["/proc/masks"]),
        case(
            "an earlier run",
            earlier,
            with("--out m"),
            &["m holds", "--overwrite", "--append", "m-2 is free"],
        ),
        case(
            "an earlier run of other classes",
            |f| {
                earlier(f);
                put(f, "names.txt", "a\nb\nc\nd\n");
            },
            with("--out m --append --classes names.txt"),
            &["m/classes.json", "another --out"],
        ),
        case(
            "a damaged index",
            |f| {
                earlier(f);
                let index = fs::read_to_string(f.join("m/index.jsonl")).expect("an index");
                put(f, "m/index.jsonl", format!("x{index}"));
            },
            with("--out m --append"),
            &["m/index.jsonl", "line 1"],
        ),
    ]);
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let cases = [
        ("", &["Usage:", "run"][..]),
        ("fly", &["fly"]),
        ("run --fly", &["--fly", "Usage:"]),
        ("run masks", &["masks", "Usage:"]),
        ("run --overwrite --append", &["--overwrite", "--append"]),
        ("run --size nonsense", &["--size", "HEIGHTxWIDTH", "256x320"]),
        ("run --size 0x20", &["--size", "256x320"]),
        ("run --frames many", &["--frames", "many"]),
        ("run --frames -1", &["-1"]),
        ("run --mask-size huge", &["huge", "network"]),
        ("run --color red", &["red", "rgb"]),
        ("run --mean a,b,c", &["--mean", "invalid"]),
        ("run --out", &["--out", "value"]),
        ("convert net.onnx --calibration d", &["--output"]),
        ("convert net.onnx -o out.onnx", &["--calibration"]),
        ("convert net.onnx -o out.onnx --calibration d --method best", &["best", "mse"]),
        ("convert net.onnx -o out.onnx --calibration d --percentile 20", &["--percentile", "above 50"]),
        ("convert net.onnx -o out.onnx --calibration d --activations s4", &["s4", "u8"]),
        ("convert net.onnx -o out.onnx --calibration d --max-drop 1", &["--validate"]),
        ("eval", &["--data"]),
        ("bench --seconds -1", &["-1"]),
        ("bench --seconds long", &["long", "number of seconds"]),
        ("bench --frame 20", &["HEIGHTxWIDTH"]),
    ];
    check(
        cases
            .into_iter()
            .map(|(arguments, says)| Case { name: "usage", prepare: nothing, arguments, code: 2, says })
            .collect(),
    );
}

/// Puts four sound pictures into `d`.
fn put_pictures(folder: &Path) {
    for name in ["cars-6.jpg", "photo-cat.jpg", "street-5.jpg", "room-56.jpg"] {
        put(folder, &format!("d/{name}"), picture(name));
    }
}

#[test]
fn conversions_that_cannot_be() {
    let convert = "convert bad.onnx -o out.onnx --calibration d";
    let case = |name, prepare, arguments, says| Case { name, prepare, arguments, code: 1, says };
    fn with_pictures(folder: &Path, change: fn(&mut Model)) {
        put_pictures(folder);
        put_model(folder, change);
    }
    fn convert_well(folder: &Path, output: &str) {
        put_pictures(folder);
        assert_eq!(run(folder, &format!("convert net.onnx -o {output} --calibration d")).failure(), None);
    }
    fn put_data(folder: &Path) {
        put_pictures(folder);
        put(folder, "data/META.json", r#"{"classes": ["background", "bird"]}"#);
        put(folder, "data/val/images/a.jpg", picture("photo-cat.jpg"));
        let mask = image::GrayImage::from_fn(320, 213, |x, _| image::Luma([u8::from(x > 99)]));
        fs::create_dir_all(folder.join("data/val/masks")).expect("a folder");
        mask.save(folder.join("data/val/masks/a.png")).expect("a mask");
    }
    check(vec![
        case(
            "onto itself",
            put_pictures,
            "convert net.onnx -o net.onnx --calibration d",
            &["net.onnx", "float model itself", "-o"],
        ),
        case(
            "onto itself, said otherwise",
            put_pictures,
            "convert net.onnx -o ./d/../net.onnx --calibration d",
            &["net.onnx", "float model itself"],
        ),
        case(
            "a calibration folder of nothing",
            |f| fs::create_dir(f.join("d")).expect("a folder"),
            "convert net.onnx -o out.onnx --calibration d",
            &["d: ", ".jpg"],
        ),
        case(
            "a missing calibration folder",
            nothing,
            "convert net.onnx -o out.onnx --calibration d",
            &["\"d\"", "neither a file nor a folder"],
        ),
        case(
            "broken calibration pictures",
            |f| put(f, "d/a.jpg", "x"),
            "convert net.onnx -o out.onnx --calibration d",
            &["d/a.jpg", "broken"],
        ),
        case(
            "one broken calibration picture",
            |f| {
                put_pictures(f);
                put(f, "d/street-6.jpg", "x");
            },
            "convert net.onnx -o out.onnx --calibration d",
            &["d/street-6.jpg", "broken"],
        ),
        case(
            "calibration without end",
            nothing,
            "convert net.onnx -o out.onnx --calibration synthetic:20x20@30",
            &["synthetic:20x20@30", "--frames"],
        ),
        case(
            "calibration from a pipe",
            nothing,
            "convert net.onnx -o out.onnx --calibration -",
            &["--calibration", "twice"],
        ),
        case(
            "no folder for the output",
            put_pictures,
            "convert net.onnx -o no/out.onnx --calibration d",
            &["no/out.onnx", "make it first"],
        ),
        case(
            "a folder in the output's place",
            put_pictures,
            "convert net.onnx -o d --calibration d",
            &["d: "],
        ),
        case(
            "quantized already",
            |f| {
                convert_well(f, "bad.onnx");
            },
            convert,
            &["bad.onnx", "quantized already", "float model"],
        ),
        case(
            "nothing to quantize",
            |f| {
                with_pictures(f, |m| {
                    m.graph.nodes = vec![Node::new("relu", "Relu", &["image"], &["logits"])];
                    m.graph.initializers.clear();
                    m.graph.outputs[0] = tiny::value("logits", &[1, 3, 16, 16]);
                });
            },
            convert,
            &["bad.onnx", "no convolution", "to quantize"],
        ),
        case(
            "weights that are not numbers",
            |f| {
                with_pictures(f, |m| {
                    drop(
                        m.graph
                            .initializers
                            .insert("last_weight".into(), Tensor::f32(&[4, 8, 1, 1], vec![f32::NAN; 32])),
                    )
                });
            },
            convert,
            &["bad.onnx", "not finite", "broken"],
        ),
        case(
            "weights that are endless",
            |f| {
                with_pictures(f, |m| {
                    drop(
                        m.graph
                            .initializers
                            .insert("first_bias".into(), Tensor::f32(&[8], vec![f32::INFINITY; 8])),
                    )
                });
            },
            convert,
            &["bad.onnx", "not finite", "broken"],
        ),
        case(
            "an unknown operator",
            |f| with_pictures(f, |m| m.graph.nodes[1].op = "Frobnicate".into()),
            convert,
            &["bad.onnx", "node relu", "Frobnicate"],
        ),
        case(
            "an old operator set",
            |f| with_pictures(f, |m| m.opsets.values_mut().for_each(|version| *version = 9)),
            convert,
            &["bad.onnx", "operator set 9", "13 or newer"],
        ),
        case(
            "no card",
            |f| {
                put_pictures(f);
                tiny::bare().write(&f.join("bad.onnx")).expect("a model");
            },
            convert,
            &["bad.onnx", "--mean", "--card"],
        ),
        case(
            "a drop beyond the limit",
            put_data,
            "convert net.onnx -o out.onnx --calibration d --validate data --max-drop=-100",
            &["--max-drop", "out.onnx is not written"],
        ),
        case(
            "validation data that are missing",
            put_pictures,
            "convert net.onnx -o out.onnx --calibration d --validate data",
            &["data", "META.json"],
        ),
    ]);
}

/// A conversion that is refused leaves no file behind, not even a part of one, and the float model as it was.
#[test]
fn refused_conversions_leave_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let float = tiny::carded().to_bytes();
    put(folder.path(), "net.onnx", &float);
    put_pictures(folder.path());
    put(folder.path(), "d/zz.jpg", "x");
    let outcome = run(folder.path(), "convert net.onnx -o out.onnx --calibration d");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").flatten().map(|file| file.file_name()).collect();
    names.sort();
    assert_eq!(names, ["d", "net.onnx"]);
    assert_eq!(fs::read(folder.path().join("net.onnx")).expect("the model"), float);
}

#[test]
fn data_that_cannot_be_measured_on() {
    fn put_data(folder: &Path, meta: &str, image: &str, mask: Option<(u32, u32, u8)>) {
        put(folder, "data/META.json", meta);
        put(folder, &format!("data/test/images/{image}"), picture("photo-cat.jpg"));
        fs::create_dir_all(folder.join("data/test/masks")).expect("a folder");
        if let Some((width, height, id)) = mask {
            let mask = image::GrayImage::from_pixel(width, height, image::Luma([id]));
            mask.save(folder.join("data/test/masks/a.png")).expect("a mask");
        }
    }
    const META: &str = r#"{"classes": ["background", "bird"]}"#;
    let eval = "eval --model net.onnx --data data";
    let case = |name, prepare, says| Case { name, prepare, arguments: eval, code: 1, says };
    check(vec![
        case("missing", nothing, &["data", "META.json"]),
        case(
            "no META.json",
            |f| put(f, "data/test/images/a.jpg", picture("photo-cat.jpg")),
            &["data", "META.json"],
        ),
        case(
            "a META.json of nothing",
            |f| put_data(f, "", "a.jpg", Some((320, 213, 1))),
            &["data/META.json", "classes"],
        ),
        case(
            "a META.json without classes",
            |f| put_data(f, "{}", "a.jpg", Some((320, 213, 1))),
            &["data/META.json", "classes"],
        ),
        case(
            "no class in common",
            |f| put_data(f, r#"{"classes": ["background", "boat"]}"#, "a.jpg", Some((320, 213, 1))),
            &["no class in common", "boat", "bird"],
        ),
        case(
            "no background",
            |f| put_data(f, r#"{"classes": ["bird", "cat"]}"#, "a.jpg", Some((320, 213, 1))),
            &["background"],
        ),
        case(
            "masks of another size",
            |f| put_data(f, META, "a.jpg", Some((20, 256, 1))),
            &["data/test/masks/a.png", "20x256", "320x213"],
        ),
        case(
            "ids of no class",
            |f| put_data(f, META, "a.jpg", Some((320, 213, 7))),
            &["data/test/masks/a.png", "id 7"],
        ),
        case(
            "no mask",
            |f| put_data(f, META, "a.jpg", None),
            &["data/test/images/a.jpg", "data/test/masks/a.png is missing"],
        ),
        case(
            "a mask of colors",
            |f| {
                put_data(f, META, "a.jpg", None);
                image::RgbImage::new(320, 213).save(f.join("data/test/masks/a.png")).expect("a mask");
            },
            &["data/test/masks/a.png", "not class ids"],
        ),
        case(
            "a cut mask",
            |f| {
                put_data(f, META, "a.jpg", Some((320, 213, 1)));
                let bytes = fs::read(f.join("data/test/masks/a.png")).expect("a mask");
                put(f, "data/test/masks/a.png", &bytes[..bytes.len() / 2]);
            },
            &["data/test/masks/a.png", "not a whole PNG"],
        ),
        case(
            "a broken picture",
            |f| {
                put_data(f, META, "a.jpg", Some((320, 213, 1)));
                put(f, "data/test/images/a.jpg", "x");
            },
            &["data/test/images/a.jpg", "cannot be decoded"],
        ),
        Case {
            name: "no such split",
            prepare: |f| put_data(f, META, "a.jpg", Some((320, 213, 1))),
            arguments: "eval --model net.onnx --data data --split val",
            code: 1,
            says: &["data/val/images"],
        },
    ]);
}

/// A source that breaks on its way: every whole frame has its mask.
#[test]
fn whole_frames_of_broken_sources_are_kept() {
    /// Places of the frames' chunks in the clip: start and length of the JPEG.
    fn chunks(clip: &[u8]) -> Vec<(usize, usize)> {
        let frames = clip.windows(4).position(|four| four == b"movi").expect("a list of frames");
        let heads = (frames..clip.len() - 8).filter(|&at| &clip[at..at + 4] == b"00dc");
        let size = |at: usize| u32::from_le_bytes(clip[at + 4..at + 8].try_into().expect("4 bytes")) as usize;
        // The clip's own index repeats the name with other numbers after it; frames come first.
        heads.map(|at| (at + 8, size(at))).take(90).collect()
    }
    fn clip() -> Vec<u8> {
        fs::read(project(CLIP)).expect("the clip")
    }
    struct Broken {
        name: &'static str,
        prepare: fn(&Path),
        options: &'static str,
        code: i32,
        says: &'static [&'static str],
        frames: &'static [u64],
    }
    let cases = [
        Broken {
            name: "a clip cut within a frame",
            prepare: |f| {
                let clip = clip();
                let (start, size) = chunks(&clip)[3];
                put(f, "x.avi", &clip[..start + size / 2]);
            },
            options: "--source x.avi",
            code: 1,
            says: &["x.avi", "ends in the middle of frame 3"],
            frames: &[0, 1, 2],
        },
        Broken {
            name: "a broken JPEG within a clip",
            prepare: |f| {
                let mut clip = clip();
                let (start, _) = chunks(&clip)[1];
                clip[start..start + 200].fill(0);
                put(f, "x.avi", clip);
            },
            options: "--source x.avi --frames 3",
            code: 0,
            says: &["skipped: x.avi: frame 1 is broken"],
            frames: &[0, 2, 3],
        },
        Broken {
            name: "a pipe cut within a frame",
            prepare: |f| {
                let stream = y4m(20, 20, 3);
                put(f, "x.y4m", &stream[..stream.len() - 7]);
            },
            options: "--source x.y4m",
            code: 1,
            says: &["x.y4m", "ends in the middle of frame 2"],
            frames: &[0, 1],
        },
        Broken {
            name: "a broken picture within a folder",
            prepare: |f| {
                put_pictures(f);
                put(f, "d/d.png", "x");
                put(f, "d/notes.txt", "x");
            },
            options: "--source d",
            code: 0,
            says: &["skipped: d/d.png"],
            frames: &[0, 2, 3, 4],
        },
    ];
    let mut failures = Vec::new();
    for case in cases {
        let folder = tempfile::tempdir().expect("a temporary folder");
        tiny::carded().write(&folder.path().join("net.onnx")).expect("a model");
        (case.prepare)(folder.path());
        let outcome = run(folder.path(), &format!("run --model net.onnx {}", case.options));
        failures.extend(
            complaint(&outcome, case.code, case.says).map(|c| format!("{}: {c}\n{}", case.name, outcome.err)),
        );
        let numbers = masks(&folder.path().join("masks"))
            .map(|masks| masks.iter().filter_map(|mask| mask.entry["frame"].as_u64()).collect::<Vec<_>>());
        if numbers.as_deref() != Ok(case.frames) {
            failures.push(format!("{}: masks of frames {numbers:?}, not {:?}", case.name, case.frames));
        }
        let counts_broken = outcome.out.contains("1 broken and skipped");
        if counts_broken != (case.code == 0) {
            failures.push(format!("{}: counts broken frames otherwise:\n{}", case.name, outcome.out));
        }
    }
    report(failures);
}

#[test]
fn a_missing_ffmpeg_is_named() {
    let mut failures = Vec::new();
    for source in ["x.mp4", "rtsp://127.0.0.1:9/camera"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        tiny::carded().write(&folder.path().join("net.onnx")).expect("a model");
        put(folder.path(), "x.mp4", [0, 0, 0, 24, b'f', b't', b'y', b'p', b'i', b's', b'o', b'm']);
        let mut command = sedge(folder.path(), &format!("run --model net.onnx --source {source}"));
        command.env("PATH", folder.path());
        let outcome = finish(command, b"");
        failures.extend(
            complaint(&outcome, 1, &[source, "ffmpeg", "apt install ffmpeg"])
                .map(|c| format!("{source}: {c}\n{}", outcome.err)),
        );
    }
    report(failures);
}

/// The system refuses a write in the middle of a run, as a full disk does: masks before are whole and listed, nothing
/// of the frame itself is left, and the error names the file. A limit on the size of files needs no root.
#[test]
fn a_write_that_fails_ends_the_run_with_whole_masks() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    tiny::carded().write(&folder.path().join("net.onnx")).expect("a model");
    // The mask of the second picture is larger than the limit of 16 KiB.
    image::RgbImage::new(32, 32).save(folder.path().join("1.png")).expect("a picture");
    let large =
        image::RgbImage::from_fn(900, 900, |x, y| image::Rgb([(x * y) as u8, (x ^ y) as u8, (x * 7) as u8]));
    fs::create_dir(folder.path().join("d")).expect("a folder");
    fs::rename(folder.path().join("1.png"), folder.path().join("d/1.png")).expect("a move");
    large.save(folder.path().join("d/2.png")).expect("a picture");
    let line = format!(
        "trap '' XFSZ; ulimit -f 16; exec {} run --model net.onnx --source d --overlay",
        env!("CARGO_BIN_EXE_sedge")
    );
    let mut bash = Command::new("bash");
    bash.args(["-c", &line]).current_dir(folder.path());
    let outcome = finish(bash, b"");
    assert_eq!(complaint(&outcome, 1, &["cannot write masks/2"]), None, "{outcome:?}");
    let masks = masks(&folder.path().join("masks")).expect("whole masks, no leftovers");
    assert_eq!(masks.len(), 1);
    assert!(outcome.out.starts_with("1 frames in "), "{}", outcome.out);
}

/// A shipped model that is cut off anywhere is refused, by the library and so by every command.
#[test]
fn cut_models_are_refused() {
    let mut failures = Vec::new();
    for path in [program::INT8, program::FLOAT] {
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
