//! The user's way through the program: what each command prints, writes and answers when all is well.

mod program;
mod tiny;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use program::{
    CALIBRATION, CARD, CLIP, FLOAT, INT8, finish, fresh_folder, masks, project, report, run, sedge, y4m,
};
use serde_json::Value;

/// R, G, B of each class of the shipped model, from the card that ships beside it.
fn palette_of_the_card() -> Vec<u8> {
    let card: Value =
        serde_json::from_slice(&fs::read(project(CARD)).expect("the card")).expect("the card is JSON");
    let colors = card["classes"].as_array().expect("classes").iter().map(|class| class["color"].clone());
    colors.flat_map(|color| serde_json::from_value::<[u8; 3]>(color).expect("R, G, B")).collect()
}

/// What came of `folder`: one line a mask, `frame time_s widthxheight file name`, or what is wrong with it.
fn listing(folder: &Path, palette: &[u8]) -> String {
    let masks = match masks(folder) {
        Ok(masks) => masks,
        Err(error) => return error,
    };
    let line = |mask: &program::StoredMask| {
        if mask.palette != palette {
            return format!("palette {:?}", mask.palette);
        }
        if let Some(id) = mask.ids.iter().find(|&&id| usize::from(id) >= palette.len() / 3) {
            return format!("id {id} is no class");
        }
        let entry = &mask.entry;
        let text = |key: &str| entry[key].as_str().unwrap_or("-").to_string();
        let size = format!("{}x{}", mask.width, mask.height);
        format!("{} {} {size} {} {}", entry["frame"], entry["time_s"], text("file"), text("name"))
    };
    masks.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Every command of a case succeeds, and then the folder lists these masks.
#[test]
fn runs_write_masks() {
    let clip = |frames: usize| {
        let line = |frame| format!("{frame} {:.1} 512x288 {frame:06}.png -", frame as f64 / 10.0);
        (0..frames).map(line).collect::<Vec<_>>().join("\n")
    };
    // Name, commands, standard input of the last one, folder, its listing.
    let int8 = format!("run --frames 2 --model {INT8}");
    type Case<'a> = (&'a str, Vec<&'a str>, Vec<u8>, &'a str, String);
    let cases: Vec<Case> = vec![
        ("the clip inside", vec!["run --frames 3"], vec![], "masks", clip(3)),
        ("a second run", vec!["run --frames 1", "run --frames 2"], vec![], "masks-2", clip(2)),
        (
            "a second run leaves the first alone",
            vec!["run --frames 2", "run --frames 1"],
            vec![],
            "masks",
            clip(2),
        ),
        ("the model's file", vec![&int8], vec![], "masks", clip(2)),
        ("an AVI file", vec!["run --source clips/demo.avi --frames 2"], vec![], "masks", clip(2)),
        (
            "masks of the network's size",
            vec!["run --frames 1 --mask-size network"],
            vec![],
            "masks",
            "0 0.0 257x257 000000.png -".into(),
        ),
        (
            "a folder of pictures",
            vec!["run --source pictures --out a/b"],
            vec![],
            "a/b",
            "0 0.0 320x180 cars-6.png cars-6\n1 1.0 213x320 people-0001.png people-0001\n\
             2 2.0 320x240 street-5.png street-5"
                .into(),
        ),
        (
            "one picture",
            vec!["run --source calibration/voc/photo-cat.jpg"],
            vec![],
            "masks",
            "0 0.0 320x213 photo-cat.png photo-cat".into(),
        ),
        (
            "Y4M on standard input",
            vec!["run --source -"],
            y4m(33, 17, 2),
            "masks",
            "0 0.0 33x17 000000.png -\n1 0.1 33x17 000001.png -".into(),
        ),
        (
            "a pattern",
            vec!["run --source synthetic:40x30@20:2"],
            vec![],
            "masks",
            "0 0.0 40x30 000000.png -\n1 0.05 40x30 000001.png -".into(),
        ),
        (
            "--append",
            vec!["run --frames 2 --out m", "run --source synthetic:8x8@5:2 --out m --append"],
            vec![],
            "m",
            format!("{}\n0 0.0 8x8 000002.png -\n1 0.2 8x8 000003.png -", clip(2)),
        ),
        (
            "--overwrite",
            vec!["run --frames 3 --overlay --out m", "run --frames 1 --out m --overwrite"],
            vec![],
            "m",
            clip(1),
        ),
        ("no frame wanted", vec!["run --frames 0"], vec![], "masks", String::new()),
    ];
    let palette = palette_of_the_card();
    let mut failures = Vec::new();
    for (name, commands, input, out, want) in cases {
        let folder = fresh_folder();
        fs::create_dir(folder.path().join("pictures")).expect("a folder");
        for picture in ["street-5", "cars-6", "people-0001"] {
            let file = format!("{picture}.jpg");
            fs::copy(project(CALIBRATION).join(&file), folder.path().join("pictures").join(&file))
                .expect("a copy");
        }
        let last = commands.len() - 1;
        for (index, command) in commands.into_iter().enumerate() {
            let input = if index == last { input.as_slice() } else { b"" };
            if let Some(failure) = finish(sedge(folder.path(), command), input).failure() {
                failures.push(format!("{name}: {command}: {failure}"));
            }
        }
        let got = listing(&folder.path().join(out), &palette);
        if got != want {
            failures.push(format!("{name}: wanted\n{want}\ngot\n{got}"));
        }
        let classes = fs::read(folder.path().join(out).join("classes.json")).unwrap_or_default();
        let classes: Value = serde_json::from_slice(&classes).unwrap_or_default();
        if (classes[15]["name"].as_str(), classes.as_array().map(Vec::len)) != (Some("person"), Some(21)) {
            failures.push(format!("{name}: classes.json holds {classes}"));
        }
    }
    report(failures);
}

