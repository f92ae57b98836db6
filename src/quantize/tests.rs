//! Quantized graphs compute what their float graphs compute, to within their own steps.

use std::time::Duration;

use super::testing::{model, numbers};
use super::{Activations, Method, Options, Quantized, quantize};
use crate::camera::{Source, SourceError, SourceInfo};
use crate::engine::Session;
use crate::frame::{Frame, InputRule, PixelFormat, Preparer};
use crate::onnx::{Attribute, Card, Model, Node, Tensor, TensorData};

/// A few frames of noise, 6x6 pixels.
struct Noise {
    info: SourceInfo,
    next: u64,
}

impl Source for Noise {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let number = self.next;
        self.next += 1;
        let pixels = numbers(3 * 6 * 6, number as u32 + 1);
        (number < 4).then(|| {
            Ok(Frame {
                number,
                time: Duration::from_secs(number),
                width: 6,
                height: 6,
                format: PixelFormat::Rgb8,
                data: pixels.iter().map(|value| (value * 127.0 + 128.0) as u8).collect(),
                name: None,
            })
        })
    }
}

fn convert(model: &Model, options: Options) -> Result<Quantized, super::QuantizeError> {
    let open = || -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(Noise { info: SourceInfo::default(), next: 0 }))
    };
    quantize(model, &Card::default(), &InputRule::symmetric(), options, &open, &|_| {})
}

/// Signal-to-noise ratio in dB of the int8 model's outputs against the float model's, on the calibration's input.
fn sqnr(float: &Model, int8: &Model) -> f64 {
    let frame = Noise { info: SourceInfo::default(), next: 0 }.next_frame().expect("a frame").expect("whole");
    let mut input = vec![0.0; 3 * 6 * 6];
    let mut preparer = Preparer::new(InputRule::symmetric(), 6, 6).expect("a rule that is right");
    preparer.prepare(&frame, &mut input).expect("a frame that is whole");
    let run = |model: &Model| -> Vec<f32> {
        let values = Session::new(model).and_then(|session| session.run(&input)).expect("it runs");
        values.iter().flat_map(|value| value.as_f32().expect("floats").to_vec()).collect()
    };
    let (expected, found) = (run(float), run(int8));
    assert_eq!(expected.len(), found.len());
    let power = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let signal = power(&mut expected.iter().map(|&v| f64::from(v)));
    let noise = power(&mut expected.iter().zip(&found).map(|(a, b)| f64::from(a - b)));
    10.0 * (signal / noise.max(1e-30)).log10()
}

/// What must hold of every exported graph: it reads back, and biases have the accumulator's scale.
fn contradictions(int8: &Model) -> Vec<String> {
    let mut found = Vec::new();
    let read = match Model::from_bytes("int8", &int8.to_bytes()) {
        Ok(read) => read,
        Err(error) => return vec![error.to_string()],
    };
    if read.graph != int8.graph {
        found.push("reads back as another graph".to_string());
    }
    let graph = &read.graph;
    let scale_behind = |tensor: &str| -> Option<&Tensor> {
        let dequantize = graph.nodes.iter().find(|node| node.output() == tensor)?;
        graph.initializers.get(dequantize.input(1)?)
    };
    for node in
        graph.nodes.iter().filter(|node| matches!(node.op.as_str(), "Conv" | "ConvTranspose" | "Gemm"))
    {
        let scales: Vec<Option<&[f32]>> =
            (0..3).map(|index| scale_behind(node.input(index)?)?.as_f32()).collect();
        if let [Some(input), Some(weights), Some(bias)] = scales[..] {
            let products: Vec<f32> = weights.iter().map(|weight| weight * input[0]).collect();
            if products != bias {
                found.push(format!("{}: bias at scale {bias:?}, accumulator at {products:?}", node.place()));
            }
        }
    }
    found
}

