//! Sources that give nothing, or break on their way.

use std::fs;
use std::path::Path;

use super::program::{CLIP, finish, masks, project, report, run, sedge, y4m};
use super::{Case, check, complaint, nothing, picture, put, put_pictures, tiny};

#[test]
fn sources_that_give_nothing() {
    let case = |name, prepare, arguments, says| Case { name, prepare, arguments, code: 1, says };
    check(vec![
        case(
            "missing",
            nothing,
            "run --model net.onnx --source none.avi",
            &["none.avi", "neither a file nor a folder"],
        ),
        case(
            "an empty folder",
            |f| fs::create_dir(f.join("d")).expect("a folder"),
            "run --model net.onnx --source d",
            &["d: ", ".jpg"],
        ),
        case(
            "an empty file",
            |f| put(f, "x.avi", ""),
            "run --model net.onnx --source x.avi",
            &["x.avi", "empty"],
        ),
        case(
            "a picture that is none",
            |f| put(f, "x.jpg", [0xff, 0xd8, 0xff, 0xe0, 0, 0]),
            "run --model net.onnx --source x.jpg",
            &["x.jpg", "cannot be decoded"],
        ),
        case(
            "a cut picture",
            |f| put(f, "x.jpg", &picture("photo-cat.jpg")[..4000]),
            "run --model net.onnx --source x.jpg",
            &["x.jpg", "ends in the middle"],
        ),
        case(
            "a folder of broken pictures",
            |f| {
                put(f, "d/1.png", "x");
                put(f, "d/2.jpg", "");
            },
            "run --model net.onnx --source d",
            &["d: gave no whole frame", "skipped: d/1.png", "skipped: d/2.jpg"],
        ),
        case(
            "a camera",
            nothing,
            "run --model net.onnx --source v4l:/dev/video0",
            &["v4l:/dev/video0", "reads no cameras", "ffmpeg"],
        ),
        case(
            "a pattern without size",
            nothing,
            "run --model net.onnx --source synthetic:wide",
            &["synthetic:wide", "for example"],
        ),
        case(
            "a pattern without pixels",
            nothing,
            "run --model net.onnx --source synthetic:0x8@30",
            &["0x8", "no pixels"],
        ),
        case(
            "a pattern without end",
            nothing,
            "run --model net.onnx --source synthetic:99999x8@30",
            &["too large"],
        ),
        case(
            "nothing on standard input",
            nothing,
            "run --model net.onnx --source -",
            &["standard input", "empty"],
        ),
        case(
            "a clip that is none",
            |f| put(f, "x.y4m", "hello\n"),
            "run --model net.onnx --source x.y4m",
            &["x.y4m", "YUV4MPEG2"],
        ),
        case(
            "an AVI that ends in its header",
            |f| {
                put(f, "x.avi", &fs::read(project(CLIP)).expect("the clip")[..100]);
            },
            "run --model net.onnx --source x.avi",
            &["x.avi", "ends in the middle of frame 0"],
        ),
    ]);
}

/// What a configuration says wrong of its source is not tried again and again: exit code 2.
#[test]
fn configurations_that_no_source_can_keep_to() {
    fn with(folder: &Path, camera: &str) {
        put(folder, "c.toml", format!("[camera]\n{camera}\n[store]\npath = \"store\"\n"));
    }
    let case = |name, prepare, arguments, says| Case { name, prepare, arguments, code: 2, says };
    check(vec![
        case(
            "a crop beyond the picture",
            |f| with(f, "source = \"synthetic:8x8@30\"\ncrop = [4, 0, 8, 8]"),
            "run --model net.onnx --config c.toml",
            &["error: synthetic:8x8@30: the crop of 8x8 at 4,0 reaches beyond the picture of 8x8"],
        ),
        case(
            "keys of another kind of source",
            |f| with(f, "source = \"synthetic:8x8@30\"\nfps = 5\ntimeout_s = 3"),
            "run --model net.onnx --config c.toml",
            &["c.toml: camera.fps, camera.timeout_s are for", "camera.source is \"synthetic:8x8@30\""],
        ),
    ]);
    // What is said of the camera does not keep another source from being tried.
    let folder = tempfile::tempdir().expect("a temporary folder");
    tiny::carded().write(&folder.path().join("net.onnx")).expect("a model");
    with(folder.path(), "source = \"v4l:/dev/video0\"\nfps = 5\ntimeout_s = 3");
    let outcome =
        run(folder.path(), "run --model net.onnx --config c.toml --source synthetic:8x8@30:2 --frames 2");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(
        outcome.err.contains("camera.fps, camera.timeout_s: not for the source of the command line"),
        "{outcome:?}"
    );
}

