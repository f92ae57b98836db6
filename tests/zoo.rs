//! Every network of the zoo against ONNX Runtime, through the quantizer, started from other models; and the commands.
//!
//! What needs a Python with ONNX Runtime (`SEDGE_PYTHON`) or models that lie beside the project is listed as ignored
//! where that is missing.

mod networks;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::{Arguments, Failed, Trial};
use networks::{CONVERTED, Random, blueprint, cases, quantized, randomize};
use sedge::engine::Session;
use sedge::onnx::{Card, Model, Tensor};
use sedge::quantize::{self, fold};
use sedge::zoo::{self, Settings, transfer};
use tempfile::TempDir;

/// Largest difference between two runtimes, relative to the largest output.
const TOLERANCE: f64 = 1e-4;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    let python = std::env::var_os("SEDGE_PYTHON").map(PathBuf::from);
    for (variant, network, settings) in cases() {
        let without = python.is_none();
        let (interpreter, own) = (python.clone().unwrap_or_default(), settings.clone());
        let name = format!("numbers::{network}::{variant}");
        let test = move || numbers(&interpreter, network, &own);
        trials.push(Trial::test(name, test).with_ignored_flag(without));
        if CONVERTED.contains(&(network, variant)) {
            let own = settings.clone();
            trials.push(Trial::test(format!("convert::{network}"), move || converts(network, &own)));
        }
        if WITHOUT_NORMS.contains(&(network, variant)) {
            trials.push(Trial::test(format!("untrained::{network}"), move || untrained(network, &settings)));
        }
    }
    let interpreter = python.clone().unwrap_or_default();
    trials.push(
        Trial::test("numbers::bayesian-segnet::draws", move || draws(&interpreter))
            .with_ignored_flag(python.is_none()),
    );
    trials.push(Trial::test("table::every_network_has_a_case", every_network_has_a_case));
    trials.push(Trial::test("init::same_names", same_names));
    trials.push(Trial::test("init::shipped_deeplab_whole", shipped_deeplab));
    trials.push(Trial::test("init::shipped_deeplab_for_a_student", encoder_from_the_shipped_deeplab));
    trials.push(Trial::test("init::own_network_without_norms", own_network_without_norms));
    trials.push(Trial::test("init::nothing_in_common", nothing_in_common));
    trials.push(Trial::test("init::card", card_of_a_network_begun_with_another));
    let imagenet = beside("mobilenet_v2_1.0_224_imagenet.onnx");
    for (network, own, stride) in [
        ("unet-mnv2", "encoder.block16.project.conv", None),
        ("fcn-mnv2", "encoder.top.relu6", None),
        ("deeplabv3-mnv2", "encoder.block16.project.norm", Some(32)),
    ] {
        let (missing, path) = (!imagenet.exists(), imagenet.clone());
        let name = format!("init::{network}_from_imagenet");
        let test = move || encoder_from_imagenet(&path, network, own, stride);
        trials.push(Trial::test(name, test).with_ignored_flag(missing));
    }
    trials.push(Trial::test("command::new", command_new));
    trials.push(Trial::test("command::wrong", command_wrong));
    trials.push(Trial::test("command::zoo", command_zoo));
    libtest_mimic::run(&arguments, trials).exit();
}

/// Networks in which no batch norm holds back what grows.
const WITHOUT_NORMS: [(&str, &str); 4] =
    [("kd-teacher", "color"), ("vgg16", "small"), ("segformer-b0", "whole"), ("hair-vit", "squares")];

fn every_network_has_a_case() -> Result<(), Failed> {
    let cases = cases();
    let missing: Vec<&str> = zoo::NETWORKS
        .iter()
        .map(|network| network.name)
        .filter(|name| {
            let tested = cases.iter().any(|(_, case, _)| case == name);
            let converted = CONVERTED
                .iter()
                .filter(|(case, variant)| cases.iter().any(|(v, c, _)| v == variant && c == case))
                .any(|(case, _)| case == name);
            !tested || !converted
        })
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no case for {missing:?}").into()) }
}

