"""Estimates with llvm-mca how many cycles the inner loops of one function of an ARM program take.

    benches/instructions/loop.py FUNCTION [--program FILE] [--cpus cortex-a72,neoverse-n1] [--macs N]

FUNCTION is a part of a demangled name, for example `aarch64::dot::tile`. The program must have its symbols. A loop is
what lies between a backward branch and its target, innermost when no other lies inside. LLVM 16 or newer knows the
Neoverse N1, a server's version of the Cortex-A76; older ones take the Cortex-A57 for it, as all do for the Cortex-A72.
"""

import argparse
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ITERATIONS = 1000
LLVM_WITH_N1 = 16
# Multiply-accumulates of one instruction by name; by its destination where that decides.
MACS = [
    (r"(s|u|us|su)dot\s+v\d+\.4s", 16),
    (r"(s|u|us|su)dot\s+v\d+\.2s", 8),
    (r"(s|u|us)mmla\s", 32),
    (r"(s|u)m(ull|lal)2?\s+v\d+\.8h", 8),
    (r"(s|u)m(ull|lal)2?\s+v\d+\.4s", 4),
    (r"(mul|mla)\s+v\d+\.8h", 8),
    (r"(mul|mla|fmla)\s+v\d+\.4s", 4),
]


@dataclass
class Loop:
    start: int
    instructions: list[str]

    def macs(self) -> int:
        """As its instructions say; loops in assembly may do more than their sums use."""
        found = (next((macs for pattern, macs in MACS if re.match(pattern, text)), 0) for text in self.instructions)
        return sum(found)


def main():
    options = arguments()
    name, start, end = function(options)
    loops = innermost_loops(disassemble(options, start, end))
    if not loops:
        sys.exit(f"error: {name} has no loop")
    working = distinct([loop for loop in loops if loop.macs()] or loops)
    print(f"{name}, llvm-mca of LLVM {options.version}:\n")
    head = ["loop at", "instructions", "MACs"]
    for cpu in options.cpus:
        head += [f"{cpu}: cycles", "cycles / MAC", "MACs / cycle"]
    print_row(head)
    print_row(["---"] * len(head))
    for loop in working:
        macs = options.macs or loop.macs()
        cells = [f"{loop.start:#x}", str(len(loop.instructions)), str(macs)]
        for cpu in options.cpus:
            cells += cycle_cells(options, loop, cpu, macs)
        print_row(cells)
        if options.show:
            print("\n    " + "\n    ".join(loop.instructions) + "\n")
    if options.version < LLVM_WITH_N1:
        print(f"\nLLVM {options.version} takes the Cortex-A57 for the Neoverse N1; LLVM {LLVM_WITH_N1} knows it.")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("function", help="part of a demangled name")
    parser.add_argument("--program", type=Path, default=Path("target/device/sedge"), help="ARM program or object file")
    cpus = ["cortex-a72", "neoverse-n1"]
    names = lambda text: text.split(",")
    parser.add_argument("--cpus", type=names, default=cpus, metavar="CPU,CPU", help="as LLVM names them")
    parser.add_argument("--macs", type=int, help="MACs of an iteration; default: as its instructions say")
    parser.add_argument("--show", action="store_true", help="print the instructions of each loop")
    parser.add_argument("--llvm", type=Path, help="folder of llvm-mca; default: the newest installed")
    options = parser.parse_args()
    if not options.program.exists():
        sys.exit(f"error: {options.program} is not there: `make device` makes it")
    options.llvm = options.llvm or newest_llvm()
    options.version = int(re.search(r"version (\d+)", call(options, "llvm-mca", "--version")).group(1))
    return options


def newest_llvm() -> Path:
    """The folder of the newest llvm-mca: Debian's versioned ones, then the path."""
    folders = [path.parent for path in Path("/usr/lib").glob("llvm-*/bin/llvm-mca")]
    folders.sort(key=lambda folder: int(re.search(r"llvm-(\d+)", str(folder)).group(1)))
    on_path = shutil.which("llvm-mca")
    if not folders and not on_path:
        sys.exit(f"error: there is no llvm-mca here: `apt-get install llvm-{LLVM_WITH_N1}` or a newer one brings it")
    return folders[-1] if folders else Path(on_path).parent


def call(options, program: str, *arguments: str, text: str | None = None) -> str:
    command = [str(options.llvm / program), *map(str, arguments)]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip() or f"{program} failed").splitlines()[0])
    return done.stdout


