//! `sedge masks`: what to do with masks that a run has stored.

mod export;
mod tail;
mod verify;

use clap::Subcommand;

/// Check, export or watch the masks of a run
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Verify(verify::Args),
    Export(export::Args),
    Tail(tail::Args),
}

pub fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Verify(args) => verify::run(args),
        Command::Export(args) => export::run(args),
        Command::Tail(args) => tail::run(args),
    }
}
