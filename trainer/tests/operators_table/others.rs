//! Functions of elements, arithmetic, reductions, shapes, parts, draws, quantization.

use sedge::onnx::Tensor;

use super::Case;

pub fn cases() -> Vec<Case> {
    elements().into_iter().chain(arithmetic()).chain(shapes()).chain(parts()).chain(quantized()).collect()
}

fn elements() -> Vec<Case> {
    let one = |op| Case::new(op).node(op, "x");
    // From 0.3 to 2.3, where roots and logarithms are smooth.
    let positive =
        |op| Case::new(op).floats("c", &[], &[0.3]).node("Abs", "x").node("Add", "y0 c").node(op, "y1");
    let clip = |name, inputs| {
        Case::new(name)
            .floats("low", &[], &[-0.5])
            .floats("zero", &[], &[0.0])
            .floats("six", &[], &[6.0])
            .floats("high", &[], &[1.1])
            .node("Clip", inputs)
    };
    vec![
        one("Abs"),
        one("Ceil"),
        one("Cos"),
        one("Elu"),
        Case::new("Elu, alpha").node("Elu", "x").float("alpha", 0.3),
        one("Erf"),
        one("Exp"),
        one("Floor"),
        Case::new("Gelu").opset(20).node("Gelu", "x"),
        Case::new("Gelu, tanh").opset(20).node("Gelu", "x").text("approximate", "tanh"),
        one("HardSigmoid"),
        Case::new("HardSigmoid, a sixth")
            .node("HardSigmoid", "x")
            .float("alpha", 1.0 / 6.0)
            .float("beta", 0.5),
        one("HardSwish"),
        one("Identity"),
        one("LeakyRelu"),
        Case::new("LeakyRelu, alpha").node("LeakyRelu", "x").float("alpha", 0.2),
        positive("Log"),
        Case::new("LogSoftmax inside").node("LogSoftmax", "x").int("axis", 1).node("Neg", "y0"),
        Case::new("Mish").opset(18).node("Mish", "x"),
        one("Neg"),
        Case::new("PRelu").within("s", &[4, 1, 1], 0.1, 0.5).node("PRelu", "x s"),
        positive("Reciprocal"),
        one("Relu"),
        one("Round"),
        one("Selu"),
        Case::new("Sigmoid inside").node("Sigmoid", "x").node("Neg", "y0"),
        one("Sign"),
        one("Sin"),
        Case::new("Softmax inside").node("Softmax", "x").node("Neg", "y0"),
        Case::new("Softmax over channels").node("Softmax", "x").int("axis", 1).node("Neg", "y0"),
        Case::new("Softmax of operator set 11")
            .opset(11)
            .node("Softmax", "x")
            .int("axis", 2)
            .node("Neg", "y0"),
        one("Softplus"),
        one("Softsign"),
        positive("Sqrt"),
        one("Tanh"),
        clip("Clip", "x low high"),
        clip("Clip, 0 to 6", "x zero six"),
        clip("Clip, only low", "x low"),
        clip("Clip, only high", "x - high"),
        clip("Clip, not at all", "x"),
        Case::new("Clip of operator set 6").opset(7).node("Clip", "x").float("min", -0.4).float("max", 0.9),
        Case::new("Dropout").floats("ratio", &[], &[0.4]).node("Dropout", "x ratio"),
        Case::new("Dropout, training_mode")
            .floats("ratio", &[], &[0.4])
            .tensor("yes", Tensor { shape: vec![], data: sedge::onnx::TensorData::Bool(vec![1]) })
            .node("Dropout", "x ratio yes")
            .random(),
        Case::new("Dropout of operator set 7").opset(7).node("Dropout", "x").float("ratio", 0.3),
    ]
}

