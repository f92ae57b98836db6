//! The ARM program under qemu, as a Raspberry Pi 4 and as a Pi 5, beside this machine's own.

mod program;

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use program::{CLIP, INT8, Outcome, agreement_percent, finish, fresh_folder, ids, masks, run};

/// Emulated processors: without and with dot products of 8-bit integers.
const PROCESSORS: [&str; 2] = ["cortex-a72", "cortex-a76"];

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

    fn run(&self, processor: &str, folder: &Path, arguments: &str) -> Outcome {
        let mut command = Command::new(&self.qemu);
        command.args(["-cpu", processor, "-L"]).arg(&self.library).arg(&self.program);
        command.args(arguments.split_whitespace()).current_dir(folder);
        finish(command, b"")
    }
}

fn main() {
    let arguments = Arguments::from_args();
    let device = Device::from_environment();
    type Check = fn(&Device, &str) -> Result<(), Failed>;
    let checks: [(&str, Check); 3] = [
        ("says_what_it_is", says_what_it_is),
        ("refuses_well", refuses_well),
        ("sees_what_this_machine_sees", sees_the_same),
    ];
    let mut trials = Vec::new();
    for processor in PROCESSORS {
        for (name, check) in checks {
            let name = format!("{}::{name}", processor.replace('-', "_"));
            let (ignored, device) = (device.is_none(), device.clone());
            let test = move || check(&device.ok_or("SEDGE_DEVICE and SEDGE_QEMU are not set")?, processor);
            trials.push(Trial::test(name, test).with_ignored_flag(ignored));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn says_what_it_is(device: &Device, processor: &str) -> Result<(), Failed> {
    let folder = fresh_folder();
    let inspect = format!("inspect {INT8}");
    for (arguments, words) in [("--help", "Usage: "), (inspect.as_str(), "257, 257]")] {
        let outcome = device.run(processor, folder.path(), arguments);
        if let Some(failure) = outcome.failure() {
            return Err(format!("{arguments}: {failure}").into());
        }
        if !outcome.out.contains(words) {
            return Err(format!("{arguments} does not print {words:?}:\n{}", outcome.out).into());
        }
    }
    Ok(())
}

fn refuses_well(device: &Device, processor: &str) -> Result<(), Failed> {
    let folder = fresh_folder();
    let cases = [
        ("run --model clips/demo.avi", 1, "not a whole ONNX model"),
        ("run --fly", 2, "--fly"),
        ("convert a.onnx -o b.onnx --calibration c", 2, "convert"),
    ];
    for (arguments, code, words) in cases {
        let outcome = device.run(processor, folder.path(), arguments);
        if outcome.code != Some(code) || !outcome.err.contains(words) || outcome.err.contains("panicked") {
            return Err(format!("{arguments}: wanted exit code {code} and {words:?}, got {outcome:?}").into());
        }
    }
    Ok(())
}

fn sees_the_same(device: &Device, processor: &str) -> Result<(), Failed> {
    const PERCENT_MIN: f64 = 99.9;
    let folder = fresh_folder();
    let arguments = |out: &str| format!("run --frames 2 --source {CLIP} --out {out}");
    for outcome in
        [device.run(processor, folder.path(), &arguments("device")), run(folder.path(), &arguments("here"))]
    {
        if let Some(failure) = outcome.failure() {
            return Err(failure.into());
        }
    }
    let (there, here) = (masks(&folder.path().join("device"))?, masks(&folder.path().join("here"))?);
    let percent = agreement_percent(ids(&there), ids(&here));
    println!("{processor}: {percent:.3} % of the pixels as on this machine (min {PERCENT_MIN})");
    if there.len() == 2 && percent >= PERCENT_MIN {
        Ok(())
    } else {
        Err(format!("{} masks, {percent:.3} % as here; wanted 2 and {PERCENT_MIN}", there.len()).into())
    }
}
