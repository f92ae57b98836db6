#!/usr/bin/env python3
"""Runs and checks models with ONNX's own tools, as a reference for Sedge; needs scripts/requirements.txt.

Reads jobs on standard input, one JSON object a line, and answers each with one on standard output:

    {"job": "check", "model": "a.onnx"}
        onnx.checker with full_check (shape inference included). Answer: {}.
    {"job": "run", "model": "a.onnx", "inputs": "in.f32", "outputs": "out.f32", "optimize": true}
        Runs ONNX Runtime on every input in a file of raw little-endian float32, each as long as the model's one input,
        and writes all outputs of the first input, then of the second and so on, in the same form.
        With "classes": true it writes, as bytes, only the index of the largest value along axis 1 of the first output.
        "optimize": false runs the graph node by node, as the standard defines it. Answer: {"runs": N}.

A job that fails is answered by {"error": "..."}; the next one is taken as usual.

Inputs come as numbers, not as pictures, so that only the models are compared, not the ways to resize a picture.
On x86 processors without VNNI, ONNX Runtime's fast u8 x s8 kernels saturate their 16-bit sums, as its documentation on
quantization says; `session.x64quantprecision` makes it use exact ones.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime


def check(job):
    onnx.checker.check_model(job["model"], full_check=True)
    return {}


def run(job):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.x64quantprecision", "1")
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if job["optimize"] else levels.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(job["model"], options, providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    batch = image.shape[0] if isinstance(image.shape[0], int) else 1
    inputs = np.fromfile(job["inputs"], dtype="<f4").reshape([-1, batch, *image.shape[1:]])
    with open(job["outputs"], "wb") as file:
        for value in inputs:
            outputs = session.run(None, {image.name: value})
            if job.get("classes"):
                file.write(outputs[0].argmax(axis=1).astype(np.uint8).tobytes())
            else:
                for output in outputs:
                    file.write(output.astype("<f4").tobytes())
    return {"runs": len(inputs)}


def main():
    jobs = {"check": check, "run": run}
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = jobs[job["job"]](job)
        except Exception as error:  # The answer names it; the caller fails its test.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