def function(options) -> tuple[str, int, int]:
    """Name, start and end of the one function that the name fits; the longest of several of the same name."""
    found = {}
    for line in call(options, "llvm-nm", "--demangle", "--print-size", options.program).splitlines():
        match = re.match(r"([0-9a-f]+) ([0-9a-f]+) [tTwW] (.*)", line)
        name = readable(match.group(3)) if match else ""
        if match and options.function in name:
            start, size = int(match.group(1), 16), int(match.group(2), 16)
            if size > found.get(name, (0, 0))[1]:
                found[name] = (start, size)
    if not found:
        sys.exit(f"error: {options.program} has no function named {options.function}; a stripped program has none")
    if len(found) > 1:
        exact = [name for name in found if name.endswith(options.function)]
        if len(exact) != 1:
            names = "\n  ".join(sorted(found))
            sys.exit(f"error: {options.function} fits several functions, write more of one:\n  {names}")
        found = {exact[0]: found[exact[0]]}
    name, (start, size) = found.popitem()
    return name, start, start + size


def readable(name: str) -> str:
    """A Rust name as it is written, without the hash: llvm-nm leaves the escapes of names with angle brackets."""
    name = re.sub(r"::h[0-9a-f]{16}$", "", name)
    for escape, text in [("$LT$", "<"), ("$GT$", ">"), ("$RF$", "&"), ("$C$", ","), ("..", "::")]:
        name = name.replace(escape, text)
    return re.sub(r"\$u([0-9a-f]+)\$", lambda match: chr(int(match.group(1), 16)), name).removeprefix("_")


def disassemble(options, start: int, end: int) -> list[tuple[int, str]]:
    """Address and text of each instruction."""
    arguments = ["-d", "--no-show-raw-insn", "--mattr=+v8.6a,+dotprod,+i8mm"]
    arguments += [f"--start-address={start:#x}", f"--stop-address={end:#x}"]
    text = call(options, "llvm-objdump", *arguments, options.program)
    lines = (re.match(r"\s*([0-9a-f]+):\s+(\S.*)", line) for line in text.splitlines())
    return [(int(match.group(1), 16), re.sub(r"\s*//.*", "", match.group(2)).strip()) for match in lines if match]


def innermost_loops(instructions: list[tuple[int, str]]) -> list[Loop]:
    spans = set()
    for address, text in instructions:
        branch = re.match(r"(?:b|b\.\w+|cbn?z|tbn?z)\s(?:.*,\s*)?(0x[0-9a-f]+)", text)
        if branch and instructions[0][0] <= int(branch.group(1), 16) <= address:
            spans.add((int(branch.group(1), 16), address))
    # Several branches back to one place are one loop: the shortest way round.
    spans = {start: min(end for begin, end in spans if begin == start) for start, _ in spans}.items()
    inner = [
        (start, end)
        for start, end in spans
        if not any((start, end) != other and start <= other[0] and other[1] <= end for other in spans)
    ]
    return [
        Loop(start, [text for address, text in instructions if start <= address <= end]) for start, end in sorted(inner)
    ]


def distinct(loops: list[Loop]) -> list[Loop]:
    """One of each: a function made for several epilogues has its loops as often."""
    return list({loop_text(loop): loop for loop in reversed(loops)}.values())[::-1]


def loop_text(loop: Loop) -> str:
    """Its assembly. Where a branch leads does not matter, only that the assembler can read it."""
    lines = [re.sub(r"0x[0-9a-f]+ <.*>$", "loop", text) for text in loop.instructions]
    return "loop:\n" + "\n".join(lines) + "\n"


def cycle_cells(options, loop: Loop, cpu: str, macs: int) -> list[str]:
    arguments = ["-mtriple=aarch64", f"-mcpu={cpu}", f"-iterations={ITERATIONS}"]
    try:
        report = call(options, "llvm-mca", *arguments, text=loop_text(loop))
    except RuntimeError as reason:
        return [str(reason).split("error: ")[-1], "-", "-"]
    cycles = int(re.search(r"Total Cycles:\s+(\d+)", report).group(1)) / ITERATIONS
    return [f"{cycles:.1f}", f"{cycles / macs:.4f}" if macs else "-", f"{macs / cycles:.1f}" if macs else "-"]


def print_row(cells: list[str]) -> None:
    print("| " + " | ".join(cells) + " |")


main()
