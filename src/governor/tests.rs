//! The governor with boards that are computed, and sensors under a root of files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::store::Throttle;

/// A board: a processor on a body, each with its heat capacity, and air around.
#[derive(Clone, Copy)]
struct Board {
    /// Seconds of work on a frame.
    busy_s: f64,
    /// Watts without and with full work.
    idle_w: f64,
    work_w: f64,
    /// Kelvin per watt from processor to body and from body to air; joule per kelvin.
    die_k_per_w: f64,
    air_k_per_w: f64,
    die_j_per_k: f64,
    body_j_per_k: f64,
    /// Where it throttles, to half its speed, and the supply at which it says so.
    throttles_c: f64,
    /// The sensor's step.
    step_c: f64,
    noise_c: f64,
}

const PI: Board = Board {
    busy_s: 0.1,
    idle_w: 2.5,
    work_w: 4.5,
    die_k_per_w: 3.0,
    air_k_per_w: 8.0,
    die_j_per_k: 1.5,
    body_j_per_k: 20.0,
    throttles_c: 80.0,
    step_c: 0.487,
    noise_c: 0.2,
};

/// What a run showed over its last part.
#[derive(Debug, Default)]
struct Shown {
    throttled: u32,
    /// In the whole run.
    ever_throttled: bool,
    hottest_c: f64,
    fps_least: f64,
    fps_most: f64,
    notes: usize,
}

/// Runs `minutes` from a cold start with the air's temperature at each minute, and shows the last `settled` minutes.
fn run(board: Board, limits: Limits, minutes: u32, settled: u32, air_c: impl Fn(u32) -> f64) -> Shown {
    const STEP_S: f64 = 0.25;
    let mut governor = Governor::new(limits);
    let (mut die_c, mut body_c) = (air_c(0), air_c(0));
    let mut random = 1u32;
    let mut shown = Shown { fps_least: f64::INFINITY, hottest_c: f64::MIN, ..Shown::default() };
    let mut throttled = false;
    for step in 0..minutes * 240 {
        let minute = step / 240;
        throttled = die_c > if throttled { board.throttles_c - 1.0 } else { board.throttles_c };
        shown.ever_throttled |= throttled;
        let busy_s = board.busy_s * if throttled { 2.0 } else { 1.0 };
        let fps = (1.0 / governor.interval().as_secs_f64()).min(1.0 / busy_s);
        let work = board.work_w * if throttled { 0.5 } else { 1.0 } * (fps * busy_s);
        let to_body = (die_c - body_c) / board.die_k_per_w;
        die_c += STEP_S * (board.idle_w + work - to_body) / board.die_j_per_k;
        body_c += STEP_S * (to_body - (body_c - air_c(minute)) / board.air_k_per_w) / board.body_j_per_k;
        if step % 4 == 0 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = board.noise_c * (f64::from(random >> 16) / 32768.0 - 1.0);
            let read_c = ((die_c + noise) / board.step_c).round() * board.step_c;
            let throttle = if throttled { Throttle::THROTTLED } else { Throttle::default() };
            let readings =
                Readings { temperature_c: Some(read_c), throttle: Some(throttle), frequency: None };
            let now = Duration::from_secs_f64(f64::from(step) * STEP_S);
            let notes = governor.observe(now, &readings, Some(Duration::from_secs_f64(busy_s)));
            if minute >= minutes - settled {
                shown.notes += notes.len();
            }
        }
        if minute >= minutes - settled {
            shown.throttled += u32::from(throttled);
            shown.hottest_c = shown.hottest_c.max(die_c);
            shown.fps_least = shown.fps_least.min(fps);
            shown.fps_most = shown.fps_most.max(fps);
        }
    }
    shown
}

