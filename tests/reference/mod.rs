//! ONNX Runtime and ONNX's checker behind `reference.py`, a Python process that answers jobs.
// Every test program compiles this file and uses a part of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use serde_json::{Value, json};

/// The Python that `SEDGE_PYTHON` names, where it is set.
pub fn python() -> Option<PathBuf> {
    std::env::var_os("SEDGE_PYTHON").map(PathBuf::from)
}

/// How ONNX Runtime goes about a graph.
#[derive(Clone, Copy, Debug)]
pub enum Level {
    /// Node by node, as the standard says.
    Plain,
    /// Fused into its int8 kernels.
    Optimized,
}

struct Process {
    jobs: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Has `reference.py` do a job. One process serves all tests; it ends with this program, which closes its input.
#[expect(clippy::zombie_processes, reason = "it lives as long as this program")]
fn ask(job: Value) -> Result<Value, String> {
    static PROCESS: OnceLock<Mutex<Process>> = OnceLock::new();
    let process = PROCESS.get_or_init(|| {
        let mut child = Command::new(python().expect("tests that need Python are ignored without it"))
            .arg(crate::program::project("tests/reference/reference.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("SEDGE_PYTHON starts");
        let jobs = child.stdin.take().expect("standard input is piped");
        let answers = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Mutex::new(Process { jobs, answers })
    });
    let mut process = process.lock().map_err(|_| "an earlier job failed".to_string())?;
    let mut answer = String::new();
    writeln!(process.jobs, "{job}").map_err(|error| error.to_string())?;
    process.answers.read_line(&mut answer).map_err(|error| error.to_string())?;
    let answer: Value =
        serde_json::from_str(&answer).map_err(|error| format!("reference.py answers {answer:?}: {error}"))?;
    match answer["error"].as_str() {
        Some(error) => Err(format!("{job}: {error}")),
        None => Ok(answer),
    }
}

/// `onnx.checker.check_model` with `full_check`.
pub fn check(model: &Path) -> Result<(), String> {
    ask(json!({ "job": "check", "model": model })).map(drop)
}

/// All outputs of ONNX Runtime, one input after the other.
pub fn outputs(model: &Path, inputs: &Path, level: Level) -> Result<Vec<f32>, String> {
    let bytes = ask_run(model, inputs, level, false)?;
    Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// The class of every pixel by ONNX Runtime's first output, one input after the other.
pub fn classes(model: &Path, inputs: &Path, level: Level) -> Result<Vec<u8>, String> {
    ask_run(model, inputs, level, true)
}

fn ask_run(model: &Path, inputs: &Path, level: Level, classes: bool) -> Result<Vec<u8>, String> {
    let outputs = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let optimize = matches!(level, Level::Optimized);
    ask(json!({
        "job": "run", "model": model, "inputs": inputs, "outputs": outputs.path(), "optimize": optimize,
        "classes": classes,
    }))?;
    std::fs::read(outputs.path()).map_err(|error| error.to_string())
}
