"""Counts the instructions of one inference of each network on emulated ARM processors, and prints Markdown tables."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "peers"))
sys.dont_write_bytecode = True

from models import LeftOut, int8_model
from networks import NETWORKS

FOLDER = Path("target/peers")
# Of the Raspberry Pi 5 (dot products of 8 bits) and of the Pi 4 (none).
PROCESSORS = ["cortex-a76", "cortex-a72"]
# The first inference allocates and packs.
INFERENCES = 3
# Counted apart by the plugin, in the order of the table.
KINDS = {
    "sdot, udot": ["sdot", "udot", "usdot"],
    "mmla": ["mmla"],
    "smull, smlal": ["widening"],
    "mla": ["mla"],
    "fmla": ["fmla"],
    "loads, stores": ["memory"],
}
PEERS_FILE = Path(__file__).with_name("peers.json")


def main():
    options = arguments()
    peers = json.loads(PEERS_FILE.read_text())
    rows, kind_rows, left_out, result = [], [], [], {}
    for network in NETWORKS:
        if options.networks and network.name not in options.networks:
            continue
        others = peers["millions"].get(network.name, {})
        cells = [others.get(runtime, "-") for runtime in peers["runtimes"]]
        counts = {}
        try:
            model = int8_model(network, options.sedge, FOLDER)
            macs = multiply_accumulates(options.sedge, model)
            for processor in PROCESSORS:
                print(f"{network.title} on {processor}", file=sys.stderr, flush=True)
                counts[processor] = count(options, model, processor)
                kind_rows.append(kind_row(network, processor, counts[processor], macs))
        except LeftOut as reason:
            left_out.append(f"- {network.title}: {reason}")
            rows.append([network.title, "-", "-", *cells])
            continue
        own = " / ".join(f"{counts[processor]['all'] / 1e6:.1f}" for processor in PROCESSORS)
        rows.append([network.title, f"{macs / 16e6:.1f}", own, *cells])
        result[network.name] = {"macs": macs, "counts": counts}
    lines = [f"Millions of instructions an inference, one thread, {' / '.join(PROCESSORS)}; floor: MACs / 16.", ""]
    lines += table(["network", "floor", "Sedge int8", *peers["runtimes"].values()], rows)
    if kind_rows:
        lines += ["Sedge's by kind, in millions:", ""]
        lines += table(["network", "processor", "all", *KINDS, "MACs an instruction"], kind_rows)
    print("\n".join(lines + (["Left out:", "", *left_out] if left_out else [])))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(1 if left_out and not result else 0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--networks", type=lambda text: text.split(","), metavar="NAME,NAME", help="default: all")
    parser.add_argument("--program", type=Path, default=Path("target/device/sedge"), help="the ARM program")
    parser.add_argument("--sedge", type=Path, default=Path("target/release/sedge"), help="the host's, makes the models")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    for name in ("qemu", "root", "plugin"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for program, command in [(options.program, "make device"), (options.sedge, "cargo build --release")]:
        if not program.exists():
            sys.exit(f"error: {program} is not there: `{command}` makes it")
    return options


def multiply_accumulates(sedge: Path, model: Path) -> int:
    """From `sedge inspect --json`."""
    done = subprocess.run([sedge, "inspect", model, "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise LeftOut(done.stderr.strip())
    return json.loads(done.stdout)["macs"]


def count(options: argparse.Namespace, model: Path, processor: str) -> dict[str, int]:
    """The least of several inferences, a count for each kind; repeated runs differ by less than 0.1 %."""
    # The same addresses and random numbers in every run.
    emulator = ["setarch", "-R", options.qemu, "-cpu", processor, "-seed", "1"]
    emulator += ["-L", options.root, "-plugin", options.plugin.resolve()]
    program = [options.program, "bench", "--model", model, "--threads", "1", "--count-instructions", str(INFERENCES)]
    done = subprocess.run([str(part) for part in [*emulator, *program]], capture_output=True, text=True)
    marks = [line.split()[1:] for line in done.stderr.splitlines() if line.startswith("mark ")]
    if done.returncode != 0 or len(marks) < 2:
        words = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("mark ")]
        raise LeftOut(words[0] if words else "the program marked no inference")
    counts = [{kind: int(value) for kind, value in (field.split("=") for field in mark)} for mark in marks[1:]]
    return min(counts, key=lambda inference: inference["all"])


def kind_row(network, processor: str, counts: dict[str, int], macs: int) -> list[str]:
    kinds = [sum(counts[name] for name in names) / 1e6 for names in KINDS.values()]
    cells = [f"{counts['all'] / 1e6:.1f}", *(f"{millions:.1f}" for millions in kinds)]
    return [network.title, processor, *cells, f"{macs / counts['all']:.2f}"]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows]] + [""]


main()
