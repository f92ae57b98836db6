//! Optimizers against PyTorch and hand computations; schedules against their formulas.

use std::process::Command;

use tch::{Device, Kind, Tensor};

use super::{Average, Exact, Groups, Method, Optimizer, Parameter, Plateau, Scaler, Schedule, Shape};

/// A small loss whose gradients differ in size and sign: sum of a * x^2 + sin(x), and a matrix so that something decays.
fn variables() -> Vec<Parameter> {
    let values: Vec<f32> = (0..6).map(|i| (i as f32 * 1.3).cos()).collect();
    let matrix = Tensor::from_slice(&values).view([2, 3]).set_requires_grad(true);
    let vector = Tensor::from_slice(&[0.5_f32, -1.5, 2.0]).set_requires_grad(true);
    vec![Parameter::new("layer.weight", &matrix), Parameter::new("layer.bias", &vector)]
}

fn loss(parameters: &[Parameter]) -> Tensor {
    let (w, b) = (&parameters[0].tensor, &parameters[1].tensor);
    (w * w * 0.7 + w.sin()).sum(Kind::Float) + (b * b * 0.01 + (b * 3.0).sin()).sum(Kind::Float)
}

fn values(parameters: &[Parameter]) -> Vec<f64> {
    let list =
        |p: &Parameter| Vec::<f64>::try_from(p.tensor.detach().view([-1]).to_kind(Kind::Double)).unwrap();
    parameters.iter().flat_map(list).collect()
}

fn train(method: &str, decay: f64, steps: usize, clip: Option<f64>) -> Optimizer {
    let mut optimizer = Optimizer::new(method.parse().unwrap(), decay, variables()).unwrap();
    for _ in 0..steps {
        optimizer.zero_gradients();
        loss(optimizer.parameters()).backward();
        if let Some(norm) = clip {
            let _ = optimizer.clip(norm).unwrap();
        }
        optimizer.step(0.05).unwrap();
    }
    optimizer
}

const CASES: [(&str, f64, Option<f64>); 9] = [
    ("sgd:momentum=0", 0.0, None),
    ("sgd:momentum=0", 0.1, None),
    ("sgd", 0.01, None),
    ("sgd:momentum=0.8,nesterov", 0.01, None),
    ("sgd", 0.0, Some(0.3)),
    ("adam", 0.0, None),
    ("adam", 0.1, None),
    ("adamw", 0.1, None),
    ("adamw:beta1=0.8,beta2=0.9,epsilon=0.001", 0.2, Some(0.5)),
];

const REFERENCE: &str = "
import json, math, sys, torch
out = []
for case in json.load(sys.stdin):
    w = torch.tensor(case['start'][:6]).view(2, 3).requires_grad_()
    b = torch.tensor(case['start'][6:]).requires_grad_()
    name, _, rest = case['method'].partition(':')
    given = dict(s.partition('=')[::2] for s in rest.split(',') if s)
    groups = [dict(params=[w], weight_decay=case['decay']), dict(params=[b], weight_decay=0.0)]
    if name == 'sgd':
        o = torch.optim.SGD(groups, lr=0.05, momentum=float(given.get('momentum', 0.9)), nesterov='nesterov' in given)
    else:
        kind = torch.optim.Adam if name == 'adam' else torch.optim.AdamW
        betas = (float(given.get('beta1', 0.9)), float(given.get('beta2', 0.999)))
        o = kind(groups, lr=0.05, betas=betas, eps=float(given.get('epsilon', 1e-8)))
    for _ in range(20):
        o.zero_grad()
        ((w * w * 0.7 + w.sin()).sum() + (b * b * 0.01 + (b * 3.0).sin()).sum()).backward()
        if case['clip'] is not None:
            torch.nn.utils.clip_grad_norm_([w, b], case['clip'])
        o.step()
    out.append(w.flatten().tolist() + b.tolist())
print(json.dumps(out))
";

