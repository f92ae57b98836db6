//! Latency of the network that ships: float and int8, alone and with all steps between a frame and its mask.

use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use sedge::camera;
use sedge::engine::Session;
use sedge::mask::Mask;
use sedge::onnx::{Card, Model};
use sedge::pipeline::{MaskSize, Segmenter};

fn networks(criterion: &mut Criterion) {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let float = Model::read(&models.join("deeplabv3_mnv2_dm05_voc21_257.onnx")).expect("it ships");
    let int8 = Model::read(&models.join("deeplabv3_mnv2_dm05_voc21_257.int8.onnx")).expect("it ships");
    let card = Card::of(&int8).expect("it has a card");
    let frame = camera::open("synthetic:640x480@30:1")
        .ok()
        .and_then(|mut source| source.next_frame()?.ok())
        .expect("a pattern has a frame");

    let mut group = criterion.benchmark_group("deeplabv3_mnv2_dm05_voc21_257");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    for (name, model) in [("float", &float), ("int8", &int8)] {
        let session = Session::new(model).expect("it runs");
        let input = vec![0.25; session.input_shape().iter().product()];
        group.bench_function(format!("{name} inference"), |bencher| {
            bencher.iter(|| session.run(&input).expect("it runs"));
        });
        let mut segmenter = Segmenter::new(model, &card, MaskSize::Frame).expect("the card fits");
        let mut mask = Mask::default();
        group.bench_function(format!("{name} 640x480 frame to mask"), |bencher| {
            bencher.iter(|| segmenter.segment(&frame, &mut mask).expect("it runs"));
        });
    }
    group.finish();
}

criterion_group!(benches, networks);
criterion_main!(benches);
