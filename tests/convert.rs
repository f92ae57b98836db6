//! Conversion to int8, held against ONNX Runtime and ONNX's checker: of the network that ships, and of small networks with
//! everything that exporters put into graphs.

mod program;
mod reference;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::{Arguments, Failed, Trial};
use program::{
    CALIBRATION, CARD, CAT, CAT_INT8, FLOAT, INT8, agreement_percent, fresh_folder, ids, masks, project, run,
};
use reference::Level;
use sedge::camera::{Folder, Source};
use sedge::engine::Session;
use sedge::frame::{ColorOrder, InputRule, Preparer, ResizeRule};
use sedge::onnx::{Card, Model};
use tempfile::TempDir;

fn main() {
    let arguments = Arguments::from_args();
    let needs_python = reference::python().is_none();
    let mut trials = vec![
        Trial::test("shipped::again_gives_the_same_bytes_and_masks", || {
            again_gives_the_same(FLOAT, INT8, CALIBRATION)
        }),
        Trial::test("shipped::again_gives_the_same_cats", || {
            again_gives_the_same(CAT, CAT_INT8, "calibration/feral_cat")
        }),
        Trial::test("shipped::computes_on_integers_up_to_the_logits", integers_up_to_the_logits),
        Trial::test("shipped::agrees_with_onnx_runtime", shipped_agrees).with_ignored_flag(needs_python),
    ];
    for method in ["minmax", "percentile", "mse"] {
        for activations in ["u8", "s8"] {
            let name = format!("shipped::converts_with_{method}_to_{activations}");
            trials.push(Trial::test(name, move || converts_with(method, activations)));
        }
    }
    trials.extend(GRAPHS.map(|name| {
        Trial::test(format!("graph::{name}"), move || graph(name)).with_ignored_flag(needs_python)
    }));
    libtest_mimic::run(&arguments, trials).exit();
}

/// Fails with `what` unless `holds`.
fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what().into()) }
}

/// Runs the program, which must end well.
fn succeed(folder: &Path, arguments: &str) -> Result<(), Failed> {
    match run(folder, arguments).failure() {
        Some(failure) => Err(format!("{arguments}: {failure}").into()),
        None => Ok(()),
    }
}

/// Links the calibration pictures whose places `picks` takes into the folder `name`.
fn link_pictures(folder: &Path, name: &str, picks: fn(usize) -> bool) {
    let target = folder.join(name);
    fs::create_dir(&target).expect("a folder");
    let mut pictures: Vec<PathBuf> =
        fs::read_dir(project(CALIBRATION)).expect("pictures").flatten().map(|file| file.path()).collect();
    pictures.sort();
    for (_, picture) in pictures.iter().enumerate().filter(|(index, _)| picks(*index)) {
        let link = target.join(picture.file_name().expect("a name"));
        std::os::unix::fs::symlink(picture, link).expect("a link");
    }
}

