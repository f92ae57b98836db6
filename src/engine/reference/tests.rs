//! Cases computed by hand, one program of one operator each.

use super::evaluate;
use super::ports::{dequantize, memory_order, onnx_order, quantize};
use crate::engine::program::{
    Between, Bounds, Element, Fill, Id, Kind, Op, Port, Program, Tensor, Weights, Window,
};

/// A tensor whose dims are in the order of ONNX, except that four are those of an image.
pub fn tensor(dims: &[usize], scale: f32, zero_point: u8) -> Tensor {
    let axes = if dims.len() == 4 { vec![0, 2, 3, 1] } else { (0..dims.len()).collect() };
    Tensor { name: "t".into(), dims: dims.to_vec(), axes, scale, zero_point, constant: None }
}

/// One operator; its inputs are those of the program.
pub fn program(kind: Kind, inputs: &[Tensor], output: Tensor) -> Program {
    let port = |tensor: Id| Port { name: format!("t{tensor}"), tensor, element: Element::U8 };
    let ids: Vec<Id> = (0..inputs.len()).collect();
    Program {
        tensors: [inputs, &[output]].concat(),
        ops: vec![Op { node: "n".into(), kind, inputs: ids.clone(), output: inputs.len() }],
        inputs: ids.iter().map(|&id| port(id)).collect(),
        outputs: vec![port(inputs.len())],
    }
}

struct Case {
    name: &'static str,
    kind: Kind,
    inputs: Vec<(Tensor, Vec<u8>)>,
    output: Tensor,
    expected: Vec<u8>,
}

fn case(name: &'static str, kind: Kind, inputs: &[(Tensor, &[u8])], output: Tensor, expected: &[u8]) -> Case {
    let inputs = inputs.iter().map(|(tensor, values)| (tensor.clone(), values.to_vec())).collect();
    Case { name, kind, inputs, output, expected: expected.to_vec() }
}

