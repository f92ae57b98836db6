//! Every operator: forward equal to ONNX Runtime, a batch equal to single runs, and what is refused.
//!
//! What needs a Python with ONNX Runtime (`SEDGE_PYTHON`) is listed as ignored without it.

mod onnxruntime;
mod operators_table;

use libtest_mimic::{Arguments, Failed, Trial};
use onnxruntime::{difference, images, outputs, python, values};
use operators_table::{Case, cases};
use sedge::onnx::Tensor as Stored;
use sedge_train::graph::{GraphError, Mode, Network};
use tch::{Device, Tensor};

/// Largest difference between two runtimes, relative to the largest output.
const TOLERANCE: f64 = 1e-4;

fn main() {
    // libtorch has one random generator for all threads: trials that seed it run one after the other.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    tch::set_num_threads(1);
    let trials = vec![
        Trial::test("as_onnxruntime", as_onnxruntime).with_ignored_flag(python().is_none()),
        Trial::test("a_batch_is_single_runs", a_batch_is_single_runs),
        Trial::test("draws_differ_from_picture_to_picture", draws_differ),
        Trial::test("batch_norm_follows_the_batch", batch_norm_by_hand),
        Trial::test("dropout_in_training", dropout_in_training),
        Trial::test("every_operator_has_a_case", every_operator_has_a_case),
        Trial::test("refused", refused),
        Trial::test("logits_end_before_softmax", logits_end_before_softmax),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

fn report(failures: Vec<String>) -> Result<(), Failed> {
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

fn forward(case: &Case, count: usize) -> Result<Tensor, GraphError> {
    let network = Network::new(&case.model(), Device::Cpu)?;
    network.forward(&images(&case.pictures(count), case.shape()), Mode::Evaluate)
}

fn as_onnxruntime() -> Result<(), Failed> {
    let cases: Vec<Case> = cases().into_iter().filter(|case| !case.is_random).collect();
    let models: Vec<_> = cases.iter().map(|case| (case.model(), case.pictures(1))).collect();
    let pairs: Vec<_> = models.iter().map(|(model, input)| (model, input.as_slice())).collect();
    let mut failures = Vec::new();
    for (case, expected) in cases.iter().zip(outputs(&pairs)?) {
        let problem = match (forward(case, 1), expected) {
            (Err(error), _) => Some(error.to_string()),
            (_, Err(error)) => Some(format!("ONNX Runtime: {error}")),
            (Ok(found), Ok(expected)) => {
                let apart = difference(&values(&found), &expected);
                (apart > TOLERANCE).then(|| format!("differs by {apart:.1e}, shape {:?}", found.size()))
            }
        };
        failures.extend(problem.map(|problem| format!("{}: {problem}", case.name)));
    }
    report(failures)
}

fn a_batch_is_single_runs() -> Result<(), Failed> {
    let mut failures = Vec::new();
    for case in cases().iter().filter(|case| !case.is_random) {
        let check = || -> Result<Option<String>, GraphError> {
            let network = Network::new(&case.model(), Device::Cpu)?;
            let input = case.pictures(3);
            let batch = network.forward(&images(&input, case.shape()), Mode::Evaluate)?;
            let mut single = Vec::new();
            for one in input.chunks(input.len() / 3) {
                single.extend(values(&network.forward(&images(one, case.shape()), Mode::Evaluate)?));
            }
            let apart = difference(&values(&batch), &single);
            Ok((apart > 1e-6 || batch.size()[0] != 3)
                .then(|| format!("differs by {apart:.1e}, shape {:?}", batch.size())))
        };
        let problem = check().unwrap_or_else(|error| Some(error.to_string()));
        failures.extend(problem.map(|problem| format!("{}: {problem}", case.name)));
    }
    report(failures)
}

fn draws_differ() -> Result<(), Failed> {
    let mut failures = Vec::new();
    for case in cases().iter().filter(|case| case.is_random) {
        let one = case.pictures(1);
        let network = Network::new(&case.model(), Device::Cpu)?;
        let same = images(&[one.clone(), one].concat(), case.shape());
        let run = |seed| {
            tch::manual_seed(seed);
            network.forward(&same, Mode::Evaluate)
        };
        let (first, again, other) = (run(1)?, run(1)?, run(2)?);
        if first.get(0) == first.get(1) || first == other || first != again {
            failures.push(format!("{}: draws do not follow the seed, the picture and the run", case.name));
        }
    }
    report(failures)
}

/// The names in the families' tables, read from their files.
fn every_operator_has_a_case() -> Result<(), Failed> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/graph/operators");
    let cases = cases();
    let tested = |name: &str| cases.iter().any(|case| case.operators().any(|op| op == name));
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let text = std::fs::read_to_string(file?.path())?;
        let Some((_, table)) = text.split_once("TABLE: Table = &[") else { continue };
        let table = table.split_once("];").map_or("", |(table, _)| table);
        let entries = table.split("(\"").skip(1).filter_map(|entry| entry.split_once("\","));
        names.extend(entries.map(|(name, _)| name.to_string()));
    }
    if names.len() < 80 {
        return Err(format!("found {} operators only", names.len()).into());
    }
    report(names.into_iter().filter(|name| !tested(name)).map(|name| format!("no case for {name}")).collect())
}

/// Two channels of two pictures with two pixels, worked out by hand.
fn batch_norm_by_hand() -> Result<(), Failed> {
    let case = Case::new("norm")
        .input(2, 1, 2)
        .floats("gamma", &[2], &[2.0, 1.0])
        .floats("beta", &[2], &[0.5, 0.0])
        .floats("mean", &[2], &[1.0, 10.0])
        .floats("variance", &[2], &[4.0, 8.0])
        .node("BatchNormalization", "x gamma beta mean variance")
        .float("epsilon", 0.0)
        .float("momentum", 0.75);
    let network = Network::new(&case.model(), Device::Cpu)?;
    // Channel 0: 1, 3, 5, 7, mean 4, variance 5. Channel 1: 2, 2, 6, 6, mean 4, variance 4.
    let input = images(&[1.0, 3.0, 2.0, 2.0, 5.0, 7.0, 6.0, 6.0], case.shape());
    let found = values(&network.forward(&input, Mode::Train)?);
    let unit = 5.0f32.sqrt();
    let first = |value: f32| 2.0 * (value - 4.0) / unit + 0.5;
    let expected = [first(1.0), first(3.0), -1.0, -1.0, first(5.0), first(7.0), 1.0, 1.0];
    let mut failures = Vec::new();
    if difference(&found, &expected) > 1e-6 {
        failures.push(format!("gives {found:?}, not {expected:?}"));
    }
    // 0.75 of the old and 0.25 of the batch's; the variance divided by 4 elements, not 3.
    for (name, expected) in [("mean", [1.75, 8.5]), ("variance", [4.25, 7.0])] {
        let variable = network.variables().iter().find(|variable| variable.name == name);
        let found = variable.map(|variable| values(&variable.tensor)).unwrap_or_default();
        if difference(&found, &expected) > 1e-6 {
            failures.push(format!("{name} is {found:?}, not {expected:?}"));
        }
    }
    report(failures)
}

/// A share of zeros, the rest grown so that the mean stays.
fn dropout_in_training() -> Result<(), Failed> {
    let case =
        Case::new("dropout").input(1, 100, 100).floats("ratio", &[], &[0.2]).node("Dropout", "x ratio");
    let network = Network::new(&case.model(), Device::Cpu)?;
    tch::manual_seed(3);
    let found = values(&network.forward(&images(&[1.0; 10_000], case.shape()), Mode::Train)?);
    let zeros = found.iter().filter(|&&value| value == 0.0).count();
    let grown = found.iter().filter(|&&value| (value - 1.25).abs() < 1e-6).count();
    if zeros + grown != found.len() || !(1800..2200).contains(&zeros) {
        return Err(format!("{zeros} zeros and {grown} grown elements of {}", found.len()).into());
    }
    Ok(())
}

/// What cannot be trained, or not in batches, is an error that names node and operator when the network is made.
fn refused() -> Result<(), Failed> {
    let cases = [
        (Case::new("an operator").node("Relu", "x").node("Det", "y0"), vec!["node1 (Det)", "operator Det"]),
        (
            Case::new("a mode")
                .floats("s", &[4], &[1.0, 1.0, 2.0, 2.0])
                .node("Resize", "x - s")
                .text("mode", "cubic"),
            vec!["node0 (Resize)", "cubic"],
        ),
        (
            Case::new("indices")
                .node_to("MaxPool", "x", "y0 i")
                .ints("kernel_shape", &[2, 2])
                .node("Cast", "i")
                .int("to", 1),
            vec!["node0 (MaxPool)", "indices"],
        ),
        (
            Case::new("mixing").integers("axes", &[0]).node("ReduceSum", "x axes"),
            vec!["node0 (ReduceSum)", "mix the pictures"],
        ),
        (
            Case::new("mixing").node("Softmax", "x").int("axis", 0).node("Neg", "y0"),
            vec!["node0 (Softmax)", "mix the pictures"],
        ),
        (
            Case::new("rows").weight("c", &[3, 1, 1, 1]).node("Add", "x c"),
            vec!["node0 (Add)", "several rows"],
        ),
        (
            Case::new("shapes").integers("s", &[1, 7, 7]).node("Reshape", "x s"),
            vec!["node0 (Reshape)", "[1, 7, 7]"],
        ),
        (
            Case::new("integers")
                .floats("s", &[], &[0.1])
                .tensor("z", Stored::u8(&[], vec![1]))
                .node("QuantizeLinear", "x s z")
                .node("Reshape", "y0 y0"),
            vec!["node0 (QuantizeLinear)", "only DequantizeLinear"],
        ),
        (Case::new("no image").weight("c", &[1, 4]).node("Relu", "c"), vec!["depend on its image"]),
        (Case::new("rank").integers("s", &[1, 4, 30]).node("Reshape", "x s"), vec!["[1, 4, 30]", "logits"]),
    ];
    let mut failures = Vec::new();
    for (case, parts) in cases {
        match Network::new(&case.model(), Device::Cpu) {
            Ok(_) => failures.push(format!("{}: was taken", case.name)),
            Err(error) => {
                let message = error.to_string();
                if let Some(part) = parts.iter().find(|part| !message.contains(**part)) {
                    failures.push(format!("{}: {message:?} lacks {part:?}", case.name));
                }
            }
        }
    }
    report(failures)
}

fn logits_end_before_softmax() -> Result<(), Failed> {
    let mut failures = Vec::new();
    let plain = Case::new("plain").weight("w", &[3, 4, 1, 1]).node("Conv", "x w");
    let expected = values(&forward(&plain, 2)?);
    let base = |name| Case::new(name).weight("w", &[3, 4, 1, 1]).node("Conv", "x w");
    let cases = [
        base("softmax").node("Softmax", "y0").int("axis", 1),
        base("sigmoid").node("Sigmoid", "y0"),
        base("arg max")
            .node("ArgMax", "y0")
            .int("axis", 1)
            .int("keepdims", 0)
            .node("Cast", "y1")
            .int("to", 2),
        base("softmax and arg max").node("Softmax", "y0").int("axis", 1).node("ArgMax", "y1").int("axis", 1),
    ];
    for case in cases {
        let network = Network::new(&case.model(), Device::Cpu)?;
        let found = network.forward(&images(&case.pictures(2), case.shape()), Mode::Evaluate)?;
        if values(&found) != expected || network.classes() != 3 || !network.is_segmenter() {
            failures.push(format!("{}: not the logits", case.name));
        }
    }
    report(failures)
}
