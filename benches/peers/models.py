"""Makes the files of one network: float and int8 ONNX by Sedge, both with ArgMax inside, ncnn's by pnnx."""

import importlib.util
import subprocess
from dataclasses import dataclass
from pathlib import Path

from networks import Network

CALIBRATION = Path("calibration/voc")
# Enough for ranges that make sense; what is timed does not depend on them.
CALIBRATION_FRAMES = 8


class LeftOut(Exception):
    """Why a network or a runtime is missing from the tables."""


@dataclass
class Files:
    """The int8 file is the same for Sedge, OpenVINO and ONNX Runtime but for the ArgMax that Sedge does itself."""

    sedge_int8: Path
    peers_int8: Path
    float32: Path
    ncnn: Path | None
    ncnn_left_out: str


def make(network: Network, sedge: Path, folder: Path) -> Files:
    """Makes all files in `folder`, anew each time, as the zoo or the converter may have changed."""
    int8, float32 = int8_model(network, sedge, folder), network.source or folder / f"{network.name}.float.onnx"
    peers_int8 = to_mask(int8, folder, network.size) if network.to_mask else int8
    try:
        ncnn, why = ncnn_model(float32, network, folder), ""
    except LeftOut as reason:
        ncnn, why = None, str(reason)
    return Files(int8, peers_int8, float32, ncnn, why)


def float_model(network: Network, sedge: Path, folder: Path) -> Path:
    if network.source:
        if not network.source.exists():
            raise LeftOut(f"{network.source} is not there")
        return network.source
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{network.name}.float.onnx"
    call(sedge, "new", *network.recipe, "-o", file)
    return file


def int8_model(network: Network, sedge: Path, folder: Path) -> Path:
    """The QDQ file with u8 activations that `sedge convert` writes."""
    float32 = float_model(network, sedge, folder)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{network.name}.onnx"
    options = ["--calibration", CALIBRATION, "--frames", str(CALIBRATION_FRAMES), "--activations", "u8"]
    call(sedge, "convert", float32, "-o", file, *options, *network.convert)
    return file


def call(*command) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise LeftOut(f"{Path(command[0]).name} {command[1]}: {last}")


def to_mask(model_file: Path, folder: Path, size: int) -> Path:
    """The model with Resize to the input's size, where its logits are smaller, and ArgMax to u8 class ids."""
    target = folder / f"{model_file.stem}.mask.onnx"
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    import numpy as np

    model = onnx.load(model_file)
    graph = model.graph
    logits = graph.output[0]
    shape = [dimension.dim_value for dimension in logits.type.tensor_type.shape.dim]
    scores = logits.name
    if shape[2:] != [size, size]:
        sizes = np.array([*shape[:2], size, size], np.int64)
        graph.initializer.append(numpy_helper.from_array(sizes, "mask_sizes"))
        graph.node.append(
            helper.make_node("Resize", [scores, "", "", "mask_sizes"], ["mask_scores"], mode="linear")
        )
        scores = "mask_scores"
    graph.node.append(helper.make_node("ArgMax", [scores], ["mask_i64"], axis=1, keepdims=0))
    graph.node.append(helper.make_node("Cast", ["mask_i64"], ["mask"], to=TensorProto.UINT8))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("mask", TensorProto.UINT8, [1, size, size]))
    onnx.checker.check_model(model)
    onnx.save(model, target)
    return target


def ncnn_model(float32: Path, network: Network, folder: Path) -> Path:
    """ncnn's `.param` of the float model; its `.bin` is beside it."""
    if network.to_mask:
        raise LeftOut("ncnn's ArgMax is not one over channels")
    own = folder / "ncnn" / network.name
    param, source = own / "model.ncnn.param", own / "model.onnx"
    if param.exists() and source.read_bytes() == float32.read_bytes():
        return param
    package = importlib.util.find_spec("pnnx")
    program = Path(package.submodule_search_locations[0]) / "pnnx" if package else None
    if program is None or not program.is_file():
        raise LeftOut("there is no pnnx for this machine")
    own.mkdir(parents=True, exist_ok=True)
    source.write_bytes(float32.read_bytes())
    done = subprocess.run([program.resolve(), source.name], cwd=own, capture_output=True, text=True)
    if done.returncode != 0 or not param.exists():
        raise LeftOut("pnnx could not convert it")
    return param
