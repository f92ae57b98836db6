#!/usr/bin/env python3
"""Writes small quantized graphs, one for each operator and each way in which tools write it.

    quantized.py FOLDER FAMILY

writes FOLDER/NAME.onnx for every graph of the family. Input is always `x`, float32, output `y`. Weights come from a generator
that is seeded by the name, so a graph is the same in every run. Needs scripts/requirements.txt.
"""

import sys
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FAMILIES = {}


def case(family, opset=17, shape=(1, 4, 9, 7)):
    """Registers a function that builds a graph under its name."""

    def register(build):
        FAMILIES.setdefault(family, []).append((build.__name__, build, opset, shape))
        return build

    return register


def cases(family, options, opset=17, shape=(1, 4, 9, 7)):
    """Registers a graph for each name and settings in `options`."""

    def register(build):
        for name, settings in options.items():
            def one(g, settings=settings):
                return build(g, **settings)
            FAMILIES.setdefault(family, []).append((f"{build.__name__}_{name}", one, opset, shape))
        return build

    return register


class Graph:
    """A graph under construction. Methods that add nodes give the name of the output."""

    def __init__(self, name, opset, shape):
        self.name, self.opset, self.shape = name, opset, shape
        self.random = np.random.default_rng(zlib.crc32(name.encode()))
        self.nodes, self.constants = [], []
        self.output_type = TensorProto.FLOAT

    def constant(self, values, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def node(self, op, *inputs, outputs=1, domain="", **attributes):
        names = [f"{op}_{len(self.nodes)}_{index}" for index in range(outputs)]
        node = helper.make_node(op, inputs, names, name=f"node_{len(self.nodes)}", domain=domain, **attributes)
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def params(self, scale, zero, dtype=np.uint8):
        # Off round ratios, between which results would lie half-way between two steps.
        scale *= 1 + 0.1 * (scale * 12345.678 % 1)
        return self.constant(scale), self.constant(zero, dtype)

    def q(self, x, scale=0.02, zero=110, dtype=np.uint8):
        return self.node("QuantizeLinear", x, *self.params(scale, zero, dtype))

    def dq(self, x, scale=0.02, zero=110, dtype=np.uint8):
        return self.node("DequantizeLinear", x, *self.params(scale, zero, dtype))

    def qdq(self, x, scale=0.02, zero=110, dtype=np.uint8):
        return self.dq(self.q(x, scale, zero, dtype), scale, zero, dtype)

    def floats(self, *shape, size=1.0):
        return (self.random.standard_normal(shape) * size).astype(np.float32)

    def integers(self, shape, dtype=np.int8):
        low, high = (-127, 128) if dtype == np.int8 else (0, 256)
        return self.random.integers(low, high, shape).astype(dtype)

    def weights(self, *shape, axis=0, dtype=np.int8, zero=0, per_channel=True):
        """Integer weights behind a dequantize node."""
        values = self.constant(self.integers(shape, dtype), dtype)
        scale = 0.5 / 127 / np.sqrt(np.prod(shape) / shape[axis])
        if per_channel:
            count = shape[axis]
            scales = self.constant(scale * self.random.uniform(0.5, 2, count))
            return self.node("DequantizeLinear", values, scales, self.constant([zero] * count, dtype), axis=axis)
        return self.node("DequantizeLinear", values, self.constant(scale), self.constant(zero, dtype))

    def second(self, x, shape=(4,), scale=0.015, zero=130):
        """Other quantized numbers of the shape of `x`."""
        factor = self.constant(self.floats(*shape)[:, None, None])
        return self.qdq(self.node("Mul", x, factor), scale, zero)

    def model(self, build):
        self.nodes.append(helper.make_node("Identity", [build(self)], ["y"], name="end"))
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)]
        outputs = [helper.make_tensor_value_info("y", self.output_type, None)]
        graph = helper.make_graph(self.nodes, self.name, inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, ir_version=8, opset_imports=opsets)


# Convolutions.


