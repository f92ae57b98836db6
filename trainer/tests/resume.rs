//! A run that was stopped goes on to the same weights, bit for bit.

mod fit_shapes;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fit_shapes::{CLASSIFIER, SEGMENTER, classes, column, differences, masks, options, setup};
use sedge_train::fit::{FitError, Options, Silent, Stop, Supervised, fit};

/// Everything that has a state: augmentation, an average, momentum of norms, a schedule that waits for scores.
fn eventful(model: &str, data: &Path) -> Options {
    Options {
        augment: "flip,scale=0.8:1.2,noise=0.05".parse().unwrap(),
        average: Some(0.9),
        clip: Some(1.0),
        schedule: "plateau:factor=0.5,patience=1".parse().unwrap(),
        warmup_epochs: 0.5,
        ..options(model, data, 3)
    }
}

/// Stops after so many steps of the run, then goes on to the end.
fn broken_off(options: &Options, folder: &Path, steps: u64) {
    let stopped = fit(options, &setup(false), &Supervised, folder, &mut Silent, &Stop::after(steps));
    assert!(matches!(stopped, Err(FitError::Stopped { .. })), "{steps}: {stopped:?}");
    fit(options, &setup(true), &Supervised, folder, &mut Silent, &Stop::never()).unwrap();
}

#[test]
fn a_segmenter_stopped_anywhere_ends_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let data = masks(folder.path(), [10, 2, 2]);
    let options = eventful(SEGMENTER, &data);
    let whole = folder.path().join("whole");
    fit(&options, &setup(false), &Supervised, &whole, &mut Silent, &Stop::never()).unwrap();
    // Three steps an epoch: the last of each epoch, and one within.
    let mut wrong = Vec::new();
    for steps in [2, 3, 4, 6, 8, 9] {
        let out = folder.path().join(format!("stopped-{steps}"));
        broken_off(&options, &out, steps);
        wrong.extend(differences(&whole, &out).into_iter().map(|what| format!("after step {steps}: {what}")));
        let (a, b) = (column(&whole, "loss"), column(&out, "loss"));
        if a != b {
            wrong.push(format!("after step {steps}: losses {b:?}, not {a:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_optimizer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = classes(folder.path(), true);
    for method in ["sgd", "sgd:momentum=0.9,nesterov", "adam", "adamw"] {
        let options =
            Options { optimizer: method.parse().unwrap(), rate: Some(1e-3), ..eventful(CLASSIFIER, &data) };
        let (whole, out) = (folder.path().join(format!("{method}-whole")), folder.path().join(method));
        fit(&options, &setup(false), &Supervised, &whole, &mut Silent, &Stop::never()).unwrap();
        broken_off(&options, &out, 17);
        assert_eq!(differences(&whole, &out), Vec::<String>::new(), "{method}");
    }
}

/// The program on a network with dropout.
fn program(data: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sedge-train"));
    command
        .args([
            "fit",
            "--model",
            "zoo:mobilenetv3-small:size=32",
            "--epochs",
            "4",
            "--batch",
            "4",
            "--limit",
            "16",
        ])
        .args([
            "--device",
            "cpu",
            "--threads",
            "1",
            "--augment",
            "flip",
            "--sheet",
            "0",
            "--resume",
            "--data",
        ])
        .args([data.as_os_str(), "--out".as_ref(), out.as_os_str()])
        .stderr(Stdio::piped())
        .stdout(Stdio::null());
    command
}

/// Waits until the program has told of so many epochs.
fn epochs_told(child: &mut Child, epochs: usize) {
    let lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    let told = lines.map_while(Result::ok).filter(|line| line.starts_with("fit ")).take(epochs).count();
    assert_eq!(told, epochs, "the program ended before");
}

#[test]
fn a_killed_program_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = classes(folder.path(), false);
    let whole = folder.path().join("whole");
    assert!(program(&data, &whole).output().unwrap().status.success());
    for epochs in [1, 2] {
        let out = folder.path().join(format!("killed-{epochs}"));
        let mut child = program(&data, &out).spawn().unwrap();
        epochs_told(&mut child, epochs);
        // The next epoch is under way.
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!out.join("result.json").exists(), "the program was done before it was killed");
        let output = program(&data, &out).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("going on after epoch"), "{said}");
        assert_eq!(differences(&whole, &out), Vec::<String>::new(), "killed after epoch {epochs}");
    }
}

#[test]
fn a_signal_ends_the_program_after_the_step() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (classes(folder.path(), false), folder.path().join("run"));
    let mut child = program(&data, &out).args(["--patience", "100000"]).spawn().unwrap();
    epochs_told(&mut child, 1);
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{status}");
    assert!(out.join("checkpoints/last.ckpt").exists() && !out.join("result.json").exists());
}
