//! From a configuration to the parts of a pipeline.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sedge::clock::SystemClock;
use sedge::config::{self, Config, DisplayConfig, Reload, SaveConfig, SaveEvery, StoreConfig, StoreFormat};
use sedge::display::{self, Display};
use sedge::mask::Class;
use sedge::overlay::{self, Statistics};
use sedge::pipeline::{DurableStore, Parts, PictureFolder, Segmenter, Sink, StoreLimits, Viewer};
use sedge::status::{Heartbeats, Told};
use sedge::store::rules::{SavingOptions, SavingRules};
use sedge::store::{Encoding, Existing, MaskFolder, SegmentStore, StoreOptions, Sync};

/// What the watcher changes while the pipeline runs.
#[derive(Clone)]
pub struct Shared {
    rules: Arc<Mutex<SavingRules>>,
    display: Arc<Mutex<Shown>>,
    /// Of the store, where it has limits.
    limits: Arc<Mutex<Option<StoreLimits>>>,
    classes: Arc<[Class]>,
}

/// What the display says beside the picture.
#[derive(Default)]
pub struct Shown {
    pub parts: overlay::Parts,
    /// Time between two pictures.
    pub interval: Duration,
    pub fps: f64,
    pub dropped: u64,
    pub stored_bytes: u64,
    pub free_bytes: Option<u64>,
    pub temperature_c: Option<f64>,
    pub store: String,
    pub is_store_failing: bool,
}

impl Shared {
    pub fn new(config: &Config, classes: &[Class]) -> anyhow::Result<Shared> {
        let rules = SavingRules::new(saving(&config.save, classes)?);
        let (parts, interval) = (shown_parts(&config.display), shown_interval(&config.display));
        let shown = Shown { parts, interval, ..Shown::default() };
        Ok(Shared {
            rules: Arc::new(Mutex::new(rules)),
            display: Arc::new(Mutex::new(shown)),
            limits: Arc::default(),
            classes: classes.into(),
        })
    }

    /// Takes over from `config`, by which the camera runs, what differs in `new` and can be changed while it runs. Where
    /// `new` says what cannot be done, nothing changes.
    pub fn reload(&self, config: &mut Config, new: &Config) -> anyhow::Result<Reload> {
        let mut taken = config.clone();
        let reload = taken.reload(new);
        let rules = SavingRules::new(saving(&taken.save, &self.classes)?);
        if let Some(limits) = &*lock(&self.limits) {
            limits.set(store_options(&taken.store))?;
        }
        *lock(&self.rules) = rules;
        let mut shown = self.shown();
        (shown.parts, shown.interval) = (shown_parts(&taken.display), shown_interval(&taken.display));
        *config = taken;
        Ok(reload)
    }

    pub fn shown(&self) -> MutexGuard<'_, Shown> {
        lock(&self.display)
    }
}

/// What is behind the locks is whole at any time, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn make(
    config: &Config,
    segmenter: Segmenter,
    shared: &Shared,
    told: &Arc<Told>,
    heartbeats: &Heartbeats,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<Parts> {
    let [_, channels, height, width] = segmenter.input_shape();
    let source = super::source::open(&config.camera, (width as u32, height as u32), channels == 1, stop)?;
    let sink = sink(&config.store, segmenter.classes(), shared, told)?;
    let viewer = viewer(&config.display, shared, told)?;
    let rules = Arc::clone(&shared.rules);
    Ok(Parts {
        source,
        segment: Box::new(segmenter),
        sink,
        rules: Box::new(move |monotonic, histogram| lock(&rules).decide(monotonic, histogram).is_some()),
        clock: Arc::new(SystemClock),
        heartbeats: heartbeats.clone(),
        viewer,
    })
}

