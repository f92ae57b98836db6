//! A camera's life, step by step: open, stream, lose it, close it fully, open it again; without a thread or a clock of
//! its own.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::control::resolve;
use super::device::{Buffer, Cameras, Captures, Device, Identity, Layout};
use super::format::Encoding;
use super::mode::{Interval, fps_text};
use super::negotiate::{Choice, Wish, negotiate};
use super::options::V4lOptions;
use crate::camera::Crop;
use crate::camera::live::{BackOff, Captured, Content, Keeper, Shared, Trouble, TroubleKind};
use crate::camera::planes::Padded;
use crate::camera::size::check_size;
use crate::clock::Clock;

/// Longest wait for a buffer in one step, so that a stop is seen soon.
const SLICE: Duration = Duration::from_millis(200);

/// How long a camera may be silent where nobody says it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// So many damaged buffers in a row, and the camera is opened anew.
pub(super) const DAMAGED_MAX: u32 = 8;

/// A camera that is being kept open.
pub(super) struct Capture<C: Cameras> {
    cameras: C,
    options: V4lOptions,
    clock: Box<dyn Clock>,
    shared: Arc<Shared>,
    session: Option<Session<C::Device>>,
    /// How to find the same camera again, once it was found.
    known: Option<Known>,
    back_off: BackOff,
    timeline: Timeline,
}

/// How to find a camera again.
struct Known {
    path: PathBuf,
    stable: Option<PathBuf>,
    identity: Identity,
}

/// An open, streaming camera.
struct Session<D> {
    device: D,
    shape: Shape,
    last_sequence: Option<u32>,
    damaged: u32,
    /// When the last buffer came, or the stream began.
    heard: Duration,
    /// So long may it be silent.
    timeout: Duration,
}

/// What is copied out of every buffer.
enum Shape {
    Raw { padded: Padded, region: Crop },
    Jpeg { width: u32, height: u32 },
}

impl<C: Cameras> Capture<C> {
    pub(super) fn new(
        cameras: C,
        options: V4lOptions,
        clock: Box<dyn Clock>,
        shared: Arc<Shared>,
    ) -> Capture<C> {
        Capture {
            cameras,
            options,
            clock,
            shared,
            session: None,
            known: None,
            back_off: BackOff::default(),
            timeline: Timeline::default(),
        }
    }

    /// Opens the camera and starts its stream.
    pub(super) fn connect(&mut self) -> Result<Choice, Trouble> {
        let (path, device) = self.find()?;
        let identity = device.identity().map_err(|error| trouble(&error))?;
        let name = path.display().to_string();
        match identity.captures {
            Captures::Frames => {}
            Captures::Otherwise => {
                return Err(Trouble::new(
                    TroubleKind::Wrong,
                    format!(
                        "{name} captures only into several planes or without mapped buffers, which is not supported"
                    ),
                ));
            }
            Captures::Nothing => {
                return Err(Trouble::new(
                    TroubleKind::Wrong,
                    format!("{name} captures no frames; `sedge cameras` lists the devices that do"),
                ));
            }
        }
        let (session, choice) = start(device, &self.options, self.clock.awake())?;
        let again = self.known.is_some();
        // Links are made a moment after the device is, so they are looked for again.
        let stable = self.cameras.stable_path(&path);
        let stable = stable.or_else(|| self.known.take().and_then(|known| known.stable));
        self.known = Some(Known { path, stable, identity });
        self.session = Some(session);
        // What was wrong with the last session is no reason to end this one.
        self.shared.take_reopen();
        self.shared.streaming(choice);
        if again {
            self.shared.reopened();
        }
        Ok(choice)
    }

    /// Opens the device that is asked for, or after a loss the same camera again: by its stable name if it has one, else
    /// by its path, else by what it says of itself.
    fn find(&self) -> Result<(PathBuf, C::Device), Trouble> {
        if let Some(known) = &self.known {
            let path = known.stable.as_ref().or(self.options.device.as_ref()).unwrap_or(&known.path);
            return match self.cameras.open(path) {
                Ok(device) => Ok((path.clone(), device)),
                Err(error) if is_missing(&error) => self
                    .twin(&known.identity)
                    .ok_or_else(|| Trouble::new(TroubleKind::Missing, "the camera is not connected")),
                Err(error) => Err(trouble(&error)),
            };
        }
        if let Some(path) = &self.options.device {
            return match self.cameras.open(path) {
                Ok(device) => Ok((path.clone(), device)),
                Err(error) if is_missing(&error) => Err(self.missing(path)),
                Err(error) => Err(trouble(&error)),
            };
        }
        let mut first_failure = None;
        for path in self.cameras.nodes() {
            let opened =
                self.cameras.open(&path).and_then(|device| Ok((device.identity()?.captures, device)));
            match opened {
                Ok((Captures::Frames, device)) => return Ok((path, device)),
                Ok(_) => {}
                Err(error) => {
                    first_failure.get_or_insert_with(|| trouble(&error));
                }
            }
        }
        Err(first_failure.unwrap_or_else(|| {
            Trouble::new(TroubleKind::Missing, "there is no camera: no device /dev/video* captures frames")
        }))
    }

