"""What compare.py drives: a worker process of another runtime, or `sedge bench`, behind the same three methods."""

import json
import subprocess
import sys
import time
from pathlib import Path

from models import LeftOut

HERE = Path(__file__).parent
SEDGE_WARM_UP_S = 0.1


class Worker:
    """Another runtime in a process of its own that lives as long as the rounds."""

    def __init__(self, runtime: str, model: Path, threads: int, size: int):
        command = [sys.executable, HERE / "worker.py", runtime, model, threads, size]
        command, pipe = [str(part) for part in command], subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.read()

    def read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            _, errors = self.process.communicate()
            raise LeftOut((errors.strip() or f"ended with {self.process.returncode}").splitlines()[-1])
        return json.loads(line)

    def ask(self, line: str) -> dict:
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # It has ended; what it said last is read below.
        return self.read()

    def round_ms(self, seconds: float) -> float:
        times = sorted(self.ask(f"time {seconds}")["ms"])
        return times[len(times) // 2]

    def peak_mib(self) -> float:
        return self.ask("memory")["peak_kib"] / 1024

    def masks(self, pictures: list[Path], folder: Path) -> list:
        """The class ids of each picture; `folder` is for files on the way."""
        import numpy as np

        found = []
        for picture in pictures:
            self.ask(f"mask {picture} {folder / 'mask.npy'}")
            found.append(np.load(folder / "mask.npy"))
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.communicate()


class Sedge:
    """`sedge bench`, started anew each round; frames have the network's size, so that nothing is resized.

    Counted is prepare + infer, and + mask where the mask is wanted: the other runtimes get a float tensor that is
    ready, Sedge makes its input from the frame's bytes inside the time.
    """

    def __init__(self, program: Path, model: Path, threads: int, size: int, to_mask: bool):
        self.program, self.model = program, model
        self.command = [program, "bench", "--model", model, "--json", "--frame", f"{size}x{size}"]
        if "--threads" in bench_help(program):
            self.command += ["--threads", threads]
        elif threads != 1:
            raise LeftOut("this program has one thread only")
        self.stages = ["prepare", "infer"] + ["mask"] * to_mask
        self.measure(0)

    def arguments(self, seconds: float) -> list[str]:
        times = ["--seconds", max(seconds, 0.01), "--warm-up", SEDGE_WARM_UP_S]
        return [str(part) for part in [*self.command, *times]]

    def measure(self, seconds: float) -> dict:
        done = subprocess.run(self.arguments(seconds), capture_output=True, text=True)
        if done.returncode != 0:
            raise LeftOut(done.stderr.strip().splitlines()[-1])
        return json.loads(done.stdout)

    def round_ms(self, seconds: float) -> float:
        stages = self.measure(seconds)["stages"]
        return sum(stages[stage]["median_ms"] for stage in self.stages if stage in stages)

    def peak_mib(self) -> float:
        """A run of its own whose peak is read while it lives: the kernel's figure only ever grows."""
        arguments = self.arguments(0.3)
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        status, peak = Path(f"/proc/{process.pid}/status"), 0
        while process.poll() is None:
            lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
            peak = max([peak, *(int(line.split()[1]) for line in lines)])
            time.sleep(0.02)
        return peak / 1024

    def masks(self, pictures: list[Path], folder: Path) -> list:
        """The class ids of each picture, from `sedge run`; the pictures lie together in one folder."""
        import numpy as np
        from PIL import Image

        command = [self.program, "run", "--model", self.model]
        command += ["--source", pictures[0].parent, "--out", folder / "masks"]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode != 0:
            raise LeftOut(done.stderr.strip().splitlines()[-1])
        return [np.asarray(Image.open(folder / "masks" / picture.name))[None] for picture in pictures]

    def close(self) -> None:
        pass


def bench_help(program: Path) -> str:
    return subprocess.run([program, "bench", "--help"], capture_output=True, text=True).stdout
