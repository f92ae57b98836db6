//! ONNX Runtime as the reference, through the Python that `SEDGE_PYTHON` names.
// Every test program compiles this file and uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;
use sedge::onnx::Model;
use tch::{Device, Kind, Tensor};

/// The Python that has ONNX Runtime, if one is named.
pub fn python() -> Option<PathBuf> {
    std::env::var_os("SEDGE_PYTHON").map(PathBuf::from)
}

/// The first output of each model for its input, or what ONNX Runtime says against it. The models are checked first.
pub fn outputs(cases: &[(&Model, &[f32])]) -> Result<Vec<Result<Vec<f32>, String>>, Failed> {
    let folder = tempfile::tempdir()?;
    for (index, (model, input)) in cases.iter().enumerate() {
        let path = |part: &str| folder.path().join(format!("{index}.{part}"));
        model.write(&path("onnx"))?;
        let bytes: Vec<u8> = input.iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(path("input"), bytes)?;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnxruntime/run.py");
    let output = Command::new(python().ok_or("SEDGE_PYTHON is not set")?)
        .args([&script, folder.path()])
        .arg(cases.len().to_string())
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let read = |index: usize| -> Result<Vec<f32>, String> {
        let path = |part: &str| folder.path().join(format!("{index}.{part}"));
        if let Ok(error) = std::fs::read_to_string(path("error")) {
            return Err(error);
        }
        let bytes = std::fs::read(path("output")).map_err(|error| error.to_string())?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect())
    };
    Ok((0..cases.len()).map(read).collect())
}

/// An image tensor `[N,C,H,W]`.
pub fn images(values: &[f32], shape: [usize; 3]) -> Tensor {
    let [channels, height, width] = shape.map(|size| size as i64);
    Tensor::from_slice(values).reshape([-1, channels, height, width])
}

/// A tensor's elements.
pub fn values(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).reshape([-1]);
    Vec::<f32>::try_from(flat).unwrap_or_default()
}

/// The largest difference relative to the largest magnitude of `expected`; infinite for other lengths or what is not finite.
pub fn difference(found: &[f32], expected: &[f32]) -> f64 {
    if found.len() != expected.len() || found.iter().chain(expected).any(|value| !value.is_finite()) {
        return f64::INFINITY;
    }
    let largest = expected.iter().map(|value| value.abs()).fold(0.0f32, f32::max).max(1e-6);
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
    f64::from(apart / largest)
}
