#!/usr/bin/env python3
"""Proves that the device profile builds without any dependency that only the `host` feature names."""

import json
import subprocess
import sys


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


def enabled(features, start):
    """The names of the optional dependencies that a feature switches on, through other features too."""
    dependencies, seen, queue = set(), set(), [start]
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        for item in features[name]:
            if item.startswith("dep:"):
                dependencies.add(item.removeprefix("dep:"))
            elif item in features:
                queue.append(item)
    return dependencies


def main():
    package = json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))["packages"][0]
    features = package["features"]
    names = {d["rename"] or d["name"]: d["name"] for d in package["dependencies"]}
    host_only = {names[d] for d in enabled(features, "host") - enabled(features, "device")}
    if not host_only:
        sys.exit("error: the feature `host` names no dependency of its own, so there is nothing to prove")

    tree = cargo("tree", "--no-default-features", "--features", "device", "--edges", "normal",
                 "--target", "aarch64-unknown-linux-gnu", "--prefix", "none", "--format", "{p}")
    crates = {line.split()[0] for line in tree.splitlines() if line}
    found = sorted(host_only & crates)
    if found:
        sys.exit(f"error: the device profile pulls in what only `host` should: {', '.join(found)}; "
                 "`cargo tree --no-default-features --features device -i NAME` shows by which way")
    print(f"The device profile has {len(crates)} crates, and none of: {', '.join(sorted(host_only))}")


main()
