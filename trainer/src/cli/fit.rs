//! `sedge-train fit`: training on labels.

use std::process::ExitCode;

use sedge_train::fit::{FitError, Stop, Supervised, fit};

use super::print;
use super::training::{TrainingArgs, summary};
use super::watch::Terminal;

/// Train a network on a data set
///
/// The run's folder gets run.json (what repeats the run), log.jsonl (one line an epoch), checkpoints, curves.svg, sheets of
/// predictions, model.onnx (the best epoch's weights, with their card), and at last result.json. Ctrl-C ends the run after
/// the step; --resume goes on after the last whole epoch, to the same weights as without the break. A quantized (QDQ)
/// model is fine-tuned with its quantization simulated, and stays quantized.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    training: TrainingArgs,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (options, setup) = args.training.split();
    let result = fit(
        &options,
        &setup,
        &Supervised,
        &args.training.out,
        &mut Terminal::new("fit"),
        &Stop::at_signals()?,
    );
    match result {
        Ok(outcome) => {
            print(summary(&outcome).trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => stopped(error),
    }
}

/// The exit code after a signal, as shells expect it; other errors stay errors.
pub fn stopped(error: FitError) -> anyhow::Result<ExitCode> {
    match error {
        FitError::Stopped { .. } => {
            eprintln!("{error}");
            Ok(ExitCode::from(130))
        }
        error => Err(error.into()),
    }
}
