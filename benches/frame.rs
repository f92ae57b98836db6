//! Times of the steps around the network: prepare, mask, PNG, store, overlay.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use sedge::frame::{Frame, InputRule, PixelFormat, Preparer};
use sedge::kernels::Q;
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

/// From a camera's pixels to a quantized input of 257x257: in one pass, and as it was before, the whole frame to RGB,
/// resized by `fast_image_resize`, then looked up. Both give the same bits.
fn preparing(c: &mut Criterion) {
    const SIDE: u32 = 257;
    let mut group = c.benchmark_group("prepare");
    let formats = [PixelFormat::Yuyv, PixelFormat::Nv12, PixelFormat::I420, PixelFormat::Rgb8];
    for (width, height) in [(640, 480), (1280, 720)] {
        for format in formats {
            let data = noise(format.frame_bytes(width, height)).iter().map(|x| (x * 255.0) as u8).collect();
            let frame = Frame { number: 0, time: Duration::ZERO, width, height, format, data, name: None };
            let size = format!("{width}x{height} to {SIDE}x{SIDE}");
            // One table for all channels, and one for each.
            for (tables, step) in [("", 0_usize), (" three tables", 1)] {
                let table = |channel| std::array::from_fn(|pixel| (pixel + step * channel) as u8 as Q);
                let tables_of = [table(0), table(1), table(2)];
                let mut preparer = Preparer::new(InputRule::symmetric(), SIDE, SIDE).unwrap();
                let mut input = vec![0; preparer.input_len()];
                group.bench_function(BenchmarkId::new(format!("{format:?}{tables}"), &size), |b| {
                    b.iter(|| preparer.prepare_pixels(black_box(&frame), &tables_of, &mut input).unwrap());
                });
                let mut before = WholeFrame::default();
                let mut input_before = vec![0; input.len()];
                group.bench_function(
                    BenchmarkId::new(format!("{format:?}{tables} whole frame"), &size),
                    |b| {
                        b.iter(|| before.prepare(black_box(&frame), SIDE, &tables_of, &mut input_before));
                    },
                );
                assert!(input == input_before, "{format:?} {width}x{height}: one pass gives other bits");
            }
        }
    }
}

/// The plain way from a frame to an input.
#[derive(Default)]
struct WholeFrame {
    rgb: Vec<u8>,
    resized: Vec<u8>,
    resizer: Resizer,
}

impl WholeFrame {
    fn prepare(&mut self, frame: &Frame, side: u32, tables: &[[Q; 256]; 3], input: &mut [Q]) {
        frame.write_rgb(&mut self.rgb).unwrap();
        self.resized.resize(input.len(), 0);
        let source = TypedImageRef::<U8x3>::from_buffer(frame.width, frame.height, &self.rgb).unwrap();
        let mut target = TypedImage::<U8x3>::from_buffer(side, side, &mut self.resized).unwrap();
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        self.resizer.resize_typed(&source, &mut target, &options).unwrap();
        for (values, pixel) in input.chunks_exact_mut(3).zip(self.resized.chunks_exact(3)) {
            values[0] = tables[0][usize::from(pixel[0])];
            values[1] = tables[1][usize::from(pixel[1])];
            values[2] = tables[2][usize::from(pixel[2])];
        }
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
