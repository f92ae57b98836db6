//! Every network of the zoo: forward equal to ONNX Runtime, gradients for all weights, a batch equal to single runs.
//!
//! What needs a Python with ONNX Runtime (`SEDGE_PYTHON`) is listed as ignored without it.

mod onnxruntime;
#[path = "../../tests/networks/mod.rs"]
mod zoo;

use libtest_mimic::{Arguments, Failed, Trial};
use onnxruntime::{difference, images, outputs, python, values};
use sedge::onnx::{Model, Tensor as Stored};
use sedge::zoo::Settings;
use sedge_train::graph::{Mode, Network, Role};
use tch::{Device, Kind, Tensor, no_grad};
use zoo::{Random, blueprint, cases, randomize};

/// Largest difference between two runtimes, relative to the largest output.
const TOLERANCE: f64 = 1e-4;

fn main() {
    // libtorch has one random generator for all threads: trials that seed it run one after the other.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    tch::set_num_threads(1);
    let mut trials = Vec::new();
    for (variant, network, settings) in chosen() {
        let own = settings.clone();
        let test = move || numbers(network, &own);
        trials.push(
            Trial::test(format!("numbers::{network}::{variant}"), test).with_ignored_flag(python().is_none()),
        );
        let own = settings.clone();
        trials.push(Trial::test(format!("trains::{network}::{variant}"), move || trains(network, &own)));
    }
    trials.push(Trial::test("draws::bayesian-segnet", draws));
    trials.push(Trial::test("frozen::norms_keep_their_statistics", frozen));
    trials.push(Trial::test("values::written_back_and_loaded", written_back));
    libtest_mimic::run(&arguments, trials).exit();
}

/// The zoo's cases but those that only differ in size from another.
fn chosen() -> Vec<(&'static str, &'static str, Settings)> {
    const LEFT_OUT: [(&str, &str); 5] = [
        ("deeplab-mnv3-small", "many-windows"),
        ("resnet101", "classifier"),
        ("resnet152", "classifier"),
        ("resnet50", "stages"),
        ("segformer-b1", "whole"),
    ];
    cases().into_iter().filter(|(variant, network, _)| !LEFT_OUT.contains(&(*network, *variant))).collect()
}

/// A network with values at which mistakes show, and its draws made constant.
fn fixed(network: &str, settings: &Settings) -> Result<Model, Failed> {
    let mut random = Random(0x5EED);
    let mut model = blueprint(network, settings)?.model(3)?;
    randomize(&mut model, &mut random);
    let drawn = |node: &sedge::onnx::Node| node.op == "RandomUniform";
    for node in model.graph.nodes.iter().filter(|node| drawn(node)) {
        let shape: Vec<usize> =
            node.ints("shape").unwrap_or_default().iter().map(|&size| size as usize).collect();
        let draws = random.values(shape.iter().product(), 0.0, 1.0);
        model.graph.initializers.insert(node.outputs[0].clone(), Stored::f32(&shape, draws));
    }
    model.graph.nodes.retain(|node| !drawn(node));
    Ok(model)
}

fn pictures(network: &Network, count: usize) -> Vec<f32> {
    Random(7).values(count * network.input().iter().product::<usize>(), -1.0, 1.0)
}

/// One picture as ONNX Runtime computes it; three in a batch as each for itself.
fn numbers(name: &str, settings: &Settings) -> Result<(), Failed> {
    let model = fixed(name, settings)?;
    let network = Network::new(&model, Device::Cpu)?;
    let input = pictures(&network, 3);
    let each = input.len() / 3;
    let expected = outputs(&[(&model, &input[..each])])?.swap_remove(0)?;
    let (batch, single) = no_grad(|| -> Result<_, Failed> {
        let batch = network.forward(&images(&input, network.input()), Mode::Evaluate)?;
        let mut single = Vec::new();
        for one in input.chunks(each) {
            single.extend(values(&network.forward(&images(one, network.input()), Mode::Evaluate)?));
        }
        Ok((values(&batch), single))
    })?;
    let apart = difference(&single[..single.len() / 3], &expected);
    if apart > TOLERANCE {
        return Err(format!("differs from ONNX Runtime by {apart:.1e}").into());
    }
    // Kernels may sum in another order for another batch.
    let apart = difference(&batch, &single);
    if apart > TOLERANCE {
        return Err(format!("a batch differs from single runs by {apart:.1e}").into());
    }
    Ok(())
}