fn sink(
    config: &StoreConfig,
    classes: &[Class],
    shared: &Shared,
    told: &Arc<Told>,
) -> anyhow::Result<Box<dyn Sink>> {
    if config.format == StoreFormat::Png {
        let folder = MaskFolder::create(&config.path, classes, Existing::Continue)?;
        if folder.listed() > 0 {
            super::super::say(&format!(
                "{}: going on after {} masks of earlier runs",
                config.path.display(),
                folder.listed()
            ));
        }
        return Ok(Box::new(PictureFolder::new(folder, classes)));
    }
    let options = store_options(config);
    let (store, recovery) = SegmentStore::open(&config.path, classes, options, Box::new(SystemClock))?;
    if recovery.records > 0 {
        super::super::say(&format!(
            "{}: going on after {} masks in {} segments",
            config.path.display(),
            recovery.records,
            recovery.segments
        ));
    }
    let store = DurableStore::new(store, &config.path).telling(Arc::clone(told), &recovery);
    *lock(&shared.limits) = Some(store.limits());
    Ok(Box::new(store))
}

fn store_options(config: &StoreConfig) -> StoreOptions {
    StoreOptions {
        encoding: match config.encoding {
            config::Encoding::Rle => Encoding::Rle,
            config::Encoding::Png => Encoding::Png,
        },
        sync: match config.sync {
            config::Sync::Record => Sync::Record,
            config::Sync::Close => Sync::Close,
            config::Sync::Interval(time) => Sync::Every(time),
        },
        segment_bytes: config.segment_bytes,
        segment_age: config.segment_age,
        max_bytes: config.max_bytes,
        max_age: config.max_age,
        min_free_bytes: config.min_free_bytes,
        mount: config.mount.clone(),
        mount_uuid: config.mount_uuid.clone(),
        write_bytes_per_day: config.write_bytes_per_day,
    }
}

fn viewer(config: &DisplayConfig, shared: &Shared, told: &Arc<Told>) -> anyhow::Result<Option<Viewer>> {
    let Some(device) = &config.device else {
        return Ok(None);
    };
    let output = display::open(device)?;
    let (parts, interval) = (shown_parts(config), shown_interval(config));
    let mut display = Display::new(output, parts, interval, Box::new(SystemClock));
    let (shared, told) = (shared.clone(), Arc::clone(told));
    let clock = SystemClock;
    Ok(Some(Box::new(move |frame, mask| {
        if !display.is_due() {
            return;
        }
        let shown = shared.shown();
        display.set_parts(shown.parts);
        display.set_interval(shown.interval);
        let store = shown.store.clone();
        let statistics = Statistics {
            wall_us: sedge::clock::Clock::wall_us(&clock),
            fps: shown.fps,
            dropped: shown.dropped,
            stored_bytes: shown.stored_bytes,
            free_bytes: shown.free_bytes,
            temperature_c: shown.temperature_c,
            store: &store,
            is_store_failing: shown.is_store_failing,
        };
        drop(shown);
        match display.show(frame, mask, &shared.classes, statistics) {
            Some(display::Event::Lost(error)) => told.begins("display", &format!("no display: {error}")),
            Some(display::Event::Back) => told.ends("display", "the display works again"),
            Some(display::Event::Ended(error)) => {
                told.begins("display", &format!("no display any more: {error}"))
            }
            None => {}
        }
    })))
}

fn shown_parts(config: &DisplayConfig) -> overlay::Parts {
    overlay::Parts { overlay: config.overlay, legend: config.legend, statistics: config.statistics }
}

fn shown_interval(config: &DisplayConfig) -> Duration {
    Duration::from_secs_f64(1.0 / config.fps)
}

/// The rules, with classes by their ids.
fn saving(config: &SaveConfig, classes: &[Class]) -> anyhow::Result<SavingOptions> {
    let mut appearing = Vec::new();
    for name in &config.classes {
        match classes.iter().find(|class| class.name.eq_ignore_ascii_case(name)) {
            Some(class) => appearing.push(class.id),
            None => {
                let known: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
                let message =
                    format!("save.classes: the model knows no class {name:?}; it knows {}", known.join(", "));
                return Err(super::super::usage(&message));
            }
        }
    }
    let chooses = config.change.is_some() || !appearing.is_empty();
    let every = match config.every {
        SaveEvery::Interval(time) => Some(time),
        // Every frame would leave nothing for the other rules to choose.
        SaveEvery::Frame if chooses => None,
        SaveEvery::Frame => Some(Duration::ZERO),
    };
    Ok(SavingOptions { every, change: config.change, appearing, ..SavingOptions::default() })
}
