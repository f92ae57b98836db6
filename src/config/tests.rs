//! Tables of good and bad configurations.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keys::KEYS;
use super::units::{say_bytes, say_duration};
use super::*;

fn fails(failures: Vec<String>) {
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Parses each text and compares what it changes in the default configuration.
#[test]
fn good_files() {
    type Change = fn(&mut Config);
    let cases: &[(&str, Change)] = &[
        ("", |_| ()),
        ("# nothing\n[camera]\n", |_| ()),
        ("[model]\npath = \"m.onnx\"\nthreads = 4", |c| {
            c.model = ModelConfig { path: Some("m.onnx".into()), threads: Some(4) };
        }),
        ("camera.source = \"synthetic:8x8@5\"", |c| c.camera.source = Some("synthetic:8x8@5".to_owned())),
        ("[camera]\nwidth = 640\nheight = 480\nfps = 12.5\nformat = \"YUYV\"\ntimeout_s = 2.5", |c| {
            c.camera.width = Some(640);
            c.camera.height = Some(480);
            c.camera.fps = Some(12.5);
            c.camera.format = Some("YUYV".to_owned());
            c.camera.timeout = Some(Duration::from_millis(2500));
        }),
        ("[camera]\nformat = \"auto\"\nfps = 30", |c| c.camera.fps = Some(30.0)),
        ("[camera]\nrotate = 90\nmirror = \"horizontal\"", |c| {
            (c.camera.rotate, c.camera.mirror) = (Rotate::Quarter, Mirror::Horizontal);
        }),
        ("[camera]\nrotate = 270\nmirror = \"both\"", |c| {
            (c.camera.rotate, c.camera.mirror) = (Rotate::ThreeQuarters, Mirror::Both);
        }),
        ("[camera]\nwidth = 0x280\nheight = 480\ncrop = [40, 0, 600, 480]", |c| {
            (c.camera.width, c.camera.height) = (Some(640), Some(480));
            c.camera.crop = Some(Crop { x: 40, y: 0, width: 600, height: 480 });
        }),
        ("[camera]\ncrop = [1, 2, 3, 4]", |c| {
            c.camera.crop = Some(Crop { x: 1, y: 2, width: 3, height: 4 });
        }),
        ("[camera.controls]\nexposure_time_absolute = 1_00\nwhite_balance_automatic = false", |c| {
            c.camera.controls.insert("exposure_time_absolute".to_owned(), Control::Number(100));
            c.camera.controls.insert("white_balance_automatic".to_owned(), Control::Switch(false));
        }),
        ("[camera]\ncontrols = { gain = -3 }", |c| {
            c.camera.controls.insert("gain".to_owned(), Control::Number(-3));
        }),
        ("[store]\npath = \"/mnt/card/m\"\nmount = \"/mnt/card\"\nmount_uuid = \"1234-ABCD\"", |c| {
            c.store.path = "/mnt/card/m".into();
            c.store.mount = Some("/mnt/card".into());
            c.store.mount_uuid = Some("1234-ABCD".to_owned());
        }),
        ("[store]\nformat = \"png\"", |c| c.store.format = StoreFormat::Png),
        ("[store]\nsync = \"record\"", |c| c.store.sync = Sync::Record),
        ("[store]\nencoding = \"png\"\nsync = \"close\"", |c| {
            (c.store.encoding, c.store.sync) = (Encoding::Png, Sync::Close);
        }),
        ("[store]\nsync = \"2.5 min\"\nmax_age = \"30d\"", |c| {
            c.store.sync = Sync::Interval(Duration::from_secs(150));
            c.store.max_age = Some(Duration::from_secs(30 * 86_400));
        }),
        (
            "[store]\nsegment_bytes = 1048576\nmax_bytes = \"20GB\"\nmin_free_bytes = \"2GiB\"\nwrite_bytes_per_day = 5_000_000",
            |c| {
                c.store.segment_bytes = 1 << 20;
                c.store.max_bytes = Some(20_000_000_000);
                c.store.min_free_bytes = 2 << 30;
                c.store.write_bytes_per_day = Some(5_000_000);
            },
        ),
        ("[store]\nsegment_age = \"15min\"", |c| c.store.segment_age = Duration::from_secs(900)),
        ("[store]\nmin_free_bytes = 0", |c| c.store.min_free_bytes = 0),
        ("[save]\nevery = \"10s\"\nchange = 0.02\nclasses = [\"person\", \"dog\"]", |c| {
            c.save.every = SaveEvery::Interval(Duration::from_secs(10));
            c.save.change = Some(0.02);
            c.save.classes = vec!["person".to_owned(), "dog".to_owned()];
        }),
        ("[save]\nevery = \"frame\"\nchange = 1", |c| c.save.change = Some(1.0)),
        (
            "[governor]\nfps_max = 5\nfps_min = 5.0\ntemperature_max_c = 70\nthermal_zone = \"cpu-thermal\"",
            |c| {
                c.governor = GovernorConfig {
                    fps_max: Some(5.0),
                    fps_min: 5.0,
                    temperature_max_c: 70.0,
                    thermal_zone: Some("cpu-thermal".to_owned()),
                };
            },
        ),
        ("[governor]\nthermal_zone = \"auto\"", |_| ()),
        ("[display]\nfps = 0.5", |c| c.display.fps = 0.5),
        ("[display]\ndevice = \"/dev/fb0\"\noverlay = false\nlegend = false\nstatistics = false", |c| {
            c.display = DisplayConfig {
                device: Some("/dev/fb0".into()),
                fps: 10.0,
                overlay: false,
                legend: false,
                statistics: false,
            };
        }),
        ("[status]\nfile = \"/run/sedge/status.json\"\ninterval_s = 30", |c| {
            c.status = StatusConfig {
                file: Some("/run/sedge/status.json".into()),
                interval: Duration::from_secs(30),
            };
        }),
    ];
    let failures = cases.iter().filter_map(|(text, change)| {
        let mut wanted = Config::default();
        change(&mut wanted);
        match Config::parse(text, "sedge.toml") {
            Ok(config) if config == wanted => None,
            other => Some(format!("{text}\n gives {other:?}\nwanted {wanted:?}")),
        }
    });
    fails(failures.collect());
}

/// Parses each text and compares the message.
#[test]
fn bad_files() {
    let cases = [
        ("[camera]\nwidht = 640", "2: there is no key camera.widht; did you mean camera.width?"),
        ("[camera]\nheihgt = 640", "2: there is no key camera.heihgt; did you mean camera.height?"),
        ("[camera]\ntimeout = 4", "2: there is no key camera.timeout; did you mean camera.timeout_s?"),
        ("[camera]\nfps_max = 4", "2: there is no key camera.fps_max; did you mean camera.fps?"),
        ("[store]\nfps_min = 4", "2: there is no key store.fps_min; did you mean governor.fps_min?"),
        (
            "[store]\nmaximum_bytes = 4",
            "2: there is no key store.maximum_bytes; did you mean store.max_bytes?",
        ),
        ("[camera]\nquux = 1", "2: there is no key camera.quux"),
        ("\n[cammera]\nwidth = 1", "2: there is no section [cammera]; did you mean [camera]?"),
        ("[network]", "1: there is no section [network]"),
        ("width = 640", "1: there is no key width outside a section; did you mean camera.width?"),
        ("camera = 3", "1: [camera] is a section; write [camera] on a line of its own"),
        ("[camera\n", "1: this is not TOML: unclosed table, expected `]`"),
        ("[camera]\nwidth = 1\nwidth = 2", "3: this is not TOML: duplicate key"),
        (
            "[camera]\n\nwidth = \"640\"",
            "3: camera.width is a text, but has to be a whole number from 1 to 16384",
        ),
        ("[camera]\nwidth = 0", "2: camera.width is 0, but has to be from 1 to 16384"),
        (
            "[camera]\nwidth = 64.0",
            "2: camera.width is a number with a point, but has to be a whole number from 1 to 16384",
        ),
        ("[camera]\nwidth = 99999999999999999999", "2: camera.width is too large a number"),
        ("[camera]\nwidth = 640", "2: camera.width needs camera.height beside it"),
        ("[camera]\nheight = 640", "2: camera.height needs camera.width beside it"),
        ("[camera]\nfps = nan", "2: camera.fps is NaN, but has to be from 0.01 to 1000"),
        ("[camera]\nfps = 0", "2: camera.fps is 0, but has to be from 0.01 to 1000"),
        ("[camera]\nsource = \" \"", "2: camera.source is empty; write a text, or leave the line out"),
        (
            "[camera]\nsource = 0",
            "2: camera.source is a whole number, but has to be a text in quotation marks",
        ),
        (
            "[camera]\nformat = \"yuyv\"",
            "2: camera.format is \"yuyv\", but has to be one of \"auto\", \"YUYV\", \"UYVY\", \"NV12\", \"YU12\", \
             \"MJPG\", \"RGB3\", \"BGR3\", \"GREY\"",
        ),
        ("[camera]\nrotate = 45", "2: camera.rotate is 45, but has to be 0, 90, 180 or 270"),
        (
            "[camera]\ntimeout_s = \"5s\"",
            "2: camera.timeout_s is a text, but has to be a number of seconds, without a unit",
        ),
        (
            "[camera]\ncrop = [0, 0, 10]",
            "2: camera.crop has to be a list of four whole numbers, [x, y, width, height]",
        ),
        (
            "[camera]\ncrop = [0, 0, 10, 0]",
            "2: camera.crop has to have x and y from 0, and a width and a height from 1",
        ),
        (
            "[camera]\nwidth = 640\nheight = 480\ncrop = [4294967295, 0, 4294967295, 480]",
            "4: camera.crop leaves the frame: 4294967295x480 from (4294967295, 0) in 640x480",
        ),
        (
            "[camera]\ncrop = [41, 0, 600, 480]\nwidth = 640\nheight = 480",
            "2: camera.crop leaves the frame: 600x480 from (41, 0) in 640x480",
        ),
        (
            "[camera]\ncrop = [0, 1, 640, 480]\nwidth = 640\nheight = 480",
            "2: camera.crop leaves the frame: 640x480 from (0, 1) in 640x480",
        ),
        (
            "[camera.controls]\ngain = 1\nhue = \"x\"",
            "3: camera.controls.hue is a text, but has to be a whole number, true or false",
        ),
        (
            "[camera]\ncontrols = 3",
            "2: camera.controls is a whole number, but has to be a section, [camera.controls]",
        ),
        (
            "[store]\nmax_bytes = \"20 Gb\"",
            "2: store.max_bytes is not a size; write a size such as \"500MB\" or \"2GiB\"",
        ),
        ("[store]\nmax_bytes = -1", "2: store.max_bytes is below zero; write a size"),
        (
            "[store]\nmax_bytes = \"9e9TB\"",
            "2: store.max_bytes is not a size; write a size such as \"500MB\" or \"2GiB\"",
        ),
        (
            "[store]\nmax_bytes = \"20MB\"",
            "2: store.max_bytes has to hold at least two segments of 16MiB (store.segment_bytes)",
        ),
        (
            "[store]\nsegment_bytes = \"1kB\"",
            "2: store.segment_bytes is 1kB, but has to be from 64KiB to 1GiB",
        ),
        (
            "[store]\nmax_age = \"30 days\"",
            "2: store.max_age is not a time; write a time such as \"10s\", \"5min\", \"1h\" or \"30d\"",
        ),
        (
            "[store]\nmax_age = 30",
            "2: store.max_age is a whole number, but has to be a time with its unit such as \"10s\"",
        ),
        ("[store]\nmax_age = \"1s\"", "2: store.max_age is 1s, but has to be from 1min to 36500d"),
        (
            "[store]\nsync = \"never\"",
            "2: store.sync is not a time; write a time such as \"10s\", \"5min\", \"1h\" or \"30d\" (or \"record\" or \"close\")",
        ),
        (
            "[store]\nsync = \"0s\"",
            "2: store.sync is 0ms, but has to be from 1s to 1d (or \"record\" or \"close\")",
        ),
        (
            "[store]\nformat = \"png\"\nmax_bytes = \"1GB\"",
            "3: store.max_bytes holds for store.format = \"segments\" only; remove it or the format",
        ),
        (
            "[store]\nformat = \"png\"\nmount = \"/mnt/card\"\npath = \"/mnt/card/masks\"",
            "3: store.mount holds for store.format = \"segments\" only; remove it or the format",
        ),
        ("[store]\nmount = \"card\"", "2: store.mount has to begin with /, as mount points do"),
        (
            "[store]\npath = \"/mnt/cards\"\nmount = \"/mnt/card\"",
            "3: store.mount is /mnt/card, but store.path (/mnt/cards) does not lie in it",
        ),
        ("[store]\nmount_uuid = \"1\"", "2: store.mount_uuid needs store.mount beside it"),
        ("[store]\nsegment_age = \"1s\"", "2: store.segment_age is 1s, but has to be from 1min to 30d"),
        ("[display]\nfps = 0", "2: display.fps is 0, but has to be from 0.01 to 60"),
        ("[save]\nchange = 2", "2: save.change is 2, but has to be from 0.0001 to 1"),
        (
            "[save]\nclasses = \"person\"",
            "2: save.classes is a text, but has to be a list such as [\"person\", \"dog\"]",
        ),
        (
            "[save]\nclasses = [\"a\",\n 3]",
            "3: save.classes holds an item that is a whole number, but has to be a text in quotation marks",
        ),
        ("[save]\nclasses = [\"a\", \"a\"]", "2: save.classes names \"a\" twice"),
        (
            "[governor]\nfps_max = 2\nfps_min = 3",
            "3: governor.fps_min does not fit: fps_min (3) is above fps_max",
        ),
        ("[governor]\nfps_max = 0.1", "2: governor.fps_max does not fit: fps_min (0.2) is above fps_max"),
        ("[display]\noverlay = \"yes\"", "2: display.overlay is a text, but has to be true or false"),
        ("[status]\ninterval_s = 0.5", "2: status.interval_s is 0.5, but has to be from 1 to 86400"),
        (
            "[status]\ninterval_s = 0.5\n[camera]\nwidht = 3",
            "2: status.interval_s is 0.5, but has to be from 1 to 86400",
        ),
    ];
    let failures = cases.iter().filter_map(|(text, wanted)| {
        let found = Config::parse(text, "sedge.toml").err().map(|error| error.to_string());
        let wanted = format!("sedge.toml:{wanted}");
        (found.as_deref() != Some(&wanted)).then(|| format!("{text}\n gives {found:?}\nwanted {wanted:?}"))
    });
    fails(failures.collect());
}

#[test]
fn units() {
    let bytes = [
        ("0", Some(0)),
        ("12", Some(12)),
        ("12B", Some(12)),
        ("1.5GB", Some(1_500_000_000)),
        ("1_000 kB", Some(1_000_000)),
        ("2KiB", Some(2048)),
        (" 1TiB ", Some(1 << 40)),
        ("9000TB", Some(9_000_000_000_000_000)),
        ("10000TB", None),
        ("", None),
        ("MB", None),
        ("-1MB", None),
        ("1mb", None),
        ("1..5MB", None),
        ("1MB 3", None),
        ("inf", None),
        ("1e400", None),
    ];
    let times = [
        ("0s", Some(0)),
        ("250ms", Some(250)),
        ("1.5 s", Some(1500)),
        ("5min", Some(300_000)),
        ("1h", Some(3_600_000)),
        ("30d", Some(2_592_000_000)),
        ("100001d", None),
        ("10", None),
        ("1m", None),
        ("s", None),
        ("", None),
        ("1 s s", None),
    ];
    let bytes = bytes.iter().filter_map(|(text, wanted)| {
        let found = parse_bytes(text).ok();
        (found != *wanted).then(|| format!("{text}: {found:?}, not {wanted:?}"))
    });
    let times = times.iter().filter_map(|(text, wanted)| {
        let found = parse_duration(text).ok();
        (found != wanted.map(Duration::from_millis)).then(|| format!("{text}: {found:?}, not {wanted:?} ms"))
    });
    fails(bytes.chain(times).collect());
}

#[test]
fn what_messages_say_reads_back() {
    let bytes = [1, 1000, 1024, 65_536, 200_000_000, 1 << 30, 1_000_001, 1 << 53];
    let times = [1, 100, 1000, 60_000, 90_000, 3_600_000, 86_400_000];
    let bytes = bytes.iter().filter(|&&bytes| {
        let said = say_bytes(bytes);
        parse_bytes(said.trim_end_matches(" bytes")) != Ok(bytes)
    });
    let times = times.iter().filter(|&&millis| {
        let time = Duration::from_millis(millis);
        parse_duration(&say_duration(time)) != Ok(time)
    });
    fails(bytes.chain(times).map(u64::to_string).collect());
}

#[test]
fn a_running_program_takes_what_it_can() {
    let old = "[camera]\nwidth = 640\nheight = 480\n[governor]\nfps_max = 5\n";
    let cases: &[(&str, &[&str], &[&str])] = &[
        (old, &[], &[]),
        (
            "[camera]\nwidth = 320\nheight = 480\n[governor]\nfps_max = 2\n[save]\nevery = \"1s\"\n",
            &["save.every", "governor.fps_max"],
            &["camera.width"],
        ),
        ("", &["governor.fps_max"], &["camera.width", "camera.height"]),
        (
            "[camera]\nwidth = 640\nheight = 480\ncontrols.gain = 1\n[governor]\nfps_max = 5",
            &[],
            &["camera.controls"],
        ),
        (
            "[camera]\nwidth = 640\nheight = 480\n[store]\nsegment_bytes = \"1MB\"\nmax_bytes = \"4MB\"\n[governor]\nfps_max = 5",
            &["store.segment_bytes", "store.max_bytes"],
            &[],
        ),
        (
            "[camera]\nwidth = 640\nheight = 480\n[governor]\nfps_max = 5\n[store]\nsync = \"1s\"\nsegment_age = \"1min\"\n\
             max_age = \"1d\"\nmin_free_bytes = 0\nwrite_bytes_per_day = \"1GB\"\nencoding = \"png\"\n\
             mount = \"/mnt\"\npath = \"/mnt/m\"\nmount_uuid = \"1\"\n[display]\nfps = 1",
            &[
                "store.sync",
                "store.segment_age",
                "store.max_age",
                "store.min_free_bytes",
                "store.write_bytes_per_day",
                "display.fps",
            ],
            &["store.path", "store.encoding", "store.mount", "store.mount_uuid"],
        ),
        (
            // What does not go with what stays waits too.
            "[camera]\nwidth = 640\nheight = 480\n[governor]\nfps_max = 5\n[store]\nformat = \"png\"",
            &[],
            &["store.format"],
        ),
    ];
    let failures = cases.iter().filter_map(|(new, applied, needs_restart)| {
        let [mut config, new] = [old, new].map(|text| Config::parse(text, "sedge.toml").expect("good files"));
        let reload = config.reload(&new);
        let again = config.reload(&new);
        let wanted = Reload { applied: applied.to_vec(), needs_restart: needs_restart.to_vec() };
        let taken = applied.is_empty()
            || config.governor == new.governor
                && config.save == new.save
                && config.store.max_bytes == new.store.max_bytes
                && config.store.sync == new.store.sync;
        let kept = config.camera.width == Some(640) && config.store.path == Path::new("masks");
        let kept = kept && config.store.mount.is_none() && config.store.encoding == Encoding::Rle;
        (reload != wanted || !again.applied.is_empty() || !taken || !kept)
            .then(|| format!("{new:?}: {reload:?}, then {again:?}"))
    });
    fails(failures.collect());
}

/// A folder of pictures has no limits that a running program could change.
#[test]
fn limits_wait_where_there_are_none() {
    let parse = |text| Config::parse(text, "sedge.toml").expect("good files");
    let mut config = parse("[store]\nformat = \"png\"");
    let reload = config.reload(&parse("[store]\nmax_bytes = \"1GB\"\n[save]\nevery = \"1s\""));
    let wanted = (vec!["save.every"], vec!["store.format", "store.max_bytes"]);
    assert_eq!((reload.applied, reload.needs_restart), wanted);
    assert_eq!(config.store.max_bytes, None);
}

#[test]
fn every_key_has_its_own_name_and_a_section() {
    let mut names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    assert!(names.iter().all(|name| name.matches('.').count() == 1), "{names:?}");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KEYS.len());
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let large = folder.path().join("large.toml");
    std::fs::write(&large, vec![b'#'; (1 << 20) + 1]).expect("a file");
    let latin = folder.path().join("latin.toml");
    std::fs::write(&latin, b"# \xe9\n").expect("a file");
    let pipe = folder.path().join("pipe.toml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there");
    assert!(made.success());
    // Neither has an end.
    let zero = folder.path().join("zero.toml");
    std::os::unix::fs::symlink("/dev/zero", &zero).expect("a link");
    let cases = [
        (folder.path().join("none.toml"), "No such file"),
        (large, "1 MiB"),
        (latin, "UTF-8"),
        (pipe, "it is no regular file"),
        (zero, "it is no regular file"),
    ];
    let failures = cases.iter().filter_map(|(path, wanted): &(PathBuf, &str)| {
        let found = Config::read(path).map_err(|error| error.to_string());
        let said = found.as_ref().is_err_and(|said| said.contains(wanted) && said.contains(".toml"));
        (!said).then(|| format!("{found:?}"))
    });
    fails(failures.collect());
}

/// The configuration that the package installs is good and tells of every key.
#[test]
fn the_packaged_file_is_good() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/sedge.toml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(!path.exists());
        return;
    };
    let mut wrong: Vec<String> =
        Config::parse(&text, "sedge.toml").err().iter().map(ToString::to_string).collect();
    let tells_of = |name: &str| {
        let lines = text.lines().map(|line| line.trim_start_matches("# "));
        let (_, key) = name.split_once('.').expect("a section");
        lines.into_iter().any(|line| line.starts_with(&format!("{key} =")) || line == format!("[{name}]"))
    };
    wrong.extend(KEYS.iter().map(|key| key.name.to_owned()).filter(|name| !tells_of(name)));
    fails(wrong);
}
