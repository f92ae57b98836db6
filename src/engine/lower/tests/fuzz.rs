//! Spoiled graphs: whatever a file says, lowering gives a sound result or an error.

use proptest::prelude::*;

use super::super::lower;
use super::everything;
use super::regions::check;
use crate::engine::program::Program;
use crate::engine::reference;
use crate::onnx::{Attribute, DataType, Dim, Model, Tensor, TensorData};

/// Most elements of a program's tensors that are computed to see whether the program holds together.
const ELEMENTS_MAX: usize = 20_000;

/// Values that are likely to hurt.
const INTEGERS: [i64; 14] = [0, 1, -1, 2, 3, -2, 4, 5, 7, 64, 1 << 20, 1 << 40, i64::MAX, i64::MIN];
const FLOATS: [f32; 12] =
    [0.0, 1.0, -1.0, 0.5, 2.0, 1e-30, 1e30, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE, 1e-45, f32::MAX];

/// Operators to put in place of others.
const OPERATORS: [&str; 40] = [
    "Add",
    "ArgMax",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Conv",
    "ConvInteger",
    "ConvTranspose",
    "DepthToSpace",
    "DequantizeLinear",
    "Div",
    "Expand",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "LayerNormalization",
    "MatMul",
    "MaxPool",
    "Mul",
    "PRelu",
    "Pad",
    "Pow",
    "QuantizeLinear",
    "ReduceMean",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Resize",
    "Sigmoid",
    "Slice",
    "Softmax",
    "SpaceToDepth",
    "Split",
    "Tile",
    "Transpose",
    "Unsqueeze",
];

/// Names and values of attributes to add.
const ATTRIBUTES: [&str; 18] = [
    "axis",
    "axes",
    "perm",
    "pads",
    "strides",
    "dilations",
    "kernel_shape",
    "group",
    "keepdims",
    "output_padding",
    "output_shape",
    "ceil_mode",
    "blocksize",
    "transA",
    "transB",
    "alpha",
    "split",
    "count_include_pad",
];
const TEXTS: [(&str, &[&str]); 4] = [
    ("mode", &["linear", "nearest", "reflect", "edge", "constant", "cubic", "CRD"]),
    ("auto_pad", &["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"]),
    (
        "coordinate_transformation_mode",
        &["align_corners", "asymmetric", "half_pixel_symmetric", "tf_crop_and_resize"],
    ),
    ("nearest_mode", &["floor", "ceil", "round_prefer_ceil"]),
];

fn pick<T: Copy>(from: &[T], by: u32) -> T {
    from[by as usize % from.len()]
}

/// Changes one thing of `model`; the numbers say which and how.
fn mutate(model: &mut Model, [what, place, how, more]: [u32; 4]) {
    let graph = &mut model.graph;
    let names: Vec<String> = (graph.nodes.iter().flat_map(|node| node.outputs.iter()))
        .chain(graph.initializers.keys())
        .cloned()
        .collect();
    let node_at = place as usize % graph.nodes.len().max(1);
    let tensor_at = place as usize % graph.initializers.len().max(1);
    match what % 12 {
        0 => graph.nodes[node_at].op = pick(&OPERATORS, how).to_string(),
        1 if !graph.nodes[node_at].inputs.is_empty() => {
            let input = how as usize % graph.nodes[node_at].inputs.len();
            graph.nodes[node_at].inputs[input] = names[more as usize % names.len()].clone();
        }
        2 => {
            let count = graph.nodes[node_at].inputs.len();
            graph.nodes[node_at].inputs.truncate(how as usize % (count + 1));
        }
        3 => graph.nodes[node_at].inputs.push(names[how as usize % names.len()].clone()),
        4 => {
            let values: Vec<i64> =
                (0..more % 7).map(|at| pick(&INTEGERS, how.wrapping_mul(at + 1) >> at)).collect();
            let attribute =
                if more % 3 == 0 { Attribute::Int(pick(&INTEGERS, how)) } else { Attribute::Ints(values) };
            graph.nodes[node_at].attributes.insert(pick(&ATTRIBUTES, how).to_string(), attribute);
        }
        5 => {
            let (name, texts) = pick(&TEXTS, how);
            let text = Attribute::String(pick(texts, more).as_bytes().to_vec());
            graph.nodes[node_at].attributes.insert(name.to_string(), text);
        }
        6 => {
            if let Some(tensor) = graph.initializers.values_mut().nth(tensor_at) {
                spoil(tensor, how, more);
            }
        }
        7 => {
            if let Some(tensor) = graph.initializers.values_mut().nth(tensor_at) {
                reshape(tensor, how);
            }
        }
        8 => {
            if let Some(tensor) = graph.initializers.values_mut().nth(tensor_at) {
                retype(tensor, how);
            }
        }
        9 => {
            if let Some(Some(shape)) = graph.inputs.first_mut().map(|input| &mut input.shape) {
                let at = how as usize % shape.len();
                shape[at] = Dim::Fixed(pick(&[0, 1, 2, 3, 16, 17, 1 << 20, 1 << 33], more));
            }
        }
        10 => {
            graph.inputs[0].data_type =
                pick(&[DataType::U8, DataType::I8, DataType::F32, DataType::I64], how);
        }
        _ => {
            let name = names[how as usize % names.len()].clone();
            let data_type = DataType::F32;
            graph.outputs.push(crate::onnx::ValueInfo { name, data_type, shape: None });
            model.opsets.insert(String::new(), pick(&[7, 10, 11, 13, 17, 18, 21], more));
        }
    }
}

