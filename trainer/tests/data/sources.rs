//! Every kind of data set: opened, split, read, refused where it is broken.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use libtest_mimic::Failed;
use sedge::onnx::Task;
use sedge_train::data::{Examples, Split, Target, class_frequencies, fingerprint, open};

use crate::{Test, make, report};

pub const TESTS: [Test; 5] = [
    ("every_kind_is_opened", every_kind_is_opened),
    ("splits_are_disjoint_and_the_same_in_folders_and_archives", splits),
    ("broken_data_are_refused_by_name", broken),
    ("fingerprints_follow_the_data", fingerprints),
    ("frequencies_count_pixels_or_examples", frequencies),
];

type Make = fn(&Path);

const KINDS: [(&str, Make); 7] = [
    ("masks", |folder| make::masks(folder, &[("train", 40), ("val", 6), ("test", 4)])),
    ("masks without val", |folder| make::masks(folder, &[("train", 60), ("test", 4)])),
    ("idx", |folder| {
        make::idx(folder, "train", 120, false);
        make::idx(folder, "t10k", 30, false);
    }),
    ("packed idx", |folder| {
        make::idx(folder, "train", 120, true);
        make::idx(folder, "t10k", 30, true);
    }),
    ("cifar", |folder| {
        let folder = folder.join("cifar-10-batches-bin");
        (1..=2).for_each(|number| make::cifar(&folder.join(format!("data_batch_{number}.bin")), 30));
        make::cifar(&folder.join("test_batch.bin"), 10);
    }),
    ("class folders", |folder| {
        make::class_folders(&folder.join("train"), &make::class_pictures(&["cat10", "cat9", "dog"], 20));
        make::class_folders(&folder.join("test"), &make::class_pictures(&["cat10", "dog"], 3));
    }),
    ("class archives", |folder| {
        make::class_tar(
            &folder.join("train.tar"),
            "train/",
            &make::class_pictures(&["cat10", "cat9", "dog"], 20),
        );
        make::class_tar(&folder.join("test.tar"), "", &make::class_pictures(&["cat10", "dog"], 3));
    }),
];

/// A data set in a fresh folder, which lives as long as what is given back.
pub fn made(make: Make) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    folder
}

fn names(examples: &Arc<dyn Examples>) -> Vec<String> {
    (0..examples.len()).map(|index| examples.name(index)).collect()
}

fn every_kind_is_opened() -> Result<(), Failed> {
    // Of each split: how many; then what the first training example is.
    let cases = [
        ("masks", [40, 6, 4], "train/images/0.png 20x14x3 mask"),
        ("masks without val", [60, 0, 4], "train/images/0.png 20x14x3 mask"),
        ("idx", [120, 0, 30], "train-images[0] 4x5x1 class 0"),
        ("packed idx", [120, 0, 30], "train-images[0] 4x5x1 class 0"),
        ("cifar", [60, 0, 10], "data_batch_1.bin[0] 32x32x3 class 0"),
        ("class folders", [60, 0, 6], "train/cat9/0.png 8x6x3 class 0"),
        ("class archives", [60, 0, 6], "train/cat9/0.png 8x6x3 class 0"),
    ];
    let mut failures = Vec::new();
    for ((kind, make), (name, counts, first)) in KINDS.into_iter().zip(cases) {
        assert_eq!(kind, name);
        let folder = made(make);
        let [train, val, test] = Split::ALL.map(|split| open(folder.path(), split).unwrap());
        let found = if counts[1] == 0 {
            [train.len() + val.len(), 0, test.len()]
        } else {
            [train.len(), val.len(), test.len()]
        };
        if found != counts || val.is_empty() {
            failures.push(format!("{kind}: {found:?} and {} examples, not {counts:?}", val.len()));
        }
        for split in [&train, &val, &test] {
            let masks = kind.starts_with("masks");
            assert_eq!(split.task(), if masks { Task::Segmentation } else { Task::Classification });
            assert_eq!(split.ignore(), masks.then_some(9));
            assert_eq!(split.classes(), train.classes(), "{kind}");
            for index in 0..split.len() {
                let example = split.example(index)?;
                assert_eq!(example.pixels.len(), example.width * example.height * example.channels);
                assert_eq!(split.target(index)?, example.target, "{kind}");
            }
        }
        // Without a val of its own either may have the first.
        let wanted = first.split(' ').next().unwrap_or_default();
        let described = [&train, &val].into_iter().find_map(|split| {
            let index = (0..split.len()).find(|&index| split.name(index) == wanted)?;
            let example = split.example(index).ok()?;
            let target = match example.target {
                Target::Class(class) => format!("class {class}"),
                Target::Mask(_) => "mask".to_owned(),
            };
            let (width, height, channels) = (example.width, example.height, example.channels);
            Some(format!("{wanted} {width}x{height}x{channels} {target}"))
        });
        if described.as_deref() != Some(first) {
            failures.push(format!("{kind}: {described:?}, not {first}"));
        }
    }
    let folder = made(KINDS[6].1);
    let test = open(folder.path(), Split::Test)?;
    // cat10 and dog of the test split are the second and third of the training classes.
    let ids: BTreeSet<_> =
        (0..test.len()).map(|index| format!("{:?}", test.target(index).unwrap())).collect();
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), ["Class(1)", "Class(2)"]);
    report(failures)
}

