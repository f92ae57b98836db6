//! The same bits everywhere: every network of the zoo, in int8, on every instruction set, with any number of threads, here
//! and on ARM under qemu.
//!
//! What needs the ARM program and qemu (`SEDGE_DEVICE`, `SEDGE_QEMU`) is listed as ignored where these are missing.

mod networks;
mod program;

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use networks::{CONVERTED, cases, quantized};
use program::finish;
use sedge::kernels;
use sedge::zoo::Settings;

/// Emulated processors, and the kernels that each of them gets.
const PROCESSORS: [(&str, &str); 3] =
    [("cortex-a72", "neon"), ("cortex-a76", "neon-dot"), ("max", "neon-i8mm")];

fn main() {
    let arguments = Arguments::from_args();
    let device = Device::from_environment();
    let mut trials = Vec::new();
    for (variant, network, settings) in cases() {
        if !CONVERTED.contains(&(network, variant)) {
            continue;
        }
        let (own, missing) = (settings.clone(), device.is_none());
        trials.push(Trial::test(format!("here::{network}"), move || here(network, &own)));
        let device = device.clone();
        let test = move || {
            on_arm(device.as_ref().ok_or("SEDGE_DEVICE and SEDGE_QEMU are not set")?, network, &settings)
        };
        trials.push(Trial::test(format!("arm::{network}"), test).with_ignored_flag(missing));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// The program, qemu and the folder of its C library, where the environment names them.
#[derive(Clone)]
struct Device {
    program: PathBuf,
    qemu: PathBuf,
    library: PathBuf,
}

impl Device {
    fn from_environment() -> Option<Device> {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
        // An ARM machine itself is the folder `/`.
        let library = path("SEDGE_QEMU_LIB").unwrap_or_else(|| "/".into());
        Some(Device { program: path("SEDGE_DEVICE")?, qemu: path("SEDGE_QEMU")?, library })
    }

    fn on(&self, processor: &str) -> Command {
        let mut command = Command::new(&self.qemu);
        command.args(["-cpu", processor, "-L"]).arg(&self.library).arg(&self.program);
        command
    }
}

/// What an inference on a fixed input gives: engine, instruction set and a hash of every output.
fn digest(mut command: Command, model: &Path, threads: usize, isa: &str) -> Result<String, Failed> {
    command.arg("bench").arg("--model").arg(model).args(["--digest", "--threads", &threads.to_string()]);
    command.env("SEDGE_ISA", isa);
    let outcome = finish(command, b"");
    match outcome.failure() {
        Some(failure) => Err(format!("{isa}, {threads} threads: {failure}").into()),
        None => Ok(outcome.out),
    }
}

fn host() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sedge"))
}

/// The int8 model of `network` in a file.
fn model(folder: &Path, network: &str, settings: &Settings) -> Result<PathBuf, Failed> {
    let path = folder.join("int8.onnx");
    quantized(network, settings)?.model.write(&path)?;
    Ok(path)
}

fn here(network: &str, settings: &Settings) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let model = model(folder.path(), network, settings)?;
    let expected = digest(host(), &model, 1, "generic")?;
    let mut failures = Vec::new();
    for kernels in kernels::available() {
        for threads in [1, 2, 3] {
            let found = digest(host(), &model, threads, kernels.isa().name())?;
            if found != expected {
                failures.push(format!("{}, {threads} threads: {found} instead of {expected}", kernels.isa()));
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

fn on_arm(device: &Device, network: &str, settings: &Settings) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let model = model(folder.path(), network, settings)?;
    let expected = digest(host(), &model, 1, "")?;
    let mut failures = Vec::new();
    for (processor, isa) in PROCESSORS {
        let found = digest(device.on(processor), &model, 2, isa)?;
        if found != expected {
            failures.push(format!("{processor}: {found} instead of {expected}"));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}
