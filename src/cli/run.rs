//! `sedge run`: a mask on disk for every frame of a source.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sedge::camera::{self, OpenOptions};
use sedge::clock::SystemClock;
use sedge::mask::Class;
use sedge::pipeline::{
    Event, MaskSize, Parts, PictureFolder, Pipeline, PipelineError, Segmenter, Settings, Stage, Summary,
};
use sedge::status::Heartbeats;
use sedge::store::{Existing, MaskFolder, free_name};
use serde_json::json;

use super::engine::EngineArgs;
use super::field::Overrides;
use super::model::ModelArgs;
use super::progress::Progress;
use super::signals::stop_on_signals;

/// Time between two looks at the pipeline: how late Ctrl-C may be seen.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a stopped pipeline may take; a source or a disk that hangs is then left behind.
pub const STOP_LIMIT: Duration = Duration::from_millis(1500);

/// Write a mask for every frame of a source
#[derive(clap::Args)]
pub struct Args {
    /// Configuration of a camera that runs for months (TOML; packaging/sedge.toml, installed as /etc/sedge/sedge.toml, tells its keys); other
    /// options count more than what it says
    #[arg(long, value_name = "FILE", conflicts_with_all = ["overwrite", "append", "overlay"])]
    config: Option<PathBuf>,
    /// Where frames come from: an image, a folder of images, a clip (Motion-JPEG AVI, Y4M, or any other through
    /// ffmpeg), v4l:/dev/video0 for a camera, `-` for Y4M on standard input, an rtsp:// address, or synthetic:WIDTHxHEIGHT@FPS; without it the clip
    /// inside the program
    #[arg(long)]
    source: Option<String>,
    /// Folder for the masks; without it `masks`, or `masks-2` and so on where that holds an earlier run
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the earlier run in --out
    #[arg(long, conflicts_with = "append")]
    overwrite: bool,
    /// Add to the earlier run in --out
    #[arg(long)]
    append: bool,
    /// Stop after this many frames
    #[arg(long, value_name = "N")]
    frames: Option<u64>,
    /// Also write each frame with its mask drawn over it, and a legend
    #[arg(long)]
    overlay: bool,
    /// Size of the masks: the frame's, or that of the network's output
    #[arg(long, value_enum, default_value_t = Size::Frame)]
    mask_size: Size,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Size {
    Frame,
    Network,
}

impl Size {
    pub fn of_masks(self) -> MaskSize {
        match self {
            Size::Frame => MaskSize::Frame,
            Size::Network => MaskSize::Network,
        }
    }
}

pub fn run(args: Args) -> anyhow::Result<()> {
    if let Some(path) = &args.config {
        let overrides = Overrides {
            source: args.source,
            out: args.out,
            frames: args.frames,
            has_threads: args.engine.has_threads(),
            options: args.engine.options(),
            mask_size: args.mask_size.of_masks(),
            json: args.json,
        };
        return super::field::run(path, args.model, overrides);
    }
    let (model, card) = args.model.load()?;
    let mask_size = args.mask_size.of_masks();
    let segmenter = Segmenter::with_options(&model, &card, mask_size, &args.engine.options())?;
    // Before the source: a child process that it starts ends with the program.
    let stop = stop_on_signals()?;
    let source = match &args.source {
        Some(source) => {
            let [_, _, height, width] = segmenter.input_shape();
            let input = Some((width as u32, height as u32));
            let options = OpenOptions { input, stop: Arc::clone(&stop), ..OpenOptions::default() };
            match camera::open_with(source, &options) {
                Err(_) if stop.load(Ordering::Relaxed) => {
                    super::say("stopped by a signal before the first frame");
                    return Ok(());
                }
                opened => opened.map_err(|error| super::usage_if_crop(error.into()))?,
            }
        }
        None => camera::demo(),
    };
    let existing = match (args.overwrite, args.append) {
        (true, _) => Existing::Overwrite,
        (_, true) => Existing::Append,
        _ => Existing::Refuse,
    };
    let out = match &args.out {
        Some(out) => out.clone(),
        None if existing == Existing::Refuse => free_name(Path::new("masks")),
        None => PathBuf::from("masks"),
    };
    let folder = MaskFolder::create(&out, segmenter.classes(), existing)?;

    let (name, known) = (source.info().name.clone(), source.info().frames);
    let total = match (known, args.frames) {
        (Some(known), Some(limit)) => Some(known.min(limit)),
        (known, limit) => known.or(limit),
    };
    super::say(&format!("{name} -> {} -> {}", model.origin, out.display()));
    let classes = segmenter.classes().to_vec();
    let parts = Parts {
        source,
        segment: Box::new(segmenter),
        sink: Box::new(PictureFolder::new(folder, &classes)),
        rules: Box::new(|_, _| true),
        clock: Arc::new(SystemClock),
        heartbeats: Heartbeats::new(SystemClock),
        viewer: None,
    };
    let settings = Settings { with_frames: args.overlay, frames_max: args.frames, ..Settings::default() };
    let pipeline = Pipeline::start(parts, settings)?;
    let progress = Progress::new("segmenting", "frames", total);
    follow(&pipeline, &stop, &progress);
    let (summary, outcome) = pipeline.finish(STOP_LIMIT);
    progress.finish();

    let stopped = stop.load(Ordering::Relaxed);
    if args.json {
        super::print(&format!("{}\n", json_summary(&summary, &classes, &out, stopped)))?;
    } else {
        super::print(&text_summary(&summary, &classes, &out, stopped))?;
    }
    // Ctrl-C reaches whoever feeds this process too, such as ffmpeg: its end is then no failure.
    if !(stopped && matches!(outcome, Err(PipelineError::Source(_)))) {
        outcome.map_err(|error| super::usage_if_crop(error.into()))?;
    }
    if summary.frames == 0 && !stopped && args.frames != Some(0) {
        anyhow::bail!("{}: gave no whole frame", run_name(&args.source));
    }
    Ok(())
}

/// Shows how far the pipeline has come until it ends; stops it when a signal comes.
fn follow(pipeline: &Pipeline, stop: &AtomicBool, progress: &Progress) {
    while !pipeline.is_done() {
        if stop.load(Ordering::Relaxed) {
            return pipeline.stop();
        }
        let event = pipeline.next_event(LOOK_EVERY);
        let (frames, fps) = pipeline.progress();
        progress.reach(frames, &|| format!("{fps:.1} fps"));
        event.iter().for_each(|event| progress.say(&told(event)));
    }
    // What was told in the last moment.
    while let Some(event) = pipeline.next_event(Duration::ZERO) {
        progress.say(&told(&event));
    }
}

/// An event as a line for people.
fn told(event: &Event) -> String {
    match event {
        Event::Skipped(error) => format!("skipped: {error}"),
        Event::Interrupted(reason) => format!("no frames: {reason}"),
        Event::Resumed(after) => format!("frames again after {:.1} s", after.as_secs_f64()),
        Event::SinkWaits(reason) => format!("masks are not stored: {reason}"),
        Event::SinkResumed(after) => format!("masks are stored again after {:.1} s", after.as_secs_f64()),
    }
}

fn run_name(source: &Option<String>) -> &str {
    source.as_deref().unwrap_or("the clip inside sedge")
}

/// Classes that were seen, with their share of all pixels in percent, the largest first.
fn shares<'a>(summary: &Summary, classes: &'a [Class]) -> Vec<(&'a str, f64)> {
    let total: u64 = summary.pixels.iter().sum();
    let mut shares: Vec<(&str, f64)> = classes
        .iter()
        .map(|class| (class.name.as_str(), summary.pixels[class.id as usize]))
        .filter(|(_, pixels)| *pixels > 0)
        .map(|(name, pixels)| (name, 100.0 * pixels as f64 / total as f64))
        .collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares
}

