//! Running the cells that are not complete, several at a time, on this machine.

use std::fs::{File, TryLockError};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Cell, Plan, SweepError};

/// How often the children are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long a child may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(60);
/// Lines of a failed cell's output that are told.
const LINES: usize = 5;

/// What happens to a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It was complete before.
    Kept,
    /// It runs.
    Started,
    /// Another sweep, or a cluster's job, runs it at this moment.
    Taken,
    /// It is complete after so many seconds.
    Done(f64),
    /// It ended without a result; the last lines of its output.
    Failed(String),
    /// It was told to end; it goes on at the next call.
    Interrupted,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Cells that are complete, before or now.
    pub done: usize,
    /// Cells that ended without a result.
    pub failed: usize,
    /// Cells that someone else runs.
    pub taken: usize,
    /// Cells that are left because of a stop.
    pub left: usize,
}

struct Running {
    cell: Cell,
    child: Child,
    since: Instant,
    /// Held as long as the cell runs, so that no other sweep runs it too.
    _lock: File,
}

/// Runs `cells` of a plan, `jobs` at a time with `threads` threads each, until `stop` is set: then those that run are told
/// to end, and no more are started. The output of each goes to `output.log` in its folder.
///
/// # Errors
/// [`SweepError::Start`] and [`SweepError::File`]; what runs is ended before. A cell that fails is no error.
pub fn run(
    plan: &Plan,
    cells: Vec<Cell>,
    jobs: usize,
    threads: usize,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&Cell, Event),
) -> Result<Outcome, SweepError> {
    let mut outcome = Outcome::default();
    let mut running: Vec<Running> = Vec::new();
    let mut cells = cells.into_iter();
    loop {
        reap(plan, &mut running, &mut outcome, watch)?;
        if stop.load(Ordering::Relaxed) {
            outcome.left += end(running, plan, &mut outcome, watch)? + cells.len();
            return Ok(outcome);
        }
        while running.len() < jobs.max(1) {
            let Some(cell) = cells.next() else { break };
            if plan.is_complete(&cell) {
                outcome.done += 1;
                watch(&cell, Event::Kept);
                continue;
            }
            match start(plan, &cell, threads) {
                Ok(Some(run)) => {
                    watch(&cell, Event::Started);
                    running.push(run);
                }
                Ok(None) => {
                    outcome.taken += 1;
                    watch(&cell, Event::Taken);
                }
                Err(error) => {
                    end(running, plan, &mut outcome, watch)?;
                    return Err(error);
                }
            }
        }
        if running.is_empty() && cells.len() == 0 {
            return Ok(outcome);
        }
        thread::park_timeout(LOOK);
    }
}

/// Starts a cell; `None` where someone else runs it.
fn start(plan: &Plan, cell: &Cell, threads: usize) -> Result<Option<Running>, SweepError> {
    let folder = plan.prepare(cell)?;
    let path = folder.join(".lock");
    let lock = File::create(&path).map_err(SweepError::file(&path))?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        // A file system without locks cannot tell; two sweeps of one folder are rare.
        Err(TryLockError::Error(_)) | Ok(()) => {}
    }
    let path = folder.join("output.log");
    let log = File::options().create(true).append(true).open(&path).map_err(SweepError::file(&path))?;
    let errors = log.try_clone().map_err(SweepError::file(&path))?;
    let mut command = plan.command_of(cell, threads)?;
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    // A group of its own: ctrl-C reaches the sweep only, which then tells the child once.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = command
        .spawn()
        .map_err(|source| SweepError::Start { program: command.get_program().into(), source })?;
    Ok(Some(Running { cell: cell.clone(), child, since: Instant::now(), _lock: lock }))
}

/// Takes those that have ended out of `running`.
fn reap(
    plan: &Plan,
    running: &mut Vec<Running>,
    outcome: &mut Outcome,
    watch: &mut dyn FnMut(&Cell, Event),
) -> Result<(), SweepError> {
    let mut place = 0;
    while place < running.len() {
        let run = &mut running[place];
        let status = run.child.try_wait().map_err(SweepError::file(plan.folder()))?;
        let Some(status) = status else {
            place += 1;
            continue;
        };
        let run = running.swap_remove(place);
        if plan.is_complete(&run.cell) {
            outcome.done += 1;
            watch(&run.cell, Event::Done(run.since.elapsed().as_secs_f64()));
        } else {
            outcome.failed += 1;
            watch(&run.cell, Event::Failed(format!("{status}\n{}", last_lines(plan, &run.cell))));
        }
    }
    Ok(())
}

/// Tells all that run to end and waits; returns how many have no result.
fn end(
    mut running: Vec<Running>,
    plan: &Plan,
    outcome: &mut Outcome,
    watch: &mut dyn FnMut(&Cell, Event),
) -> Result<usize, SweepError> {
    for run in &running {
        // It may have ended by itself meanwhile.
        let _ = kill_process(Pid::from_child(&run.child), Signal::TERM);
    }
    let told = Instant::now();
    let mut interrupted = 0;
    while let Some(mut run) = running.pop() {
        loop {
            if run.child.try_wait().map_err(SweepError::file(plan.folder()))?.is_some() {
                break;
            }
            if told.elapsed() > GRACE {
                // Its checkpoints are whole at any moment.
                let _ = run.child.kill();
            }
            thread::park_timeout(LOOK);
        }
        if plan.is_complete(&run.cell) {
            outcome.done += 1;
            watch(&run.cell, Event::Done(run.since.elapsed().as_secs_f64()));
        } else {
            interrupted += 1;
            watch(&run.cell, Event::Interrupted);
        }
    }
    Ok(interrupted)
}

fn last_lines(plan: &Plan, cell: &Cell) -> String {
    let bytes = std::fs::read(plan.cell_folder(cell).join("output.log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(4096)..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
