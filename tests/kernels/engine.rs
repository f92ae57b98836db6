//! What of the engine knows no ONNX.

#[path = "../../src/engine/plan/mod.rs"]
pub mod plan;
#[path = "../../src/engine/program.rs"]
pub mod program;
#[path = "../../src/engine/reference/mod.rs"]
pub mod reference;
#[path = "../../src/engine/run/mod.rs"]
pub mod run;