/// What people read: every command prints these words, in this order.
#[test]
fn commands_print_what_came_of_them() {
    let run_words = [
        "2 frames in ",
        " fps\n",
        "median ms",
        "read ",
        "prepare ",
        "infer ",
        "mask ",
        "write ",
        "bytes written to masks",
        "%  background\n",
    ];
    let inspect = format!("inspect {INT8}");
    let nodes = format!("inspect --nodes {FLOAT}");
    let cases: Vec<(&str, &[&str])> = vec![
        ("run --frames 2", &run_words),
        (
            "bench --seconds 0.2 --warm-up 0",
            &["the model inside sedge", "640x480", "prepare", "infer", "mask", "frame"],
        ),
        (
            "bench --steady --steady-limit 0.2 --warm-up 0",
            &["the model inside sedge", "burst ", "steady ", "not yet steady after"],
        ),
        (
            &inspect,
            &[
                "operator set",
                "input   ",
                "[1, 3, 257, 257]",
                "million",
                "Conv ",
                "21 classes",
                "aeroplane",
                "quantization",
            ],
        ),
        (&nodes, &["no card", "Conv ", " M\n"]),
        (
            "eval --data data",
            &[
                "same in model and data: background, person",
                "only in the model",
                "%  mean IoU",
                "pixel accuracy",
                "IoU person",
            ],
        ),
        ("--version", &["sedge "]),
        ("--help", &["run", "convert", "eval", "bench", "inspect", "Exit codes"]),
        ("run --help", &["--source", "--out", "--overlay", "--mask-size"]),
    ];
    let mut failures = Vec::new();
    for (command, words) in cases {
        let folder = fresh_folder();
        write_dataset(folder.path());
        let outcome = run(folder.path(), command);
        failures.extend(outcome.failure().map(|failure| format!("{command}: {failure}")));
        let mut rest = outcome.out.as_str();
        for word in words {
            match rest.split_once(word) {
                Some((_, after)) => rest = after,
                None => {
                    failures.push(format!(
                        "{command}: {word:?} is missing or in another place:\n{}",
                        outcome.out
                    ));
                    break;
                }
            }
        }
    }
    report(failures);
}

