//! Every finding of the doctor in a data set that has it, and none in one that is sound.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::{ColorType, DynamicImage, GrayImage, ImageFormat, RgbImage};
use sedge_train::data::{Split, open};
use sedge_train::doctor::suspect::{self, Judgement};
use sedge_train::doctor::{Examination, Options, html, losses, sheet};
use sedge_train::fit::{Start, Subset};
use sedge_train::graph::Network;

const SIDE: u32 = 48;
const META: &str = r#"{"classes": ["background", "cat", "dog"], "ignore": 255}"#;

/// Files by their name within a data set.
#[derive(Clone, Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    fn add(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Files {
        self.0.insert(name.into(), bytes.into());
        self
    }

    fn remove(mut self, name: &str) -> Files {
        self.0.remove(name).expect("the file is there");
        self
    }

    fn copy(self, from: &str, to: &str) -> Files {
        let bytes = self.0[from].clone();
        self.add(to, bytes)
    }

    /// Renames every file whose name holds `part`.
    fn rename(self, part: &str, to: &str) -> Files {
        Files(self.0.into_iter().map(|(name, bytes)| (name.replace(part, to), bytes)).collect())
    }

    fn write(&self, folder: &Path) {
        for (name, bytes) in &self.0 {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
}

/// A picture that is like no other: blobs of several sizes, placed by a generator (Numerical Recipes' LCG).
fn pixels(seed: u32, width: u32, height: u32) -> RgbImage {
    let mut state = seed.wrapping_mul(2_654_435_761);
    let mut next = |limit: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % limit
    };
    let mut picture = RgbImage::from_pixel(width, height, image::Rgb([next(256) as u8, next(256) as u8, 90]));
    for _ in 0..24 {
        let (x, y, w, h) = (next(width), next(height), 4 + next(width / 2), 4 + next(height / 2));
        let color = image::Rgb([next(256) as u8, next(256) as u8, next(256) as u8]);
        for (x, y) in (y..(y + h).min(height)).flat_map(|y| (x..(x + w).min(width)).map(move |x| (x, y))) {
            picture.put_pixel(x, y, color);
        }
    }
    picture
}

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn jpeg(seed: u32) -> Vec<u8> {
    encoded(pixels(seed, SIDE, SIDE), ImageFormat::Jpeg)
}

fn mask_of(ids: impl Fn(u32, u32) -> u8) -> GrayImage {
    GrayImage::from_fn(SIDE, SIDE, |x, y| image::Luma([ids(x, y)]))
}

/// A square of cat, a square of dog that reaches into it, and a strip that is ignored.
fn ids(seed: u32) -> impl Fn(u32, u32) -> u8 {
    let (a, b) = (5 + seed % 7, 20 + seed % 5);
    move |x, y| match (x, y) {
        _ if y < 2 => 255,
        _ if (b..b + 14).contains(&x) && (b..b + 16).contains(&y) => 2,
        _ if (a..a + 20).contains(&x) && (a..a + 18).contains(&y) => 1,
        _ => 0,
    }
}

fn mask(seed: u32) -> Vec<u8> {
    encoded(mask_of(ids(seed)), ImageFormat::Png)
}

fn sound() -> Files {
    let mut files = Files::default().add("META.json", META);
    let mut seed = 0;
    for (split, number) in [("train", 6), ("val", 3), ("test", 3)] {
        for index in 0..number {
            seed += 1;
            files = files
                .add(&format!("{split}/images/{index}.jpg"), jpeg(seed))
                .add(&format!("{split}/masks/{index}.png"), mask(seed));
        }
    }
    files
}

fn sound_classes() -> Files {
    let mut files = Files::default();
    for (seed, (split, class, index)) in
        (0..).zip([("train", 4), ("val", 2), ("test", 2)].into_iter().flat_map(|(split, number)| {
            ["cat", "dog"].into_iter().flat_map(move |class| (0..number).map(move |i| (split, class, i)))
        }))
    {
        files = files.add(&format!("{split}/{class}/{index}.jpg"), jpeg(100 + seed));
    }
    files
}

fn palette(seed: u32) -> Vec<u8> {
    let data: Vec<u8> = mask_of(ids(seed)).into_raw();
    let mask = sedge::mask::Mask { width: SIDE, height: SIDE, data };
    let mut bytes = Vec::new();
    sedge::mask::png::write(&mut bytes, &mask, &[]).unwrap();
    bytes
}

