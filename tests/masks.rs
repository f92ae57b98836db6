//! `sedge masks` on both kinds of store: what it prints, writes and answers, and that other tools read its exports.
//!
//! What needs a Python with pycocotools (`SEDGE_PYTHON`) or the program ffprobe is listed as ignored without them.

mod program;
mod reference;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use program::{Outcome, finish, project, run, sedge};
use sedge::clock::{Clock, ManualClock};
use sedge::mask::{Mask, classes_from_names};
use sedge::store::segments::StoreOptions;
use sedge::store::{Existing, MaskFolder, Record, RecordMeta, SegmentStore};
use serde_json::Value;
use tempfile::TempDir;

fn main() {
    let arguments = Arguments::from_args();
    let has_ffprobe = Command::new("ffprobe").arg("-version").stdout(Stdio::null()).status().is_ok();
    let needs_python = reference::python().is_none();
    let trials = vec![
        Trial::test("commands_answer", commands_answer),
        Trial::test("json_is_json", json_is_json),
        Trial::test("tail_follows_until_ctrl_c", tail_follows),
        Trial::test("tail_ends_with_its_reader", tail_ends_with_its_reader),
        Trial::test("exports_are_read_by_their_tools", read_by_their_tools).with_ignored_flag(needs_python),
        Trial::test("videos_are_read_by_ffmpeg", read_by_ffmpeg).with_ignored_flag(!has_ffprobe),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

const CLASSES: [&str; 4] = ["background", "cat", "dog", "bird & \"bee\""];
const SIZE: (u32, u32) = (64, 48);

/// A disc that moves from class to class over the picture, and a stripe.
fn mask(number: u64) -> Mask {
    let (width, height) = SIZE;
    let id = |x: u32, y: u32| {
        let (dx, dy) = (i64::from(x) - 5 * number as i64, i64::from(y) - 24);
        match dx * dx + dy * dy {
            0..150 => (number % 3 + 1) as u8,
            _ if y == 40 && number % 2 == 1 => 2,
            _ => 0,
        }
    };
    let data = (0..height).flat_map(|y| (0..width).map(move |x| id(x, y))).collect();
    Mask { width, height, data }
}

/// Adds masks to a folder of PNG.
fn add_pictures(path: &Path, numbers: std::ops::Range<u64>) {
    let classes = classes_from_names(&CLASSES);
    let mut store = MaskFolder::create(path, &classes, Existing::Append).expect("a folder");
    for frame in numbers {
        let time = Duration::from_millis(100 * frame);
        store.put(Record { frame, time, name: None, overlay: None }, &mask(frame)).expect("a mask");
    }
    store.finish().expect("an index");
}

/// Adds masks to a store of segments.
fn add_segments(path: &Path, numbers: std::ops::Range<u64>) {
    let clock = ManualClock::new(Duration::from_secs(9), 1_780_219_613_000_000);
    let classes = classes_from_names(&CLASSES);
    let (mut store, _) = SegmentStore::open(path, &classes, StoreOptions::default(), Box::new(clock.clone()))
        .expect("a store");
    for frame in numbers {
        let (monotonic, wall_us) = (clock.monotonic(), clock.wall_us());
        let time = Duration::from_millis(100 * frame);
        let meta = RecordMeta { frame, time, monotonic, wall_us, ..RecordMeta::default() };
        store.put(&meta, &mask(frame)).expect("a mask");
        clock.advance(Duration::from_millis(100));
    }
    store.close().expect("a whole store");
}

/// A folder with the stores `pictures` and `segments`, twelve masks each.
fn stores() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    add_pictures(&folder.path().join("pictures"), 0..12);
    add_segments(&folder.path().join("segments"), 0..12);
    folder
}

fn report(failures: Vec<String>) -> Result<(), Failed> {
    match failures.len() {
        0 => Ok(()),
        count => Err(format!("{count} cases fail:\n\n{}", failures.join("\n\n")).into()),
    }
}

/// Command, exit code, and a part of what it prints where it ends well, of standard error else.
fn commands_answer() -> Result<(), Failed> {
    let cases = [
        ("masks verify pictures", 0, "12 masks in pictures are whole\n"),
        ("masks verify segments", 0, "12 masks in segments are whole\n"),
        (
            "masks verify damaged",
            1,
            "error: damaged: of 12 listed masks 10 are whole, 1 unreadable, 0 different from what the store says and 1 \
             missing\n",
        ),
        ("masks verify cut", 1, "error: cut: of 12 listed masks 11 are whole, 1 unreadable, 0 different "),
        ("masks verify torn-id", 1, "error: torn-id: store.id is damaged; the next run writes it again\n"),
        ("masks verify other-id", 1, "error: other-id: 1 segment belongs to another store; move it "),
        (
            "masks verify nowhere",
            1,
            "error: nowhere does not exist; give the folder that `sedge run --out` wrote\n",
        ),
        ("masks verify file", 1, "error: file is a file, not a folder of masks; give "),
        ("masks verify empty", 1, "error: empty holds no store of masks; give "),
        ("masks tail empty", 1, "error: empty holds no store of masks; give "),
        ("masks export empty --as csv -o o", 1, "error: empty holds no store of masks; give "),
        (
            "masks export none --as csv -o o",
            1,
            "error: none holds no whole mask, so there is nothing to export\n",
        ),
        (
            "masks export pictures --as csv -o file",
            1,
            "error: file exists; use --overwrite to replace it, or ",
        ),
        ("masks export pictures --as csv -o file --overwrite", 0, "12 masks (0 to 11), "),
        (
            "masks export pictures --as png -o pictures --overwrite",
            1,
            "error: pictures belongs to the store ",
        ),
        (
            "masks export segments --as csv -o segments/a.csv",
            1,
            "error: segments/a.csv belongs to the store ",
        ),
        (
            "masks export segments --as y4m -o segments/new/a.y4m",
            1,
            "error: segments/new/a.y4m belongs to the ",
        ),
        (
            "masks export pictures --as coco -o o --classes cow",
            1,
            "error: the store has no class \"cow\"; it has ",
        ),
        ("masks export pictures --as coco -o o --from 3 --to 2", 2, "--from lies behind --to"),
        ("masks export pictures --as coco -o o --frames x.avi", 2, "--frames and --fps are for --as y4m"),
        ("masks export pictures --as y4m -o o --fps 0", 2, "--fps is more than 0"),
        ("masks export pictures --as y4m -o o --frames nothing", 1, "error: the frames cannot be read: "),
        (
            "masks export pictures --as y4m -o o --frames synthetic:8x8@9:3",
            1,
            " has no frame 3; give --frames ",
        ),
        ("masks export pictures --as gif -o o", 2, "invalid value 'gif'"),
        ("masks export damaged --as csv -o damaged.csv", 0, "10 masks (1 to 11), 2 damaged and skipped, "),
        (
            "masks export segments --as csv -o c.csv --classes cat,dog --from 3 --to 5",
            0,
            "3 masks (3 to 5), ",
        ),
        ("masks export segments --as coco -o c.json", 0, "12 masks (0 to 11), "),
        ("masks export segments --as cvat -o c.xml", 0, "12 masks (0 to 11), "),
        ("masks export segments --as sheet -o c.png", 0, "12 masks (0 to 11), "),
        ("masks export segments --as png -o again", 0, "12 masks (0 to 11), "),
        ("masks verify again", 0, "12 masks in again are whole\n"),
        ("masks export segments --as y4m -o c.y4m", 0, "12 masks (0 to 11), "),
        ("masks export pictures --as y4m -o d.y4m --frames synthetic:64x48@5:12", 0, "12 masks (0 to 11), "),
    ];
    let folder = stores();
    let base = folder.path();
    add_pictures(&base.join("damaged"), 0..12);
    fs::write(base.join("damaged/000007.png"), "torn")?;
    fs::remove_file(base.join("damaged/000000.png"))?;
    add_segments(&base.join("cut"), 0..12);
    let segment = segment(&base.join("cut"))?;
    let mut bytes = fs::read(&segment)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes)?;
    add_pictures(&base.join("none"), 0..0);
    add_segments(&base.join("torn-id"), 0..12);
    let mut id = fs::read(base.join("torn-id/store.id"))?;
    id[20] ^= 1;
    fs::write(base.join("torn-id/store.id"), id)?;
    add_segments(&base.join("other-id"), 0..12);
    fs::copy(base.join("segments/store.id"), base.join("other-id/store.id"))?;
    fs::create_dir(base.join("empty"))?;
    fs::write(base.join("file"), "mine")?;
    let mut failures = Vec::new();
    for (command, code, part) in cases {
        let outcome = run(base, command);
        let text = if code == 0 { &outcome.out } else { &outcome.err };
        let panicked = outcome.err.contains("panicked");
        if outcome.code != Some(code) || !text.contains(part) || panicked {
            failures.push(format!("{command}: {outcome:?}"));
        }
    }
    let left = fs::read_dir(base)?.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
    failures.extend(left.filter(|name| name.contains(".part") || name == "o"));
    report(failures)
}

