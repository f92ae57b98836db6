//! The command line: one file a subcommand, each from arguments to the library's calls and a report.

mod bench;
mod cameras;
mod completions;
#[cfg(feature = "host")]
mod convert;
mod engine;
mod eval;
mod field;
mod inspect;
mod man;
mod masks;
mod model;
#[cfg(feature = "host")]
mod new;
mod progress;
mod run;
mod signals;
#[cfg(feature = "host")]
mod zoo;

use std::io::{ErrorKind, Write};

use clap::{Parser, Subcommand};
use sedge::camera::SourceError;
use sedge::pipeline::PipelineError;

/// Segmentation at the edge: a mask on disk for every frame, in int8.
#[derive(Parser)]
#[command(name = "sedge", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "`sedge run` alone runs the model inside the program on the clip inside the program.\n\
                          Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 stuck.";

#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    Cameras(cameras::Args),
    Masks(masks::Args),
    #[cfg(feature = "host")]
    Convert(convert::Args),
    Eval(eval::Args),
    Bench(bench::Args),
    Inspect(inspect::Args),
    #[cfg(feature = "host")]
    New(new::Args),
    #[cfg(feature = "host")]
    Zoo(zoo::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Cli {
    /// Does what the arguments ask for.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Run(args) => run::run(args),
            Command::Cameras(args) => cameras::run(args),
            Command::Masks(args) => masks::run(args),
            #[cfg(feature = "host")]
            Command::Convert(args) => convert::run(args),
            Command::Eval(args) => eval::run(args),
            Command::Bench(args) => bench::run(args),
            Command::Inspect(args) => inspect::run(args),
            #[cfg(feature = "host")]
            Command::New(args) => new::run(args),
            #[cfg(feature = "host")]
            Command::Zoo(args) => zoo::run(args),
            Command::Completions(args) => completions::run(args),
            Command::Man(args) => man::run(args),
        }
    }
}

/// An error for options that do not go together: exit code 2.
fn usage(message: &str) -> anyhow::Error {
    clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, format!("{message}\n")).into()
}

/// A crop that leaves the picture stays wrong when the program is started again: exit code 2.
fn usage_if_crop(error: anyhow::Error) -> anyhow::Error {
    let is_crop = matches!(error.downcast_ref(), Some(SourceError::BadCrop { .. }))
        || matches!(error.downcast_ref(), Some(PipelineError::Source(SourceError::BadCrop { .. })));
    if is_crop { usage(&error.to_string()) } else { error }
}

/// Prints a line to standard error. Where nobody can read it any more (a closed pipe or terminal), the work goes on.
pub fn say(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

/// Prints `text` to standard output; a reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
