#!/usr/bin/env python3
"""Proves that the device profile does not depend on any crate that only the `host` feature names.

Such a crate may still be there because another one needs it (tract draws random numbers, too); then it is named.
"""

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

    def crates(*options):
        tree = cargo("tree", "--no-default-features", "--features", "device", "--edges", "normal",
                     "--target", "aarch64-unknown-linux-gnu", "--prefix", "none", "--format", "{p}", *options)
        return {line.split()[0] for line in tree.splitlines() if line}

    if found := sorted(host_only & crates("--depth", "1")):
        sys.exit(f"error: the device profile depends on what only `host` should: {', '.join(found)}")
    everything = crates()
    others = sorted(host_only & everything)
    print(f"The device profile has {len(everything)} crates and does not depend on {', '.join(sorted(host_only))}"
          + (f"; tract brings {', '.join(others)} by itself" if others else ""))


main()
