//! Pictures for displays: composing them, and sending a full one against drawing it pixel by pixel.

use std::hint::black_box;
use std::io;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use sedge::display::{Device, Framebuffer, Geometry, PixelLayout};
use sedge::mask::{Mask, classes_from_names};
use sedge::overlay::{Parts, Scene, Statistics, View};

/// A device that takes everything and keeps nothing.
struct Nowhere;

impl Device for Nowhere {
    fn write_all_at(&mut self, bytes: &[u8], _: u64) -> io::Result<()> {
        black_box(bytes);
        Ok(())
    }
}

/// A scene of a frame of 640x480 with two objects.
fn scene(scene: &mut Scene, size: Size) {
    let (width, height) = (640_u32, 480);
    let rgb: Vec<u8> = (0..3 * width * height).map(|at| (at * 31 % 256) as u8).collect();
    let id = |at: u32| ((at % width) / 200 % 3) as u8;
    let mask = Mask { width, height, data: (0..width * height).map(id).collect() };
    let classes = classes_from_names(&["background", "cat", "dog"]);
    let statistics = Statistics { store: "recording", temperature_c: Some(50.0), ..Statistics::default() };
    scene
        .compose(&View { rgb: &rgb, width, height, mask: &mask, classes: &classes, statistics }, size)
        .unwrap();
}

const SIZES: [(u32, u32); 3] = [(320, 240), (800, 480), (1920, 1080)];

fn composing(c: &mut Criterion) {
    let mut group = c.benchmark_group("compose");
    for (width, height) in SIZES {
        let (rgb, mask) =
            (vec![90; 3 * 640 * 480], Mask { width: 640, height: 480, data: vec![1; 640 * 480] });
        let classes = classes_from_names(&["background", "cat"]);
        let statistics = Statistics::default();
        let view = View { rgb: &rgb, width: 640, height: 480, mask: &mask, classes: &classes, statistics };
        let mut scene = Scene::new(Parts::default());
        group.bench_function(BenchmarkId::from_parameter(format!("640x480 to {width}x{height}")), |b| {
            b.iter(|| scene.compose(black_box(&view), Size::new(width, height)).unwrap());
        });
    }
}

fn sending(c: &mut Criterion) {
    let mut group = c.benchmark_group("send");
    group.measurement_time(Duration::from_secs(3));
    for (width, height) in SIZES {
        let size = Size::new(width, height);
        let mut whole = Scene::new(Parts::default());
        scene(&mut whole, size);
        group.throughput(Throughput::Elements(u64::from(width) * u64::from(height)));
        for layout in [PixelLayout::Rgb565, PixelLayout::Rgb888, PixelLayout::Xrgb8888] {
            let geometry = Geometry { size, stride: layout.bytes() * width as usize, layout };
            let mut framebuffer = Framebuffer::new(Box::new(Nowhere), geometry);
            let parameter = format!("{layout:?} {width}x{height}");
            group.bench_function(BenchmarkId::new("whole", &parameter), |b| {
                b.iter(|| {
                    let Ok(()) = whole.send(black_box(&mut framebuffer));
                });
            });
            group.bench_function(BenchmarkId::new("by pixel", &parameter), |b| {
                b.iter(|| {
                    let colors = whole.rgb().chunks_exact(3).map(|rgb| Rgb888::new(rgb[0], rgb[1], rgb[2]));
                    let points = framebuffer.bounding_box().points();
                    let pixels = points.zip(colors).map(|(point, color)| Pixel(point, color));
                    let Ok(()) = black_box(&mut framebuffer).draw_iter(pixels);
                });
            });
        }
    }
}

criterion_group!(benches, composing, sending);
criterion_main!(benches);
