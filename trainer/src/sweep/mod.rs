//! Grids of runs: here, n at a time, or on a cluster.
//!
//! 1. [`Axis`]es, each an option and its values, make a [`Grid`] of [`Cell`]s.
//! 2. A [`Plan`] knows the command of each cell: the program itself with the cell's options, into the cell's folder. It is
//!    kept as `sweep.json`, so that a cluster's job needs no more than the folder and the number of its cell.
//! 3. [`schedule`] runs what is not complete, several at a time, or [`slurm`] hands it to a cluster. A cell is complete
//!    when its folder has a `result.json`; one that failed or was interrupted goes on at the next call.
//! 4. [`Table`] gathers the results, as CSV and for heat maps.

mod axis;
mod grid;
mod plan;
pub mod schedule;
pub mod slurm;
mod table;

use std::io;
use std::path::{Path, PathBuf};

pub use axis::Axis;
pub use grid::{Cell, Grid};
pub use plan::Plan;
pub use table::{HeatMap, Row, Settings, Table};

/// Why a sweep cannot be made, run or gathered.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// An axis cannot be understood.
    #[error("--grid {text}: {reason}; expected OPTION=VALUE,VALUE,... or OPTION=FIRST..LAST:STEP")]
    Axis {
        /// As it was given.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// The grid as a whole is wrong.
    #[error("{0}")]
    Grid(String),
    /// The folder holds another sweep.
    #[error("{} holds a sweep of another command ({there}): give another --out, or that command", folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// The command that it holds.
        there: String,
    },
    /// A file cannot be read, written or understood.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The program cannot be started.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The cluster refuses.
    #[error("sbatch refuses {}: {reason}", script.display())]
    Cluster {
        /// The script.
        script: PathBuf,
        /// What sbatch says.
        reason: String,
    },
    /// Nothing to gather.
    #[error("no run in {} is complete yet", .0.display())]
    Empty(PathBuf),
}

impl SweepError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> SweepError {
        let path = path.to_owned();
        move |error| SweepError::File { path, reason: error.to_string() }
    }
}