fn text_summary(summary: &Summary, classes: &[Class], out: &Path, stopped: bool) -> String {
    let mut text = String::new();
    let broken =
        if summary.broken > 0 { format!(", {} broken and skipped", summary.broken) } else { String::new() };
    let end = if stopped { ", stopped by a signal" } else { "" };
    let (frames, fps, seconds) = (summary.stored, summary.fps(), summary.elapsed.as_secs_f64());
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{frames} frames in {seconds:.1} s, {fps:.1} fps{broken}{end}");
    let _ = writeln!(text, "stage     median ms  p99 ms");
    for stage in Stage::ALL {
        let latency = summary.stage(stage);
        let (median, p99) = (latency.percentile_ms(50.0), latency.percentile_ms(99.0));
        let _ = writeln!(text, "{:<9} {median:>9.2} {p99:>7.2}", stage.name());
    }
    let _ = writeln!(text, "{} bytes written to {}", summary.bytes_written, out.display());
    for (name, share) in shares(summary, classes) {
        let _ = writeln!(text, "{share:>6.2} %  {name}");
    }
    text
}

fn json_summary(summary: &Summary, classes: &[Class], out: &Path, stopped: bool) -> serde_json::Value {
    let stages: serde_json::Map<String, serde_json::Value> = Stage::ALL
        .iter()
        .map(|&stage| {
            let latency = summary.stage(stage);
            let figures = json!({
                "median_ms": latency.percentile_ms(50.0),
                "p99_ms": latency.percentile_ms(99.0),
                "max_ms": latency.max_ms(),
            });
            (stage.name().to_string(), figures)
        })
        .collect();
    let shares: serde_json::Map<String, serde_json::Value> =
        shares(summary, classes).into_iter().map(|(name, share)| (name.to_string(), json!(share))).collect();
    json!({
        "frames": summary.stored,
        "broken": summary.broken,
        "elapsed_s": summary.elapsed.as_secs_f64(),
        "fps": summary.fps(),
        "stages": stages,
        "bytes_written": summary.bytes_written,
        "classes_percent": shares,
        "out": out,
        "stopped": stopped,
    })
}