/// A source that breaks on its way: every whole frame has its mask.
#[test]
fn whole_frames_of_broken_sources_are_kept() {
    /// Places of the frames' chunks in the clip: start and length of the JPEG.
    fn chunks(clip: &[u8]) -> Vec<(usize, usize)> {
        let frames = clip.windows(4).position(|four| four == b"movi").expect("a list of frames");
        let heads = (frames..clip.len() - 8).filter(|&at| &clip[at..at + 4] == b"00dc");
        let size = |at: usize| u32::from_le_bytes(clip[at + 4..at + 8].try_into().expect("4 bytes")) as usize;
        // The clip's own index repeats the name with other numbers after it; frames come first.
        heads.map(|at| (at + 8, size(at))).take(90).collect()
    }
    fn clip() -> Vec<u8> {
        fs::read(project(CLIP)).expect("the clip")
    }
    struct Broken {
        name: &'static str,
        prepare: fn(&Path),
        options: &'static str,
        code: i32,
        says: &'static [&'static str],
        frames: &'static [u64],
    }
    let cases = [
        Broken {
            name: "a clip cut within a frame",
            prepare: |f| {
                let clip = clip();
                let (start, size) = chunks(&clip)[3];
                put(f, "x.avi", &clip[..start + size / 2]);
            },
            options: "--source x.avi",
            code: 1,
            says: &["x.avi", "ends in the middle of frame 3"],
            frames: &[0, 1, 2],
        },
        Broken {
            name: "a broken JPEG within a clip",
            prepare: |f| {
                let mut clip = clip();
                let (start, _) = chunks(&clip)[1];
                clip[start..start + 200].fill(0);
                put(f, "x.avi", clip);
            },
            options: "--source x.avi --frames 3",
            code: 0,
            says: &["skipped: x.avi: frame 1 is broken"],
            frames: &[0, 2, 3],
        },
        Broken {
            name: "a pipe cut within a frame",
            prepare: |f| {
                let stream = y4m(20, 20, 3);
                put(f, "x.y4m", &stream[..stream.len() - 7]);
            },
            options: "--source x.y4m",
            code: 1,
            says: &["x.y4m", "ends in the middle of frame 2"],
            frames: &[0, 1],
        },
        Broken {
            name: "a broken picture within a folder",
            prepare: |f| {
                put_pictures(f);
                put(f, "d/d.png", "x");
                put(f, "d/notes.txt", "x");
            },
            options: "--source d",
            code: 0,
            says: &["skipped: d/d.png"],
            frames: &[0, 2, 3, 4],
        },
    ];
    let mut failures = Vec::new();
    for case in cases {
        let folder = tempfile::tempdir().expect("a temporary folder");
        tiny::carded().write(&folder.path().join("net.onnx")).expect("a model");
        (case.prepare)(folder.path());
        let outcome = run(folder.path(), &format!("run --model net.onnx {}", case.options));
        failures.extend(
            complaint(&outcome, case.code, case.says).map(|c| format!("{}: {c}\n{}", case.name, outcome.err)),
        );
        let numbers = masks(&folder.path().join("masks"))
            .map(|masks| masks.iter().filter_map(|mask| mask.entry["frame"].as_u64()).collect::<Vec<_>>());
        if numbers.as_deref() != Ok(case.frames) {
            failures.push(format!("{}: masks of frames {numbers:?}, not {:?}", case.name, case.frames));
        }
        let counts_broken = outcome.out.contains("1 broken and skipped");
        if counts_broken != (case.code == 0) {
            failures.push(format!("{}: counts broken frames otherwise:\n{}", case.name, outcome.out));
        }
    }
    report(failures);
}

#[test]
fn a_missing_ffmpeg_is_named() {
    let mut failures = Vec::new();
    for source in ["x.mp4", "rtsp://127.0.0.1:9/camera"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        tiny::carded().write(&folder.path().join("net.onnx")).expect("a model");
        put(folder.path(), "x.mp4", [0, 0, 0, 24, b'f', b't', b'y', b'p', b'i', b's', b'o', b'm']);
        let mut command = sedge(folder.path(), &format!("run --model net.onnx --source {source}"));
        command.env("PATH", folder.path());
        let outcome = finish(command, b"");
        failures.extend(
            complaint(&outcome, 1, &[source, "ffmpeg", "apt install ffmpeg"])
                .map(|c| format!("{source}: {c}\n{}", outcome.err)),
        );
    }
    report(failures);
}