/// Puts fixed numbers in the place of drawn ones.
fn fix_draws(model: &mut Model, random: &mut Random) {
    let drawn = |node: &sedge::onnx::Node| node.op == "RandomUniform";
    for node in model.graph.nodes.iter().filter(|node| drawn(node)) {
        let shape: Vec<usize> =
            node.ints("shape").unwrap_or_default().iter().map(|&size| size as usize).collect();
        let values = random.values(shape.iter().product(), 0.0, 1.0);
        model.graph.initializers.insert(node.outputs[0].clone(), Tensor::f32(&shape, values));
    }
    model.graph.nodes.retain(|node| !drawn(node));
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn reference(python: &Path, arguments: &[PathBuf]) -> Result<String, Failed> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zoo_reference.py");
    let output = Command::new(python).arg(script).args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn numbers(python: &Path, network: &str, settings: &Settings) -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let mut random = Random(0x5EED);
    let mut model = blueprint(network, settings)?.model(3)?;
    randomize(&mut model, &mut random);
    fix_draws(&mut model, &mut random);
    let input = image(&model, &mut random)?;
    let mut arguments = vec![folder.path().join("net.onnx"), folder.path().join("input")];
    model.write(&arguments[0])?;
    std::fs::write(&arguments[1], floats(&input))?;
    // From the file, as everybody else gets it.
    let outputs = Session::new(&Model::read(&arguments[0])?)?.run(&input)?;
    for (index, output) in outputs.iter().enumerate() {
        let path = folder.path().join(format!("output{index}"));
        std::fs::write(&path, floats(output.as_f32().ok_or("an output is not f32")?))?;
        arguments.push(path);
    }
    let error: f64 = reference(python, &arguments)?.parse()?;
    println!("{network}: differs from ONNX Runtime by {error:.1e} (max {TOLERANCE:.0e})");
    if error < TOLERANCE { Ok(()) } else { Err(format!("differs by {error}").into()) }
}

/// Before training every network gives finite logits that depend on the image, at the values that images really have.
fn untrained(network: &str, settings: &Settings) -> Result<(), Failed> {
    let model = blueprint(network, settings)?.model(0)?;
    let session = Session::new(&model)?;
    let size = session.input_shape().iter().product();
    let logits = |low, high| -> Result<Vec<f32>, Failed> {
        let values = Random(11).values(size, low, high);
        Ok(session.run(&values)?[0].as_f32().unwrap_or_default().to_vec())
    };
    let (dim, bright) = (logits(-2.0, 0.5)?, logits(-0.5, 2.5)?);
    if dim.iter().chain(&bright).all(|value| value.is_finite()) && dim != bright {
        Ok(())
    } else {
        Err("the logits are not finite, or do not depend on the image".into())
    }
}

fn image(model: &Model, random: &mut Random) -> Result<Vec<f32>, Failed> {
    let shape = model.graph.inputs[0].fixed_shape().ok_or("the input has no fixed shape")?;
    Ok(random.values(shape.iter().product(), -1.0, 1.0))
}

/// Two runs of the Bayesian network differ, in both runtimes.
fn draws(python: &Path) -> Result<(), Failed> {
    let settings = Settings { size: Some((32, 32)), ..Settings::default() };
    let folder = TempDir::new()?;
    let model = blueprint("bayesian-segnet", &settings)?.model(3)?;
    let input = image(&model, &mut Random(1))?;
    let arguments = ["net.onnx", "input", "--draws"].map(PathBuf::from);
    let arguments =
        [folder.path().join(&arguments[0]), folder.path().join(&arguments[1]), arguments[2].clone()];
    model.write(&arguments[0])?;
    std::fs::write(&arguments[1], floats(&input))?;
    let session = Session::new(&model)?;
    let (first, second) = (session.run(&input)?, session.run(&input)?);
    let differ = first[0].as_f32() != second[0].as_f32();
    match (differ, reference(python, &arguments)?.as_str()) {
        (true, "differ") => Ok(()),
        found => Err(format!("Sedge's runs differ: {}; ONNX Runtime's: {}", found.0, found.1).into()),
    }
}

/// Operators that the quantizer is known to leave in float inside a network of the zoo.
const FLOAT_INSIDE: [&str; 8] = [
    "Cast",
    "Erf",
    "GreaterOrEqual",
    "LayerNormalization",
    "MatMul",
    "RandomUniform",
    "ReduceSum",
    "Softmax",
];