/// Each case: what it shows, the float graph, the least ratio in dB, and how many nodes stay float.
fn check(cases: Vec<(&str, Model, f64, usize)>) {
    let mut failures = Vec::new();
    let all = [
        Options { method: Method::MinMax, activations: Activations::U8, frames_max: None },
        Options { method: Method::MinMax, activations: Activations::S8, frames_max: None },
        Options { method: Method::Mse, activations: Activations::U8, frames_max: None },
    ];
    for (name, float, least, in_float) in cases {
        for options in all {
            let shown = format!("{name}, {}, {}", options.method, options.activations);
            let quantized = match convert(&float, options) {
                Ok(quantized) => quantized,
                Err(error) => {
                    failures.push(format!("{shown}: {error}"));
                    continue;
                }
            };
            failures
                .extend(contradictions(&quantized.model).into_iter().map(|what| format!("{shown}: {what}")));
            let ratio = sqnr(&float, &quantized.model);
            if ratio.is_nan() || ratio < least {
                failures.push(format!("{shown}: {ratio:.1} dB, at least {least} wanted"));
            }
            if quantized.float_nodes.len() != in_float {
                failures.push(format!("{shown}: float nodes {:?}", quantized.float_nodes));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn node(op: &str, inputs: &[&str], output: &str) -> Node {
    Node::new(format!("{op}_{output}"), op, inputs, &[output])
}

#[test]
fn operators_with_weights() {
    let clip = |input: &str, output: &str| node("Clip", &[input, "low", "high"], output);
    let bounds = |mut model: Model, low: f32, high: f32| {
        model.graph.initializers.insert("low".into(), Tensor::f32(&[], vec![low]));
        model.graph.initializers.insert("high".into(), Tensor::f32(&[], vec![high]));
        model
    };
    let w: (&str, &[usize]) = ("w", &[4, 3, 3, 3]);
    let b: (&str, &[usize]) = ("b", &[4]);
    let conv = node("Conv", &["x", "w", "b"], "c");
    let up = node("ConvTranspose", &["x", "w", "b"], "y").with("group", Attribute::Int(3));
    let flat = node("Flatten", &["x"], "f");
    let gemm = |bias: &'static [usize]| {
        let gemm = node("Gemm", &["f", "w", "b"], "y").with("transB", Attribute::Int(1));
        model(vec![flat.clone(), gemm], &[("w", &[5, 108]), ("b", bias)], &[], "y")
    };
    let zero_channel = {
        let mut model = model(vec![node("Conv", &["x", "w", "b"], "y")], &[w, b], &[], "y");
        let mut weights = numbers(108, 3);
        weights[..27].fill(0.0);
        model.graph.initializers.insert("w".into(), Tensor::f32(&[4, 3, 3, 3], weights));
        model
    };
    check(vec![
        ("conv, relu", model(vec![conv.clone(), node("Relu", &["c"], "y")], &[w, b], &[], "y"), 30.0, 0),
        (
            "conv, clip that saturation does not do",
            bounds(model(vec![conv.clone(), clip("c", "y")], &[w, b], &[], "y"), -0.4, 0.3),
            25.0,
            0,
        ),
        ("a channel without weights", zero_channel, 30.0, 0),
        ("grouped transposed", model(vec![up], &[("w", &[3, 2, 2, 2]), ("b", &[6])], &[], "y"), 30.0, 0),
        ("gemm, one bias a channel", gemm(&[5]), 30.0, 0),
        ("gemm, bias as a row", gemm(&[1, 5]), 30.0, 0),
        ("gemm, one bias for all", gemm(&[1]), 30.0, 0),
        (
            "matmul",
            model(vec![flat.clone(), node("MatMul", &["f", "w"], "y")], &[("w", &[108, 5])], &[], "y"),
            30.0,
            0,
        ),
        (
            "weights shared at two input scales",
            model(
                vec![
                    node("Conv", &["x", "w"], "c"),
                    node("Mul", &["c", "k"], "d"),
                    node("Conv", &["d", "w"], "e"),
                    node("Sigmoid", &["e"], "s"),
                    node("Mul", &["e", "s"], "y"),
                ],
                &[("w", &[3, 3, 1, 1]), ("k", &[3, 6, 6])],
                &[],
                "y",
            ),
            20.0,
            0,
        ),
    ]);
}

#[test]
fn operators_between() {
    let conv = |input: &str, output: &str| node("Conv", &[input, "w"], output);
    let w: (&str, &[usize]) = ("w", &[3, 3, 1, 1]);
    let concat =
        |inputs: &[&str], output: &str| node("Concat", inputs, output).with("axis", Attribute::Int(1));
    let pool = node("MaxPool", &["x"], "p")
        .with("kernel_shape", Attribute::Ints(vec![3, 3]))
        .with("pads", Attribute::Ints(vec![1; 4]));
    let louder = {
        let mut model = model(
            vec![conv("x", "c"), node("Mul", &["c", "k"], "d"), concat(&["x", "d"], "y")],
            &[w, ("k", &[3, 6, 6])],
            &[],
            "y",
        );
        let loud = numbers(108, 5).iter().map(|v| v * 8.0).collect();
        model.graph.initializers.insert("k".into(), Tensor::f32(&[3, 6, 6], loud));
        model
    };
    let two_outputs = {
        let mut model = model(vec![conv("x", "c"), node("Relu", &["c"], "y")], &[w], &[], "y");
        let mut second = model.graph.outputs[0].clone();
        second.name = "c".into();
        model.graph.outputs.push(second);
        model
    };
    let shared_constant = {
        let mut model = model(
            vec![conv("x", "c"), node("Add", &["c", "k"], "d"), node("Clip", &["d", "", "k"], "y")],
            &[w],
            &[],
            "y",
        );
        model.graph.initializers.insert("k".into(), Tensor::f32(&[], vec![0.37]));
        model
    };
    let islands = vec![
        conv("x", "c"),
        node("Softplus", &["c"], "s"),
        node("Transpose", &["s"], "t").with("perm", Attribute::Ints(vec![0, 2, 3, 1])),
        node("Softplus", &["t"], "u"),
        node("Transpose", &["u"], "v").with("perm", Attribute::Ints(vec![0, 3, 1, 2])),
        conv("v", "y"),
    ];
    check(vec![
        ("add", model(vec![conv("x", "c"), node("Add", &["x", "c"], "y")], &[w], &[], "y"), 30.0, 0),
        (
            "concat of alike ranges",
            model(vec![conv("x", "c"), concat(&["x", "c"], "y")], &[w], &[], "y"),
            30.0,
            0,
        ),
        ("concat with a louder branch", louder, 28.0, 0),
        (
            "concat with the pooled input",
            model(vec![conv("x", "c"), pool, concat(&["c", "p"], "y")], &[w], &[], "y"),
            30.0,
            0,
        ),
        ("an output that is read inside", two_outputs, 28.0, 0),
        ("a constant that is data and a bound", shared_constant, 28.0, 0),
        ("what moves values between float nodes stays float", model(islands, &[w], &[], "y"), 28.0, 3),
        (
            "average of the image",
            model(vec![conv("x", "c"), node("GlobalAveragePool", &["c"], "y")], &[w], &[], "y"),
            25.0,
            0,
        ),
    ]);
}

#[test]
fn what_cannot_be_quantized_says_so() {
    let w: (&str, &[usize]) = ("w", &[3, 3, 1, 1]);
    let conv = model(vec![node("Conv", &["x", "w"], "y")], &[w], &[], "y");
    let quantized = convert(&conv, Options::default()).map(|quantized| quantized.model);
    let broken = {
        let mut model = conv.clone();
        model.graph.initializers.insert("w".into(), Tensor::f32(&[3, 3, 1, 1], vec![f32::NAN; 9]));
        model
    };
    let cases = [
        ("twice", quantized.unwrap_or_else(|_| conv.clone()), "quantized already"),
        ("no weights", model(vec![node("Relu", &["x"], "y")], &[], &[], "y"), "holds no convolution"),
        ("broken weights", broken, "not finite"),
    ];
    let failures: Vec<String> = cases
        .into_iter()
        .filter_map(|(name, model, words)| match convert(&model, Options::default()) {
            Ok(_) => Some(format!("{name}: was quantized")),
            Err(error) => (!error.to_string().contains(words)).then(|| format!("{name}: {error}")),
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_same_frames_give_the_same_bytes() {
    let w: (&str, &[usize]) = ("w", &[3, 3, 3, 3]);
    let float = model(vec![node("Conv", &["x", "w"], "c"), node("Relu", &["c"], "y")], &[w], &[], "y");
    let bytes = || convert(&float, Options::default()).map(|quantized| quantized.model.to_bytes());
    assert_eq!(bytes().expect("it converts"), bytes().expect("it converts"));
}

/// A quantized convolution gives exactly what integers give.
#[test]
fn convolutions_run_on_whole_numbers() {
    let floats: [(&str, &[usize]); 2] = [("w", &[4, 3, 1, 1]), ("b", &[4])];
    let float = model(vec![node("Conv", &["x", "w", "b"], "y")], &floats, &[], "y");
    let int8 = convert(&float, Options::default()).expect("it converts").model;
    let graph = &int8.graph;
    let writer =
        |tensor: &str| graph.nodes.iter().find(|node| node.output() == tensor).expect("a node writes it");
    let constant = |name: Option<&str>| -> Vec<f32> {
        match &graph.initializers[name.expect("an input")].data {
            TensorData::F32(values) => values.clone(),
            TensorData::U8(values) => values.iter().map(|&v| f32::from(v)).collect(),
            TensorData::I8(values) => values.iter().map(|&v| f32::from(v)).collect(),
            TensorData::I32(values) => values.iter().map(|&v| v as f32).collect(),
            other => panic!("{other:?}"),
        }
    };
    let conv = graph.nodes.iter().find(|node| node.op == "Conv").expect("a convolution");
    let [x, w, b] = [0, 1, 2].map(|index| writer(conv.input(index).expect("an input")));
    let (x_scale, x_zero) = (constant(x.input(1))[0], constant(x.input(2))[0]);
    let (weights, w_scales, bias) = (constant(w.input(0)), constant(w.input(1)), constant(b.input(0)));
    let y = writer("y");
    let (y_scale, y_zero) = (constant(y.input(1))[0], constant(y.input(2))[0]);

    let input = numbers(3 * 36, 9);
    let found = Session::new(&int8).and_then(|session| session.run(&input)).expect("it runs");
    let found = found[0].as_f32().expect("floats");
    let quantized: Vec<i32> =
        input.iter().map(|v| ((v / x_scale).round_ties_even() + x_zero).clamp(0.0, 255.0) as i32).collect();
    for (index, found) in found.iter().enumerate() {
        let (channel, place) = (index / 36, index % 36);
        let products =
            (0..3).map(|c| (quantized[c * 36 + place] - x_zero as i32) * weights[channel * 3 + c] as i32);
        let sum = products.sum::<i32>() + bias[channel] as i32;
        let scaled = sum as f32 * (x_scale * w_scales[channel] / y_scale);
        let step = (scaled.round_ties_even() + y_zero).clamp(0.0, 255.0);
        assert_eq!(*found, (step - y_zero) * y_scale, "output {index}");
    }
}
