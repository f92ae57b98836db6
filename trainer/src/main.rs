//! The `sedge-train` program: parse, call, exit code.

mod cli;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::Parser;

/// For libtorch's tensors, too (its feature `override` replaces `malloc`): the C library gives large blocks back to
/// the system at once, and a third of a training's time went into getting them again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keep_memory();
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            if let Some(usage) = error.downcast_ref::<clap::Error>() {
                usage.exit();
            }
            eprintln!("error: {}", message(&error));
            ExitCode::FAILURE
        }
    }
}

/// Memory freed in one step is needed in the next: giving it back in between takes a sixth of a training's time. The
/// allocator reads this setting before `main` and the crate has no safe call for it, so the program starts once more.
fn keep_memory() {
    const DELAY: &str = "MIMALLOC_PURGE_DELAY";
    if std::env::var_os(DELAY).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        let mut again = Command::new(program);
        let mut arguments = std::env::args_os();
        if let Some(name) = arguments.next() {
            again.arg0(name);
        }
        // Returns only where it fails, and then all works as well, more slowly.
        let _ = again.args(arguments).env(DELAY, "-1").exec();
    }
}

/// The error with its causes, each said once: most messages hold the cause's own already.
fn message(error: &anyhow::Error) -> String {
    let mut message = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}
