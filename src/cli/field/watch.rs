//! Beside a running pipeline: signals, status, governor, watchdog.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sedge::clock::{Clock, SystemClock};
use sedge::config::{Config, GovernorConfig};
use sedge::governor::{Governor, Limits, Note, Readings, Sensors, SysSensors};
use sedge::pipeline::{Event, Pipeline, Stage, Summary};
use sedge::status::{
    BoardStatus, CameraStatus, Due, Heartbeats, Notification, Notify, Reporter, Status, Systemd, Told,
    Watchdog, watchdog_timeout,
};

use super::Overrides;
use super::parts::Shared;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Time between two readings of the board's sensors.
const SENSE_EVERY: Duration = Duration::from_secs(1);
const CATCH_UP_EVERY: Duration = Duration::from_secs(60);

pub struct Watch<'a> {
    pub path: &'a Path,
    pub overrides: &'a Overrides,
    pub pipeline: &'a Pipeline,
    pub heartbeats: Heartbeats,
    pub told: Arc<Told>,
    pub shared: Shared,
    /// Raised by a signal.
    pub stop: Arc<AtomicBool>,
}

impl Watch<'_> {
    /// Until the pipeline ends, a signal stops it or a thread is stuck; the last is the only error. Says whether it was a
    /// signal.
    pub fn run(
        self,
        mut config: Config,
        camera: String,
        model: String,
        hash: [u8; 8],
    ) -> anyhow::Result<bool> {
        let stop = Arc::clone(&self.stop);
        let reload = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&reload))?;

        let clock = SystemClock;
        let began = clock.monotonic();
        let mut reporter =
            Reporter::new(Box::new(std::io::stdout()), config.status.file.clone(), Box::new(Systemd));
        let mut watchdog = Watchdog::new(watchdog_timeout());
        let mut sensors = SysSensors::new(config.governor.thermal_zone.as_deref());
        let mut governor = Governor::new(limits(&config.governor));
        let mut readings = Readings::default();
        let mut seen = Seen { frames: (0, began), ..Seen::default() };
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION"),
            model,
            model_hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            camera: CameraStatus { name: camera, state: "starting".into(), ..CameraStatus::default() },
            ..Status::default()
        };
        let mut due = Due::new(config.status.interval);
        // The first line tells something when the interval has passed once.
        due.is_due(began);
        let (mut sense, mut catch_up) = (Due::new(SENSE_EVERY), Due::new(CATCH_UP_EVERY));
        self.tell(reporter.notify(), Notification::Ready);

        while !self.pipeline.is_done() && !stop.load(Ordering::Relaxed) {
            if let Some(event) = self.pipeline.next_event(LOOK_EVERY) {
                self.hear(event, &mut status.camera);
            }
            let now = clock.monotonic();
            watchdog.check(clock.awake(), &self.heartbeats, reporter.notify())?;
            if sense.is_due(now) {
                readings = sensors.read();
                let summary = self.pipeline.summary();
                for note in governor.observe(now, &readings, seen.busy(&summary)) {
                    self.tell_note(&note);
                }
                self.pipeline.set_interval(governor.interval());
                let board = readings.throttle.unwrap_or_default();
                self.pipeline.set_throttle(board.with(governor.throttle()));
                self.show(&summary, seen.fps(&summary, now), &readings);
            }
            if reload.swap(false, Ordering::Relaxed) {
                self.tell(reporter.notify(), Notification::Reloading);
                if self.reload(&mut config) {
                    governor.set_limits(limits(&config.governor));
                    due.set_every(config.status.interval);
                    reporter.set_file(config.status.file.clone());
                }
                self.tell(reporter.notify(), Notification::Ready);
            }
            if due.is_due(now) {
                self.report(&mut status, &readings, &governor, now.saturating_sub(began), &mut reporter);
            }
            if catch_up.is_due(now) {
                self.told.catch_up();
            }
        }
        self.tell(reporter.notify(), Notification::Stopping);
        if stop.load(Ordering::Relaxed) {
            self.pipeline.stop();
        }
        self.pipeline.wait(super::super::run::STOP_LIMIT);
        while let Some(event) = self.pipeline.next_event(Duration::ZERO) {
            self.hear(event, &mut status.camera);
        }
        self.report(
            &mut status,
            &readings,
            &governor,
            clock.monotonic().saturating_sub(began),
            &mut reporter,
        );
        Ok(stop.load(Ordering::Relaxed))
    }

    fn hear(&self, event: Event, camera: &mut CameraStatus) {
        match event {
            Event::Skipped(error) => self.told.event("frame", &format!("skipped: {error}")),
            Event::Interrupted(reason) => {
                self.told.begins("camera", &format!("no frames: {reason}"));
                camera.state = reason;
            }
            Event::Resumed(_) => {
                self.told.ends("camera", "frames again");
                camera.state = "streaming".into();
            }
            Event::SinkWaits(reason) => self.told.begins("store", &format!("masks are not stored: {reason}")),
            Event::SinkResumed(_) => self.told.ends("store", "masks are stored again"),
        }
    }

    fn tell_note(&self, note: &Note) {
        match note {
            Note::Lowered { .. } => self.told.begins("rate", &note.to_string()),
            Note::Restored => self.told.ends("rate", &note.to_string()),
            Note::NoTemperature => self.told.begins("temperature", &note.to_string()),
            Note::TemperatureBack => self.told.ends("temperature", &note.to_string()),
        }
    }

    /// A service manager that cannot be reached is its own trouble; the run goes on.
    fn tell(&self, notify: &dyn Notify, notification: Notification) {
        if let Err(error) = notify.notify(notification) {
            self.told.begins("notify", &format!("the service manager cannot be told: {error}"));
        }
    }

    /// Reads the configuration again; says what took effect. A file that is wrong changes nothing.
    fn reload(&self, config: &mut Config) -> bool {
        let read = Config::read(self.path).map_err(anyhow::Error::from).and_then(|mut new| {
            super::apply(&mut new, self.overrides);
            super::check_places(&new, self.path)?;
            self.shared.reload(config, &new)
        });
        match read {
            Ok(reload) => {
                self.told.event("reload", &format!("{}: {}", self.path.display(), reload_words(&reload)));
                true
            }
            Err(error) => {
                self.told.event("reload", &format!("{error}; going on as before"));
                false
            }
        }
    }

    fn show(&self, summary: &Summary, fps: f64, readings: &Readings) {
        let store = self.pipeline.sink_status();
        let mut shown = self.shared.shown();
        shown.fps = fps;
        shown.dropped = summary.dropped + summary.losses.dropped;
        shown.stored_bytes = store.bytes;
        shown.free_bytes = store.free_bytes;
        shown.temperature_c = readings.temperature_c;
        shown.is_store_failing = store.state != "writing";
        shown.store = store.state;
    }

    fn report(
        &self,
        status: &mut Status,
        readings: &Readings,
        governor: &Governor,
        uptime: Duration,
        reporter: &mut Reporter,
    ) {
        let summary = self.pipeline.summary();
        if summary.frames > 0 && !self.told.lasts("camera") {
            status.camera.state = "streaming".into();
        }
        let (name, state) = (status.camera.name.clone(), status.camera.state.clone());
        status.camera = CameraStatus::new(&name, &state, summary.losses, summary.broken);
        status.camera.dropped += summary.dropped;
        status.time_unix_s = SystemClock.wall_us() as f64 / 1e6;
        status.uptime_s = uptime.as_secs();
        status.frames = summary.frames;
        status.queues = self.pipeline.queues();
        status.store = self.pipeline.sink_status();
        status.board = BoardStatus::new(readings, governor.fps(), governor.share());
        status.set_figures(&self.pipeline.take_figures());
        match reporter.report(status) {
            Ok(()) => self.told.ends("status", "the status is told again"),
            Err(error) => self.told.begins("status", &error.to_string()),
        }
    }
}

