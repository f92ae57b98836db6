//! A folder of JPEG and PNG files as a stream, in natural order of their names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::picture::read_still;
use super::rate::frame_time;
use super::{Source, SourceError, SourceInfo};
use crate::frame::Frame;

/// The pictures of a folder: files whose names end in `.jpg`, `.jpeg` or `.png` in any case, `frame2` before `frame10`.
/// Other files and folders inside it are passed over.
///
/// Frames are as those of [`Still`](super::Still). A folder has no rate: a frame's time is its number in seconds. A
/// frame's name is its file's stem, or the whole file name where two files share a stem. A file that does not decode
/// is a [`SourceError::BrokenFrame`] and the stream goes on.
#[derive(Debug)]
pub struct Folder {
    info: SourceInfo,
    files: Vec<(PathBuf, String)>,
    next: usize,
}

impl Folder {
    /// Lists the folder; pictures are read one by one later.
    ///
    /// # Errors
    /// [`SourceError::Unreadable`] where the folder cannot be listed, [`SourceError::EmptyFolder`] where it holds no
    /// pictures.
    pub fn open(path: &Path) -> Result<Folder, SourceError> {
        let name = path.display().to_string();
        let unreadable = |cause| SourceError::Unreadable { name: name.clone(), cause };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if has_image_extension(&file) && file.is_file() {
                let file_name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                files.push((file, file_name));
            }
        }
        if files.is_empty() {
            return Err(SourceError::EmptyFolder { path: name });
        }
        // The listing's own order is the disk's; the plain comparison settles names that differ in zeros only.
        files.sort_by(|a, b| alphanumeric_sort::compare_str(&a.1, &b.1).then_with(|| a.0.cmp(&b.0)));
        name_by_stem(&mut files);
        Ok(Folder {
            info: SourceInfo { name, frames: Some(files.len() as u64), ..SourceInfo::default() },
            files,
            next: 0,
        })
    }
}

fn has_image_extension(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Replaces file names by stems, except where two files have the same.
fn name_by_stem(files: &mut [(PathBuf, String)]) {
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut uses: HashMap<String, usize> = HashMap::new();
    for (path, _) in files.iter() {
        *uses.entry(stem(path)).or_default() += 1;
    }
    for (path, name) in files {
        let stem = stem(path);
        if uses[&stem] == 1 {
            *name = stem;
        }
    }
}

impl Source for Folder {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let (path, name) = self.files.get(self.next)?;
        let number = self.next as u64;
        self.next += 1;
        Some(match read_still(path) {
            Ok(picture) => Ok(Frame {
                number,
                time: frame_time(number, None),
                width: picture.width,
                height: picture.height,
                format: picture.format,
                data: picture.data,
                name: Some(name.clone()),
            }),
            Err(reason) => {
                Err(SourceError::BrokenFrame { name: path.display().to_string(), frame: number, reason })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::camera::testing::{jpeg, report, transcript};

    /// Names and bytes.
    type Files<'a> = Vec<(&'a str, &'a [u8])>;

    #[test]
    fn folders_are_read_in_natural_order() {
        let picture = jpeg(16, 16, [112, 112, 112]);
        let cases: Vec<(&str, Files, &[&str])> = vec![
            (
                "numbers, not letters",
                vec![("f10.jpg", &picture), ("f9.JPEG", &picture), ("f2.PNG", &picture)],
                &[
                    "frame 0 at 0 ms 16x16 Rgb8 ~112 f2",
                    "frame 1 at 1000 ms 16x16 Rgb8 ~112 f9",
                    "frame 2 at 2000 ms 16x16 Rgb8 ~112 f10",
                ],
            ),
            (
                "others passed over, a broken one kept in count",
                vec![("a.jpg", b"not a picture"), ("b.jpg", &picture), ("c.txt", b"x"), ("jpg", b"x")],
                &[
                    "broken: DIR/a.jpg: frame 0 is broken: it is neither a JPEG nor a PNG",
                    "frame 1 at 1000 ms 16x16 Rgb8 ~112 b",
                ],
            ),
            (
                "same stem",
                vec![("a.jpg", &picture), ("a.png", &picture)],
                &["frame 0 at 0 ms 16x16 Rgb8 ~112 a.jpg", "frame 1 at 1000 ms 16x16 Rgb8 ~112 a.png"],
            ),
            (
                "no pictures",
                vec![("notes.txt", b"x")],
                &[
                    "error: DIR: no file in this folder ends in .jpg, .jpeg or .png, so there is nothing to read",
                ],
            ),
        ];
        report(cases.into_iter().filter_map(|(name, files, want)| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            fs::create_dir(folder.path().join("inner.jpg")).expect("a folder inside");
            for (file, bytes) in files {
                fs::write(folder.path().join(file), bytes).expect("a temporary file");
            }
            let got =
                transcript(Folder::open(folder.path())).replace(&folder.path().display().to_string(), "DIR");
            (got != want.join("\n")).then(|| format!("{name}:\n{got}"))
        }));
    }
}
