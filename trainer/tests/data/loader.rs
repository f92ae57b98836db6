//! Batches: the device's input to the bit, the same whatever the threads, bounded, and with errors that name the example.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use libtest_mimic::Failed;
use sedge::frame::{ColorOrder, Frame, InputRule, PixelFormat, Preparer, ResizeRule};
use sedge::mask::Mask;
use sedge::onnx::Task;
use sedge_train::data::{Batch, DataError, Example, Examples, Loader, LoaderOptions, Split, Target, open};

use crate::{Test, make, report, sources};

pub const TESTS: [Test; 6] = [
    ("inputs_are_those_of_the_device", inputs_are_those_of_the_device),
    ("batches_follow_from_seed_and_epoch_alone", batches_follow_from_seed_and_epoch_alone),
    ("batches_cover_each_epoch", batches_cover_each_epoch),
    ("the_cache_is_bounded_and_spares_reading", cache),
    ("work_ahead_is_bounded_and_ends_when_dropped", work_ahead),
    ("errors_name_the_example_and_end_the_epoch", errors),
];

/// Examples made of noise, of changing sizes, every third one grey; what is read is counted.
pub struct Noise {
    pub count: usize,
    pub task: Task,
    pub ignore: Option<u8>,
    pub classes: Vec<String>,
    pub reads: AtomicUsize,
    /// What is done to the last example before it is given.
    pub change: fn(&mut Example),
}

impl Noise {
    pub fn new(count: usize, task: Task) -> Noise {
        let classes = ["a", "b", "c"].map(str::to_owned).into();
        Noise { count, task, ignore: Some(9), classes, reads: AtomicUsize::new(0), change: |_| () }
    }
}

impl Examples for Noise {
    fn len(&self) -> usize {
        self.count
    }

