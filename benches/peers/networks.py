"""The networks that are compared: how each comes to be, and which runtime can run it from which file."""

from dataclasses import dataclass
from pathlib import Path

# Downloaded float models and LiteRT files; what needs a missing one is left out by name.
SHARED_MODELS = Path("../shared/models")


@dataclass(frozen=True)
class Network:
    """A network with a fixed input of `[1, 3, size, size]`.

    `recipe` is the arguments of `sedge new`, or `source` the float file that exists already.
    With `to_mask` every runtime goes to a mask of class ids of the input's size; else to the model's own output.
    """

    name: str
    title: str
    size: int
    recipe: tuple[str, ...] = ()
    source: Path | None = None
    convert: tuple[str, ...] = ()
    to_mask: bool = False
    litert: Path | None = None


PLAIN_CARD = ("--color", "rgb", "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5")

NETWORKS = [
    Network(
        name="unet128",
        title="unet-mnv2 128",
        size=128,
        recipe=("unet-mnv2", "--classes", "3", "--size", "128x128"),
        litert=SHARED_MODELS / "peers/unet128.i8.tflite",
    ),
    Network(
        name="unet256",
        title="unet-mnv2 256",
        size=256,
        recipe=("unet-mnv2", "--classes", "3", "--size", "256x256"),
    ),
    Network(
        name="fcn224",
        title="fcn-mnv2 224",
        size=224,
        recipe=("fcn-mnv2", "--classes", "6", "--size", "224x224"),
        litert=SHARED_MODELS / "peers/fcn224.i8.tflite",
    ),
    Network(
        name="mnv2_224",
        title="mobilenetv2 224",
        size=224,
        recipe=("mobilenetv2", "--classes", "1000", "--size", "224x224"),
        litert=SHARED_MODELS / "peers/mnv2_224.i8.tflite",
    ),
    Network(
        name="deeplab257",
        title="deeplabv3-mnv2 x0.5 257",
        size=257,
        source=Path("models/deeplabv3_mnv2_dm05_voc21_257.onnx"),
        to_mask=True,
    ),
    Network(
        name="deeplab513",
        title="deeplabv3-mnv2 513",
        size=513,
        source=SHARED_MODELS / "deeplabv3_mnv2_voc21_513.onnx",
        convert=PLAIN_CARD,
        to_mask=True,
    ),
]
