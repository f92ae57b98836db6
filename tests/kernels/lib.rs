//! The kernels of Sedge, its programs, planner and runner as a crate that needs neither tract nor ONNX.

#[path = "../../src/kernels/mod.rs"]
pub mod kernels;

/// What of the engine knows no ONNX.
pub mod engine {
    #[path = "../../../src/engine/plan/mod.rs"]
    pub mod plan;
    #[path = "../../../src/engine/program.rs"]
    pub mod program;
    #[path = "../../../src/engine/reference/mod.rs"]
    pub mod reference;
    #[path = "../../../src/engine/run/mod.rs"]
    pub mod run;
}
