//! Functions of elements, arithmetic, reductions.

use sedge::onnx::{Tensor, TensorData};

use super::Case;

pub fn cases() -> Vec<Case> {
    elements().into_iter().chain(arithmetic()).collect()
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
            .tensor("yes", Tensor { shape: vec![], data: TensorData::Bool(vec![1]) })
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
