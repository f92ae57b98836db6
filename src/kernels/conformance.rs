//! Every kernel that this processor can run against the definition, bit for bit: tables of edges, then random cases.

mod cases;
mod pixels;

use proptest::prelude::*;

use super::generic::Generic;
use super::{Depthwise, Isa, Kernels, Matrix, Output, Q_OFFSET, Scratch, available};
use cases::{Ending, Magnitude, Numbered, Numbers, Shape, USUAL, WHOLE};

/// Gives both the definition and `kernels` an output for `channels` channels of the pixels of `shape`, and says where
/// what they leave there differs, gaps between pixels and rows included.
fn compare(
    kernels: &dyn Kernels,
    (shape, channels, ending): (&Shape, usize, &Ending),
    run: impl Fn(&dyn Kernels, &mut Output),
) -> Result<(), String> {
    let (width, height) = (shape.width, shape.height);
    let step = channels + ending.gap;
    let row_step = width * step + ending.row_gap;
    let result = |kernels: &dyn Kernels| {
        let reach = height.saturating_sub(1) * row_step + width.saturating_sub(1) * step + channels;
        let mut data = vec![99; reach];
        run(kernels, &mut Output { data: &mut data, step, row_step, width });
        data
    };
    let (expected, found) = (result(&Generic), result(kernels));
    match expected.iter().zip(&found).position(|(expected, found)| expected != found) {
        None => Ok(()),
        Some(at) => Err(format!(
            "{}: row {} pixel {} channel {}: {} expected, {} found",
            kernels.isa(),
            at / row_step,
            at % row_step / step,
            at % row_step % step,
            expected[at],
            found[at]
        )),
    }
}

/// A matrix product.
#[derive(Clone, Debug)]
struct MatrixCase {
    shape: Shape,
    outputs: usize,
    channels: std::ops::Range<usize>,
    ending: Ending,
}

fn check_matrix(kernels: &dyn Kernels, case: &MatrixCase) -> Result<(), String> {
    let MatrixCase { shape, outputs, channels, ending } = case;
    let numbers = &mut Numbers(ending.seed);
    let depth = shape.taps.len() * shape.run;
    let data = shape.data(numbers, ending.magnitude);
    let pixels = shape.width * shape.height;
    let stride = channels.len() + 3;
    let residuals = pixels.saturating_sub(1) * stride + channels.len();
    let numbered = Numbered::new(ending, numbers, (*outputs, depth), residuals);
    let matrix = Matrix {
        outputs: *outputs,
        depth,
        weights: &numbered.weights,
        bias: &numbered.bias,
        zero_point: i32::from(ending.zeros[0]) + Q_OFFSET,
    };
    let epilogue = numbered.epilogue(ending, stride);
    compare(kernels, (shape, channels.len(), ending), |kernels, out| {
        let mut scratch = Scratch::with_bytes(kernels.matrix_scratch_bytes(depth));
        let packed = kernels.pack_matrix(&matrix);
        kernels.matrix(&shape.patches(&data), &packed, channels.clone(), &epilogue, out, &mut scratch);
    })
}

/// A 3x3 convolution of stride 1, against the definition of the same matrix product. Kernels that have none pass.
fn check_conv3x3(kernels: &dyn Kernels, case: &MatrixCase) -> Result<(), String> {
    let MatrixCase { shape, outputs, channels, ending } = case;
    let numbers = &mut Numbers(ending.seed);
    let depth = shape.taps.len() * shape.run;
    let data = shape.data(numbers, ending.magnitude);
    let stride = channels.len() + 3;
    let residuals = (shape.width * shape.height - 1) * stride + channels.len();
    let numbered = Numbered::new(ending, numbers, (*outputs, depth), residuals);
    let matrix = Matrix {
        outputs: *outputs,
        depth,
        weights: &numbered.weights,
        bias: &numbered.bias,
        zero_point: i32::from(ending.zeros[0]) + Q_OFFSET,
    };
    let Some(packed) = kernels.pack_conv3x3(&matrix) else { return Ok(()) };
    let defined = Generic.pack_matrix(&matrix);
    let epilogue = numbered.epilogue(ending, stride);
    let patches = shape.patches(&data);
    compare(kernels, (shape, channels.len(), ending), |run, out| {
        let mut scratch = Scratch::with_bytes(kernels.conv3x3_scratch_bytes(depth / 9));
        if run.isa() == Isa::Generic {
            run.matrix(&patches, &defined, channels.clone(), &epilogue, out, &mut scratch);
        } else {
            run.conv3x3(&patches, &packed, channels.clone(), &epilogue, out, &mut scratch);
        }
    })
}

