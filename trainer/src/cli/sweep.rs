//! `sedge-train sweep`: a run for every combination of settings.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use sedge_train::plot::heat_map;
use sedge_train::sweep::schedule::{self, Event, Outcome};
use sedge_train::sweep::slurm::{self, Request};
use sedge_train::sweep::{Axis, Cell, Grid, Plan, SweepError, Table};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::print;

/// Run fit or distill for every combination of settings
///
/// Each combination runs into a folder of its own in --out, called by its settings. What is complete (has its result.json)
/// is kept, what failed or was interrupted goes on at the next call, which needs no more than --out. At the end, and with
/// --collect at any time, results.csv and heatmap.svg are written.
#[derive(clap::Args)]
pub struct Args {
    /// Folder of the sweep
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// An option and its values: alpha=0.05,0.5,0.95 or temperature=2..20:2 (with its end); `on` and `off` for a switch
    #[arg(long, value_name = "OPTION=VALUES")]
    grid: Vec<String>,
    /// Runs at a time
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    /// Threads of each run [default: the processor's, divided by the runs at a time; 1 on a cluster]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Where runs run: here, or as an array job that is handed to sbatch
    #[arg(long, value_enum, default_value = "local")]
    jobs: Jobs,
    /// An option for sbatch, such as --sbatch=--partition=gpu; may be repeated
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    sbatch: Vec<String>,
    /// Write the job's script, sweep.sbatch, without handing it over
    #[arg(long)]
    dry_run: bool,
    /// Only gather the results that are there
    #[arg(long)]
    collect: bool,
    /// The score of the heat map, a column of results.csv [default: mean IoU or accuracy on test]
    #[arg(long, value_name = "NAME")]
    score: Option<String>,
    /// The options down and across the heat map [default: the first two that take several values]
    #[arg(long, value_name = "OPTION,OPTION", value_delimiter = ',', num_args = 1)]
    axes: Vec<String>,
    /// Run only the cell with this number, as a cluster's job does
    #[arg(long, value_name = "N", hide = true)]
    cell: Option<usize>,
    /// Run this in place of the program itself
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// What to run: -- fit ... or -- distill ...
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Jobs {
    Local,
    Slurm,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.grid.is_empty() != args.command.is_empty() {
        return Err(super::usage(
            "a sweep needs both --grid and a command after --; to go on with one, neither",
        ));
    }
    if (args.dry_run || !args.sbatch.is_empty()) && args.jobs != Jobs::Slurm {
        return Err(super::usage("--dry-run and --sbatch go with --jobs slurm"));
    }
    if !matches!(args.axes.len(), 0 | 2) {
        return Err(super::usage("--axes takes two options, as --axes alpha,temperature"));
    }
    let plan = match args.grid.is_empty() {
        true => Plan::read(&args.out)?,
        false => {
            let axes: Result<Vec<Axis>, SweepError> =
                args.grid.iter().map(|text| Axis::parse(text)).collect();
            Plan::new(&args.out, args.program.clone(), args.command.clone(), Grid::new(axes?)?)?
        }
    };
    match (args.collect, args.jobs) {
        (true, _) => {
            collect(&plan, &args)?;
            Ok(ExitCode::SUCCESS)
        }
        (_, Jobs::Slurm) => hand_over(&plan, &args),
        (_, Jobs::Local) => local(&plan, &args),
    }
}

fn local(plan: &Plan, args: &Args) -> anyhow::Result<ExitCode> {
    let mut cells = plan.grid.cells();
    if let Some(index) = args.cell {
        cells.retain(|cell| cell.index == index);
        anyhow::ensure!(
            !cells.is_empty(),
            "the sweep has no cell {index}: its grid was changed after the job was made"
        );
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("signals cannot be caught")?;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or(cores / usize::from(args.parallel), usize::from).max(1);
    let mut finished = 0;
    let number = cells.len();
    let mut watch = |cell: &Cell, event: Event| {
        finished += usize::from(!matches!(event, Event::Started));
        eprintln!("{}", line(finished, number, cell, &event));
    };
    let outcome = schedule::run(plan, cells, args.parallel.into(), threads, &stop, &mut watch)?;
    // A cluster's job leaves this to the one who gathers.
    if args.cell.is_none() && outcome.done > 0 {
        collect(plan, args)?;
    }
    Ok(verdict(&outcome))
}

fn line(finished: usize, number: usize, cell: &Cell, event: &Event) -> String {
    let what = match event {
        Event::Kept => "complete already".into(),
        Event::Started => "started".into(),
        Event::Taken => "runs elsewhere".into(),
        Event::Done(seconds) => format!("done in {seconds:.1} s"),
        Event::Failed(why) => format!("failed, {}", why.replace('\n', "\n    ")),
        Event::Interrupted => "interrupted".into(),
    };
    format!("sweep {finished}/{number}: {}: {what}", cell.name)
}

fn verdict(outcome: &Outcome) -> ExitCode {
    let Outcome { done, failed, taken, left } = outcome;
    eprintln!("sweep: {done} complete, {failed} failed, {taken} elsewhere, {left} left");
    match (failed, left) {
        (0, 0) => ExitCode::SUCCESS,
        (_, 0) => {
            eprintln!("the next call tries the failed ones again; their output.log says why they failed");
            ExitCode::FAILURE
        }
        _ => ExitCode::from(130),
    }
}

fn hand_over(plan: &Plan, args: &Args) -> anyhow::Result<ExitCode> {
    let pending = plan.pending();
    if pending.is_empty() {
        print("every cell is complete: gather them with --collect")?;
        return Ok(ExitCode::SUCCESS);
    }
    let request = Request {
        jobs: args.parallel.into(),
        threads: args.threads.unwrap_or(1).into(),
        options: args.sbatch.clone(),
        program: std::env::current_exe()?,
    };
    let script = slurm::write(plan, &pending, &request)?;
    print(format_args!("{}: {} cells", script.display(), pending.len()))?;
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    match slurm::submit(&script)? {
        Some(job) => {
            print(format_args!(
                "job {job}; when it has ended: sedge-train sweep --out {} --collect",
                plan.folder().display()
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        None => anyhow::bail!(
            "there is no sbatch here: run it where the cluster's commands are: sbatch {}",
            script.display()
        ),
    }
}

fn collect(plan: &Plan, args: &Args) -> anyhow::Result<()> {
    let table = Table::new(plan.results()?);
    if table.rows.is_empty() {
        return Err(SweepError::Empty(plan.folder().to_owned()).into());
    }
    let csv = plan.folder().join("results.csv");
    fs::write(&csv, table.csv()).with_context(|| format!("cannot write {}", csv.display()))?;
    print(format_args!("{}: {} runs", csv.display(), table.rows.len()))?;
    let missing = plan.pending();
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().take(5).map(|cell| cell.name.as_str()).collect();
        let more = if missing.len() > names.len() { ", ..." } else { "" };
        print(format_args!("{} cells are not complete: {}{more}", missing.len(), names.join("; ")))?;
    }
    for option in &args.axes {
        anyhow::ensure!(
            table.options.contains(option),
            "the sweep has no option {option}: {}",
            table.options.join(", ")
        );
    }
    let axes = match &args.axes[..] {
        [down, across] => Some((down.as_str(), across.as_str())),
        _ => table.usual_axes(),
    };
    let score = match &args.score {
        Some(score) if !table.scores.contains(score) => {
            anyhow::bail!("results have no score {score}: there are {}", table.scores.join(", "))
        }
        Some(score) => Some(score.as_str()),
        None => table.usual_score(),
    };
    if let (Some((down, across)), Some(score)) = (axes, score) {
        let path = plan.folder().join("heatmap.svg");
        heat_map(&path, &table.heat_map(down, across, score))?;
        print(format_args!("{}: {score}", path.display()))?;
    }
    Ok(())
}