/// The only segment of a store.
fn segment(path: &Path) -> Result<PathBuf, Failed> {
    let files = fs::read_dir(path)?.flatten().map(|file| file.path());
    let mut segments = files.filter(|path| path.extension().is_some_and(|ending| ending == "seg"));
    Ok(segments.next().ok_or("there is no segment")?)
}

fn json_is_json() -> Result<(), Failed> {
    let folder = stores();
    let cases = [
        (
            "masks verify segments --json",
            "/listed /whole /unreadable /different /missing /skipped /torn_bytes /problems /folder",
        ),
        ("masks export segments --as coco -o a.json --json", "/masks /damaged /first /last /bytes /out"),
    ];
    let mut failures = Vec::new();
    for (command, parts) in cases {
        let outcome = run(folder.path(), command);
        let value: Value = serde_json::from_str(&outcome.out).unwrap_or_default();
        let missing = parts.split(' ').filter(|part| value.pointer(part).is_none_or(Value::is_null));
        failures.extend(missing.map(|part| format!("{command}: {part} is missing: {outcome:?}")));
    }
    report(failures)
}

/// The last two masks, then each new one, then the end that Ctrl-C asks for.
fn tail_follows() -> Result<(), Failed> {
    let folder = stores();
    type Add = fn(&Path, std::ops::Range<u64>);
    let kinds: [(&str, Add); 2] = [("pictures", add_pictures), ("segments", add_segments)];
    let mut failures = Vec::new();
    for (kind, add) in kinds {
        let arguments = format!("masks tail {kind} -n 2 --json");
        let mut child = sedge(folder.path(), &arguments).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("piped")?).lines();
        let mut next = || -> Result<Value, Failed> {
            let line = lines.next().ok_or("the program ended")??;
            Ok(serde_json::from_str(&line)?)
        };
        let mut got = vec![next()?, next()?];
        add(&folder.path().join(kind), 12..13);
        got.push(next()?);
        let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
        let sequences: Vec<Option<u64>> = got.iter().map(|line| line["sequence"].as_u64()).collect();
        let share = got[2]["classes_percent"]["background"].as_f64();
        let code = child.wait()?.code();
        let whole = status.success() && share.is_some_and(|share| share > 50.0);
        if !whole || sequences != [Some(10), Some(11), Some(12)] || code != Some(0) {
            failures.push(format!("{kind}: exit code {code:?}, {got:?}"));
        }
    }
    report(failures)
}

