//! `sedge man`: the manual pages, made from the command line's own descriptions.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;

/// Print the manual page, or write those of all commands
#[derive(clap::Args)]
pub struct Args {
    /// Folder for a page of each command (sedge.1, sedge-run.1, ...), made where it is missing; without it, sedge.1 is
    /// printed
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let command = super::Cli::command();
    let Some(folder) = args.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return super::print(&String::from_utf8(page)?);
    };
    let failed = || format!("{}: the manual pages cannot be written", folder.display());
    fs::create_dir_all(&folder).with_context(failed)?;
    clap_mangen::generate_to(command, &folder).with_context(failed)
}
