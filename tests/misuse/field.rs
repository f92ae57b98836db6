//! `sedge run --config`: configurations that cannot be used, cards that take nothing, limits that change while it runs.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::program::{finish, report, run, sedge};
use super::{put, tiny};

const CAMERA: &str = "[camera]\nsource = \"synthetic:20x20@30:5\"\n[model]\npath = \"net.onnx\"\n";

/// A fresh folder with a tiny model.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    tiny::carded().write(&folder.path().join("net.onnx")).expect("a model");
    folder
}

#[test]
fn configurations_that_cannot_be_used() {
    type Case = (&'static str, fn(&Path), i32, &'static [&'static str]);
    let cases: [Case; 9] = [
        (
            "nothing in it",
            |f| put(f, "c.toml", ""),
            2,
            &["c.toml", "names no camera", "source = \"v4l:/dev/video0\""],
        ),
        ("no camera", |f| put(f, "c.toml", "[store]\n"), 2, &["names no camera", "[camera]", "--source"]),
        ("no source", |f| put(f, "c.toml", "[camera]\nfps = 3\n"), 2, &["names no camera", "sedge cameras"]),
        (
            "a pipe",
            |f| assert!(Command::new("mkfifo").arg(f.join("c.toml")).status().expect("mkfifo").success()),
            2,
            &["c.toml", "no regular file"],
        ),
        (
            "a model without an end",
            |f| put(f, "c.toml", CAMERA.replace("net.onnx", "/dev/zero")),
            2,
            &["model.path", "/dev/zero is no regular file"],
        ),
        (
            "a model larger than any",
            |f| {
                File::create(f.join("large.onnx")).expect("a file").set_len(3 << 30).expect("a sparse file");
                put(f, "c.toml", CAMERA.replace("net.onnx", "large.onnx"));
            },
            2,
            &["model.path", "2 GiB"],
        ),
        (
            "pictures among other files",
            |f| {
                put(f, "m/holiday.jpg", "mine");
                put(f, "c.toml", format!("{CAMERA}[store]\npath = \"m\"\nformat = \"png\"\n"));
            },
            2,
            &["m holds other files (such as holiday.jpg)", "m/masks"],
        ),
        (
            "segments among pictures",
            |f| {
                assert_eq!(
                    run(f, "run --model net.onnx --source synthetic:20x20@30:2 --out m").failure(),
                    None
                );
                put(f, "c.toml", format!("{CAMERA}[store]\npath = \"m\"\n"));
            },
            2,
            &["m holds the masks of a run as pictures"],
        ),
        (
            "a card that is never there",
            |f| {
                let path = f.join("card").display().to_string();
                let store = format!("[store]\npath = \"{path}/m\"\nmount = \"{path}\"\n");
                put(f, "c.toml", format!("{CAMERA}{store}"));
            },
            1,
            &[
                "5 frames, 0 masks stored, 5 lost",
                "error: no mask is stored in",
                "all 5 ",
                "there is no folder",
            ],
        ),
    ];
    let mut failures = Vec::new();
    for (name, prepare, code, says) in cases {
        let folder = folder();
        prepare(folder.path());
        let outcome = run(folder.path(), "run --config c.toml");
        let missing: Vec<_> = says.iter().filter(|said| !outcome.err.contains(**said)).collect();
        if outcome.code != Some(code) || !missing.is_empty() || outcome.err.contains("panicked") {
            failures.push(format!("{name}: {missing:?} is not said: {outcome:?}"));
        }
    }
    report(failures);
}

/// A run that stores all of its masks, and one whose rules keep none.
#[test]
fn nothing_to_keep_is_no_loss() {
    let mut failures = Vec::new();
    for (keeps, stored) in [(true, 5), (false, 0)] {
        let folder = folder();
        let rule = format!("[save]\nclasses = [{:?}]\n", absent_class(folder.path()));
        let save = if keeps { "" } else { &rule };
        put(folder.path(), "c.toml", format!("{CAMERA}[store]\npath = \"m\"\n{save}"));
        let outcome = run(folder.path(), "run --config c.toml --json");
        let figures: Value =
            serde_json::from_str(outcome.out.lines().last().unwrap_or("")).unwrap_or_default();
        let told = (figures["frames"].as_u64(), figures["stored"].as_u64(), figures["lost"].as_u64());
        if outcome.code != Some(0) || told != (Some(5), Some(stored), Some(0)) {
            failures.push(format!("{save}: {told:?}, {outcome:?}"));
        }
    }
    report(failures);
}

/// A class of the tiny model that it does not see in the frames of [`CAMERA`].
fn absent_class(folder: &Path) -> &'static str {
    assert_eq!(run(folder, "run --model net.onnx --source synthetic:20x20@30:5 --out seen").failure(), None);
    let seen = fs::read_to_string(folder.join("seen/index.jsonl")).expect("an index");
    tiny::CLASSES
        .into_iter()
        .find(|class| !seen.contains(&format!("{class:?}")))
        .expect("a class that is not seen")
}

/// The store's limits change with SIGHUP, without a restart.
#[test]
fn limits_change_while_it_runs() {
    let folder = folder();
    let config = |store: &str| {
        let text = format!(
            "{}[store]\npath = \"m\"\nmin_free_bytes = 0\n{store}[status]\nfile = \"status.json\"\ninterval_s = 1\n",
            CAMERA.replace("@30:5", "@30"),
        );
        put(folder.path(), "c.toml", text);
    };
    config("sync = \"close\"\n");
    let child =
        sedge(folder.path(), "run --config c.toml").stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let child = child.expect("the program starts");
    let status = || -> Value {
        let text = fs::read_to_string(folder.path().join("status.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    };
    let count = |key: &str| status()["store"][key].as_u64().unwrap_or(0);
    wait_until("a mask in memory", || count("saved") > 0);
    assert_eq!(count("listed"), 0);
    config("sync = \"record\"\nencoding = \"png\"\n");
    signal(child.id(), "HUP");
    wait_until("a mask on the medium", || count("listed") > 0);
    signal(child.id(), "TERM");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = "store.sync took effect, store.encoding will after a restart";
    assert!(output.status.code() == Some(0) && said.contains(told), "{said}");
    let outcome = finish(sedge(folder.path(), "masks verify m"), b"");
    assert_eq!(outcome.failure(), None);
}

fn signal(id: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status();
    assert!(sent.expect("kill is there").success());
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not come in a minute");
        std::thread::yield_now();
    }
}
