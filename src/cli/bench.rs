//! `sedge bench`: how long one inference takes, and each step of it.

mod steady;

use std::fmt::Write;
use std::io::{Seek, SeekFrom};
use std::time::{Duration, Instant};

use sedge::camera;
use sedge::engine::{Engine, Session, peak};
use sedge::frame::Frame;
use sedge::mask::Mask;
use sedge::onnx::{Card, Model, Task};
use sedge::pipeline::{Classifier, Segmenter};
use serde_json::json;

use super::engine::EngineArgs;
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
    /// Size of the masks: the frame's, or that of the network's output
    #[arg(long, value_enum, default_value_t = super::run::Size::Frame)]
    mask_size: super::run::Size,
    /// Also measure every step of the integer engine: milliseconds, GMAC/s, and share of what this processor can do
    #[arg(long)]
    layers: bool,
    /// Measure until the time of a frame is steady, which on a warming board takes minutes, and report the first seconds
    /// and the steady state apart
    #[arg(long, conflicts_with_all = ["layers", "seconds"])]
    steady: bool,
    /// Seconds after which --steady ends, steady or not
    #[arg(long, value_name = "SECONDS", default_value_t = 900.0, value_parser = seconds, requires = "steady")]
    steady_limit: f64,
    /// Only run N inferences, each between two marks that benches/instructions counts between
    #[arg(long, hide = true, value_name = "N")]
    count_instructions: Option<u32>,
    /// Only run one inference on a fixed input and print a hash of each output: the same on every machine
    #[arg(long, hide = true)]
    digest: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    model: ModelArgs,
}

fn seconds(text: &str) -> anyhow::Result<f64> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=86_400.0).contains(&value) => Ok(value),
        _ => anyhow::bail!("write a number of seconds from 0 to 86400"),
    }
}

/// Milliseconds of one stage, every frame of them, sorted.
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

/// What is measured.
enum Pipeline {
    Segmenter(Box<Segmenter>, Mask),
    Classifier(Box<Classifier>),
}

impl Pipeline {
    fn new(args: &Args, model: &Model, card: &Card) -> anyhow::Result<Pipeline> {
        let options = args.engine.options();
        if card.task == Some(Task::Classification) {
            return Ok(Pipeline::Classifier(Box::new(Classifier::with_options(model, card, &options)?)));
        }
        let segmenter = Segmenter::with_options(model, card, args.mask_size.of_masks(), &options)?;
        Ok(Pipeline::Segmenter(Box::new(segmenter), Mask::default()))
    }

    fn session(&self) -> &Session {
        match self {
            Pipeline::Segmenter(segmenter, _) => segmenter.session(),
            Pipeline::Classifier(classifier) => classifier.session(),
        }
    }

