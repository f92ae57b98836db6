"""Compares Sedge's outputs of a network with those of ONNX Runtime.

    zoo_reference.py MODEL INPUT OUTPUT...

INPUT and each OUTPUT are raw 32-bit floats. Prints the largest difference of any output, relative to that output's
largest magnitude, after the ONNX checker found the model clean. With `--draws` in place of the outputs it prints
whether two runs of ONNX Runtime differ."""

import sys

import numpy
import onnx
import onnxruntime

model, given, *expected = sys.argv[1:]
onnx.checker.check_model(model, full_check=True)
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
image = session.get_inputs()[0]
feed = {image.name: numpy.fromfile(given, numpy.float32).reshape(image.shape)}
outputs = session.run(None, feed)
for info, output in zip(session.get_outputs(), outputs):
    if list(output.shape) != info.shape:
        sys.exit(f"output {info.name} is {output.shape}, but declared {info.shape}")
if expected == ["--draws"]:
    print("differ" if numpy.any(session.run(None, feed)[0] != outputs[0]) else "equal")
    sys.exit()
if len(expected) != len(outputs):
    sys.exit(f"{len(outputs)} outputs, but {len(expected)} files")
worst = 0.0
for output, path in zip(outputs, expected):
    ours = numpy.fromfile(path, numpy.float32).reshape(output.shape)
    scale = numpy.abs(output).max()
    if not numpy.isfinite(scale) or scale == 0 or numpy.ptp(output) == 0:
        sys.exit("the output is not finite, or constant, so nothing is compared")
    worst = max(worst, float(numpy.abs(ours - output).max() / scale))
print(worst)
