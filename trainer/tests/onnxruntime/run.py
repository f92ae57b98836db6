"""Runs models with ONNX Runtime.

    run.py FOLDER COUNT

For every number N below COUNT: checks N.onnx, feeds it N.input (raw 32-bit floats) and writes its first output as raw
32-bit floats to N.output, or what went wrong to N.error."""

import pathlib
import sys

import numpy
import onnx
import onnxruntime

folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.log_severity_level = 3
# As ONNX defines each node: fused integer kernels may saturate between.
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
for number in range(count):
    part = lambda name: folder / f"{number}.{name}"
    try:
        # The checker wants shapes of outputs, which small test graphs leave to inference.
        model = onnx.shape_inference.infer_shapes(onnx.load(part("onnx")))
        for output in model.graph.output:
            output.type.tensor_type.shape.SetInParent()
        onnx.checker.check_model(model)
        session = onnxruntime.InferenceSession(part("onnx"), options, providers=["CPUExecutionProvider"])
        image = session.get_inputs()[0]
        values = numpy.fromfile(part("input"), numpy.float32).reshape(image.shape)
        output = session.run([session.get_outputs()[0].name], {image.name: values})[0]
        output.astype(numpy.float32).tofile(part("output"))
    except Exception as error:
        part("error").write_text(str(error))
