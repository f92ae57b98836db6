//! Parameter counts and output shapes of every network, and what happens with settings that do not fit.

use super::*;
use crate::onnx::Task;

/// Whether a count includes the running statistics of batch norms.
#[derive(Clone, Copy, Debug)]
enum Count {
    Trained(u64),
    WithStatistics(u64),
}
use Count::{Trained, WithStatistics};

fn classes(classes: usize) -> Settings {
    Settings { classes: Some(classes), ..Settings::default() }
}

fn features() -> Settings {
    Settings { head: Some(Head::Features), ..Settings::default() }
}

fn classic(classes: usize) -> Settings {
    Settings {
        head: Some(Head::Classic),
        classes: Some(classes),
        size: Some((224, 224)),
        ..Settings::default()
    }
}

fn mnist() -> Settings {
    Settings { channels: Some(1), size: Some((28, 28)), ..Settings::default() }
}

fn width(width: f32, settings: Settings) -> Settings {
    Settings { width: Some(width), ..settings }
}

fn stages(stages: &[usize], output_stride: usize) -> Settings {
    Settings { stages: stages.to_vec(), output_stride: Some(output_stride), ..Settings::default() }
}

#[test]
fn parameters_and_output_shapes() {
    let cases: Vec<(&str, Settings, Count, Vec<Vec<usize>>)> = vec![
        ("kd-teacher", classes(10), Trained(1_515_018), vec![vec![1, 10]]),
        ("kd-student", classes(10), Trained(25_578), vec![vec![1, 10]]),
        ("kd-teacher", mnist(), Trained(1_433_610), vec![vec![1, 10]]),
        ("kd-student", mnist(), Trained(20_490), vec![vec![1, 10]]),
        ("vgg16", features(), Trained(14_714_688), vec![vec![1, 512, 1, 1]]),
        // Features, 512 * 20 + 20, 20 * 10 + 10.
        ("vgg16", classes(10), Trained(14_725_158), vec![vec![1, 10]]),
        ("vgg16", classic(1000), Trained(138_357_544), vec![vec![1, 1000]]),
        ("xception", features(), WithStatistics(20_861_480), vec![vec![1, 2048, 10, 10]]),
        ("xception", classes(1000), WithStatistics(22_910_480), vec![vec![1, 1000]]),
        (
            "xception",
            Settings { size: Some((32, 32)), ..features() },
            WithStatistics(20_861_480),
            vec![vec![1, 2048, 3, 3]],
        ),
        // The counts of Keras's applications for the five widths.
        ("mobilenetv2", width(0.35, features()), WithStatistics(410_208), vec![vec![1, 1280, 7, 7]]),
        ("mobilenetv2", width(0.5, features()), WithStatistics(706_224), vec![vec![1, 1280, 7, 7]]),
        ("mobilenetv2", width(0.75, features()), WithStatistics(1_382_064), vec![vec![1, 1280, 7, 7]]),
        ("mobilenetv2", features(), WithStatistics(2_257_984), vec![vec![1, 1280, 7, 7]]),
        ("mobilenetv2", width(1.4, features()), WithStatistics(4_363_712), vec![vec![1, 1792, 7, 7]]),
        ("mobilenetv2", classes(1000), WithStatistics(3_538_984), vec![vec![1, 1000]]),
        ("mobilenetv3-small", features(), WithStatistics(939_120), vec![vec![1, 576, 7, 7]]),
        ("mobilenetv3-small", classes(1000), WithStatistics(2_554_968), vec![vec![1, 1000]]),
        ("mobilenetv3-large", features(), WithStatistics(2_996_352), vec![vec![1, 960, 7, 7]]),
        ("mobilenetv3-large", classes(1000), WithStatistics(5_507_432), vec![vec![1, 1000]]),
        ("resnet18", classes(1000), Trained(11_689_512), vec![vec![1, 1000]]),
        ("resnet50", classes(1000), Trained(25_557_032), vec![vec![1, 1000]]),
        ("resnet101", classes(1000), Trained(44_549_160), vec![vec![1, 1000]]),
        ("resnet152", classes(1000), Trained(60_192_808), vec![vec![1, 1000]]),
        // All but the dense layer's 2048 * 1000 + 1000.
        ("resnet50", features(), Trained(23_508_032), vec![vec![1, 2048, 7, 7]]),
        (
            "resnet50",
            stages(&[1, 2, 3, 4, 5], 8),
            Trained(23_508_032),
            vec![
                vec![1, 64, 56, 56],
                vec![1, 256, 56, 56],
                vec![1, 512, 28, 28],
                vec![1, 1024, 28, 28],
                vec![1, 2048, 28, 28],
            ],
        ),
        ("unet-mnv2", classes(3), WithStatistics(6_504_227), vec![vec![1, 3, 224, 224]]),
        // Encoder to the expansion of block 13: 616,256; ups 664,064, 184,576 and 60,032; last 128 * 27 + 3.
        ("unet-mnv2-4", classes(3), WithStatistics(1_528_387), vec![vec![1, 3, 256, 256]]),
        ("fcn-mnv2", classes(6), WithStatistics(3_984_166), vec![vec![1, 6, 224, 224]]),
        ("fcn-32s", classes(3), WithStatistics(451_464_070), vec![vec![1, 3, 224, 224]]),
        ("fcn-16s", classes(3), WithStatistics(451_439_644), vec![vec![1, 3, 224, 224]]),
        ("fcn-8s", classes(3), WithStatistics(451_434_418), vec![vec![1, 3, 224, 224]]),
        ("segnet", classes(3), WithStatistics(45_393_103), vec![vec![1, 3, 224, 224]]),
        ("bayesian-segnet", classes(3), WithStatistics(45_393_103), vec![vec![1, 3, 224, 224]]),
        ("deeplabv3", classes(3), WithStatistics(39_123_075), vec![vec![1, 3, 512, 512]]),
        // The shipped file holds 688,357 numbers; each of its 8,656 biases of a folded norm stands for four.
        (
            "deeplabv3-mnv2",
            width(0.5, Settings { output_stride: Some(8), ..classes(21) }),
            WithStatistics(688_357 + 3 * 8_656),
            vec![vec![1, 21, 257, 257]],
        ),
        // Features 939,120; two of 576 * 128 with norms; scores of 128 and of 88 channels.
        (
            "deeplab-mnv3-small",
            classes(2),
            WithStatistics(939_120 + 2 * (576 * 128 + 4 * 128) + 2 * (128 + 1) + 2 * (88 + 1)),
            vec![vec![1, 2, 257, 257]],
        ),
        ("lraspp-mnv3-large", classes(21), Trained(3_221_538), vec![vec![1, 21, 520, 520]]),
        ("segformer-b0", classes(6), Trained(3_715_686), vec![vec![1, 6, 512, 512]]),
        // Encoder 13,151,424; linear layers (64 + 128 + 320 + 512) * 256 + 4 * 256; fuse 262,144 + 512; scores 1542.
        ("segformer-b1", classes(6), Trained(13_678_790), vec![vec![1, 6, 512, 512]]),
        ("hair-vit", classes(6), Trained(4_068_428), vec![vec![1, 6, 256, 256]]),
    ];
    let mut failures = Vec::new();
    for (name, settings, count, shapes) in cases {
        let blueprint = match find(name).and_then(|network| Blueprint::of(network, &settings)) {
            Ok(blueprint) => blueprint,
            Err(error) => {
                failures.push(error.to_string());
                continue;
            }
        };
        let (found, expected) = match count {
            Trained(expected) => (blueprint.trained(), expected),
            WithStatistics(expected) => (blueprint.trained() + blueprint.statistics(), expected),
        };
        let found_shapes: Vec<Vec<usize>> = blueprint.outputs().map(|(_, shape)| shape.to_vec()).collect();
        if found != expected || found_shapes != shapes {
            failures.push(format!(
                "{name} {settings:?}: {found} and {found_shapes:?}, not {count:?} and {shapes:?}"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn encoder_of_segformer() {
    let blueprint = Blueprint::of(find("segformer-b0").unwrap(), &classes(6)).unwrap();
    let encoder = blueprint.parameters().iter().filter(|parameter| parameter.name.starts_with("encoder."));
    assert_eq!(encoder.map(Parameter::elements).sum::<u64>(), 3_319_392);
}

#[test]
fn wrong_names_and_settings() {
    let refused = |name: &str, settings: Settings| -> String {
        match find(name).and_then(|network| Blueprint::of(network, &settings)) {
            Ok(_) => "built".to_string(),
            Err(error) => error.to_string(),
        }
    };
    let size = |height, width| Settings { size: Some((height, width)), ..Settings::default() };
    let cases = [
        (refused("unet", classes(3)), "unet-mnv2"),
        (refused("resnet51", classes(3)), "resnet50"),
        (refused("unet-mnv2", size(230, 224)), "multiples of 32, at least 32, for example 256x224"),
        (refused("hair-vit", size(96, 64)), "for example 128x64"),
        (refused("deeplabv3-mnv2", size(16, 257)), "at least 32"),
        (refused("unet-mnv2", classes(0)), "0 classes"),
        (refused("segnet", width(0.5, classes(3))), "--width is no setting of it; it has --backbone"),
        (refused("segformer-b0", width(0.5, classes(3))), "it has no setting of its own"),
        (refused("unet-mnv2-4", Settings { divisor: Some(4), ..classes(3) }), "give 8 or 1"),
        (refused("deeplabv3", Settings { divisor: Some(1), ..classes(3) }), "--divisor is no setting of it"),
        (refused("mobilenetv2", width(0.0, classes(3))), "give 0.1 to 4"),
        (refused("mobilenetv2", Settings { head: Some(Head::Small), ..classes(3) }), "classic, features"),
        (refused("resnet50", stages(&[6], 32)), "the stages are 1 to 5"),
        (refused("resnet50", stages(&[5, 5], 32)), "each stage once"),
        (refused("unet-mnv2", classes(257)), "give 1 to 256"),
        (refused("fcn-8s", Settings { fc_widths: Some((0, 8)), ..classes(3) }), "from 1 to 65536"),
        (refused("resnet50", stages(&[5], 4)), "[32, 16, 8]"),
    ];
    let wrong: Vec<_> = cases.iter().filter(|(message, part)| !message.contains(part)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn too_large_for_a_file() {
    let settings = Settings { fc_widths: Some((8192, 8192)), ..classes(3) };
    let blueprint = Blueprint::of(find("fcn-32s").unwrap(), &settings).unwrap();
    assert!(matches!(blueprint.model(0), Err(ZooError::TooLarge { .. })));
}

/// Every size that is offered can be built: the smallest, the next ones, and one that is not square.
#[test]
fn smallest_sizes() {
    let mut failures = Vec::new();
    for network in NETWORKS {
        let Sizes { min, multiple } = network.sizes;
        for size in [(min, min), (min + multiple, min + multiple), (min, min + 2 * multiple)] {
            let settings = Settings { size: Some(size), ..Settings::default() };
            match Blueprint::of(network, &settings) {
                Err(error) => failures.push(error.to_string()),
                Ok(blueprint) => {
                    let shape = blueprint.outputs().next().map(|(_, shape)| shape.to_vec());
                    let expected = match network.task {
                        Task::Segmentation => vec![1, network.usual_classes, size.0, size.1],
                        Task::Classification => vec![1, network.usual_classes],
                    };
                    if shape.as_ref() != Some(&expected) {
                        failures.push(format!("{} at {size:?}: {shape:?}", network.name));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Costs of a network small enough to count by hand.
#[test]
fn costs_by_hand() {
    let settings = Settings { size: Some((8, 8)), ..classes(10) };
    let blueprint = Blueprint::of(find("kd-student").unwrap(), &settings).unwrap();
    // conv1 4x4x16 of 27, conv2 2x2x32 of 144, dense 128 x 10.
    assert_eq!(blueprint.macs(), 4 * 4 * 16 * 27 + 2 * 2 * 32 * 144 + 128 * 10);
    // The weights, and bias and scale of 16 + 32 + 10 outputs.
    assert_eq!(blueprint.int8_bytes(), 16 * 27 + 32 * 144 + 128 * 10 + 8 * 58);
    // At its largest beside the pool: 4x4x16 before and after.
    assert_eq!(blueprint.activation_bytes(), 2 * 4 * 4 * 16);
}

#[test]
fn names_are_unique() {
    let mut failures = Vec::new();
    for network in NETWORKS {
        let blueprint = Blueprint::of(network, &Settings::default()).unwrap();
        let mut names: Vec<&str> = blueprint.parameters().iter().map(|p| p.name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            failures.push(format!("{}: two parameters share a name", network.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_file() {
    let blueprint = Blueprint::of(find("kd-student").unwrap(), &Settings::default()).unwrap();
    let bytes = |seed| blueprint.model(seed).unwrap().to_bytes();
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}
