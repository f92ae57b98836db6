//! The program in a fresh folder, and the masks that it leaves there.
// Every test program compiles this file and uses a part of it.
#![allow(dead_code)]

use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub const FLOAT: &str = "models/deeplabv3_mnv2_dm05_voc21_257.onnx";
pub const INT8: &str = "models/deeplabv3_mnv2_dm05_voc21_257.int8.onnx";
pub const CAT: &str = "models/cat_unet_mnv2_dm05_256.onnx";
pub const CAT_INT8: &str = "models/cat_unet_mnv2_dm05_256.int8.onnx";
pub const CARD: &str = "models/deeplabv3_mnv2_dm05_voc21_257.card.json";
pub const CLIP: &str = "clips/demo.avi";
pub const CALIBRATION: &str = "calibration/voc";

/// A file or folder of the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A folder that holds nothing but links to the project's `models`, `clips` and `calibration`, so that commands read
/// as a user types them in the project's own folder.
pub fn fresh_folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["models", "clips", "calibration"] {
        std::os::unix::fs::symlink(project(name), folder.path().join(name)).expect("a link");
    }
    folder
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Outcome {
    /// What is wrong with a run that should have ended well, if anything.
    pub fn failure(&self) -> Option<String> {
        let clean = self.code == Some(0) && !self.err.contains("panicked") && !self.err.contains("error:");
        (!clean).then(|| format!("exit code {:?}, standard error:\n{}", self.code, self.err))
    }

    /// Lines of standard error that are neither progress nor news of a skipped frame.
    pub fn complaints(&self) -> Vec<&str> {
        let news = ["segmenting ", "calibrating ", "evaluating ", "skipped: "];
        let is_news = |line: &str| news.iter().any(|start| line.starts_with(start)) || line.contains(" -> ");
        self.err.lines().filter(|line| !is_news(line)).collect()
    }
}

/// The program, to be started in `folder` with arguments that hold no spaces.
pub fn sedge(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sedge"));
    command.args(arguments.split_whitespace()).current_dir(folder);
    command
}

/// Runs a command to its end with `input` on its standard input.
pub fn finish(mut command: Command, input: &[u8]) -> Outcome {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut pipe = child.stdin.take().expect("standard input is piped");
    let output = std::thread::scope(|scope| {
        // A program that needs no more of its input closes the pipe, which is no error here.
        scope.spawn(move || pipe.write_all(input).ok());
        child.wait_with_output().expect("the program ends")
    });
    Outcome {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs the program in `folder`.
pub fn run(folder: &Path, arguments: &str) -> Outcome {
    finish(sedge(folder, arguments), b"")
}

/// A mask as it lies on disk.
pub struct StoredMask {
    /// Its line of the index.
    pub entry: Value,
    pub width: u32,
    pub height: u32,
    /// Class ids, row by row.
    pub ids: Vec<u8>,
    /// R, G, B of each id.
    pub palette: Vec<u8>,
}

/// The masks that the index of `folder` lists, in its order.
///
/// An error where a listed file is missing or not whole, its size or pixel counts are not those of the index, or the
/// folder holds a mask or a temporary file that is not listed.
pub fn masks(folder: &Path) -> Result<Vec<StoredMask>, String> {
    let index =
        fs::read_to_string(folder.join("index.jsonl")).map_err(|error| format!("index.jsonl: {error}"))?;
    let mut masks = Vec::new();
    let mut listed = Vec::new();
    for line in index.lines() {
        let entry: Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        let file = entry["file"].as_str().ok_or_else(|| format!("{line}: names no file"))?.to_string();
        let mask = read_mask(&folder.join(&file), entry).map_err(|error| format!("{file}: {error}"))?;
        masks.push(mask);
        listed.push(file);
    }
    for file in fs::read_dir(folder).map_err(|error| error.to_string())?.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.ends_with(".part") || (name.ends_with(".png") && !listed.contains(&name)) {
            return Err(format!("{name} is left over"));
        }
    }
    Ok(masks)
}

fn read_mask(path: &Path, entry: Value) -> Result<StoredMask, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut reader =
        png::Decoder::new(BufReader::new(file)).read_info().map_err(|error| error.to_string())?;
    let (width, height) = reader.info().size();
    let kind = (reader.info().color_type, reader.info().bit_depth);
    if kind != (png::ColorType::Indexed, png::BitDepth::Eight) {
        return Err(format!("is {kind:?}, not an indexed PNG of 8 bits"));
    }
    let palette = reader.info().palette.as_ref().map(|palette| palette.to_vec()).unwrap_or_default();
    let mut ids = vec![0; width as usize * height as usize];
    reader.next_frame(&mut ids).map_err(|error| error.to_string())?;
    if (entry["width"].as_u64(), entry["height"].as_u64()) != (Some(width.into()), Some(height.into())) {
        return Err(format!("is {width}x{height}, but the index says {entry}"));
    }
    let counted: u64 =
        entry["pixels"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
    if counted != ids.len() as u64 {
        return Err(format!("has {} pixels, but the index counts {counted}", ids.len()));
    }
    Ok(StoredMask { entry, width, height, ids, palette })
}

/// Pixels with the same class in both, in percent of all; 0 where the masks do not pair up.
pub fn agreement_percent<'a>(
    a: impl IntoIterator<Item = &'a [u8]>,
    b: impl IntoIterator<Item = &'a [u8]>,
) -> f64 {
    let (mut same, mut all) = (0usize, 0usize);
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) if a.len() == b.len() => {
                same += a.iter().zip(b).filter(|(a, b)| a == b).count();
                all += a.len();
            }
            (None, None) if all > 0 => return 100.0 * same as f64 / all as f64,
            _ => return 0.0,
        }
    }
}

/// The ids of masks, for [`agreement_percent`].
pub fn ids(masks: &[StoredMask]) -> impl Iterator<Item = &[u8]> {
    masks.iter().map(|mask| mask.ids.as_slice())
}

/// A moving Y4M stream of 4:2:0 with this many frames.
pub fn y4m(width: usize, height: usize, frames: usize) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n").into_bytes();
    for frame in 0..frames {
        bytes.extend(b"FRAME\n");
        bytes.extend((0..width * height).map(|pixel| (16 + (pixel + 40 * frame) % 220) as u8));
        bytes.extend(vec![128; 2 * width.div_ceil(2) * height.div_ceil(2)]);
    }
    bytes
}

/// Fails with every failing case.
pub fn report(failures: Vec<String>) {
    assert!(failures.is_empty(), "{} cases fail:\n\n{}", failures.len(), failures.join("\n\n"));
}
