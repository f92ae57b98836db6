//! Small data sets of every kind, written into a folder.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{DynamicImage, GrayImage, ImageFormat, Luma, RgbImage};

/// Writes a file and the folders above it.
pub fn file(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

pub fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.into().write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
    bytes
}

/// Noise that every seed has its own of.
pub fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 16) as u8
    };
    (0..length).map(|_| next()).collect()
}

pub fn color_picture(seed: u32, width: u32, height: u32) -> RgbImage {
    RgbImage::from_raw(width, height, noise(seed, (3 * width * height) as usize)).unwrap()
}

pub fn gray_picture(seed: u32, width: u32, height: u32) -> GrayImage {
    GrayImage::from_raw(width, height, noise(seed, (width * height) as usize)).unwrap()
}

/// `META.json` with three classes, and so many pictures in each split, of changing sizes, whose masks have class 0, class 1
/// and, in the last column, the ignore label.
pub fn masks(folder: &Path, splits: &[(&str, u32)]) {
    file(&folder.join("META.json"), r#"{"classes": ["background", "cat", "dog"], "ignore": 9}"#);
    for &(split, count) in splits {
        for number in 0..count {
            let (width, height) = (20 + number % 3, 14 + number % 2);
            mask_pair(folder, split, number, width, height);
        }
    }
}

/// One picture and its mask.
pub fn mask_pair(folder: &Path, split: &str, number: u32, width: u32, height: u32) {
    let mask =
        GrayImage::from_fn(width, height, |x, y| Luma([if x + 1 == width { 9 } else { u8::from(x > y) }]));
    let folder = folder.join(split);
    let picture = color_picture(number + split.len() as u32 * 1000, width, height);
    file(&folder.join(format!("images/{number}.png")), png(picture));
    file(&folder.join(format!("masks/{number}.png")), png(mask));
}

/// Pictures and labels as IDX, packed where `packed`: the number's last digit is the label.
pub fn idx(folder: &Path, prefix: &str, count: u32, packed: bool) {
    let header =
        |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    let mut images = header(&[0x803, count, 5, 4]);
    images.extend(noise(count, 20 * count as usize));
    let mut labels = header(&[0x801, count]);
    labels.extend((0..count).map(|number| (number % 10) as u8));
    for (name, bytes) in [("images-idx3", images), ("labels-idx1", labels)] {
        let path = folder.join(format!("{prefix}-{name}-ubyte"));
        if packed {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&bytes).unwrap();
            file(&path.with_extension("gz"), encoder.finish().unwrap());
        } else {
            file(&path, bytes);
        }
    }
}

/// A file of CIFAR-10 records: the number's last digit is the label.
pub fn cifar(path: &Path, count: u32) {
    let record = |number: u32| [vec![(number % 10) as u8], noise(number + count, 3072)].concat();
    file(path, (0..count).flat_map(record).collect::<Vec<u8>>());
}

/// The pictures of a split with a folder for each class: `CLASS/NUMBER.png`.
pub fn class_pictures(classes: &[&str], count: u32) -> Vec<(String, Vec<u8>)> {
    let picture = |class: &str, number: u32| {
        let seed = number + 100 * class.len() as u32 + u32::from(class.as_bytes()[0]);
        (format!("{class}/{number}.png"), png(color_picture(seed, 8, 6)))
    };
    classes.iter().flat_map(|class| (0..count).map(move |number| picture(class, number))).collect()
}

/// Pictures into folders.
pub fn class_folders(folder: &Path, pictures: &[(String, Vec<u8>)]) {
    pictures.iter().for_each(|(name, bytes)| file(&folder.join(name), bytes));
}

/// Pictures into an archive, in an order that is not natural, below `top`, with folders and a hidden file among them.
pub fn class_tar(path: &Path, top: &str, pictures: &[(String, Vec<u8>)]) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: String, bytes: &[u8], kind| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes).unwrap();
    };
    add(format!("{top}birds/"), &[], tar::EntryType::Directory);
    for (name, bytes) in pictures.iter().rev() {
        add(format!("{top}{name}"), bytes, tar::EntryType::Regular);
        let hidden = name.replace('/', "/._");
        add(format!("{top}{hidden}"), b"junk", tar::EntryType::Regular);
    }
    file(path, archive.into_inner().unwrap());
}
