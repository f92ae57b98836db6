//! Running a model: a [`Session`] gives logits for prepared inputs.

mod guard;
pub mod lower;
pub mod peak;
pub mod plan;
pub mod program;
pub mod reference;
mod region;
pub mod run;
mod session;
#[cfg(feature = "host")]
mod tensors;

pub use guard::silence_guarded_panics;
pub use run::Runner;
#[cfg(feature = "host")]
pub(crate) use session::evaluate;
pub use session::{Engine, Options, Session, Value};

/// Why a model does not run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// An operator that the engine does not have.
    #[error("{model}: {place}: operator {op} is not supported; replace it when exporting the model")]
    UnsupportedOperator {
        /// The model.
        model: String,
        /// The node.
        place: String,
        /// Its operator.
        op: String,
    },
    /// The model's input is not one image.
    #[error("{model}: {reason}")]
    Input {
        /// The model.
        model: String,
        /// What was found, what is needed.
        reason: String,
    },
    /// The graph does not hold together once shapes are known.
    #[error("{model}: cannot be prepared to run: {reason}")]
    Preparation {
        /// The model.
        model: String,
        /// What the engine said.
        reason: String,
    },
    /// An inference failed.
    #[error("{model}: inference failed: {reason}")]
    Inference {
        /// The model.
        model: String,
        /// What the engine said.
        reason: String,
    },
}
