//! Values against hand computations and PyTorch, gradients against finite differences.

use std::process::Command;

use tch::{Device, Kind, Tensor};

use super::Loss;

/// Logits of a small picture: `[2, classes, 2, 3]`, not one like another.
fn logits(classes: i64) -> Tensor {
    let count = 2 * classes * 6;
    let values: Vec<f64> = (0..count).map(|i| ((i * 7 + 3) as f64 * 0.731).sin() * 2.0).collect();
    Tensor::from_slice(&values).view([2, classes, 2, 3])
}

fn targets(classes: i64) -> Tensor {
    let values: Vec<i64> = (0..12).map(|i| if i % 5 == 3 { 255 } else { (i * 5 / 2) % classes }).collect();
    Tensor::from_slice(&values).view([2, 2, 3])
}

struct Case {
    loss: &'static str,
    classes: i64,
    channels: i64,
    weights: Option<&'static [f32]>,
    smoothing: f64,
}

const fn case(loss: &'static str, classes: i64) -> Case {
    Case { loss, classes, channels: classes, weights: None, smoothing: 0.0 }
}

const WEIGHTS: Option<&[f32]> = Some(&[2.0, 0.5, 1.25]);

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = ["ce", "dice", "jaccard", "lovasz", "focal", "focal(1)", "ce+0.5*dice"]
        .into_iter()
        .flat_map(|loss| [case(loss, 3), Case { weights: WEIGHTS, ..case(loss, 3) }])
        .collect();
    cases.push(Case { smoothing: 0.1, ..case("ce", 3) });
    cases.push(Case { smoothing: 0.1, weights: WEIGHTS, ..case("ce", 3) });
    for channels in [1, 2] {
        cases.push(Case { channels, ..case("bce", 2) });
        cases.push(Case { channels, weights: Some(&[3.0, 0.5]), smoothing: 0.2, ..case("bce", 2) });
    }
    cases
}

fn loss(case: &Case) -> Loss {
    let loss = Loss::parse(case.loss).unwrap().with_ignore(Some(255));
    let loss = loss.with_smoothing(case.smoothing).unwrap().with_weights(case.weights, Device::Cpu).unwrap();
    loss.check(case.channels as usize, case.classes as usize).unwrap();
    loss
}