#[test]
fn twenty_steps_equal_pytorch() {
    let Some(python) = std::env::var_os("SEDGE_PYTHON") else {
        eprintln!("skipped twenty_steps_equal_pytorch: SEDGE_PYTHON names no Python with torch");
        return;
    };
    let start = values(&variables());
    let given: Vec<_> = CASES
        .iter()
        .map(|(method, decay, clip)| serde_json::json!({"method": method, "decay": decay, "clip": clip, "start": start}))
        .collect();
    let text = crate::reference::run(
        Command::new(python).args(["-c", REFERENCE]),
        &serde_json::json!(given).to_string(),
    );
    let expected: Vec<Vec<f64>> = serde_json::from_str(&text).unwrap();
    let mut wrong = Vec::new();
    for ((method, decay, clip), expected) in CASES.iter().zip(expected) {
        let found = values(train(method, *decay, 20, *clip).parameters());
        let difference = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if difference > 1e-6 {
            wrong.push(format!("{method} decay {decay} clip {clip:?}: {difference:e}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn first_steps_worked_out_by_hand() {
    // One weight 2 (a 1x1 matrix, so that it decays) with gradient 4 in each of two steps, rate 0.1.
    let cases = [
        ("sgd:momentum=0", 0.0, 2.0 - 0.4 - 0.4),
        // Gradient 4 + 0.5 * 2, then 4 + 0.5 * 1.5.
        ("sgd:momentum=0", 0.5, 2.0 - 0.5 - 0.475),
        ("sgd:momentum=0.5", 0.0, 2.0 - 0.4 - 0.6),
        // Directions 4 + 0.5 * 4 and 4 + 0.5 * 6.
        ("sgd:momentum=0.5,nesterov", 0.0, 2.0 - 0.6 - 0.7),
        // Equal gradients: mean and root of squares agree, each step is the rate.
        ("adam", 0.0, 2.0 - 0.1 - 0.1),
        ("adamw", 0.5, (2.0 * 0.95 - 0.1) * 0.95 - 0.1),
    ];
    let mut wrong = Vec::new();
    for (method, decay, expected) in cases {
        let weight = Tensor::from_slice(&[2.0_f32]).view([1, 1]).set_requires_grad(true);
        let parameters = vec![Parameter::new("weight", &weight)];
        let mut optimizer = Optimizer::new(method.parse().unwrap(), decay, parameters).unwrap();
        for _ in 0..2 {
            optimizer.zero_gradients();
            (&weight * 4.0).sum(Kind::Float).backward();
            optimizer.step(0.1).unwrap();
        }
        let found = weight.double_value(&[0, 0]);
        if (found - expected).abs() > 1e-6 {
            wrong.push(format!("{method} decay {decay}: {found}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_loaded_state_goes_on_bit_for_bit() {
    for (method, decay, clip) in CASES {
        let whole = train(method, decay, 6, clip);
        let half = train(method, decay, 3, clip);
        let parameters = variables();
        for (mine, saved) in parameters.iter().zip(half.parameters()) {
            tch::no_grad(|| mine.tensor.shallow_clone().copy_(&saved.tensor));
        }
        let mut resumed = Optimizer::new(method.parse().unwrap(), decay, parameters).unwrap();
        resumed.load(half.steps(), &half.state()).unwrap();
        for _ in 0..3 {
            resumed.zero_gradients();
            loss(resumed.parameters()).backward();
            if let Some(norm) = clip {
                let _ = resumed.clip(norm).unwrap();
            }
            resumed.step(0.05).unwrap();
        }
        assert_eq!(values(whole.parameters()), values(resumed.parameters()), "{method}");
    }
    let mut other = Optimizer::new("sgd".parse().unwrap(), 0.0, variables()).unwrap();
    let message = other.load(3, &train("adam", 0.0, 1, None).state()).unwrap_err().to_string();
    assert!(message.contains("momentum.layer.weight"), "{message}");
}

#[test]
fn clipping_keeps_the_direction() {
    let optimizer = Optimizer::new("adam".parse().unwrap(), 0.0, variables()).unwrap();
    loss(optimizer.parameters()).backward();
    let squares =
        |o: &Optimizer| o.gradients().map(|g| g.square().sum(Kind::Double).double_value(&[])).sum::<f64>();
    let (before, first) =
        (squares(&optimizer).sqrt(), optimizer.gradients().next().unwrap().double_value(&[0, 0]));
    assert!((optimizer.clip(1e9).unwrap().double_value(&[]) - before).abs() < 1e-5);
    assert!((squares(&optimizer).sqrt() - before).abs() < 1e-5, "a small gradient was changed");
    let _ = optimizer.clip(0.25).unwrap();
    let now = optimizer.gradients().next().unwrap().double_value(&[0, 0]);
    assert!((squares(&optimizer).sqrt() - 0.25).abs() < 1e-5 && (now / first - 0.25 / before).abs() < 1e-5);
}

#[test]
fn factors_by_pattern() {
    let mut parameters = variables();
    let scales = vec![("*".to_string(), 0.5), ("*.bias".to_string(), 0.1)];
    Groups { scales }.apply(&mut parameters).unwrap();
    assert_eq!(
        parameters.iter().map(|p| (p.rate_factor, p.decays)).collect::<Vec<_>>(),
        [(0.5, true), (0.1, false)]
    );
    let unknown = Groups { scales: vec![("encoder*".to_string(), 0.5)] }.apply(&mut parameters).unwrap_err();
    assert!(
        unknown.to_string().contains("encoder*") && unknown.to_string().contains("layer.weight"),
        "{unknown}"
    );
}

#[test]
fn rates_follow_their_formulas() {
    let schedule = |shape: &str, warmup_epochs: f64| Schedule {
        rate: 1.0,
        shape: shape.parse().unwrap(),
        warmup_epochs,
        epochs: 10,
        epoch_steps: 4,
    };
    let cases = [
        ("constant", 0.0, 39, 1.0),
        ("constant", 1.0, 0, 0.25),
        ("constant", 1.0, 3, 1.0),
        ("constant", 1.0, 4, 1.0),
        ("step:every=4,factor=0.5", 0.0, 15, 1.0),
        ("step:every=4,factor=0.5", 0.0, 16, 0.5),
        ("step:every=4,factor=0.5", 0.0, 32, 0.25),
        ("cosine", 0.0, 0, 1.0),
        ("cosine", 0.0, 20, 0.5),
        ("cosine:floor=0.2", 0.0, 40, 0.2),
        ("cosine", 2.0, 24, 0.5),
        ("poly", 0.0, 20, 0.5_f64.powf(0.9)),
        ("poly:power=2", 0.0, 30, 0.0625),
        ("plateau", 0.0, 39, 1.0),
    ];
    let mut wrong = Vec::new();
    for (shape, warmup, step, expected) in cases {
        let rate = schedule(shape, warmup).rate(step, &Plateau::default());
        if (rate - expected).abs() > 1e-12 {
            wrong.push(format!("{shape} warm-up {warmup}, step {step}: {rate}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let falling = schedule("plateau:factor=0.5,patience=2", 0.0);
    let mut plateau = Plateau::default();
    let rates: Vec<f64> = [0.1, 0.2, 0.2, 0.15, 0.2, 0.3, 0.3, 0.3, 0.3]
        .into_iter()
        .map(|score| {
            falling.scored(score, &mut plateau);
            falling.rate(0, &plateau)
        })
        .collect();
    assert_eq!(rates, [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25]);
}

#[test]
fn what_cannot_be_read_is_refused() {
    for text in
        ["", "rmsprop", "sgd:nesterov,momentum=0", "adam:momentum=0.9", "sgd:momentum=1", "adam:beta1=x"]
    {
        assert!(text.parse::<Method>().is_err(), "{text}");
    }
    for text in ["", "linear", "cosine:power=2", "step:every=0", "step:every", "plateau:factor=2"] {
        assert!(text.parse::<Shape>().is_err(), "{text}");
    }
}

#[test]
fn an_average_follows() {
    let mut value = Tensor::from_slice(&[0.0_f32]);
    let mut average = Average::new(0.5, [("x", &value)].into_iter()).unwrap();
    let _ = value.fill_(1.0);
    // Decays min(0.5, 2/11), min(0.5, 3/12), ...: 0 -> 9/11 -> 1 - 2/11 * 1/4.
    average.follow([&value].into_iter()).unwrap();
    assert!((average.values()[0].1.double_value(&[0]) - 9.0 / 11.0).abs() < 1e-6);
    average.follow([&value].into_iter()).unwrap();
    assert!((average.values()[0].1.double_value(&[0]) - (1.0 - 2.0 / 44.0)).abs() < 1e-6);
}

#[test]
fn a_scaled_loss_gives_the_same_gradients_or_none() {
    let (plain, scaled) = (variables(), variables());
    loss(&plain).backward();
    let mut scaler = Scaler::default();
    scaler.scaled(&loss(&scaled)).unwrap().backward();
    let mut gradients = scaled.iter().map(|p| p.tensor.grad());
    assert!(scaler.unscale(&mut gradients, Device::Cpu).unwrap());
    for (plain, scaled) in plain.iter().zip(&scaled) {
        let difference = (plain.tensor.grad() - scaled.tensor.grad()).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{difference}");
    }
    let before = scaler;
    let infinite = Tensor::from_slice(&[f32::INFINITY, 1.0]);
    assert!(!scaler.unscale([infinite].into_iter(), Device::Cpu).unwrap());
    let one = Tensor::from(1.0_f32);
    let ratio =
        scaler.scaled(&one).unwrap().double_value(&[]) / before.scaled(&one).unwrap().double_value(&[]);
    assert_eq!(ratio, 0.5);
}

#[test]
fn exact_numbers_come_back() {
    for number in [0.1, 1.0 / 3.0, 0.28571428571428575, f64::MIN_POSITIVE, 1e300, -0.0, f64::INFINITY] {
        let text = serde_json::to_string(&Exact(number)).unwrap();
        let back: Exact = serde_json::from_str(&text).unwrap();
        assert_eq!(back.0.to_bits(), number.to_bits(), "{text}");
    }
}
