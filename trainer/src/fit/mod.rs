//! Training: the loop, its checkpoints, its run folder.
//!
//! 1. [`Options`] say everything that decides a run's result; [`Setup`] what does not.
//! 2. [`Run::open`] reads the data, makes the [`Start`]ing model and the network, checks that they fit, and writes or
//!    compares `run.json` in the run's [`Folder`].
//! 3. [`Run::train`] goes through the epochs with an [`Objective`], evaluates after each ([`Scores`]), and writes
//!    checkpoints that [`Setup::resume`] goes on from, to the same weights.
//! 4. The best epoch's weights become `model.onnx` with its card; its scores become `result.json`, whose presence says that
//!    the run is complete.

mod check;
mod checkpoint;
mod device;
mod divergence;
mod error;
mod evaluate;
mod export;
mod folder;
mod image_size;
mod memory;
mod norms;
mod objective;
mod open;
mod options;
mod outcome;
mod record;
mod run;
mod scores;
mod sheets;
mod start;
mod state;
mod stop;
mod subset;
mod training;
mod trial;
mod watch;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use device::device;
pub use error::FitError;
pub use evaluate::{Judge, evaluate};
pub use folder::{Folder, write_atomic};
pub use image_size::evaluate_at_image_size;
pub use objective::{Context, Objective, Recipe, Supervised};
pub use options::{Options, Setup};
pub use outcome::Outcome;
pub use record::COMMIT;
pub use run::{Run, fit};
pub use scores::Scores;
pub use start::{Start, read_model};
pub use state::EpochLine;
pub use stop::Stop;
pub use subset::Subset;
pub use trial::{Runner, Trial, TrialOptions, Uncertainty};
pub use watch::{Silent, Watch};

pub(crate) use evaluate::resized;
pub(crate) use outcome::{read_result, write_result};
pub(crate) use record::sha256;
pub(crate) use start::usual_rule;
