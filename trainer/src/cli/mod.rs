//! The command line: one file a subcommand, each from arguments to the library's calls and a report.

mod distill;
mod doctor;
mod eval;
mod fit;
mod sweep;
mod training;
mod version;
mod watch;

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Trains, distils and checks the networks that Sedge runs.
#[derive(Parser)]
#[command(name = "sedge-train", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Doctor(doctor::Args),
    Fit(Box<fit::Args>),
    Distill(Box<distill::Args>),
    Eval(eval::Args),
    Sweep(sweep::Args),
    Version(version::Args),
}

impl Cli {
    /// Does what the arguments ask for.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Doctor(args) => doctor::run(args),
            Command::Fit(args) => fit::run(*args),
            Command::Distill(args) => distill::run(*args),
            Command::Eval(args) => eval::run(args),
            Command::Sweep(args) => sweep::run(args),
            Command::Version(args) => version::run(args),
        }
    }
}

/// An error for options that do not go together: exit code 2.
fn usage(message: &str) -> anyhow::Error {
    clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, format!("{message}\n")).into()
}

/// Writes `text` and a line's end to standard output; that its reader has gone is no error, as in `... | head`.
fn print(text: impl Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
