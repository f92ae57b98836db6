//! Small data sets made by the tests: red squares and green discs on a blue ground, and runs on them.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

use image::{GrayImage, Luma, Rgb, RgbImage};
use sedge_train::fit::{Checkpoint, Options, Setup};
use tch::Tensor;

/// Columns and rows of every picture.
pub const SIDE: u32 = 32;

/// Numbers that look random and are the same everywhere.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, count: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(count)) as u32
    }
}

/// A picture with its mask: 0 ground, 1 square, 2 disc, and a row of ignored pixels at the top.
pub fn picture(seed: u64) -> (RgbImage, GrayImage) {
    let mut numbers = Numbers::new(seed);
    let (mut image, mut mask) = (RgbImage::new(SIDE, SIDE), GrayImage::new(SIDE, SIDE));
    for pixel in image.pixels_mut() {
        *pixel = Rgb([20, 20, 120 + numbers.below(60) as u8]);
    }
    let half = SIDE / 2;
    let (x, y, side) = (numbers.below(6), numbers.below(half), 8 + numbers.below(6));
    let (cx, cy, radius) = (half + 6 + numbers.below(4), 8 + numbers.below(half), 4 + numbers.below(3));
    for (column, row) in (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| (column, row))) {
        let in_square = (x..x + side).contains(&column) && (y..y + side).contains(&row);
        let (dx, dy) = (column.abs_diff(cx), row.abs_diff(cy));
        if in_square {
            image.put_pixel(column, row, Rgb([200 + numbers.below(50) as u8, 30, 30]));
            mask.put_pixel(column, row, Luma([1]));
        } else if dx * dx + dy * dy <= radius * radius {
            image.put_pixel(column, row, Rgb([30, 180 + numbers.below(60) as u8, 30]));
            mask.put_pixel(column, row, Luma([2]));
        }
    }
    for column in 0..SIDE {
        mask.put_pixel(column, 0, Luma([255]));
    }
    (image, mask)
}

/// Sedge's folder with so many pictures in each split.
pub fn masks(folder: &Path, counts: [u64; 3]) -> PathBuf {
    let path = folder.join("shapes");
    for ((split, count), first) in ["train", "val", "test"].iter().zip(counts).zip([0, 1000, 2000]) {
        for part in ["images", "masks"] {
            fs::create_dir_all(path.join(split).join(part)).unwrap();
        }
        for seed in first..first + count {
            let (image, mask) = picture(seed);
            image.save(path.join(format!("{split}/images/{seed}.png"))).unwrap();
            mask.save(path.join(format!("{split}/masks/{seed}.png"))).unwrap();
        }
    }
    fs::write(path.join("META.json"), r#"{"classes": ["ground", "square", "disc"], "ignore": 255}"#).unwrap();
    path
}

/// A folder for each class: grey or colour pictures, bright on the left or on the right.
pub fn classes(folder: &Path, grey: bool) -> PathBuf {
    let path = folder.join(if grey { "sides-grey" } else { "sides" });
    for (split, count) in [("train", 24), ("test", 8)] {
        for seed in 0..count {
            let mut numbers = Numbers::new(seed + if split == "test" { 500 } else { 0 });
            for (class, bright) in [("left", 0..SIDE / 2), ("right", SIDE / 2..SIDE)] {
                let to = path.join(split).join(class);
                fs::create_dir_all(&to).unwrap();
                let mut image = GrayImage::new(SIDE, SIDE);
                for (column, _, pixel) in image.enumerate_pixels_mut() {
                    let base = if bright.contains(&column) { 120 } else { 20 };
                    *pixel = Luma([base + numbers.below(100) as u8]);
                }
                let to = to.join(format!("{seed}.png"));
                if grey {
                    image.save(to).unwrap();
                } else {
                    image::DynamicImage::ImageLuma8(image).to_rgb8().save(to).unwrap();
                }
            }
        }
    }
    path
}

/// The small segmenter that the tests train.
pub const SEGMENTER: &str = "zoo:unet-mnv2-4:width=0.35,size=32";
/// The small classifier.
pub const CLASSIFIER: &str = "zoo:kd-student";

/// Options for runs of seconds on the CPU.
pub fn options(model: &str, data: &Path, epochs: usize) -> Options {
    tch::set_num_threads(1);
    Options {
        epochs,
        batch: 4,
        rate: Some(1e-2),
        device: Some("cpu".to_string()),
        ..Options::new(model, data.to_path_buf())
    }
}

pub fn setup(resume: bool) -> Setup {
    Setup { resume, workers: 1, sheet_images: 2, ..Setup::default() }
}

/// All tensors of a checkpoint, with their bits.
pub fn tensors(run: &Path, name: &str) -> Vec<(String, Vec<u8>)> {
    let path = run.join(format!("checkpoints/{name}.ckpt"));
    let checkpoint: Checkpoint<serde_json::Value> = Checkpoint::read(&path).unwrap();
    checkpoint.tensors.iter().map(|(name, tensor)| (name.clone(), bits(tensor))).collect()
}

fn bits(tensor: &Tensor) -> Vec<u8> {
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.contiguous().copy_data_u8(&mut bytes, tensor.numel());
    bytes
}

/// The names of tensors that differ between two runs' last checkpoints, and `model.onnx` where it does.
pub fn differences(one: &Path, other: &Path) -> Vec<String> {
    let (a, b) = (tensors(one, "last"), tensors(other, "last"));
    let mut wrong: Vec<String> =
        a.iter().zip(&b).filter(|(a, b)| a != b).map(|((name, _), _)| name.clone()).collect();
    if a.len() != b.len() {
        wrong.push(format!("{} and {} tensors", a.len(), b.len()));
    }
    if fs::read(one.join("model.onnx")).unwrap() != fs::read(other.join("model.onnx")).unwrap() {
        wrong.push("model.onnx".to_string());
    }
    wrong
}

/// One column of `log.jsonl`.
pub fn column(run: &Path, key: &str) -> Vec<f64> {
    let text = fs::read_to_string(run.join("log.jsonl")).unwrap();
    let value = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()[key].as_f64().unwrap();
    text.lines().map(value).collect()
}

pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
