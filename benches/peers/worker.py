"""A process of its own for one runtime and one model; it obeys lines of its standard input and answers in JSON lines.

    worker.py RUNTIME MODEL THREADS SIZE

    time SECONDS            -> {"ms": [...]}, the time of each inference
    mask PICTURE FILE       -> {}, the class ids of an RGB picture of the network's size, written as a .npy file
    memory                  -> {"peak_kib": N}
"""

import json
import os
import sys
import time

import numpy as np

from runtimes import RUNTIMES

INFERENCES_MIN = 3


def main():
    runtime_name, model, threads, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    # Answers go to the real output; what libraries print goes to the errors.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    runtime = RUNTIMES[runtime_name](model, threads, size)
    # The first runs pack weights and grow arenas.
    for _ in range(INFERENCES_MIN):
        runtime.infer()

    def answer(value):
        print(json.dumps(value), file=answers, flush=True)

    answer({})
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "time":
            answer({"ms": times_ms(runtime, float(arguments[0]))})
        elif command == "mask":
            runtime.feed(read_picture(arguments[0]))
            output = np.array(runtime.infer())
            ids = output if output.ndim == 3 else output.argmax(1)
            np.save(arguments[1], ids.astype(np.uint8))
            answer({})
        elif command == "memory":
            answer({"peak_kib": peak_kib()})


def times_ms(runtime, seconds: float) -> list[float]:
    times = []
    runtime.infer()
    end = time.perf_counter() + seconds
    while len(times) < INFERENCES_MIN or time.perf_counter() < end:
        start = time.perf_counter()
        runtime.infer()
        times.append(1000 * (time.perf_counter() - start))
    return times


def read_picture(path: str) -> np.ndarray:
    from PIL import Image

    pixels = np.asarray(Image.open(path), np.float32)
    return (pixels / 127.5 - 1).transpose(2, 0, 1)[None].copy()


def peak_kib() -> int:
    # Not getrusage: its peak includes that of the process which started this one.
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


main()
