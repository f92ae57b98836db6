//! What is wrong with a graph, its values, or a run of it.

use tch::TchError;

/// Why a network cannot be made, run, or filled with values.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// A node has an operator, or a form of it, that cannot be trained here.
    #[error("{model}: {place} uses {what}, which the trainer does not know; export the model without it")]
    Unsupported {
        /// The model.
        model: String,
        /// The node: its name and operator.
        place: String,
        /// The operator or the part of it.
        what: String,
    },
    /// The model has no form that can be trained.
    #[error("{model}: {reason}")]
    Model {
        /// The model.
        model: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A node cannot be computed.
    #[error("{model}: {place}: {reason}")]
    Node {
        /// The model.
        model: String,
        /// The node: its name and operator.
        place: String,
        /// What is wrong; libtorch's own words where they come from there.
        reason: String,
    },
    /// The images do not fit the network.
    #[error("images of shape {shape:?} do not fit {model}; it takes [N,{},{},{}]", .input[0], .input[1], .input[2])]
    Images {
        /// The model.
        model: String,
        /// Shape of the images.
        shape: Vec<i64>,
        /// Channels, height and width that the network takes.
        input: [usize; 3],
    },
    /// A pattern of names that fits no variable.
    #[error("no variable of {model} is called {pattern}; its names are like {example}")]
    Pattern {
        /// The model.
        model: String,
        /// The pattern.
        pattern: String,
        /// Some names.
        example: String,
    },
    /// A tensor that the graph does not have.
    #[error("{model} has no tensor called {name}")]
    Tensor {
        /// The model.
        model: String,
        /// The name.
        name: String,
    },
    /// A value to load that does not fit.
    #[error(
        "{name} has shape {found:?}, but the network's has {expected:?}; load values of the same network"
    )]
    Shape {
        /// The variable.
        name: String,
        /// Shape of the value.
        found: Vec<i64>,
        /// Shape of the variable.
        expected: Vec<i64>,
    },
    /// libtorch failed outside of any node.
    #[error("libtorch: {0}")]
    Torch(String),
}

impl From<TchError> for GraphError {
    fn from(error: TchError) -> GraphError {
        GraphError::Torch(first_line(&error))
    }
}

/// What an operator's function found wrong; the caller adds the node.
#[derive(Debug)]
pub(super) enum Fault {
    /// A form of the operator that is not known here.
    Unsupported(String),
    /// A contradiction, or libtorch's message.
    Failed(String),
}

impl From<TchError> for Fault {
    fn from(error: TchError) -> Fault {
        Fault::Failed(first_line(&error))
    }
}

/// Says that the operator is used in a way that is not known here.
pub(super) fn unsupported<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Unsupported(what.into()))
}

/// Says that the operator cannot be computed.
pub(super) fn failed<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Failed(reason.into()))
}

/// libtorch's message without its stack trace.
fn first_line(error: &TchError) -> String {
    let text = error.to_string();
    let message = text.strip_prefix("Internal torch error: ").unwrap_or(&text);
    message.lines().next().unwrap_or_default().to_string()
}