fn check(cases: Vec<Case>) {
    let mut failures = vec![];
    for case in cases {
        let (tensors, values): (Vec<_>, Vec<_>) = case.inputs.into_iter().unzip();
        let found = evaluate(&program(case.kind, &tensors, case.output), &values);
        if found != [case.expected.clone()] {
            failures.push(format!("{}: expected {:?}, found {found:?}", case.name, case.expected));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn window(kernel: [usize; 2], strides: [usize; 2], pads: [usize; 4]) -> Window {
    Window { kernel, strides, pads, dilations: [1, 1] }
}

const HALF: Between = Between { low: 0, high: 1, fraction: 0.5 };
const AT_0: Between = Between { low: 0, high: 0, fraction: 0.0 };

#[test]
fn windows() {
    let one = |values: &[i8], bias, groups| Weights {
        values: values.to_vec(),
        bias: vec![bias; groups],
        multipliers: vec![0.5; groups],
        groups,
    };
    let x = || tensor(&[1, 2, 2, 1], 1.0, 10);
    check(vec![
        // Sums 3*1, 3*1 + 5*2 (right neighbour), ... with padding on the right.
        case(
            "a row of two taps, padded on the right",
            Kind::Conv {
                window: window([1, 2], [1, 1], [0, 0, 0, 1]),
                weights: one(&[1, 2], 1, 1),
                bounds: Bounds::ALL,
            },
            &[(x(), &[13, 15, 10, 6])],
            tensor(&[1, 2, 2, 1], 1.0, 100),
            // (1 + 3 + 10) / 2, (1 + 5) / 2, (1 + 0 - 8) / 2 to even, (1 - 4) / 2 to even
            &[107, 103, 96, 98],
        ),
        case(
            "two groups, bounded",
            Kind::Conv {
                window: window([1, 1], [1, 1], [0; 4]),
                weights: one(&[1, 1, -2, 1], 0, 2),
                bounds: Bounds { low: 99, high: 105 },
            },
            &[(tensor(&[1, 1, 1, 4], 1.0, 0), &[8, 4, 6, 9])],
            tensor(&[1, 1, 1, 2], 1.0, 100),
            // 12 / 2 = 6 above the bound, (-12 + 9) / 2 = -1.5 below it
            &[105, 99],
        ),
        case(
            "transposed, stride 2, overlapping taps",
            Kind::ConvTranspose {
                window: window([1, 3], [1, 2], [0, 1, 0, 1]),
                weights: one(&[2, 4, 6], 0, 1),
                bounds: Bounds::ALL,
            },
            &[(tensor(&[1, 1, 2, 1], 1.0, 0), &[1, 3])],
            tensor(&[1, 1, 3, 1], 1.0, 0),
            // 1*4; 1*6 + 3*2; 3*4; all halved
            &[2, 6, 6],
        ),
        case(
            "maximum with padding and a stride",
            Kind::MaxPool { window: window([2, 2], [2, 2], [1, 1, 0, 0]) },
            &[(tensor(&[1, 3, 3, 1], 1.0, 200), &[1, 2, 3, 4, 9, 6, 7, 8, 5])],
            tensor(&[1, 2, 2, 1], 1.0, 200),
            &[1, 3, 7, 9],
        ),
        case(
            "mean without padding",
            Kind::AveragePool {
                window: window([2, 2], [2, 2], [1, 1, 0, 0]),
                count_include_pad: false,
                bounds: Bounds::ALL,
            },
            &[(tensor(&[1, 3, 3, 1], 1.0, 0), &[1, 2, 4, 4, 9, 6, 7, 8, 5])],
            tensor(&[1, 2, 2, 1], 0.5, 0),
            // 1; (2 + 4) / 2; (4 + 7) / 2; (9 + 6 + 8 + 5) / 4; all doubled
            &[2, 6, 11, 14],
        ),
        case(
            "mean that counts padding, but not what lies beyond it",
            Kind::AveragePool {
                window: window([1, 3], [1, 2], [0, 1, 0, 0]),
                count_include_pad: true,
                bounds: Bounds::ALL,
            },
            &[(tensor(&[1, 1, 3, 1], 1.0, 0), &[6, 12, 20])],
            tensor(&[1, 1, 2, 1], 1.0, 0),
            // 18 / 3; 32 / 2, its third column is beyond the padding
            &[6, 16],
        ),
    ]);
}

#[test]
fn elements() {
    let pair = |zero| tensor(&[2], 1.0, zero);
    let add = |factors| Kind::Add { factors, bounds: Bounds::ALL };
    let b = |low, high| Bounds { low, high };
    check(vec![
        case("sum", add([0.5, 2.0]), &[(pair(1), &[2, 7]), (pair(3), &[4, 3])], pair(10), &[12, 13]),
        case("difference", add([1.0, -1.0]), &[(pair(0), &[2, 7]), (pair(0), &[4, 3])], pair(10), &[8, 14]),
        case(
            "sum of a row and a column",
            add([1.0, 1.0]),
            &[(tensor(&[1, 2], 1.0, 0), &[1, 2]), (tensor(&[2, 1], 1.0, 0), &[10, 20])],
            tensor(&[2, 2], 1.0, 0),
            &[11, 12, 21, 22],
        ),
        case(
            "product, bounded",
            Kind::Mul { multiplier: 0.25, bounds: b(0, 30) },
            &[(tensor(&[3], 1.0, 10), &[16, 4, 250]), (tensor(&[1], 1.0, 1), &[4])],
            tensor(&[3], 1.0, 5),
            // 18 / 4 to even, -18 / 4 to even
            &[9, 1, 30],
        ),
        case(
            "table",
            Kind::Table { tables: (0..=255).rev().collect() },
            &[(pair(0), &[0, 9])],
            pair(0),
            &[255, 246],
        ),
        case(
            "table for each channel",
            Kind::Table { tables: [[7_u8; 256], [8; 256]].concat() },
            &[(tensor(&[2, 2], 1.0, 0), &[0, 1, 2, 3])],
            tensor(&[2, 2], 1.0, 0),
            &[7, 8, 7, 8],
        ),
        case(
            "product of matrices",
            Kind::MatMul { transposed: false, multiplier: 1.0, bounds: Bounds::ALL },
            &[(tensor(&[1, 2], 1.0, 1), &[2, 3]), (tensor(&[2, 2], 1.0, 0), &[1, 2, 3, 4])],
            tensor(&[1, 2], 1.0, 0),
            &[7, 10],
        ),
        case(
            "product with a transposed matrix, one for all",
            Kind::MatMul { transposed: true, multiplier: 1.0, bounds: Bounds::ALL },
            &[(tensor(&[2, 1, 2], 1.0, 0), &[1, 2, 3, 4]), (tensor(&[1, 2, 2], 1.0, 0), &[1, 2, 3, 4])],
            tensor(&[2, 1, 2], 1.0, 0),
            &[5, 11, 11, 25],
        ),
    ]);
}

#[test]
fn moves() {
    let rows = |rows| tensor(&[rows, 2], 1.0, 0);
    let line = |n| tensor(&[n], 1.0, 0);
    let pad = |before, fill| Kind::Pad { before: vec![before], fill };
    check(vec![
        case("view", Kind::View, &[(rows(2), &[1, 2, 3, 4])], line(4), &[1, 2, 3, 4]),
        case(
            "concatenation of columns",
            Kind::Concat { dim: 1 },
            &[(tensor(&[2, 1], 1.0, 0), &[1, 2]), (rows(2), &[3, 4, 5, 6])],
            tensor(&[2, 3], 1.0, 0),
            &[1, 3, 4, 2, 5, 6],
        ),
        case(
            "every other of a part",
            Kind::Slice { starts: vec![1, 1], steps: vec![2, 1] },
            &[(rows(4), &[1, 2, 3, 4, 5, 6, 7, 8])],
            tensor(&[2, 1], 1.0, 0),
            &[4, 8],
        ),
        case("constant padding", pad(1, Fill::Constant(9)), &[(line(2), &[1, 2])], line(4), &[9, 1, 2, 9]),
        case("edge padding", pad(2, Fill::Edge), &[(line(2), &[1, 2])], line(5), &[1, 1, 1, 2, 2]),
        case("mirror", pad(2, Fill::Reflect), &[(line(3), &[1, 2, 3])], line(7), &[3, 2, 1, 2, 3, 2, 1]),
        case(
            "permutation",
            Kind::Permute { order: vec![2, 0, 1] },
            &[(tensor(&[2, 1, 3], 1.0, 0), &[1, 2, 3, 4, 5, 6])],
            tensor(&[3, 2, 1], 1.0, 0),
            &[1, 4, 2, 5, 3, 6],
        ),
    ]);
}

#[test]
fn resizes() {
    let square = |c| tensor(&[1, 2, 2, c], 1.0, 0);
    check(vec![
        case(
            "nearest",
            Kind::Nearest { rows: vec![0, 1, 1], columns: vec![1, 0] },
            &[(square(1), &[1, 2, 3, 4])],
            tensor(&[1, 3, 2, 1], 1.0, 0),
            &[2, 1, 4, 3, 4, 3],
        ),
        case(
            "linear",
            Kind::Linear { rows: vec![AT_0, HALF], columns: vec![HALF], multiplier: 2.0 },
            &[(tensor(&[1, 2, 2, 1], 1.0, 100), &[101, 102, 103, 108])],
            tensor(&[1, 2, 1, 1], 0.5, 50),
            // 1.5 * 2; (1.5 + 5.5) / 2 * 2
            &[53, 57],
        ),
        case(
            "classes between pixels",
            Kind::ResizeArgMax { rows: vec![AT_0, HALF], columns: vec![AT_0, HALF] },
            // At the first pixel class 1 leads by 4; the second turns it by 4: a tie; with the row below class 0 wins.
            &[(square(2), &[10, 14, 14, 10, 20, 14, 14, 10])],
            tensor(&[1, 2, 2], 1.0, 0),
            &[1, 0, 0, 0],
        ),
    ]);
}

#[test]
fn rows() {
    let line = |n| tensor(&[n], 1.0, 0);
    let reduce = |from, to, multiplier| Kind::Reduce { from, to, multiplier, bounds: Bounds::ALL };
    let halves: Vec<f32> = (0..256).map(|d| 0.5_f32.powi(d)).collect();
    check(vec![
        case(
            "mean of the middle",
            reduce(1, 2, 0.5),
            &[(tensor(&[1, 2, 2], 1.0, 1), &[1, 2, 5, 8])],
            tensor(&[1, 1, 2], 1.0, 10),
            &[12, 14],
        ),
        case(
            "sum of all",
            reduce(0, 1, 1.0),
            &[(tensor(&[3], 1.0, 0), &[1, 2, 3])],
            tensor(&[1], 1.0, 0),
            &[6],
        ),
        case(
            "softmax",
            Kind::Softmax { exponentials: halves },
            // 1/2, 1/4, 1/4 in steps of 1/64
            &[(line(3), &[9, 8, 8])],
            tensor(&[3], 1.0 / 64.0, 0),
            &[32, 16, 16],
        ),
        case(
            "layer normalization",
            Kind::LayerNorm { scale: vec![2.0, 2.0], shift: vec![0.0, 1.0], epsilon: 0.0 },
            // Mean 5, deviation 2
            &[(line(2), &[3, 7])],
            tensor(&[2], 1.0, 100),
            &[98, 103],
        ),
        case(
            "first of the largest",
            Kind::ArgMax,
            &[(tensor(&[3, 3], 1.0, 0), &[1, 5, 5, 0, 0, 0, 1, 2, 3])],
            line(3),
            &[1, 0, 2],
        ),
    ]);
}

#[test]
fn ports() {
    let image = tensor(&[1, 1, 2, 2], 0.5, 128);
    assert_eq!(image.onnx_shape(), [1, 2, 1, 2]);
    assert_eq!(memory_order(&image, &[1, 2, 3, 4]), [1, 3, 2, 4]);
    assert_eq!(onnx_order(&image, &[1, 3, 2, 4]), [1, 2, 3, 4]);
    // Half a step is rounded to even; what is no number is 0.
    assert_eq!(quantize(&image, &[0.25, f32::NAN, 0.75, -1e9]), [128, 130, 128, 0]);
    assert_eq!(dequantize(&image, &[128, 130, 127, 0]), [0.0, -0.5, 1.0, -64.0]);
}
