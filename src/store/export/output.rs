//! A file that appears under its name only when it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use super::ExportError;

/// A file in the making, under its name with `.part` behind it; one that is dropped unfinished is removed.
pub(super) struct Output {
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
    finished: bool,
}

impl Output {
    /// Begins a file that will be called `path`; `example` is a name for it, should `path` be a folder.
    ///
    /// # Errors
    /// [`ExportError::Exists`] where there is a file and `overwrite` does not allow to replace it,
    /// [`ExportError::IsFolder`], [`ExportError::Disk`].
    pub(super) fn create(path: &Path, overwrite: bool, example: &'static str) -> Result<Output, ExportError> {
        if path.is_dir() {
            return Err(ExportError::IsFolder { path: path.to_owned(), example });
        }
        // A dangling link or a device is something too: renaming would replace it.
        let replaceable = |there: std::fs::Metadata| overwrite && there.is_file();
        if path.symlink_metadata().is_ok_and(|there| !replaceable(there)) {
            return Err(ExportError::Exists { path: path.to_owned() });
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".part");
        let temporary = PathBuf::from(temporary);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&temporary);
        let file = file.map_err(|source| disk("write", path)(source))?;
        Ok(Output { path: path.to_owned(), temporary, file: BufWriter::new(file), finished: false })
    }

    /// A second file beside this one for what belongs further down in it; it has no name.
    ///
    /// # Errors
    /// [`ExportError::Disk`].
    pub(super) fn annex(&self) -> Result<Annex, ExportError> {
        let mut path = self.path.as_os_str().to_owned();
        path.push(".part-2");
        let path = PathBuf::from(path);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.and_then(|file| fs::remove_file(&path).map(|()| file));
        Ok(Annex { file: BufWriter::new(file.map_err(disk("write", &path))?), path })
    }

    /// Writes text.
    ///
    /// # Errors
    /// [`ExportError::Disk`].
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.file.write_all(bytes).map_err(disk("write", &self.path))
    }

    /// Writes all of a second file.
    ///
    /// # Errors
    /// [`ExportError::Disk`].
    pub(super) fn put_annex(&mut self, annex: Annex) -> Result<(), ExportError> {
        let mut copy = |annex: Annex| -> io::Result<u64> {
            let mut file = annex.file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.rewind()?;
            io::copy(&mut file, &mut self.file)
        };
        copy(annex).map(drop).map_err(disk("write", &self.path))
    }

    /// Gives the file its name, and returns its length in bytes.
    ///
    /// # Errors
    /// [`ExportError::Disk`].
    pub(super) fn finish(mut self) -> Result<u64, ExportError> {
        let mut place = || -> io::Result<u64> {
            self.file.flush()?;
            self.file.get_ref().sync_all()?;
            let bytes = self.file.get_ref().metadata()?.len();
            fs::rename(&self.temporary, &self.path)?;
            Ok(bytes)
        };
        let placed = place();
        self.finished = placed.is_ok();
        placed.map_err(disk("write", &self.path))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.finished {
            // What is left of it is no whole file, and nobody is told of one.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// What goes into an [`Output`] after all of its own; nothing is left of it when it is dropped.
pub(super) struct Annex {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Annex {
    /// Writes text.
    ///
    /// # Errors
    /// [`ExportError::Disk`].
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.file.write_all(bytes).map_err(disk("write", &self.path))
    }
}

/// An [`ExportError::Disk`] of what the system says.
pub(super) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ExportError {
    let path = path.to_owned();
    move |source| ExportError::Disk { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let mut output = Output::create(&path, false, "masks.json").unwrap();
        let mut annex = output.annex().unwrap();
        annex.put(&[b'2'; 100_000]).unwrap();
        output.put(b"1").unwrap();
        assert_eq!(names(folder.path()), ["a.json.part"]);
        output.put_annex(annex).unwrap();
        assert_eq!(output.finish().unwrap(), 100_001);
        assert_eq!(names(folder.path()), ["a.json"]);
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() == 100_001 && bytes.starts_with(b"12"));
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "old").unwrap();
        let create = |path: &Path, overwrite| Output::create(path, overwrite, "masks.json").map(drop);
        let message = |result: Result<(), ExportError>| match result {
            Ok(()) => "done".to_owned(),
            Err(error) => error.to_string().replace(&folder.path().display().to_string(), "DIR"),
        };
        assert_eq!(
            message(create(&path, false)),
            "DIR/a.json exists; use --overwrite to replace it, or another -o"
        );
        assert_eq!(
            message(create(folder.path(), true)),
            "DIR is a folder; give the name of a file, such as DIR/masks.json"
        );
        let nowhere = message(create(&folder.path().join("none/a.json"), false));
        assert!(nowhere.starts_with("cannot write DIR/none/a.json: "), "{nowhere}");
        // An unfinished one leaves the old file and nothing else.
        assert_eq!(message(create(&path, true)), "done");
        assert_eq!(
            (names(folder.path()), fs::read(&path).unwrap()),
            (vec!["a.json".into()], b"old".to_vec())
        );
    }
}
