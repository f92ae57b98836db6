//! A sweep as an array job of Slurm: a script whose every index runs one cell.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Cell, Plan, SweepError};

/// What the cluster is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Jobs at a time.
    pub jobs: usize,
    /// Processors of a job.
    pub threads: usize,
    /// More options of sbatch, as `--partition=gpu`.
    pub options: Vec<String>,
    /// The program that jobs run: `sedge-train`, where all machines see it.
    pub program: PathBuf,
}

/// Writes `sweep.sbatch` into the sweep's folder, an array job over the given cells; returns its path.
///
/// # Errors
/// [`SweepError::File`].
pub fn write(plan: &Plan, cells: &[Cell], request: &Request) -> Result<PathBuf, SweepError> {
    let logs = plan.folder().join("slurm");
    fs::create_dir_all(&logs).map_err(SweepError::file(&logs))?;
    let path = plan.folder().join("sweep.sbatch");
    fs::write(&path, script(plan, cells, request)).map_err(SweepError::file(&path))?;
    Ok(path)
}

/// Hands a script to sbatch; returns the number of the job, or `None` where there is no sbatch.
///
/// # Errors
/// [`SweepError::Cluster`] with sbatch's own words, [`SweepError::Start`].
pub fn submit(script: &Path) -> Result<Option<String>, SweepError> {
    let output = match Command::new("sbatch").arg("--parsable").arg(script).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|source| SweepError::Start { program: "sbatch".into(), source })?,
    };
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(SweepError::Cluster { script: script.to_owned(), reason });
    }
    // On several clusters the cluster's name follows.
    let job = String::from_utf8_lossy(&output.stdout);
    Ok(Some(job.trim().split(';').next().unwrap_or_default().to_owned()))
}

/// The script. Each job writes the result of its cell into the cell's folder; `sweep --collect` gathers them.
pub fn script(plan: &Plan, cells: &[Cell], request: &Request) -> String {
    let indices: Vec<usize> = cells.iter().map(|cell| cell.index).collect();
    let options: String = request.options.iter().map(|option| format!("#SBATCH {option}\n")).collect();
    format!(
        "#!/bin/sh\n\
         # Made by sedge-train sweep: each index runs one cell of {folder}\n\
         #SBATCH --job-name=sedge-sweep\n\
         #SBATCH --array={array}%{jobs}\n\
         #SBATCH --cpus-per-task={threads}\n\
         #SBATCH --output={logs}\n\
         {options}\
         exec {program} sweep --out {quoted} --cell \"$SLURM_ARRAY_TASK_ID\" --threads {threads}\n",
        folder = plan.folder().display(),
        array = ranges(&indices),
        jobs = request.jobs.max(1),
        threads = request.threads.max(1),
        logs = plan.folder().join("slurm/%A_%a.log").display(),
        program = quoted(&request.program),
        quoted = quoted(plan.folder()),
    )
}

/// Ascending numbers as Slurm writes them: `0-3,7,9-10`.
fn ranges(indices: &[usize]) -> String {
    let runs = indices.chunk_by(|a, b| a + 1 == *b);
    let text = |run: &[usize]| match (run[0], run[run.len() - 1]) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    };
    runs.map(text).collect::<Vec<_>>().join(",")
}

/// A path as a word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_ranges() {
        let cases: [(&[usize], &str); 4] =
            [(&[0], "0"), (&[0, 1, 2], "0-2"), (&[0, 2, 3, 9], "0,2-3,9"), (&[4, 5, 7, 8], "4-5,7-8")];
        for (indices, expected) in cases {
            assert_eq!(ranges(indices), expected);
        }
    }

    #[test]
    fn paths_as_words() {
        assert_eq!(quoted("/a b/it's".as_ref()), "'/a b/it'\\''s'");
    }
}