/// The same JPEG with an EXIF segment that says "turn by 90 degrees".
fn turned(jpeg: &[u8]) -> Vec<u8> {
    let mut exif = b"\xFF\xE1\x00\x22Exif\0\0MM\0\x2A\0\0\0\x08\0\x01".to_vec();
    exif.extend(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0");
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

fn tar(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn tars() -> Files {
    let part = |seed: u32| {
        let file = |class: &str, i: u32| (format!("set/{class}/{i}.jpg"), jpeg(seed + i));
        let files: Vec<(String, Vec<u8>)> =
            (0..3).map(|i| file("cat", i)).chain((3..6).map(|i| file("dog", i))).collect();
        tar(&files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect::<Vec<_>>())
    };
    Files::default().add("train.tar", part(300)).add("val.tar", part(310)).add("test.tar", part(320))
}

fn examine(files: &Files, folder: &Path) -> Examination {
    files.write(folder);
    let options = Options { threads: 2, ..Options::default() };
    Examination::of(folder, &options).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// What was found: code, severity, number of cases, and the first of them.
fn found(examination: &Examination) -> Vec<(String, String)> {
    let findings = examination.report(3).findings;
    let line = |finding: &sedge_train::doctor::Finding| {
        let first = finding.examples.first().map(|e| format!("{} {}", e.place, e.detail)).unwrap_or_default();
        (format!("{} {} {}", finding.severity.name(), finding.kind.code(), finding.count), first)
    };
    findings.iter().map(line).collect()
}

type Case = (&'static str, Files, &'static [(&'static str, &'static str)]);

fn cases() -> Vec<Case> {
    let with = |name: &str, bytes: Vec<u8>| sound().add(name, bytes);
    let image = "train/images/0.jpg";
    let mask_file = "train/masks/0.png";
    let half = jpeg(1)[..jpeg(1).len() / 2].to_vec();
    let smooth = |x: u32, y: u32| {
        // A mask of 0 and 2 resized with interpolation: 1 where they meet.
        let far = |v: u32| if v < 20 { 0 } else { 2_u8.min((v - 19) as u8) };
        far(x).min(far(y))
    };
    let blended = |x: u32, y: u32| match x.max(y) {
        0..20 => 0,
        20 => 64,
        21 => 128,
        22 => 192,
        _ => 255,
    };
    let mut near = pixels(1, SIDE, SIDE);
    near.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| value / 2 + value / 3 + 20));
    let rgb = RgbImage::from_fn(SIDE, SIDE, |x, _| image::Rgb(if x < 20 { [0, 0, 0] } else { [128, 0, 0] }));
    let gray16 = DynamicImage::from(mask_of(ids(1))).to_luma16();
    let png16 = DynamicImage::from(pixels(1, SIDE, SIDE)).to_rgb16();
    let alpha = {
        let mut picture = DynamicImage::from(pixels(1, SIDE, SIDE)).to_rgba8();
        picture.get_pixel_mut(3, 3)[3] = 10;
        picture
    };
    let png_of = |picture: DynamicImage| {
        sound().remove(image).add("train/images/0.png", encoded(picture, ImageFormat::Png))
    };
    let small = encoded(GrayImage::new(24, SIDE), ImageFormat::Png);
    let void = encoded(mask_of(|_, _| 255), ImageFormat::Png);
    let no_dog = |files: Files, split: &str| {
        let prefix = format!("{split}/masks/");
        let without = encoded(mask_of(|x, y| if ids(1)(x, y) == 1 { 1 } else { 0 }), ImageFormat::Png);
        let change = |(name, bytes): (String, Vec<u8>)| {
            let bytes = if name.starts_with(&prefix) { without.clone() } else { bytes };
            (name, bytes)
        };
        Files(files.0.into_iter().map(change).collect())
    };
    let all = |files: Files, of: &dyn Fn(u32, u32) -> u8| {
        let bytes = encoded(mask_of(of), ImageFormat::Png);
        let change = |(name, old): (String, Vec<u8>)| {
            let bytes = if name.contains("/masks/") { bytes.clone() } else { old };
            (name, bytes)
        };
        Files(files.0.into_iter().map(change).collect())
    };
    let classes = sound_classes();
    let mut broken_tar = tars();
    broken_tar.0.get_mut("train.tar").unwrap().truncate(5000);
    vec![
        ("a sound set", sound(), &[]),
        ("a sound set of classes", sound_classes(), &[]),
        ("a sound set in tars", tars(), &[]),
        ("no META.json", sound().remove("META.json"), &[("error no-meta 1", "META.json")]),
        ("META.json without classes", with("META.json", b"{}".to_vec()), &[("error meta 1", "META.json")]),
        (
            "no train",
            sound().rename("train/", "scene/"),
            &[("warning splits 1", " no train; there are: val, test, scene")],
        ),
        ("no val", no_split(sound(), "val/"), &[("note splits 1", " no val")]),
        (
            "an empty split",
            no_split(sound(), "val/images/"),
            &[("error split-empty 1", "val"), ("warning no-image 3", "val/masks/0.png")],
        ),
        (
            "no mask",
            sound().remove(mask_file).add("train/masks/0_mask.png", mask(1)),
            &[
                ("error no-mask 1", "train/images/0.jpg masks/0_mask.png may be meant"),
                ("warning no-image 1", "train/masks/0_mask.png"),
            ],
        ),
        (
            "no picture",
            with("val/masks/extra.png", mask(3)),
            &[("warning no-image 1", "val/masks/extra.png")],
        ),
        (
            "two pictures, one mask",
            sound().add("train/images/0.png", encoded(pixels(77, SIDE, SIDE), ImageFormat::Png)),
            &[("error stem-twice 1", "train/images/0.png has the mask of 0.jpg")],
        ),
        (
            "a text file",
            with("train/images/readme.txt", b"hello".to_vec()),
            &[("note stray 1", "train/images/readme.txt")],
        ),
        (
            "an empty file",
            with(image, vec![]),
            &[("error undecodable 1", "train/images/0.jpg the file is empty")],
        ),
        (
            "text called .jpg",
            with(image, b"no picture at all".to_vec()),
            &[("error undecodable 1", "train/images/0.jpg neither")],
        ),
        ("half a JPEG", with(image, half), &[("error truncated 1", "train/images/0.jpg")]),
        (
            "half a mask",
            with(mask_file, mask(1)[..60].to_vec()),
            &[("error mask-undecodable 1", "train/masks/0.png")],
        ),
        (
            "a mask of colors",
            with(mask_file, encoded(rgb, ImageFormat::Png)),
            &[("error mask-format 1", "train/masks/0.png Rgb with 8 bits, 2 colors: [0, 0, 0], [128, 0, 0]")],
        ),
        (
            "a mask of 16 bits",
            with(mask_file, encoded(gray16, ImageFormat::Png)),
            &[("error mask-format 1", "train/masks/0.png Grayscale with 16 bits")],
        ),
        (
            "a mask that is a JPEG",
            with(mask_file, encoded(mask_of(ids(1)), ImageFormat::Jpeg)),
            &[("error mask-format 1", "train/masks/0.png a JPEG")],
        ),
        (
            "a mask with a palette",
            with(mask_file, palette(1)),
            &[("note mask-palette 1", "train/masks/0.png")],
        ),
        (
            "a mask of another size",
            with(mask_file, small),
            &[("error size-differs 1", "train/images/0.jpg the picture is 48x48, the mask 24x48")],
        ),
        (
            "another size than promised",
            with("META.json", META.replace('}', ", \"size\": [40, 48]}").into_bytes()),
            &[("warning size-meta 12", "train/images/0.jpg 48x48, META.json says 40x48")],
        ),
        (
            "one color",
            with(image, encoded(RgbImage::from_pixel(SIDE, SIDE, image::Rgb([7; 3])), ImageFormat::Jpeg)),
            &[("warning constant 1", "train/images/0.jpg every pixel is [7, 7, 7]")],
        ),
        ("16 bits a channel", png_of(png16.into()), &[("note depth 1", "train/images/0.png Rgb16")]),
        ("transparent", png_of(alpha.into()), &[("note alpha 1", "train/images/0.png Rgba8")]),
        (
            "turned by EXIF",
            with(image, turned(&jpeg(1))),
            &[("warning orientation 1", "train/images/0.jpg Rotate90")],
        ),
        (
            "a PNG called .jpg",
            with(image, encoded(pixels(1, SIDE, SIDE), ImageFormat::Png)),
            &[("warning ending 1", "train/images/0.jpg is Png")],
        ),
        (
            "grey and color",
            with(image, encoded(DynamicImage::from(pixels(1, SIDE, SIDE)).to_luma8(), ImageFormat::Jpeg)),
            &[("note channels 1", " 1 grey, 11 in color")],
        ),
        (
            "a label that is no class",
            with(mask_file, encoded(mask_of(|x, y| if x < 9 { 7 } else { ids(1)(x, y) }), ImageFormat::Png)),
            &[("error label-outside 1", "train/masks/0.png 1 label: 7 (432 pixels)")],
        ),
        (
            "smooth edges between 0 and 255",
            all(with("META.json", br#"{"classes": ["a"], "ignore": 255}"#.to_vec()), &blended),
            &[("error label-fringe 12", "train/masks/0.png 3 labels: 64 (41 pixels), 128 (43 pixels)")],
        ),
        (
            "a mask that was resized with interpolation",
            with(mask_file, encoded(mask_of(smooth), ImageFormat::Png)),
            &[("warning label-fringe 1", "train/masks/0.png 1 label: 1")],
        ),
        ("a mask of ignore only", with(mask_file, void), &[("warning mask-void 1", "train/masks/0.png")]),
        (
            "void is a class",
            with("META.json", br#"{"classes": ["background", "cat", "dog", "void"], "ignore": 3}"#.to_vec())
                .rename("x", "x")
                .void(3),
            &[("note ignore-class 1", "void id 3")],
        ),
        (
            "an empty class",
            with("META.json", META.replace("]", ", \"cow\"]").into_bytes()),
            &[("error class-empty 1", "cow id 3")],
        ),
        (
            "a class that train lacks",
            no_dog(sound(), "train"),
            &[("error class-missing 1", "dog none in train")],
        ),
        (
            "a class that test lacks",
            no_dog(sound(), "test"),
            &[("warning class-missing 1", "dog none in test")],
        ),
        (
            "a rare class",
            all(sound(), &|x, y| match (x, y) {
                (10..14, 10..14) => 2,
                (20..40, 20..40) => 1,
                _ => 0,
            }),
            &[("note class-rare 1", "dog 0.69 % of train, in 6 pictures")],
        ),
        (
            "a picture in two splits",
            sound().copy(image, "test/images/0.jpg").copy(mask_file, "test/masks/0.png"),
            &[("error duplicate-splits 1", "test/images/0.jpg equals train/images/0.jpg")],
        ),
        (
            "a picture twice",
            sound().copy(image, "train/images/9.jpg").copy(mask_file, "train/masks/9.png"),
            &[("warning duplicate 1", "train/images/9.jpg equals train/images/0.jpg")],
        ),
        (
            "a picture twice with two masks",
            sound().copy(image, "train/images/9.jpg").copy("train/masks/1.png", "train/masks/9.png"),
            &[
                ("error conflict 1", "train/images/9.jpg equals train/images/0.jpg, but 5.3 %"),
                ("warning duplicate 1", "train/images/9.jpg"),
            ],
        ),
        (
            "a brighter copy in another split",
            with("test/images/0.jpg", encoded(near.clone(), ImageFormat::Jpeg)),
            &[("warning near-splits 1", "test/images/0.jpg like train/images/0.jpg")],
        ),
        (
            "a brighter copy",
            with("train/images/3.jpg", encoded(near, ImageFormat::Jpeg)),
            &[("note near 1", "train/images/3.jpg like train/images/0.jpg")],
        ),
        (
            "classes: half a JPEG",
            classes.clone().add("train/cat/0.jpg", jpeg(9)[..300].to_vec()),
            &[("error truncated 1", "train/cat/0.jpg")],
        ),
        (
            "classes: one picture in two",
            classes.clone().copy("train/cat/0.jpg", "train/dog/0.jpg"),
            &[
                (
                    "error conflict 1",
                    "train/dog/0.jpg equals train/cat/0.jpg, but one is cat and the other dog",
                ),
                ("warning duplicate 1", "train/dog/0.jpg"),
            ],
        ),
        (
            "classes: one that test lacks",
            classes.clone().add("train/cow/0.jpg", jpeg(500)).add("val/cow/0.jpg", jpeg(501)),
            &[("warning class-missing 1", "cow none in test")],
        ),
        (
            "classes: an empty one",
            classes.add("train/cow/.keep", vec![]),
            &[("error class-empty 1", "cow id 1")],
        ),
        (
            "half a tar",
            broken_tar,
            &[("error archive 1", "train.tar"), ("error class-missing 1", "dog none in train")],
        ),
    ]
}

/// Without the files of a split.
fn no_split(files: Files, prefix: &str) -> Files {
    Files(files.0.into_iter().filter(|(name, _)| !name.starts_with(prefix)).collect())
}

impl Files {
    /// Every 255 of the masks becomes `id`.
    fn void(self, id: u8) -> Files {
        let change = |(name, bytes): (String, Vec<u8>)| {
            if !name.contains("/masks/") {
                return (name, bytes);
            }
            let mut mask = image::load_from_memory(&bytes).unwrap().into_luma8();
            mask.pixels_mut().filter(|pixel| pixel[0] == 255).for_each(|pixel| pixel[0] = id);
            (name, encoded(mask, ImageFormat::Png))
        };
        Files(self.0.into_iter().map(change).collect())
    }
}

#[test]
fn each_fault_is_found_and_nothing_else() {
    let mut wrong = Vec::new();
    for (name, files, expected) in cases() {
        let folder = tempfile::tempdir().unwrap();
        let found = found(&examine(&files, folder.path()));
        let is_as_expected = found.len() == expected.len()
            && found
                .iter()
                .zip(expected)
                .all(|((what, first), (expected, start))| what == expected && first.starts_with(start));
        if !is_as_expected {
            wrong.push(format!("{name}:\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_kind_has_a_case() {
    let tested: Vec<&str> = cases()
        .iter()
        .flat_map(|(_, _, expected)| expected.iter().map(|(what, _)| what.split(' ').nth(1).unwrap()))
        .collect();
    let missing: Vec<&str> = sedge_train::doctor::Kind::ALL
        .iter()
        .map(|kind| kind.code())
        .filter(|code| !tested.contains(code) && *code != "suspect")
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn labels_that_a_model_contradicts_are_suspect() {
    let folder = tempfile::tempdir().unwrap();
    let mut examination = examine(&sound_classes(), folder.path());
    let judgement =
        |loss: f64, agrees: bool| Some(Judgement { loss, agrees, detail: "the model says dog".into() });
    let mut losses: Vec<Option<Judgement>> =
        (0..examination.records.len()).map(|i| judgement(0.01 * f64::from(i as u32 % 5 + 1), true)).collect();
    (losses[2], losses[5], losses[7]) = (judgement(4.0, false), judgement(6.0, false), judgement(5.0, true));
    losses[1] = None;
    let suspects = suspect::check(&examination.survey, &losses);
    let places: Vec<&str> = suspects.iter().map(|trouble| trouble.place.as_str()).collect();
    let name = |index: usize| examination.survey.items[index].name.as_str();
    assert_eq!(places, [name(5), name(2)], "{suspects:?}");
    let worst = [name(5), name(2)].map(str::to_owned);
    examination.judge(&losses);
    assert_eq!(examination.report(5).worst[..2], worst);
    assert_eq!(suspect::check(&examination.survey, &[]), []);
}

#[test]
fn a_network_judges_every_readable_label() {
    let judged = |files: &Files, network: &str, classes: usize| {
        let folder = tempfile::tempdir().unwrap();
        let examination = examine(files, folder.path());
        let start = Start::new(network, None, classes, false, 1).unwrap();
        let network = Network::new(&start.model, tch::Device::Cpu).unwrap();
        losses::losses(&examination, &network, &start.rule, &|_, _| {}).map_err(|error| error.to_string())
    };
    let unet = "zoo:unet-mnv2-4:width=0.35,size=64";
    let broken = sound().add("train/images/1.jpg", vec![]).remove("train/masks/2.png");
    let cases = [
        ("classes", judged(&sound_classes(), "zoo:kd-student", 2), (16, 16)),
        ("masks", judged(&broken, unet, 3), (12, 10)),
    ];
    for (name, judgements, expected) in cases {
        let judgements = judgements.unwrap();
        let losses: Vec<f64> = judgements.iter().flatten().map(|judgement| judgement.loss).collect();
        assert_eq!((judgements.len(), losses.len()), expected, "{name}");
        assert!(losses.iter().all(|loss| (0.01..20.0).contains(loss)), "{name}: {losses:?}");
    }
    let message = judged(&sound(), unet, 5).unwrap_err();
    assert!(message.ends_with("it has 5 classes, the data have 3: background, cat, dog"), "{message}");
    let message = judged(&sound_classes(), unet, 2).unwrap_err();
    assert!(message.ends_with("it gives masks, the data have one class a picture"), "{message}");
}

#[test]
fn what_an_earlier_split_has_too_can_be_left_out() {
    let masks = sound()
        .copy("train/images/0.jpg", "test/images/0.jpg")
        .copy("train/images/2.jpg", "val/images/7.jpg");
    let masks = masks.copy("train/masks/2.png", "val/masks/7.png");
    let classes = sound_classes().copy("train/cat/0.jpg", "test/cat/9.jpg");
    let cases = [
        ("masks", masks, vec!["test/images/0.jpg", "val/images/7.jpg"]),
        ("classes", classes, vec!["test/cat/9.jpg"]),
        ("none", sound(), vec![]),
    ];
    for (name, files, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let examination = examine(&files, folder.path());
        let leaks: Vec<&str> = examination.leaks().into_iter().collect();
        assert_eq!(leaks, expected, "{name}");
        let list = folder.path().join("leaks");
        fs::write(&list, format!("# of {name}\n\n{}", leaks.join("\n"))).unwrap();
        for split in Split::ALL {
            let all = open(folder.path(), split).unwrap();
            let of_split = leaks.iter().filter(|leak| leak.starts_with(split.name())).count();
            let left = Subset::of(all.clone(), None, Some(&list)).unwrap();
            assert_eq!(left.len(), all.len() - of_split, "{name}, {}", split.name());
            assert!((0..left.len()).all(|index| !leaks.contains(&left.name(index).as_str())), "{name}");
        }
    }
}

#[test]
fn a_limit_spreads_over_a_split_that_is_sorted_by_class() {
    let folder = tempfile::tempdir().unwrap();
    sound_classes().write(folder.path());
    let all = open(folder.path(), Split::Train).unwrap();
    let names: Vec<String> = (0..all.len()).map(|index| all.name(index)).collect();
    for limit in 1..=all.len() + 1 {
        let some = Subset::of(all.clone(), Some(limit), None).unwrap();
        let kept: Vec<usize> = (0..some.len())
            .map(|index| names.iter().position(|name| *name == some.name(index)).unwrap())
            .collect();
        assert_eq!(kept.len(), limit.min(all.len()));
        assert!(kept.is_sorted_by(|a, b| a < b), "{kept:?}");
        let classes: BTreeSet<&str> =
            kept.iter().map(|&index| names[index].split('/').nth(1).unwrap()).collect();
        assert_eq!(classes.len(), limit.min(all.classes().len()), "{limit}: {kept:?}");
    }
}

#[test]
fn the_page_holds_all_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let files = sound().add("val/images/1.jpg", b"<script>".to_vec());
    let examination = examine(&files, folder.path());
    let sheet = sheet::png(&examination, 5).unwrap();
    let picture = image::load_from_memory(&sheet).unwrap();
    assert_eq!((picture.color(), picture.width() > 5 * 168), (ColorType::Rgb8, true));
    let report = examination.report(5);
    assert_eq!(report.worst[0], "val/images/1.jpg");
    let page = html::page(&report, Some(&sheet));
    assert!(page.contains("data:image/png;base64,iVBORw0KGgo") && !page.contains("src=\"http"));
    assert!(page.contains("[undecodable]") && page.contains("cat"));
}

fn program(folder: &Path, more: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sedge-train"))
        .arg("doctor")
        .arg(folder)
        .args(more)
        .env("OMP_NUM_THREADS", "1")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_exit_code_says_whether_there_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad, page): (PathBuf, PathBuf, PathBuf) =
        (folder.path().join("good"), folder.path().join("bad"), folder.path().join("page.html"));
    sound().write(&good);
    sound().remove("train/masks/0.png").write(&bad);
    let (code, text, _) = program(&good, &[]);
    assert_eq!((code, text.lines().last().unwrap()), (0, "0 errors, 0 warnings, 0 notes: ready to train on"));
    let (code, text, _) = program(&bad, &["--json", "--html", page.to_str().unwrap()]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json["findings"][0]["kind"]), (1, &serde_json::json!("no-mask")));
    assert_eq!(json["findings"][0]["examples"][0]["place"], "train/images/0.jpg");
    assert!(fs::read_to_string(page).unwrap().contains("no-mask"));
    let (code, _, error) = program(folder.path().join("page.html").as_path(), &[]);
    assert_eq!(code, 1);
    assert!(error.starts_with("error: cannot read"), "{error}");
    fs::create_dir(folder.path().join("empty")).unwrap();
    let (code, _, error) = program(&folder.path().join("empty"), &[]);
    assert!(code == 1 && error.contains("is no data set"), "{error}");
}