/// Changes an element.
fn spoil(tensor: &mut Tensor, how: u32, more: u32) {
    fn one<T>(values: &mut [T], at: u32, value: T) {
        let count = values.len().max(1);
        if let Some(element) = values.get_mut(at as usize % count) {
            *element = value;
        }
    }
    match &mut tensor.data {
        TensorData::F32(values) => one(values, how, pick(&FLOATS, more)),
        TensorData::I64(values) => one(values, how, pick(&INTEGERS, more)),
        TensorData::I32(values) => one(values, how, pick(&INTEGERS, more) as i32),
        TensorData::U8(values) => one(values, how, pick(&INTEGERS, more) as u8),
        TensorData::I8(values) => one(values, how, pick(&INTEGERS, more) as i8),
        _ => {}
    }
}

/// Gives a tensor another shape of as many elements, or fewer.
fn reshape(tensor: &mut Tensor, how: u32) {
    let elements = tensor.elements();
    tensor.shape = match how % 5 {
        0 => vec![elements],
        1 => vec![1, elements],
        2 => tensor.shape.iter().rev().copied().collect(),
        3 => [&[1][..], &tensor.shape].concat(),
        _ => {
            tensor.data = TensorData::F32(Vec::new());
            vec![0]
        }
    };
}

/// Gives a tensor another type.
fn retype(tensor: &mut Tensor, how: u32) {
    let count = tensor.elements();
    tensor.data = match how % 6 {
        0 => TensorData::U8(vec![how as u8; count]),
        1 => TensorData::I8(vec![how as i8; count]),
        2 => TensorData::I32(vec![how as i32; count]),
        3 => TensorData::F32(vec![0.5; count]),
        4 => TensorData::I64(vec![1; count]),
        _ => TensorData::Other(10, vec![0; 2 * count]),
    };
}

/// Computes a program that is small enough; the interpreter stops at whatever does not hold together.
fn compute(program: &Program) {
    let elements = program.tensors.iter().map(|tensor| tensor.elements()).fold(0, usize::saturating_add);
    if elements <= ELEMENTS_MAX {
        let inputs: Vec<Vec<u8>> = (program.inputs.iter())
            .map(|port| (0..program.tensors[port.tensor].elements()).map(|at| (at * 37) as u8).collect())
            .collect();
        reference::evaluate(program, &inputs);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn spoiled_graphs_give_sound_programs_or_errors(
        mutations in proptest::collection::vec(any::<[u32; 4]>(), 1..6)
    ) {
        let mut model = everything();
        for mutation in mutations {
            mutate(&mut model, mutation);
        }
        match lower(&model) {
            Err(error) => prop_assert!(error.to_string().starts_with("test: "), "{error}"),
            Ok(lowered) => {
                prop_assert_eq!(check(&model, &lowered), Ok(()));
                lowered.programs.iter().for_each(compute);
            }
        }
    }
}

/// `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300)
}
