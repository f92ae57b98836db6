//! A stream that comes at its own time, as a camera's on the network does: opened again whenever it ends, fails or falls
//! silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::ffmpeg::{Settings, without_password};
use super::live::{BackOff, Captured, Content, Keeper, Live, Shared};
use super::{Ffmpeg, Losses, Source, SourceError, SourceInfo};
use crate::clock::{Clock, SystemClock};
use crate::frame::Frame;
use crate::status::Heartbeats;

/// How long a stream may be silent where nobody says it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A live stream that ffmpeg decodes, and that is opened again, with growing pauses, for as long as it is wanted.
///
/// [`Source::next_frame`] gives the newest frame that it did not give yet, and waits up to 0.9 s for one. While there is
/// none it gives [`SourceError::Interrupted`]. It never ends. Frames number what ffmpeg gave, so a gap shows what
/// was dropped; their times are those of their arrival. Size and rate may change when the stream comes back.
pub struct Network {
    info: SourceInfo,
    live: Live,
}

impl Network {
    /// Opens the stream and starts a thread that reads it. A stream that is silent for `timeout` (5 s if none is given) is opened
    /// again. With `wait`, one that cannot be opened at first is tried again too. `stop` ends an attempt.
    ///
    /// # Errors
    /// [`SourceError::NoFfmpeg`] where the program is missing; without `wait`, [`SourceError::Ffmpeg`] where it gives no stream.
    pub fn open(
        address: &str,
        timeout: Option<Duration>,
        wait: bool,
        stop: Arc<AtomicBool>,
    ) -> Result<Network, SourceError> {
        let shared = Arc::new(Shared::default());
        let of_child = Arc::clone(&shared);
        // Later the reader's end stops the thread, and nothing is told of it.
        let opening = Arc::new(AtomicBool::new(true));
        let is_opening = Arc::clone(&opening);
        let settings = Settings {
            timeout: Some(timeout.unwrap_or(TIMEOUT)),
            stopped: Arc::new(move || {
                // The wait for the child's output has its own timeout, and this is asked all the time.
                of_child.waits("the stream");
                of_child.stopped() || is_opening.load(Ordering::Relaxed) && stop.load(Ordering::Relaxed)
            }),
            ..Settings::default()
        };
        let text = address.to_owned();
        let connect = move || Ffmpeg::with(&settings, &text);
        let opened = Network::with(without_password(address), connect, Box::new(SystemClock), shared, wait);
        opening.store(false, Ordering::Relaxed);
        opened
    }

    /// The same with any streams, by any clock.
    pub(super) fn with<S: Source + 'static>(
        name: String,
        connect: impl FnMut() -> Result<S, SourceError> + Send + 'static,
        clock: Box<dyn Clock>,
        shared: Arc<Shared>,
        wait: bool,
    ) -> Result<Network, SourceError> {
        let mut keeper = Reconnect::new(&name, connect, clock, Arc::clone(&shared));
        let mut info = SourceInfo { name: name.clone(), live: true, ..SourceInfo::default() };
        let pause = match keeper.connect() {
            Ok(fps) => {
                info.fps = fps;
                Duration::ZERO
            }
            Err(error @ SourceError::NoFfmpeg { .. }) => return Err(error),
            Err(error) if wait => keeper.lost(&error),
            Err(error) => return Err(error),
        };
        Ok(Network { info, live: Live::start(name, keeper, shared, pause)? })
    }
}

impl Source for Network {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let next = self.live.next()?;
        Some(next.map(|(number, captured)| {
            let Captured { time, width, height, format, bytes: data } = captured;
            // Only a V4L2 camera's frames come as JPEGs.
            let format = format.unwrap_or(crate::frame::PixelFormat::I420);
            Frame { number, time, width, height, format, data, name: None }
        }))
    }

    fn keeps_newest(&self) -> bool {
        true
    }

    fn losses(&self) -> Losses {
        self.live.shared().losses()
    }

    fn watch(&mut self, heartbeats: &Heartbeats) {
        self.live.watch(heartbeats);
    }
}

