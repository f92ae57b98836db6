"""One class a runtime: loads a model, fixes its threads, runs one inference on a fixed input."""

import numpy as np


def picture(size: int) -> np.ndarray:
    """A fixed random picture as `[1, 3, size, size]` in -1..1."""
    pixels = np.random.default_rng(7).integers(0, 256, (1, 3, size, size))
    return (pixels / 127.5 - 1).astype(np.float32)


class OnnxRuntime:
    """Its own defaults, threads apart: all graph optimizations, spinning threads."""

    def __init__(self, model: str, threads: int, size: int, entries: dict[str, str] | None = None, nodes=False):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        for key, value in (entries or {}).items():
            options.add_session_config_entry(key, value)
        if nodes:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name
        self.feed(picture(size))

    def feed(self, image: np.ndarray):
        self.input = {self.name: image}

    def infer(self) -> np.ndarray:
        return self.session.run(None, self.input)[0]


def exact_onnx_runtime(model: str, threads: int, size: int):
    """Without VNNI its u8 kernels saturate and give wrong results; this session option makes them exact."""
    return OnnxRuntime(model, threads, size, {"session.x64quantprecision": "1"})


def plain_onnx_runtime(model: str, threads: int, size: int):
    """Node by node in float: what the file means, to compare masks with."""
    return OnnxRuntime(model, threads, size, nodes=True)


class OpenVino:
    """Low latency: one request, one stream."""

    def __init__(self, model: str, threads: int, size: int):
        import openvino

        self.tensor = openvino.Tensor
        config = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
        self.request = openvino.Core().compile_model(model, "CPU", config).create_infer_request()
        self.feed(picture(size))

    def feed(self, image: np.ndarray):
        self.image = np.ascontiguousarray(image)
        self.request.set_input_tensor(self.tensor(self.image, shared_memory=True))

    def infer(self) -> np.ndarray:
        self.request.infer()
        return self.request.get_output_tensor(0).data


class LiteRt:
    """Its own int8 file, int8 in and out, through XNNPACK (LiteRT's default)."""

    def __init__(self, model: str, threads: int, size: int):
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(model, num_threads=threads)
        self.interpreter.allocate_tensors()
        own = self.interpreter.get_input_details()[0]
        self.output = self.interpreter.get_output_details()[0]["index"]
        pixels = np.random.default_rng(7).integers(-128, 128, own["shape"])
        self.interpreter.set_tensor(own["index"], pixels.astype(own["dtype"]))

    def infer(self) -> np.ndarray:
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.output)


class Ncnn:
    """The float model with ncnn's defaults (Winograd and packed layouts)."""

    def __init__(self, model: str, threads: int, size: int):
        import ncnn

        self.net = ncnn.Net()
        self.net.opt.num_threads = threads
        if self.net.load_param(model) != 0:
            raise RuntimeError("pnnx left an operator in it that ncnn does not have")
        self.net.load_model(model.removesuffix(".param") + ".bin")
        self.mat = ncnn.Mat
        self.image = picture(size)

    def infer(self) -> np.ndarray:
        extractor = self.net.create_extractor()
        extractor.input("in0", self.mat(self.image[0]))
        return np.array(extractor.extract("out0")[1])


class Nothing:
    """Python with numpy and the picture: what every other Python process holds besides its runtime."""

    def __init__(self, model: str, threads: int, size: int):
        self.image = picture(size)

    def infer(self) -> np.ndarray:
        return self.image


RUNTIMES = {
    "openvino": OpenVino,
    "ort": OnnxRuntime,
    "ort-exact": exact_onnx_runtime,
    "ort-plain": plain_onnx_runtime,
    "litert": LiteRt,
    "ncnn": Ncnn,
    "nothing": Nothing,
}
