//! Runs a Python with torch for tests that compare with it.

use std::io::Write;
use std::process::{Command, Stdio};

/// What `command` prints when `input` is fed to it; a failure is a panic with what it said.
pub fn run(command: &mut Command, input: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("SEDGE_PYTHON names a program");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("Python reads its input");
    let output = child.wait_with_output().expect("Python ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
