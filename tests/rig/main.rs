//! The program on an emulated ARM board with a camera, a screen and a disk that can fail; its power is cut, too.

mod board;
mod camera;
mod disk;
mod power;
#[path = "../program/mod.rs"]
mod program;
mod run;
mod sound;
mod storage;
#[path = "../tiny/mod.rs"]
mod tiny;

use board::{Failure, Rig};
use libtest_mimic::{Arguments, Trial};

/// Emulated processors: those of a Raspberry Pi 4 and 5.
const PROCESSORS: [&str; 2] = ["cortex-a72", "cortex-a76"];

type Check = fn(&Rig, &str) -> Result<(), Failure>;

/// Scenarios that run on the first processor alone: what they show does not depend on it.
const CHECKS: [(&str, Check); 14] = [
    // The longest first.
    ("power::keeps_what_was_promised", power::keeps_what_was_promised),
    ("the_rig::has_its_devices", sound::has_its_devices),
    ("the_rig::loses_what_was_not_flushed", sound::loses_what_was_not_flushed),
    ("the_rig::fails_and_recovers_as_a_disk", sound::fails_and_recovers_as_a_disk),
    ("camera::is_picked_up_again", camera::is_picked_up_again),
    ("camera::shows_every_format", camera::shows_every_format),
    ("camera::shows_the_masks", camera::shows_the_masks),
    ("storage::a_foreign_file_fills_the_disk", storage::a_foreign_file_fills_the_disk),
    ("storage::the_disk_turns_read_only", storage::the_disk_turns_read_only),
    ("storage::the_disk_fails", storage::the_disk_fails),
    ("storage::the_mount_is_missing", storage::the_mount_is_missing),
    ("storage::it_ends_while_it_waits", storage::it_ends_while_it_waits),
    ("storage::the_clock_jumps", storage::the_clock_jumps),
    ("storage::a_second_run_goes_on", storage::a_second_run_goes_on),
];

/// Scenarios that run on each processor.
const CHECKS_EACH: [(&str, Check); 1] = [("camera::gives_masks", camera::gives_masks)];

fn main() {
    let arguments = Arguments::from_args();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let network = folder.path().join("tiny.onnx");
    tiny::carded().write(&network).expect("the network is written");
    let rig = Rig::from_environment(&network);
    let mut trials = Vec::new();
    let mut add = |name: String, check: Check, processor: &'static str| {
        let (ignored, rig) = (rig.is_none(), rig.clone());
        let test = move || Ok(check(&rig.ok_or("SEDGE_RIG and SEDGE_DEVICE are not set")?, processor)?);
        trials.push(Trial::test(name, test).with_ignored_flag(ignored));
    };
    for (name, check) in CHECKS {
        add(name.into(), check, PROCESSORS[0]);
    }
    for processor in PROCESSORS {
        for (name, check) in CHECKS_EACH {
            add(format!("{}::{name}", processor.replace('-', "_")), check, processor);
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}
