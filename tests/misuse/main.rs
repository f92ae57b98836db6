//! Wrong models, sources, folders and options: an exit code, one line that names the place and says what to do, and
//! never a panic.

mod conversions;
mod data;
mod field;
mod folders;
mod models;
#[path = "../program/mod.rs"]
mod program;
mod sources;
#[path = "../tiny/mod.rs"]
mod tiny;
mod usage;

use std::fs;
use std::path::Path;

use program::{CALIBRATION, Outcome, project, report, run};
use sedge::onnx::Model;

/// A wrong use and what comes of it.
struct Case {
    name: &'static str,
    /// Puts files into the fresh folder, which holds `net.onnx`, a sound tiny model with a card.
    prepare: fn(&Path),
    arguments: &'static str,
    code: i32,
    /// What standard error must say, whatever its case.
    says: &'static [&'static str],
}

fn nothing(_: &Path) {}

/// Runs all cases and reports those that end otherwise: another exit code, more or less than one line that begins
/// with `error:`, a panic, missing words.
fn check(cases: Vec<Case>) {
    let mut failures = Vec::new();
    for case in cases {
        let folder = tempfile::tempdir().expect("a temporary folder");
        tiny::carded().write(&folder.path().join("net.onnx")).expect("a model");
        (case.prepare)(folder.path());
        let outcome = run(folder.path(), case.arguments);
        failures.extend(complaint(&outcome, case.code, case.says).map(|c| {
            format!("{} ({}): {c}\nexit code {:?}\n{}", case.name, case.arguments, outcome.code, outcome.err)
        }));
    }
    report(failures);
}

/// What is wrong with how the program refused.
fn complaint(outcome: &Outcome, code: i32, says: &[&str]) -> Option<String> {
    let text = outcome.err.to_lowercase();
    let lines = outcome.complaints();
    if outcome.code != Some(code) {
        Some(format!("wanted exit code {code}"))
    } else if text.contains("panicked") {
        Some("panicked".into())
    } else if code == 1 && !(lines.len() == 1 && lines[0].starts_with("error: ")) {
        Some("wanted one line that begins with error:".into())
    } else if code == 0 && !lines.is_empty() {
        Some("wanted no complaint".into())
    } else if let Some(line) = lines.iter().find(|line| says_twice(line)) {
        Some(format!("says a thing twice: {line}"))
    } else {
        let missing: Vec<_> = says.iter().filter(|word| !text.contains(&word.to_lowercase())).collect();
        (!missing.is_empty()).then(|| format!("does not say {missing:?}"))
    }
}

/// Whether the end of a message repeats what comes before it.
fn says_twice(line: &str) -> bool {
    line.rsplit_once(": ").is_some_and(|(before, end)| before.contains(end))
}

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(path, bytes).expect("a file");
}

/// Writes the tiny model, changed, as `bad.onnx`.
fn put_model(folder: &Path, change: fn(&mut Model)) {
    let mut model = tiny::carded();
    change(&mut model);
    model.write(&folder.join("bad.onnx")).expect("a model");
}

fn picture(name: &str) -> Vec<u8> {
    fs::read(project(CALIBRATION).join(name)).expect("a picture")
}

/// Puts four sound pictures into `d`.
fn put_pictures(folder: &Path) {
    for name in ["cars-6.jpg", "photo-cat.jpg", "street-5.jpg", "room-56.jpg"] {
        put(folder, &format!("d/{name}"), picture(name));
    }
}
