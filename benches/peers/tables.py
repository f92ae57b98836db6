"""The tables of a comparison in Markdown, and the machine it was made on."""

import re
from pathlib import Path

# What int8 kernels choose by, on x86 and on ARM.
FLAGS_SHOWN = "sse4_1 avx avx2 fma avx512f avx512bw avx512_vnni avx_vnni amx_int8 asimd asimddp i8mm sve"


def processor() -> tuple[str, str]:
    """The processor's name and those of its flags that matter to int8."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")

    def line(*keys):
        found = re.search(rf"^(?:{'|'.join(keys)})\s*:\s*(.*)$", text, re.MULTILINE)
        return found.group(1) if found else "unknown"

    flags = line("flags", "Features").split()
    return line("model name", "Model"), " ".join(flag for flag in FLAGS_SHOWN.split() if flag in flags)


def markdown(result: dict, columns: dict[str, str]) -> str:
    runs = [run for run in result["runs"] if "threads" in run]
    lines = [f"Processor: {result['processor']} ({result['flags']})", ""]
    for threads in sorted({run["threads"] for run in runs}):
        chosen = [run for run in runs if run["threads"] == threads]
        lines += [f"Milliseconds an inference, {count(threads)}, median (least) of alternating rounds:", ""]
        ratios = ["best peer / Sedge"] + ["best exact peer / Sedge"] * bool(result["inexact"])
        lines += table(
            ["network", *columns.values(), *ratios],
            [time_row(run, columns, result["inexact"]) for run in chosen],
        )
    if result["inexact"]:
        names = " and ".join(columns[runtime] for runtime in result["inexact"])
        lines += [f"Not exact on this processor, without VNNI, where their sums saturate: {names}.", ""]
    if runs:
        least = min(run["threads"] for run in runs)
        lines += [f"Peak resident memory in MiB, {count(least)}; in brackets without bare Python with numpy:", ""]
        chosen = [run for run in runs if run["threads"] == least]
        lines += table(["network", *columns.values(), "bare Python"], [memory_row(run, columns) for run in chosen])
    if result.get("same_pixels"):
        compared = {runtime for found in result["same_pixels"].values() for runtime in found}
        shown = {runtime: title for runtime, title in columns.items() if runtime in compared}
        words = "node by node in float (ONNX Runtime, nothing fused)"
        lines += [f"Percent of the pixels with the class that the same file gives {words}:", ""]
        rows = [
            [network, *(f"{found[runtime]:.2f}" if runtime in found else "-" for runtime in shown)]
            for network, found in result["same_pixels"].items()
        ]
        lines += table(["network", *shown.values()], rows)
    reasons = left_out(result, columns)
    return "\n".join(lines + (["Left out:", "", *reasons, ""] if reasons else []))


def time_row(run: dict, columns: dict[str, str], inexact: list[str]) -> list[str]:
    """A line of times, then how many times longer the fastest other runtime takes: by medians, by least times."""
    median, least = run["median_ms"], run["min_ms"]
    cells = [f"{median[runtime]:.2f} ({least[runtime]:.2f})" if runtime in median else "-" for runtime in columns]

    def ratio(without: list[str]) -> str:
        peers = [runtime for runtime in median if runtime not in ("sedge", "tract", *without)]
        if not peers or "sedge" not in median:
            return "-"
        by_median, by_least = (min(ms[runtime] for runtime in peers) / ms["sedge"] for ms in (median, least))
        return f"{by_median:.2f} ({by_least:.2f})"

    return [run["network"], *cells, ratio([]), *([ratio(inexact)] if inexact else [])]


def memory_row(run: dict, columns: dict[str, str]) -> list[str]:
    peak, bare = run["peak_mib"], run["peak_mib"]["nothing"]

    def cell(runtime):
        if runtime not in peak:
            return "-"
        own = runtime in ("sedge", "tract")
        return f"{peak[runtime]:.0f}" if own else f"{peak[runtime]:.0f} ({peak[runtime] - bare:.0f})"

    return [run["network"], *(cell(runtime) for runtime in columns), f"{bare:.0f}"]


def left_out(result: dict, columns: dict[str, str]) -> list[str]:
    """One line a network, or a runtime and reason with the networks that it holds for."""
    lines, found = [], {}
    for run in result["runs"]:
        if "left_out" in run:
            lines.append(f"- {run['network']}: {run['left_out']}")
        for runtime, reason in run.get("left_out_runtimes", {}).items():
            where = f"{run['network']}, {count(run['threads'])}"
            found.setdefault((columns[runtime], reason), []).append(where)
    return lines + [f"- {title}: {reason} ({'; '.join(where)})" for (title, reason), where in found.items()]


def count(threads: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)}"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]
