//! Everything else that the program ffmpeg reads: other clips, network cameras; as a child process that pipes Y4M.

use std::borrow::Cow;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use super::{Source, SourceError, SourceInfo, Y4m};
use crate::frame::Frame;

/// How much of the end of ffmpeg's messages is kept, in bytes.
const MESSAGES_MAX_BYTES: usize = 4096;

/// A stream that a child process ffmpeg decodes.
///
/// Frames are [`I420`](crate::frame::PixelFormat::I420), BT.601 limited range whatever the stream's own color is, at the
/// stream's average rate. The child is killed and waited for when this is dropped. A password in an address is left
/// out of names and messages.
pub struct Ffmpeg {
    info: SourceInfo,
    address: String,
    child: Child,
    messages: Option<JoinHandle<String>>,
    frames: Option<Y4m<BufReader<ChildStdout>>>,
    /// Number of frames given.
    given: u64,
}

impl Ffmpeg {
    /// Starts the ffmpeg found on the search path on a file or a `scheme://` address, and waits for the stream's header.
    ///
    /// # Errors
    /// [`SourceError::NoFfmpeg`] where the program is missing, [`SourceError::Ffmpeg`] where it gives no stream.
    pub fn open(address: &str) -> Result<Ffmpeg, SourceError> {
        Ffmpeg::with_program(Path::new("ffmpeg"), address)
    }

    /// The same with another program in place of ffmpeg.
    pub(super) fn with_program(program: &Path, address: &str) -> Result<Ffmpeg, SourceError> {
        let name = without_password(address);
        let started = Command::new(program)
            .args(arguments(address))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = started.map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => SourceError::NoFfmpeg { name: name.clone() },
            _ => SourceError::Ffmpeg { name: name.clone(), reason: format!("it does not start: {cause}") },
        })?;
        let output = child.stdout.take().expect("standard output is piped");
        let messages = child.stderr.take().expect("standard error is piped");
        let mut stream = Ffmpeg {
            info: SourceInfo { name: name.clone(), live: is_live(address), ..SourceInfo::default() },
            address: address.into(),
            child,
            // On a thread of its own, so that a full pipe of messages never stops the frames.
            messages: Some(std::thread::spawn(|| last_messages(messages))),
            frames: None,
            given: 0,
        };
        match Y4m::new(BufReader::with_capacity(1 << 16, output), &name) {
            Ok(frames) => {
                stream.info.fps = frames.info().fps;
                stream.frames = Some(frames);
                Ok(stream)
            }
            Err(error) => {
                let reason = match (stream.end(), error) {
                    (End::Failed(reason) | End::Complained(reason), _) => reason,
                    (End::Well, SourceError::Malformed { .. }) => "it gave no frames".into(),
                    (End::Well, error) => error.to_string(),
                };
                Err(SourceError::Ffmpeg { name, reason })
            }
        }
    }

    /// Waits for the child, whose output has ended, and finds out how it went.
    fn end(&mut self) -> End {
        // Closes the pipe first: a child that still writes would wait for us as we wait for it.
        self.frames = None;
        let status = self.child.wait();
        let messages = self.messages.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let last = messages.lines().map(str::trim).rfind(|line| !line.is_empty());
        let last = last.map(|line| line.replace(&self.address, &self.info.name));
        match status {
            Ok(status) if status.success() => last.map_or(End::Well, End::Complained),
            Ok(status) => End::Failed(last.unwrap_or_else(|| format!("it ended with {status}"))),
            Err(error) => End::Failed(last.unwrap_or_else(|| error.to_string())),
        }
    }
}

/// How a child ended.
enum End {
    /// Without a word.
    Well,
    /// As it should, but it said this: parts of the stream may be missing.
    Complained(String),
    /// With an error.
    Failed(String),
}

impl Source for Ffmpeg {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        match self.frames.as_mut()?.next_frame() {
            // Where the output ends, the child may say why.
            end @ (None | Some(Err(SourceError::Truncated { .. }))) => {
                let name = self.info.name.clone();
                match self.end() {
                    End::Failed(reason) => Some(Err(SourceError::Ffmpeg { name, reason })),
                    End::Complained(said) if end.is_none() => {
                        let reason = format!("ffmpeg says: {said}");
                        Some(Err(SourceError::BrokenFrame { name, frame: self.given, reason }))
                    }
                    _ => end,
                }
            }
            event => {
                self.given += 1;
                event
            }
        }
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        // Both fail only where the child is gone and waited for, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What ffmpeg is told. The conversion makes any stream's color the one that frames have.
fn arguments(address: &str) -> Vec<String> {
    let mut arguments: Vec<String> = ["-nostdin", "-loglevel", "error"].map(String::from).into();
    if address.starts_with("rtsp://") {
        arguments.extend(["-rtsp_transport", "tcp"].map(String::from));
    }
    arguments.extend(["-i".into(), input(address).into_owned()]);
    let conversion = "scale=out_color_matrix=bt601:out_range=tv";
    arguments.extend(
        ["-an", "-vf", conversion, "-f", "yuv4mpegpipe", "-pix_fmt", "yuv420p", "-strict", "-1", "-"]
            .map(String::from),
    );
    arguments
}

/// The address as ffmpeg must see it: a relative path may begin like an option or, with a colon, like a protocol.
fn input(address: &str) -> Cow<'_, str> {
    if address.starts_with('/') || (has_scheme(address) && !Path::new(address).exists()) {
        Cow::Borrowed(address)
    } else {
        Cow::Owned(format!("file:{address}"))
    }
}

