//! `sedge-train version`: what a run depends on.

use std::process::ExitCode;

use super::print;

/// Print the versions of this program and of libtorch, and whether CUDA is there
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: Args) -> anyhow::Result<ExitCode> {
    print(format_args!("sedge-train {} {}", env!("CARGO_PKG_VERSION"), sedge_train::fit::COMMIT))?;
    print(format_args!("threads {}", tch::get_num_threads()))?;
    match tch::Cuda::device_count() {
        0 => print("cuda no")?,
        n => print(format_args!("cuda {n} devices, cudnn {}", tch::Cuda::cudnn_is_available()))?,
    }
    Ok(ExitCode::SUCCESS)
}
