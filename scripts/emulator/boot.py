"""Runs a program on an emulated PC and passes on its output and exit code: boot.py HOME PROGRAM ARGUMENTS..."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import memory

HERE = Path(__file__).parent
BEGIN = b"<<<PROGRAM BEGIN>>>\n"
EXIT = b"\n<<<PROGRAM EXIT "
FAILED, STOPPED = 125, 124

# A bare PC: old interrupt controller and timer, no PCI. The processor's clock does not run at the rate it reports.
# clearcpuid=580: the emulated processor reports fast short moves (FSRM), but a register in which Linux looks for fast
# string moves reads 0; memmove with the one and without the other corrupts memory.
KERNEL_OPTIONS = (
    "console=ttyS0 nolapic noapic mitigations=off cryptomgr.notests rdinit=/init panic=-1 tsc=unstable "
    "clocksource=jiffies nohz=off highres=off clearcpuid=580 audit=0 apparmor=0 nowatchdog"
)

PC = """
romimage: file={folder}/rom.bin, address=0xffff0000
vgaromimage: file={folder}/vga.bin
vga: extension=none, update_freq=1
optramimage1: file={folder}/memory.bin, address=0x0
memory: guest={mib}, host={mib}, block_size=512
cpu: model={cpu}, count=1, ips=50000000, reset_on_triple_fault=0
clock: sync=none
pci: enabled=0
port_e9_hack: enabled=1
com1: enabled=1, mode=file, dev={folder}/com1
ata0: enabled=0
ata1: enabled=0
log: {folder}/log
panic: action=fatal
error: action={report}
info: action={report}
debug: action=ignore
display_library: nogui
"""


def variables():
    """What the program finds in its environment."""
    named = os.environ.get("EMULATOR_ENV", "").split()
    passed = lambda name: name in named or name.startswith(("RUST_", "SEDGE_")) or name == "CARGO_MANIFEST_DIR"
    own = ["PATH=/bin:/usr/bin", "HOME=/tmp", "TMPDIR=/tmp"]
    return own + [f"{name}={value}" for name, value in os.environ.items() if passed(name)]


def pass_on(source, sink):
    """Copies what lies between the two marks; the exit code, or None if the second never comes."""
    held, begun = b"", False
    while data := os.read(source.fileno(), 1 << 16):
        held += data
        if not begun:
            begun = BEGIN in held
            if not begun:
                continue
            held = held.split(BEGIN, 1)[1]
        at = held.find(EXIT)
        if at >= 0 and b">>>" in held[at + len(EXIT) :]:
            sink.write(held[:at])
            sink.flush()
            return int(held[at + len(EXIT) :].split(b">>>")[0])
        # The mark may come in two pieces.
        ready = at if at >= 0 else max(len(held) - len(EXIT), 0)
        sink.write(held[:ready])
        sink.flush()
        held = held[ready:]
    return None


def run(home, program, arguments, folder, debug):
    """The program's exit code."""
    mib = int(os.environ.get("EMULATOR_MEMORY", "512"))
    cpu = os.environ.get("EMULATOR_CPU", "sapphire_rapids")
    options = KERNEL_OPTIONS + ("" if debug else " quiet")
    command = [os.getcwd(), str(len(arguments) + 1), program, *arguments, *variables()]
    more = [path for path in os.environ.get("EMULATOR_FILES", "").split(":") if path]
    entry = memory.write(folder / "memory.bin", home, options, mib, program, command, more)
    memory.write_rom(folder, HERE / "rom.S", entry, mib)
    (folder / "vga.bin").write_bytes(bytes(2048))
    (folder / "pc").write_text(PC.format(folder=folder, mib=mib, cpu=cpu, report="report" if debug else "ignore"))
    with open(folder / "errors", "wb") as errors:
        pc = subprocess.Popen(
            [home / "bochs", "-q", "-f", folder / "pc"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        signal.alarm(int(os.environ.get("EMULATOR_TIMEOUT", "600")))
        code = pass_on(pc.stdout, sys.stdout.buffer)
    finally:
        pc.kill()
        pc.wait()
    if code is None:
        last = (folder / "errors").read_text(errors="replace")[-600:]
        print(f"error: the emulated PC ended before the program did: {last}", file=sys.stderr)
    return FAILED if code is None else code


def stop(*_):
    raise TimeoutError


def main():
    home, program, *arguments = sys.argv[1:]
    found = shutil.which(program)
    if found is None:
        sys.exit(f"error: there is no program {program}")
    debug = bool(os.environ.get("EMULATOR_DEBUG"))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, stop)
    code = FAILED
    with tempfile.TemporaryDirectory(prefix="emulator-") as folder:
        try:
            code = run(Path(home), os.path.abspath(found), arguments, Path(folder), debug)
        except TimeoutError:
            code = STOPPED
            print("error: stopped by EMULATOR_TIMEOUT or by a signal", file=sys.stderr)
        if debug or code == FAILED:
            for log in (Path(folder, "com1"), Path(folder, "log")):
                if log.exists():
                    print(f"--- {log.name}\n{log.read_text(errors='replace')[-6000:]}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
