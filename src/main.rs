//! The `sedge` program: parse, call, exit code.

mod cli;

use std::process::ExitCode;

use clap::Parser;
use sedge::status::{Exit, Stuck};

fn main() -> ExitCode {
    sedge::engine::silence_guarded_panics();
    let outcome = cli::Cli::parse().run();
    // A thread that was left behind may still hold one.
    sedge::camera::end_children();
    match outcome {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            if let Some(usage) = error.downcast_ref::<clap::Error>() {
                usage.exit();
            }
            cli::say(&format!("error: {}", message(&error)));
            if error.is::<Stuck>() { Exit::Stuck.into() } else { Exit::Failed.into() }
        }
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
