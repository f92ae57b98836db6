//! From the text that a user gives to the source it means.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::ffmpeg::{Settings, has_scheme, is_live};
use super::picture::still_format;
use super::{Avi, Ffmpeg, Folder, Network, Source, SourceError, Still, Synthetic, V4l, V4lOptions, Y4m};

/// How a source is opened, beside what its text says.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Width and height of the network's input: a camera gives frames that are not smaller and not much larger.
    pub input: Option<(u32, u32)>,
    /// A live source that is silent for this long counts as lost; 5 s at `None`.
    pub timeout: Option<Duration>,
    /// Whether a live source that is not there is waited for.
    pub wait: bool,
    /// Once this is set nobody waits for a child process any more: opening fails, and a stream ends.
    pub stop: Arc<AtomicBool>,
}

/// The clip that ships; clips/README.md says where it is from.
const DEMO: &[u8] = include_bytes!("../../clips/demo.avi");

/// The clip inside the program: 90 frames of 512x288 at 10 frames a second, in which a person comes into a room.
pub fn demo() -> Box<dyn Source> {
    Box::new(
        Avi::new(Cursor::new(DEMO), "the clip inside sedge").expect("the clip inside the program is whole"),
    )
}

/// Opens the source that `source` names; the table in [`camera`](super) says which texts name which.
///
/// # Errors
/// Any [`SourceError`] but a broken frame: there is nothing under this name, it cannot be read, it is damaged from its
/// start, or this build does not read it.
pub fn open(source: &str) -> Result<Box<dyn Source>, SourceError> {
    open_with(source, &OpenOptions::default())
}

/// Whether the source that this text names comes at its own time, as a camera does: it is then opened again when it is lost,
/// and [`OpenOptions::timeout`] holds for it.
pub fn is_live_source(source: &str) -> bool {
    source.starts_with("v4l:") || is_live(source)
}

