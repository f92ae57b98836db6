//! Shapes, parts, draws, quantization.

use sedge::onnx::Tensor;

use super::Case;

pub fn cases() -> Vec<Case> {
    shapes().into_iter().chain(parts()).chain(quantized()).collect()
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
        Case::new("RandomNormalLike").random().node("RandomNormalLike", "x").node("Mul", "y0 x"),
        Case::new("Size").node("Size", "x").node("Cast", "y0").int("to", 1).node("Mul", "y1 x"),
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
        Case::new("QuantizeLinear of pixels half way between steps")
            .straight_through()
            .bytes()
            .input(1, 16, 16)
            .floats("scale", &[], &[2.0 / 255.0])
            .tensor("zero", Tensor::u8(&[], vec![128]))
            .node("QuantizeLinear", "x scale zero")
            .node("DequantizeLinear", "y0 scale zero"),
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
