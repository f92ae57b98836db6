//! What this processor can do at most: the speed of the matrix kernel where nothing but products limits it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::kernels::{Epilogue, Kernels, Matrix, Output, Patches, Q, Scratch};

/// Pixels, terms and output channels of the product: input, weights and output stay in the first two caches.
const PIXELS: usize = 96;
const DEPTH: usize = 512;
const OUTPUTS: usize = 192;

/// 10^9 multiply-accumulates a second of one thread: the best of many short runs, some 50 milliseconds in all.
pub fn gmacs_per_second(kernels: &dyn Kernels) -> f64 {
    let weights: Vec<i8> = (0..OUTPUTS * DEPTH).map(|index| (index * 37 % 255) as u8 as i8).collect();
    let matrix =
        Matrix { outputs: OUTPUTS, depth: DEPTH, weights: &weights, bias: &[0; OUTPUTS], zero_point: 3 };
    let packed = kernels.pack_matrix(&matrix);
    let mut scratch = Scratch::with_bytes(kernels.matrix_scratch_bytes(DEPTH));
    let data: Vec<Q> = (0..PIXELS * DEPTH).map(|index| (index * 91 % 251) as Q).collect();
    let patches =
        Patches { data: &data, taps: &[0], run: DEPTH, step: DEPTH, row_step: 0, width: PIXELS, height: 1 };
    let epilogue = Epilogue {
        multipliers: &[1e-4; OUTPUTS],
        zero_point: 0,
        low: i32::from(Q::MIN),
        high: i32::from(Q::MAX),
        residual: None,
    };
    let mut out: Vec<Q> = vec![0; PIXELS * OUTPUTS];
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(50) {
        let run = Instant::now();
        let mut output = Output { data: &mut out, step: OUTPUTS, row_step: 0, width: PIXELS };
        kernels.matrix(black_box(&patches), &packed, 0..OUTPUTS, &epilogue, &mut output, &mut scratch);
        best = best.min(run.elapsed());
        black_box(&out);
    }
    (PIXELS * DEPTH * OUTPUTS) as f64 / best.as_secs_f64() / 1e9
}
