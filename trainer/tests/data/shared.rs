//! The data sets that are not part of the project: how many examples, and which.

use std::path::PathBuf;

use libtest_mimic::Failed;
use sedge_train::data::{Split, Target, open};

pub type SharedTest = (&'static str, &'static str, fn() -> Result<(), Failed>);

pub const TESTS: [SharedTest; 4] = [
    ("mnist_is_whole", "mnist", mnist),
    ("cifar10_is_whole", "cifar10", cifar10),
    ("feral_cat_is_whole", "feral_cat", || masks("feral_cat", [700, 195, 101], 2)),
    ("ccp6_is_whole", "ccp6", || masks("ccp6", [804, 100, 100], 6)),
];

/// The data set's folder, where it is there.
pub fn folder(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("SEDGE_SHARED")?).join("data").join(name);
    folder.is_dir().then_some(folder)
}

/// Examples of each split, and of the first of `train` size and class.
fn check(name: &str, held_out: bool, whole: [usize; 3], classes: usize) -> Result<(), Failed> {
    let folder = folder(name).ok_or("it is missing")?;
    let [train, val, test] =
        [Split::Train, Split::Val, Split::Test].map(|split| open(&folder, split).unwrap());
    let found = [train.len(), val.len(), test.len()];
    let right = match held_out {
        true => {
            found[0] + found[1] == whole[0]
                && found[1].abs_diff(whole[0] / 10) < whole[0] / 100
                && found[2] == whole[2]
        }
        false => found == whole,
    };
    assert!(right, "{name}: {found:?}, not {whole:?}");
    assert_eq!(train.classes().len(), classes);
    for split in [train, val, test] {
        for index in (0..split.len()).step_by(split.len() / 7) {
            let example = split.example(index)?;
            match example.target {
                Target::Class(class) => assert!((0..classes as i64).contains(&class)),
                Target::Mask(mask) => assert_eq!(mask.len(), example.width * example.height),
            }
        }
    }
    Ok(())
}

fn mnist() -> Result<(), Failed> {
    check("mnist", true, [60_000, 0, 10_000], 10)
}

fn cifar10() -> Result<(), Failed> {
    check("cifar10", true, [50_000, 0, 10_000], 10)?;
    let test = open(&folder("cifar10").ok_or("it is missing")?, Split::Test)?;
    assert_eq!(test.classes()[..3], ["airplane", "automobile", "bird"]);
    assert!(test.name(0).starts_with("test/airplane/"), "{}", test.name(0));
    Ok(())
}

fn masks(name: &str, counts: [usize; 3], classes: usize) -> Result<(), Failed> {
    check(name, false, counts, classes)
}
