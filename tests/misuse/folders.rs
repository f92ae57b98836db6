//! Folders that cannot take masks.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::program::{finish, masks, run};
use super::{Case, check, complaint, nothing, put, tiny};

#[test]
fn folders_that_cannot_take_masks() {
    let case = |name, prepare, arguments, says| Case { name, prepare, arguments, code: 1, says };
    let clip = "run --model net.onnx --source synthetic:20x20@30:1";
    let with = |options: &str| -> &'static str { format!("{clip} {options}").leak() };
    fn earlier(folder: &Path) {
        assert_eq!(run(folder, "run --model net.onnx --source synthetic:20x20@30:2 --out m").failure(), None);
    }
    check(vec![
        case("a file in its place", |f| put(f, "m", "x"), with("--out m"), &["m: ", "choose another --out"]),
        case("below a file", |f| put(f, "m", "x"), with("--out m/n"), &["m/n: ", "choose another --out"]),
        case("a file named masks", |f| put(f, "masks", "x"), with(""), &["masks: ", "choose another --out"]),
        case("where nobody can write", nothing, with("--out /proc/masks"), &["/proc/masks"]),
        case(
            "an earlier run",
            earlier,
            with("--out m"),
            &["m holds", "--overwrite", "--append", "m-2 is free"],
        ),
        case(
            "an earlier run of other classes",
            |f| {
                earlier(f);
                put(f, "names.txt", "a\nb\nc\nd\n");
            },
            with("--out m --append --classes names.txt"),
            &["m/classes.json", "another --out"],
        ),
        case(
            "a damaged index",
            |f| {
                earlier(f);
                let index = fs::read_to_string(f.join("m/index.jsonl")).expect("an index");
                put(f, "m/index.jsonl", format!("x{index}"));
            },
            with("--out m --append"),
            &["m/index.jsonl", "line 1"],
        ),
    ]);
}

/// The system refuses a write in the middle of a run, as a full disk does: masks before are whole and listed, nothing
/// of the frame itself is left, and the error names the file. A limit on the size of files needs no root.
#[test]
fn a_write_that_fails_ends_the_run_with_whole_masks() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    tiny::carded().write(&folder.path().join("net.onnx")).expect("a model");
    // The mask of the second picture is larger than the limit of 16 KiB.
    image::RgbImage::new(32, 32).save(folder.path().join("1.png")).expect("a picture");
    let large =
        image::RgbImage::from_fn(900, 900, |x, y| image::Rgb([(x * y) as u8, (x ^ y) as u8, (x * 7) as u8]));
    fs::create_dir(folder.path().join("d")).expect("a folder");
    fs::rename(folder.path().join("1.png"), folder.path().join("d/1.png")).expect("a move");
    large.save(folder.path().join("d/2.png")).expect("a picture");
    let line = format!(
        "trap '' XFSZ; ulimit -f 16; exec {} run --model net.onnx --source d --overlay",
        env!("CARGO_BIN_EXE_sedge")
    );
    let mut bash = Command::new("bash");
    bash.args(["-c", &line]).current_dir(folder.path());
    let outcome = finish(bash, b"");
    assert_eq!(complaint(&outcome, 1, &["cannot write masks/2"]), None, "{outcome:?}");
    let masks = masks(&folder.path().join("masks")).expect("whole masks, no leftovers");
    assert_eq!(masks.len(), 1);
    assert!(outcome.out.starts_with("1 frames in "), "{}", outcome.out);
}