/// A depthwise convolution; the run of the shape is its channels.
#[derive(Clone, Debug)]
struct DepthwiseCase {
    shape: Shape,
    ending: Ending,
}

fn check_depthwise(kernels: &dyn Kernels, case: &DepthwiseCase) -> Result<(), String> {
    let DepthwiseCase { shape, ending } = case;
    let numbers = &mut Numbers(ending.seed);
    let (channels, taps) = (shape.run, shape.taps.len());
    let data = shape.data(numbers, ending.magnitude);
    let pixels = shape.width * shape.height;
    let stride = channels + 5;
    let residuals = pixels.saturating_sub(1) * stride + channels;
    let numbered = Numbered::new(ending, numbers, (channels, taps), residuals);
    let weights = Depthwise {
        channels,
        taps,
        weights: &numbered.weights,
        bias: &numbered.bias,
        zero_point: i32::from(ending.zeros[0]) + Q_OFFSET,
    };
    let epilogue = numbered.epilogue(ending, stride);
    compare(kernels, (shape, channels, ending), |kernels, out| {
        let packed = kernels.pack_depthwise(&weights);
        kernels.depthwise(&shape.patches(&data), &packed, &epilogue, out);
    })
}

/// Runs every case on every kernel and reports all that fail.
fn check_all<Case: std::fmt::Debug>(
    cases: &[Case],
    check: fn(&dyn Kernels, &Case) -> Result<(), String>,
) -> Result<(), String> {
    let failures: Vec<String> = available()
        .into_iter()
        .flat_map(|kernels| cases.iter().map(move |case| (kernels, case)))
        .filter_map(|(kernels, case)| check(kernels, case).err().map(|error| format!("{error} in {case:?}")))
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

#[track_caller]
fn assert_all<Case: std::fmt::Debug>(cases: &[Case], check: fn(&dyn Kernels, &Case) -> Result<(), String>) {
    if let Err(failures) = check_all(cases, check) {
        panic!("{failures}");
    }
}

/// Epilogues of every kind.
fn endings() -> Vec<Ending> {
    use Magnitude::*;
    let mut endings = Vec::new();
    for (index, magnitude) in [Usual, Ends, Extreme, Halves].into_iter().enumerate() {
        for residual in [false, true] {
            for seed in 0..4 {
                let zeros = [[0, 0, 0, 0], [255, 255, 255, 255], [128, 3, 77, 130], [1, 128, 0, 0]][seed];
                let bounds = [[WHOLE; 2], [(128, 255); 2], [(3, 200), (130, 255)], [(9, 9), WHOLE]][seed];
                let gap = [0, 1, 16, 5][index];
                endings.push(Ending {
                    magnitude,
                    residual,
                    zeros,
                    bounds,
                    gap,
                    row_gap: 2 * gap,
                    seed: seed as u64,
                });
            }
        }
    }
    endings
}

#[test]
fn matrices_of_every_size_around_tiles() {
    let mut cases = Vec::new();
    let mut push = |shape: Shape, outputs: usize, ending: Ending| {
        let channels = 0..outputs;
        cases.push(MatrixCase { shape, outputs, channels, ending });
    };
    for pixels in [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 17, 18, 25] {
        for outputs in
            [0, 1, 2, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 40, 41, 47, 48, 63, 64, 65, 72, 96]
        {
            let residual = (pixels + outputs) % 3 == 0;
            push(Shape::dense(pixels, 5), outputs, Ending { residual, ..USUAL });
        }
    }
    for depth in
        [0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 27, 31, 32, 33, 63, 64, 65, 100, 255, 256, 512, 1024, 2048]
    {
        for outputs in [3, 8, 16, 24, 64] {
            push(Shape::dense(13, depth), outputs, USUAL);
        }
    }
    for pixels in [47, 48, 49, 95, 96, 97, 479, 480, 481, 500, 1003] {
        push(Shape::dense(pixels, 16), 24, USUAL);
        push(Shape::dense(pixels, 1200), 8, USUAL);
    }
    assert_all(&cases, check_matrix);
}

#[test]
fn matrices_with_every_epilogue() {
    let mut cases = Vec::new();
    for ending in endings() {
        for outputs in [1, 8, 13, 16, 21, 24, 40, 64, 67] {
            for shape in [Shape::dense(17, 19), Shape::runs(3, 1, 8, 5, 3)] {
                cases.push(MatrixCase { shape, outputs, channels: 0..outputs, ending });
            }
        }
    }
    assert_all(&cases, check_matrix);
}

#[test]
fn matrices_of_convolutions() {
    let mut cases = Vec::new();
    for (size, stride, channels, width, height) in [
        (3, 2, 3, 9, 5),
        (3, 1, 3, 1, 1),
        (3, 1, 32, 7, 7),
        (1, 2, 24, 6, 3),
        (5, 1, 4, 3, 4),
        (7, 2, 3, 5, 2),
        (2, 2, 40, 4, 4),
    ] {
        for outputs in [16, 19, 32] {
            for shape in [Shape::runs, Shape::filter] {
                let shape = shape(size, stride, channels, width, height);
                cases.push(MatrixCase { shape, outputs, channels: 0..outputs, ending: USUAL });
            }
        }
    }
    assert_all(&cases, check_matrix);
}

#[test]
fn parts_of_the_channels_of_a_matrix() {
    let mut cases = Vec::new();
    for outputs in [5, 24, 40, 64, 100, 130] {
        for start in [0, 1, 8, 16, 24, 32, 48, 63, 64, 99] {
            for end in [1, 5, 8, 17, 24, 40, 48, 63, 64, 100, 128, 130] {
                for residual in [false, true] {
                    if start < end && end <= outputs {
                        let ending = Ending { residual, gap: 2, ..USUAL };
                        let shape = Shape::dense(9, 21);
                        cases.push(MatrixCase { shape, outputs, channels: start..end, ending });
                    }
                }
            }
        }
    }
    assert_all(&cases, check_matrix);
}

#[test]
fn conv3x3_of_every_size_around_tiles() {
    let mut cases = Vec::new();
    for (width, height) in
        [(1, 1), (2, 5), (3, 3), (4, 4), (5, 2), (7, 7), (8, 8), (9, 6), (12, 13), (30, 17)]
    {
        for channels in [16, 17, 24, 32, 40, 64] {
            for outputs in [8, 16, 21, 32] {
                let shape = [Shape::runs, Shape::filter][outputs / 8 % 2](3, 1, channels, width, height);
                cases.push(MatrixCase { shape, outputs, channels: 0..outputs, ending: USUAL });
            }
        }
    }
    for channels in [200, 256, 512] {
        let ending = Ending { magnitude: Magnitude::Ends, ..USUAL };
        let shape = Shape::runs(3, 1, channels, 5, 4);
        cases.push(MatrixCase { shape, outputs: 16, channels: 0..16, ending });
    }
    assert_all(&cases, check_conv3x3);
}

#[test]
fn conv3x3_with_every_epilogue_and_parts_of_the_channels() {
    let mut cases = Vec::new();
    for ending in endings() {
        for channels in [0..40, 0..16, 16..32, 3..40, 5..9, 15..33] {
            let shape = Shape::runs(3, 1, 19, 9, 6);
            cases.push(MatrixCase { shape, outputs: 40, channels, ending });
        }
    }
    assert_all(&cases, check_conv3x3);
}

#[test]
fn depthwise_of_every_size_around_tiles() {
    let mut cases = Vec::new();
    for channels in [0, 1, 2, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 40, 48, 63, 64, 65, 72, 96, 144] {
        for (width, height) in [(1, 1), (2, 1), (3, 2), (4, 1), (5, 3), (6, 2), (7, 1), (8, 2), (13, 1)] {
            for (size, stride) in [(3, 1), (3, 2), (5, 1), (5, 2), (2, 1), (1, 1), (7, 1)] {
                let residual = (channels + width) % 3 == 0;
                let shape = Shape::filter(size, stride, channels, width, height);
                cases.push(DepthwiseCase { shape, ending: Ending { residual, gap: width % 2, ..USUAL } });
            }
        }
    }
    assert_all(&cases, check_depthwise);
}

#[test]
fn dilated_depthwise() {
    let mut cases = Vec::new();
    for dilation in [2, 3, 4, 12] {
        for channels in [8, 16, 24, 40] {
            for width in [1, 2, 3, 4, 5, 8, 13, 30] {
                let ending = Ending { residual: width % 3 == 0, gap: width % 2, ..USUAL };
                cases.push(DepthwiseCase { shape: Shape::dilated(dilation, channels, width, 2), ending });
            }
        }
    }
    assert_all(&cases, check_depthwise);
}

#[test]
fn depthwise_with_every_epilogue() {
    let mut cases = Vec::new();
    for ending in endings() {
        for channels in [3, 8, 16, 24, 40, 64] {
            for (size, stride) in [(3, 1), (3, 2), (5, 1), (4, 1)] {
                cases.push(DepthwiseCase { shape: Shape::filter(size, stride, channels, 7, 2), ending });
            }
        }
    }
    assert_all(&cases, check_depthwise);
}

fn any_ending() -> impl Strategy<Value = Ending> {
    let magnitude = prop_oneof![
        3 => Just(Magnitude::Usual),
        1 => Just(Magnitude::Ends),
        1 => Just(Magnitude::Extreme),
        1 => Just(Magnitude::Halves)
    ];
    let bounds = || (any::<u8>(), any::<u8>()).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let bounds = || prop_oneof![Just(WHOLE), bounds()];
    (magnitude, any::<bool>(), any::<[u8; 4]>(), [bounds(), bounds()], 0..20usize, 0..50usize, any::<u64>())
        .prop_map(|(magnitude, residual, zeros, bounds, gap, row_gap, seed)| Ending {
            magnitude,
            residual,
            zeros,
            bounds,
            gap,
            row_gap,
            seed,
        })
}

fn any_shape(
    taps: impl Strategy<Value = Vec<usize>>,
    runs: std::ops::Range<usize>,
) -> impl Strategy<Value = Shape> {
    (taps, runs, 0..40usize, 0..40usize, 1..30usize, 1..5usize).prop_map(
        |(taps, run, gap, row_gap, width, height)| Shape {
            taps,
            run,
            step: run + gap,
            row_gap,
            width,
            height,
        },
    )
}

/// Regular filters as convolutions have them.
fn any_filter(channels: std::ops::Range<usize>) -> impl Strategy<Value = Shape> {
    (1..6usize, 1..4usize, channels, 1..12usize, 1..5usize).prop_map(
        |(size, stride, channels, width, height)| Shape::filter(size, stride, channels, width, height),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_matrix(
        shape in any_shape(prop::collection::vec(0..300usize, 0..6), 1..200),
        outputs in 1..140usize,
        part in any::<(u16, u16)>(),
        ending in any_ending(),
    ) {
        let start = usize::from(part.0) % outputs;
        let end = start + usize::from(part.1) % (outputs - start + 1);
        for channels in [0..outputs, start..end] {
            let case = MatrixCase { shape: shape.clone(), outputs, channels, ending };
            prop_assert_eq!(check_all(&[case], check_matrix), Ok(()));
        }
    }

    #[test]
    fn any_conv3x3(
        channels in 16..50usize,
        size in (1..20usize, 1..12usize),
        row_gap in 0..50usize,
        outputs in 8..50usize,
        part in any::<(u16, u16)>(),
        ending in any_ending(),
    ) {
        let start = usize::from(part.0) % outputs;
        let end = start + 1 + usize::from(part.1) % (outputs - start);
        let mut shape = Shape::runs(3, 1, channels, size.0, size.1);
        shape.row_gap += row_gap;
        shape.taps = (0..3).map(|row| 7 + row * shape.row_step()).collect();
        for channels in [0..outputs, start..end] {
            let case = MatrixCase { shape: shape.clone(), outputs, channels, ending };
            prop_assert_eq!(check_all(&[case], check_conv3x3), Ok(()));
        }
    }

    #[test]
    fn any_depthwise(
        shape in prop_oneof![any_filter(1..100), any_shape(prop::collection::vec(0..300usize, 0..12), 1..100)],
        ending in any_ending(),
    ) {
        prop_assert_eq!(check_all(&[DepthwiseCase { shape, ending }], check_depthwise), Ok(()));
    }
}
