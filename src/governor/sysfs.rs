//! The sensors that Linux shows under `/sys`: thermal zones, the Raspberry Pi's flags, the processor's frequency.

use std::fs;
use std::path::{Path, PathBuf};

use super::sensors::{Frequency, Readings, Sensors};
use crate::store::Throttle;

/// Reads between two searches for sensors that are not there: drivers come late, and go.
const READS_BETWEEN_SEARCHES: u32 = 60;

/// Sensors under `/sys`.
///
/// | reading | file |
/// |---|---|
/// | temperature | `class/thermal/thermal_zone*/temp`, the warmest of the zones whose `type` tells of the processor |
/// | flags of a Raspberry Pi | `devices/platform/soc*/*:firmware/get_throttled`, bits 0 to 3; or the alarm of the `hwmon` named `rpi_volt` |
/// | frequency capped | `class/thermal/cooling_device*` of `cpufreq`, `cur_state` above 0 |
/// | frequency | `devices/system/cpu/cpufreq/policy*`, the policy with the highest `cpuinfo_max_freq` |
#[derive(Debug)]
pub struct SysSensors {
    root: PathBuf,
    zone: Option<String>,
    found: Found,
    reads_to_search: u32,
}

/// Files that were there at the last search.
#[derive(Debug, Default)]
struct Found {
    zone_type: Option<String>,
    temperatures: Vec<PathBuf>,
    get_throttled: Option<PathBuf>,
    voltage_alarm: Option<PathBuf>,
    cooling: Vec<PathBuf>,
    policy: Option<PathBuf>,
}

impl SysSensors {
    /// The sensors of this machine; `zone` is the `type` of the thermal zone to read, without it the processor's.
    pub fn new(zone: Option<&str>) -> SysSensors {
        SysSensors::at(Path::new("/sys"), zone)
    }

    /// The sensors under another root than `/sys`.
    pub fn at(root: &Path, zone: Option<&str>) -> SysSensors {
        let zone = zone.map(str::to_owned);
        let found = Found::search(root, zone.as_deref());
        SysSensors { root: root.to_owned(), zone, found, reads_to_search: READS_BETWEEN_SEARCHES }
    }

    /// The `type` of the thermal zone that is read, if there is one.
    pub fn zone(&self) -> Option<&str> {
        self.found.zone_type.as_deref()
    }

    fn throttle(&self) -> Option<Throttle> {
        let firmware = self.found.get_throttled.as_deref().and_then(|path| {
            let text = text(path)?;
            let bits = u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()?;
            // Bits 16 and up say what has ever been since the start.
            Some(Throttle((bits & 0xf) as u16))
        });
        let alarm = self.found.voltage_alarm.as_deref().and_then(number);
        let alarm = alarm.map(|on| if on != 0 { Throttle::UNDER_VOLTAGE } else { Throttle::default() });
        let states: Vec<i64> = self.found.cooling.iter().filter_map(|path| number(path)).collect();
        let capped = states.iter().any(|&state| state > 0);
        let cooling = (!states.is_empty())
            .then(|| if capped { Throttle::FREQUENCY_CAPPED } else { Throttle::default() });
        [firmware, alarm, cooling].into_iter().flatten().reduce(Throttle::with)
    }
}

impl Sensors for SysSensors {
    fn read(&mut self) -> Readings {
        let temperature_c = self
            .found
            .temperatures
            .iter()
            .filter_map(|path| number(path))
            .map(|milli| milli as f64 / 1000.0)
            .filter(|celsius| (-40.0..=150.0).contains(celsius))
            .reduce(f64::max);
        if temperature_c.is_none() {
            self.reads_to_search = self.reads_to_search.saturating_sub(1);
            if self.reads_to_search == 0 {
                self.found = Found::search(&self.root, self.zone.as_deref());
                self.reads_to_search = READS_BETWEEN_SEARCHES;
            }
        }
        Readings { temperature_c, throttle: self.throttle(), frequency: self.found.frequency() }
    }
}

impl Found {
    fn search(root: &Path, zone: Option<&str>) -> Found {
        let thermal = root.join("class/thermal");
        let zones: Vec<(PathBuf, String)> = folders(&thermal, "thermal_zone")
            .into_iter()
            .filter_map(|folder| text(&folder.join("type")).map(|name| (folder.join("temp"), name)))
            .collect();
        let rank = |name: &str| match zone {
            Some(zone) => name.eq_ignore_ascii_case(zone).then_some(0),
            None => rank(name),
        };
        let best = zones.iter().filter_map(|(_, name)| rank(name)).min();
        let chosen: Vec<&(PathBuf, String)> =
            zones.iter().filter(|(_, name)| best.is_some() && rank(name) == best).collect();
        let cooling = folders(&thermal, "cooling_device")
            .into_iter()
            .filter(|folder| text(&folder.join("type")).is_some_and(|name| name.contains("cpufreq")))
            .map(|folder| folder.join("cur_state"))
            .collect();
        let get_throttled = folders(&root.join("devices/platform"), "soc")
            .iter()
            .flat_map(|soc| folders(soc, "soc"))
            .filter(|folder| folder.to_string_lossy().ends_with(":firmware"))
            .map(|folder| folder.join("get_throttled"))
            .find(|path| path.exists());
        let voltage_alarm = folders(&root.join("class/hwmon"), "hwmon")
            .into_iter()
            .find(|folder| text(&folder.join("name")).as_deref() == Some("rpi_volt"))
            .map(|folder| folder.join("in0_lcrit_alarm"));
        let policy = folders(&root.join("devices/system/cpu/cpufreq"), "policy")
            .into_iter()
            .filter_map(|folder| number(&folder.join("cpuinfo_max_freq")).map(|max| (max, folder)))
            .max_by_key(|&(max, _)| max)
            .map(|(_, folder)| folder);
        Found {
            zone_type: chosen.first().map(|(_, name)| name.clone()),
            temperatures: chosen.iter().map(|(path, _)| path.clone()).collect(),
            get_throttled,
            voltage_alarm,
            cooling,
            policy,
        }
    }

    fn frequency(&self) -> Option<Frequency> {
        let policy = self.policy.as_deref()?;
        let read = |name: &str| number(&policy.join(name)).and_then(|khz| u64::try_from(khz).ok());
        Some(Frequency { now_khz: read("scaling_cur_freq")?, max_khz: read("cpuinfo_max_freq")? })
    }
}

/// How well a zone's `type` tells of the processor, 0 best; `None` where it is something else's (graphics, radio,
/// battery).
fn rank(name: &str) -> Option<u8> {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "cpu-thermal" | "cpu_thermal" | "cpu-therm" | "x86_pkg_temp" => Some(0),
        _ if name.contains("gpu") || name.contains("batt") => None,
        _ if name.contains("cpu") || name.contains("core") => Some(1),
        _ if name.contains("soc") || name.contains("package") => Some(2),
        "acpitz" => Some(3),
        _ => None,
    }
}

/// The folders whose names begin so, in order of their names.
fn folders(parent: &Path, begin: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin)) && path.is_dir()
        })
        .collect();
    folders.sort();
    folders
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn number(path: &Path) -> Option<i64> {
    text(path)?.parse().ok()
}