    /// Time of preparing, inference, mask.
    fn frame(&mut self, frame: &Frame) -> anyhow::Result<[Duration; 3]> {
        match self {
            Pipeline::Segmenter(segmenter, mask) => {
                let times = segmenter.segment(frame, mask)?;
                Ok([times.prepare, times.infer, times.mask])
            }
            Pipeline::Classifier(classifier) => {
                let (_, times) = classifier.classify_timed(frame)?;
                Ok([times.prepare, times.infer, times.mask])
            }
        }
    }
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let (model, card) = args.model.load()?;
    if args.digest {
        return digest(&Session::with_options(&model, &args.engine.options())?);
    }
    let mut pipeline = Pipeline::new(&args, &model, &card)?;
    if let Some(inferences) = args.count_instructions {
        return count_instructions(pipeline.session(), inferences);
    }
    let (height, width) = args.frame;
    let mut source = camera::open(&format!("synthetic:{width}x{height}@30"))?;
    let warm_up = Instant::now();
    let mut next = || source.next_frame().unwrap_or_else(|| unreachable!("a synthetic source has no end"));
    while warm_up.elapsed() < Duration::from_secs_f64(args.warm_up) {
        pipeline.frame(&next()?)?;
    }
    if args.steady {
        let frame = || Ok(pipeline.frame(&next()?)?.iter().sum());
        let (report, processor) = steady::measure(Duration::from_secs_f64(args.steady_limit), frame)?;
        return steady::print(&report, processor, &Setup::new(&args, &model, &pipeline), args.json);
    }
    if args.layers && args.engine.is_tract() {
        return Err(super::usage(
            "--layers times the steps of the integer engine: leave --engine tract away",
        ));
    }
    if args.layers {
        measure_steps(pipeline.session(), true)?;
    }
    let mut samples =
        ["prepare", "infer", "mask", "frame"].map(|stage| Samples { stage, millis: Vec::new() });
    let mut steps: Vec<Vec<f64>> = Vec::new();
    let start = Instant::now();
    loop {
        let [prepare, infer, mask] = pipeline.frame(&next()?)?;
        for (sample, time) in samples.iter_mut().zip([prepare, infer, mask, prepare + infer + mask]) {
            sample.millis.push(time.as_secs_f64() * 1e3);
        }
        if let Some(runner) = pipeline.session().int8().filter(|_| args.layers) {
            let times = runner.step_times().unwrap_or(&[]);
            steps.resize(times.len(), Vec::new());
            steps.iter_mut().zip(times).for_each(|(step, time)| step.push(time.as_secs_f64() * 1e3));
        }
        if start.elapsed() >= Duration::from_secs_f64(args.seconds) {
            break;
        }
    }
    for sample in &mut samples {
        sample.millis.sort_by(f64::total_cmp);
    }
    let layers = if args.layers { layers(pipeline.session(), steps)? } else { Vec::new() };
    report(&args, &model, &pipeline, &samples, &layers)
}

fn measure_steps(session: &Session, measure: bool) -> anyhow::Result<()> {
    let Some(mut runner) = session.int8() else {
        anyhow::bail!(
            "--layers needs a model that the integer engine runs whole; `sedge inspect` says what keeps it from that"
        );
    };
    runner.measure_steps(measure);
    Ok(())
}

/// One step of the integer engine.
struct Layer {
    operators: String,
    node: String,
    dims: Vec<usize>,
    median_ms: f64,
    gmacs: f64,
    share: f64,
}

fn layers(session: &Session, mut steps: Vec<Vec<f64>>) -> anyhow::Result<Vec<Layer>> {
    let Some(runner) = session.int8() else { return Ok(Vec::new()) };
    let peak = peak::gmacs_per_second(runner.plan().kernels) * runner.threads() as f64;
    let reports = runner.plan().report();
    Ok(reports
        .into_iter()
        .map(|(index, report)| {
            steps[index].sort_by(f64::total_cmp);
            let median_ms = steps[index][steps[index].len() / 2];
            let gmacs = report.macs as f64 / median_ms / 1e6;
            Layer {
                operators: report.operators,
                node: report.node,
                dims: report.dims,
                median_ms,
                gmacs,
                share: gmacs / peak,
            }
        })
        .collect())
}

/// What is measured, for the head of a report.
struct Setup {
    model: String,
    width: usize,
    height: usize,
    engine: &'static str,
    isa: &'static str,
    threads: usize,
}

impl Setup {
    fn new(args: &Args, model: &Model, pipeline: &Pipeline) -> Setup {
        let (engine, isa, threads) = match (pipeline.session().int8(), args.engine.options().engine) {
            (Some(runner), _) => ("int8", runner.plan().kernels.isa().name(), runner.threads()),
            (None, Engine::Int8) => ("mixed", "-", args.engine.options().threads),
            (None, Engine::Tract) => ("tract", "-", 1),
        };
        let (height, width) = args.frame;
        Setup { model: model.origin.clone(), width, height, engine, isa, threads }
    }

    fn text(&self) -> String {
        let Setup { model, width, height, engine, isa, threads } = self;
        let plural = if *threads == 1 { "" } else { "s" };
        format!("{model}, frames of {width}x{height}, engine {engine} ({isa}), {threads} thread{plural}")
    }

