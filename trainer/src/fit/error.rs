//! Why a run cannot begin, or ends before its time.

use std::path::{Path, PathBuf};

use tch::TchError;

use super::CheckpointError;
use crate::data::DataError;
use crate::graph::GraphError;
use crate::loss::LossError;
use crate::optimize::{GroupError, StateError};

/// Why a run cannot begin, or ends before its time.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// A file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// An option is out of range, or two do not go together.
    #[error("{0}")]
    Option(String),
    /// The folder holds a run, and going on was not asked for.
    #[error("{} holds a run already; go on with --resume, or choose another folder", .0.display())]
    Occupied(PathBuf),
    /// The run to go on with was made with other options.
    #[error(
        "{} was begun with {option} {before}, not {now}; resume with the options it was begun with, or choose another \
         folder", path.display()
    )]
    OtherOptions {
        /// The run's record.
        path: PathBuf,
        /// What differs.
        option: String,
        /// As it was.
        before: String,
        /// As it is now.
        now: String,
    },
    /// Model and data disagree about the classes.
    #[error(
        "{model} tells {channels} classes apart, but {data} has {} ({}); build the network for them (zoo:NAME takes the \
         data's number by itself, --init keeps other weights) or choose other data", .classes.len(), .classes.join(", ")
    )]
    Classes {
        /// The model.
        model: String,
        /// Its logits' channels.
        channels: usize,
        /// The data set.
        data: String,
        /// Its classes.
        classes: Vec<String>,
    },
    /// A segmenter for a classification set, or the other way round.
    #[error("{model} is a {network}, but {data} has {targets}; choose a network for the task")]
    Task {
        /// The model.
        model: String,
        /// "segmenter" or "classifier".
        network: &'static str,
        /// The data set.
        data: String,
        /// "masks" or "a class for each image".
        targets: &'static str,
    },
    /// The loss is no number any more, or far above its best.
    #[error("the loss diverged in epoch {epoch}, step {step}: {what}; {advice}")]
    Diverged {
        /// From 1.
        epoch: usize,
        /// From 1, within the epoch.
        step: usize,
        /// The value, and what it should be.
        what: String,
        /// What to do, and where the last good checkpoint lies.
        advice: String,
    },
    /// A batch does not fit into memory.
    #[error("{}", memory_message(*batch, *fits, reason))]
    Memory {
        /// Images of a batch.
        batch: usize,
        /// A batch that fits, if one does.
        fits: Option<usize>,
        /// What was measured or what libtorch said.
        reason: String,
    },
    /// Told to stop; the last checkpoint is whole.
    #[error("stopped in epoch {epoch}; --resume goes on after the last whole one")]
    Stopped {
        /// The epoch that was not finished, from 1.
        epoch: usize,
    },
    /// A prediction or a label is no class.
    #[error("cannot count predictions: {0}")]
    Metrics(#[from] sedge::metrics::MetricsError),
    /// The data are wrong.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network is wrong.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The loss is wrong.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// A pattern of names is wrong.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// A saved optimizer does not fit.
    #[error(transparent)]
    State(#[from] StateError),
    /// A checkpoint is broken.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The model's file is wrong.
    #[error(transparent)]
    Onnx(#[from] sedge::onnx::OnnxError),
    /// The model's card is wrong.
    #[error(transparent)]
    Card(#[from] sedge::onnx::CardError),
    /// The zoo cannot build the network.
    #[error(transparent)]
    Zoo(#[from] sedge::zoo::ZooError),
    /// A picture of the run cannot be drawn.
    #[error(transparent)]
    Plot(#[from] crate::plot::PlotError),
    /// Sedge's engine cannot run the model.
    #[error("Sedge's engine: {0}")]
    Engine(String),
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(String),
}

impl From<TchError> for FitError {
    fn from(error: TchError) -> FitError {
        // What follows the first line is libtorch's own stack.
        let text = error.to_string();
        let text = text.strip_prefix("Internal torch error: ").unwrap_or(&text);
        FitError::Torch(text.lines().next().unwrap_or_default().to_string())
    }
}

impl FitError {
    /// An error of the file `path`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> FitError {
        move |reason| FitError::File { path: path.to_path_buf(), reason }
    }

    /// An error of Sedge's engine.
    pub(super) fn engine(error: sedge::engine::EngineError) -> FitError {
        FitError::Engine(error.to_string())
    }

    /// Whether libtorch could not get memory, on the CPU or on CUDA.
    pub(crate) fn wants_memory(&self) -> bool {
        let text = self.to_string();
        ["out of memory", "can't allocate memory", "not enough memory"].iter().any(|said| text.contains(said))
    }
}

fn memory_message(batch: usize, fits: Option<usize>, reason: &str) -> String {
    match fits {
        Some(fits) => format!("a batch of {batch} does not fit into memory ({reason}); --batch {fits} does"),
        None => format!(
            "not even a batch of 1 fits into memory ({reason}); choose a smaller input, a narrower network or another \
             machine"
        ),
    }
}
