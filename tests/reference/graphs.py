#!/usr/bin/env python3
"""Writes small float networks with random weights, one for each thing that exporters put into graphs.

    graphs.py FOLDER NAME...

writes FOLDER/NAME.onnx for each name. Input is always `image`, float32 [1, 3, 32, 32]. Weights come from a generator that
is seeded by the name, so a network is the same in every run. Needs scripts/requirements.txt.
"""

import sys
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Net:
    """A graph under construction. Every method adds a node and gives the name of its output."""

    def __init__(self, name, opset=17):
        self.name = name
        self.opset = opset
        self.random = np.random.default_rng(zlib.crc32(name.encode()))
        self.nodes = []
        self.constants = []
        self.outputs = []

    def constant(self, values, dtype=np.float32):
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def node(self, op, *inputs, outputs=1, **attributes):
        names = [f"{op.lower()}_{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"node_{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def weights(self, *shape, fan_in):
        """Values that keep the variance of what they are applied to (He et al., 2015)."""
        return self.constant(self.random.normal(0, np.sqrt(2 / fan_in), shape))

    def bias(self, channels):
        return self.constant(self.random.normal(0, 0.2, channels))

    def conv(self, x, channels, filters, kernel=3, group=1, bias=True, pads=None, weights=None, **attributes):
        weights = weights or self.weights(
            filters, channels // group, kernel, kernel, fan_in=channels // group * kernel**2
        )
        inputs = [x, weights] + ([self.bias(filters)] if bias else [])
        pads = [kernel // 2] * 4 if pads is None else pads
        return self.node("Conv", *inputs, kernel_shape=[kernel] * 2, pads=pads, group=group, **attributes)

    def relu(self, x):
        return self.node("Relu", x)

    def conv_relu(self, *arguments, **attributes):
        return self.relu(self.conv(*arguments, **attributes))

    def batch_norm(self, x, channels):
        statistics = [
            self.random.uniform(0.5, 1.5, channels),
            self.random.normal(0, 0.3, channels),
            self.random.normal(0, 0.3, channels),
            self.random.uniform(0.5, 2, channels),
        ]
        return self.node("BatchNormalization", x, *map(self.constant, statistics))

    def mean(self, x):
        """Spatial mean as a matrix."""
        return self.node("Flatten", self.node("GlobalAveragePool", x))

    def model(self, *outputs):
        """The model; `outputs` are names with their number of dimensions."""
        shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, rank in outputs]
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 32, 32])
        graph = helper.make_graph(self.nodes, self.name, [image], shapes, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        onnx.checker.check_model(model, full_check=True)
        return model


def conv_bn_relu(net):
    x = net.relu(net.batch_norm(net.conv("image", 3, 16, bias=False, strides=[2, 2]), 16))
    x = net.relu(net.batch_norm(net.conv(x, 16, 16), 16))
    return net.model((net.conv(x, 16, 5, kernel=1), 4))


def depthwise(net):
    x = net.conv_relu("image", 3, 16)
    y = net.node("Clip", net.conv(x, 16, 32, kernel=1), net.constant(0), net.constant(6))
    y = net.node("Clip", net.conv(y, 32, 32, group=32), net.constant(0), net.constant(6))
    x = net.node("Add", x, net.conv(y, 32, 16, kernel=1))
    return net.model((net.conv(x, 16, 5, kernel=1), 4))


def grouped(net):
    x = net.conv_relu("image", 3, 16)
    x = net.conv_relu(x, 16, 24, group=4)
    return net.model((net.conv(x, 24, 5, kernel=1), 4))


def dilated(net):
    x = net.conv_relu("image", 3, 8)
    branches = [net.conv_relu(x, 8, 8, pads=[d] * 4, dilations=[d, d]) for d in (1, 2, 4)]
    return net.model((net.conv(net.node("Concat", *branches, axis=1), 24, 5, kernel=1), 4))


def same_padding(net):
    x = net.relu(
        net.node("Conv", "image", net.weights(8, 3, 3, 3, fan_in=27), auto_pad="SAME_UPPER", strides=[2, 2])
    )
    return net.model((net.conv(x, 8, 5, kernel=1), 4))


def conv_transpose(net):
    x = net.conv_relu("image", 3, 12, strides=[2, 2])
    weights = net.weights(12, 8, 4, 4, fan_in=48)
    x = net.node("ConvTranspose", x, weights, net.bias(8), strides=[2, 2], pads=[1] * 4)
    return net.model((net.conv(net.relu(x), 8, 5, kernel=1), 4))


def conv_transpose_groups(net):
    x = net.conv_relu("image", 3, 12, strides=[2, 2])
    weights = net.weights(12, 2, 4, 4, fan_in=12)
    x = net.node("ConvTranspose", x, weights, net.bias(8), strides=[2, 2], pads=[1] * 4, group=4)
    return net.model((net.conv(net.relu(x), 8, 5, kernel=1), 4))


def gemm(net):
    x = net.node("Flatten", net.conv_relu(net.conv_relu("image", 3, 8, strides=[4, 4]), 8, 8, strides=[2, 2]))
    x = net.relu(net.node("Gemm", x, net.weights(32, 128, fan_in=128), net.bias(32), transB=1))
    return net.model((net.node("Gemm", x, net.weights(32, 10, fan_in=32), net.bias(10)), 2))


def matmul_add(net):
    x = net.mean(net.conv_relu(net.conv_relu("image", 3, 16, strides=[2, 2]), 16, 32))
    x = net.relu(net.node("Add", net.node("MatMul", x, net.weights(32, 16, fan_in=32)), net.bias(16)))
    return net.model((net.node("Add", net.bias(10), net.node("MatMul", x, net.weights(16, 10, fan_in=16))), 2))


def average_pool(net):
    x = net.conv_relu("image", 3, 16)
    a = net.node("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    b = net.node("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, count_include_pad=1)
    x = net.node("Add", a, b)
    return net.model((net.conv(x, 16, 5, kernel=1), 4))


def max_pool(net):
    x = net.conv("image", 3, 16)
    x = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    x = net.node("MaxPool", net.conv_relu(x, 16, 16), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    return net.model((net.conv(x, 16, 5, kernel=1), 4))


def concat_unlike(net):
    """Ranges about 1 : 60. The small one is read elsewhere too, where the large one's scale would leave it two bits."""
    small = net.conv_relu("image", 3, 8)
    large = net.node("Mul", net.relu(net.conv("image", 3, 8)), net.constant(60))
    joined = net.node("Concat", small, large, axis=1)
    weights = net.constant(net.random.normal(0, 0.3 / 60, (5, 16, 1, 1)))
    return net.model((net.conv(small, 8, 5, kernel=1), 4), (net.conv(joined, 16, 5, kernel=1, weights=weights), 4))


def resize(net, **attributes):
    x = net.conv_relu("image", 3, 8, strides=[2, 2])
    scales = net.constant([1, 1, 2, 2])
    x = net.node("Resize", x, "", scales, **attributes)
    return net.model((net.conv(x, 8, 5), 4))


def resize_nearest(net):
    return resize(net, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def resize_linear(net):
    return resize(net, mode="linear", coordinate_transformation_mode="half_pixel")


def resize_corners(net):
    """As exporters write interpolate(align_corners=True): a fixed size, and logits that are only resized at the end."""
    x = net.conv_relu("image", 3, 8, strides=[2, 2])
    attributes = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    x = net.node("Resize", x, "", "", net.constant([1, 8, 21, 21], np.int64), **attributes)
    x = net.conv(x, 8, 5, kernel=1)
    return net.model((net.node("Resize", x, "", "", net.constant([1, 5, 32, 32], np.int64), **attributes), 4))


def activation(op, **attributes):
    def build(net):
        x = net.node(op, net.conv("image", 3, 16), **attributes)
        return net.model((net.conv(net.node(op, net.conv(x, 16, 16), **attributes), 16, 5, kernel=1), 4))

    return build


def prelu(net):
    x = net.node("PRelu", net.conv("image", 3, 16), net.constant(net.random.uniform(0.05, 0.4, (16, 1, 1))))
    return net.model((net.conv(x, 16, 5, kernel=1), 4))


def swish(net):
    x = net.conv("image", 3, 16)
    x = net.node("Mul", x, net.node("Sigmoid", x))
    return net.model((net.conv(x, 16, 5, kernel=1), 4))


def gate(net):
    """Squeeze and excite (Hu et al., 2018), as in MobileNetV3."""
    x = net.conv_relu("image", 3, 16)
    squeezed = net.conv_relu(net.node("GlobalAveragePool", x), 16, 4, kernel=1)
    gates = net.node("HardSigmoid", net.conv(squeezed, 4, 16, kernel=1), alpha=1 / 6, beta=0.5)
    return net.model((net.conv(net.node("Mul", x, gates), 16, 5, kernel=1), 4))


def pad_zeros(net):
    pads = net.constant([0, 0, 0, 0, 0, 0, 1, 1], np.int64)
    x = net.node("Pad", "image", pads)
    x = net.relu(net.conv(x, 3, 8, pads=[0] * 4, strides=[2, 2]))
    return net.model((net.conv(x, 8, 5, kernel=1), 4))


def pad_mirror(net):
    x = net.node("Pad", net.conv_relu("image", 3, 8), net.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="reflect")
    return net.model((net.conv(x, 8, 5, pads=[0] * 4), 4))


def clip_odd(net):
    x = net.node("Clip", net.conv("image", 3, 16), net.constant(-0.3), net.constant(2.7))
    x = net.node("Clip", net.conv(x, 16, 16), "", net.constant(1.1))
    return net.model((net.conv(x, 16, 5, kernel=1), 4))


def split(net):
    x = net.conv_relu("image", 3, 16)
    a, b = net.node("Split", x, net.constant([6, 10], np.int64), outputs=2, axis=1)
    x = net.node("Concat", b, net.conv_relu(a, 6, 6), axis=1)
    return net.model((net.conv(x, 16, 5, kernel=1), 4))


def slices(net):
    """Focus: four shifted halves of the image as channels."""
    axes, steps, ends = (net.constant(v, np.int64) for v in ([2, 3], [2, 2], [32, 32]))
    starts = [net.constant([y, x], np.int64) for x in (0, 1) for y in (0, 1)]
    x = net.node("Concat", *(net.node("Slice", "image", start, ends, axes, steps) for start in starts), axis=1)
    return net.model((net.conv(net.conv_relu(x, 12, 16), 16, 5, kernel=1), 4))


def channel_shuffle(net):
    x = net.conv_relu("image", 3, 16, group=1, strides=[2, 2])
    x = net.node("Reshape", x, net.constant([1, 4, 4, 16, 16], np.int64))
    x = net.node("Reshape", net.node("Transpose", x, perm=[0, 2, 1, 3, 4]), net.constant([1, -1, 16, 16], np.int64))
    return net.model((net.conv(x, 16, 5, group=1, kernel=1), 4))


def depth_to_space(net):
    x = net.conv_relu("image", 3, 16, strides=[2, 2])
    x = net.node("DepthToSpace", x, blocksize=2, mode="CRD")
    return net.model((net.conv(x, 4, 5), 4))


def batch_norm_first(net):
    x = net.conv_relu(net.batch_norm("image", 3), 3, 8)
    return net.model((net.conv(x, 8, 5, kernel=1), 4))


def batch_norm_alone(net):
    """After a joint, where no single convolution can take it up, as in DenseNet."""
    x = net.conv_relu("image", 3, 8)
    x = net.node("Concat", x, net.conv_relu(x, 8, 8), axis=1)
    x = net.relu(net.batch_norm(x, 16))
    return net.model((net.conv(x, 16, 5, kernel=1), 4))


def shared_weights(net):
    """One head on two scales, as in RetinaNet; the inputs differ in range."""
    x = net.conv_relu("image", 3, 8)
    y = net.node("Mul", net.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), net.constant(3))
    weights, bias = net.weights(5, 8, 3, 3, fan_in=72), net.bias(5)
    heads = [net.node("Conv", v, weights, bias, pads=[1] * 4) for v in (x, y)]
    return net.model((heads[0], 4), (heads[1], 4))


def affine(net):
    """Arithmetic with constants around convolutions, scalar and per channel."""
    x = net.node("Div", net.node("Sub", "image", net.constant(0.1)), net.constant(1.7))
    x = net.node("Mul", net.conv(x, 3, 8), net.constant(net.random.uniform(0.5, 2, (8, 1, 1))))
    x = net.relu(net.node("Add", x, net.constant(net.random.normal(0, 0.3, (1, 8, 1, 1)))))
    x = net.node("Sub", net.constant(1), net.conv(x, 8, 8))
    return net.model((net.conv(net.node("Div", x, net.constant(4)), 8, 5, kernel=1), 4))


def subtract(net):
    a, b = net.conv("image", 3, 8), net.conv("image", 3, 8)
    return net.model((net.conv(net.node("Sub", a, b), 8, 5, kernel=1), 4))


def reduce_mean(net):
    x = net.conv_relu("image", 3, 16)
    x = net.node("ReduceMean", x, axes=[2, 3], keepdims=0)
    return net.model((net.node("Gemm", x, net.weights(16, 10, fan_in=16), net.bias(10)), 2))


def squeeze(net):
    """Axes as attributes, as before operator set 13."""
    net.opset = 11
    x = net.node("GlobalAveragePool", net.conv_relu("image", 3, 16))
    x = net.node("Squeeze", net.node("Squeeze", x, axes=[3]), axes=[2])
    x = net.node("Unsqueeze", net.node("Unsqueeze", x, axes=[2]), axes=[3])
    x = net.conv(x, 16, 10, kernel=1)
    return net.model((net.node("Softmax", net.node("Squeeze", x, axes=[2, 3])), 2))


def computed_shape(net):
    """As PyTorch writes x.view(x.size(0), -1)."""
    x = net.conv_relu("image", 3, 8, strides=[8, 8])
    batch = net.node("Gather", net.node("Shape", x), net.constant(0, np.int64), axis=0)
    batch = net.node("Unsqueeze", batch, net.constant([0], np.int64))
    rest = net.node("Constant", value=numpy_helper.from_array(np.array([-1], np.int64)))
    x = net.node("Reshape", x, net.node("Concat", batch, rest, axis=0))
    return net.model((net.node("Gemm", x, net.weights(128, 10, fan_in=128), net.bias(10)), 2))


def computed_size(net):
    """As PyTorch writes interpolate(x, size=y.shape[2:])."""
    x = net.conv_relu("image", 3, 8, strides=[2, 2])
    size = net.node("Slice", net.node("Shape", "image"), *(net.constant([v], np.int64) for v in (2, 4, 0)))
    front = net.node("Slice", net.node("Shape", x), *(net.constant([v], np.int64) for v in (0, 2, 0)))
    attributes = {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}
    x = net.node("Resize", x, "", "", net.node("Concat", front, size, axis=0), **attributes)
    return net.model((net.conv(x, 8, 5), 4))


def output_inside(net):
    """An output that the graph goes on from, as with auxiliary heads."""
    x = net.conv_relu("image", 3, 8)
    y = net.conv(x, 8, 5, kernel=1)
    return net.model((y, 4), (net.conv(net.relu(y), 5, 4), 4))


def input_twice(net):
    """The image itself joined to features."""
    x = net.node("Concat", net.conv_relu("image", 3, 8), "image", axis=1)
    return net.model((net.conv(x, 11, 5), 4))


def softmax_tail(net):
    x = net.conv(net.conv_relu("image", 3, 8), 8, 5, kernel=1)
    return net.model((net.node("Softmax", x, axis=1), 4))


def dead_channels(net):
    """Channels without weights, as batch norms of trained networks leave them, and one without a bias either."""
    weights = net.random.normal(0, 0.3, (8, 3, 3, 3))
    weights[2:5] = 0
    bias = net.random.normal(0, 0.5, 8)
    bias[3] = 0
    x = net.node("Conv", "image", net.constant(weights), net.constant(bias), pads=[1] * 4)
    return net.model((net.conv(net.relu(x), 8, 5, kernel=1), 4))


GRAPHS = {
    function.__name__: function
    for function in (
        affine, average_pool, batch_norm_alone, batch_norm_first, channel_shuffle, clip_odd, computed_shape,
        computed_size, concat_unlike, conv_bn_relu, conv_transpose, conv_transpose_groups, dead_channels,
        depth_to_space, depthwise, dilated, gate, gemm, grouped, input_twice, matmul_add, max_pool, output_inside,
        pad_mirror, pad_zeros, prelu, reduce_mean, resize_corners, resize_linear, resize_nearest, same_padding,
        shared_weights, slices, softmax_tail, split, squeeze, subtract, swish,
    )
} | {
    "elu": activation("Elu"),
    "hard_swish": activation("HardSwish"),
    "leaky_relu": activation("LeakyRelu", alpha=0.1),
    "sigmoid": activation("Sigmoid"),
    "tanh": activation("Tanh"),
}

folder, *names = sys.argv[1:]
if unlisted := set(GRAPHS) - set(names):
    sys.exit(f"these graphs are asked for by no test: {sorted(unlisted)}")
for name in names:
    onnx.save(GRAPHS[name](Net(name)), f"{folder}/{name}.onnx")