/// A data set `data` of two pictures with a block of people in each.
fn write_dataset(folder: &Path) {
    let data = folder.join("data");
    for part in ["images", "masks"] {
        fs::create_dir_all(data.join("test").join(part)).expect("a folder");
    }
    fs::write(data.join("META.json"), br#"{"classes": ["background", "person"]}"#).expect("a file");
    for name in ["people-0001", "people-0125"] {
        fs::copy(
            project(CALIBRATION).join(format!("{name}.jpg")),
            data.join("test/images").join(format!("{name}.jpg")),
        )
        .expect("a copy");
        let mask = image::GrayImage::from_fn(213, 320, |x, y| {
            image::Luma([u8::from((64..160).contains(&x) && y > 80)])
        });
        mask.save(data.join("test/masks").join(format!("{name}.png"))).expect("a mask");
    }
}

/// What programs read: with --json, standard output is one JSON value that has these parts.
#[test]
fn json_is_json() {
    let stages = |names: &[&str]| -> Vec<String> {
        names
            .iter()
            .flat_map(|n| ["median_ms", "p99_ms", "max_ms"].map(|f| format!("/stages/{n}/{f}")))
            .collect()
    };
    let named = |names: &[&str]| -> Vec<String> { names.iter().map(|name| name.to_string()).collect() };
    let inspect = format!("inspect --json {INT8}");
    let cases: Vec<(&str, Vec<String>)> = vec![
        (
            "run --frames 2 --json",
            [
                named(&[
                    "/frames",
                    "/broken",
                    "/elapsed_s",
                    "/fps",
                    "/bytes_written",
                    "/classes_percent/background",
                    "/out",
                    "/stopped",
                ]),
                stages(&["read", "prepare", "infer", "mask", "write"]),
            ]
            .concat(),
        ),
        (
            "bench --json --seconds 0.2 --warm-up 0",
            [
                named(&["/model", "/frame/width", "/frames", "/threads"]),
                stages(&["prepare", "infer", "mask", "frame"]),
            ]
            .concat(),
        ),
        (
            "bench --json --steady --steady-limit 0.2 --warm-up 0",
            named(&[
                "/model",
                "/settled",
                "/ratio",
                "/burst/median_ms",
                "/steady/p99_ms",
                "/steady/throttle",
            ]),
        ),
        (
            &inspect,
            named(&[
                "/opset",
                "/inputs/0/shape/3",
                "/outputs/0/name",
                "/macs",
                "/operators/Conv",
                "/card/classes/20/name",
                "/card/input/mean/2",
                "/card/quantization/method",
                "/nodes/0/op",
            ]),
        ),
        (
            "eval --data data --json",
            named(&[
                "/mean_iou_percent",
                "/pixel_accuracy_percent",
                "/frequency_weighted_iou_percent",
                "/iou_percent/person",
                "/pixels",
                "/folded_model/0",
                "/matched/0/0",
            ]),
        ),
    ];
    let mut failures = Vec::new();
    for (command, parts) in cases {
        let folder = fresh_folder();
        write_dataset(folder.path());
        let outcome = run(folder.path(), command);
        failures.extend(outcome.failure().map(|failure| format!("{command}: {failure}")));
        match serde_json::from_str::<Value>(&outcome.out) {
            Err(error) => failures.push(format!("{command}: {error}:\n{}", outcome.out)),
            Ok(value) => failures.extend(
                parts
                    .iter()
                    .filter(|part| value.pointer(part).is_none_or(Value::is_null))
                    .map(|part| format!("{command}: {part} is missing")),
            ),
        }
    }
    report(failures);
}

#[test]
fn overlays_lie_beside_their_masks() {
    let folder = fresh_folder();
    let outcome = run(folder.path(), "run --frames 2 --overlay");
    assert_eq!(outcome.failure(), None);
    let masks = masks(&folder.path().join("masks")).expect("whole masks");
    for mask in &masks {
        let name = mask.entry["overlay"].as_str().expect("the index names the overlay");
        let overlay = image::open(folder.path().join("masks").join(name)).expect("a whole picture");
        assert_eq!((overlay.width(), overlay.height()), (512, 288), "{name}");
    }
    assert_eq!(masks.len(), 2);
}

/// A classifier is measured on folders of pictures; here one whose answer is always its second class.
#[test]
fn classifiers_are_measured_on_folders() {
    use sedge::onnx::{Attribute, Node, Tensor};
    let folder = fresh_folder();
    let mut model = tiny::carded();
    model.graph.nodes = vec![
        Node::new("pool", "GlobalAveragePool", &["image"], &["pooled"]),
        Node::new("flat", "Flatten", &["pooled"], &["flat"]).with("axis", Attribute::Int(1)),
        Node::new("scores", "Gemm", &["flat", "weight", "bias"], &["scores"]),
    ];
    model.graph.initializers = [
        ("weight".to_string(), Tensor::f32(&[3, 2], vec![0.0; 6])),
        ("bias".to_string(), Tensor::f32(&[2], vec![0.0, 1.0])),
    ]
    .into();
    model.graph.outputs = vec![tiny::value("scores", &[1, 2])];
    model.write(&folder.path().join("net.onnx")).expect("a model");
    for (class, picture) in [("a", "photo-cat"), ("b", "photo-owl"), ("b", "street-5"), ("b", "cars-6")] {
        fs::create_dir_all(folder.path().join("data").join(class)).expect("a folder");
        let file = format!("{picture}.jpg");
        fs::copy(project(CALIBRATION).join(&file), folder.path().join("data").join(class).join(&file))
            .expect("a copy");
    }
    let outcome = run(folder.path(), "eval --model net.onnx --data data --json");
    assert_eq!(outcome.failure(), None);
    let value: Value = serde_json::from_str(&outcome.out).expect("JSON");
    assert_eq!((value["images"].as_u64(), value["top1_percent"].as_f64()), (Some(4), Some(75.0)));
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(status.expect("kill starts").success());
}

/// Waits until `done`, and fails after a minute.
fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not happen in a minute");
        std::thread::yield_now();
    }
}