@cases("conv", {
    "1x1": dict(kernel=1),
    "3x3": dict(pads=[1, 1, 1, 1]),
    "no_bias": dict(bias="none"),
    "float_bias": dict(bias="float"),
    "bias_of_another_scale": dict(bias="other"),
    "stride": dict(pads=[1, 1, 1, 1], strides=[2, 2]),
    "uneven": dict(pads=[0, 1, 2, 0], strides=[2, 1]),
    "dilated": dict(pads=[2, 2, 2, 2], dilations=[2, 2]),
    "grouped": dict(group=2, pads=[1, 1, 1, 1]),
    "depthwise": dict(group=4, filters=4, pads=[1, 1, 1, 1]),
    "depthwise_multiplied": dict(group=4, filters=8, kernel=5, strides=[2, 2], pads=[2, 2, 2, 2]),
    "same_upper": dict(auto_pad="SAME_UPPER", strides=[2, 2]),
    "same_lower": dict(auto_pad="SAME_LOWER", strides=[2, 2]),
    "valid": dict(auto_pad="VALID"),
    "7x7": dict(kernel=7),
    "per_tensor": dict(per_channel=False),
    "weights_u8_128": dict(dtype=np.uint8, zero=128),
    "weights_u8_100": dict(dtype=np.uint8, zero=100),
    "weights_u8_0": dict(dtype=np.uint8, zero=0),
    "weights_s8_20": dict(dtype=np.int8, zero=20),
    "depthwise_weights_u8_100": dict(dtype=np.uint8, zero=100, group=4, filters=4),
    "per_tensor_u8": dict(dtype=np.uint8, zero=117, per_channel=False),
})
def conv(g, kernel=3, filters=6, group=1, bias="integers", dtype=np.int8, zero=0, per_channel=True, **attributes):
    x = g.qdq("x")
    inputs = [x, g.weights(filters, 4 // group, kernel, kernel, dtype=dtype, zero=zero, per_channel=per_channel)]
    if bias == "float":
        inputs.append(g.constant(g.floats(filters)))
    elif bias != "none":
        weight_scale = numpy_helper.to_array(g.constants[-2])
        scale = np.float32(0.02) * weight_scale * (1 if bias == "integers" else 3.3)
        values = g.constant(g.random.integers(-3000, 3000, filters), np.int32)
        zeros = g.constant(np.zeros(scale.shape), np.int32)
        inputs.append(g.node("DequantizeLinear", values, g.constant(scale), zeros, axis=0))
    return g.qdq(g.node("Conv", *inputs, group=group, **attributes), 0.02, 120)


@cases("conv", {
    "relu": dict(before=["Relu"]),
    "clip": dict(before=["Clip"]),
    "relu_after": dict(after=["Relu"]),
    "clip_after": dict(after=["Clip"]),
    "relu_everywhere": dict(before=["Relu", "Clip"], after=["Clip", "Relu"]),
    "leaky_after": dict(after=["LeakyRelu"]),
    "swish_after": dict(after=["HardSwish"]),
})
def activation(g, before=(), after=()):
    def apply(x, ops):
        for op in ops:
            x = g.node(op, x, *([g.constant(-0.3), g.constant(1.1)] if op == "Clip" else []))
        return x
    y = g.node("Conv", g.qdq("x"), g.weights(5, 4, 3, 3), g.constant(g.floats(5)))
    y = g.qdq(apply(y, before), 0.015, 77)
    return g.qdq(apply(y, after), 0.015, 77) if after else y


@cases("conv", {"u8": dict(dtype=np.uint8, zero=3), "s8": dict(dtype=np.int8, zero=-17), "s8_0": dict(dtype=np.int8, zero=0)})
def signs(g, dtype, zero):
    x = g.qdq("x", 0.03, zero, dtype)
    return g.qdq(g.node("Conv", x, g.weights(5, 4, 3, 3)), 0.02, zero, dtype)


@case("conv", shape=(3, 4, 6, 5))
def conv_batch(g):
    return g.qdq(g.node("Conv", g.qdq("x"), g.weights(5, 4, 3, 3)), 0.02, 120)


@case("conv", shape=(2, 4, 11))
def conv_1d(g):
    y = g.node("Conv", g.qdq("x"), g.weights(5, 4, 3), g.constant(g.floats(5)), pads=[1, 0], strides=[2])
    return g.qdq(y, 0.02, 120)


@case("conv")
def conv_shared(g):
    """Duplicated quantize nodes, a tensor read twice, two scales for one result."""
    a, b = g.qdq("x"), g.qdq("x")
    weights = g.weights(4, 4, 1, 1)
    y, z = g.node("Conv", a, weights), g.node("Conv", b, weights)
    return g.qdq(g.node("Concat", g.qdq(y), g.qdq(z, 0.03, 90), g.qdq(y, 0.04, 100), axis=1), 0.03, 90)


@case("conv")
def conv_fake_quantized(g):
    """Float weights that pass through quantize nodes."""
    weights = g.qdq(g.constant(g.floats(5, 4, 3, 3)), 0.03, 0, np.int8)
    return g.qdq(g.node("Conv", g.qdq("x"), weights), 0.05, 120)


@case("conv")
def conv_scaled(g):
    """A batch norm written as a product and a sum."""
    y = g.node("Conv", g.qdq("x"), g.weights(5, 4, 3, 3), g.constant(g.floats(5)))
    y = g.node("Mul", y, g.constant(np.abs(g.floats(5, 1, 1)) + 0.1))
    return g.qdq(g.node("Add", y, g.constant(g.floats(5, 1, 1))), 0.02, 120)


@cases("conv_transpose", {
    "2x2": dict(kernel=2, strides=[2, 2]),
    "3x3": dict(pads=[1, 1, 1, 1], strides=[2, 2], output_padding=[1, 1]),
    "4x4": dict(kernel=4, pads=[1, 1, 1, 1], strides=[2, 2]),
    "16x16": dict(kernel=16, pads=[4, 4, 4, 4], strides=[8, 8]),
    "grouped": dict(group=2, filters=3, strides=[2, 2]),
    "depthwise": dict(group=4, filters=1, kernel=4, strides=[2, 2]),
    "dilated": dict(dilations=[2, 2]),
    "same_upper": dict(auto_pad="SAME_UPPER", strides=[2, 2]),
    "same_lower": dict(auto_pad="SAME_LOWER", strides=[2, 2]),
    "output_shape": dict(output_shape=[20, 15], strides=[2, 2]),
    "uneven": dict(pads=[0, 1, 2, 0], strides=[3, 2]),
    "weights_u8": dict(dtype=np.uint8, zero=119, per_channel=False),
    "per_tensor": dict(per_channel=False, strides=[2, 2]),
})
def conv_transpose(g, kernel=3, filters=5, group=1, dtype=np.int8, zero=0, per_channel=True, **attributes):
    per_channel = per_channel and group == 1
    weights = g.weights(4, filters, kernel, kernel, axis=1, dtype=dtype, zero=zero, per_channel=per_channel)
    bias = g.constant(g.floats(filters * group))
    y = g.node("ConvTranspose", g.qdq("x"), weights, bias, group=group, kernel_shape=[kernel] * 2, **attributes)
    return g.qdq(y, 0.03, 120)


# Matrix products.


@cases("matmul", {
    "plain": dict(),
    "trans_b": dict(transB=1),
    "alpha_beta": dict(alpha=0.5, beta=2.0),
    "trans_a": dict(transA=1),
    "bias_of_rank_2": dict(bias=(1, 6)),
    "bias_of_one": dict(bias=(1,)),
}, shape=(5, 5))
def gemm(g, bias=(6,), **attributes):
    transposed = attributes.get("transB", 0)
    weights = g.weights(6, 5, axis=0) if transposed else g.weights(5, 6, axis=1)
    return g.qdq(g.node("Gemm", g.qdq("x"), weights, g.constant(g.floats(*bias)), **attributes), 0.03, 100)


@cases("matmul", {
    "rank_2": dict(), "rank_3": dict(lead=(1,)), "per_tensor": dict(per_channel=False),
    "u8": dict(dtype=np.uint8, zero=121, per_channel=False),
}, shape=(2, 7, 5))
def matmul(g, lead=(), **settings):
    weights = g.weights(*lead, 5, 6, axis=1 + len(lead), **settings)
    return g.qdq(g.node("MatMul", g.qdq("x"), weights), 0.02, 100)


@case("matmul", shape=(2, 7, 5))
def matmul_bias(g):
    y = g.node("Add", g.constant(g.floats(6)), g.node("MatMul", g.qdq("x"), g.weights(5, 6, axis=1)))
    return g.qdq(g.node("Relu", y), 0.02, 100)


@case("matmul", shape=(2, 7, 5))
def matmul_transposed_weights(g):
    """As exported from linear layers."""
    weights = g.node("Transpose", g.weights(6, 5, axis=0), perm=[1, 0])
    return g.qdq(g.node("MatMul", g.qdq("x"), weights), 0.02, 100)


@case("matmul", shape=(1, 4, 3, 2))
def matmul_of_an_image(g):
    y = g.node("Flatten", g.qdq("x"))
    return g.qdq(g.node("Gemm", y, g.weights(24, 6, axis=1), g.constant(g.floats(6))), 0.02, 100)


@case("matmul", shape=(2, 10, 12))
def attention(g):
    x = g.qdq("x")
    def heads(order):
        y = g.qdq(g.node("MatMul", x, g.weights(12, 12, axis=1)), 0.02, 128)
        y = g.node("Reshape", y, g.constant([0, 0, 3, 4], np.int64))
        return g.node("Transpose", y, perm=order)
    scores = g.node("MatMul", heads([0, 2, 1, 3]), heads([0, 2, 3, 1]))
    scores = g.qdq(g.node("Mul", scores, g.constant(0.5)), 0.01, 128)
    weights = g.qdq(g.node("Softmax", scores, axis=-1), 1 / 256, 0)
    mixed = g.qdq(g.node("MatMul", weights, heads([0, 2, 1, 3])), 0.01, 128)
    mixed = g.node("Reshape", g.node("Transpose", mixed, perm=[0, 2, 1, 3]), g.constant([0, 0, 12], np.int64))
    return g.qdq(g.node("MatMul", mixed, g.weights(12, 12, axis=1)), 0.004, 128)


@case("matmul", shape=(6, 5))
def gemm_of_two(g):
    x = g.qdq("x")
    return g.qdq(g.node("Gemm", x, g.node("Transpose", x, perm=[1, 0]), alpha=0.3), 0.02, 100)


@case("matmul", shape=(3, 5, 4))
def matmul_of_a_batch_of_constants(g):
    right = g.dq(g.constant(g.integers((3, 4, 6), np.uint8), np.uint8), 0.01, 120)
    return g.qdq(g.node("MatMul", g.qdq("x"), right), 0.03, 100)


# Two tensors.


@cases("elementwise", {f"{op}_{name}".lower(): dict(op=op, **settings) for op in ["Add", "Sub", "Mul"] for name, settings in {
    "computed": dict(),
    "clamped": dict(clamp=True),
    "channels": dict(reduce=[2, 3]),
    "pixels": dict(reduce=[1]),
}.items()})
def two(g, op, clamp=False, reduce=None):
    x = g.qdq("x")
    b = g.second(x)
    if reduce:
        b = g.qdq(g.node("ReduceMean", b, axes=reduce, keepdims=1), 0.01, 125)
    y = g.node(op, x, b)
    return g.qdq(g.node("Relu", y) if clamp else y, 0.03, 90)


CONSTANTS = {
    "scalar": lambda g: g.constant(0.37),
    "one": lambda g: g.constant([[[0.37]]]),
    "channels": lambda g: g.constant(np.abs(g.floats(4, 1, 1)) + 0.1),
    "columns": lambda g: g.constant(np.abs(g.floats(7)) + 0.1),
    "quantized_scalar": lambda g: g.dq(g.constant(200, np.uint8), 0.01, 120),
    "quantized_channels": lambda g: g.dq(g.constant(g.integers((1, 4, 1, 1), np.uint8) // 2 + 128, np.uint8), 0.01, 120),
    "quantized_all": lambda g: g.dq(g.constant(g.integers((4, 9, 7), np.uint8) // 2 + 128, np.uint8), 0.01, 120),
    "quantized_s8": lambda g: g.dq(g.constant(g.integers((4, 9, 7)), np.int8), 0.01, 20, np.int8),
}


@cases("elementwise", {
    f"{op}_{name}_{'first' if first else 'second'}".lower(): dict(op=op, name=name, first=first)
    for op in ["Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"] for name in CONSTANTS for first in [False, True]
    if not (op in ["Div", "Pow"] and (first or "all" in name or "s8" in name))
    and not (op in ["Min", "Max"] and ("all" in name or "s8" in name))
})
def constant(g, op, name, first):
    x = g.qdq("x", 0.02, 0 if op == "Pow" else 110)
    inputs = [x, CONSTANTS[name](g)]
    return g.qdq(g.node(op, *(reversed(inputs) if first else inputs)), 0.02, 90)


@case("elementwise")
def larger_constant(g):
    """The constant has the larger shape."""
    x = g.qdq(g.node("ReduceMean", g.qdq("x"), axes=[2, 3]), 0.01, 100)
    constant = g.dq(g.constant(g.integers((1, 4, 3, 2), np.uint8), np.uint8), 0.01, 120)
    return g.qdq(g.node("Mul", x, constant), 0.01, 100)


@case("elementwise")
def doubled(g):
    x = g.qdq("x")
    return g.qdq(g.node("Add", x, x), 0.03, 100)


@case("elementwise")
def squared(g):
    x = g.qdq("x")
    return g.qdq(g.node("Mul", x, x), 0.03, 0)


@case("elementwise", shape=(1, 5, 8))
def of_rows(g):
    x = g.qdq("x")
    y = g.qdq(g.node("Transpose", g.qdq(g.node("Mul", x, g.constant(g.floats(8))), 0.03), perm=[0, 2, 1]), 0.03)
    return g.qdq(g.node("Add", x, g.node("Transpose", y, perm=[0, 2, 1])), 0.03, 100)


@case("elementwise")
def prelu(g):
    return g.qdq(g.node("PRelu", g.qdq("x"), g.constant(g.floats(4, 1, 1))), 0.02, 90)


@case("elementwise")
def relu_of_one_side(g):
    x = g.qdq("x")
    return g.qdq(g.node("Add", g.node("Relu", x), g.second(x)), 0.03, 90)


# Functions of one variable.

FUNCTIONS = {
    "Abs": {}, "Ceil": {}, "Elu": dict(alpha=0.7), "Erf": {}, "Exp": {}, "Floor": {}, "HardSigmoid": dict(alpha=0.25),
    "HardSwish": {}, "LeakyRelu": dict(alpha=0.2), "Neg": {}, "Relu": {}, "Round": {}, "Selu": {}, "Sigmoid": {},
    "Sign": {}, "Softplus": {}, "Softsign": {}, "Tanh": {}, "ThresholdedRelu": dict(alpha=0.4), "Celu": dict(alpha=1.5),
}


@cases("functions", {op.lower(): dict(op=op, **attributes) for op, attributes in FUNCTIONS.items()})
def function(g, op, **attributes):
    return g.qdq(g.node(op, g.qdq("x"), **attributes), 0.012, 110)


@cases("functions", {op.lower(): dict(op=op) for op in ["Log", "Sqrt", "Reciprocal"]})
def positive(g, op):
    x = g.qdq("x", 0.03, 0)
    return g.qdq(g.node(op, g.node("Max", x, g.constant(0.03))), 0.05, 100)


@cases("functions", {"u8_to_s8": dict(to=np.int8, zero=-30), "u8_to_u8": dict(to=np.uint8, zero=30)})
def requantized(g, to, zero):
    return g.qdq(g.qdq("x"), 0.031, zero, to)


@cases("functions", {"quantized": dict(between=True), "plain": dict(between=False)})
def swish(g, between):
    x = g.qdq("x")
    y = g.node("Sigmoid", x)
    return g.qdq(g.node("Mul", x, g.qdq(y, 1 / 255, 0) if between else y), 0.015, 30)


@case("functions")
def hard_swish_in_parts(g):
    x = g.qdq("x")
    y = g.node("Clip", g.node("Add", x, g.constant(3.0)), g.constant(0.0), g.constant(6.0))
    return g.qdq(g.node("Div", g.node("Mul", x, y), g.constant(6.0)), 0.015, 30)


@cases("functions", {"quantized": dict(between=True), "plain": dict(between=False)})
def gelu_in_parts(g, between):
    x = g.qdq("x")
    step = (lambda y: g.qdq(y, 0.02, 120)) if between else (lambda y: y)
    y = step(g.node("Erf", step(g.node("Div", x, g.constant(2**0.5)))))
    y = step(g.node("Mul", x, step(g.node("Add", y, g.constant(1.0)))))
    return g.qdq(g.node("Mul", y, g.constant(0.5)), 0.015, 30)


@case("functions", opset=20)
def gelu(g):
    return g.qdq(g.node("Gelu", g.qdq("x")), 0.015, 30)


@case("functions", opset=20)
def gelu_tanh(g):
    return g.qdq(g.node("Gelu", g.qdq("x"), approximate="tanh"), 0.015, 30)


@cases("functions", {op.lower(): dict(op=op) for op in ["Gelu", "QuickGelu", "FastGelu"]})
def of_microsoft(g, op):
    return g.qdq(g.node(op, g.qdq("x"), domain="com.microsoft"), 0.015, 30)


# Values that move.


def reshape(*sizes):
    return lambda g, x: g.node("Reshape", x, g.constant(sizes, np.int64))


def transpose(*order):
    return lambda g, x: g.node("Transpose", x, perm=order)


def with_ints(op, *lists, **attributes):
    return lambda g, x: g.node(op, x, *[g.constant(values, np.int64) for values in lists], **attributes)


def pad(pads, mode="constant", value=None):
    def build(g, x):
        values = [] if value is None else [g.constant(value)]
        return g.node("Pad", x, g.constant(pads, np.int64), *values, mode=mode)
    return build


def shuffle(g, x):
    x = reshape(1, 2, 2, 9, 7)(g, x)
    return reshape(1, 4, 9, 7)(g, transpose(0, 2, 1, 3, 4)(g, x))


MOVES = {
    "identity": lambda g, x: g.node("Identity", x),
    "dropout": lambda g, x: g.node("Dropout", x),
    "cast": lambda g, x: g.node("Cast", x, to=1),
    "transpose": transpose(0, 2, 3, 1),
    "transpose_to_rows": transpose(3, 1, 0, 2),
    "transpose_reversed": lambda g, x: g.node("Transpose", x),
    "reshape_pixels": reshape(1, 4, -1),
    "reshape_all": reshape(-1),
    "reshape_channels": reshape(1, 2, 2, 9, 7),
    "reshape_across": reshape(1, 6, 6, 7),
    "flatten": lambda g, x: g.node("Flatten", x, axis=2),
    "tokens": lambda g, x: transpose(0, 2, 1)(g, reshape(1, 4, -1)(g, x)),
    "tokens_and_back": lambda g, x: reshape(1, 4, 9, 7)(g, transpose(0, 2, 1)(g, transpose(0, 2, 1)(g, reshape(1, 4, -1)(g, x)))),
    "squeeze": with_ints("Squeeze", [0]),
    "unsqueeze": with_ints("Unsqueeze", [0, -1]),
    "shuffle": shuffle,
    "slice": with_ints("Slice", [1, 0], [8, 6], [2, 3], [2, 1]),
    "slice_channels": with_ints("Slice", [-3], [2**31], [1]),
    "pad": pad([0, 1, 2, 0, 0, 0, 1, 3]),
    "pad_value": pad([0, 0, 2, 0, 0, 0, 1, 3], value=0.0),
    "pad_edge": pad([0, 0, 2, 0, 0, 0, 1, 3], mode="edge"),
    "pad_reflect": pad([0, 0, 2, 0, 0, 0, 1, 3], mode="reflect"),
    "expand": with_ints("Expand", [3, 4, 9, 7]),
    "tile": with_ints("Tile", [1, 2, 3, 1]),
    "gather_one": lambda g, x: g.node("Gather", x, g.constant(2, np.int64), axis=1),
    "gather_some": lambda g, x: g.node("Gather", x, g.constant([0, 3, 1, -1], np.int64), axis=1),
    "split": lambda g, x: g.node("Concat", *reversed(g.node("Split", x, outputs=2, axis=1)), axis=1),
    "split_sizes": lambda g, x: g.node("Concat", *reversed(g.node("Split", x, g.constant([2, 6, 1], np.int64), outputs=3, axis=2)), axis=2),
    "nearest": lambda g, x: g.node("Resize", x, "", g.constant([1, 1, 2, 2]), coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    "max_pool": lambda g, x: g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "max_pool_up": lambda g, x: g.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "max_pool_dilated": lambda g, x: g.node("MaxPool", x, kernel_shape=[3, 2], dilations=[2, 3]),
    "global_max_pool": lambda g, x: g.node("GlobalMaxPool", x),
}


@cases("moves", {f"{name}_{how}": dict(name=name, how=how) for name in MOVES for how in ["alone", "after", "unquantized"]})
def move(g, name, how):
    """Before its quantize node, behind an operator that is quantized after the move, with nothing after it."""
    x = g.qdq(g.node("Neg", g.qdq("x")))
    if how == "after":
        x = g.node("Conv", x, g.weights(4, 4, 1, 1))
    y = MOVES[name](g, x)
    return y if how == "unquantized" else g.qdq(y, 0.02, 110)


# Padding, splits and maxima need quantized values.
FAMILIES["moves"] = [c for c in FAMILIES["moves"] if not (c[0].endswith("_after") and any(
    word in c[0] for word in ["pad", "split", "max_pool"]))]


@case("moves")
def pad_between_steps(g):
    return g.qdq(pad([0, 0, 2, 0, 0, 0, 1, 3], value=0.513)(g, g.qdq("x")), 0.03)


@cases("moves", {"dcr": dict(block=2, mode="DCR"), "crd": dict(block=2, mode="CRD")}, shape=(1, 12, 3, 5))
def depth_to_space(g, block, mode):
    return g.qdq(g.node("DepthToSpace", g.qdq("x"), blocksize=block, mode=mode))


@case("moves", shape=(1, 3, 4, 6))
def space_to_depth(g):
    return g.qdq(g.node("SpaceToDepth", g.qdq("x"), blocksize=2))


@cases("moves", {"same": dict(scales=[0.02, 0.02]), "other": dict(scales=[0.02, 0.03])})
def concat(g, scales):
    x = g.qdq("x")
    parts = [g.qdq(g.node("Mul", x, g.constant(g.floats(4, 1, 1))), scale) for scale in scales]
    return g.qdq(g.node("Concat", x, *parts, axis=1), scales[1])


@case("moves")
def concat_constant(g):
    x = g.qdq("x")
    constant = g.dq(g.constant(g.integers((1, 2, 9, 7), np.uint8), np.uint8), 0.01, 120)
    return g.qdq(g.node("Concat", constant, g.node("Relu", x), g.constant(g.floats(1, 1, 9, 7)), axis=1), 0.03)


@case("moves", shape=(1, 5, 8))
def class_token(g):
    x = g.qdq("x")
    y = g.qdq(g.node("Concat", g.constant(g.floats(1, 1, 8)), x, axis=1), 0.03)
    return g.node("Gather", y, g.constant(0, np.int64), axis=1)


# Pools and reductions.


@cases("pool", {
    "plain": dict(kernel_shape=[3, 3]),
    "padded": dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
    "padding_counts": dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], count_include_pad=1),
    "up": dict(kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "same": dict(kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
    "large": dict(kernel_shape=[9, 7]),
})
def average_pool(g, **attributes):
    return g.qdq(g.node("AveragePool", g.qdq("x"), **attributes), 0.01, 120)


@case("pool")
def global_average_pool(g):
    return g.qdq(g.node("GlobalAveragePool", g.qdq("x")), 0.004, 120)


@cases("pool", {
    f"{op}_{'_'.join(map(str, axes)).replace('-', 'm') or 'all'}_{keep}".lower(): dict(op=op, axes=axes, keepdims=keep)
    for op in ["ReduceMean", "ReduceSum"] for axes in [[2, 3], [1], [-1], [0, 2], [1, 3], [1, 2, 3], []] for keep in [0, 1]
})
def reduce(g, op, axes, keepdims):
    x = g.qdq("x")
    if op == "ReduceSum":
        inputs = [g.constant(axes, np.int64)] if axes else []
        return g.qdq(g.node(op, x, *inputs, keepdims=keepdims), 0.06, 120)
    return g.qdq(g.node(op, x, keepdims=keepdims, **(dict(axes=axes) if axes else {})), 0.006, 120)


@case("pool", opset=18)
def reduce_axes_as_input(g):
    return g.qdq(g.node("ReduceMean", g.qdq("x"), g.constant([2, 3], np.int64)), 0.006, 120)


# Resizing.

MODES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]


@cases("resize", {
    f"{mode}_{name}": dict(mode=mode, **size)
    for mode in MODES for name, size in {
        "up": dict(sizes=[1, 4, 18, 21]), "down": dict(sizes=[1, 4, 5, 3]), "scales": dict(scales=[1, 1, 1.7, 2.5]),
        "one": dict(sizes=[1, 4, 1, 1]),
    }.items()
})
def linear(g, mode, sizes=None, scales=None):
    x = g.qdq("x")
    given = [g.constant(scales)] if scales else ["", g.constant(sizes, np.int64)]
    y = g.node("Resize", x, "", *given, mode="linear", coordinate_transformation_mode=mode)
    return g.qdq(y, 0.017, 100)


@case("resize", opset=19)
def linear_half_pixel_symmetric(g):
    mode = "half_pixel_symmetric"
    return g.qdq(g.node("Resize", g.qdq("x"), "", g.constant([1, 1, 1.7, 2.5]), mode="linear", coordinate_transformation_mode=mode))


@cases("resize", {
    f"{mode}_{rounding}_{name}": dict(mode=mode, rounding=rounding, sizes=sizes)
    for mode in MODES for rounding in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
    for name, sizes in {"up": [1, 4, 18, 21], "between": [1, 4, 13, 10], "down": [1, 4, 5, 3]}.items()
})
def nearest(g, mode, rounding, sizes):
    sizes = g.constant(sizes, np.int64)
    return g.node("Resize", g.qdq("x"), "", "", sizes, coordinate_transformation_mode=mode, nearest_mode=rounding)


@case("resize", opset=10)
def nearest_of_old(g):
    return g.qdq(g.node("Resize", g.qdq("x"), g.constant([1, 1, 2, 3]), mode="nearest"))


@case("resize")
def linear_to_the_size_of_another(g):
    """As PyTorch exports `interpolate(x, size=other.shape[2:])`."""
    x = g.qdq("x")
    small = g.node("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2])
    small = g.qdq(small, 0.017, 100)
    pixels = g.node("Slice", g.node("Shape", x), *(g.constant([value], np.int64) for value in [2, 4, 0]))
    start = g.node("Slice", g.node("Shape", small), *(g.constant([value], np.int64) for value in [0, 2, 0]))
    sizes = g.node("Concat", start, pixels, axis=0)
    return g.qdq(g.node("Resize", small, "", "", sizes, mode="linear"), 0.015, 100)


@case("resize")
def linear_clipped(g):
    y = g.node("Resize", g.qdq("x"), "", g.constant([1, 1, 2, 2]), mode="linear")
    return g.qdq(g.node("Relu", y), 0.017, 20)


# Rows of values.


@cases("rows", {f"axis_{str(axis).replace('-', 'm')}": dict(axis=axis) for axis in [1, 2, 3, -1]})
def softmax(g, axis):
    return g.qdq(g.node("Softmax", g.qdq("x"), axis=axis), 1 / 256, 0)


@case("rows", opset=11)
def softmax_of_old(g):
    return g.qdq(g.node("Softmax", g.qdq("x"), axis=1), 1 / 1024, 0)


@cases("rows", {"last": dict(axis=-1), "two": dict(axis=2), "no_bias": dict(axis=-1, bias=False)})
def layer_norm(g, axis, bias=True):
    shape = g.shape[axis:]
    inputs = [g.constant(g.floats(*shape) + 1)] + ([g.constant(g.floats(*shape))] if bias else [])
    return g.qdq(g.node("LayerNormalization", g.qdq("x"), *inputs, axis=axis), 0.03, 120)


@case("rows", shape=(1, 5, 8))
def layer_norm_in_parts(g):
    x = g.qdq("x")
    centered = g.node("Sub", x, g.node("ReduceMean", x, axes=[-1]))
    variance = g.node("ReduceMean", g.node("Pow", centered, g.constant(2.0)), axes=[-1])
    y = g.node("Div", centered, g.node("Sqrt", g.node("Add", variance, g.constant(1e-5))))
    y = g.node("Add", g.node("Mul", y, g.constant(g.floats(8) + 1)), g.constant(g.floats(8)))
    return g.qdq(y, 0.03, 120)


@cases("rows", {"channels": dict(axis=1, keepdims=0), "kept": dict(axis=1, keepdims=1), "last": dict(axis=-1, keepdims=0)})
def arg_max(g, **attributes):
    g.output_type = TensorProto.INT64
    return g.node("ArgMax", g.qdq("x"), **attributes)


@cases("rows", {"plain": dict(softmax=False), "softmax": dict(softmax=True)})
def resized_arg_max(g, softmax):
    g.output_type = TensorProto.INT64
    x = g.qdq("x", 0.02, 128)
    y = g.node("Resize", x, "", g.constant([1, 1, 3.5, 4]), mode="linear", coordinate_transformation_mode="half_pixel")
    y = g.node("Softmax", y, axis=1) if softmax else y
    return g.node("ArgMax", y, axis=1, keepdims=0)


# The QOperator form.


def tensor(g, scale=0.02, zero=110, dtype=np.uint8):
    scale, zero = g.params(scale, zero, dtype)
    return [g.node("QuantizeLinear", "x", scale, zero), scale, zero]


def ended(g, y, params):
    return g.node("DequantizeLinear", y, *params)


@cases("qoperator", {
    "u8": dict(), "s8": dict(dtype=np.int8, zero=-5), "per_tensor": dict(per_channel=False), "no_bias": dict(bias=False),
    "depthwise": dict(group=4), "weights_u8": dict(weights=np.uint8, middle=128),
    "weights_u8_100": dict(weights=np.uint8, middle=100, per_channel=False),
})
def qlinear_conv(g, dtype=np.uint8, zero=100, per_channel=True, bias=True, group=1, weights=np.int8, middle=0):
    x = tensor(g, 0.02, zero, dtype)
    # Of 7 bits: without VNNI ONNX Runtime's sums of u8 times s8 saturate.
    w = g.constant(g.integers((4, 4 // group, 3, 3), weights) // 2 + middle // 2, weights)
    count = (4,) if per_channel else ()
    scales = g.constant(g.random.uniform(0.001, 0.003, count))
    zeros = g.constant(np.full(count, middle), weights)
    out = g.params(0.02, zero, dtype)
    biases = [g.constant(g.random.integers(-3000, 3000, 4), np.int32)] if bias else []
    y = g.node("QLinearConv", *x, w, scales, zeros, *out, *biases, group=group, pads=[1] * 4)
    return ended(g, y, out)


@cases("qoperator", {"per_tensor": dict(count=()), "per_column": dict(count=(6,))}, shape=(3, 7, 5))
def qlinear_matmul(g, count):
    w = g.constant(g.integers((5, 6)) // 2, np.int8)
    scales, zeros = g.constant(g.random.uniform(0.002, 0.004, count)), g.constant(np.zeros(count), np.int8)
    out = g.params(0.02, 100)
    return ended(g, g.node("QLinearMatMul", *tensor(g), w, scales, zeros, *out), out)


@case("qoperator", shape=(6, 6))
def qlinear_matmul_of_two(g):
    out = g.params(0.02, 100)
    return ended(g, g.node("QLinearMatMul", *tensor(g), *tensor(g, 0.01, 120), *out), out)


@cases("qoperator", {"plain": dict(), "trans_b": dict(transB=1), "alpha": dict(alpha=0.7)}, shape=(3, 5))
def qgemm(g, **attributes):
    w = g.constant(g.integers((6, 5) if attributes.get("transB") else (5, 6)) // 2, np.int8)
    scales, zeros = g.constant(g.random.uniform(0.002, 0.004, 6)), g.constant(np.zeros(6), np.int8)
    bias = g.constant(g.random.integers(-3000, 3000, 6), np.int32)
    out = g.params(0.02, 100)
    y = g.node("QGemm", *tensor(g), w, scales, zeros, bias, *out, domain="com.microsoft", **attributes)
    return ended(g, y, out)


@cases("qoperator", {op.lower(): dict(op=op) for op in ["QLinearAdd", "QLinearMul"]})
def of_two(g, op):
    out = g.params(0.03, 100)
    y = g.node(op, *tensor(g), *tensor(g, 0.011, 140), *out, domain="com.microsoft")
    return ended(g, y, out)


@case("qoperator")
def qlinear_add_constant(g):
    out = g.params(0.03, 100)
    constant = [g.constant(g.integers((4, 1, 1), np.uint8), np.uint8), *g.params(0.01, 120)]
    return ended(g, g.node("QLinearAdd", *tensor(g), *constant, *out, domain="com.microsoft"), out)


@case("qoperator")
def qlinear_concat(g):
    out = g.params(0.03, 100)
    y = g.node("QLinearConcat", *out, *tensor(g), *tensor(g, 0.011, 140), axis=1, domain="com.microsoft")
    return ended(g, y, out)


@case("qoperator")
def qlinear_average_pool(g):
    out = g.params(0.01, 120)
    y = g.node("QLinearAveragePool", *tensor(g), *out, kernel_shape=[3, 3], strides=[2, 2], domain="com.microsoft")
    return ended(g, y, out)


@case("qoperator")
def qlinear_global_average_pool(g):
    out = g.params(0.004, 120)
    return ended(g, g.node("QLinearGlobalAveragePool", *tensor(g), *out, domain="com.microsoft", channels_last=0), out)


@cases("qoperator", {
    "sigmoid": dict(op="QLinearSigmoid"), "leaky_relu": dict(op="QLinearLeakyRelu", alpha=0.1),
})
def table(g, op, **attributes):
    out = g.params(0.012, 40)
    return ended(g, g.node(op, *tensor(g), *out, domain="com.microsoft", **attributes), out)


@case("qoperator")
def qlinear_softmax(g):
    out = g.params(1 / 256, 0)
    return ended(g, g.node("QLinearSoftmax", *tensor(g), *out, axis=-1, opset=13, domain="com.microsoft"), out)


@case("qoperator")
def integers_that_move(g):
    """Moves of the integers themselves."""
    x, *params = tensor(g)
    x = g.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.node("Transpose", g.node("Reshape", x, g.constant([1, 4, -1], np.int64)), perm=[0, 2, 1])
    return ended(g, g.node("Concat", x, x, axis=2), params)


@case("qoperator")
def resized_integers(g):
    """ONNX Runtime cuts off what comes after the point, so the next integer may be as right."""
    x, *params = tensor(g)
    return ended(g, g.node("Resize", x, "", g.constant([1, 1, 2.3, 2.3]), mode="linear"), params)


@case("qoperator")
def classes_of_integers(g):
    g.output_type = TensorProto.INT64
    x, *params = tensor(g)
    return g.node("ArgMax", g.node("MaxPool", x, kernel_shape=[2, 2]), axis=1)


@cases("qoperator", {"scalar": dict(count=()), "channels": dict(count=(5, 1, 1))})
def conv_integer(g, count):
    x, _, zero = tensor(g)
    y = g.node("ConvInteger", x, g.constant(g.integers((5, 4, 3, 3)) // 2, np.int8), zero)
    factor = g.constant(0.02 * 0.002 * g.random.uniform(0.5, 2, count))
    y = g.node("Mul", g.node("Cast", y, to=1), factor)
    return g.qdq(g.node("Add", y, g.constant(g.floats(5, 1, 1))))


@case("qoperator", shape=(3, 7, 5))
def matmul_integer(g):
    x, _, zero = tensor(g)
    y = g.node("MatMulInteger", x, g.constant(g.integers((5, 6)) // 2, np.int8), zero)
    y = g.node("Mul", g.node("Cast", y, to=1), g.constant(0.02 * 0.003))
    return g.qdq(g.node("Add", y, g.constant(g.floats(6))))


def main():
    folder, family = sys.argv[1:]
    for name, build, opset, shape in FAMILIES[family]:
        onnx.save(Graph(name, opset, shape).model(build), f"{folder}/{name}.onnx")


if __name__ == "__main__":
    main()