/// Writes the pictures of a folder as a network gets them, as raw floats; gives them too.
fn write_inputs(pictures: &Path, rule: &InputRule, side: u32, file: &Path) -> Vec<Vec<f32>> {
    let mut source = Folder::open(pictures).expect("pictures");
    let mut preparer = Preparer::new(rule.clone(), side, side).expect("a rule");
    let inputs: Vec<Vec<f32>> = std::iter::from_fn(|| source.next_frame())
        .map(|frame| {
            let mut input = vec![0.0; preparer.input_len()];
            preparer.prepare(&frame.expect("a whole picture"), &mut input).expect("an input");
            input
        })
        .collect();
    fs::write(file, inputs.iter().flatten().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
        .expect("a file");
    inputs
}

/// Two conversions give the same bytes, which see what the shipped model sees. (On another processor the float network's
/// last bits may differ, so that model need not be the same byte for byte.)
fn again_gives_the_same(float: &str, int8: &str, calibration: &str) -> Result<(), Failed> {
    let folder = fresh_folder();
    let convert = format!("convert {float} --calibration {calibration} -o");
    succeed(folder.path(), &format!("{convert} first.onnx"))?;
    succeed(folder.path(), &format!("{convert} second.onnx"))?;
    let bytes = |name: &str| fs::read(folder.path().join(name)).expect("a model");
    ensure(bytes("first.onnx") == bytes("second.onnx"), || "two conversions give different bytes".into())?;
    for (model, out) in [("first.onnx", "first"), (int8, "shipped")] {
        succeed(
            folder.path(),
            &format!("run --model {model} --source {calibration} --frames 8 --out {out} --mask-size network"),
        )?;
    }
    let [first, shipped] = ["first", "shipped"].map(|out| masks(&folder.path().join(out)));
    let percent = agreement_percent(ids(&first?), ids(&shipped?));
    println!("the shipped int8 model and one made here agree on {percent:.3} % of the pixels (min 99.5)");
    ensure(percent >= 99.5, || format!("they agree on {percent:.3} %, wanted 99.5"))
}

/// Every method and type of activations gives a model that sees about what the float model sees.
fn converts_with(method: &str, activations: &str) -> Result<(), Failed> {
    /// Agreement that a wrong scale or zero point anywhere would break, even with so few calibration pictures.
    const PERCENT_MIN: f64 = 96.0;
    let folder = fresh_folder();
    link_pictures(folder.path(), "calibration-pictures", |index| index % 6 == 0);
    link_pictures(folder.path(), "pictures", |index| index % 10 == 1);
    succeed(
        folder.path(),
        &format!(
            "convert {FLOAT} -o int8.onnx --calibration calibration-pictures --method {method} --activations {activations}"
        ),
    )?;
    if reference::python().is_some() {
        reference::check(&folder.path().join("int8.onnx"))?;
    }
    let card = Card::of(&Model::read(&folder.path().join("int8.onnx"))?)?;
    let quantization = card.quantization.ok_or("the card tells nothing of the quantization")?;
    ensure(quantization.method.starts_with(method) && quantization.activations == activations, || {
        format!("the card says {quantization:?}")
    })?;
    for (model, out) in [("int8.onnx", "int8"), (FLOAT, "float")] {
        succeed(
            folder.path(),
            &format!("run --model {model} --source pictures --out {out} --mask-size network"),
        )?;
    }
    let [int8, float] = ["int8", "float"].map(|out| masks(&folder.path().join(out)));
    let percent = agreement_percent(ids(&int8?), ids(&float?));
    println!(
        "{method} {activations}: int8 and float agree on {percent:.2} % of the pixels (min {PERCENT_MIN})"
    );
    ensure(percent >= PERCENT_MIN, || format!("int8 and float agree on {percent:.2} %, wanted {PERCENT_MIN}"))
}

/// Between input and logits the shipped model holds nothing that an int8 engine would have to leave, and each of its
/// convolutions reads dequantized integers only.
fn integers_up_to_the_logits() -> Result<(), Failed> {
    const OPERATORS: [&str; 7] =
        ["Add", "Concat", "Conv", "DequantizeLinear", "GlobalAveragePool", "QuantizeLinear", "Resize"];
    let model = Model::read(&project(INT8))?;
    let nodes = &model.graph.nodes;
    let dequantized = |tensor: &String| {
        nodes.iter().any(|node| node.op == "DequantizeLinear" && node.outputs.contains(tensor))
    };
    let mut wrong: Vec<String> = nodes
        .iter()
        .filter(|node| !OPERATORS.contains(&node.op.as_str()))
        .map(|node| format!("{} computes outside int8", node.place()))
        .collect();
    wrong.extend(
        nodes
            .iter()
            .filter(|node| node.op == "Conv" && !node.inputs.iter().all(dequantized))
            .map(|node| format!("{} reads floats", node.place())),
    );
    let convolutions = nodes.iter().filter(|node| node.op == "Conv").count();
    ensure(convolutions > 30, || format!("it has only {convolutions} convolutions"))?;
    ensure(wrong.is_empty(), || wrong.join("\n"))
}

/// On the same inputs, Sedge and ONNX Runtime see the same in the shipped int8 model, as far as two ways to run it do.
///
/// Sedge gives convolutions whole numbers, whose sums are exact, and so do ONNX Runtime's int8 kernels; other operators
/// run in float in both. Node by node ONNX Runtime runs convolutions in float too: a sum that lies next to the middle
/// between two steps is then rounded to another one, which 50 layers spread over the picture, so that it does not agree
/// fully with its own kernels either, and that is the measure there.
fn shipped_agrees() -> Result<(), Failed> {
    const PERCENT_MIN: f64 = 99.5;
    /// How much less than ONNX Runtime with itself Sedge may agree with it node by node, in points.
    const MARGIN: f64 = 0.2;
    /// The aim is 99.9; what is left to the processor's own rounding may take a little.
    const KERNELS_PERCENT_MIN: f64 = 99.8;
    const PICTURES: usize = 20;
    reference::check(&project(INT8))?;
    let folder = fresh_folder();
    link_pictures(folder.path(), "pictures", |index| index < PICTURES);
    succeed(folder.path(), &format!("run --source pictures --mask-size network --model {INT8}"))?;
    let masks = masks(&folder.path().join("masks"))?;
    ensure(masks.len() == PICTURES, || format!("{} masks", masks.len()))?;

    let rule = Card::read(&project(CARD))?.input.ok_or("the card has no input rule")?;
    let inputs = folder.path().join("inputs.f32");
    write_inputs(&folder.path().join("pictures"), &rule, 257, &inputs);
    let plain = reference::classes(&project(INT8), &inputs, Level::Plain)?;
    let optimized = reference::classes(&project(INT8), &inputs, Level::Optimized)?;
    let itself = agreement_percent([plain.as_slice()], [optimized.as_slice()]);
    let min = PERCENT_MIN.max(itself - MARGIN);
    let [plain, optimized] =
        [plain, optimized].map(|classes| agreement_percent(ids(&masks), classes.chunks(257 * 257)));
    let text = format!(
        "ORT agreement {optimized:.3} % with its int8 kernels (min {KERNELS_PERCENT_MIN}), {plain:.3} % node by \
         node (min {min:.3}: ORT with itself {itself:.3} %), {PICTURES} pictures"
    );
    println!("{text}");
    ensure(plain >= min && optimized >= KERNELS_PERCENT_MIN, || text)
}

/// Networks of `graphs.py`.
const GRAPHS: [&str; 43] = [
    "affine",
    "average_pool",
    "batch_norm_alone",
    "batch_norm_first",
    "channel_shuffle",
    "clip_odd",
    "computed_shape",
    "computed_size",
    "concat_unlike",
    "conv_bn_relu",
    "conv_transpose",
    "conv_transpose_groups",
    "dead_channels",
    "depth_to_space",
    "depthwise",
    "dilated",
    "elu",
    "gate",
    "gemm",
    "grouped",
    "hard_swish",
    "input_twice",
    "leaky_relu",
    "matmul_add",
    "max_pool",
    "output_inside",
    "pad_mirror",
    "pad_zeros",
    "prelu",
    "reduce_mean",
    "resize_corners",
    "resize_linear",
    "resize_nearest",
    "same_padding",
    "shared_weights",
    "sigmoid",
    "slices",
    "softmax_tail",
    "split",
    "squeeze",
    "subtract",
    "swish",
    "tanh",
];

/// What the small networks have in common.
struct Bench {
    /// Holds the float networks and `pictures`, four of them, which calibrate and test: what is measured is the noise of
    /// int8, not how well so few pictures stand for others.
    folder: TempDir,
    /// The pictures as inputs, each `[1, 3, 32, 32]`.
    inputs: Vec<Vec<f32>>,
    inputs_file: PathBuf,
}

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

fn bench() -> Result<&'static Bench, String> {
    static BENCH: OnceLock<Result<Bench, String>> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let python = reference::python().ok_or("SEDGE_PYTHON is not set")?;
        let output = Command::new(python)
            .arg(project("tests/reference/graphs.py"))
            .arg(folder.path())
            .args(GRAPHS)
            .output()
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("graphs.py: {}", String::from_utf8_lossy(&output.stderr)));
        }
        link_pictures(folder.path(), "pictures", |index| index % 8 == 0);
        let rule = InputRule::new(ColorOrder::Rgb, MEAN.into(), STD.into(), ResizeRule::Stretch)
            .map_err(|error| error.to_string())?;
        let inputs_file = folder.path().join("inputs.f32");
        let inputs = write_inputs(&folder.path().join("pictures"), &rule, 32, &inputs_file);
        Ok(Bench { folder, inputs, inputs_file })
    };
    BENCH.get_or_init(make).as_ref().map_err(Clone::clone)
}