/// Ctrl-C in the middle of an endless run: the frame in hand is finished, the summary is printed, within two seconds.
#[test]
fn a_signal_ends_a_run_well() {
    let mut failures = Vec::new();
    let mut fastest = Duration::MAX;
    for name in ["INT", "TERM"] {
        let folder = fresh_folder();
        let masks_folder = folder.path().join("masks");
        let child = sedge(folder.path(), "run --source synthetic:64x48@30 --json")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let listed =
            || fs::read_to_string(masks_folder.join("index.jsonl")).map_or(0, |text| text.lines().count());
        wait_until("the second mask", || listed() >= 2);
        let told = Instant::now();
        signal(&child, name);
        let output = child.wait_with_output().expect("it ends");
        fastest = fastest.min(told.elapsed());
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let stored = masks(&masks_folder).map(|masks| masks.len() as u64);
        if output.status.code() != Some(0)
            || summary["stopped"] != true
            || stored.as_ref().ok() != summary["frames"].as_u64().as_ref()
        {
            failures.push(format!("SIG{name}: {output:?}, masks: {stored:?}"));
        }
    }
    // One of the two may have met another test's load.
    if fastest > Duration::from_secs(2) {
        failures.push(format!("it takes {fastest:?} to end"));
    }
    report(failures);
}

