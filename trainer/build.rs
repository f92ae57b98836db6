//! Lets the program find libtorch without an environment variable: its folder goes into the program's search path. Tells the
//! program its commit, too.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=SEDGE_COMMIT={}", commit());
    for path in SOURCES.iter().chain(&["../.git/logs/HEAD"]).filter(|path| Path::new(path).exists()) {
        println!("cargo:rerun-if-changed={path}");
    }
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
}

/// What the program is built from.
const SOURCES: [&str; 4] = ["src", "Cargo.lock", "../src", "../Cargo.lock"];

/// The commit of the sources, with `-changed` where they differ from it; the version where there is no repository.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return format!("v{}", env!("CARGO_PKG_VERSION"));
    };
    match git(&[&["status", "--porcelain", "--"], SOURCES.as_slice()].concat()) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit}-changed"),
    }
}
