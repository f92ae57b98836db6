//! The `sedge-train` program: parse, call, exit code.

mod cli;

use std::process::ExitCode;

use clap::Parser;

/// For libtorch's tensors, too (its feature `override` replaces `malloc`): the C library gives large blocks back to
/// the system at once, and a third of a training's time went into getting them again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
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