fn converts(network: &str, settings: &Settings) -> Result<(), Failed> {
    let quantized = quantized(network, settings)?;
    let weighted =
        |node: &&quantize::scheme::FloatNode| matches!(node.op.as_str(), "Conv" | "ConvTranspose" | "Gemm");
    if let Some(node) = quantized.float_nodes.iter().find(weighted) {
        return Err(format!("{} ({}) stays float: {}", node.node, node.op, node.reason).into());
    }
    let unknown = |node: &&quantize::scheme::FloatNode| {
        !FLOAT_INSIDE.contains(&node.op.as_str()) && !node.reason.contains("logits")
    };
    if let Some(node) = quantized.float_nodes.iter().find(unknown) {
        return Err(format!("{} ({}) stays float: {}", node.node, node.op, node.reason).into());
    }
    let input = image(&quantized.model, &mut Random(2))?;
    let outputs = Session::new(&quantized.model)?.run(&input)?;
    let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
    match outputs.iter().all(|output| output.as_f32().is_some_and(finite)) {
        true => Ok(()),
        false => Err("the int8 model's output is not finite".into()),
    }
}

/// `models/` of the project's neighbour.
fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/models").join(name)
}

fn close(ours: &[f32], theirs: &[f32]) -> Result<(), Failed> {
    let scale = theirs.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let error = ours.iter().zip(theirs).fold(0.0f32, |largest, (a, b)| largest.max((a - b).abs()));
    if ours.len() == theirs.len() && scale > 0.0 && f64::from(error) < TOLERANCE * f64::from(scale) {
        Ok(())
    } else {
        Err(format!("{} and {} values differ by {error} of {scale}", ours.len(), theirs.len()).into())
    }
}

/// A network takes over the encoder of another by name.
fn same_names() -> Result<(), Failed> {
    let settings = Settings { size: Some((64, 64)), width: Some(0.35), ..Settings::default() };
    let mut source = blueprint("mobilenetv2", &settings)?.model(1)?;
    randomize(&mut source, &mut Random(4));
    let mut model = blueprint("unet-mnv2", &settings)?.model(2)?;
    let taken = transfer::transfer(&mut model, &source)?;
    let tensor = "encoder.block13.expand.relu6".to_string();
    let input = image(&model, &mut Random(5))?;
    let run = |model: &Model| Session::with_outputs(model, std::slice::from_ref(&tensor))?.run(&input);
    let (ours, theirs) = (run(&model)?, run(&source)?);
    close(ours[0].as_f32().unwrap_or_default(), theirs[0].as_f32().unwrap_or_default())?;
    let decoder =
        ["decoder.up1.conv", "decoder.up2.conv", "decoder.up3.conv", "decoder.up4.conv", "decoder.scores"];
    let left = ["encoder.top.conv", "head.dense"];
    if taken.kept == decoder && taken.left == left { Ok(()) } else { Err(format!("{taken:?}").into()) }
}

/// The network that ships, rebuilt with norms and started from the shipped file, is the same function.
fn shipped_deeplab() -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/deeplabv3_mnv2_dm05_voc21_257.onnx");
    let source = Model::read(&path)?;
    let settings = Settings {
        classes: Some(21),
        size: Some((257, 257)),
        width: Some(0.5),
        output_stride: Some(8),
        ..Settings::default()
    };
    let mut model = blueprint("deeplabv3-mnv2", &settings)?.model(1)?;
    let taken = transfer::transfer(&mut model, &source)?;
    if !(taken.kept.is_empty() && taken.left.is_empty() && taken.biases_added.is_empty()) {
        return Err(format!("{taken:?}").into());
    }
    let input = image(&model, &mut Random(6))?;
    let (ours, theirs) = (Session::new(&model)?.run(&input)?, Session::new(&source)?.run(&input)?);
    close(ours[0].as_f32().unwrap_or_default(), theirs[0].as_f32().unwrap_or_default())
}

