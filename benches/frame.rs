//! Times of the steps around the network: prepare, mask, PNG, store, overlay.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sedge::frame::{Frame, InputRule, PixelFormat, Preparer};
use sedge::mask::{Logits, Mask, Masker, Region, classes_from_names, png};
use sedge::overlay::{self, Legend};

/// Smooth blobs, as a segmentation network gives: most pixels lie inside an object or the background.
fn logits(classes: usize, height: usize, width: usize) -> Vec<f32> {
    let mut data = Vec::with_capacity(classes * height * width);
    for class in 0..classes {
        let (cx, cy) = ((class * 37 % width) as f32, (class * 59 % height) as f32);
        for y in 0..height {
            for x in 0..width {
                let far = (x as f32 - cx).hypot(y as f32 - cy) / width as f32;
                data.push(if class == 0 { 4.0 } else { 8.0 - 40.0 * far });
            }
        }
    }
    data
}

/// White noise: the worst case, in which no pixel is settled without interpolation.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn masking(c: &mut Criterion) {
    let mut group = c.benchmark_group("mask");
    // Classes and side of the logits, size of the frame: DeepLab, LR-ASPP on a small input, full HD.
    for (classes, side, width, height) in [(21, 257, 640, 480), (21, 65, 640, 480), (21, 257, 1920, 1080)] {
        let data = [("smooth", logits(classes, side, side)), ("noise", noise(classes * side * side))];
        for (kind, data) in data {
            let id = BenchmarkId::new(kind, format!("{side}x{side}x{classes} to {width}x{height}"));
            let logits = Logits { data: &data, classes, height: side, width: side, resized: None };
            let (mut masker, mut mask) = (Masker::new(), Mask::default());
            group.bench_function(id, |b| {
                b.iter(|| masker.mask(black_box(logits), Region::WHOLE, width, height, &mut mask).unwrap());
            });
        }
    }
}

fn preparing(c: &mut Criterion) {
    let mut group = c.benchmark_group("prepare");
    for (format, width, height) in
        [(PixelFormat::Rgb8, 640, 480), (PixelFormat::I420, 640, 480), (PixelFormat::I420, 1920, 1080)]
    {
        let data = (0..format.frame_bytes(width, height)).map(|i| (i * 31 % 256) as u8).collect();
        let frame = Frame { number: 0, time: Duration::ZERO, width, height, format, data, name: None };
        let mut preparer = Preparer::new(InputRule::symmetric(), 257, 257).unwrap();
        let mut input = vec![0.0; preparer.input_len()];
        group.bench_function(
            BenchmarkId::new(format!("{format:?}"), format!("{width}x{height} to 257x257")),
            |b| {
                b.iter(|| preparer.prepare(black_box(&frame), &mut input).unwrap());
            },
        );
    }
}

fn writing(c: &mut Criterion) {
    let names: Vec<String> = (0..21).map(|id| format!("class {id}")).collect();
    let classes = classes_from_names(&names);
    let mut group = c.benchmark_group("write");
    for (width, height) in [(640, 480), (1920, 1080)] {
        let data = logits(21, 257, 257);
        let logits = Logits { data: &data, classes: 21, height: 257, width: 257, resized: None };
        let mut mask = Mask::default();
        Masker::new().mask(logits, Region::WHOLE, width, height, &mut mask).unwrap();
        let size = format!("{width}x{height}");
        let mut file = Vec::new();
        group.bench_function(BenchmarkId::new("png", &size), |b| {
            b.iter(|| {
                file.clear();
                png::write(&mut file, black_box(&mask), &classes).unwrap()
            });
        });
        let mut rgb = vec![100; 3 * mask.data.len()];
        group.bench_function(BenchmarkId::new("overlay", &size), |b| {
            b.iter(|| {
                overlay::draw(&mut rgb, width, height, black_box(&mask), &classes, Legend::Shown).unwrap()
            });
        });
        group.bench_function(BenchmarkId::new("jpeg", &size), |b| {
            b.iter(|| overlay::encode_jpeg(black_box(&rgb), width, height).unwrap());
        });
    }
}

criterion_group!(benches, masking, preparing, writing);
criterion_main!(benches);