    /// Another node of the same camera.
    fn twin(&self, identity: &Identity) -> Option<(PathBuf, C::Device)> {
        self.cameras.nodes().into_iter().find_map(|path| {
            let device = self.cameras.open(&path).ok()?;
            (device.identity().ok()? == *identity).then_some((path, device))
        })
    }

    fn missing(&self, path: &std::path::Path) -> Trouble {
        let nodes: Vec<String> = self.cameras.nodes().iter().map(|node| node.display().to_string()).collect();
        let there = if nodes.is_empty() { "no video device at all".into() } else { nodes.join(", ") };
        let path = path.display();
        Trouble::new(TroubleKind::Missing, format!("there is no device {path}; there is {there}"))
    }

    /// Closes the camera fully; says how long to wait before it is opened again.
    pub(super) fn lost(&mut self, trouble: Trouble) -> Duration {
        // First of all: a driver may hang while it closes.
        match trouble.kind {
            TroubleKind::Crop => self.shared.hopeless(trouble.reason),
            _ => self.shared.interrupted(trouble.reason),
        }
        self.close();
        self.back_off.pause(self.shared.take_proven())
    }

    fn receive(&mut self) -> Result<(), Trouble> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if let Some(reason) = self.shared.take_reopen() {
            return Err(Trouble::new(TroubleKind::Lost, reason));
        }
        let timeout = session.timeout;
        let dequeued = session.device.dequeue(SLICE.min(timeout));
        let now = self.clock.awake();
        let Some(buffer) = dequeued.map_err(|error| trouble(&error))? else {
            if now.saturating_sub(session.heard) >= timeout {
                let seconds = fps_text(timeout.as_secs_f64());
                return Err(Trouble::new(
                    TroubleKind::Lost,
                    format!("the camera gave no frame for {seconds} s"),
                ));
            }
            return Ok(());
        };
        session.heard = now;
        if let Some(missed) = skipped(session.last_sequence, buffer.sequence) {
            self.shared.missed(missed);
        }
        session.last_sequence = Some(buffer.sequence);
        let time = self.timeline.place(buffer.time, now);
        let index = buffer.index;
        let content = take(&buffer, &session.shape, time, self.shared.spare());
        let requeued = session.device.requeue(index);
        match content {
            Ok(frame) => {
                session.damaged = 0;
                // Whether a JPEG is one is known when its reader has decoded it.
                if frame.format.is_some() {
                    self.shared.proven();
                }
                self.shared.arrived(Content::Frame(frame));
            }
            Err((reason, spare)) => {
                self.shared.put_back(spare);
                session.damaged += 1;
                if session.damaged >= DAMAGED_MAX {
                    return Err(Trouble::new(TroubleKind::Lost, format!("every frame is damaged: {reason}")));
                }
                self.shared.arrived(Content::Broken(reason));
            }
        }
        requeued.map_err(|error| trouble(&error))
    }
}

impl<C: Cameras> Keeper for Capture<C> {
    fn step(&mut self) -> Duration {
        let outcome = match self.session {
            None => self.connect().map(|_| ()),
            Some(_) => self.receive(),
        };
        outcome.map_or_else(|trouble| self.lost(trouble), |()| Duration::ZERO)
    }

    /// Stops the stream, unmaps and closes. That the driver fails at it changes nothing: the device is closed all the
    /// same, and with it all that is left is freed.
    fn close(&mut self) {
        if let Some(mut session) = self.session.take() {
            let _ = session.device.stop();
        }
    }
}

/// Sets an open device up as the options say, and starts it.
fn start<D: Device>(
    mut device: D,
    options: &V4lOptions,
    now: Duration,
) -> Result<(Session<D>, Choice), Trouble> {
    let wrong = |reason: String| Trouble::new(TroubleKind::Wrong, reason);
    let failed = |error: io::Error| trouble(&error);
    let modes = device.modes().map_err(failed)?;
    let wish = options.wish();
    let choice = negotiate(&modes, &wish).map_err(|reason| {
        // Without the crop there would be a mode.
        let is_crop = wish.crop.is_some() && negotiate(&modes, &Wish { crop: None, ..wish }).is_ok();
        Trouble::new(if is_crop { TroubleKind::Crop } else { TroubleKind::Wrong }, reason)
    })?;
    if !options.controls.is_empty() {
        let controls = device.controls().map_err(failed)?;
        for (id, value) in resolve(&controls, &options.controls).map_err(wrong)? {
            device.set_control(id, value).map_err(|error| {
                let name =
                    controls.iter().find(|control| control.id == id).map_or("", |control| &control.name);
                let Trouble { kind, reason } = trouble(&error);
                Trouble::new(kind, format!("the control {name} cannot be set to {value}: {reason}"))
            })?;
        }
    }
    let layout = device.set_format(&choice).map_err(failed)?;
    let shape = shape(&layout, &choice, options)?;
    let interval = match choice.interval {
        Some(interval) => device.set_interval(interval).map_err(failed)?.or(choice.interval),
        None => None,
    };
    device.start().map_err(failed)?;
    let choice = Choice { width: layout.width, height: layout.height, interval, ..choice };
    // A camera may be slower than the timeout: three frames may fail to come.
    let slow =
        interval.map(Interval::fps).filter(|&fps| fps > 0.0).map(|fps| Duration::from_secs_f64(3.0 / fps));
    let timeout = options.timeout.unwrap_or(TIMEOUT).max(slow.unwrap_or_default());
    Ok((Session { device, shape, last_sequence: None, damaged: 0, heard: now, timeout }, choice))
}

