//! Convolutions, pools, norms, products, resizing.

use super::Case;

pub fn cases() -> Vec<Case> {
    let conv = |name, weight: &[usize]| {
        let filters = weight[0];
        Case::new(name).weight("w", weight).weight("b", &[filters]).node("Conv", "x w b")
    };
    let transposed = |name, weight: &[usize], groups: usize| {
        let filters = weight[1] * groups;
        Case::new(name).weight("w", weight).weight("b", &[filters]).node("ConvTranspose", "x w b")
    };
    let norm = |name| {
        Case::new(name)
            .weight("gamma", &[4])
            .weight("beta", &[4])
            .weight("mean", &[4])
            .within("variance", &[4], 0.5, 2.0)
            .node("BatchNormalization", "x gamma beta mean variance")
    };
    let pool = |name, op| Case::new(name).input(3, 7, 8).node(op, "x");
    vec![
        conv("Conv", &[6, 4, 3, 3]),
        Case::new("Conv without bias").weight("w", &[6, 4, 3, 2]).node("Conv", "x w"),
        conv("Conv, groups", &[6, 2, 3, 3]).int("group", 2),
        conv("Conv, depthwise", &[4, 1, 3, 3]).int("group", 4).ints("pads", &[1, 1, 1, 1]),
        conv("Conv, strides and dilations", &[3, 4, 2, 2])
            .ints("strides", &[2, 1])
            .ints("dilations", &[2, 3]),
        conv("Conv, pads at the end", &[3, 4, 3, 3]).ints("pads", &[0, 0, 1, 1]).ints("strides", &[2, 2]),
        conv("Conv, pads of all sorts", &[3, 4, 3, 3]).ints("pads", &[2, 0, 1, 3]),
        conv("Conv, SAME_UPPER", &[3, 4, 3, 2]).text("auto_pad", "SAME_UPPER").ints("strides", &[2, 2]),
        conv("Conv, SAME_LOWER", &[3, 4, 2, 2]).text("auto_pad", "SAME_LOWER"),
        conv("Conv, VALID", &[3, 4, 2, 2]).text("auto_pad", "VALID"),
        transposed("ConvTranspose", &[4, 3, 2, 2], 1).ints("strides", &[2, 2]),
        transposed("ConvTranspose, pads", &[4, 3, 4, 4], 1)
            .ints("strides", &[2, 2])
            .ints("pads", &[1, 1, 1, 1]),
        transposed("ConvTranspose, uneven pads", &[4, 3, 3, 3], 1)
            .ints("strides", &[2, 2])
            .ints("pads", &[0, 0, 1, 1]),
        transposed("ConvTranspose, output_padding", &[4, 3, 3, 3], 1)
            .ints("strides", &[2, 2])
            .ints("pads", &[1, 1, 1, 1])
            .ints("output_padding", &[1, 1]),
        transposed("ConvTranspose, uneven pads and output_padding", &[4, 3, 3, 3], 1)
            .ints("strides", &[2, 2])
            .ints("pads", &[1, 0, 0, 1])
            .ints("output_padding", &[1, 1]),
        transposed("ConvTranspose, output_shape", &[4, 3, 3, 3], 1)
            .ints("strides", &[2, 2])
            .ints("output_shape", &[12, 10]),
        transposed("ConvTranspose, SAME_UPPER", &[4, 3, 3, 3], 1)
            .ints("strides", &[2, 2])
            .text("auto_pad", "SAME_UPPER"),
        transposed("ConvTranspose, groups and dilations", &[4, 2, 2, 2], 2)
            .int("group", 2)
            .ints("dilations", &[2, 1]),
        norm("BatchNormalization"),
        norm("BatchNormalization, epsilon").float("epsilon", 0.3).float("momentum", 0.7),
        Case::new("LayerNormalization")
            .weight("g", &[5])
            .weight("b", &[5])
            .node("LayerNormalization", "x g b"),
        Case::new("LayerNormalization over two axes")
            .weight("g", &[6, 5])
            .node("LayerNormalization", "x g")
            .int("axis", 2)
            .float("epsilon", 0.01),
        Case::new("InstanceNormalization")
            .weight("g", &[4])
            .weight("b", &[4])
            .node("InstanceNormalization", "x g b"),
        Case::new("GroupNormalization")
            .opset(21)
            .weight("g", &[4])
            .weight("b", &[4])
            .node("GroupNormalization", "x g b")
            .int("num_groups", 2),
        pool("MaxPool", "MaxPool").ints("kernel_shape", &[2, 2]).ints("strides", &[2, 2]),
        pool("MaxPool, pads", "MaxPool")
            .ints("kernel_shape", &[3, 3])
            .ints("strides", &[2, 2])
            .ints("pads", &[1, 1, 1, 1]),
        pool("MaxPool, pads at the end", "MaxPool")
            .ints("kernel_shape", &[3, 3])
            .ints("strides", &[2, 2])
            .ints("pads", &[0, 0, 1, 1]),
        pool("MaxPool, ceil_mode", "MaxPool")
            .ints("kernel_shape", &[2, 3])
            .ints("strides", &[2, 2])
            .int("ceil_mode", 1),
        pool("MaxPool, dilations", "MaxPool").ints("kernel_shape", &[2, 2]).ints("dilations", &[2, 3]),
        pool("MaxPool, SAME_UPPER", "MaxPool").ints("kernel_shape", &[2, 2]).text("auto_pad", "SAME_UPPER"),
        pool("AveragePool", "AveragePool").ints("kernel_shape", &[2, 3]).ints("strides", &[1, 2]),
        pool("AveragePool, pads", "AveragePool").ints("kernel_shape", &[3, 3]).ints("pads", &[1, 1, 1, 1]),
        pool("AveragePool, pads counted", "AveragePool")
            .ints("kernel_shape", &[3, 3])
            .ints("pads", &[1, 1, 1, 1])
            .int("count_include_pad", 1),
        pool("AveragePool, uneven pads", "AveragePool")
            .ints("kernel_shape", &[3, 3])
            .ints("pads", &[0, 1, 2, 0]),
        pool("AveragePool, uneven pads counted", "AveragePool")
            .ints("kernel_shape", &[3, 3])
            .ints("pads", &[0, 1, 2, 0])
            .int("count_include_pad", 1),
        pool("AveragePool, ceil_mode", "AveragePool")
            .ints("kernel_shape", &[2, 3])
            .ints("strides", &[2, 2])
            .int("ceil_mode", 1),
        pool("AveragePool, SAME_LOWER", "AveragePool")
            .ints("kernel_shape", &[2, 2])
            .text("auto_pad", "SAME_LOWER"),
        pool("GlobalAveragePool", "GlobalAveragePool"),
        pool("GlobalMaxPool", "GlobalMaxPool"),
        Case::new("MatMul").weight("w", &[5, 3]).node("MatMul", "x w"),
        Case::new("MatMul, constant first").weight("w", &[3, 6]).node("MatMul", "w x"),
        Case::new("MatMul of two images")
            .node("Transpose", "x")
            .ints("perm", &[0, 1, 3, 2])
            .node("MatMul", "x y0"),
        Case::new("Gemm")
            .node("Flatten", "x")
            .weight("w", &[120, 7])
            .weight("b", &[7])
            .node("Gemm", "y0 w b"),
        Case::new("Gemm, all settings")
            .node("Flatten", "x")
            .node("Transpose", "y0")
            .weight("w", &[7, 120])
            .weight("b", &[1, 7])
            .node("Gemm", "y1 w b")
            .int("transA", 1)
            .int("transB", 1)
            .float("alpha", 0.5)
            .float("beta", 2.0),
        Case::new("Gemm, transB without C")
            .node("Flatten", "x")
            .weight("w", &[7, 120])
            .node("Gemm", "y0 w")
            .int("transB", 1),
    ]
    .into_iter()
    .chain(resizes())
    .collect()
}

