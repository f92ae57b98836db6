//! How the tests start the program on the board, and what they read from it: the one place that knows its words.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::board::{Board, Failure};

/// Where the tests keep masks on the board.
pub const STORE: &str = "/disk/masks";
/// A source that needs no camera: 64x48, 20 frames a second, without end.
pub const SYNTHETIC: &str = "synthetic:64x48@20";
/// What a program that is told to end may take, in seconds.
pub const END_SECONDS_MAX: f64 = 2.0;

/// A configuration: sections with their lines, over what all tests share.
pub struct Config(BTreeMap<&'static str, Vec<String>>);

impl Config {
    /// The small network, a synthetic source, a status line every second, masks in [`STORE`], and all disk space its
    /// own.
    pub fn new() -> Config {
        let mut config = Config(BTreeMap::new());
        config.set("model", "path", "\"/share/tiny.onnx\"");
        config.set("camera", "source", &format!("{SYNTHETIC:?}"));
        config.set("store", "path", &format!("{STORE:?}"));
        config.set("store", "min_free_bytes", "0");
        config.set("status", "interval_s", "1");
        config
    }

    /// Sets a key to a TOML value, in place of an earlier one.
    pub fn set(&mut self, section: &'static str, key: &str, value: &str) {
        let lines = self.0.entry(section).or_default();
        lines.retain(|line| !line.starts_with(&format!("{key} =")));
        lines.push(format!("{key} = {value}"));
    }

    /// The same with a key set.
    pub fn with(mut self, section: &'static str, key: &str, value: &str) -> Config {
        self.set(section, key, value);
        self
    }

    /// The same without a section.
    pub fn without(mut self, section: &'static str) -> Config {
        self.0.remove(section);
        self
    }

    fn text(&self) -> String {
        self.0.iter().map(|(section, lines)| format!("[{section}]\n{}\n\n", lines.join("\n"))).collect()
    }
}

/// Starts `sedge run` with a configuration.
pub fn start(board: &mut Board, config: &Config) -> Result<(), Failure> {
    let file = board.share().join("sedge.toml");
    fs::write(&file, config.text()).map_err(|error| format!("{}: {error}", file.display()))?;
    board.start_program("run --config /share/sedge.toml")
}

/// A status line.
pub struct Status {
    /// Masks that the store has taken since the start.
    pub stored: u64,
    /// The sequence number up to which all masks are safe from a power cut, if any is.
    pub durable: Option<u64>,
}

/// What a line of the program tells, if it is a status line.
pub fn status(line: &str) -> Option<Status> {
    let status: Value = serde_json::from_str(line).ok()?;
    let store = status.get("store")?;
    Some(Status { stored: store["masks"].as_u64()?, durable: store["durable_sequence"].as_u64() })
}

/// Waits until the store has taken `more` masks since this call.
pub fn wait_for_masks(board: &mut Board, more: u64) -> Result<(), Failure> {
    let stored = |line: &str| status(line).map(|status| status.stored);
    let first = board.wait_for("a status line", |line| stored(line).is_some())?;
    let wanted = stored(&first).unwrap_or(0) + more;
    board.wait_for(&format!("mask {wanted}"), |line| stored(line).is_some_and(|stored| stored >= wanted))?;
    Ok(())
}

/// Waits for the line that says that this part (`camera` or `store`) has trouble.
pub fn wait_for_trouble(board: &mut Board, part: &str) -> Result<String, Failure> {
    let starts = [format!("{part} lost"), format!("{part} waits")];
    board
        .wait_for(&format!("trouble with the {part}"), |line| starts.iter().any(|start| line.contains(start)))
}

/// Waits for the line that says that this part's trouble is over.
pub fn wait_for_recovery(board: &mut Board, part: &str) -> Result<String, Failure> {
    let starts = [format!("{part} back"), format!("{part} goes on")];
    board.wait_for(&format!("the {part} to go on"), |line| starts.iter().any(|start| line.contains(start)))
}

/// Tells the program to end; it must do so in time and with exit code 0.
pub fn end(board: &mut Board) -> Result<(), Failure> {
    let uptime = |board: &mut Board| -> Result<f64, Failure> {
        let text = board.sh("cut -d ' ' -f 1 /proc/uptime")?;
        text.parse().map_err(|_| format!("{text:?} is no uptime"))
    };
    let begin = uptime(board)?;
    board.sh(
        "kill -TERM \"$(cat /run/sedge.pid)\"; while [ -d /proc/\"$(cat /run/sedge.pid)\" ]; do :; done",
    )?;
    let seconds = uptime(board)? - begin;
    let code = board.wait_for_end()?;
    if code != 0 || seconds > END_SECONDS_MAX {
        return Err(board.failure(&format!("told to end, it took {seconds:.2} s and gave exit code {code}")));
    }
    Ok(())
}

/// Checks the whole store: nothing in it may be damaged. The number of masks.
pub fn verify(board: &mut Board) -> Result<u64, Failure> {
    let text = board.sh(&format!("/share/sedge masks verify {STORE} --json"))?;
    let report: Value = serde_json::from_str(&text).map_err(|error| format!("verify: {error}:\n{text}"))?;
    match (report["damaged"].as_u64(), report["masks"].as_u64()) {
        (Some(0), Some(masks)) => Ok(masks),
        _ => Err(board.failure(&format!("verify finds damage:\n{text}"))),
    }
}

/// A mask as the store lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Grows over the store's whole life.
    pub sequence: u64,
    /// Of its source, from 0 in each run.
    pub frame: u64,
    /// Since the board's start, when the frame was captured.
    pub monotonic: Duration,
    /// All that is said of it.
    pub line: String,
}

/// A mask in the words of `masks tail --json`, if the line is one.
pub fn listed(line: &str) -> Option<Listed> {
    let mask: Value = serde_json::from_str(line).ok()?;
    Some(Listed {
        sequence: mask["sequence"].as_u64()?,
        frame: mask["frame"].as_u64()?,
        monotonic: Duration::from_secs_f64(mask["monotonic_s"].as_f64()?),
        line: line.to_string(),
    })
}

/// All masks that the store lists, in its order.
pub fn list(board: &mut Board) -> Result<Vec<Listed>, Failure> {
    let text = board.sh(&format!("/share/sedge masks tail {STORE} --json --all --no-follow"))?;
    text.lines().map(|line| listed(line).ok_or_else(|| format!("{line:?} is no mask"))).collect()
}