/// Checks what the driver made of a choice.
fn shape(layout: &Layout, choice: &Choice, options: &V4lOptions) -> Result<Shape, Trouble> {
    let Layout { format, width, height, bytes_per_line } = *layout;
    let wrong = |reason: String| Trouble::new(TroubleKind::Wrong, reason);
    if Encoding::of(format) != Some(choice.encoding) {
        return Err(wrong(format!("the driver gives {format} where {} was chosen", choice.encoding)));
    }
    let differs = |wanted: Option<u32>, got: u32| wanted.is_some_and(|wanted| wanted != got);
    if differs(options.width, width) || differs(options.height, height) {
        return Err(wrong(format!(
            "the driver gives {width}x{height} where {}x{} was chosen",
            choice.width, choice.height
        )));
    }
    check_size(width.into(), height.into()).map_err(wrong)?;
    let crop = options.geometry.crop.unwrap_or(Crop::whole(width, height));
    crop.check(width, height).map_err(|reason| Trouble::new(TroubleKind::Crop, reason))?;
    Ok(match choice.encoding.pixel_format() {
        None => Shape::Jpeg { width, height },
        Some(format) => {
            // A driver that gives less than a row would make rows overlap.
            let tight = Padded::tight(format, width, height);
            let bytes_per_line = tight.bytes_per_line.max(bytes_per_line as usize);
            Shape::Raw {
                padded: Padded { bytes_per_line, ..tight },
                region: crop.aligned(format, width, height),
            }
        }
    })
}

/// Copies a frame out of the driver's memory into `bytes`; gives that back beside the reason where it is damaged.
fn take(
    buffer: &Buffer<'_>,
    shape: &Shape,
    time: Duration,
    mut bytes: Vec<u8>,
) -> Result<Captured, (String, Vec<u8>)> {
    if buffer.damaged {
        return Err(("the driver says that its bytes are damaged".into(), bytes));
    }
    match *shape {
        Shape::Raw { padded, region } => match padded.copy(buffer.bytes, region, &mut bytes) {
            Some(()) if buffer.bytes.len() >= padded.bytes() => Ok(Captured {
                time,
                width: region.width,
                height: region.height,
                format: Some(padded.format),
                bytes,
            }),
            _ => Err(("it has fewer bytes than its size takes".into(), bytes)),
        },
        Shape::Jpeg { .. } if buffer.bytes.is_empty() => Err(("it is empty".into(), bytes)),
        Shape::Jpeg { width, height } => {
            bytes.clear();
            bytes.extend_from_slice(buffer.bytes);
            Ok(Captured { time, width, height, format: None, bytes })
        }
    }
}

/// Frames that a driver's count skipped; `None` where the count stands still or goes back.
fn skipped(last: Option<u32>, sequence: u32) -> Option<u64> {
    let ahead = sequence.wrapping_sub(last?);
    (2..1 << 31).contains(&ahead).then(|| u64::from(ahead) - 1)
}

/// Times since the first frame, from the driver's clock where it has one and from ours elsewhere; never back.
#[derive(Default)]
struct Timeline {
    /// Our clock, and the driver's, at the time 0.
    start: Option<Duration>,
    driver_start: Option<Duration>,
    last: Duration,
}

impl Timeline {
    fn place(&mut self, driver: Option<Duration>, now: Duration) -> Duration {
        let elapsed = now.saturating_sub(*self.start.get_or_insert(now));
        let time = match driver {
            Some(stamp) => {
                let start = *self.driver_start.get_or_insert(stamp.saturating_sub(elapsed));
                stamp.saturating_sub(start)
            }
            None => elapsed,
        };
        self.last = self.last.max(time);
        self.last
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::NOTDIR))
}

/// What an error of the system means for a camera.
fn trouble(error: &io::Error) -> Trouble {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::NOTDIR) => {
            Trouble::new(TroubleKind::Missing, "the camera is not connected")
        }
        Some(Errno::BUSY) => Trouble::new(TroubleKind::Busy, "another program uses the camera"),
        Some(Errno::ACCESS | Errno::PERM) => Trouble::new(
            TroubleKind::Wrong,
            "there is no permission to use the camera; make the user a member of the group video",
        ),
        Some(Errno::NOTTY) => Trouble::new(TroubleKind::Wrong, "it is not a V4L2 device"),
        Some(Errno::IO | Errno::PIPE | Errno::PROTO) => {
            Trouble::new(TroubleKind::Lost, format!("the connection to the camera broke ({error})"))
        }
        _ => Trouble::new(TroubleKind::Lost, format!("the camera failed ({error})")),
    }
}

#[cfg(test)]
mod tests;