/// A stream that is being kept open.
struct Reconnect<S, C> {
    connect: C,
    clock: Box<dyn Clock>,
    shared: Arc<Shared>,
    /// What messages of the stream begin with.
    prefix: String,
    stream: Option<S>,
    was_open: bool,
    back_off: BackOff,
    /// When the first frame came.
    start: Option<Duration>,
}

impl<S: Source, C: FnMut() -> Result<S, SourceError>> Reconnect<S, C> {
    fn new(name: &str, connect: C, clock: Box<dyn Clock>, shared: Arc<Shared>) -> Reconnect<S, C> {
        Reconnect {
            connect,
            clock,
            shared,
            prefix: format!("{name}: "),
            stream: None,
            was_open: false,
            back_off: BackOff::default(),
            start: None,
        }
    }

    /// Opens the stream; its rate.
    fn connect(&mut self) -> Result<Option<f64>, SourceError> {
        let stream = (self.connect)()?;
        let fps = stream.info().fps;
        self.stream = Some(stream);
        if std::mem::replace(&mut self.was_open, true) {
            self.shared.reopened();
        }
        Ok(fps)
    }

    /// Closes the stream; says how long to wait before it is opened again.
    fn lost(&mut self, error: &SourceError) -> Duration {
        let message = error.to_string();
        self.lost_by(message.strip_prefix(&self.prefix).unwrap_or(&message).to_owned())
    }

    fn lost_by(&mut self, reason: String) -> Duration {
        self.shared.interrupted(reason);
        self.shared.works("closing the stream");
        self.stream = None;
        self.back_off.pause(self.shared.take_proven())
    }
}

impl<S: Source + 'static, C: FnMut() -> Result<S, SourceError> + Send + 'static> Keeper for Reconnect<S, C> {
    fn step(&mut self) -> Duration {
        let Some(stream) = &mut self.stream else {
            return self.connect().map_or_else(|error| self.lost(&error), |_| Duration::ZERO);
        };
        match stream.next_frame() {
            Some(Ok(frame)) => {
                let now = self.clock.awake();
                let time = now.saturating_sub(*self.start.get_or_insert(now));
                let Frame { width, height, format, data: bytes, .. } = frame;
                self.shared.proven();
                let captured = Captured { time, width, height, format: Some(format), bytes };
                self.shared.arrived(Content::Frame(captured));
                Duration::ZERO
            }
            Some(Err(SourceError::BrokenFrame { reason, .. })) => {
                self.shared.arrived(Content::Broken(reason));
                Duration::ZERO
            }
            Some(Err(error)) => self.lost(&error),
            None => self.lost_by("the stream ended".into()),
        }
    }

    fn close(&mut self) {
        self.stream = None;
    }
}

#[cfg(test)]
mod tests {
    use super::super::live::{Arrival, Found};
    use super::*;
    use crate::camera::testing::report;
    use crate::clock::ManualClock;
    use crate::frame::PixelFormat;

    /// What a stream gives: frames of these values, each a tenth of a second after the last, then this.
    struct Script {
        info: SourceInfo,
        clock: ManualClock,
        values: std::vec::IntoIter<u8>,
        end: Option<&'static str>,
    }

    impl Source for Script {
        fn info(&self) -> &SourceInfo {
            &self.info
        }

        fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
            let Some(value) = self.values.next() else {
                return self.end.take().map(|reason| Err(failed(reason)));
            };
            self.clock.advance(Duration::from_millis(100));
            let (number, time, format) = (0, Duration::ZERO, PixelFormat::Gray8);
            Some(Ok(Frame { number, time, width: 2, height: 1, format, data: vec![value; 2], name: None }))
        }
    }

    fn failed(reason: &str) -> SourceError {
        SourceError::Ffmpeg { name: "rtsp://camera".into(), reason: reason.into() }
    }

    /// What each attempt to open the stream finds: an error, or frames and an error or the end after them.
    type Attempt = Result<(Vec<u8>, Option<&'static str>), &'static str>;

    /// Steps through all attempts with a reader that looks after each step: what it saw, and the pauses in milliseconds.
    fn life(attempts: Vec<Attempt>) -> Vec<String> {
        let (clock, shared) = (ManualClock::default(), Arc::new(Shared::default()));
        let steps: usize =
            attempts.iter().map(|attempt| attempt.as_ref().map_or(1, |(values, _)| values.len() + 2)).sum();
        let of_streams = clock.clone();
        let mut attempts = attempts.into_iter();
        let connect = move || {
            let (values, end) = attempts.next().expect("a plan").map_err(failed)?;
            let values = values.into_iter();
            Ok(Script { info: SourceInfo::default(), clock: of_streams.clone(), values, end })
        };
        let mut keeper =
            Reconnect::new("rtsp://camera", connect, Box::new(clock.clone()), Arc::clone(&shared));
        let (mut lines, mut told) = (Vec::new(), None);
        for _ in 0..steps {
            let pause = keeper.step();
            match shared.next(Duration::ZERO, told.as_deref()) {
                Found::Arrival(Arrival { number, content: Content::Frame(frame) }) => {
                    told = None;
                    lines.push(format!(
                        "frame {number} at {} ms: {}",
                        frame.time.as_millis(),
                        frame.bytes[0]
                    ));
                }
                Found::Interrupted(reason) if told.as_ref() != Some(&reason) => {
                    lines.push(reason.clone());
                    told = Some(reason);
                }
                Found::Interrupted(_) | Found::Nothing => {}
                other => lines.push(format!("{other:?}")),
            }
            if !pause.is_zero() {
                lines.push(format!("pause {}", pause.as_millis()));
                clock.advance(pause);
            }
        }
        lines.push(format!("reopened {}", shared.losses().reopened));
        lines
    }

    #[test]
    fn streams_are_opened_again_for_ever() {
        let refused = || Err("Connection refused");
        let cases: Vec<(&str, Vec<Attempt>, &[&str])> = vec![
            (
                "ends, fails, is silent",
                vec![
                    Ok((vec![1, 2], None)),
                    Ok((vec![3], Some("Connection reset by peer"))),
                    Ok((vec![], Some("it gave no frame for 5 s"))),
                    Ok((vec![4], Some("x"))),
                ],
                &[
                    "frame 0 at 0 ms: 1",
                    "frame 1 at 100 ms: 2",
                    "the stream ended",
                    "pause 500",
                    "frame 2 at 700 ms: 3",
                    "ffmpeg failed: Connection reset by peer",
                    "pause 500",
                    "ffmpeg failed: it gave no frame for 5 s",
                    "pause 1000",
                    "frame 3 at 2300 ms: 4",
                    "ffmpeg failed: x",
                    "pause 500",
                    "reopened 3",
                ],
            ),
            (
                "not there: told once, asked less and less often",
                vec![refused(), refused(), refused(), Ok((vec![1], None)), refused()],
                &[
                    "ffmpeg failed: Connection refused",
                    "pause 500",
                    "pause 1000",
                    "pause 2000",
                    "frame 0 at 0 ms: 1",
                    "the stream ended",
                    "pause 500",
                    "ffmpeg failed: Connection refused",
                    "pause 1000",
                    "reopened 0",
                ],
            ),
        ];
        report(cases.into_iter().filter_map(|(name, attempts, want)| {
            let got = life(attempts);
            (got != want).then(|| format!("{name}: {got:#?}"))
        }));
    }

    #[test]
    fn only_with_waiting_may_the_first_attempt_fail() {
        let missing = || SourceError::NoFfmpeg { name: "rtsp://camera".into() };
        type Failure = fn() -> SourceError;
        let cases: [(Failure, bool, &str); 3] = [
            (|| failed("Connection refused"), false, "rtsp://camera: ffmpeg failed: Connection refused"),
            (|| failed("no"), true, "rtsp://camera: ffmpeg failed: no; trying again"),
            (missing, true, "rtsp://camera: reading this needs the program ffmpeg"),
        ];
        report(cases.into_iter().filter_map(|(error, wait, want)| {
            let connect = move || Err::<Script, _>(error());
            let clock = Box::new(ManualClock::default());
            let got = Network::with("rtsp://camera".into(), connect, clock, Arc::default(), wait)
                .map_or_else(
                    |error| error.to_string(),
                    |mut source| {
                        source
                            .next_frame()
                            .map(|next| next.map_or_else(|e| e.to_string(), |_| "a frame".into()))
                            .unwrap_or_default()
                    },
                );
            (!got.starts_with(want)).then_some(got)
        }));
    }
}
