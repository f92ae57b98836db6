//! Everything else that the program ffmpeg reads: other clips, network cameras; as a child process that pipes Y4M.

mod children;
mod pipe;

use std::borrow::Cow;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

pub use children::end_children;
pub(super) use pipe::Stopped;

use self::children::Running;
use self::pipe::Pipe;
use super::{Source, SourceError, SourceInfo, Y4m};
use crate::frame::Frame;

/// How much of the end of ffmpeg's messages is kept, in bytes.
const MESSAGES_MAX_BYTES: usize = 4096;

/// How long a live stream may take to begin: ffmpeg looks at several seconds of it before the first frame.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// How long a child whose output has ended may take to end itself.
const END_LIMIT: Duration = Duration::from_secs(2);

/// How a child is run.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) program: PathBuf,
    /// A stream that gives no frame for this long is given up; none is at `None`.
    pub(super) timeout: Option<Duration>,
    /// Whether nobody wants the stream any more.
    pub(super) stopped: Stopped,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { program: "ffmpeg".into(), timeout: None, stopped: Arc::new(|| false) }
    }
}

/// A stream that a child process ffmpeg decodes.
///
/// Frames are [`I420`](crate::frame::PixelFormat::I420), BT.601 limited range whatever the stream's own color is, at the
/// stream's average rate. The child is killed and waited for when this is dropped. A password in an address is left
/// out of names and messages.
pub struct Ffmpeg {
    info: SourceInfo,
    address: String,
    child: Running,
    timeout: Option<Duration>,
    messages: Receiver<String>,
    frames: Option<Y4m<BufReader<Pipe<ChildStdout>>>>,
    /// Number of frames given.
    given: u64,
}

impl Ffmpeg {
    /// Starts the ffmpeg found on the search path on a file or a `scheme://` address, and waits for the stream's header.
    ///
    /// # Errors
    /// [`SourceError::NoFfmpeg`] where the program is missing, [`SourceError::Ffmpeg`] where it gives no stream.
    pub fn open(address: &str) -> Result<Ffmpeg, SourceError> {
        Ffmpeg::with(&Settings::default(), address)
    }