/// As [`open`], in a way of its own.
///
/// # Errors
/// Those of [`open`].
pub fn open_with(source: &str, options: &OpenOptions) -> Result<Box<dyn Source>, SourceError> {
    if source.starts_with("synthetic:") {
        return Ok(Box::new(Synthetic::parse(source)?));
    }
    if source == "-" {
        return Ok(Box::new(Y4m::new(BufReader::new(io::stdin()), "standard input")?));
    }
    if source.starts_with("v4l:") {
        let camera = V4lOptions::parse(source)?;
        let (timeout, wait) = (camera.timeout.or(options.timeout), camera.wait.or(Some(options.wait)));
        return Ok(Box::new(V4l::open(V4lOptions { input: options.input, timeout, wait, ..camera })?));
    }
    if is_live(source) {
        let stop = Arc::clone(&options.stop);
        return Ok(Box::new(Network::open(source, options.timeout, options.wait, stop)?));
    }
    let stop = Arc::clone(&options.stop);
    let settings =
        Settings { stopped: Arc::new(move || stop.load(Ordering::Relaxed)), ..Settings::default() };
    let through_ffmpeg = || Ffmpeg::with(&settings, source).map(|stream| Box::new(stream) as Box<dyn Source>);
    let path = Path::new(source);
    let unreadable = |cause| SourceError::Unreadable { name: source.into(), cause };
    let kind = match path.metadata() {
        Ok(metadata) => metadata.file_type(),
        Err(_) if has_scheme(source) => return through_ffmpeg(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(SourceError::NotFound { path: source.into() });
        }
        Err(error) => return Err(unreadable(error)),
    };
    if kind.is_dir() {
        return Ok(Box::new(Folder::open(path)?));
    }
    let has_extension =
        |known: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(known));
    if has_extension("y4m") {
        let file = File::open(path).map_err(unreadable)?;
        return Ok(Box::new(Y4m::new(BufReader::with_capacity(1 << 16, file), source)?));
    }
    // A pipe or a device gives its first bytes only once.
    if !kind.is_file() {
        return through_ffmpeg();
    }
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(12).read_to_end(&mut start)).map_err(unreadable)?;
    if start.is_empty() {
        return Err(SourceError::Malformed { name: source.into(), reason: "the file is empty".into() });
    }
    // A bare Motion-JPEG stream begins as a JPEG does, and would be taken for its first frame.
    let bare_stream = has_extension("mjpeg") || has_extension("mjpg");
    if still_format(&start).is_some() && !bare_stream {
        return Ok(Box::new(Still::open(path)?));
    }
    if start.starts_with(b"RIFF") && start.ends_with(b"AVI ") {
        return match Avi::new(File::open(path).map_err(unreadable)?, source) {
            Ok(clip) => Ok(Box::new(clip)),
            Err(SourceError::UnsupportedCodec { .. }) => through_ffmpeg(),
            Err(error) => Err(error),
        };
    }
    through_ffmpeg()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::camera::testing::{jpeg, report};

    #[test]
    fn the_clip_inside_is_whole() {
        let mut clip = demo();
        assert_eq!((clip.info().frames, clip.info().fps), (Some(90), Some(10.0)));
        let frames: Vec<_> =
            std::iter::from_fn(|| clip.next_frame()).map(|frame| frame.expect("whole")).collect();
        assert_eq!(frames.len(), 90);
        assert!(frames.iter().all(|frame| (frame.width, frame.height) == (512, 288)));
    }

    #[test]
    fn texts_open_what_they_name() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files: &[(&str, Vec<u8>)] = &[
            ("picture.bin", jpeg(16, 16, [0; 3])),
            ("clip.bin", DEMO.to_vec()),
            ("stream.Y4M", b"YUV4MPEG2 W2 H2 F5:1\n".to_vec()),
            ("empty.mp4", vec![]),
            ("cut.avi", DEMO[..40].to_vec()),
            ("pictures/a.png", vec![]),
        ];
        fs::create_dir(folder.path().join("pictures")).expect("a folder");
        fs::create_dir(folder.path().join("bare")).expect("a folder");
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).expect("a file");
        }
        // Frames and rate where it opens, the message where it does not.
        let cases = [
            ("synthetic:8x8@4:7", "Some(7) Some(4.0)"),
            ("DIR/picture.bin", "Some(1) None"),
            ("DIR/clip.bin", "Some(90) Some(10.0)"),
            ("DIR/stream.Y4M", "None Some(5.0)"),
            ("DIR/pictures", "Some(1) None"),
            (
                "DIR/bare",
                "DIR/bare: no file in this folder ends in .jpg, .jpeg or .png, so there is nothing to read",
            ),
            ("DIR/empty.mp4", "DIR/empty.mp4: the file is empty"),
            ("DIR/cut.avi", "DIR/cut.avi: ends in the middle of frame 0; all frames before it are whole"),
            (
                "DIR/none.mp4",
                "\"DIR/none.mp4\" is neither a file nor a folder; give the path of one, an address like rtsp://..., or - \
                 for a pipe",
            ),
            (
                "v4l:DIR/video0?fps=never",
                "\"v4l:DIR/video0?fps=never\" does not name a camera: fps=never: fps takes 0.01 to 1000 frames a second; \
                 write v4l:/dev/video0 or v4l:/dev/video0?width=640&height=480&fps=15&format=YUYV",
            ),
            (
                "v4l:DIR/video0",
                if cfg!(feature = "v4l") {
                    "v4l:DIR/video0: there is no device DIR/video0"
                } else {
                    "v4l:DIR/video0: this build reads no cameras; give /dev/video0 alone to read one through ffmpeg, or build with \
                     `cargo build --release --features v4l`"
                },
            ),
        ];
        let base = folder.path().display().to_string();
        report(cases.into_iter().filter_map(|(text, want)| {
            let got = match open(&text.replace("DIR", &base)) {
                Ok(source) => format!("{:?} {:?}", source.info().frames, source.info().fps),
                // Which devices there are depends on the machine.
                Err(error) => {
                    let message = error.to_string().replace(&base, "DIR");
                    message.split("; there is ").next().unwrap_or_default().to_string()
                }
            };
            (got != want).then(|| format!("{text}: {got}"))
        }));
    }
}