fn arithmetic() -> Vec<Case> {
    let binary = |op| Case::new(op).within("c", &[4, 1, 5], 0.5, 2.0).node("Neg", "x").node(op, "y0 c");
    let compared = |op| {
        Case::new(op).weight("c", &[6, 1]).node(op, "x c").node("Cast", "y0").int("to", 1).node("Mul", "y1 x")
    };
    let reduced = |name, op| Case::new(name).node(op, "x");
    vec![
        binary("Add"),
        binary("Div"),
        binary("Max"),
        binary("Min"),
        binary("Mul"),
        binary("Sub"),
        Case::new("Sum").weight("c", &[5]).weight("d", &[4, 1, 1]).node("Sum", "x c d"),
        Case::new("Mean").weight("c", &[5]).weight("d", &[4, 1, 1]).node("Mean", "x c d"),
        Case::new("Mul by itself").node("Mul", "x x"),
        Case::new("Pow, squares").floats("two", &[], &[2.0]).node("Pow", "x two"),
        Case::new("Pow of two images")
            .floats("c", &[], &[0.3])
            .node("Abs", "x")
            .node("Add", "y0 c")
            .node("Pow", "y1 x"),
        Case::new("Pow, integer exponent").integers("three", &[3]).node("Pow", "x three"),
        compared("Equal"),
        compared("Greater"),
        compared("GreaterOrEqual"),
        compared("Less"),
        compared("LessOrEqual"),
        Case::new("And, Or, Not")
            .floats("c", &[], &[0.5])
            .node("Greater", "x c")
            .node("Less", "x c")
            .node("Not", "y1")
            .node("And", "y0 y2")
            .node("Or", "y3 y1")
            .node("Cast", "y3")
            .int("to", 1)
            .node("Mul", "y5 x"),
        Case::new("Where")
            .floats("c", &[], &[0.2])
            .weight("d", &[5])
            .node("Greater", "x c")
            .node("Where", "y0 x d"),
        Case::new("Cast to integers")
            .node("Cast", "x")
            .int("to", 7)
            .node("Cast", "y0")
            .int("to", 1)
            .node("Mul", "y1 x"),
        reduced("ReduceSum", "ReduceSum").int("keepdims", 1).opset(11).ints("axes", &[1, -1]),
        Case::new("ReduceSum, axes as input")
            .integers("axes", &[2])
            .node("ReduceSum", "x axes")
            .int("keepdims", 1),
        Case::new("ReduceSum, nothing to do").node("ReduceSum", "x").int("noop_with_empty_axes", 1),
        reduced("ReduceMean", "ReduceMean").ints("axes", &[2, 3]).int("keepdims", 0),
        reduced("ReduceMax", "ReduceMax").ints("axes", &[1]),
        reduced("ReduceMin", "ReduceMin").ints("axes", &[3]),
        reduced("ReduceProd", "ReduceProd").ints("axes", &[1, 3]),
        reduced("ReduceL1", "ReduceL1").ints("axes", &[1]),
        reduced("ReduceL2", "ReduceL2").ints("axes", &[1]),
        reduced("ReduceSumSquare", "ReduceSumSquare").ints("axes", &[2]),
        Case::new("ArgMax inside")
            .node("ArgMax", "x")
            .int("axis", 1)
            .node("Cast", "y0")
            .int("to", 1)
            .node("Mul", "y1 x"),
        Case::new("ArgMin inside")
            .node("ArgMin", "x")
            .int("axis", 2)
            .int("keepdims", 0)
            .node("Cast", "y0")
            .int("to", 1)
            .integers("axes", &[2])
            .node("Unsqueeze", "y1 axes")
            .node("Mul", "y2 x"),
    ]
}

