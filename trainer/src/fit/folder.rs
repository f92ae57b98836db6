//! The folder of a run: what lies where, and files that are whole or not there.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::FitError;

/// A run's folder.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, made with its subfolders where they are missing.
    ///
    /// # Errors
    /// [`FitError::File`] when it cannot be made.
    pub fn create(path: &Path) -> Result<Folder, FitError> {
        let folder = Folder(path.to_path_buf());
        for path in [folder.checkpoints(), folder.0.join("sheets")] {
            fs::create_dir_all(&path).map_err(FitError::file(&path))?;
        }
        Ok(folder)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What repeats the run.
    pub fn record(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// One line an epoch.
    pub fn log(&self) -> PathBuf {
        self.0.join("log.jsonl")
    }

    /// Final scores; there when the run is complete.
    pub fn result(&self) -> PathBuf {
        self.0.join("result.json")
    }

    /// The best epoch's model.
    pub fn model(&self) -> PathBuf {
        self.0.join("model.onnx")
    }

    /// Loss and score over epochs.
    pub fn curves(&self) -> PathBuf {
        self.0.join("curves.svg")
    }

    /// Predictions after an epoch.
    pub fn sheet(&self, epoch: usize) -> PathBuf {
        self.0.join(format!("sheets/epoch-{epoch}.png"))
    }

    /// Where checkpoints lie.
    pub fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    /// The checkpoint called `name`: `last`, `best` or `epoch-N`.
    pub fn checkpoint(&self, name: &str) -> PathBuf {
        self.checkpoints().join(format!("{name}.ckpt"))
    }

    /// Removes all but the newest `keep` checkpoints of epochs.
    ///
    /// # Errors
    /// [`FitError::File`].
    pub fn keep_newest(&self, keep: usize) -> Result<(), FitError> {
        let folder = self.checkpoints();
        let mut epochs = Vec::new();
        for entry in fs::read_dir(&folder).map_err(FitError::file(&folder))? {
            let path = entry.map_err(FitError::file(&folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            let number = name.strip_prefix("epoch-").and_then(|rest| rest.strip_suffix(".ckpt"));
            if let Some(epoch) = number.and_then(|number| number.parse::<usize>().ok()) {
                epochs.push((epoch, path));
            }
        }
        epochs.sort();
        let old = epochs.len().saturating_sub(keep);
        for (_, path) in epochs.into_iter().take(old) {
            fs::remove_file(&path).map_err(FitError::file(&path))?;
        }
        Ok(())
    }
}

/// Writes a file so that after a crash it is the old one or the new one: beside it, to the disk, then in its place.
///
/// # Errors
/// [`FitError::File`].
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FitError> {
    let beside = beside(path);
    let mut file = File::create(&beside).map_err(FitError::file(&beside))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(FitError::file(&beside))?;
    replace(&beside, path)
}

/// Makes `path` the same file as `source`, which is whole on the disk; a copy where the file system has no links.
pub(super) fn link_atomic(source: &Path, path: &Path) -> Result<(), FitError> {
    let beside = beside(path);
    if let Err(error) = fs::remove_file(&beside)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(FitError::File { path: beside, reason: error });
    }
    match fs::hard_link(source, &beside) {
        Ok(()) => replace(&beside, path),
        Err(_) => write_atomic(path, &fs::read(source).map_err(FitError::file(source))?),
    }
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.part"))
}

fn replace(from: &Path, to: &Path) -> Result<(), FitError> {
    fs::rename(from, to).map_err(FitError::file(to))?;
    // The name is on the disk only when its folder is.
    let folder = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(FitError::file(folder))
}