fn resizes() -> Vec<Case> {
    let scaled = |name, scales: [f32; 2]| {
        Case::new(name).floats("scales", &[4], &[1.0, 1.0, scales[0], scales[1]]).node("Resize", "x - scales")
    };
    let sized = |name, sizes: [i64; 2]| {
        Case::new(name).integers("sizes", &[1, 4, sizes[0], sizes[1]]).node("Resize", "x - - sizes")
    };
    let linear =
        |case: Case, mode: &str| case.text("mode", "linear").text("coordinate_transformation_mode", mode);
    let nearest = |case: Case, mode: &str, rounding: &str| {
        case.text("mode", "nearest")
            .text("coordinate_transformation_mode", mode)
            .text("nearest_mode", rounding)
    };
    vec![
        nearest(scaled("Resize, nearest asymmetric floor x2", [2.0, 2.0]), "asymmetric", "floor"),
        nearest(scaled("Resize, nearest asymmetric floor x2.5", [2.5, 1.5]), "asymmetric", "floor"),
        nearest(scaled("Resize, nearest smaller", [0.6, 0.5]), "asymmetric", "floor"),
        nearest(scaled("Resize, nearest half_pixel x3", [3.0, 2.0]), "half_pixel", "round_prefer_floor"),
        nearest(sized("Resize, nearest half_pixel ceil", [9, 7]), "half_pixel", "round_prefer_ceil"),
        nearest(sized("Resize, nearest align_corners", [9, 8]), "align_corners", "ceil"),
        nearest(
            Case::new("Resize, nearest tf_half_pixel_for_nn")
                .opset(11)
                .floats("none", &[0], &[])
                .integers("sizes", &[1, 4, 9, 8])
                .node("Resize", "x none none sizes"),
            "tf_half_pixel_for_nn",
            "floor",
        ),
        nearest(sized("Resize, nearest pytorch_half_pixel", [9, 1]), "pytorch_half_pixel", "floor"),
        linear(sized("Resize, linear half_pixel", [9, 11]), "half_pixel"),
        linear(sized("Resize, linear half_pixel smaller", [3, 2]), "half_pixel"),
        linear(scaled("Resize, linear half_pixel by scales", [1.5, 1.7]), "half_pixel"),
        linear(sized("Resize, linear align_corners", [11, 9]), "align_corners"),
        linear(sized("Resize, linear align_corners to one", [1, 9]), "align_corners"),
        linear(sized("Resize, linear asymmetric", [11, 9]), "asymmetric"),
        linear(scaled("Resize, linear asymmetric by scales", [2.0, 1.3]), "asymmetric"),
        linear(sized("Resize, linear pytorch_half_pixel", [11, 1]), "pytorch_half_pixel"),
        linear(sized("Resize, linear of one axis", [6, 12]), "half_pixel"),
        sized("Resize, sizes as they were", [6, 5]).text("mode", "linear"),
        linear(
            Case::new("Resize, axes")
                .opset(18)
                .integers("sizes", &[7, 9])
                .node("Resize", "x - - sizes")
                .ints("axes", &[2, 3]),
            "half_pixel",
        ),
        Case::new("Resize of operator set 10")
            .opset(10)
            .floats("scales", &[4], &[1.0, 1.0, 2.0, 1.5])
            .node("Resize", "x scales")
            .text("mode", "linear"),
        Case::new("Upsample")
            .opset(9)
            .floats("scales", &[4], &[1.0, 1.0, 2.0, 3.0])
            .node("Upsample", "x scales")
            .text("mode", "nearest"),
    ]
}
