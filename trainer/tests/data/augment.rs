//! Augmentations as they come out of the loader: image and mask alike, border pixels, ignored pixels.

use std::sync::Arc;

use libtest_mimic::Failed;
use sedge::frame::{ColorOrder, ResizeRule};
use sedge::onnx::Task;
use sedge_train::data::{DataError, Example, Examples, Loader, LoaderOptions, Target};

use crate::loader::{images, rule, targets};
use crate::{Test, report};

pub const TESTS: [Test; 4] = [
    ("image_and_mask_move_together", image_and_mask_move_together),
    ("mirrors_are_exact", mirrors_are_exact),
    ("colors_leave_masks_alone", colors_leave_masks_alone),
    ("beside_the_image_its_border_goes_on", beside_the_image_its_border_goes_on),
];

const SIDE: usize = 32;
const IGNORE: u8 = 7;

/// Pictures whose values tell their mask: class 1, a leaning wedge off the middle, is light, class 0 is dark.
struct Wedges {
    classes: [String; 2],
    channels: usize,
    light: u8,
    dark: u8,
}

impl Wedges {
    fn new(channels: usize) -> Wedges {
        Wedges { classes: ["dark", "light"].map(str::to_owned), channels, light: 220, dark: 40 }
    }
}

impl Examples for Wedges {
    fn len(&self) -> usize {
        12
    }

    fn name(&self, index: usize) -> String {
        index.to_string()
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        let is_light = |at: usize| {
            let (x, y) = (at % SIDE, at / SIDE);
            x > 4 + index % 5 && (7..28).contains(&y) && x + y / 2 < 24
        };
        let mask: Vec<u8> = (0..SIDE * SIDE).map(|at| is_light(at).into()).collect();
        let value = |&id: &u8| [if id == 1 { self.light } else { self.dark }; 3];
        let pixels = mask.iter().flat_map(|id| value(id).into_iter().take(self.channels)).collect();
        Ok(Example { width: SIDE, height: SIDE, channels: self.channels, pixels, target: Target::Mask(mask) })
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn ignore(&self) -> Option<u8> {
        Some(IGNORE)
    }

    fn task(&self) -> Task {
        Task::Segmentation
    }
}

/// Values and ids of each example, `[channels, SIDE, SIDE]` and `[SIDE, SIDE]`.
fn augmented(wedges: Wedges, color: ColorOrder, augment: &str) -> Vec<(Vec<f32>, Vec<i64>)> {
    let options = LoaderOptions {
        augment: augment.parse().unwrap(),
        seed: 11,
        ..LoaderOptions::plain(1, SIDE, SIDE, rule(color, ResizeRule::Stretch))
    };
    let loader = Loader::new(Arc::new(wedges), options).unwrap();
    loader.epoch(0).map(|batch| batch.unwrap()).map(|batch| (images(&batch), targets(&batch))).collect()
}

fn image_and_mask_move_together() -> Result<(), Failed> {
    // Whether places beside the image come into view.
    let cases = [
        ("flip=0.5", false),
        ("vflip=0.5", false),
        ("scale=1.1:2", false),
        ("scale=0.5:0.9", true),
        ("crop=0.5", false),
        ("shift=0.3", true),
        ("rotate=45", true),
        ("flip,vflip,scale=0.7:1.4,crop=0.7,shift=0.1,rotate=90", true),
    ];
    let mut failures = Vec::new();
    let plain = augmented(Wedges::new(3), ColorOrder::Rgb, "none");
    for (augment, beside) in cases {
        let (mut wrong, mut ignored, mut moved, mut light) = (0, 0, 0, 0);
        for (example, still) in augmented(Wedges::new(3), ColorOrder::Rgb, augment).iter().zip(&plain) {
            moved += usize::from(example != still);
            for (value, &id) in example.0.iter().zip(&example.1) {
                // Between the classes values are mixed, and the nearest pixel decides.
                let mixed = (50.0..210.0).contains(value);
                let expected = i64::from(*value > 128.0);
                ignored += usize::from(id == i64::from(IGNORE));
                light += usize::from(id == 1);
                wrong += usize::from(!mixed && id != i64::from(IGNORE) && id != expected);
            }
        }
        if wrong > 0 || (ignored > 0) != beside || moved < 3 || light == 0 {
            failures.push(format!(
                "{augment}: {wrong} pixels wrong, {ignored} ignored, {moved} moved, {light} light"
            ));
        }
    }
    report(failures)
}

fn mirrors_are_exact() -> Result<(), Failed> {
    let plain = augmented(Wedges::new(3), ColorOrder::Bgr, "none");
    for (augment, mirror) in [
        ("flip=1", (|x, y| y * SIDE + SIDE - 1 - x) as fn(usize, usize) -> usize),
        ("vflip=1", |x, y| (SIDE - 1 - y) * SIDE + x),
        ("flip=1,vflip=1", |x, y| (SIDE - 1 - y) * SIDE + SIDE - 1 - x),
    ] {
        for ((image, mask), (own_image, own_mask)) in
            augmented(Wedges::new(3), ColorOrder::Bgr, augment).iter().zip(&plain)
        {
            let area = SIDE * SIDE;
            let right = (0..area).all(|at| {
                let from = mirror(at % SIDE, at / SIDE);
                mask[at] == own_mask[from]
                    && (0..3).all(|plane| image[plane * area + at] == own_image[plane * area + from])
            });
            assert!(right, "{augment}");
        }
    }
    Ok(())
}

fn colors_leave_masks_alone() -> Result<(), Failed> {
    let mut failures = Vec::new();
    for (channels, color) in [
        (3, ColorOrder::Rgb),
        (3, ColorOrder::Bgr),
        (1, ColorOrder::Gray),
        (1, ColorOrder::Rgb),
        (3, ColorOrder::Gray),
    ] {
        let plain = augmented(Wedges::new(channels), color, "none");
        for augment in ["brightness=0.4", "contrast=0.5", "noise=0.1", "blur=2", "saturation=0.5", "hue=0.3"]
        {
            let found = augmented(Wedges::new(channels), color, augment);
            let masks = found.iter().zip(&plain).all(|(found, plain)| found.1 == plain.1);
            let changed = found.iter().zip(&plain).filter(|(found, plain)| found.0 != plain.0).count();
            let bounded =
                found.iter().all(|(image, _)| image.iter().all(|value| (0.0..=255.01).contains(value)));
            // The wedges are grey: saturation and hue change nothing, but for rounding.
            let expected = if augment.starts_with(['s', 'h']) { 0..=0 } else { 10..=12 };
            if !masks || !bounded || !expected.contains(&changed) {
                failures
                    .push(format!("{augment} of {channels} as {color:?}: masks {masks}, {changed} changed"));
            }
        }
    }
    report(failures)
}

fn beside_the_image_its_border_goes_on() -> Result<(), Failed> {
    for augment in ["scale=0.5:0.5", "shift=0.4,rotate=180"] {
        for (image, mask) in augmented(Wedges::new(1), ColorOrder::Gray, augment) {
            let beside: Vec<f32> = image
                .iter()
                .zip(&mask)
                .filter(|(_, id)| **id == i64::from(IGNORE))
                .map(|(value, _)| *value)
                .collect();
            // All border pixels of the wedges are dark.
            assert!(!beside.is_empty(), "{augment}");
            let light = beside.iter().filter(|&&value| (value - 40.0).abs() >= 1.0).count();
            assert_eq!(light, 0, "{augment}: of {} pixels", beside.len());
        }
    }
    Ok(())
}
