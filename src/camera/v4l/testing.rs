//! Cameras in memory that do what a test plans: come and go, fall silent, fail, hang.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::io::Errno;

use super::control::{Control, ControlKind};
use super::device::{Buffer, Cameras, Captures, Device, Identity, Layout};
use super::format::{Encoding, FourCc};
use super::mode::{Interval, Intervals, Mode, Steps};
use super::negotiate::Choice;
use crate::clock::{Clock, ManualClock};

/// Time from one frame to the next.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// What comes of one wait for a buffer.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A whole frame, all of whose bytes are its sequence number.
    Frame,
    /// These bytes.
    Bytes(Vec<u8>),
    /// A buffer with the error flag.
    Damaged,
    /// So many frames that the camera skips, and a whole one.
    Skip(u32),
    /// A frame without the driver's time.
    Unstamped,
    /// Nothing, for as long as was waited.
    Silence,
    /// Nothing, while the board is suspended for an hour.
    Suspend,
    /// An error.
    Fail(Errno),
    /// A whole frame whose buffer does not go back.
    NoWayBack(Errno),
}

/// What one opening of a device finds.
pub(super) struct Plan {
    /// The error of opening.
    pub(super) absent: Option<Errno>,
    pub(super) identity: Identity,
    pub(super) modes: Vec<Mode>,
    /// What the driver sets, if not what it is asked for.
    pub(super) layout: Option<Layout>,
    pub(super) set_format: Option<Errno>,
    pub(super) start: Option<Errno>,
    pub(super) stop: Option<Errno>,
    pub(super) controls: Vec<Control>,
    pub(super) events: VecDeque<Event>,
    /// Events that a test sends after those above.
    pub(super) more: Option<Receiver<Event>>,
    /// Stopping hangs until the other end is dropped.
    pub(super) hang: Option<Receiver<()>>,
}

/// A mode of one size at 10 frames a second.
pub(super) fn mode(encoding: Encoding, width: u32, height: u32) -> Mode {
    Mode {
        format: encoding.four_cc(),
        width: Steps::one(width),
        height: Steps::one(height),
        intervals: Intervals::Listed(vec![Interval { numerator: 1, denominator: 10 }]),
    }
}

/// A camera of 4x2 pixels that gives this.
pub(super) fn camera(encoding: Encoding, events: &[Event]) -> Plan {
    Plan {
        absent: None,
        identity: Identity {
            driver: "double".into(),
            card: "Camera".into(),
            bus: "memory:1".into(),
            captures: Captures::Frames,
        },
        modes: vec![mode(encoding, 4, 2)],
        layout: None,
        set_format: None,
        start: None,
        stop: None,
        controls: vec![Control {
            id: 7,
            name: "gain".into(),
            kind: ControlKind::Integer,
            min: 0,
            max: 9,
            step: 1,
            default: 1,
            value: Some(1),
            items: Vec::new(),
            read_only: false,
            inactive: false,
        }],
        events: events.iter().cloned().collect(),
        more: None,
        hang: None,
    }
}

/// Nothing where a camera was expected.
pub(super) fn absent(error: Errno) -> Plan {
    Plan { absent: Some(error), ..camera(Encoding::Yuyv, &[]) }
}

#[derive(Default)]
struct State {
    /// What each opening of a path finds, in order; nothing is there after the last.
    plans: BTreeMap<PathBuf, VecDeque<Plan>>,
    /// Stable names of paths.
    links: BTreeMap<PathBuf, PathBuf>,
    log: Vec<String>,
    /// Nothing that was planned is left.
    done: bool,
}

/// The cameras of a machine in memory; clones share them.
#[derive(Clone, Default)]
pub(super) struct Machine {
    state: Arc<Mutex<State>>,
    pub(super) clock: ManualClock,
}

impl Machine {
    /// With these openings of `/dev/video0`.
    pub(super) fn new(plans: Vec<Plan>) -> Machine {
        Machine::default().with("/dev/video0", plans)
    }

    pub(super) fn with(self, path: &str, plans: Vec<Plan>) -> Machine {
        self.state().plans.insert(path.into(), plans.into());
        self
    }

    pub(super) fn with_link(self, path: &str, link: &str) -> Machine {
        self.state().links.insert(path.into(), link.into());
        self
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with the lock")
    }

    fn log(&self, line: impl Into<String>) {
        self.state().log.push(line.into());
    }

    /// Takes what was done since the last call.
    pub(super) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    pub(super) fn is_done(&self) -> bool {
        self.state().done
    }
}

impl Cameras for Machine {
    type Device = Double;

    fn nodes(&self) -> Vec<PathBuf> {
        let state = self.state();
        let there = |plans: &VecDeque<Plan>| plans.front().is_some_and(|plan| plan.absent.is_none());
        state.plans.iter().filter(|(_, plans)| there(plans)).map(|(path, _)| path.clone()).collect()
    }

