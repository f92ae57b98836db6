"""Times each network in every runtime, alternating, and prints tables in Markdown: time, memory, equal masks."""

import argparse
import json
import statistics
import sys
from importlib import metadata
from pathlib import Path

import models
import tables
from models import LeftOut
from networks import NETWORKS
from programs import Sedge, Worker

FOLDER = Path("target/peers")
PICTURES = sorted(Path("calibration/voc").glob("photo-*.jpg"))

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


def main():
    options = arguments()
    processor, flags = tables.processor()
    exact_anyway = bool(EXACT_ANYWAY & set(flags.split()))
    inexact = [] if exact_anyway else INEXACT_OTHERWISE
    result = {"processor": processor, "flags": flags, "inexact": inexact, "runs": []}
    peers = [peer for peer in PEERS if not (peer[0] == "ort-exact" and exact_anyway)]
    names = {runtime: title.format(metadata.version(package)) for runtime, package, title in peers}
    columns = {**names, "sedge": "Sedge", **({"tract": "Sedge through tract"} if options.tract else {})}
    for network in NETWORKS:
        if options.networks and network.name not in options.networks:
            continue
        try:
            files = models.make(network, options.sedge, FOLDER)
        except LeftOut as reason:
            result["runs"].append({"network": network.title, "left_out": str(reason)})
            continue
        for threads in options.threads:
            progress(f"{network.title}, {tables.count(threads)}")
            result["runs"].append(run(network, files, threads, names, options))
        if network.to_mask and not options.no_masks:
            result.setdefault("same_pixels", {})[network.title] = same_pixels(network, files, names)
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
        for runtime, program in programs.items():
            rounds[runtime].append(program.round_ms(options.seconds))
    nothing = Worker("nothing", Path("-"), threads, network.size)
    memory = {runtime: program.peak_mib() for runtime, program in programs.items()}
    memory["nothing"] = nothing.peak_mib()
    for program in [nothing, *programs.values()]:
        program.close()
    return {
        "network": network.title,
        "threads": threads,
        "median_ms": {runtime: statistics.median(times) for runtime, times in rounds.items()},
        "min_ms": {runtime: min(times) for runtime, times in rounds.items()},
        "peak_mib": memory,
        "left_out_runtimes": left_out,
    }


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


def same_pixels(network, files, names) -> dict:
    """Percent of the pixels that have the class which the same file gives node by node in float, a runtime each."""
    import numpy as np

    def masks(runtime):
        worker = Worker(runtime, files.peers_int8, 1, network.size)
        found = []
        for index, picture in enumerate(PICTURES):
            file = FOLDER / f"mask-{runtime}-{index}.npy"
            worker.mask(picture, file)
            found.append(np.load(file))
            file.unlink()
        worker.close()
        return np.stack(found)

    plain = masks("ort-plain")
    runtimes = [runtime for runtime in names if runtime in ("openvino", "ort", "ort-exact")]
    return {runtime: 100 * float((masks(runtime) == plain).mean()) for runtime in runtimes}


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


main()