/// Whether frames come at their own time: from a camera on the network or at this machine, not from a file.
fn is_live(address: &str) -> bool {
    const STREAMS: [&str; 7] = ["rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srt", "udp"];
    match address.split_once("://") {
        Some((scheme, _)) => STREAMS.iter().any(|stream| scheme.eq_ignore_ascii_case(stream)),
        None => Path::new(address).metadata().is_ok_and(|known| known.file_type().is_char_device()),
    }
}

/// Whether the text begins with `scheme://`.
pub(super) fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
    })
}

/// The address with the password of `scheme://user:password@host` replaced.
fn without_password(address: &str) -> String {
    let found = address.split_once("://").filter(|_| has_scheme(address)).and_then(|(scheme, rest)| {
        let host_end = rest.find('/').unwrap_or(rest.len());
        let at = rest[..host_end].rfind('@')?;
        let (user, _) = rest[..at].split_once(':')?;
        Some(format!("{scheme}://{user}:***{}", &rest[at..]))
    });
    found.unwrap_or_else(|| address.into())
}

/// Reads messages to their end and keeps the last of them.
fn last_messages(mut messages: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; MESSAGES_MAX_BYTES];
    while let Ok(read @ 1..) = messages.read(&mut buffer) {
        kept.extend(&buffer[..read]);
        kept.drain(..kept.len().saturating_sub(MESSAGES_MAX_BYTES));
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::testing::report;

    #[test]
    fn addresses_are_never_options() {
        let cases = [
            ("clip.mp4", "file:clip.mp4"),
            ("-y.mp4", "file:-y.mp4"),
            ("12:30.mp4", "file:12:30.mp4"),
            ("-x://y", "file:-x://y"),
            ("/films/clip.mp4", "/films/clip.mp4"),
            ("/dev/video0", "/dev/video0"),
            ("rtsp://camera/1", "rtsp://camera/1"),
        ];
        report(cases.iter().filter_map(|&(address, want)| {
            let arguments = arguments(address);
            let at = arguments.iter().position(|argument| argument == "-i").expect("an input") + 1;
            let tcp = arguments.iter().any(|argument| argument == "tcp");
            (arguments[at] != want || tcp != address.starts_with("rtsp:"))
                .then(|| format!("{address}: {arguments:?}"))
        }));
    }

    #[test]
    fn passwords_are_left_out() {
        let cases = [
            ("rtsp://me:secret@camera/1", "rtsp://me:***@camera/1"),
            ("rtsp://me:se@cret@camera", "rtsp://me:***@camera"),
            ("rtsp://me@camera/1", "rtsp://me@camera/1"),
            ("rtsp://camera:554/a:b@c", "rtsp://camera:554/a:b@c"),
            ("clip.mp4", "clip.mp4"),
        ];
        report(cases.iter().filter_map(|&(address, want)| {
            let got = without_password(address);
            (got != want).then(|| format!("{address}: {got}"))
        }));
    }
}

/// Runs a script in place of ffmpeg, which does what the address says.
#[cfg(all(test, unix))]
mod process_tests {
    use super::*;
    use crate::camera::testing::{report, transcript};

    fn script() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/camera/fake-ffmpeg.sh")
    }

    #[test]
    fn the_child_gives_frames_or_its_last_words() {
        let first = "frame 0 at 0 ms 2x2 I420 ~32";
        let second = "frame 1 at 100 ms 2x2 I420 ~32";
        let cases: &[(&str, &[&str])] = &[
            ("fake://two-frames", &[first, second]),
            (
                "fake://many-messages",
                &[
                    first,
                    second,
                    "broken: fake://many-messages: frame 2 is broken: ffmpeg says: a message of about fifty bytes, \
                     over and over again",
                ],
            ),
            (
                "fake://cut",
                &[first, "error: fake://cut: ends in the middle of frame 1; all frames before it are whole"],
            ),
            (
                "fake://lost",
                &[first, "error: fake://lost: ffmpeg failed: fake://lost: Connection reset by peer"],
            ),
            ("fake://cut-and-lost", &[first, "error: fake://cut-and-lost: ffmpeg failed: No space left"]),
            (
                "fake://me:secret@refused",
                &["error: fake://me:***@refused: ffmpeg failed: fake://me:***@refused: no"],
            ),
            ("fake://silent", &["error: fake://silent: ffmpeg failed: it ended with exit status: 3"]),
            ("fake://nothing", &["error: fake://nothing: ffmpeg failed: it gave no frames"]),
        ];
        report(cases.iter().filter_map(|(address, want)| {
            let got = transcript(Ffmpeg::with_program(&script(), address));
            (got != want.join("\n")).then(|| format!("{address}:\n{got}"))
        }));
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let missing = Path::new("no-such-program-anywhere");
        assert_eq!(
            transcript(Ffmpeg::with_program(missing, "clip.mkv")),
            "error: clip.mkv: reading this needs the program ffmpeg, which is not installed (on Debian: apt install ffmpeg)"
        );
    }

    #[test]
    fn dropping_ends_a_child_that_never_would() {
        let mut stream = Ffmpeg::with_program(&script(), "fake://endless").expect("a stream");
        assert!(matches!(stream.next_frame(), Some(Ok(_))));
        let id = stream.child.id().to_string();
        let alive =
            || Command::new("kill").args(["-0", &id]).stderr(Stdio::null()).status().expect("kill").success();
        assert!(alive());
        drop(stream);
        assert!(!alive());
    }
}