/// A training pass gives every weight a finite gradient, and moves every statistic.
fn trains(name: &str, settings: &Settings) -> Result<(), Failed> {
    tch::manual_seed(5);
    let network = Network::new(&fixed(name, settings)?, Device::Cpu)?;
    let before: Vec<Tensor> = network.variables().iter().map(|variable| variable.tensor.copy()).collect();
    let logits = network.forward(&images(&pictures(&network, 2), network.input()), Mode::Train)?;
    let expected = if network.is_segmenter() { 4 } else { 2 };
    if logits.dim() != expected || logits.size()[1] != network.classes() as i64 || logits.size()[0] != 2 {
        return Err(format!("logits of shape {:?}", logits.size()).into());
    }
    let scale = Tensor::from_slice(&Random(3).values(logits.numel(), -1.0, 1.0)).reshape(logits.size());
    (&logits * scale).sum(Kind::Float).backward();
    let mut failures = Vec::new();
    for (variable, before) in network.variables().iter().zip(&before) {
        let is_fine = match variable.role {
            Role::Weight => {
                let gradient = variable.tensor.grad();
                gradient.defined() && gradient.isfinite().all().int64_value(&[]) == 1
            }
            Role::Statistic => (&variable.tensor - before).abs().max().double_value(&[]) > 0.0,
        };
        if !is_fine {
            failures.push(variable.name.clone());
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(format!("no gradient or change: {failures:?}").into()) }
}

/// Dropout that the graph spells out draws anew in every run and for every picture, also when evaluated.
fn draws() -> Result<(), Failed> {
    let settings = Settings { size: Some((32, 32)), classes: Some(3), ..Settings::default() };
    let network = Network::new(&blueprint("bayesian-segnet", &settings)?.model(1)?, Device::Cpu)?;
    let one = pictures(&network, 1);
    let same = images(&[one.clone(), one].concat(), network.input());
    let run = || -> Result<Tensor, Failed> { Ok(no_grad(|| network.forward(&same, Mode::Evaluate))?) };
    tch::manual_seed(1);
    let (first, second) = (run()?, run()?);
    tch::manual_seed(1);
    let again = run()?;
    if first.get(0) == first.get(1) || first == second {
        return Err("two draws are equal".into());
    }
    if first != again {
        return Err("the same seed gives other draws".into());
    }
    Ok(())
}

/// A frozen norm behaves in training as when evaluated, and nothing of it changes.
fn frozen() -> Result<(), Failed> {
    let settings =
        Settings { size: Some((32, 32)), classes: Some(3), width: Some(0.35), ..Settings::default() };
    let mut network = Network::new(&fixed("unet-mnv2", &settings)?, Device::Cpu)?;
    if network.freeze(&["nothing*".to_string()]).is_ok() {
        return Err("a pattern that fits nothing was taken".into());
    }
    let count = network.freeze(&["*".to_string()])?;
    if count != network.variables().len() {
        return Err(format!("froze {count} variables").into());
    }
    let input = images(&pictures(&network, 2), network.input());
    let statistics = || -> Vec<Vec<f32>> { network.variables().iter().map(|v| values(&v.tensor)).collect() };
    let before = statistics();
    let apart = difference(
        &values(&network.forward(&input, Mode::Train)?),
        &values(&network.forward(&input, Mode::Evaluate)?),
    );
    if apart > 0.0 || before != statistics() {
        return Err(format!("differs by {apart}, or a variable changed").into());
    }
    network.freeze(&["encoder*".to_string()])?;
    network.forward(&input, Mode::Train)?.sum(Kind::Float).backward();
    let wrong: Vec<&str> = network
        .variables()
        .iter()
        .filter(|variable| {
            let trains = variable.role == Role::Weight && !variable.name.starts_with("encoder");
            variable.tensor.grad().defined() != trains
        })
        .map(|variable| variable.name.as_str())
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("wrong gradients: {wrong:?}").into()) }
}

/// What is written is the graph with new values, and loading them elsewhere gives the same network.
fn written_back() -> Result<(), Failed> {
    let settings = Settings { size: Some((32, 32)), classes: Some(4), ..Settings::default() };
    let model = fixed("unet-mnv2", &settings)?;
    let network = Network::new(&model, Device::Cpu)?;
    if network.model()? != model {
        return Err("an unchanged network does not give its model back".into());
    }
    let other = Network::new(&blueprint("unet-mnv2", &settings)?.model(77)?, Device::Cpu)?;
    let mut loaded = Network::new(&model, Device::Cpu)?;
    let saved: Vec<(String, Tensor)> =
        other.variables().iter().map(|v| (v.name.clone(), v.tensor.copy())).collect();
    loaded.load(&saved)?;
    if loaded.model()?.graph != other.model()?.graph {
        return Err("loaded values do not come back".into());
    }
    let missing = loaded.load(&[("nothing".to_string(), Tensor::zeros([1], (Kind::Float, Device::Cpu)))]);
    let misshapen =
        loaded.load(&[(saved[0].0.clone(), Tensor::zeros([1, 1, 1], (Kind::Float, Device::Cpu)))]);
    if missing.is_ok() || misshapen.is_ok() {
        return Err("values that do not fit were loaded".into());
    }
    Ok(())
}
