//! Quantization-aware training: what `sedge convert` gives runs here as it runs elsewhere, learns, and is written back as
//! a model that still lowers to integers as a whole.

mod onnxruntime;
#[path = "../../tests/networks/mod.rs"]
mod zoo;

use libtest_mimic::{Arguments, Failed, Trial};
use onnxruntime::{difference, images, outputs, python, values};
use sedge::camera;
use sedge::engine::Session;
use sedge::onnx::{Card, DataType, Model};
use sedge::quantize::{self, Activations, Method, Options};
use sedge::zoo::Settings;
use sedge_train::graph::{Mode, Network, Role};
use tch::{Device, Kind, Tensor, no_grad};
use zoo::{Random, blueprint, randomize};

fn main() {
    let arguments = Arguments::from_args();
    tch::set_num_threads(1);
    let mut trials = Vec::new();
    for (name, network, width, activations) in [
        ("unet-u8", "unet-mnv2-4", Some(0.35), Activations::U8),
        ("unet-s8", "unet-mnv2-4", Some(0.35), Activations::S8),
        ("student", "kd-student", None, Activations::U8),
        ("deeplab", "deeplab-mnv3-small", None, Activations::U8),
    ] {
        let make = move || Pair::new(network, width, activations);
        trials.push(Trial::test(format!("unchanged::{name}"), move || unchanged(&make()?)));
        let test = move || as_onnxruntime(&make()?);
        trials.push(Trial::test(format!("numbers::{name}"), test).with_ignored_flag(python().is_none()));
        trials.push(Trial::test(format!("learns::{name}"), move || learns(&make()?)));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// A float network and its int8 form.
struct Pair {
    float: Model,
    int8: Model,
}

impl Pair {
    fn new(network: &str, width: Option<f32>, activations: Activations) -> Result<Pair, Failed> {
        let settings = Settings { size: Some((64, 64)), classes: Some(4), width, ..Settings::default() };
        let mut float = blueprint(network, &settings)?.model(3)?;
        randomize(&mut float, &mut Random(9));
        let card = Card::of(&float)?;
        let rule = card.input.clone().ok_or("the card has no input rule")?;
        let options = Options { method: Method::MinMax, activations, ..Options::default() };
        let open = || camera::open("synthetic:64x64@5:3");
        let int8 = quantize::quantize(&float, &card, &rule, options, &open, &|_| {})?.model;
        Ok(Pair { float, int8 })
    }
}

fn pictures(network: &Network, count: usize) -> Vec<f32> {
    Random(7).values(count * network.input().iter().product::<usize>(), -1.0, 1.0)
}

/// Weights are float masters, biases too; an unchanged network gives the same bytes back.
fn unchanged(pair: &Pair) -> Result<(), Failed> {
    let network = Network::new(&pair.int8, Device::Cpu)?;
    let mut integers = 0;
    for variable in network.variables() {
        let stored = &pair.int8.graph.initializers[&variable.name];
        integers += usize::from(matches!(stored.data_type(), DataType::I8 | DataType::I32));
        if variable.role != Role::Weight || variable.tensor.kind() != Kind::Float {
            return Err(format!("{} is no float weight", variable.name).into());
        }
    }
    let weighted = pair.int8.graph.nodes.iter().filter(|node| matches!(node.op.as_str(), "Conv" | "Gemm"));
    if integers < weighted.count() {
        return Err(format!("{integers} variables are stored as integers").into());
    }
    if network.model()?.to_bytes() != pair.int8.to_bytes() {
        return Err("an unchanged network gives another model".into());
    }
    Ok(())
}

/// Differences in steps of 8 bits over the expected range: how many steps the worst is apart, and the share that is apart
/// by more than half.
fn steps_apart(found: &[f32], expected: &[f32]) -> (f32, f64) {
    let bound = |take: fn(f32, f32) -> f32| expected.iter().copied().reduce(take).unwrap_or_default();
    let step = ((bound(f32::max) - bound(f32::min)) / 255.0).max(f32::MIN_POSITIVE);
    let apart: Vec<f32> = found.iter().zip(expected).map(|(a, b)| (a - b).abs() / step).collect();
    let other = apart.iter().filter(|&&steps| steps > 0.5).count();
    (apart.iter().copied().fold(0.0, f32::max), other as f64 / apart.len().max(1) as f64)
}

/// Power of the difference by that of the signal.
fn noise(found: &[f32], expected: &[f32]) -> f64 {
    let power = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
    let apart = power(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    apart / power(&mut expected.iter().copied()).max(f64::MIN_POSITIVE)
}

fn as_onnxruntime(pair: &Pair) -> Result<(), Failed> {
    let network = Network::new(&pair.int8, Device::Cpu)?;
    let input = pictures(&network, 1);
    let expected = outputs(&[(&pair.int8, &input)])?.swap_remove(0)?;
    let found = values(&no_grad(|| network.forward(&images(&input, network.input()), Mode::Evaluate))?);
    let (worst, share) = steps_apart(&found, &expected);
    if found.len() != expected.len() || worst > 1.5 || share > 0.02 {
        return Err(format!("differs by {worst} steps, {share} of the elements").into());
    }
    Ok(())
}

/// Steps towards the float network's logits bring them nearer; the written model is whole integers and gives the same.
fn learns(pair: &Pair) -> Result<(), Failed> {
    let teacher = Network::new(&pair.float, Device::Cpu)?;
    let network = Network::new(&pair.int8, Device::Cpu)?;
    let input = images(&pictures(&network, 4), network.input());
    // Not quite the teacher's, so that there is something to learn beside the noise of rounding.
    let target = no_grad(|| teacher.forward(&input, Mode::Evaluate))? * 0.8 + 0.1;
    let loss = || -> Result<Tensor, Failed> {
        Ok((network.forward(&input, Mode::Train)? - &target).square().mean(Kind::Float))
    };
    let first = loss()?;
    first.backward();
    let mut best = f64::INFINITY;
    for _ in 0..12 {
        // Steps as long as a share of each tensor's own size, as adaptive optimizers take them.
        no_grad(|| {
            for variable in network.variables() {
                let mut tensor = variable.tensor.shallow_clone();
                let mut gradient = tensor.grad();
                if gradient.defined() {
                    let length = tensor.norm() / (gradient.norm() + 1e-12) * 0.002;
                    let _ = tensor.g_sub_(&(&gradient * length));
                    let _ = gradient.zero_();
                }
            }
        });
        let next = loss()?;
        best = best.min(next.double_value(&[]));
        next.backward();
    }
    let first = first.double_value(&[]);
    if best > 0.9 * first {
        return Err(format!("the loss went from {first} to {best} at best").into());
    }
    let written = network.model()?;
    if written.graph.initializers == pair.int8.graph.initializers {
        return Err("nothing changed in the written model".into());
    }
    let session = Session::new(&written)?;
    if session.int8().is_none() && Session::new(&pair.int8)?.int8().is_some() {
        return Err("the written model does not lower to integers as a whole".into());
    }
    let one = pictures(&network, 1);
    let engine = session.run(&one)?.swap_remove(0);
    let found = values(&no_grad(|| network.forward(&images(&one, network.input()), Mode::Evaluate))?);
    // The engine rounds a tie in a thousand the other way, which a network of random weights amplifies.
    let noise = noise(&found, engine.as_f32().ok_or("no floats")?);
    if noise > 0.01 {
        return Err(format!("the engine differs by {noise} of the signal").into());
    }
    let reloaded = Network::new(&written, Device::Cpu)?;
    let again = values(&no_grad(|| reloaded.forward(&images(&one, network.input()), Mode::Evaluate))?);
    if difference(&again, &found) > 0.0 {
        return Err("the written model is not what was trained".into());
    }
    Ok(())
}