/// A student's encoder takes all that it shares with the network that ships, which rounds channels to whole numbers.
fn encoder_from_the_shipped_deeplab() -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/deeplabv3_mnv2_dm05_voc21_257.onnx");
    let settings = Settings { width: Some(0.5), divisor: Some(1), ..Settings::default() };
    let mut model = blueprint("unet-mnv2-4", &settings)?.model(1)?;
    let taken = transfer::transfer(&mut model, &Model::read(&path)?)?;
    if taken.kept.iter().all(|layer| layer.starts_with("decoder.")) && taken.by_place.len() == 40 {
        Ok(())
    } else {
        Err(format!("{taken:?}").into())
    }
}

/// A network with its norms folded away gives its whole function back, though its layers have the names of those here.
fn own_network_without_norms() -> Result<(), Failed> {
    let settings =
        Settings { size: Some((64, 64)), classes: Some(3), width: Some(0.35), ..Settings::default() };
    let source = blueprint("unet-mnv2-4", &settings)?.model(5)?;
    let mut folded = source.clone();
    fold::fold(&mut folded)?;
    let mut model = blueprint("unet-mnv2-4", &settings)?.model(1)?;
    let taken = transfer::transfer(&mut model, &folded)?;
    if !(taken.kept.is_empty() && taken.left.is_empty()) {
        return Err(format!("{taken:?}").into());
    }
    let input = image(&model, &mut Random(8))?;
    let (ours, theirs) = (Session::new(&model)?.run(&input)?, Session::new(&source)?.run(&input)?);
    close(ours[0].as_f32().unwrap_or_default(), theirs[0].as_f32().unwrap_or_default())
}

/// The card says what a network was begun with and under which licence, the one beside the file first.
fn card_of_a_network_begun_with_another() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let new = ["new", "kd-student", "--classes", "4", "--size", "32x32"];
    sedge(folder.path(), &[&new[..], &["-o", "first.onnx"]].concat())?;
    let init = [&new[..], &["--init", "first.onnx", "-o"]].concat();
    sedge(folder.path(), &[&init[..], &["without.onnx"]].concat())?;
    std::fs::write(
        folder.path().join("first.card.json"),
        r#"{"labels": ["a", "b", "c", "d"], "provenance": {"license": "CC-BY-4.0"}}"#,
    )?;
    sedge(folder.path(), &[&init[..], &["with.onnx"]].concat())?;
    let source = format!("kd-student of sedge {}, begun with first.onnx", env!("CARGO_PKG_VERSION"));
    for (file, license) in [("without.onnx", None), ("with.onnx", Some("CC-BY-4.0"))] {
        let card = Card::of(&Model::read(&folder.path().join(file))?)?;
        let provenance = card.provenance.unwrap_or_default();
        // Labels are those of a network that was taken whole.
        let whole = file == "with.onnx";
        let right =
            provenance.license.as_deref() == license && (card.labels == ["a", "b", "c", "d"]) == whole;
        if !right || provenance.source.as_ref() != Some(&source) {
            return Err(format!("{file}: {provenance:?} {:?}", card.labels).into());
        }
    }
    Ok(())
}

fn nothing_in_common() -> Result<(), Failed> {
    let settings = Settings { size: Some((64, 64)), ..Settings::default() };
    let source = blueprint("resnet18", &settings)?.model(1)?;
    let mut model = blueprint("unet-mnv2", &settings)?.model(1)?;
    match transfer::transfer(&mut model, &source) {
        Err(error) if error.to_string().contains("resnet18 gives nothing to start from") => Ok(()),
        found => Err(format!("{found:?}").into()),
    }
}

/// The encoder gives the same features as the ImageNet model, whose norms were folded.
fn encoder_from_imagenet(
    path: &Path,
    network: &str,
    own: &str,
    output_stride: Option<usize>,
) -> Result<(), Failed> {
    let source = Model::read(path)?;
    let settings = Settings { size: Some((224, 224)), output_stride, ..Settings::default() };
    let mut model = blueprint(network, &settings)?.model(1)?;
    let taken = transfer::transfer(&mut model, &source)?;
    // The source's tensor after its last layer that was taken, and after its activation.
    let (last_own, last) = taken.by_place.last().ok_or("no layer was taken")?;
    let at = source.graph.nodes.iter().position(|node| node.name == *last).ok_or("no such layer")?;
    let node = if own.ends_with("relu6") { &source.graph.nodes[at + 1] } else { &source.graph.nodes[at] };
    if !own.starts_with(last_own.trim_end_matches(".conv")) {
        return Err(format!("the last layer taken is {last_own}").into());
    }
    let input = image(&model, &mut Random(7))?;
    let run = |model: &Model, tensor: &str| Session::with_outputs(model, &[tensor.to_string()])?.run(&input);
    let (ours, theirs) = (run(&model, own)?, run(&source, node.output())?);
    close(ours[0].as_f32().unwrap_or_default(), theirs[0].as_f32().unwrap_or_default())
}