    /// The same, run in another way.
    pub(super) fn with(settings: &Settings, address: &str) -> Result<Ffmpeg, SourceError> {
        let name = without_password(address);
        let failed = |cause: io::Error| match cause.kind() {
            io::ErrorKind::NotFound => SourceError::NoFfmpeg { name: name.clone() },
            _ => SourceError::Ffmpeg { name: name.clone(), reason: format!("it does not start: {cause}") },
        };
        let limit = match scheme(address) {
            Some(scheme) => limit_option(&scheme, &settings.program).map_err(failed)?,
            None => None,
        };
        let mut command = Command::new(&settings.program);
        // Twice our own: which of the two ends a silent stream, and in which words, is no matter of chance.
        let limit_time = 2 * CONNECT_LIMIT.max(settings.timeout.unwrap_or_default());
        command.args(arguments(address, limit, limit_time));
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Running::start(command).map_err(failed)?;
        let output = child.child().stdout.take().expect("standard output is piped");
        let messages = child.child().stderr.take().expect("standard error is piped");
        // On a thread of its own, so that a full pipe of messages never stops the frames.
        let (said, says) = channel();
        // Nobody asks any more where the stream was dropped.
        std::thread::spawn(move || drop(said.send(last_messages(messages))));
        let mut stream = Ffmpeg {
            info: SourceInfo { name: name.clone(), live: is_live(address), ..SourceInfo::default() },
            address: address.into(),
            child,
            timeout: settings.timeout,
            messages: says,
            frames: None,
            given: 0,
        };
        let connecting = settings.timeout.map(|timeout| timeout.max(CONNECT_LIMIT));
        let output = Pipe::new(output, connecting, settings.timeout, Arc::clone(&settings.stopped));
        match Y4m::new(BufReader::with_capacity(1 << 16, output), &name) {
            Ok(frames) => {
                stream.info.fps = frames.info().fps;
                stream.frames = Some(frames);
                Ok(stream)
            }
            Err(SourceError::Unreadable { cause, .. }) => {
                Err(stream.given_up(&cause, connecting.unwrap_or_default()))
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

    /// Ends the child because its output cannot be read: it is silent, or nobody wants it any more.
    fn given_up(&mut self, cause: &io::Error, timeout: Duration) -> SourceError {
        self.frames = None;
        // That it has gone is what is wanted.
        let _ = self.child.kill();
        let reason = match cause.kind() {
            io::ErrorKind::TimedOut => format!("it gave no frame for {} s", timeout.as_secs_f64()),
            _ => cause.to_string(),
        };
        SourceError::Ffmpeg { name: self.info.name.clone(), reason }
    }

    /// Waits for the child, whose output has ended, and finds out how it went.
    fn end(&mut self) -> End {
        // Closes the pipe first: a child that still writes would wait for us as we wait for it.
        self.frames = None;
        let status = self.child.wait(END_LIMIT);
        // A child of the child may keep the pipe open.
        let messages = self.messages.recv_timeout(END_LIMIT).unwrap_or_default();
        let last = messages.lines().map(str::trim).rfind(|line| !line.is_empty());
        let last = last.map(|line| without_numbers(&line.replace(&self.address, &self.info.name)));
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
            Some(Err(SourceError::Unreadable { cause, .. })) => {
                Some(Err(self.given_up(&cause, self.timeout.unwrap_or_default())))
            }
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

/// What ffmpeg is told. The conversion makes any stream's color the one that frames have.
fn arguments(address: &str, limit_option: Option<&str>, limit: Duration) -> Vec<String> {
    let mut arguments: Vec<String> = ["-nostdin", "-loglevel", "error"].map(String::from).into();
    if address.starts_with("rtsp://") {
        arguments.extend(["-rtsp_transport", "tcp"].map(String::from));
    }
    if let Some(option) = limit_option {
        arguments.extend([option.into(), limit.as_micros().to_string()]);
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

/// What ffmpeg calls its own limit, in microseconds, on a connection that is silent; `None` where it has none.
///
/// For RTSP the name changed with version 5, and what is `-timeout` since made older versions wait for somebody to
/// connect. So the program is asked.
fn limit_option(scheme: &str, program: &Path) -> io::Result<Option<&'static str>> {
    Ok(match scheme {
        "rtsp" | "rtsps" => {
            let mut help = Command::new(program);
            let help = help.args(["-hide_banner", "-h", "demuxer=rtsp"]).stdin(Stdio::null()).output()?;
            let is_old = String::from_utf8_lossy(&help.stdout).contains("-stimeout");
            Some(if is_old { "-stimeout" } else { "-timeout" })
        }
        "http" | "https" | "rtmp" | "rtmps" => Some("-rw_timeout"),
        _ => None,
    })
}

/// The protocol of a `scheme://` address, in small letters.
fn scheme(address: &str) -> Option<String> {
    let (scheme, _) = address.split_once("://").filter(|_| has_scheme(address))?;
    (!Path::new(address).exists()).then(|| scheme.to_ascii_lowercase())
}

/// Whether frames come at their own time: from a camera on the network or at this machine, not from a file.
pub(super) fn is_live(address: &str) -> bool {
    const STREAMS: [&str; 7] = ["rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srt", "udp"];
    match scheme(address).as_deref() {
        // Most cameras that speak HTTP give a stream under a name without a film's ending.
        Some("http" | "https") => !names_a_file(address),
        Some(scheme) => STREAMS.contains(&scheme),
        None => Path::new(address).metadata().is_ok_and(|known| known.file_type().is_char_device()),
    }
}

/// Whether an address ends as a stored film or picture does.
fn names_a_file(address: &str) -> bool {
    const FILES: [&str; 18] = [
        "avi", "bmp", "flv", "gif", "jpeg", "jpg", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "png",
        "ts", "webm", "wmv", "y4m",
    ];
    let place = address.split(['?', '#']).next().unwrap_or(address);
    place.rsplit_once('.').is_some_and(|(_, end)| FILES.contains(&end.to_ascii_lowercase().as_str()))
}

/// Whether the text begins with `scheme://`.
pub(super) fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
    })
}

/// A message without the addresses in memory that ffmpeg puts into it, so that the same trouble is told in the same words.
fn without_numbers(message: &str) -> String {
    let mut rest = message;
    let mut text = String::new();
    while let Some(at) = rest.find(" @ 0x") {
        text.push_str(&rest[..at]);
        rest = rest[at + 5..].trim_start_matches(|char: char| char.is_ascii_hexdigit());
    }
    text + rest
}

/// The address with the password of `scheme://user:password@host` replaced, for messages.
pub fn without_password(address: &str) -> String {
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
            let arguments = arguments(address, None, Duration::ZERO);
            let at = arguments.iter().position(|argument| argument == "-i").expect("an input") + 1;
            let tcp = arguments.iter().any(|argument| argument == "tcp");
            (arguments[at] != want || tcp != address.starts_with("rtsp:"))
                .then(|| format!("{address}: {arguments:?}"))
        }));
    }

    #[test]
    fn cameras_on_the_network_are_told_from_stored_films() {
        let cases = [
            ("rtsp://camera/1", true),
            ("RTSP://camera/1", true),
            ("udp://239.0.0.1:5000", true),
            ("http://camera/video", true),
            ("http://camera:8080/?action=stream", true),
            ("http://camera/stream.mjpg", true),
            ("https://camera/live.m3u8", true),
            ("http://camera/shot.cgi?name=a.mp4", true),
            ("http://shelf/clip.mp4", false),
            ("https://shelf/Clip.MP4?key=1.2", false),
            ("ftp://shelf/clip.mp4", false),
            ("clip.mp4", false),
        ];
        let wrong = cases.iter().filter(|(address, want)| is_live(address) != *want);
        report(wrong.map(|(address, want)| format!("{address}: live should be {want}")));
    }

    #[test]
    fn the_same_trouble_has_the_same_words() {
        let cases = [
            ("[rtsp @ 0x55d2c8] method DESCRIBE failed: 404", "[rtsp] method DESCRIBE failed: 404"),
            ("[a @ 0x1f] [b @ 0x2e] no", "[a] [b] no"),
            ("no", "no"),
        ];
        report(cases.iter().filter_map(|&(message, want)| {
            let got = without_numbers(message);
            (got != want).then(|| format!("{message}: {got}"))
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

    fn open(address: &str) -> Result<Ffmpeg, SourceError> {
        open_with(address, None)
    }

    fn open_with(address: &str, timeout: Option<Duration>) -> Result<Ffmpeg, SourceError> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/camera/fake-ffmpeg.sh");
        Ffmpeg::with(&Settings { program, timeout, ..Settings::default() }, address)
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
            let got = transcript(open(address));
            (got != want.join("\n")).then(|| format!("{address}:\n{got}"))
        }));
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let missing = Settings { program: "no-such-program-anywhere".into(), ..Settings::default() };
        report(["clip.mkv", "rtsp://camera/1"].into_iter().filter_map(|address| {
            let got = transcript(Ffmpeg::with(&missing, address));
            let want = "reading this needs the program ffmpeg, which is not installed (on Debian: apt install ffmpeg)";
            (got != format!("error: {address}: {want}")).then_some(got)
        }));
    }

    #[test]
    fn a_silent_stream_ends_at_its_timeout() {
        let error = open_with("fake://endless", Some(Duration::from_millis(10))).map(|mut stream| {
            assert!(matches!(stream.next_frame(), Some(Ok(_))));
            let error = stream.next_frame().and_then(Result::err).expect("an error").to_string();
            assert!(stream.next_frame().is_none(), "the end stays the end");
            error
        });
        assert_eq!(error.expect("a stream"), "fake://endless: ffmpeg failed: it gave no frame for 0.01 s");
    }

    #[test]
    fn a_stream_that_does_not_begin_is_stopped() {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/camera/fake-ffmpeg.sh");
        let settings = Settings { program, stopped: Arc::new(|| true), ..Settings::default() };
        assert_eq!(
            transcript(Ffmpeg::with(&settings, "fake://no-beginning")),
            "error: fake://no-beginning: ffmpeg failed: it was stopped"
        );
    }

    #[test]
    fn ffmpeg_limits_its_own_silence() {
        // The fake says what it is given, as ffmpeg 5 and as ffmpeg 4.
        let said = |address: &str| {
            let error =
                open_with(address, Some(Duration::from_secs(40))).err().map(|error| error.to_string());
            error.unwrap_or_default().split(" given ").nth(1).unwrap_or_default().to_string()
        };
        let cases = [
            ("rtsp://new/arguments", "-rtsp_transport tcp -timeout 80000000 -i rtsp://new/arguments"),
            ("rtmp://new/arguments", "-rw_timeout 80000000 -i rtmp://new/arguments"),
            ("fake://new/arguments", "-i fake://new/arguments"),
        ];
        report(cases.into_iter().filter_map(|(address, want)| {
            let got = said(address);
            (!got.contains(want)).then(|| format!("{address}: {got}"))
        }));
    }

    #[test]
    fn dropping_ends_a_child_that_never_would() {
        let mut stream = open("fake://endless").expect("a stream");
        assert!(matches!(stream.next_frame(), Some(Ok(_))));
        let id = stream.child.child().id().to_string();
        let alive =
            || Command::new("kill").args(["-0", &id]).stderr(Stdio::null()).status().expect("kill").success();
        assert!(alive());
        drop(stream);
        assert!(!alive());
    }
}