/// What was seen of the pipeline at the last reading of the sensors.
#[derive(Default)]
struct Seen {
    busy: (u64, Duration),
    frames: (u64, Duration),
}

impl Seen {
    /// How long the processor worked on a frame since the last call, on average; `None` without a frame.
    fn busy(&mut self, summary: &Summary) -> Option<Duration> {
        let stages = [Stage::Prepare, Stage::Infer, Stage::Mask];
        let total = stages.iter().map(|&stage| summary.stage(stage).total()).sum();
        let (frames, before) = std::mem::replace(&mut self.busy, (summary.frames, total));
        let new = u32::try_from(summary.frames - frames).unwrap_or(u32::MAX);
        (new > 0).then(|| (total - before) / new)
    }

    /// Frames per second since the last call.
    fn fps(&mut self, summary: &Summary, now: Duration) -> f64 {
        let (frames, before) = std::mem::replace(&mut self.frames, (summary.frames, now));
        let seconds = now.saturating_sub(before).as_secs_f64();
        if seconds > 0.0 { (summary.frames - frames) as f64 / seconds } else { 0.0 }
    }
}

fn limits(config: &GovernorConfig) -> Limits {
    Limits { fps_max: config.fps_max, fps_min: config.fps_min, temperature_max_c: config.temperature_max_c }
}

fn reload_words(reload: &sedge::config::Reload) -> String {
    let list = |names: &[&str]| names.join(", ");
    match (reload.applied.is_empty(), reload.needs_restart.is_empty()) {
        (true, true) => "nothing has changed".into(),
        (false, true) => format!("{} took effect", list(&reload.applied)),
        (true, false) => format!("{} will take effect after a restart", list(&reload.needs_restart)),
        (false, false) => format!(
            "{} took effect, {} will after a restart",
            list(&reload.applied),
            list(&reload.needs_restart)
        ),
    }
}
