//! Lowering, held against ONNX Runtime: every operator alone, in every form in which tools write it, gives the same 8-bit numbers,
//! or the next where a float operation rounds differently.

mod program;
mod reference;

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use program::project;
use reference::Level;
use sedge::engine::lower::lower;
use sedge::engine::program::{Element, Program};
use sedge::engine::reference as interpreter;
use sedge::onnx::Model;

/// Families of graphs that `quantized.py` writes.
const FAMILIES: [&str; 10] = [
    "conv",
    "conv_transpose",
    "matmul",
    "elementwise",
    "functions",
    "moves",
    "pool",
    "resize",
    "rows",
    "qoperator",
];

/// Most elements of 1000 that may be one step off.
const OFF_PER_MILLE_MAX: usize = 10;

/// The same for a softmax of integers, which ONNX Runtime computes from integer exponentials.
const OFF_PER_MILLE_SOFTMAX_MAX: usize = 60;

/// Inputs tried with every graph.
const INPUTS: usize = 2;

fn main() {
    let arguments = Arguments::from_args();
    let needs_python = reference::python().is_none();
    let trials = FAMILIES.map(|name| {
        Trial::test(format!("operators::{name}"), move || family(name)).with_ignored_flag(needs_python)
    });
    libtest_mimic::run(&arguments, trials.into()).exit();
}

/// Checks all graphs of a family.
fn family(name: &str) -> Result<(), Failed> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let python = reference::python().ok_or("no Python")?;
    let script = project("tests/reference/quantized.py");
    let status = Command::new(python).arg(script).arg(folder.path()).arg(name).status()?;
    if !status.success() {
        return Err(format!("quantized.py {name}: {status}").into());
    }
    let mut files: Vec<_> = std::fs::read_dir(folder.path())?.flatten().map(|file| file.path()).collect();
    files.sort();
    let failures: Vec<String> = files.iter().filter_map(|file| check(file).err()).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// Lowers a graph, which must become one program, and compares it with ONNX Runtime.
fn check(file: &Path) -> Result<(), String> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let model = Model::read(file).map_err(|error| error.to_string())?;
    let lowered = lower(&model).map_err(|error| error.to_string())?;
    let kept: Vec<String> =
        lowered.kept.iter().map(|kept| format!("{} {}: {}", kept.operator, kept.node, kept.reason)).collect();
    let ([program], true) = (lowered.programs.as_slice(), kept.is_empty()) else {
        return Err(format!("{name}: {} programs, kept {}", lowered.programs.len(), kept.join(", ")));
    };
    let shape = model.graph.inputs[0].fixed_shape().ok_or("an input without shape")?;
    let inputs = numbers(INPUTS * shape.iter().product::<usize>());
    let inputs_file = file.with_extension("f32");
    let bytes: Vec<u8> = inputs.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(&inputs_file, bytes).map_err(|error| error.to_string())?;
    let wanted = reference::outputs(file, &inputs_file, Level::Plain)?;
    let (found, step): (Vec<f32>, f32) = run(program, &inputs);
    if wanted.len() != found.len() {
        return Err(format!("{name}: {} outputs, not {}", found.len(), wanted.len()));
    }
    let steps = |(found, wanted): (&f32, &f32)| ((found - wanted) / step).abs().round();
    let off: Vec<f32> = found.iter().zip(&wanted).map(steps).filter(|&steps| steps != 0.0).collect();
    let largest = off.iter().copied().fold(0.0, f32::max);
    let allowed = if name == "qlinear_softmax" { OFF_PER_MILLE_SOFTMAX_MAX } else { OFF_PER_MILLE_MAX };
    if largest > 1.0 || off.len() * 1000 > found.len() * allowed {
        return Err(format!("{name}: {} of {} off, by up to {largest} steps", off.len(), found.len()));
    }
    Ok(())
}

/// Numbers that look random and are the same every time, somewhat beyond the range of the graphs' inputs.
fn numbers(count: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9u32;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 7.0 - 3.5
    };
    (0..count).map(next).collect()
}

/// The program's real outputs, one input after the other, and the distance of two neighbouring values.
fn run(program: &Program, inputs: &[f32]) -> (Vec<f32>, f32) {
    let mut found = Vec::new();
    for input in inputs.chunks_exact(inputs.len() / INPUTS) {
        let quantized: Vec<Vec<u8>> = (program.inputs.iter())
            .map(|port| interpreter::quantize(&program.tensors[port.tensor], input))
            .collect();
        for (port, output) in program.outputs.iter().zip(interpreter::evaluate(program, &quantized)) {
            let tensor = &program.tensors[port.tensor];
            match port.element {
                Element::F32 => found.extend(interpreter::dequantize(tensor, &output)),
                _ => found
                    .extend(interpreter::onnx_order(tensor, &output).iter().map(|&value| f32::from(value))),
            }
        }
    }
    (found, program.tensors[program.outputs[0].tensor].scale)
}
