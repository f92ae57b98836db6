//! What the conformance suite's numbers do not reach: sums that leave 32 bits.

use crate::kernels::generic::Generic;
use crate::kernels::{Depthwise, Epilogue, Kernels, Matrix, Output, Patches, Scratch, available};

const CHANNELS: usize = 24;
const TAPS: usize = 9;

/// Sums that are just past the ends of `i32`, of a matrix product or of a depthwise convolution.
fn wrapped(kernels: &dyn Kernels, depthwise: bool) -> Vec<u8> {
    let data = [255; CHANNELS * TAPS];
    let taps: [usize; TAPS] = std::array::from_fn(|tap| tap * CHANNELS);
    let patches = |run| Patches { data: &data, taps: &taps, run, step: 0, row_step: 0, width: 1, height: 1 };
    let sign = |channel: usize| if channel.is_multiple_of(2) { 1 } else { -1 };
    let bias: [i32; CHANNELS] =
        std::array::from_fn(|channel| if sign(channel) > 0 { i32::MAX - 5 } else { i32::MIN + 5 });
    let epilogue =
        Epilogue { multipliers: &[1e-7; CHANNELS], zero_point: 128, low: 0, high: 255, residual: None };
    let mut values = vec![0; CHANNELS];
    let out = &mut Output { data: &mut values, step: CHANNELS, row_step: CHANNELS, width: 1 };
    let (bias, zero_point) = (&bias, 0);
    if depthwise {
        let weights: Vec<i8> = (0..TAPS * CHANNELS).map(|index| sign(index % CHANNELS) * 127).collect();
        let weights = Depthwise { channels: CHANNELS, taps: TAPS, weights: &weights, bias, zero_point };
        kernels.depthwise(&patches(CHANNELS), &kernels.pack_depthwise(&weights), &epilogue, out);
    } else {
        let weights: Vec<i8> = (0..TAPS * CHANNELS).map(|index| sign(index / TAPS) * 127).collect();
        let matrix = Matrix { outputs: CHANNELS, depth: TAPS, weights: &weights, bias, zero_point };
        let mut scratch = Scratch::with_bytes(kernels.matrix_scratch_bytes(TAPS));
        let packed = kernels.pack_matrix(&matrix);
        kernels.matrix(&patches(1), &packed, 0..CHANNELS, &epilogue, out, &mut scratch);
    }
    values
}

#[test]
fn sums_wrap_and_do_not_saturate() {
    let failures: Vec<String> = [true, false]
        .into_iter()
        .flat_map(|depthwise| available().into_iter().map(move |kernels| (kernels, depthwise)))
        .map(|(kernels, depthwise)| {
            (kernels.isa(), wrapped(kernels, depthwise), wrapped(&Generic, depthwise))
        })
        .filter(|(_, found, expected)| found != expected || expected[0] == 255)
        .map(|(isa, found, expected)| format!("{isa}: {found:?}, expected {expected:?}"))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