/// `| head` ends it, although no new mask comes.
fn tail_ends_with_its_reader() -> Result<(), Failed> {
    let folder = stores();
    let program = env!("CARGO_BIN_EXE_sedge");
    let mut failures = Vec::new();
    for reader in ["head -n 1", "true"] {
        let line = format!("{program} masks tail segments | {reader}; echo exit ${{PIPESTATUS[0]}} >&2");
        let mut bash = Command::new("bash");
        bash.args(["-c", &line]).current_dir(folder.path());
        let Outcome { err, .. } = finish(bash, b"");
        if err != "exit 0\n" {
            failures.push(format!("{reader}: {err}"));
        }
    }
    report(failures)
}

/// Every export holds the masks, by pycocotools, Pillow and Python's readers of XML and CSV.
fn read_by_their_tools() -> Result<(), Failed> {
    let mut failures = Vec::new();
    for kind in ["pictures", "segments"] {
        let folder = stores();
        let exports = [
            ("png", "png"),
            ("coco", "coco.json"),
            ("cvat", "annotations.xml"),
            ("csv", "shares.csv"),
            ("sheet", "sheet.png"),
        ];
        for (format, out) in exports {
            let outcome = run(folder.path(), &format!("masks export {kind} --as {format} -o {out}"));
            failures.extend(outcome.failure().map(|failure| format!("{kind}, {format}: {failure}")));
        }
        let mut python = Command::new(reference::python().ok_or("SEDGE_PYTHON is not set")?);
        python.arg(project("tests/reference/exports.py")).arg(folder.path());
        let outcome = finish(python, b"");
        failures.extend(outcome.failure().map(|failure| format!("{kind}: {failure}")));
        failures.extend(outcome.out.lines().map(|line| format!("{kind}: {line}")));
    }
    report(failures)
}

fn read_by_ffmpeg() -> Result<(), Failed> {
    let folder = stores();
    let mut failures = Vec::new();
    for options in ["", "--frames synthetic:64x48@5:12 --fps 25"] {
        let rate = if options.is_empty() { "10/1" } else { "25/1" };
        let outcome =
            run(folder.path(), &format!("masks export segments --as y4m -o a.y4m --overwrite {options}"));
        failures.extend(outcome.failure());
        let mut probe = Command::new("ffprobe");
        probe.args(["-v", "error", "-count_frames", "-of", "csv=p=0", "-show_entries"]);
        probe.args(["stream=width,height,pix_fmt,r_frame_rate,nb_read_frames", "a.y4m"]);
        probe.current_dir(folder.path());
        let outcome = finish(probe, b"");
        if outcome.out.trim() != format!("64,48,yuv420p,{rate},12") {
            failures.push(format!("{options:?}: {outcome:?}"));
        }
    }
    report(failures)
}
