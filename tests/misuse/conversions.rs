//! Conversions that cannot be, and what they leave behind.

use std::fs;
use std::path::Path;

use sedge::onnx::{Model, Node, Tensor};

use super::program::run;
use super::{Case, check, complaint, nothing, picture, put, put_model, put_pictures, tiny};

/// Puts pictures into `d`, data to validate on into `data`, and `bad.onnx`, a network whose classes are so close together
/// that int8 does not tell them apart.
fn put_what_int8_loses(folder: &Path) {
    put_pictures(folder);
    put(folder, "data/META.json", r#"{"classes": ["background", "bird"]}"#);
    put(folder, "data/val/images/a.jpg", picture("photo-cat.jpg"));
    let mask = image::GrayImage::from_fn(320, 213, |x, _| image::Luma([u8::from(x > 99)]));
    fs::create_dir_all(folder.join("data/val/masks")).expect("a folder");
    mask.save(folder.join("data/val/masks/a.png")).expect("a mask");
    put_model(folder, |model| {
        let mut weights = vec![0.1; 32];
        weights[8..16].fill(0.10001);
        model.graph.initializers.insert("last_weight".into(), Tensor::f32(&[4, 8, 1, 1], weights));
    });
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
            &["d: ", "no frames"],
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
            &["twice", "a folder of images"],
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
            put_what_int8_loses,
            "convert bad.onnx -o out.onnx --calibration d --validate data --max-drop 1",
            &["int8 loses", "--max-drop", "out.onnx is not written"],
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
    put_what_int8_loses(folder.path());
    let float = fs::read(folder.path().join("bad.onnx")).expect("a model");
    let outcome =
        run(folder.path(), "convert bad.onnx -o out.onnx --calibration d --validate data --max-drop 1");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").flatten().map(|file| file.file_name()).collect();
    names.sort();
    assert_eq!(names, ["bad.onnx", "d", "data"]);
    assert_eq!(fs::read(folder.path().join("bad.onnx")).expect("the model"), float);
}

/// Broken pictures among sound ones are left out, and said to be.
#[test]
fn broken_calibration_pictures_are_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    tiny::carded().write(&folder.path().join("net.onnx")).expect("a model");
    put_pictures(folder.path());
    put(folder.path(), "d/street-6.jpg", "x");
    let outcome = run(folder.path(), "convert net.onnx -o out.onnx --calibration d");
    assert_eq!(complaint(&outcome, 0, &[]), None, "{outcome:?}");
    assert!(outcome.out.contains("1 broken calibration frames were left out"), "{}", outcome.out);
    let card = sedge::onnx::Card::of(&Model::read(&folder.path().join("out.onnx")).expect("a model"));
    let quantization = card.expect("a card").quantization.expect("what became of the calibration");
    assert_eq!(quantization.calibration_images, 4);
}
