//! Where status goes: a line on a stream, a file that always holds the newest, the service manager.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::notify::{Notification, Notify};
use super::snapshot::Status;

/// Why a status could not be told everywhere.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The status line could not be printed.
    #[error("the status line cannot be printed: {0}")]
    Line(#[source] io::Error),
    /// The status file could not be written.
    #[error("the status file {} cannot be written: {source}; allow writing there or change status.file", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The service manager could not be told.
    #[error("the service manager cannot be told: {0}")]
    Notify(#[source] io::Error),
}

/// Tells the status.
pub struct Reporter {
    lines: Box<dyn Write + Send>,
    file: Option<PathBuf>,
    notify: Box<dyn Notify>,
}

impl Reporter {
    /// Lines go to `lines`, the newest status to `file`, a few words to `notify`.
    pub fn new(lines: Box<dyn Write + Send>, file: Option<PathBuf>, notify: Box<dyn Notify>) -> Reporter {
        Reporter { lines, file, notify }
    }

    /// Goes on with another file; the old one stays as it is.
    pub fn set_file(&mut self, file: Option<PathBuf>) {
        self.file = file;
    }

    /// Who is told of readiness and of reloads.
    pub fn notify(&self) -> &dyn Notify {
        self.notify.as_ref()
    }

    /// Tells the status everywhere, whatever fails at one place.
    ///
    /// # Errors
    /// The first place that failed; the program goes on.
    pub fn report(&mut self, status: &Status) -> Result<(), ReportError> {
        let line = status.line();
        // One write a line, so that lines of other threads do not come between.
        let printed = self.lines.write_all(format!("{line}\n").as_bytes()).and_then(|()| self.lines.flush());
        let written = self.file.as_deref().map_or(Ok(()), |path| {
            replace(path, &line).map_err(|source| ReportError::File { path: path.to_owned(), source })
        });
        let notified = self.notify.notify(Notification::Status(status.brief()));
        printed.map_err(ReportError::Line).and(written).and(notified.map_err(ReportError::Notify))
    }
}

/// Puts `line` in place of the file as a whole, so that a reader never sees half of one. It is not forced to the disk:
/// a status is no use after a power cut.
fn replace(path: &Path, line: &str) -> io::Result<()> {
    // Renaming would put a file in the place of a device, too.
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no file is there"));
    }
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let replaced = fs::write(&new, format!("{line}\n")).and_then(|()| fs::rename(&new, path));
    if replaced.is_err() {
        // A full disk leaves half a file; it may not even let it be removed.
        let _ = fs::remove_file(&new);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::status::NotifyLog;

    /// A stream that may break.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<(Vec<u8>, bool)>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut inner = self.0.lock().expect("lines");
            if inner.1 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            inner.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_status_is_told_everywhere_whatever_fails() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("status.json");
        let (lines, log) = (Lines::default(), NotifyLog::default());
        let mut reporter = Reporter::new(Box::new(lines.clone()), Some(file.clone()), Box::new(log.clone()));
        let status = |frames| Status { frames, ..Status::default() };
        let frames_in_file = || {
            let text = fs::read_to_string(&file).expect("a status file");
            serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["frames"].as_u64()
        };
        for frames in [1, 2] {
            assert!(reporter.report(&status(frames)).is_ok());
            assert_eq!((frames_in_file(), log.take().len()), (Some(frames), 1));
        }
        assert_eq!(lines.0.lock().expect("lines").0.iter().filter(|&&byte| byte == b'\n').count(), 2);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside it");

        lines.0.lock().expect("lines").1 = true;
        assert!(matches!(reporter.report(&status(3)), Err(ReportError::Line(_))));
        assert_eq!((frames_in_file(), log.take().len()), (Some(3), 1));

        lines.0.lock().expect("lines").1 = false;
        for bad in [folder.path().join("none/status.json"), PathBuf::from("/"), folder.path().to_owned()] {
            reporter.set_file(Some(bad.clone()));
            let told = reporter.report(&status(4)).map_err(|error| error.to_string());
            let named = told.as_ref().is_err_and(|said| said.contains(&*bad.to_string_lossy()));
            assert!(named && log.take().len() == 1, "{bad:?}: {told:?}");
        }
        assert_eq!(frames_in_file(), Some(3));
        reporter.set_file(None);
        assert!(reporter.report(&status(5)).is_ok());
    }
}
