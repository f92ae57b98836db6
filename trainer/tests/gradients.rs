//! Every operator's gradients against central finite differences, in doubles, in training and as evaluated.

mod onnxruntime;
mod operators_table;

use libtest_mimic::{Arguments, Failed, Trial};
use operators_table::{Case, cases, numbers};
use sedge_train::graph::{GraphError, Mode, Network, Role};
use tch::{Device, Kind, Tensor};

/// Step of the differences, and how far a gradient may be from them, relative to the largest of its tensor.
const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-6;
/// Elements of each tensor that are checked.
const ELEMENTS: usize = 12;

fn main() {
    // libtorch has one random generator for all threads: trials that seed it run one after the other.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    tch::set_num_threads(1);
    let trials = vec![
        Trial::test("training", || all(Mode::Train)),
        Trial::test("evaluated", || all(Mode::Evaluate)),
        Trial::test("straight_through", straight_through),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

fn all(mode: Mode) -> Result<(), Failed> {
    let mut failures = Vec::new();
    for case in cases().iter().filter(|case| case.is_differentiable) {
        let problem = check(case, mode).unwrap_or_else(|error| Some(error.to_string()));
        failures.extend(problem.map(|problem| format!("{}: {problem}", case.name)));
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// A sum of all logits, each with its own weight; draws are the same every time.
fn loss(network: &Network, images: &Tensor, mode: Mode) -> Result<Tensor, GraphError> {
    tch::manual_seed(17);
    let logits = network.forward(images, mode)?;
    let factors = Tensor::from_slice(&numbers(logits.numel(), 3)).to_kind(Kind::Double);
    Ok((logits.reshape([-1]) * factors).sum(Kind::Double))
}

fn check(case: &Case, mode: Mode) -> Result<Option<String>, GraphError> {
    let network = Network::of_kind(&case.model(), Device::Cpu, Kind::Double)?;
    let [channels, height, width] = case.shape().map(|size| size as i64);
    let images = Tensor::from_slice(&case.pictures(2))
        .to_kind(Kind::Double)
        .reshape([2, channels, height, width])
        .set_requires_grad(true);
    let result = loss(&network, &images, mode)?;
    if !result.requires_grad() {
        return Ok(Some("no gradient at all".to_string()));
    }
    result.backward();
    let weights = network.variables().iter().filter(|variable| variable.role == Role::Weight);
    let mut tensors: Vec<(&str, Tensor)> =
        weights.map(|variable| (variable.name.as_str(), variable.tensor.shallow_clone())).collect();
    tensors.push(("the image", images.shallow_clone()));
    for (name, tensor) in tensors {
        let gradient = tensor.grad();
        let count = tensor.numel();
        let gradient = if gradient.defined() { gradient } else { tensor.zeros_like() };
        let gradient = Vec::<f64>::try_from(gradient.detach().reshape([-1])).unwrap_or_default();
        let largest = gradient.iter().map(|value| value.abs()).fold(1.0, f64::max);
        // The tensor's own memory, so that the graph sees the change.
        let flat = tensor.detach().view([-1]);
        for index in (0..count).step_by(count.div_ceil(ELEMENTS)) {
            let mut element = flat.get(index as i64);
            let value = element.double_value(&[]);
            let mut at = |value: f64| -> Result<f64, GraphError> {
                let _ = element.fill_(value);
                Ok(tch::no_grad(|| loss(&network, &images, mode))?.double_value(&[]))
            };
            let expected = (at(value + STEP)? - at(value - STEP)?) / (2.0 * STEP);
            at(value)?;
            if (gradient[index] - expected).abs() > TOLERANCE * largest {
                return Ok(Some(format!("{name}[{index}]: gradient {}, not {expected}", gradient[index])));
            }
        }
    }
    Ok(None)
}

/// Gradients pass a quantizer where the value lies in its range and are zero outside.
fn straight_through() -> Result<(), Failed> {
    let case = Case::new("range")
        .input(1, 1, 4)
        .floats("scale", &[], &[0.1])
        .tensor("zero", sedge::onnx::Tensor::u8(&[], vec![100]))
        .node("QuantizeLinear", "x scale zero")
        .node("DequantizeLinear", "y0 scale zero");
    let network = Network::new(&case.model(), Device::Cpu)?;
    let images =
        Tensor::from_slice(&[-10.2f32, -9.98, 15.51, 15.6]).reshape([1, 1, 1, 4]).set_requires_grad(true);
    let logits = network.forward(&images, Mode::Train)?;
    logits.sum(Kind::Float).backward();
    let found = onnxruntime::values(&logits);
    let gradient = onnxruntime::values(&images.grad());
    if onnxruntime::difference(&found, &[-10.0, -10.0, 15.5, 15.5]) > 1e-6 || gradient != [0.0, 1.0, 1.0, 0.0]
    {
        return Err(format!("gives {found:?} with gradients {gradient:?}").into());
    }
    Ok(())
}