fn splits() -> Result<(), Failed> {
    let mut sets = Vec::new();
    for (kind, make) in KINDS {
        let folder = made(make);
        let sets_of_kind = Split::ALL
            .map(|split| names(&open(folder.path(), split).unwrap()).into_iter().collect::<BTreeSet<_>>());
        let [train, val, test] = &sets_of_kind;
        assert!(train.is_disjoint(val) && train.is_disjoint(test) && val.is_disjoint(test), "{kind}");
        sets.push(sets_of_kind);
    }
    assert_eq!(sets[2], sets[3], "packed or not");
    assert_eq!(sets[5], sets[6], "folders or archives");
    // The same pixels and labels, too.
    let (folders, archives) = (made(KINDS[5].1), made(KINDS[6].1));
    for split in Split::ALL {
        let (one, other) = (open(folders.path(), split)?, open(archives.path(), split)?);
        assert_eq!(fingerprint(&*one)?, fingerprint(&*other)?);
    }
    Ok(())
}

fn broken() -> Result<(), Failed> {
    let cases: [(&str, Make, &str); 16] = [
        ("nothing", |_| (), "FOLDER is no data set that is known here: expected META.json"),
        ("missing folder", |folder| fs::remove_dir(folder).unwrap(), "cannot read FOLDER: No such file"),
        (
            "mask missing",
            |folder| {
                make::masks(folder, &[("train", 3), ("val", 1)]);
                fs::remove_file(folder.join("train/masks/1.png")).unwrap();
            },
            "1.png has no mask",
        ),
        (
            "mask of another size",
            |folder| {
                make::masks(folder, &[("train", 1), ("val", 1)]);
                let mask = fs::read(folder.join("val/masks/0.png")).unwrap();
                make::mask_pair(folder, "train", 0, 12, 10);
                make::file(&folder.join("train/masks/0.png"), mask);
            },
            "train/images/0.png: the image has 12x10 pixels and its mask 20x14: make the mask anew",
        ),
        (
            "strange class id",
            |folder| {
                make::masks(folder, &[("train", 1), ("val", 1)]);
                make::file(&folder.join("train/masks/0.png"), make::png(make::gray_picture(4, 20, 14)));
            },
            "0.png holds class id",
        ),
        (
            "picture of text",
            |folder| {
                make::masks(folder, &[("train", 1), ("val", 1)]);
                make::file(&folder.join("train/images/0.png"), "hello");
            },
            "train/images/0.png is broken: it is neither a JPEG nor a PNG",
        ),
        ("no training split", |folder| make::masks(folder, &[("val", 1)]), "train/images"),
        (
            "labels missing",
            |folder| {
                make::idx(folder, "train", 10, false);
                fs::remove_file(folder.join("train-labels-idx1-ubyte")).unwrap();
            },
            "train-labels-idx1-ubyte (or train-labels-idx1-ubyte.gz) is missing",
        ),
        (
            "cut idx",
            |folder| {
                make::idx(folder, "train", 10, false);
                let path = folder.join("train-images-idx3-ubyte");
                let bytes = fs::read(&path).unwrap();
                fs::write(path, &bytes[..100]).unwrap();
            },
            "train-images-idx3-ubyte is broken: it ends in the middle",
        ),
        (
            "cut gzip",
            |folder| {
                make::idx(folder, "train", 10, true);
                let path = folder.join("train-images-idx3-ubyte.gz");
                let bytes = fs::read(&path).unwrap();
                fs::write(path, &bytes[..60]).unwrap();
            },
            "train-images-idx3-ubyte.gz is broken: it ends in the middle",
        ),
        (
            "counts differ",
            |folder| {
                make::idx(folder, "t10k", 12, false);
                let labels = fs::read(folder.join("t10k-labels-idx1-ubyte")).unwrap();
                make::idx(folder, "train", 10, false);
                make::file(&folder.join("train-labels-idx1-ubyte"), labels);
            },
            "train-images-idx3-ubyte is broken: it holds 10 pictures, but there are 12 labels",
        ),
        (
            "other numbers",
            |folder| {
                make::idx(folder, "train", 10, false);
                make::file(&folder.join("train-labels-idx1-ubyte"), [1; 30]);
            },
            "train-labels-idx1-ubyte is broken: it begins with 0x1010101 where IDX has 0x801",
        ),
        (
            "cut record",
            |folder| make::file(&folder.join("data_batch_1.bin"), [0; 5000]),
            "data_batch_1.bin is broken: its 5000 bytes are not records of 3073",
        ),
        (
            "strange class of a record",
            |folder| {
                make::file(&folder.join("data_batch_1.bin"), [77; 3073 * 9]);
            },
            "data_batch_1.bin[0]: its class is 77, of 10",
        ),
        (
            "cut archive",
            |folder| {
                let path = folder.join("train.tar");
                make::class_tar(&path, "train/", &make::class_pictures(&["cat", "dog"], 5));
                let bytes = fs::read(&path).unwrap();
                fs::write(path, &bytes[..3000]).unwrap();
            },
            "train.tar is broken",
        ),
        (
            "broken member",
            |folder| {
                make::class_tar(&folder.join("train.tar"), "", &[("cat/7.jpg".into(), b"hello".to_vec())]);
            },
            "train.tar/cat/7.jpg is broken: it is neither a JPEG nor a PNG",
        ),
    ];
    let mut failures = Vec::new();
    for (name, make, expected) in cases {
        let folder = made(make);
        let first = open(folder.path(), Split::Train).and_then(|examples| examples.example(0));
        let found = first.err().map_or("no error".to_owned(), |error| error.to_string());
        let expected = expected.replace("FOLDER", &folder.path().display().to_string());
        if !found.contains(&expected) {
            failures.push(format!("{name}: {found}\n    not {expected}"));
        }
    }
    let strange = made(|folder| {
        make::class_folders(&folder.join("train"), &make::class_pictures(&["cat", "dog"], 20));
        make::class_folders(&folder.join("test"), &make::class_pictures(&["cat", "cow"], 1));
    });
    let found = open(strange.path(), Split::Test).err().unwrap().to_string();
    if !found.contains("has the class \"cow\", which the training data lack") {
        failures.push(found);
    }
    report(failures)
}