    /// Prints one object: what is measured, and `measured`'s entries.
    fn print_json(&self, mut measured: serde_json::Value) -> anyhow::Result<()> {
        measured["model"] = json!(self.model);
        measured["frame"] = json!({ "width": self.width, "height": self.height });
        measured["engine"] = json!(self.engine);
        measured["isa"] = json!(self.isa);
        measured["threads"] = json!(self.threads);
        super::print(&format!("{measured:#}\n"))
    }
}

fn report(
    args: &Args,
    model: &Model,
    pipeline: &Pipeline,
    samples: &[Samples],
    layers: &[Layer],
) -> anyhow::Result<()> {
    let setup = Setup::new(args, model, pipeline);
    let frames = samples[0].millis.len();
    if args.json {
        let stages: serde_json::Map<String, serde_json::Value> = samples
            .iter()
            .map(|sample| {
                let [min, median, p90, p99, max] =
                    [0.0, 50.0, 90.0, 99.0, 100.0].map(|p| sample.percentile(p));
                let figures = json!({
                    "min_ms": min, "median_ms": median, "p90_ms": p90, "p99_ms": p99, "max_ms": max,
                });
                (sample.stage.to_string(), figures)
            })
            .collect();
        let layers: Vec<serde_json::Value> = layers
            .iter()
            .map(|layer| {
                json!({
                    "operators": layer.operators, "node": layer.node, "dims": layer.dims,
                    "median_ms": layer.median_ms, "gmacs_per_second": layer.gmacs, "share_of_peak": layer.share,
                })
            })
            .collect();
        let measured = json!({ "frames": frames, "stages": stages, "layers": layers });
        return setup.print_json(measured);
    }
    let mut text = format!("{}, {frames} frames\n", setup.text());
    text.push_str("stage    median ms   p90 ms   p99 ms   max ms\n");
    for sample in samples {
        let [median, p90, p99, max] = [50.0, 90.0, 99.0, 100.0].map(|percent| sample.percentile(percent));
        writeln!(text, "{:<8} {median:>9.2} {p90:>8.2} {p99:>8.2} {max:>8.2}", sample.stage)?;
    }
    if !layers.is_empty() {
        writeln!(text, "median ms   GMAC/s  of peak  step")?;
        for layer in layers {
            let speed = if layer.gmacs > 0.0 {
                format!("{:>8.1} {:>6.0} %", layer.gmacs, layer.share * 100.0)
            } else {
                " ".repeat(17)
            };
            let Layer { median_ms, operators, node, dims, .. } = layer;
            writeln!(text, "{median_ms:>9.3} {speed}  {operators} -> {dims:?} ({node})")?;
        }
    }
    super::print(&text)
}

/// Runs inferences between marks: seeks of the null device to a place that nothing else seeks, which QEMU's plugin sees.
fn count_instructions(session: &Session, inferences: u32) -> anyhow::Result<()> {
    /// The same number as in benches/instructions/count.c.
    const MARK: u64 = 0x5ed6e;
    let input = vec![0.25; session.input_shape().iter().product()];
    let infer = || -> anyhow::Result<()> {
        match session.int8() {
            Some(mut runner) => runner.run(),
            None => drop(session.run(&input)?),
        }
        Ok(())
    };
    let mut marks = std::fs::File::open("/dev/null")?;
    infer()?;
    for _ in 0..inferences {
        marks.seek(SeekFrom::Start(MARK))?;
        infer()?;
    }
    marks.seek(SeekFrom::Start(MARK))?;
    Ok(())
}

/// One line for each output: its name, its shape and a hash (FNV-1a, 64 bits) of its values' bits. The input is a fixed sequence of
/// numbers from -1 to 1.
fn digest(session: &Session) -> anyhow::Result<()> {
    let count: usize = session.input_shape().iter().product();
    let input: Vec<f32> = (0..count as u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0)
        .collect();
    let mut text = String::new();
    for (name, value) in session.outputs().iter().zip(session.run(&input)?) {
        let Some(values) = value.as_f32() else { anyhow::bail!("output {name} does not hold f32 values") };
        let bytes = values.iter().flat_map(|value| value.to_bits().to_le_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        writeln!(text, "{name} {:?} {hash:016x}", value.shape())?;
    }
    super::print(&text)
}
