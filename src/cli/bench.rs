//! `sedge bench`: how long one inference takes.

use std::time::{Duration, Instant};

use sedge::camera;
use sedge::mask::Mask;
use sedge::pipeline::{MaskSize, Segmenter};
use serde_json::json;

use super::model::ModelArgs;

/// Measure the time of one frame: prepare, infer, mask
#[derive(clap::Args)]
pub struct Args {
    /// Seconds of measuring, after warm-up
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
    /// Seconds of warm-up
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    warm_up: f64,
    /// Size of the frames
    #[arg(long, value_name = "HEIGHTxWIDTH", default_value = "480x640", value_parser = super::model::size)]
    frame: (usize, usize),
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
}

fn seconds(text: &str) -> anyhow::Result<f64> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=86_400.0).contains(&value) => Ok(value),
        _ => anyhow::bail!("write a number of seconds from 0 to 86400"),
    }
}

/// Milliseconds of one stage, every frame of them.
struct Samples {
    stage: &'static str,
    millis: Vec<f64>,
}

impl Samples {
    /// The value that `percent` of the samples do not exceed (nearest rank).
    fn percentile(&self, percent: f64) -> f64 {
        let rank = (self.millis.len() as f64 * percent / 100.0).ceil() as usize;
        self.millis[rank.clamp(1, self.millis.len()) - 1]
    }
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let (model, card) = args.model.load()?;
    let mut segmenter = Segmenter::new(&model, &card, MaskSize::Frame)?;
    let (height, width) = args.frame;
    let mut source = camera::open(&format!("synthetic:{width}x{height}@30"))?;
    let mut mask = Mask::default();

    let warm_up = Instant::now();
    let mut next = || source.next_frame().unwrap_or_else(|| unreachable!("a synthetic source has no end"));
    while warm_up.elapsed() < Duration::from_secs_f64(args.warm_up) {
        segmenter.segment(&next()?, &mut mask)?;
    }
    let mut samples =
        ["prepare", "infer", "mask", "frame"].map(|stage| Samples { stage, millis: Vec::new() });
    let start = Instant::now();
    loop {
        let times = segmenter.segment(&next()?, &mut mask)?;
        let stages = [times.prepare, times.infer, times.mask, times.prepare + times.infer + times.mask];
        for (sample, time) in samples.iter_mut().zip(stages) {
            sample.millis.push(time.as_secs_f64() * 1e3);
        }
        if start.elapsed() >= Duration::from_secs_f64(args.seconds) {
            break;
        }
    }
    for sample in &mut samples {
        sample.millis.sort_by(f64::total_cmp);
    }
    let frames = samples[0].millis.len();
    let figures = |sample: &Samples| [50.0, 90.0, 99.0, 100.0].map(|percent| sample.percentile(percent));
    if args.json {
        let stages: serde_json::Map<String, serde_json::Value> = samples
            .iter()
            .map(|sample| {
                let [median, p90, p99, max] = figures(sample);
                let figures = json!({ "median_ms": median, "p90_ms": p90, "p99_ms": p99, "max_ms": max });
                (sample.stage.to_string(), figures)
            })
            .collect();
        let value = json!({
            "model": model.origin,
            "frame": { "width": width, "height": height },
            "frames": frames,
            "threads": 1,
            "stages": stages,
        });
        return super::print(&format!("{value:#}\n"));
    }
    let mut text = format!("{}, frames of {width}x{height}, 1 thread, {frames} frames\n", model.origin);
    text.push_str("stage    median ms   p90 ms   p99 ms   max ms\n");
    for sample in &samples {
        let [median, p90, p99, max] = figures(sample);
        text.push_str(&format!("{:<8} {median:>9.2} {p90:>8.2} {p99:>8.2} {max:>8.2}\n", sample.stage));
    }
    super::print(&text)
}