/// Closed loop: the board never throttles (if the limit is above its own: not after it has settled), stays below the limit, and the rate stays within a
/// band of 6 % of the highest.
#[test]
fn a_board_settles_below_its_limit() {
    const LIMITS: Limits = Limits { fps_max: None, fps_min: 0.5, temperature_max_c: 75.0 };
    let slow_body = Board { body_j_per_k: 400.0, ..PI };
    let coarse = Board { step_c: 1.0, noise_c: 0.6, ..PI };
    let quick = Board { busy_s: 0.01, ..PI };
    let hot = Board { work_w: 9.0, ..PI };
    let case = |name, board, limits, air_c: fn(u32) -> f64, fps: std::ops::Range<f64>| {
        (name, board, limits, air_c, fps)
    };
    let cases = [
        case("cool air: nothing to do", PI, LIMITS, |_| -15.0, 9.99..10.01),
        case("a rate that never warms it", PI, Limits { fps_max: Some(2.0), ..LIMITS }, |_| 20.0, 1.99..2.01),
        case("room", PI, LIMITS, |_| 22.0, 3.0..9.0),
        case("room, below its own limit", PI, Limits { fps_max: Some(8.0), ..LIMITS }, |_| 22.0, 3.0..8.0),
        case("summer in a box", PI, LIMITS, |_| 45.0, 0.5..4.0),
        case("too hot at any rate", PI, LIMITS, |_| 60.0, 0.49..0.51),
        case("a large heat sink", slow_body, LIMITS, |_| 22.0, 3.0..9.0),
        case("a coarse and noisy sensor", coarse, LIMITS, |_| 30.0, 1.0..8.0),
        case("a small network", quick, LIMITS, |_| 30.0, 10.0..80.0),
        case("twice the heat", hot, LIMITS, |_| 22.0, 1.0..6.0),
        case(
            "a limit above the board's own",
            PI,
            Limits { temperature_max_c: 95.0, ..LIMITS },
            |_| 22.0,
            3.0..9.9,
        ),
        case("up by 25", PI, LIMITS, |minute| if minute < 30 { 20.0 } else { 45.0 }, 0.5..4.0),
        case("down by 60", PI, LIMITS, |minute| if minute < 30 { 45.0 } else { -15.0 }, 9.99..10.01),
    ];
    let ungoverned_c = 22.0 + (PI.idle_w + PI.work_w) * (PI.die_k_per_w + PI.air_k_per_w);
    assert!(ungoverned_c > PI.throttles_c + 10.0, "in a room this board would throttle");
    let failures: Vec<String> = cases
        .into_iter()
        .filter_map(|(name, board, limits, air_c, wanted)| {
            let shown = run(board, limits, 120, 40, air_c);
            let highest = (1.0 / board.busy_s).min(limits.fps_max.unwrap_or(f64::INFINITY));
            let steady = shown.fps_most - shown.fps_least <= 0.06 * highest;
            // At its lowest rate a board is as warm as it is.
            let cool = shown.hottest_c < limits.temperature_max_c || shown.fps_most <= 1.01 * limits.fps_min;
            let inside = wanted.contains(&shown.fps_least) && wanted.contains(&shown.fps_most);
            let before = !shown.ever_throttled || limits.temperature_max_c > board.throttles_c;
            let quiet = (shown.throttled == 0 && before) || shown.fps_most <= 1.01 * limits.fps_min;
            let right = steady && cool && inside && quiet && shown.notes <= 1;
            (!right).then(|| format!("{name}: {shown:?}"))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// One governor, observed once a second.
struct Second {
    governor: Governor,
    at_s: u64,
    notes: Vec<Note>,
}

impl Second {
    fn new(limits: Limits) -> Second {
        Second { governor: Governor::new(limits), at_s: 1000, notes: Vec::new() }
    }

    fn pass(&mut self, seconds: u64, temperature_c: Option<f64>, throttle: Option<Throttle>) -> f64 {
        for _ in 0..seconds {
            self.at_s += 1;
            let readings = Readings { temperature_c, throttle, frequency: None };
            let busy = Some(Duration::from_millis(100));
            self.notes.extend(self.governor.observe(Duration::from_secs(self.at_s), &readings, busy));
        }
        self.governor.share()
    }
}

const LIMITS: Limits = Limits { fps_max: Some(8.0), fps_min: 0.5, temperature_max_c: 75.0 };

#[test]
fn flags_halve_the_rate_at_once_and_it_rises_slowly() {
    let none = Some(Throttle::default());
    let mut second = Second::new(LIMITS);
    assert_eq!(second.pass(60, Some(50.0), none), 1.0);
    assert_eq!(second.governor.interval(), Duration::from_millis(125));
    assert_eq!(second.pass(1, Some(50.0), Some(Throttle::UNDER_VOLTAGE)), 0.5, "at once");
    assert_eq!(second.governor.fps(), Some(4.25));
    assert_eq!(second.governor.throttle(), Throttle::GOVERNED);
    assert_eq!(
        second.pass(600, Some(50.0), Some(Throttle::UNDER_VOLTAGE)),
        0.25,
        "a weak supply has its floor"
    );
    assert_eq!(second.pass(29, Some(50.0), none), 0.25, "held");
    assert!((second.pass(11, Some(50.0), none) - 0.305).abs() < 0.006, "rises by a two-hundredth a second");
    assert_eq!(second.pass(200, Some(50.0), none), 1.0);
    assert_eq!(second.pass(1, Some(50.0), Some(Throttle::UNDER_VOLTAGE)), 0.5);
    assert_eq!(second.pass(59, Some(50.0), none), 0.5, "held twice as long");
    assert!(second.pass(10, Some(50.0), none) > 0.5);
    let heat = Some(Throttle::THROTTLED.with(Throttle::FREQUENCY_CAPPED));
    assert!(second.pass(300, Some(60.0), heat) < 0.01, "heat has no floor but fps_min");
    assert!(second.governor.fps().is_some_and(|fps| (0.5..0.6).contains(&fps)));
}

#[test]
fn a_board_that_throttles_below_the_limit_is_kept_cooler() {
    let none = Some(Throttle::default());
    let mut second = Second::new(LIMITS);
    second.pass(60, Some(70.0), none);
    second.pass(60, Some(70.0), Some(Throttle::SOFT_TEMPERATURE_LIMIT));
    let share = second.pass(600, Some(63.0), none);
    assert!((0.4..0.6).contains(&share), "{share}: half a band below 68");
    let share = second.pass(10 * 3600, Some(63.0), none);
    assert_eq!(share, 1.0, "forgotten by a degree an hour");
}

#[test]
fn flags_that_flicker_are_one_trouble() {
    let mut second = Second::new(LIMITS);
    for _ in 0..15 {
        second.pass(2, Some(50.0), Some(Throttle::UNDER_VOLTAGE));
        second.pass(2, Some(50.0), Some(Throttle::default()));
    }
    assert_eq!(second.governor.share(), 0.25);
    assert!(
        second.pass(38, Some(50.0), Some(Throttle::default())) > 0.25,
        "held for half a minute, not longer"
    );
    assert_eq!(second.notes.len(), 1, "{:?}", second.notes);
}

#[test]
fn what_changes_is_told_once() {
    let mut second = Second::new(LIMITS);
    second.pass(60, None, None);
    second.pass(60, Some(f64::NAN), None);
    second.pass(60, Some(-273.0), Some(Throttle::default()));
    assert_eq!((second.governor.share(), &second.notes[..]), (1.0, &[Note::NoTemperature][..]));
    second.notes.clear();
    second.pass(1, Some(40.0), None);
    // One wrong value among right ones counts for nothing.
    for _ in 0..20 {
        second.pass(5, Some(62.0), None);
        second.pass(1, Some(125.0), None);
    }
    assert_eq!((second.governor.share(), &second.notes[..]), (1.0, &[Note::TemperatureBack][..]));
    second.notes.clear();
    assert_eq!(second.pass(120, Some(90.0), None), 0.0);
    assert_eq!(second.governor.fps(), Some(0.5));
    assert!(matches!(second.notes[..], [Note::Lowered { .. }]), "{:?}", second.notes);
    second.notes.clear();
    // A sensor that goes while the board is hot: the rate rises, slowly.
    assert!(second.pass(20, None, None) < 0.11);
    assert_eq!(second.pass(200, None, None), 1.0);
    assert_eq!(second.notes, [Note::NoTemperature, Note::Restored]);
}

#[test]
fn limits_change_while_it_runs() {
    let mut second = Second::new(Limits { fps_max: None, ..LIMITS });
    second.pass(10, Some(70.0), None);
    let fps = second.governor.fps().expect("lowered from what 100 ms a frame allow");
    assert!(
        (second.governor.interval().as_secs_f64() * fps - 1.0).abs() < 1e-6 && (5.0..6.0).contains(&fps),
        "{fps}"
    );
    second.governor.set_limits(Limits { temperature_max_c: 90.0, fps_max: None, fps_min: 0.5 });
    second.pass(200, Some(70.0), None);
    assert_eq!((second.governor.interval(), second.governor.fps()), (Duration::ZERO, None));
    second.governor.set_limits(Limits { fps_max: Some(2.0), ..LIMITS });
    assert_eq!(second.governor.interval(), Duration::from_millis(500));
    let days = [0.0, -1.0, 1e-300, f64::NAN].map(|fps| {
        second.governor.set_limits(Limits { fps_max: Some(fps), ..LIMITS });
        second.governor.interval().as_secs() / 86_400
    });
    assert_eq!(days, [1; 4], "limits that are none");
}

#[test]
fn notes_say_why() {
    let lowered = |temperature_c, throttle| Note::Lowered { fps: 2.5, temperature_c, throttle }.to_string();
    let cases = [
        (lowered(Some(71.6), Throttle::default()), "frame rate lowered to 2.50 fps at 72 C"),
        (
            lowered(Some(50.0), Throttle::UNDER_VOLTAGE.with(Throttle::THROTTLED)),
            "frame rate lowered to 2.50 fps: the supply voltage is too low",
        ),
        (lowered(None, Throttle::THROTTLED), "frame rate lowered to 2.50 fps: the board throttles"),
    ];
    let failures: Vec<_> = cases.iter().filter(|(said, wanted)| said != wanted).collect();
    assert!(failures.is_empty(), "{failures:?}");
}

/// Writes files under a root.
fn files(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
        fs::write(path, format!("{text}\n")).expect("a file is written");
    }
}

#[test]
fn sensors_are_found() {
    let readings = |temperature_c, throttle: Option<u16>, frequency: Option<(u64, u64)>| Readings {
        temperature_c,
        throttle: throttle.map(Throttle),
        frequency: frequency.map(|(now_khz, max_khz)| Frequency { now_khz, max_khz }),
    };
    type Files = &'static [(&'static str, &'static str)];
    let pi: Files = &[
        ("class/thermal/thermal_zone0/type", "cpu-thermal"),
        ("class/thermal/thermal_zone0/temp", "51121"),
        ("class/thermal/cooling_device0/type", "gpio-fan"),
        ("class/thermal/cooling_device0/cur_state", "1"),
        ("devices/platform/soc/soc:firmware/get_throttled", "50005"),
        ("class/hwmon/hwmon0/name", "cpu_thermal"),
        ("class/hwmon/hwmon1/name", "rpi_volt"),
        ("class/hwmon/hwmon1/in0_lcrit_alarm", "0"),
        ("devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "600000"),
        ("devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "1800000"),
    ];
    let pi_5: Files = &[("devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled", "8")];
    let volts: Files =
        &[("class/hwmon/hwmon1/name", "rpi_volt"), ("class/hwmon/hwmon1/in0_lcrit_alarm", "1")];
    let big: Files = &[
        ("class/thermal/thermal_zone0/type", "gpu-thermal"),
        ("class/thermal/thermal_zone0/temp", "99000"),
        ("class/thermal/thermal_zone1/type", "littlecore-thermal"),
        ("class/thermal/thermal_zone1/temp", "48000"),
        ("class/thermal/thermal_zone2/type", "bigcore0-thermal"),
        ("class/thermal/thermal_zone2/temp", "55500"),
        ("class/thermal/thermal_zone3/type", "soc-thermal"),
        ("class/thermal/thermal_zone3/temp", "70000"),
        ("class/thermal/cooling_device0/type", "thermal-cpufreq-0"),
        ("class/thermal/cooling_device0/cur_state", "2"),
        ("devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "1000000"),
        ("devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "1800000"),
        ("devices/system/cpu/cpufreq/policy4/scaling_cur_freq", "2200000"),
        ("devices/system/cpu/cpufreq/policy4/cpuinfo_max_freq", "2400000"),
    ];
    let nonsense: Files = &[
        ("class/thermal/thermal_zone0/type", "cpu-thermal"),
        ("class/thermal/thermal_zone0/temp", "-2147483648"),
        ("devices/platform/soc/soc:firmware/get_throttled", "often"),
        ("devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", ""),
    ];
    let jetson: Files =
        &[("class/thermal/thermal_zone1/type", "CPU-therm"), ("class/thermal/thermal_zone1/temp", "40500")];
    let radio: Files =
        &[("class/thermal/thermal_zone0/type", "iwlwifi_1"), ("class/thermal/thermal_zone0/temp", "40000")];
    let cases = [
        ("nothing", &[] as Files, None, None, readings(None, None, None)),
        ("pi", pi, None, Some("cpu-thermal"), readings(Some(51.121), Some(5), Some((600_000, 1_800_000)))),
        ("pi 5", pi_5, None, None, readings(None, Some(8), None)),
        ("alarm", volts, None, None, readings(None, Some(1), None)),
        (
            "big",
            big,
            None,
            Some("littlecore-thermal"),
            readings(Some(55.5), Some(2), Some((2_200_000, 2_400_000))),
        ),
        (
            "configured",
            big,
            Some("SOC-thermal"),
            Some("soc-thermal"),
            readings(Some(70.0), Some(2), Some((2_200_000, 2_400_000))),
        ),
        ("configured, absent", radio, Some("cpu-thermal"), None, readings(None, None, None)),
        ("nonsense", nonsense, None, Some("cpu-thermal"), readings(None, None, None)),
        ("jetson", jetson, None, Some("CPU-therm"), readings(Some(40.5), None, None)),
        ("only a radio", radio, None, None, readings(None, None, None)),
    ];
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|(name, tree, zone, found_zone, wanted)| {
            let root = tempfile::tempdir().expect("a folder");
            files(root.path(), tree);
            let mut sensors = SysSensors::at(root.path(), *zone);
            let found = sensors.read();
            (found != *wanted || sensors.zone() != *found_zone)
                .then(|| format!("{name}: {found:?} of {:?}, not {wanted:?}", sensors.zone()))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn sensors_go_and_come() {
    let root = tempfile::tempdir().expect("a folder");
    let mut sensors = SysSensors::at(root.path(), None);
    assert_eq!(sensors.read(), Readings::default());
    let zone = "class/thermal/thermal_zone0";
    files(
        root.path(),
        &[("class/thermal/thermal_zone0/type", "cpu-thermal"), ("class/thermal/thermal_zone0/temp", "50000")],
    );
    let reads = (0..100).take_while(|_| sensors.read().temperature_c.is_none()).count();
    assert!(reads < 100, "found after it came");
    fs::remove_dir_all(root.path().join(zone)).expect("removed");
    assert_eq!(sensors.read().temperature_c, None);
    files(
        root.path(),
        &[("class/thermal/thermal_zone0/type", "cpu-thermal"), ("class/thermal/thermal_zone0/temp", "51000")],
    );
    assert_eq!(sensors.read().temperature_c, Some(51.0));
}

#[test]
fn set_sensors_say_what_they_were_told() {
    let sensors = SetSensors::default();
    let mut read: Box<dyn Sensors> = Box::new(sensors.clone());
    assert_eq!(read.read(), Readings::default());
    let readings = Readings { temperature_c: Some(1.0), ..Readings::default() };
    sensors.set(readings);
    assert_eq!(read.read(), readings);
}
