//! `sedge-train doctor`: what is wrong with a data set.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use sedge_train::doctor::{Examination, Options, html, losses, sheet};
use sedge_train::fit::Start;
use sedge_train::graph::Network;

use super::print;

/// Check a data set before training on it; exit code 1 where it has errors
#[derive(clap::Args)]
pub struct Args {
    /// META.json with {train,val,test}/{images,masks}, one folder a class, train.tar and test.tar, MNIST's or CIFAR's files
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a page with the contact sheet
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the contact sheet: pictures with their masks, the worst first
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
    /// Pictures on the contact sheet
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pictures: u16,
    /// Write the names of pictures that are in an earlier split, too, for --leave-out of fit, distill and eval
    #[arg(long, value_name = "FILE")]
    leaks: Option<PathBuf>,
    /// A trained model: labels that it contradicts most are told
    #[arg(long, value_name = "NET.onnx")]
    model: Option<PathBuf>,
    /// Files named with each finding
    #[arg(long, value_name = "N", default_value_t = 5)]
    examples: usize,
    /// Bits of 64 in which the hashes of nearly equal pictures may differ; `none` looks for equal pictures only
    #[arg(long, value_name = "BITS", default_value = "8", value_parser = bits)]
    near: Bits,
    /// Files at a time [default: the processor's threads]
    #[arg(long, short = 'j', value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

#[derive(Clone, Copy)]
struct Bits(Option<u32>);

fn bits(text: &str) -> Result<Bits, String> {
    match text.parse() {
        _ if text == "none" => Ok(Bits(None)),
        Ok(bits @ 0..=16) => Ok(Bits(Some(bits))),
        _ => Err("expected 0 to 16, or none".into()),
    }
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let style = "{bar:40} {pos}/{len} files, {eta} left";
    let bar = ProgressBar::no_length().with_style(ProgressStyle::with_template(style)?);
    let progress = |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let mut options = Options { near_bits: args.near.0, progress: &progress, ..Options::default() };
    if let Some(threads) = args.threads {
        options.threads = threads.into();
    }
    let mut examination = Examination::of(&args.folder, &options)?;
    if let Some(model) = &args.model {
        judge(&mut examination, model, &progress)?;
    }
    bar.finish_and_clear();
    let report = examination.report(args.examples);
    let sheet = match args.html.is_some() || args.sheet.is_some() {
        true => Some(sheet::png(&examination, args.pictures.into())?),
        false => None,
    };
    if let (Some(path), Some(sheet)) = (&args.sheet, &sheet) {
        write(path, sheet)?;
    }
    if let Some(path) = &args.html {
        write(path, html::page(&report, sheet.as_deref()).as_bytes())?;
    }
    if let Some(path) = &args.leaks {
        let names: String = examination.leaks().into_iter().map(|name| format!("{name}\n")).collect();
        write(path, names.as_bytes())?;
    }
    if args.json {
        print(serde_json::to_string_pretty(&report)?)?;
    } else {
        print(report.to_string().trim_end())?;
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn judge(
    examination: &mut Examination,
    model: &Path,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> anyhow::Result<()> {
    let source = model.to_str().with_context(|| format!("{} is no UTF-8", model.display()))?;
    let start = Start::new(source, None, examination.survey.classes.len(), false, 0)?;
    let network = Network::new(&start.model, tch::Device::cuda_if_available())?;
    let losses = losses::losses(examination, &network, &start.rule, progress)?;
    examination.judge(&losses);
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