/// A signal that comes twice at once, as from a terminal and a service manager, still lets a run end well, though its source
/// hangs.
#[test]
fn a_signal_that_comes_twice_is_one() {
    let folder = fresh_folder();
    let mut child = sedge(folder.path(), "run --source - --json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut camera = child.stdin.take().expect("standard input is piped");
    // One whole frame and nothing after it: the program waits for more.
    camera.write_all(&y4m(8, 8, 1)).expect("the program reads");
    let index = folder.path().join("masks/index.jsonl");
    wait_until("the first mask", || fs::read(&index).is_ok_and(|bytes| bytes.ends_with(b"\n")));
    signal(&child, "INT");
    signal(&child, "TERM");
    let output = child.wait_with_output().expect("it ends");
    drop(camera);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!((output.status.code(), &summary["stopped"]), (Some(0), &Value::Bool(true)), "{output:?}");
    assert_eq!(masks(&folder.path().join("masks")).expect("whole masks").len(), 1);
}

/// Puts the fake ffmpeg on the search path of a command.
fn with_fake_ffmpeg(mut command: Command, folder: &Path) -> Command {
    let ffmpeg = project("tests/fixtures/camera/fake-ffmpeg.sh");
    std::os::unix::fs::symlink(ffmpeg, folder.join("ffmpeg")).expect("a link");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    command.env("PATH", path).env("PID_FILE", folder.join("ffmpeg.pid"));
    command
}

/// A source that has not given a frame yet is stopped like any other, and its child process goes with the program.
#[test]
fn no_ffmpeg_is_left_behind() {
    let mut failures = Vec::new();
    let config = "[camera]\nsource = \"SOURCE\"\n[store]\npath = \"store\"\n";
    for source in ["fake://no-beginning", "rtsp://no-beginning", "fake://one-frame", "rtsp://one-frame"] {
        for arguments in [format!("run --source {source}"), "run --config sedge.toml".to_owned()] {
            let folder = fresh_folder();
            fs::write(folder.path().join("sedge.toml"), config.replace("SOURCE", source)).expect("a file");
            let child = with_fake_ffmpeg(sedge(folder.path(), &arguments), folder.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the program starts");
            let pid_file = folder.path().join("ffmpeg.pid");
            wait_until("the child's start", || fs::read(&pid_file).is_ok_and(|bytes| bytes.ends_with(b"\n")));
            let pid = fs::read_to_string(&pid_file).expect("a number");
            signal(&child, "TERM");
            let output = child.wait_with_output().expect("it ends");
            if output.status.code() != Some(0) || Path::new("/proc").join(pid.trim()).exists() {
                failures.push(format!("{source}, {arguments}: {output:?}"));
            }
        }
    }
    report(failures);
}

/// A camera on the network that is lost is opened again; a file that ends early ends the run.
#[test]
fn streams_of_the_network_are_opened_again() {
    let folder = fresh_folder();
    let command = with_fake_ffmpeg(sedge(folder.path(), "run --source rtsp://cut --frames 3"), folder.path());
    let outcome = finish(command, b"");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    // Once after each of the first two; after the third the run may be over first.
    assert!(outcome.err.matches("no frames: ends in the middle of frame 1").count() >= 2, "{outcome:?}");
    assert_eq!(masks(&folder.path().join("masks")).expect("whole masks").len(), 3);
    let folder = fresh_folder();
    let command = with_fake_ffmpeg(sedge(folder.path(), "run --source fake://cut"), folder.path());
    let outcome = finish(command, b"");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
}

/// Whoever reads the output may stop reading, and whoever reads the messages too.
#[test]
fn readers_that_go_away_are_no_error() {
    let program = env!("CARGO_BIN_EXE_sedge");
    let cases = [
        ("run --frames 2", "| head -n 1"),
        ("run --frames 2", "| true"),
        ("run --frames 2", "2>&1 >/dev/null | true"),
        ("run --frames 2", "2>&1 | head -n 1"),
        ("run --frames 2", ">&- 2>&-"),
        ("--help", "| true"),
        ("inspect --nodes models/deeplabv3_mnv2_dm05_voc21_257.int8.onnx", "| head -n 2"),
        ("run --frames 1 --source folder", "2>&1 >/dev/null | true"),
    ];
    let mut failures = Vec::new();
    for (arguments, reader) in cases {
        let folder = fresh_folder();
        // A broken picture, so that there is a message in the middle of the run.
        fs::create_dir(folder.path().join("folder")).expect("a folder");
        fs::write(folder.path().join("folder/0.png"), b"no picture").expect("a file");
        fs::copy(project(CALIBRATION).join("cars-6.jpg"), folder.path().join("folder/1.jpg"))
            .expect("a copy");
        let line = format!("{program} {arguments} {reader}; echo exit ${{PIPESTATUS[0]}} >>codes");
        let mut bash = Command::new("bash");
        bash.args(["-c", &line]).current_dir(folder.path());
        let outcome = finish(bash, b"");
        let codes = fs::read_to_string(folder.path().join("codes")).unwrap_or_default();
        let panicked = outcome.err.contains("panicked") || outcome.out.contains("panicked");
        if codes != "exit 0\n" || panicked {
            failures.push(format!("{arguments} {reader}: {codes} {outcome:?}"));
        }
        if arguments.starts_with("run") {
            failures.extend(masks(&folder.path().join("masks")).err());
        }
    }
    report(failures);
}

/// The program needs nothing of its surroundings but the files that it is given.
#[test]
fn surroundings_do_not_matter() {
    let cases: [(&str, &[(&str, &str)]); 4] = [
        ("nothing set", &[]),
        ("Turkish", &[("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR.UTF-8"), ("HOME", "/nonexistent")]),
        ("not UTF-8", &[("LC_ALL", "ja_JP.SJIS"), ("TERM", "dumb"), ("COLUMNS", "1")]),
        (
            "odd variables",
            &[("RUST_LOG", "trace"), ("NO_COLOR", "1"), ("RUST_BACKTRACE", "full"), ("TMPDIR", "/none")],
        ),
    ];
    let mut failures = Vec::new();
    for (name, variables) in cases {
        let folder = fresh_folder();
        let out = folder.path().join("masks");
        // Nobody, not even root, can write in the working folder.
        let mut command = sedge(Path::new("/proc"), "run --frames 1 --out");
        command.arg(&out).env_clear().envs(variables.iter().copied());
        let outcome = finish(command, b"");
        failures.extend(outcome.failure().map(|failure| format!("{name}: {failure}")));
        if !outcome.out.starts_with("1 frames in ") {
            failures.push(format!("{name}: prints\n{}", outcome.out));
        }
        failures.extend(masks(&out).err().map(|error| format!("{name}: {error}")));
    }
    report(failures);
}

/// Away from a terminal, progress is plain lines on standard error.
#[test]
fn progress_is_plain_lines_away_from_a_terminal() {
    let folder = fresh_folder();
    let mut child = sedge(folder.path(), "run --source - --frames 3")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("piped").write_all(&y4m(8, 8, 3)).expect("the program reads");
    let mut messages = BufReader::new(child.stderr.take().expect("piped"));
    let mut first = String::new();
    messages.read_line(&mut first).expect("a line");
    let mut rest = String::new();
    messages.read_to_string(&mut rest).expect("text");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(first, "standard input -> the model inside sedge -> masks\n");
    assert!(
        !rest.contains(['\r', '\u{1b}']) && rest.lines().all(|line| line.starts_with("segmenting ")),
        "{rest}"
    );
}

#[test]
fn the_clip_and_the_models_that_ship_are_those_inside() {
    let folder = fresh_folder();
    let commands = [
        "run --frames 2 --out inside".to_string(),
        format!("run --frames 2 --model {INT8} --source {CLIP} --out files"),
    ];
    for command in &commands {
        assert_eq!(run(folder.path(), command).failure(), None, "{command}");
    }
    let [inside, files] =
        ["inside", "files"].map(|out| masks(&folder.path().join(out)).expect("whole masks"));
    assert_eq!(program::agreement_percent(program::ids(&inside), program::ids(&files)), 100.0);
}

/// Ctrl-C on a terminal reaches ffmpeg as well as the program, so the end of the stream is no failure then.
#[test]
fn a_signal_to_ffmpeg_too_ends_a_run_well() {
    use std::os::unix::process::CommandExt;
    let folder = fresh_folder();
    let command = sedge(folder.path(), "run --source fake://endless --json");
    let child = with_fake_ffmpeg(command, folder.path())
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let index = folder.path().join("masks/index.jsonl");
    wait_until("the first mask", || fs::read(&index).is_ok_and(|bytes| bytes.ends_with(b"\n")));
    let status = Command::new("kill").args(["-INT", "--", &format!("-{}", child.id())]).status();
    assert!(status.expect("kill starts").success());
    let output = child.wait_with_output().expect("it ends");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!((output.status.code(), &summary["stopped"]), (Some(0), &Value::Bool(true)), "{output:?}");
    let stored = masks(&folder.path().join("masks")).expect("whole masks").len();
    assert_eq!(summary["frames"].as_u64(), Some(stored as u64));
}
