//! The table of all keys: name, type, range, and whether a running program takes a new value.

use std::time::Duration;

use super::check::check;
use super::read::Lines;
use super::sections::{Config, Encoding, Mirror, Rotate, SaveEvery, StoreFormat, Sync};
use super::value::{self, Value, Wrong};

/// What a running program does about a new value (SIGHUP).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnReload {
    /// Goes on with it.
    Applies,
    /// Keeps the old one until it is started again.
    Restart,
}

/// A key of the file.
pub struct Key {
    /// With its section, as in `camera.width`.
    pub name: &'static str,
    pub on_reload: OnReload,
    /// Reads the value into the configuration.
    pub read: fn(&mut Config, &Value) -> Result<(), Wrong>,
    /// Copies the value from another configuration; whether it was another one.
    pub copy: fn(&mut Config, &Config) -> bool,
}

macro_rules! key {
    ($name:literal, $on_reload:ident, $section:ident.$field:ident, $read:expr) => {
        Key {
            name: $name,
            on_reload: OnReload::$on_reload,
            read: |config, value| {
                let read: fn(&Value) -> Result<_, Wrong> = $read;
                config.$section.$field = read(value)?;
                Ok(())
            },
            copy: |to, from| {
                let differs = to.$section.$field != from.$section.$field;
                if differs {
                    to.$section.$field = from.$section.$field.clone();
                }
                differs
            },
        }
    };
}

const DAY: Duration = Duration::from_secs(86_400);
const LONG: Duration = Duration::from_secs(86_400 * 36_500);
const MILLI: Duration = Duration::from_millis(1);
/// More than any disk holds.
const ANY_SIZE: u64 = 1 << 53;

