//! What each cell of a sweep runs and where, kept in the sweep's folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Cell, Grid, Settings, SweepError};
use crate::fit::write_atomic;

/// The command of a sweep, its grid and its folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What is run in place of this program; none is this program itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<PathBuf>,
    /// The subcommand and the options that all cells share.
    pub command: Vec<String>,
    /// The options that differ.
    pub grid: Grid,
    #[serde(skip)]
    folder: PathBuf,
}

/// What a cell's folder says of itself: `cell.json`.
#[derive(Serialize, Deserialize)]
struct Mark {
    settings: Settings,
}

impl Plan {
    /// A plan for `folder`, which is made; `sweep.json` is written. A folder that holds the same command with another grid
    /// keeps the runs that it has.
    ///
    /// # Errors
    /// [`SweepError::Grid`] where the command sets an option of the grid or the folder, [`SweepError::Other`] where the
    /// folder holds another command, [`SweepError::File`].
    pub fn new(
        folder: &Path,
        program: Option<PathBuf>,
        command: Vec<String>,
        grid: Grid,
    ) -> Result<Plan, SweepError> {
        let sets = |option: &str| {
            let (alone, with_value) = (format!("--{option}"), format!("--{option}="));
            command.iter().any(|word| *word == alone || word.starts_with(&with_value))
        };
        if command.is_empty() {
            return Err(SweepError::Grid(
                "say what to run after the options: -- fit ... or -- distill ...".into(),
            ));
        }
        if sets("out") {
            return Err(SweepError::Grid("--out belongs to the sweep: each cell has a folder in it".into()));
        }
        if let Some(axis) = grid.axes().iter().find(|axis| axis.option == "out" || sets(&axis.option)) {
            return Err(SweepError::Grid(format!(
                "--{} is set by --grid and by the command: remove one",
                axis.option
            )));
        }
        fs::create_dir_all(folder).map_err(SweepError::file(folder))?;
        // Jobs of a cluster start elsewhere.
        let folder = folder.canonicalize().map_err(SweepError::file(folder))?;
        let plan = Plan { program, command, grid, folder };
        if plan.file().exists() {
            let there = Plan::read(&plan.folder)?;
            if there.command != plan.command {
                return Err(SweepError::Other { folder: plan.folder, there: there.command.join(" ") });
            }
        }
        write_json(&plan.file(), &plan)?;
        Ok(plan)
    }

    /// The plan that a folder holds.
    ///
    /// # Errors
    /// [`SweepError::File`].
    pub fn read(folder: &Path) -> Result<Plan, SweepError> {
        let folder = folder.canonicalize().map_err(SweepError::file(folder))?;
        let plan: Plan = read_json(&folder.join("sweep.json"))?;
        Ok(Plan { folder, ..plan })
    }

    fn file(&self) -> PathBuf {
        self.folder.join("sweep.json")
    }

    /// The sweep's folder, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a cell.
    pub fn cell_folder(&self, cell: &Cell) -> PathBuf {
        self.folder.join(&cell.name)
    }

    /// Whether the cell's result is there.
    pub fn is_complete(&self, cell: &Cell) -> bool {
        read_json::<Value>(&self.cell_folder(cell).join("result.json")).is_ok()
    }

    /// The cells whose result is not there yet.
    pub fn pending(&self) -> Vec<Cell> {
        self.grid.cells().into_iter().filter(|cell| !self.is_complete(cell)).collect()
    }

    /// The command of a cell, which uses `threads` threads.
    ///
    /// # Errors
    /// [`SweepError::Start`] where this program does not know where it lies.
    pub fn command_of(&self, cell: &Cell, threads: usize) -> Result<Command, SweepError> {
        let program = match &self.program {
            Some(program) => program.clone(),
            None => std::env::current_exe()
                .map_err(|source| SweepError::Start { program: "sedge-train".into(), source })?,
        };
        let mut command = Command::new(program);
        command.args(&self.command);
        for (option, value) in &cell.settings {
            match value.as_str() {
                "on" => drop(command.arg(format!("--{option}"))),
                "off" => {}
                // In one word, so that a value may begin with a dash.
                value => drop(command.arg(format!("--{option}={value}"))),
            }
        }
        command.arg("--out").arg(self.cell_folder(cell));
        if !self.command.iter().any(|word| word == "--resume") {
            command.arg("--resume");
        }
        command.env("OMP_NUM_THREADS", threads.max(1).to_string());
        Ok(command)
    }

    /// Makes the folder of a cell and writes its settings there.
    ///
    /// # Errors
    /// [`SweepError::File`].
    pub fn prepare(&self, cell: &Cell) -> Result<PathBuf, SweepError> {
        let folder = self.cell_folder(cell);
        fs::create_dir_all(&folder).map_err(SweepError::file(&folder))?;
        write_json(&folder.join("cell.json"), &Mark { settings: cell.settings.clone() })?;
        Ok(folder)
    }

    /// Settings and result of every complete run in the folder, also of those from an earlier grid, by name.
    ///
    /// # Errors
    /// [`SweepError::File`].
    pub fn results(&self) -> Result<Vec<(Settings, Value)>, SweepError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(SweepError::file(&self.folder))? {
            let folder = entry.map_err(SweepError::file(&self.folder))?.path();
            let result = read_json(&folder.join("result.json"));
            if let (Ok(cell), Ok(result)) = (read_json::<Mark>(&folder.join("cell.json")), result) {
                found.push((folder, cell.settings, result));
            }
        }
        found.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        Ok(found.into_iter().map(|(_, settings, result)| (settings, result)).collect())
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), SweepError> {
    let wrong = |reason: String| SweepError::File { path: path.to_owned(), reason };
    let text = serde_json::to_string_pretty(value).map_err(|error| wrong(error.to_string()))?;
    write_atomic(path, format!("{text}\n").as_bytes()).map_err(|error| wrong(error.to_string()))
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, SweepError> {
    let wrong = |reason: String| SweepError::File { path: path.to_owned(), reason };
    let bytes = fs::read(path).map_err(SweepError::file(path))?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
}
