//! The configuration file of a camera: TOML in, checked plain values out.
//!
//! ```toml
//! [camera]
//! source = "v4l:/dev/v4l/by-id/usb-camera-video-index0"
//! width = 640
//! height = 480
//!
//! [store]
//! path = "/mnt/card/masks"
//! mount = "/mnt/card"
//! max_bytes = "20GB"
//! sync = "10s"
//! ```
//!
//! Every key has a default; a file holds only what differs. `keys.rs` is the table of all keys, with their types,
//! ranges, and whether a running program takes a new value (SIGHUP) or has to be started again. An unknown key, a
//! value of another type or out of its range, and values that do not go together are errors that name file, line
//! and key.

mod check;
mod error;
mod keys;
mod nearest;
mod read;
mod sections;
#[cfg(test)]
mod tests;
mod units;
mod value;

pub use error::ConfigError;
pub use keys::Reload;
pub use sections::{
    CameraConfig, Config, Control, Crop, DisplayConfig, Encoding, GovernorConfig, Mirror, ModelConfig,
    Rotate, SaveConfig, SaveEvery, StatusConfig, StoreConfig, StoreFormat, Sync,
};
pub use units::{parse_bytes, parse_duration};