fn shapes() -> Vec<Case> {
    let reshape = |name, shape: &[i64]| Case::new(name).integers("shape", shape).node("Reshape", "x shape");
    vec![
        reshape("Reshape", &[1, 2, 12, 5]),
        reshape("Reshape, open", &[0, -1, 6, 1]),
        reshape("Reshape, open batch", &[-1, 120]),
        Case::new("Reshape, batch among the rows")
            .integers("rows", &[24, 5])
            .integers("back", &[1, 4, 6, 5])
            .weight("w", &[5, 5])
            .node("Reshape", "x rows")
            .node("MatMul", "y0 w")
            .node("Reshape", "y1 back"),
        Case::new("Reshape, batch behind")
            .integers("tokens", &[1, 4, 30])
            .integers("image", &[4, 6, 5, 1])
            .node("Reshape", "x tokens")
            .node("Transpose", "y0")
            .ints("perm", &[1, 2, 0])
            .node("Reshape", "y1 image")
            .node("Mul", "y2 y2")
            .node("Transpose", "y3")
            .ints("perm", &[3, 0, 1, 2]),
        Case::new("Flatten").node("Flatten", "x"),
        Case::new("Flatten, axis")
            .node("Flatten", "x")
            .int("axis", 3)
            .integers("s", &[1, 4, 6, 5])
            .node("Reshape", "y0 s"),
        Case::new("Transpose").node("Transpose", "x").ints("perm", &[0, 2, 3, 1]),
        Case::new("Squeeze and Unsqueeze")
            .integers("two", &[2])
            .node("GlobalAveragePool", "x")
            .node("Squeeze", "y0 two")
            .node("Unsqueeze", "y1 two"),
        Case::new("Squeeze of operator set 11")
            .opset(11)
            .node("GlobalAveragePool", "x")
            .node("Squeeze", "y0")
            .ints("axes", &[2, 3]),
        Case::new("Squeeze of the batch")
            .integers("zero", &[0])
            .node("Squeeze", "x zero")
            .node("Relu", "y0")
            .node("Unsqueeze", "y1 zero"),
        Case::new("Expand")
            .integers("shape", &[3, 1, 4, 1, 5])
            .integers("s", &[1, 4, 1, 5])
            .integers("axes", &[2])
            .node("ReduceSum", "x axes")
            .int("keepdims", 1)
            .integers("wide", &[1, 4, 6, 5])
            .node("Expand", "y0 wide"),
        Case::new("Tile").integers("repeats", &[1, 2, 1, 3]).node("Tile", "x repeats"),
        Case::new("DepthToSpace").node("DepthToSpace", "x").int("blocksize", 2),
        Case::new("DepthToSpace, CRD").node("DepthToSpace", "x").int("blocksize", 2).text("mode", "CRD"),
        Case::new("SpaceToDepth").input(3, 6, 4).node("SpaceToDepth", "x").int("blocksize", 2),
        Case::new("Shape, Gather, Concat, Reshape")
            .tensor("zero", Tensor::i64(&[], vec![0]))
            .integers("axis", &[0])
            .integers("rest", &[-1, 5])
            .node("Shape", "x")
            .node("Gather", "y0 zero")
            .node("Unsqueeze", "y1 axis")
            .node("Concat", "y2 rest")
            .int("axis", 0)
            .node("Reshape", "x y3")
            .integers("image", &[0, 4, 6, 5])
            .node("Reshape", "y4 image"),
        Case::new("Shape, Slice, arithmetic")
            .integers("start", &[2])
            .integers("end", &[4])
            .integers("two", &[2])
            .integers("front", &[1, 4])
            .node("Shape", "x")
            .node("Slice", "y0 start end")
            .node("Mul", "y1 two")
            .node("Div", "y2 two")
            .node("Mul", "y3 two")
            .node("Concat", "front y4")
            .int("axis", 0)
            .node("Resize", "x - - y5")
            .text("mode", "nearest"),
        Case::new("ConstantOfShape and Range")
            .integers("shape", &[4, 1, 1])
            .tensor("from", Tensor::i64(&[], vec![0]))
            .tensor("to", Tensor::i64(&[], vec![10]))
            .tensor("by", Tensor::i64(&[], vec![2]))
            .node("ConstantOfShape", "shape")
            .value(Tensor::f32(&[1], vec![0.7]))
            .node("Range", "from to by")
            .node("Cast", "y1")
            .int("to", 1)
            .node("Mul", "x y0")
            .node("Add", "y3 y2"),
        Case::new("Constant")
            .node("Constant", "")
            .value(Tensor::f32(&[5], vec![0.1, -0.2, 0.3, -0.4, 0.5]))
            .weight("w", &[4, 4, 1, 1])
            .node("Conv", "x w")
            .node("Add", "y1 y0"),
    ]
}

