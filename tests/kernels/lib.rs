//! The kernels of Sedge, its programs, planner and runner as a crate that needs neither tract nor ONNX.

pub mod engine;
#[path = "../../src/kernels/mod.rs"]
pub mod kernels;
