//! `sedge run --config`: a camera that runs for months.
//!
//! `parts` makes the pipeline's parts of the configuration; `watch` stands beside it while it runs: signals, status,
//! governor, watchdog.

mod parts;
mod source;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sedge::camera::SourceError;
use sedge::clock::SystemClock;
use sedge::config::Config;
use sedge::display::DisplayError;
use sedge::onnx::Model;
use sedge::pipeline::{Pipeline, PipelineError, Segmenter, Settings};
use sedge::status::{Heartbeats, Told};
use sedge::store::StoreError;
use sha2::{Digest, Sha256};

use super::model::ModelArgs;
use watch::Watch;

/// What `sedge run` was told beside the configuration.
pub struct Overrides {
    pub source: Option<String>,
    pub out: Option<PathBuf>,
    pub frames: Option<u64>,
    pub options: sedge::engine::Options,
    /// Whether `options.threads` was given.
    pub has_threads: bool,
    pub mask_size: sedge::pipeline::MaskSize,
    pub json: bool,
}

pub fn run(path: &Path, mut model: ModelArgs, overrides: Overrides) -> anyhow::Result<()> {
    let mut config = Config::read(path).map_err(|error| super::usage(&error.to_string()))?;
    let set_aside = apply(&mut config, &overrides);
    if !set_aside.is_empty() {
        let keys = set_aside.join(", ");
        super::say(&format!(
            "{}: {keys}: not for the source of the command line, so set aside",
            path.display()
        ));
    }
    if config.camera.source.is_none() {
        return Err(super::usage(&format!("{}: {}", path.display(), no_camera())));
    }
    source::check(&config.camera)
        .map_err(|message| super::usage(&format!("{}: {message}", path.display())))?;
    check_places(&config, path)?;
    let mut options = overrides.options;
    if let (Some(threads), false) = (config.model.threads, overrides.has_threads) {
        options.threads = threads;
    }
    if let (None, Some(file)) = (&model.model, &config.model.path) {
        check_model(file)?;
        model.model = Some(file.clone());
    }
    let file = model.bytes()?;
    let mut hash = [0; 8];
    hash.copy_from_slice(&Sha256::digest(&file)[..8]);
    drop(file);
    let (model, card) = model.load()?;
    let segmenter = Segmenter::with_options(&model, &card, overrides.mask_size, &options)?;

    let told = Arc::new(Told::new(SystemClock, super::say));
    let heartbeats = Heartbeats::new(SystemClock);
    let shared = parts::Shared::new(&config, segmenter.classes())?;
    // Before the source: a child process that it starts ends with the program.
    let stop = super::signals::stop_on_signals()?;
    let made = match parts::make(&config, segmenter, &shared, &told, &heartbeats, &stop) {
        Err(_) if stop.load(Ordering::Relaxed) => return Ok(()),
        made => made.map_err(usage_if_wrong)?,
    };
    super::say(&format!(
        "{} -> {} -> {}, as {} says",
        made.source.info().name,
        model.origin,
        config.store.path.display(),
        path.display()
    ));
    let camera = made.source.info().name.clone();
    let settings = Settings { frames_max: overrides.frames, model: hash, ..Settings::default() };
    let pipeline = Pipeline::start(made, settings)?;
    let watch = Watch { path, overrides: &overrides, pipeline: &pipeline, heartbeats, told, shared, stop };
    let folder = config.store.path.clone();
    let outcome = watch.run(config, camera, model.origin.clone(), hash);
    if outcome.is_err() {
        // A thread that is stuck is left behind.
        pipeline.stop();
    }
    let store_state = pipeline.sink_status().state;
    let (summary, ended) = pipeline.finish(super::run::STOP_LIMIT);
    if overrides.json {
        let figures = serde_json::json!({
            "frames": summary.frames, "stored": summary.stored, "lost": summary.lost(), "broken": summary.broken,
            "dropped": summary.dropped, "unsaved": summary.unsaved, "refused": summary.refused,
            "fps": summary.fps(), "bytes_written": summary.bytes_written,
            "latency_p50_ms": summary.latency.percentile_ms(50.0),
            "latency_p99_ms": summary.latency.percentile_ms(99.0),
        });
        super::print(&format!("{figures}\n"))?;
    }
    let lost = match summary.lost() {
        0 => String::new(),
        lost => format!(", {lost} lost"),
    };
    super::say(&format!("{} frames, {} masks stored{lost}", summary.frames, summary.stored));
    let stopped = outcome?;
    match ended {
        // The signal reaches whoever feeds this process too.
        Err(PipelineError::Source(_)) if stopped => {}
        ended => ended.map_err(|error| super::usage_if_crop(error.into()))?,
    }
    if summary.is_total_loss() {
        let reason = if store_state == "writing" { "the disk is too slow" } else { &store_state };
        anyhow::bail!(
            "no mask is stored in {}: all {} that were to be kept are lost: {reason}",
            folder.display(),
            summary.lost()
        );
    }
    Ok(())
}

/// What to write where a configuration names no camera.
fn no_camera() -> anyhow::Error {
    anyhow::anyhow!(
        "names no camera; write a line such as source = \"v4l:/dev/video0\" under [camera] (`sedge cameras` lists what is \
         connected), or give --source"
    )
}

/// Files that are written again and again must not lie among the masks, nor take the configuration's place.
fn check_places(config: &Config, path: &Path) -> anyhow::Result<()> {
    let places = [("status.file", &config.status.file), ("display.device", &config.display.device)];
    for (key, file) in places {
        if let Some(file) = file
            && (file == path || file.starts_with(&config.store.path))
        {
            let message = format!("{key}: {} is no place for it; use another one", file.display());
            return Err(super::usage(&message));
        }
    }
    Ok(())
}

/// Refuses what would be read for ever as a model, or fill the memory.
fn check_model(path: &Path) -> anyhow::Result<()> {
    let wrong = |what| Err(super::usage(&format!("model.path: {} {what}", path.display())));
    match std::fs::metadata(path) {
        Ok(file) if !file.is_file() => wrong("is no regular file; name an ONNX model"),
        Ok(file) if file.len() > Model::BYTES_MAX => {
            wrong("has more than 2 GiB, which no ONNX file has; name a model")
        }
        // Reading it says what is wrong.
        _ => Ok(()),
    }
}

/// What a configuration says wrong stays wrong when the program is started again: exit code 2.
fn usage_if_wrong(error: anyhow::Error) -> anyhow::Error {
    let is_wrong =
        matches!(
            error.downcast_ref(),
            Some(StoreError::Setting { .. } | StoreError::OtherFiles { .. } | StoreError::Pictures { .. })
        ) || matches!(
            error.downcast_ref(),
            Some(SourceError::BadCamera { .. } | SourceError::BadPattern { .. })
        ) || matches!(error.downcast_ref(), Some(DisplayError::Unknown { .. } | DisplayError::NoWindows));
    if is_wrong { super::usage(&error.to_string()) } else { super::usage_if_crop(error) }
}

/// Puts options of the command line over those of the file; names the keys that are for the file's source alone.
fn apply(config: &mut Config, overrides: &Overrides) -> Vec<&'static str> {
    let mut set_aside = Vec::new();
    if let Some(source) = &overrides.source {
        config.camera.source = Some(source.clone());
        set_aside = source::set_aside(&mut config.camera);
    }
    if let Some(out) = &overrides.out {
        config.store.path.clone_from(out);
    }
    set_aside
}
