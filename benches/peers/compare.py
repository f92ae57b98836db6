"""Times each network in every runtime, alternating, and prints tables in Markdown: time, memory, equal masks."""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import models
import tables
from models import LeftOut
from networks import NETWORKS
from programs import Sedge, Worker

FOLDER = Path("target/peers")
PICTURES = sorted(Path("calibration/voc").glob("photo-*.jpg"))

PAUSE_S = 0.05

# Runtime, package and what it is called in a table.
PEERS = [
    ("openvino", "openvino", "OpenVINO {} int8"),
    ("ort", "onnxruntime", "ONNX Runtime {} int8"),
    ("ort-exact", "onnxruntime", "ONNX Runtime {} int8, exact"),
    ("litert", "ai-edge-litert", "LiteRT {} int8"),
    ("ncnn", "ncnn", "ncnn {} f32"),
]
# Processors with one of these add products of 8 bits into 32; on others these runtimes add pairs into 16 and saturate.
EXACT_ANYWAY = {"avx512_vnni", "avx_vnni", "asimd"}
INEXACT_OTHERWISE = ["openvino", "ort"]
# What runs the file that Sedge runs, so that masks can be compared.
SAME_FILE = ["openvino", "ort", "ort-exact"]


def main():
    options = arguments()
    processor, flags = tables.processor()
    processor = f"{processor}, {os.cpu_count()} cores"
    exact_anyway = bool(EXACT_ANYWAY & set(flags.split()))
    inexact = [] if exact_anyway else INEXACT_OTHERWISE
    result = {"processor": processor, "flags": flags, "inexact": inexact, "runs": []}
    peers = [peer for peer in PEERS if not (peer[0] == "ort-exact" and exact_anyway)]
    names = {runtime: words.format(metadata.version(package)) for runtime, package, words in peers}
    columns = {**names, "sedge": "Sedge", **({"tract": "Sedge through tract"} if options.tract else {})}
    for network in NETWORKS:
        if options.networks and network.name not in options.networks:
            continue
        try:
            files = models.make(network, options.sedge, FOLDER)
        except LeftOut as reason:
            result["runs"].append({"network": title(network), "left_out": str(reason)})
            continue
        for threads in options.threads:
            progress(f"{title(network)}, {tables.count(threads)}")
            result["runs"].append(run(network, files, threads, names, options))
        if network.to_mask and not options.no_masks:
            result.setdefault("same_pixels", {})[title(network)] = same_pixels(network, files, names, options)
    print(tables.markdown(result, columns))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    numbers = lambda text: [int(part) for part in text.split(",")]
    parser.add_argument("--threads", type=numbers, default=[1, 2], metavar="N,N", help="default: 1,2")
    parser.add_argument("--networks", type=lambda text: text.split(","), metavar="NAME,NAME", help="default: all")
    parser.add_argument("--rounds", type=int, default=7, help="default: 7")
    parser.add_argument("--seconds", type=float, default=0.25, help="of each runtime in each round; default: 0.25")
    parser.add_argument("--sedge", type=Path, default=Path("target/release/sedge"), help="the program to measure")
    parser.add_argument("--tract", type=Path, help="an older sedge, whose int8 runs through tract, as one more column")
    parser.add_argument("--no-masks", action="store_true", help="do not compare the masks of the peers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    options = parser.parse_args()
    if not options.sedge.exists():
        sys.exit(f"error: {options.sedge} is not there: build it with `cargo build --release`, or name it with --sedge")
    known = [network.name for network in NETWORKS]
    for name in options.networks or []:
        if name not in known:
            parser.error(f"there is no network {name}; there are {', '.join(known)}")
    return options


def run(network, files, threads, names, options) -> dict:
    """All rounds of one network with one number of threads: ms, peak memory and what is left out, a runtime each."""
    makers = {runtime: worker_maker(runtime, network, files, threads) for runtime in names}
    makers["sedge"] = lambda: Sedge(options.sedge, files.sedge_int8, threads, network.size, network.to_mask)
    if options.tract:
        makers["tract"] = lambda: Sedge(options.tract, files.sedge_int8, threads, network.size, network.to_mask)
    programs, left_out = {}, {}
    for runtime, make in makers.items():
        try:
            programs[runtime] = make()
        except LeftOut as reason:
            left_out[runtime] = str(reason)
    rounds = {runtime: [] for runtime in programs}
    for _ in range(options.rounds):
        for runtime, program in list(programs.items()):
            # Until the threads of the one before have stopped spinning.
            time.sleep(PAUSE_S)
            try:
                rounds[runtime].append(program.round_ms(options.seconds))
            except LeftOut as reason:
                left_out[runtime] = str(reason)
                del programs[runtime], rounds[runtime]
    nothing = Worker("nothing", Path("-"), threads, network.size)
    memory = {runtime: program.peak_mib() for runtime, program in programs.items()}
    memory["nothing"] = nothing.peak_mib()
    for program in [nothing, *programs.values()]:
        program.close()
    return {
        "network": title(network),
        "threads": threads,
        "median_ms": {runtime: statistics.median(times) for runtime, times in rounds.items()},
        "min_ms": {runtime: min(times) for runtime, times in rounds.items()},
        "peak_mib": memory,
        "left_out_runtimes": left_out,
    }


def title(network) -> str:
    return f"{network.title}, to the mask" if network.to_mask else network.title


def worker_maker(runtime, network, files, threads):
    def make() -> Worker:
        file = files.peers_int8
        if runtime == "litert":
            if network.litert is None or not network.litert.exists():
                raise LeftOut(f"{network.litert} is not there" if network.litert else "there is no LiteRT file of it")
            file = network.litert
        elif runtime == "ncnn":
            if files.ncnn is None:
                raise LeftOut(files.ncnn_left_out)
            file = files.ncnn
        return Worker(runtime, file, threads, network.size)

    return make


def same_pixels(network, files, names, options) -> dict:
    """Percent of the pixels that have the class which the same file gives node by node in float, a runtime each."""
    import numpy as np

    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = resized(PICTURES, folder / "pictures", network.size)

        def masks(program) -> np.ndarray:
            own = np.stack(program.masks(pictures, folder))
            program.close()
            return own

        plain = masks(Worker("ort-plain", files.peers_int8, 1, network.size))
        for runtime in [*(runtime for runtime in names if runtime in SAME_FILE), "sedge"]:
            try:
                if runtime == "sedge":
                    program = Sedge(options.sedge, files.sedge_int8, 1, network.size, network.to_mask)
                else:
                    program = Worker(runtime, files.peers_int8, 1, network.size)
                found[runtime] = 100 * float((masks(program) == plain).mean())
            except LeftOut as reason:
                progress(f"no masks of {runtime}: {reason}")
    return found


def resized(pictures: list[Path], folder: Path, size: int) -> list[Path]:
    """The pictures at the network's size, so that no runtime has a resize of its own in its masks."""
    from PIL import Image

    folder.mkdir()
    for picture in pictures:
        image = Image.open(picture).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        image.save(folder / f"{picture.stem}.png")
    return [folder / f"{picture.stem}.png" for picture in pictures]


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


main()