fn sedge(folder: &Path, arguments: &[&str]) -> Result<Output, Failed> {
    Ok(Command::new(env!("CARGO_BIN_EXE_sedge")).args(arguments).current_dir(folder).output()?)
}

fn command_new() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let steps: [&[&str]; 4] = [
        &["new", "mobilenetv2", "--classes", "7", "--size", "64x64", "--width", "0.35", "-o", "a.onnx"],
        &[
            "new",
            "unet-mnv2",
            "--classes",
            "3",
            "--size",
            "64x64",
            "--width",
            "0.35",
            "--init",
            "a.onnx",
            "-o",
            "b.onnx",
        ],
        &["inspect", "b.onnx"],
        &[
            "new",
            "kd-student",
            "--classes",
            "10",
            "--channels",
            "1",
            "--size",
            "28x28",
            "--seed",
            "5",
            "-o",
            "c.onnx",
        ],
    ];
    let expected: [&[&str]; 4] = [
        &["a.onnx written: mobilenetv2"],
        &[
            "tensors of the same name and shape taken",
            "5 layers keep their first values: decoder.up1.conv",
            "2 layers of the source not taken: encoder.top.conv, head.dense",
        ],
        &["segmentation", "3 classes", "\"seed\":0", "parent_sha256", "multiply-accumulates"],
        &["20,490 parameters"],
    ];
    for (arguments, expected) in steps.iter().zip(expected) {
        let output = sedge(folder.path(), arguments)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let missing = expected.iter().find(|part| !text.contains(**part));
        if !output.status.success() || missing.is_some() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{arguments:?}: {missing:?} is missing in {text}{errors}").into());
        }
    }
    Ok(())
}

fn command_wrong() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let cases: [(&[&str], i32, &str); 5] = [
        (&["new", "unett", "--classes", "3", "-o", "x.onnx"], 1, "the nearest names are unet-mnv2"),
        (&["new", "segnet", "--classes", "3", "--size", "100x64", "-o", "x.onnx"], 1, "for example 128x64"),
        (&["new", "segnet", "--classes", "3", "--width", "2", "-o", "x.onnx"], 1, "--width is no setting"),
        (&["new", "segnet", "-o", "x.onnx"], 2, "--classes"),
        (&["new", "segnet", "--classes", "3", "--init", "none.onnx", "-o", "x.onnx"], 1, "none.onnx"),
    ];
    for (arguments, code, message) in cases {
        let output = sedge(folder.path(), arguments)?;
        let text = String::from_utf8_lossy(&output.stderr);
        if output.status.code() != Some(code)
            || !text.contains(message)
            || folder.path().join("x.onnx").exists()
        {
            return Err(format!("{arguments:?}: {:?}, {text}", output.status).into());
        }
    }
    Ok(())
}

fn command_zoo() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let text = String::from_utf8(sedge(folder.path(), &["zoo"])?.stdout)?;
    let networks: Vec<serde_json::Value> =
        serde_json::from_slice(&sedge(folder.path(), &["zoo", "--json"])?.stdout)?;
    for network in zoo::NETWORKS {
        let row = networks.iter().find(|row| row["name"] == network.name);
        let complete = |row: &serde_json::Value| {
            ["parameters", "macs", "int8_bytes", "activation_bytes"]
                .iter()
                .all(|key| row[key].as_u64() > Some(0))
        };
        if !row.is_some_and(complete) || !text.contains(network.name) {
            return Err(format!("{}: {row:?}", network.name).into());
        }
    }
    Ok(())
}
