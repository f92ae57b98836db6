//! How the tests start the program on the board, and what they read from it: the one place that knows its words.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::board::{Board, Failure};
use crate::program::{StoredMask, masks};

/// Where the tests keep masks on the board.
pub const STORE: &str = "/disk/masks";
/// A source that needs no camera: 64x48, without end, as fast as it is asked.
pub const SYNTHETIC: &str = "synthetic:64x48@20";
/// What a program that is told to end may take, in seconds of the board's clock. An emulated board is as slow as its host is
/// busy, so this only tells an end from none; `tests/cli.rs` holds a real one to 2 s.
const END_SECONDS_MAX: f64 = 30.0;

/// A configuration: sections with their lines, over what all tests share.
pub struct Config(BTreeMap<&'static str, Vec<String>>);

impl Config {
    /// The small network, a synthetic source at 20 frames a second, a status line every second, masks in [`STORE`], and all disk space its
    /// own.
    pub fn new() -> Config {
        let mut config = Config(BTreeMap::new());
        config.set("model", "path", "\"/share/tiny.onnx\"");
        config.set("camera", "source", &format!("{SYNTHETIC:?}"));
        config.set("governor", "fps_max", "20");
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
    start_with(board, config, "")
}

/// The same with further options.
pub fn start_with(board: &mut Board, config: &Config, options: &str) -> Result<(), Failure> {
    let file = board.share().join("sedge.toml");
    fs::write(&file, config.text()).map_err(|error| format!("{}: {error}", file.display()))?;
    board.start_program(&format!("run --config /share/sedge.toml {options}"))
}

/// A status line: counts since the start of the program.
pub struct Status {
    /// Masks that the store has taken.
    pub saved: u64,
    /// Those of them that no power cut takes any more.
    pub listed: u64,
}

/// What a line of the program tells, if it is a status line.
pub fn status(line: &str) -> Option<Status> {
    let status: Value = serde_json::from_str(line).ok()?;
    let store = status.get("store")?;
    Some(Status { saved: store["saved"].as_u64()?, listed: store["listed"].as_u64()? })
}

/// Waits until the store has taken `more` masks since this call.
pub fn wait_for_masks(board: &mut Board, more: u64) -> Result<(), Failure> {
    let stored = |line: &str| status(line).map(|status| status.saved);
    let first = board.wait_for("a status line", |line| stored(line).is_some())?;
    let wanted = stored(&first).unwrap_or(0) + more;
    board.wait_for(&format!("mask {wanted}"), |line| stored(line).is_some_and(|stored| stored >= wanted))?;
    Ok(())
}

/// A part of the program that can have trouble, and the words by which it says so.
pub struct Part {
    trouble: &'static str,
    recovery: &'static str,
}

/// The camera.
pub const CAMERA: Part = Part { trouble: "no frames: ", recovery: "frames again after " };
/// The store.
pub const STORAGE: Part =
    Part { trouble: "masks are not stored: ", recovery: "masks are stored again after " };

impl Part {
    /// Waits for the line that says that there is trouble, and then for some status lines: nothing is said twice.
    pub fn wait_for_trouble(&self, board: &mut Board) -> Result<(), Failure> {
        let mut said = vec![board.wait_for(self.trouble, |line| line.contains(self.trouble))?];
        let mut lines = 0;
        while lines < 3 {
            let line = board.wait_for("a status line", |line| {
                status(line).is_some() || line.contains(self.trouble) || line.contains(self.recovery)
            })?;
            if status(&line).is_some() {
                lines += 1;
            } else if line.contains(self.recovery) || said.contains(&line) {
                return Err(board.failure(&format!("while the trouble lasts it says {line:?}")));
            } else {
                said.push(line);
            }
        }
        Ok(())
    }

    /// Waits for the line that says that the trouble is over.
    pub fn wait_for_recovery(&self, board: &mut Board) -> Result<(), Failure> {
        board.wait_for(self.recovery, |line| line.contains(self.recovery)).map(drop)
    }
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

/// Checks the whole store: nothing in it may be damaged, and none missing between others. The number of masks.
pub fn verify(board: &mut Board) -> Result<u64, Failure> {
    let (code, text) = board.run(&format!("/share/sedge masks verify {STORE} --json"))?;
    let report: Value = serde_json::from_str(&text).unwrap_or_default();
    match (code, report["damaged"].as_u64(), report["skipped"].as_u64(), report["whole"].as_u64()) {
        (0, Some(0), Some(0), Some(masks)) => Ok(masks),
        _ => Err(board.failure(&format!("verify ends with {code} and finds\n{text}"))),
    }
}

/// A mask as the store lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Grows over the store's whole life.
    pub sequence: u64,
    /// Of its source, from 0 in each run.
    pub frame: u64,
    /// Time since the board's start when the frame was captured, in microseconds.
    pub monotonic_us: u64,
}

/// The mask of a line of `masks tail --json`, if it is one.
pub fn tailed(line: &str) -> Option<Listed> {
    let mask: Value = serde_json::from_str(line).ok()?;
    Some(Listed {
        sequence: mask["sequence"].as_u64()?,
        frame: mask["frame"].as_u64()?,
        monotonic_us: microseconds(mask["monotonic_s"].as_f64()?),
    })
}

/// All masks that the store lists, in its order, each with its line in a table of class shares.
pub fn list(board: &mut Board) -> Result<Vec<(Listed, String)>, Failure> {
    board.sh(&format!("/share/sedge masks export {STORE} --as csv --out /share/masks.csv --overwrite"))?;
    let file = board.share().join("masks.csv");
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let row = |line: &str| {
        // sequence,frame,time_s,monotonic_s,captured_utc, and the classes
        let mut fields = line.split(',');
        let (sequence, frame) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let monotonic_us = microseconds(fields.nth(1)?.parse().ok()?);
        Some((Listed { sequence, frame, monotonic_us }, line.to_string()))
    };
    text.lines().skip(1).map(|line| row(line).ok_or_else(|| format!("{line:?} is no mask"))).collect()
}

fn microseconds(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

/// Writes the stored masks as a folder of PNG, and reads that.
pub fn export(board: &mut Board) -> Result<Vec<StoredMask>, Failure> {
    // Not straight to the share, where each file's sync takes long.
    board.sh(&format!("/share/sedge masks export {STORE} --as png --out /tmp/png --overwrite"))?;
    board.sh("rm -rf /share/png && cp -r /tmp/png /share/png")?;
    masks(&board.share().join("png"))
}
