#!/usr/bin/env python3
"""Writes trainer/results/README.md from what the runs under trainer/results/runs say of themselves.

With --check it writes nothing and ends with 1 if the file is not what it would write.
"""

import csv
import json
import sys
from pathlib import Path

RESULTS = Path(__file__).resolve().parent.parent / "trainer" / "results"
PAGE = RESULTS / "README.md"
HEAD = """\
# Results

`make results` writes this page from [runs/](runs/), each run's `run.json` (what repeats it) and `result.json` (what it came to).
The commands are in [experiments](experiments). Scores are of the test split, in percent: mean IoU and pixel accuracy of a
segmenter, accuracy of a classifier. A control is the same student, seed and budget without its teacher. Times are of two shared
cores, often with another run beside, and only say how long to wait.

| experiment | data, pictures to train with | epochs | score | pixel accuracy | control | teacher | minutes | commit |
|---|---|---|---|---|---|---|---|---|
"""
INT8 = """
## In int8

The same scores of what `sedge convert` made of a run's model, by the integer engine.

| model | int8 | float | difference | teacher | MB |
|---|---|---|---|---|---|
"""
SWEEPS = """
## Sweeps

| sweep | runs | scores | best | |
|---|---|---|---|---|
"""


def score(scores):
    """Mean IoU of a segmenter, accuracy of a classifier."""
    value = scores.get("mean_iou", scores["accuracy"])
    return f"{100 * value:.2f}"


def said(name):
    """What a run's two files hold."""
    return (json.loads((RESULTS / "runs" / name / file).read_text()) for file in ("run.json", "result.json"))


def line(*cells):
    """A line of a table."""
    return f"| {' | '.join(cells)} |\n"


def trained(name):
    """The table's line of a training."""
    run, result = said(name)
    test = result["test"]
    others = [(result.get(key) or {}).get("test") for key in ("control", "teacher")]
    seconds = result["seconds"] + (result.get("control") or {}).get("seconds", 0)
    return line(
        f"`{name}`",
        f"{run['data']['name']}, {run['data']['train_images']}",
        str(result["epochs"]),
        score(test),
        f"{100 * test['accuracy']:.2f}" if "mean_iou" in test else "",
        *(score(other) if other else "" for other in others),
        f"{seconds / 60:.0f}",
        run["commit"],
    )


def converted(name):
    """The table's line of a conversion to int8; the run that it began with has its name without the end."""
    run, result = said(name)
    parent = name.removesuffix("-int8")
    if not (RESULTS / "runs" / parent / "result.json").exists():
        sys.exit(f"{name} is there without {parent}")
    _, start = said(parent)
    floats = start["test"]
    points = f"{float(score(result['scores'])) - float(score(floats)):+.2f}"
    teacher = start.get("teacher", {}).get("test")
    cells = (score(result["scores"]), score(floats), points, score(teacher) if teacher else "")
    return line(f"`{name}`", *cells, f"{run['bytes'] / 1e6:.2f}")


def swept(name):
    """The table's line of a sweep: its best run and its heat map."""
    with open(RESULTS / "runs" / name / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    score = next(key for key in ("test.mean_iou", "test.accuracy") if key in rows[0])
    best = max(rows, key=lambda row: float(row[score]))
    command = json.loads((RESULTS / "runs" / name / "sweep.json").read_text())
    options = ", ".join(f"{axis['option']} {best[axis['option']]}" for axis in command["grid"]["axes"])
    values = [100 * float(row[score]) for row in rows]
    heat_map = f"[heat map](runs/{name}/heatmap.svg)"
    return line(f"`{name}`", str(len(rows)), f"{min(values):.2f} to {max(values):.2f}", options, heat_map)


def names():
    """The experiments that have a result, in the order of their list."""
    for line in (RESULTS / "experiments").read_text().splitlines():
        name = line.split("|")[0].strip()
        if name and not name.startswith("#") and any((RESULTS / "runs" / name).glob("result*")):
            yield name


def main():
    """Writes or checks the page."""
    int8 = [name for name in names() if name.endswith("-int8")]
    sweeps = [name for name in names() if (RESULTS / "runs" / name / "results.csv").exists()]
    page = HEAD + "".join(trained(name) for name in names() if name not in int8 + sweeps)
    if int8:
        page += INT8 + "".join(converted(name) for name in int8)
    if sweeps:
        page += SWEEPS + "".join(swept(name) for name in sweeps)
    if sys.argv[1:] == ["--check"]:
        if page != PAGE.read_text():
            sys.exit(f"{PAGE.name} is not what its runs say: run scripts/results_table.py")
    else:
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