/// A network converts to a valid model; its int8 form, run by ONNX Runtime in both ways and by Sedge, gives what the float
/// one gives but for the noise of rounding; and Sedge's float results, on which the calibration rests, are the same.
fn graph(name: &str) -> Result<(), Failed> {
    /// Signal-to-noise ratio of int8 with float: two layers of 8 bits give 30 and more.
    const DB_MIN: f64 = 25.0;
    /// Two float engines sum in different orders, no more.
    const FLOAT_DB_MIN: f64 = 80.0;
    /// Two int8 engines give the same but for sums next to the middle between two steps. Linear interpolation of
    /// integers often lies right there, which leaves 45.
    const ENGINES_DB_MIN: f64 = 40.0;
    /// ONNX Runtime's option for exact kernels fails where two convolutions share their weights.
    const NOT_OPTIMIZED: [&str; 1] = ["shared_weights"];
    let bench = bench()?;
    let (float, int8) = (format!("{name}.onnx"), format!("{name}.int8.onnx"));
    let triple = |values: [f32; 3]| values.map(|value| value.to_string()).join(",");
    succeed(
        bench.folder.path(),
        &format!(
            "convert {float} -o {int8} --calibration pictures --mean {} --std {}",
            triple(MEAN),
            triple(STD)
        ),
    )?;
    let (float, int8) = (bench.folder.path().join(float), bench.folder.path().join(int8));
    reference::check(&int8)?;
    let model = Model::read(&int8)?;
    ensure(model.graph.nodes.iter().any(|node| node.op == "QuantizeLinear"), || {
        "nothing is quantized".into()
    })?;

    let truth = reference::outputs(&float, &bench.inputs_file, Level::Plain)?;
    let plain = reference::outputs(&int8, &bench.inputs_file, Level::Plain)?;
    let ours = sedge_outputs(&int8, &bench.inputs)?;
    let mut figures = vec![
        ("ORT int8", ratio_db(&truth, &plain), DB_MIN),
        ("Sedge int8", ratio_db(&truth, &ours), DB_MIN),
        ("Sedge int8 with ORT int8", ratio_db(&plain, &ours), ENGINES_DB_MIN),
        ("Sedge float", ratio_db(&truth, &sedge_outputs(&float, &bench.inputs)?), FLOAT_DB_MIN),
    ];
    if !NOT_OPTIMIZED.contains(&name) {
        let optimized = reference::outputs(&int8, &bench.inputs_file, Level::Optimized)?;
        figures.push(("ORT int8 optimized", ratio_db(&truth, &optimized), DB_MIN));
    }
    let texts: Vec<String> =
        figures.iter().map(|(what, db, min)| format!("{what} {db:.1} dB (min {min})")).collect();
    println!("{name}: {}", texts.join(", "));
    ensure(figures.iter().all(|(_, db, min)| db >= min), || texts.join(", "))
}

/// All outputs of Sedge's engine, one input after the other.
fn sedge_outputs(model: &Path, inputs: &[Vec<f32>]) -> Result<Vec<f32>, Failed> {
    let session = Session::new(&Model::read(model)?)?;
    let mut all = Vec::new();
    for input in inputs {
        for output in session.run(input)? {
            all.extend(output.as_f32().ok_or("an output is not f32")?);
        }
    }
    Ok(all)
}

/// `10 log10(sum x^2 / sum (x - y)^2)`; below any bound where the lengths differ or a value is not finite.
fn ratio_db(truth: &[f32], values: &[f32]) -> f64 {
    if truth.len() != values.len() || values.iter().any(|value| !value.is_finite()) {
        return f64::NEG_INFINITY;
    }
    let signal: f64 = truth.iter().map(|&x| f64::from(x).powi(2)).sum();
    let noise: f64 = truth.iter().zip(values).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum();
    10.0 * (signal / noise.max(f64::MIN_POSITIVE)).log10()
}