fn parts() -> Vec<Case> {
    let pad = |name, mode: &str| {
        Case::new(name)
            .integers("pads", &[0, 0, 1, 2, 0, 0, 2, 1])
            .floats("value", &[], &[0.7])
            .node("Pad", "x pads value")
            .text("mode", mode)
    };
    let slice = |name, bounds: [&[i64]; 4]| {
        Case::new(name)
            .integers("starts", bounds[0])
            .integers("ends", bounds[1])
            .integers("axes", bounds[2])
            .integers("steps", bounds[3])
            .node("Slice", "x starts ends axes steps")
    };
    let draws = |op| Case::new(op).random().node(op, "").ints("shape", &[1, 4, 6, 5]).node("Mul", "y0 x");
    vec![
        Case::new("Concat").weight("c", &[1, 2, 6, 5]).node("Concat", "x c x").int("axis", 1),
        Case::new("Concat, last axis").node("Relu", "x").node("Concat", "x y0").int("axis", -1),
        Case::new("Split")
            .input(6, 4, 5)
            .node_to("Split", "x", "a b c")
            .int("axis", 1)
            .node("Mul", "a c")
            .node("Sub", "y1 b"),
        Case::new("Split, sizes")
            .integers("sizes", &[1, 3])
            .node_to("Split", "x sizes", "a b")
            .int("axis", 1)
            .node("Mul", "a b"),
        Case::new("Split, num_outputs")
            .opset(18)
            .input(4, 5, 6)
            .node_to("Split", "x", "a b")
            .int("axis", 2)
            .int("num_outputs", 2)
            .node("Concat", "b a")
            .int("axis", 2),
        Case::new("Gather, list")
            .tensor("i", Tensor::i64(&[2, 2], vec![2, 0, -1, 2]))
            .node("Gather", "x i")
            .int("axis", 1)
            .integers("s", &[1, 4, 6, 5])
            .node("Reshape", "y0 s"),
        Case::new("Gather, one")
            .tensor("i", Tensor::i64(&[], vec![-2]))
            .node("Gather", "x i")
            .int("axis", 2)
            .integers("s", &[1, 20])
            .node("Reshape", "y0 s"),
        pad("Pad, constant", "constant"),
        pad("Pad, edge", "edge"),
        pad("Pad, reflect", "reflect"),
        Case::new("Pad, axes and cutting")
            .opset(18)
            .integers("pads", &[-1, 2])
            .integers("axes", &[-1])
            .node("Pad", "x pads - axes"),
        Case::new("Pad of operator set 10")
            .opset(10)
            .node("Pad", "x")
            .ints("pads", &[0, 1, 0, 0, 0, 0, 2, 0])
            .float("value", -1.0),
        slice("Slice", [&[1, 0], &[4, 3], &[2, 1], &[1, 1]]),
        slice("Slice, from the end", [&[-3], &[9223372036854775807], &[3], &[1]]),
        slice("Slice, steps", [&[0, 4], &[6, 0], &[2, 3], &[2, -2]]),
        slice("Slice, backwards", [&[-1], &[-9223372036854775807], &[1], &[-1]]),
        slice("Slice, all pictures", [&[0, 1], &[9223372036854775807, 3], &[0, 1], &[1, 1]]),
        Case::new("Slice of operator set 9")
            .opset(9)
            .node("Slice", "x")
            .ints("starts", &[1])
            .ints("ends", &[3])
            .ints("axes", &[2]),
        draws("RandomUniform"),
        draws("RandomNormal"),
        Case::new("RandomUniformLike").random().node("RandomUniformLike", "x").node("Mul", "y0 x"),
        Case::new("Bernoulli")
            .random()
            .opset(15)
            .node("Sigmoid", "x")
            .node("Bernoulli", "y0")
            .node("Mul", "y1 x"),
    ]
}

fn quantized() -> Vec<Case> {
    let activations = |name, zero: Tensor| {
        Case::new(name)
            .straight_through()
            .floats("scale", &[], &[0.013])
            .tensor("zero", zero)
            .node("QuantizeLinear", "x scale zero")
            .node("DequantizeLinear", "y0 scale zero")
    };
    vec![
        activations("QuantizeLinear, u8", Tensor::u8(&[], vec![120])),
        activations("QuantizeLinear, s8", Tensor::i8(&[], vec![-3])),
        Case::new("QuantizeLinear, channels")
            .straight_through()
            .floats("scale", &[4], &[0.01, 0.02, 0.03, 0.015])
            .tensor("zero", Tensor::u8(&[4], vec![128, 100, 120, 200]))
            .node("QuantizeLinear", "x scale zero")
            .int("axis", 1)
            .node("DequantizeLinear", "y0 scale zero")
            .int("axis", 1),
        Case::new("QuantizeLinear without zero point")
            .straight_through()
            .floats("scale", &[], &[0.02])
            .node("QuantizeLinear", "x scale")
            .node("DequantizeLinear", "y0 scale"),
        Case::new("DequantizeLinear of weights and bias")
            .straight_through()
            .tensor("w", Tensor::i8(&[2, 4, 1, 1], vec![127, -5, 3, 80, -127, 90, 33, 1]))
            .floats("ws", &[2], &[0.01, 0.02])
            .tensor("wz", Tensor::i8(&[2], vec![0, 0]))
            .tensor("b", Tensor::i32(&[2], vec![1000, -700]))
            .floats("bs", &[2], &[0.0001, 0.0002])
            .tensor("bz", Tensor::i32(&[2], vec![0, 0]))
            .node("DequantizeLinear", "w ws wz")
            .int("axis", 0)
            .node("DequantizeLinear", "b bs bz")
            .int("axis", 0)
            .node("Conv", "x y0 y1"),
        Case::new("QuantizeLinear of weights")
            .straight_through()
            .weight("w", &[2, 4, 1, 1])
            .floats("ws", &[2], &[0.008, 0.007])
            .tensor("wz", Tensor::i8(&[2], vec![0, 0]))
            .node("QuantizeLinear", "w ws wz")
            .int("axis", 0)
            .node("DequantizeLinear", "y0 ws wz")
            .int("axis", 0)
            .node("Conv", "x y1"),
    ]
}
