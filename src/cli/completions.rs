//! `sedge completions`: what a shell completes after `sedge`.

use clap::CommandFactory;
use clap_complete::Shell;

/// Print a shell's completions
///
/// For bash, `source <(sedge completions bash)`. Debian's package brings those of bash, zsh and fish along.
#[derive(clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "sedge", &mut script);
    super::print(&String::from_utf8(script)?)
}