/// All keys, by section.
pub const KEYS: &[Key] = &[
    key!("model.path", Restart, model.path, |v| value::path(v).map(Some)),
    key!("model.threads", Restart, model.threads, |v| Ok(Some(value::whole(v, 1..=64)? as usize))),
    key!("camera.source", Restart, camera.source, |v| value::text(v).map(Some)),
    key!("camera.width", Restart, camera.width, |v| Ok(Some(value::whole(v, 1..=16384)? as u32))),
    key!("camera.height", Restart, camera.height, |v| Ok(Some(value::whole(v, 1..=16384)? as u32))),
    key!("camera.fps", Restart, camera.fps, |v| value::number(v, 0.01..=1000.0).map(Some)),
    key!("camera.format", Restart, camera.format, |v| {
        const FORMATS: [&str; 8] = ["YUYV", "UYVY", "NV12", "YU12", "MJPG", "RGB3", "BGR3", "GREY"];
        let formats = FORMATS.map(|format| (format, Some(format.to_owned())));
        let words: Vec<(&str, Option<String>)> = std::iter::once(("auto", None)).chain(formats).collect();
        value::choice(v, &words)
    }),
    key!("camera.rotate", Restart, camera.rotate, |v| match value::whole(v, 0..=270)? {
        0 => Ok(Rotate::None),
        90 => Ok(Rotate::Quarter),
        180 => Ok(Rotate::Half),
        270 => Ok(Rotate::ThreeQuarters),
        other => Err(format!("is {other}, but has to be 0, 90, 180 or 270").into()),
    }),
    key!("camera.mirror", Restart, camera.mirror, |v| {
        let (both, none) = (Mirror::Both, Mirror::None);
        let words = [("none", none), ("horizontal", Mirror::Horizontal), ("vertical", Mirror::Vertical)];
        value::choice(v, &[&words[..], &[("both", both)]].concat())
    }),
    key!("camera.crop", Restart, camera.crop, |v| value::crop(v).map(Some)),
    key!("camera.timeout_s", Restart, camera.timeout, |v| value::seconds(v, 0.1..=600.0).map(Some)),
    key!("camera.controls", Restart, camera.controls, value::controls),
    key!("store.path", Restart, store.path, value::path),
    key!("store.format", Restart, store.format, |v| {
        value::choice(v, &[("segments", StoreFormat::Segments), ("png", StoreFormat::Png)])
    }),
    key!("store.encoding", Restart, store.encoding, |v| {
        value::choice(v, &[("rle", Encoding::Rle), ("png", Encoding::Png)])
    }),
    key!("store.sync", Applies, store.sync, |v| {
        let words = [("record", Sync::Record), ("close", Sync::Close)];
        value::word_or_duration(v, &words, (MILLI * 1000)..=DAY, Sync::Interval)
    }),
    key!("store.segment_bytes", Applies, store.segment_bytes, |v| value::bytes(v, (64 << 10)..=(1 << 30))),
    key!("store.segment_age", Applies, store.segment_age, |v| value::duration(
        v,
        (MILLI * 60_000)..=(DAY * 30)
    )),
    key!("store.max_bytes", Applies, store.max_bytes, |v| value::bytes(v, (128 << 10)..=ANY_SIZE).map(Some)),
    key!("store.max_age", Applies, store.max_age, |v| value::duration(v, (MILLI * 60_000)..=LONG).map(Some)),
    key!("store.min_free_bytes", Applies, store.min_free_bytes, |v| value::bytes(v, 0..=ANY_SIZE)),
    key!("store.mount", Restart, store.mount, |v| value::path(v).map(Some)),
    key!("store.mount_uuid", Restart, store.mount_uuid, |v| value::text(v).map(Some)),
    key!("store.write_bytes_per_day", Applies, store.write_bytes_per_day, |v| {
        value::bytes(v, (1 << 20)..=ANY_SIZE).map(Some)
    }),
    key!("save.every", Applies, save.every, |v| {
        let words = [("frame", SaveEvery::Frame)];
        value::word_or_duration(v, &words, (MILLI * 10)..=(DAY * 30), SaveEvery::Interval)
    }),
    key!("save.change", Applies, save.change, |v| value::number(v, 0.0001..=1.0).map(Some)),
    key!("save.classes", Applies, save.classes, value::texts),
    key!("governor.fps_max", Applies, governor.fps_max, |v| value::number(v, 0.01..=1000.0).map(Some)),
    key!("governor.fps_min", Applies, governor.fps_min, |v| value::number(v, 0.001..=1000.0)),
    key!("governor.temperature_max_c", Applies, governor.temperature_max_c, |v| value::number(
        v,
        30.0..=120.0
    )),
    key!("governor.thermal_zone", Restart, governor.thermal_zone, |v| {
        Ok(Some(value::text(v)?).filter(|zone| zone != "auto"))
    }),
    key!("display.device", Restart, display.device, |v| value::path(v).map(Some)),
    key!("display.fps", Applies, display.fps, |v| value::number(v, 0.01..=60.0)),
    key!("display.overlay", Applies, display.overlay, value::switch),
    key!("display.legend", Applies, display.legend, value::switch),
    key!("display.statistics", Applies, display.statistics, value::switch),
    key!("status.file", Applies, status.file, |v| value::path(v).map(Some)),
    key!("status.interval_s", Applies, status.interval, |v| value::seconds(v, 1.0..=86_400.0)),
];

/// Which keys a new configuration changes, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// Those that took effect.
    pub applied: Vec<&'static str>,
    /// Those that keep their old value until the program is started again.
    pub needs_restart: Vec<&'static str>,
}

impl Config {
    /// Takes from `new` what a running program can change, and says what changed and what has to wait. If the new
    /// values do not go together with old ones that have to stay, all of them wait.
    pub fn reload(&mut self, new: &Config) -> Reload {
        let (mut reload, mut taken) = (Reload::default(), self.clone());
        // A folder of pictures has no limits; they wait for the segments that come with a restart.
        let has_limits = self.store.format == StoreFormat::Segments;
        for key in KEYS {
            let on_reload =
                if has_limits || !key.name.starts_with("store.") { key.on_reload } else { OnReload::Restart };
            match on_reload {
                OnReload::Applies if (key.copy)(&mut taken, new) => reload.applied.push(key.name),
                OnReload::Restart if (key.copy)(&mut self.clone(), new) => {
                    reload.needs_restart.push(key.name)
                }
                _ => {}
            }
        }
        if check(&taken, &Lines::new()).is_empty() {
            *self = taken;
        } else {
            reload.needs_restart.append(&mut reload.applied);
        }
        reload
    }
}