    fn stable_path(&self, path: &Path) -> Option<PathBuf> {
        self.state().links.get(path).cloned()
    }

    fn open(&self, path: &Path) -> io::Result<Double> {
        let plan = {
            let mut state = self.state();
            let plan = state.plans.get_mut(path).and_then(VecDeque::pop_front);
            state.done |= plan.is_none();
            plan.unwrap_or_else(|| absent(Errno::NOENT))
        };
        match plan.absent {
            Some(error) => Err(error.into()),
            None => {
                self.log(format!("open {}", path.display()));
                Ok(Double { machine: self.clone(), plan, sequence: 0, bytes: Vec::new(), frame_bytes: 0 })
            }
        }
    }
}

pub(super) struct Double {
    machine: Machine,
    plan: Plan,
    sequence: u32,
    /// The one buffer.
    bytes: Vec<u8>,
    frame_bytes: usize,
}

impl Double {
    fn outcome(&self, error: Option<Errno>) -> io::Result<()> {
        error.map_or(Ok(()), |error| Err(error.into()))
    }

    fn next_event(&mut self, patience: Duration) -> Option<Event> {
        if let Some(event) = self.plan.events.pop_front() {
            return Some(event);
        }
        match &self.plan.more {
            Some(more) => more.recv_timeout(patience).ok(),
            None => {
                self.machine.state().done = true;
                None
            }
        }
    }
}

impl Device for Double {
    fn identity(&self) -> io::Result<Identity> {
        Ok(self.plan.identity.clone())
    }

    fn modes(&self) -> io::Result<Vec<Mode>> {
        Ok(self.plan.modes.clone())
    }

    fn controls(&self) -> io::Result<Vec<Control>> {
        Ok(self.plan.controls.clone())
    }

    fn set_control(&mut self, id: u32, value: i64) -> io::Result<()> {
        self.machine.log(format!("control {id} = {value}"));
        Ok(())
    }

    fn set_format(&mut self, choice: &Choice) -> io::Result<Layout> {
        self.outcome(self.plan.set_format)?;
        let Choice { encoding, width, height, .. } = *choice;
        let layout = self.plan.layout.unwrap_or(Layout {
            format: encoding.four_cc(),
            width,
            height,
            bytes_per_line: 0,
        });
        self.machine.log(format!("set {} {}x{}", layout.format, layout.width, layout.height));
        self.frame_bytes = Encoding::of(layout.format)
            .and_then(Encoding::pixel_format)
            .map_or(0, |format| format.frame_bytes(layout.width, layout.height));
        Ok(layout)
    }

    fn set_interval(&mut self, interval: Interval) -> io::Result<Option<Interval>> {
        Ok(Some(interval))
    }

    fn start(&mut self) -> io::Result<()> {
        self.outcome(self.plan.start)?;
        self.machine.log("start");
        Ok(())
    }

    fn dequeue(&mut self, patience: Duration) -> io::Result<Option<Buffer<'_>>> {
        let Some(event) = self.next_event(patience) else { return Ok(None) };
        match event {
            Event::Silence => {
                self.machine.clock.advance(patience);
                return Ok(None);
            }
            Event::Suspend => {
                self.machine.clock.suspend(Duration::from_secs(3600));
                return Ok(None);
            }
            Event::Fail(error) => return Err(error.into()),
            Event::Skip(frames) => self.sequence += frames,
            Event::NoWayBack(error) => self.plan.set_format = Some(error),
            _ => {}
        }
        self.machine.clock.advance(TICK);
        let sequence = self.sequence;
        self.sequence += 1;
        self.bytes = match &event {
            Event::Bytes(bytes) => bytes.clone(),
            _ => vec![sequence as u8; self.frame_bytes],
        };
        // The driver's clock began 1000 s before ours.
        let time = self.machine.clock.awake() + Duration::from_secs(1000);
        Ok(Some(Buffer {
            index: 0,
            bytes: &self.bytes,
            sequence,
            time: (!matches!(event, Event::Unstamped)).then_some(time),
            damaged: matches!(event, Event::Damaged),
        }))
    }

    fn requeue(&mut self, _: u32) -> io::Result<()> {
        self.outcome(self.plan.set_format)
    }

    fn stop(&mut self) -> io::Result<()> {
        self.machine.log("stop");
        if let Some(hang) = &self.plan.hang {
            // An error is the end that the test gives it.
            let _ = hang.recv();
        }
        self.outcome(self.plan.stop)
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.machine.log("close");
    }
}

/// A layout without padding.
pub(super) fn layout(code: &[u8; 4], width: u32, height: u32) -> Layout {
    Layout { format: FourCc(*code), width, height, bytes_per_line: 0 }
}
