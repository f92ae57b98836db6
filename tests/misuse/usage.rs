//! Wrong options.

use super::{Case, check, nothing};

#[test]
fn wrong_usage_is_exit_code_2() {
    let cases = [
        ("", &["Usage:", "run"][..]),
        ("fly", &["fly"]),
        ("run --fly", &["--fly", "Usage:"]),
        ("run masks", &["masks", "Usage:"]),
        ("run --overwrite --append", &["--overwrite", "--append"]),
        ("run --size nonsense", &["--size", "HEIGHTxWIDTH", "256x320"]),
        ("run --size 0x20", &["--size", "256x320"]),
        ("run --frames many", &["--frames", "many"]),
        ("run --frames -1", &["-1"]),
        ("run --mask-size huge", &["huge", "network"]),
        ("run --color red", &["red", "rgb"]),
        ("run --mean a,b,c", &["--mean", "invalid"]),
        ("run --out", &["--out", "value"]),
        ("convert net.onnx --calibration d", &["--output"]),
        ("convert net.onnx -o out.onnx", &["--calibration"]),
        ("convert net.onnx -o out.onnx --calibration d --method best", &["best", "mse"]),
        ("convert net.onnx -o out.onnx --calibration d --percentile 20", &["--percentile", "above 50"]),
        ("convert net.onnx -o out.onnx --calibration d --activations s4", &["s4", "u8"]),
        ("convert net.onnx -o out.onnx --calibration d --max-drop 1", &["--validate"]),
        ("eval", &["--data"]),
        ("bench --seconds -1", &["-1"]),
        ("bench --seconds long", &["long", "number of seconds"]),
        ("bench --frame 20", &["HEIGHTxWIDTH"]),
    ];
    check(
        cases
            .into_iter()
            .map(|(arguments, says)| Case { name: "usage", prepare: nothing, arguments, code: 2, says })
            .collect(),
    );
}
