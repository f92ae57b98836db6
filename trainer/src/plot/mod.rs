//! Pictures of a run: curves, heat maps, sheets of predictions.

mod curves;
mod heatmap;
mod sheet;

pub use curves::curves;
pub use heatmap::heat_map;
pub use sheet::{Picture, gray_png, sheet};

use std::path::PathBuf;

/// Why a picture cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The file cannot be written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system or the format said.
        reason: String,
    },
}