#[test]
fn values_worked_out_by_hand() {
    // Two pixels of class 0 and 1 with p = (3/4, 1/4) and (1/2, 1/2); a third is ignored.
    let logits = Tensor::from_slice(&[3.0_f64.ln(), 0.0, 9.0, 0.0, 0.0, -9.0]).view([1, 2, 1, 3]);
    let targets = Tensor::from_slice(&[0_i64, 1, 255]).view([1, 1, 3]);
    let ln2 = 2.0_f64.ln();
    let cases = [
        ("ce", None, (-(0.75_f64.ln()) + ln2) / 2.0),
        // Weighted mean: (1 * -ln 3/4 + 3 * ln 2) / 4.
        ("ce", Some([1.0, 3.0]), (-(0.75_f64.ln()) + 3.0 * ln2) / 4.0),
        // Class 0: 1 - 2 * 3/4 / (5/4 + 1); class 1: 1 - 2 * 1/2 / (3/4 + 1).
        ("dice", None, (1.0 - 1.5 / 2.25 + 1.0 - 1.0 / 1.75) / 2.0),
        // Class 0: 1 - 3/4 / (5/4 + 1 - 3/4); class 1: 1 - 1/2 / (3/4 + 1 - 1/2).
        ("jaccard", None, (1.0 - 0.75 / 1.5 + 1.0 - 0.5 / 1.25) / 2.0),
        // Class 0: errors 1/2 (not truth, gain 1/2), 1/4 (truth, gain 1/2). Class 1: 1/2 (truth, gain 1), 1/4 (gain 0).
        ("lovasz", None, ((0.25 + 0.125) + 0.5) / 2.0),
        ("focal", None, (-(0.75_f64.ln()) / 16.0 + ln2 / 4.0) / 2.0),
        ("2*ce+0.5*focal", None, (-(0.75_f64.ln()) + ln2) + (-(0.75_f64.ln()) / 16.0 + ln2 / 4.0) / 4.0),
    ];
    let mut wrong = Vec::new();
    for (text, weights, expected) in cases {
        let weights = weights.as_ref().map(<[f32; 2]>::as_slice);
        let loss =
            Loss::parse(text).unwrap().with_ignore(Some(255)).with_weights(weights, Device::Cpu).unwrap();
        let value = loss.of(&logits, &targets).unwrap().double_value(&[]);
        if (value - expected).abs() > 1e-9 {
            wrong.push(format!("{text} {weights:?}: {value}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_batch_of_ignored_pixels_costs_nothing() {
    for case in cases() {
        let logits = logits(case.channels).set_requires_grad(true);
        let targets = Tensor::full([2, 2, 3], 255, (Kind::Int64, Device::Cpu));
        let value = loss(&case).of(&logits, &targets).unwrap();
        value.backward();
        let slope = logits.grad().abs().max().double_value(&[]);
        assert_eq!((value.double_value(&[]), slope), (0.0, 0.0), "{}", case.loss);
    }
}

#[test]
fn a_classifiers_logits_cost_as_pixels_do() {
    for case in cases() {
        let logits = Tensor::from_slice(&[0.3_f64, -1.0, 0.5, 2.0, 0.1, -0.7]);
        let logits = logits.view([6 / case.channels, case.channels]);
        let count = 6 / case.channels;
        let targets = Tensor::from_slice(&(0..count).map(|i| i % case.classes).collect::<Vec<i64>>());
        let flat = loss(&case).of(&logits, &targets).unwrap();
        let tall =
            loss(&case).of(&logits.view([count, case.channels, 1, 1]), &targets.view([count, 1, 1])).unwrap();
        assert!((flat.double_value(&[]) - tall.double_value(&[])).abs() < 1e-12, "{}", case.loss);
    }
}

#[test]
fn gradients_equal_finite_differences() {
    const STEP: f64 = 1e-5;
    let mut wrong = Vec::new();
    for case in cases() {
        let (loss, targets) = (loss(&case), targets(case.classes));
        let logits = logits(case.channels).set_requires_grad(true);
        loss.of(&logits, &targets).unwrap().backward();
        let gradient = Vec::<f64>::try_from(logits.grad().view([-1])).unwrap();
        let values = Vec::<f64>::try_from(logits.detach().view([-1])).unwrap();
        for (index, slope) in gradient.into_iter().enumerate() {
            let moved = |step: f64| {
                let mut values = values.clone();
                values[index] += step;
                let logits = Tensor::from_slice(&values).view_as(&logits);
                loss.of(&logits, &targets).unwrap().double_value(&[])
            };
            let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            if (slope - expected).abs() > 1e-7 {
                wrong.push(format!(
                    "{} weights {:?}, logit {index}: {slope}, not {expected}",
                    case.loss, case.weights
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_no_loss_is_refused() {
    let cases = [
        ("", "\"\" is no loss"),
        ("ce+", "\"\" is no loss"),
        ("kl", "\"kl\" is no loss"),
        ("-1*ce", "\"-1*ce\" is no loss"),
        ("focal(0.5)", "\"focal(0.5)\" is no loss"),
    ];
    for (text, expected) in cases {
        let message = Loss::parse(text).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{text}: {message}");
    }
    assert!(
        Loss::parse("ce")
            .unwrap()
            .check(1, 2)
            .unwrap_err()
            .to_string()
            .contains("loss ce does not fit 1 logit")
    );
    assert!(Loss::parse("bce").unwrap().check(3, 3).is_err());
    let weights = Loss::parse("ce").unwrap().with_weights(Some(&[1.0]), Device::Cpu).unwrap();
    assert!(
        weights.check(3, 3).unwrap_err().to_string().starts_with("1 class weights were given for 3 classes")
    );
    assert!(Loss::parse("ce").unwrap().with_smoothing(1.0).is_err());
    assert_eq!(Loss::parse(" ce + 0.5*dice+focal(3)").unwrap().to_string(), "ce+0.5*dice+focal(3)");
}

/// PyTorch's own functions, and the textbook's sums where it has none.
const REFERENCE: &str = "
import json, sys, torch
import torch.nn.functional as F
out = []
for case in json.load(sys.stdin):
    z = torch.tensor(case['logits'], dtype=torch.float64).view(2, case['channels'], 2, 3)
    t = torch.tensor(case['targets']).view(2, 2, 3)
    w = None if case['weights'] is None else torch.tensor(case['weights'], dtype=torch.float64)
    s = case['smoothing']
    if case['loss'] == 'ce':
        v = F.cross_entropy(z, t, weight=w, ignore_index=255, label_smoothing=s)
    elif case['loss'] == 'bce':
        valid = t != 255
        y = (t[valid].unsqueeze(1) if case['channels'] == 1 else F.one_hot(t[valid], 2)).double() * (1 - s) + s / 2
        z = z.permute(0, 2, 3, 1)[valid]
        p = F.binary_cross_entropy_with_logits(z, y, reduction='none').mean(1)
        v = p.mean() if w is None else (p * w[t[valid]]).sum() / w[t[valid]].sum()
    else:
        continue
    out.append((case['index'], v.item()))
print(json.dumps(out))
";

#[test]
fn cross_entropy_and_binary_equal_pytorch() {
    let Some(python) = std::env::var_os("SEDGE_PYTHON") else {
        eprintln!("skipped cross_entropy_and_binary_equal_pytorch: SEDGE_PYTHON names no Python with torch");
        return;
    };
    let cases = cases();
    let list = |tensor: &Tensor| Vec::<f64>::try_from(tensor.view([-1]).to_kind(Kind::Double)).unwrap();
    let integers = |tensor: &Tensor| Vec::<i64>::try_from(tensor.view([-1])).unwrap();
    let given: Vec<serde_json::Value> = cases
        .iter()
        .enumerate()
        .map(|(index, case)| {
            serde_json::json!({
                "index": index, "loss": case.loss, "channels": case.channels, "weights": case.weights,
                "smoothing": case.smoothing, "logits": list(&logits(case.channels)),
                "targets": integers(&targets(case.classes)),
            })
        })
        .collect();
    let text = crate::reference::run(
        Command::new(python).args(["-c", REFERENCE]),
        &serde_json::json!(given).to_string(),
    );
    let expected: Vec<(usize, f64)> = serde_json::from_str(&text).unwrap();
    assert!(expected.len() >= 8, "{text}");
    for (index, expected) in expected {
        let case = &cases[index];
        let value = loss(case).of(&logits(case.channels), &targets(case.classes)).unwrap().double_value(&[]);
        assert!((value - expected).abs() < 1e-9, "{} {:?}: {value}, not {expected}", case.loss, case.weights);
    }
}
