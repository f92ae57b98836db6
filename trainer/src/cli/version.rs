//! `sedge-train version`: what a run depends on.

use std::process::ExitCode;

/// Print the versions of this program and of libtorch, and whether CUDA is there
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: Args) -> anyhow::Result<ExitCode> {
    println!("sedge-train {} {}", env!("CARGO_PKG_VERSION"), sedge_train::fit::COMMIT);
    println!("threads {}", tch::get_num_threads());
    match tch::Cuda::device_count() {
        0 => println!("cuda no"),
        n => println!("cuda {n} devices, cudnn {}", tch::Cuda::cudnn_is_available()),
    }
    Ok(ExitCode::SUCCESS)
}