fn fingerprints() -> Result<(), Failed> {
    let hash = |folder: &Path, split| fingerprint(&*open(folder, split).unwrap()).unwrap();
    for (kind, make) in KINDS {
        let (one, other) = (made(make), made(make));
        let hashes = Split::ALL.map(|split| hash(one.path(), split));
        assert_eq!(hashes, Split::ALL.map(|split| hash(other.path(), split)), "{kind}");
        assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0].len() == 64, "{kind}");
    }
    let masks = KINDS[0].1;
    let reference = hash(made(masks).path(), Split::Train);
    let changes: [(&str, Make); 4] = [
        ("a picture", |folder| {
            make::file(&folder.join("train/images/7.png"), make::png(make::color_picture(1, 21, 15)));
        }),
        ("a mask", |folder| {
            fs::copy(folder.join("train/masks/3.png"), folder.join("train/masks/7.png")).map(drop).unwrap();
        }),
        ("a name", |folder| {
            for part in ["images", "masks"] {
                let folder = folder.join("train").join(part);
                fs::rename(folder.join("7.png"), folder.join("07.png")).unwrap();
            }
        }),
        ("the classes", |folder| {
            make::file(
                &folder.join("META.json"),
                r#"{"classes": ["background", "cat", "cow"], "ignore": 9}"#,
            );
        }),
    ];
    for (name, change) in changes {
        let folder = made(masks);
        change(folder.path());
        assert!(hash(folder.path(), Split::Train) != reference, "{name} changes nothing");
    }
    Ok(())
}

fn frequencies() -> Result<(), Failed> {
    let mut failures = Vec::new();
    for ((kind, make), expected) in KINDS.into_iter().zip([3, 3, 10, 10, 10, 3, 3]) {
        let folder = made(make);
        let test = open(folder.path(), Split::Test)?;
        let mut counts = vec![0; expected];
        for index in 0..test.len() {
            match test.target(index)? {
                Target::Class(class) => counts[class as usize] += 1,
                Target::Mask(mask) => {
                    mask.iter().filter(|&&id| id != 9).for_each(|&id| counts[usize::from(id)] += 1)
                }
            }
        }
        let found = class_frequencies(&*test)?;
        if found != counts {
            failures.push(format!("{kind}: {found:?}, not {counts:?}"));
        }
    }
    let folder = made(KINDS[0].1);
    fs::write(folder.path().join("train/masks/11.png"), "hello")?;
    let error = class_frequencies(&*open(folder.path(), Split::Train)?).unwrap_err().to_string();
    assert!(error.contains("train/masks/11.png"), "{error}");
    report(failures)
}