    fn name(&self, index: usize) -> String {
        format!("noise {index}")
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let (width, height) = (19 + index % 4, 13 + index % 5);
        let channels = if index.is_multiple_of(3) { 1 } else { 3 };
        let pixels = make::noise(index as u32, width * height * channels);
        let target = match self.task {
            Task::Classification => Target::Class((index % 3) as i64),
            Task::Segmentation => {
                Target::Mask((0..width * height).map(|at| (at * (index + 1) % 3) as u8).collect())
            }
        };
        let mut example = Example { width, height, channels, pixels, target };
        if index + 1 == self.count {
            (self.change)(&mut example);
        }
        Ok(example)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn ignore(&self) -> Option<u8> {
        self.ignore
    }

    fn task(&self) -> Task {
        self.task
    }
}

/// Rules under which values are the pixel values.
pub fn rule(color: ColorOrder, resize: ResizeRule) -> InputRule {
    let channels = color.channels();
    InputRule { color, mean: vec![0.0; channels], std: vec![1.0 / 255.0; channels], resize }
}

pub fn images(batch: &Batch) -> Vec<f32> {
    Vec::try_from(&batch.images.flatten(0, -1)).unwrap()
}

pub fn targets(batch: &Batch) -> Vec<i64> {
    Vec::try_from(&batch.targets.flatten(0, -1)).unwrap()
}

/// All that the batches of an epoch hold.
fn contents(loader: &Loader, epoch: u64) -> Vec<(Vec<usize>, Vec<f32>, Vec<i64>)> {
    loader
        .epoch(epoch)
        .map(|batch| batch.unwrap())
        .map(|b| (b.indices.clone(), images(&b), targets(&b)))
        .collect()
}

fn inputs_are_those_of_the_device() -> Result<(), Failed> {
    let examples = Arc::new(Noise::new(7, Task::Segmentation));
    let mut failures = Vec::new();
    for color in [ColorOrder::Rgb, ColorOrder::Bgr, ColorOrder::Gray] {
        for resize in [ResizeRule::Stretch, ResizeRule::Letterbox] {
            for (width, height) in [(19, 13), (8, 8), (40, 31), (16, 33)] {
                let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
                let channels = color.channels();
                let rule =
                    InputRule { color, mean: mean[..channels].into(), std: std[..channels].into(), resize };
                let mut preparer = Preparer::new(rule.clone(), width as u32, height as u32)?;
                let loader = Loader::new(examples.clone(), LoaderOptions::plain(1, width, height, rule))?;
                for batch in loader.epoch(3) {
                    let batch = batch?;
                    assert_eq!(batch.images.size(), [1, channels as i64, height as i64, width as i64]);
                    assert_eq!(batch.targets.size(), [1, height as i64, width as i64]);
                    let example = examples.example(batch.indices[0])?;
                    let format = if example.channels == 1 { PixelFormat::Gray8 } else { PixelFormat::Rgb8 };
                    let (w, h) = (example.width as u32, example.height as u32);
                    let data = example.pixels;
                    let frame = Frame {
                        number: 0,
                        time: Duration::ZERO,
                        width: w,
                        height: h,
                        format,
                        data,
                        name: None,
                    };
                    let mut expected = vec![0.0; preparer.input_len()];
                    let place = preparer.prepare(&frame, &mut expected)?;
                    let Target::Mask(data) = example.target else { return Err("it has no mask".into()) };
                    let scaled = Mask { width: w, height: h, data }.scaled(place.width, place.height);
                    let id = |at: usize| {
                        let (x, y) = ((at % width) as u32, (at / width) as u32);
                        let inside = (place.x..place.x + place.width).contains(&x)
                            && (place.y..place.y + place.height).contains(&y);
                        let at = || ((y - place.y) * place.width + x - place.x) as usize;
                        if inside { i64::from(scaled.data[at()]) } else { 9 }
                    };
                    let mask: Vec<i64> = (0..width * height).map(id).collect();
                    if images(&batch) != expected || targets(&batch) != mask {
                        failures.push(format!(
                            "example {:?} as {color:?} {resize:?} {width}x{height}",
                            batch.indices
                        ));
                    }
                }
            }
        }
    }
    report(failures)
}

fn augmented(batch: usize, workers: usize, cache_bytes: usize) -> LoaderOptions {
    let augment =
        "flip,scale=0.8:1.2,crop=0.7,rotate=20,brightness=0.3,hue=0.1,noise=0.1,blur=1".parse().unwrap();
    let rule = rule(ColorOrder::Rgb, ResizeRule::Letterbox);
    LoaderOptions {
        augment,
        seed: 5,
        shuffle: true,
        workers,
        cache_bytes,
        ..LoaderOptions::plain(batch, 16, 12, rule)
    }
}

fn batches_follow_from_seed_and_epoch_alone() -> Result<(), Failed> {
    for task in [Task::Segmentation, Task::Classification] {
        let examples = Arc::new(Noise::new(23, task));
        let expected =
            [0, 1].map(|epoch| contents(&Loader::new(examples.clone(), augmented(4, 0, 0)).unwrap(), epoch));
        for workers in [0, 1, 2, 3, 9] {
            for cache_bytes in [0, 5000, 1 << 20] {
                let loader = Loader::new(examples.clone(), augmented(4, workers, cache_bytes))?;
                // Epoch 1 before 0, and again.
                for epoch in [1, 0, 1] {
                    let found = contents(&loader, epoch);
                    assert!(
                        found == expected[epoch as usize],
                        "{task:?}, {workers} workers, cache {cache_bytes}"
                    );
                }
            }
        }
        assert!(expected[0] != expected[1], "epochs differ");
        let other = LoaderOptions { seed: 6, ..augmented(4, 1, 0) };
        assert!(contents(&Loader::new(examples.clone(), other)?, 0) != expected[0], "seeds differ");
        // An example is the same in batches of any size.
        let area = 3 * 16 * 12;
        let single = contents(&Loader::new(examples, augmented(1, 2, 0))?, 1);
        let flat = |batches: &[(Vec<usize>, Vec<f32>, Vec<i64>)]| {
            let pairs = batches.iter().flat_map(|(indices, images, _)| {
                indices
                    .iter()
                    .copied()
                    .zip(images.chunks_exact(area).map(<[f32]>::to_vec))
                    .collect::<Vec<_>>()
            });
            pairs.collect::<Vec<_>>()
        };
        assert!(flat(&single) == flat(&expected[1]), "batch sizes");
    }
    Ok(())
}

fn batches_cover_each_epoch() -> Result<(), Failed> {
    // Examples, batch, last one dropped; sizes of the batches.
    let cases: [(usize, usize, bool, &[usize]); 6] = [
        (10, 4, false, &[4, 4, 2]),
        (10, 4, true, &[4, 4]),
        (8, 4, true, &[4, 4]),
        (3, 8, false, &[3]),
        (3, 8, true, &[]),
        (1, 1, false, &[1]),
    ];
    let mut failures = Vec::new();
    for (count, batch, drop_last, expected) in cases {
        for (shuffle, workers) in [(false, 0), (false, 2), (true, 2)] {
            let examples = Arc::new(Noise::new(count, Task::Classification));
            let options = LoaderOptions { drop_last, shuffle, ..augmented(batch, workers, 0) };
            let loader = Loader::new(examples, options)?;
            let indices: Vec<Vec<usize>> = loader.epoch(0).map(|batch| batch.unwrap().indices).collect();
            let sizes: Vec<usize> = indices.iter().map(Vec::len).collect();
            let flat = indices.concat();
            let distinct = flat.iter().collect::<BTreeSet<_>>().len();
            let right = sizes == expected
                && loader.batches() == expected.len()
                && distinct == flat.len()
                && (shuffle || flat.iter().copied().eq(0..flat.len()));
            if !right {
                failures.push(format!("{count} in batches of {batch}, shuffle {shuffle}: {indices:?}"));
            }
        }
    }
    report(failures)
}

fn cache() -> Result<(), Failed> {
    // Bytes, and whether the second epoch still reads all, some or none.
    let one = 3 * 16 * 12 + 16 * 12;
    let mut failures = Vec::new();
    for (cache_bytes, second) in [(0, 20..=20), (8 * (one + 100), 11..=13), (1 << 20, 0..=0)] {
        let examples = Arc::new(Noise::new(20, Task::Segmentation));
        let loader = Loader::new(examples.clone(), augmented(3, 2, cache_bytes))?;
        contents(&loader, 0);
        let (first_reads, kept) = (examples.reads.swap(0, Ordering::Relaxed), loader.cached_bytes());
        for epoch in 1..4 {
            contents(&loader, epoch);
            let reads = examples.reads.swap(0, Ordering::Relaxed);
            let right = first_reads == 20
                && second.contains(&reads)
                && loader.cached_bytes() == kept
                && kept <= cache_bytes;
            if !right {
                failures.push(format!(
                    "cache of {cache_bytes}: {reads} read in epoch {epoch}, {kept} bytes kept"
                ));
            }
        }
    }
    report(failures)
}

fn work_ahead() -> Result<(), Failed> {
    for workers in [1, 2, 4] {
        let examples = Arc::new(Noise::new(4000, Task::Segmentation));
        let loader = Loader::new(examples.clone(), augmented(2, workers, 0))?;
        let mut epoch = loader.epoch(0);
        for _ in 0..5 {
            epoch.next().ok_or("no batch")??;
        }
        assert_eq!(epoch.remaining(), 1995);
        drop(epoch);
        // Each worker holds one batch ready and one in work, besides those that were taken.
        let read = examples.reads.load(Ordering::Relaxed);
        assert!((10..=2 * (5 + 2 * workers)).contains(&read), "{workers} workers read {read}");
        // All threads are gone: only the loader and this test hold the examples.
        assert_eq!(Arc::strong_count(&examples), 2, "{workers} workers");
        // An epoch that nobody asks anything of ends as well, and so does one that outlives its loader.
        drop(loader.epoch(1));
        let mut last = loader.epoch(2);
        drop(loader);
        last.next().ok_or("no batch")??;
    }
    Ok(())
}

fn errors() -> Result<(), Failed> {
    type Change = fn(&mut Example);
    let cases: [(&str, Task, Change, &str); 6] = [
        ("short", Task::Classification, |example| example.pixels.truncate(9), "takes"),
        (
            "empty",
            Task::Classification,
            |example| {
                (example.width, example.pixels) = (0, Vec::new());
            },
            "has no pixels",
        ),
        ("channels", Task::Classification, |example| example.channels = 2, "it has 2 channels"),
        (
            "mask",
            Task::Segmentation,
            |example| {
                example.target = Target::Mask(vec![0; 5]);
            },
            "its mask has 5 pixels",
        ),
        (
            "class",
            Task::Segmentation,
            |example| {
                example.target = Target::Class(1);
            },
            "it has a class where the data set has masks",
        ),
        ("panic", Task::Classification, |_| panic!("decoder fell over"), "decoder fell over"),
    ];
    let mut failures = Vec::new();
    for (name, task, change, expected) in cases {
        for workers in [1, 3] {
            let examples = Arc::new(Noise { change, ..Noise::new(18, task) });
            let options = LoaderOptions { workers, shuffle: false, ..augmented(4, workers, 0) };
            let loader = Loader::new(examples, options)?;
            let found: Vec<_> = loader.epoch(0).collect();
            let last = found
                .last()
                .and_then(|batch| batch.as_ref().err())
                .map_or("none".into(), ToString::to_string);
            let named = name == "panic" || last.contains("noise 17");
            if found.len() != 5 || !last.contains(expected) || !named {
                failures.push(format!("{name}, {workers} workers: {} batches, error {last}", found.len()));
            }
        }
    }
    let folder = sources::made(|folder| make::masks(folder, &[("train", 6), ("val", 1)]));
    std::fs::write(folder.path().join("train/images/4.png"), "hello")?;
    let plain = LoaderOptions::plain(2, 8, 8, rule(ColorOrder::Rgb, ResizeRule::Stretch));
    let loader = Loader::new(open(folder.path(), Split::Train)?, plain.clone())?;
    let error = loader.epoch(0).find_map(Result::err).map(|error| error.to_string()).unwrap_or_default();
    if !error.contains("train/images/4.png is broken: it is neither") {
        failures.push(error);
    }
    let unlabelled = || Noise { ignore: None, ..Noise::new(3, Task::Segmentation) };
    let options: [(LoaderOptions, Noise, &str); 6] = [
        (LoaderOptions { batch: 0, ..plain.clone() }, unlabelled(), "a batch of 0 examples"),
        (LoaderOptions { width: 0, ..plain.clone() }, unlabelled(), "0x8 and so has no pixels"),
        (plain.clone(), Noise::new(0, Task::Segmentation), "holds no examples"),
        (LoaderOptions { augment: "rotate=5".parse()?, ..plain.clone() }, unlabelled(), "no ignore label"),
        (
            LoaderOptions { rule: rule(ColorOrder::Rgb, ResizeRule::Letterbox), ..plain.clone() },
            unlabelled(),
            "no ignore label",
        ),
        (
            LoaderOptions { rule: InputRule { std: vec![0.0; 3], ..plain.rule.clone() }, ..plain },
            unlabelled(),
            "std holds 0",
        ),
    ];
    for (options, examples, expected) in options {
        let error =
            Loader::new(Arc::new(examples), options).err().map_or("none".into(), |error| error.to_string());
        if !error.contains(expected) {
            failures.push(format!("{error}, not {expected}"));
        }
    }
    report(failures)
}
