#!/usr/bin/env bash
# Counts the ARM instructions of one inference under qemu-aarch64, and prints a table beside other runtimes' counts.
#
#   benches/instructions/run.sh [--networks unet128,mnv2_224] [--json FILE] ...     --help lists all options
#
# Needs target/device/sedge (`make device`), target/release/sedge for the models, qemu-user and a C compiler.
set -eu
. "$(dirname "$0")/../../scripts/env.sh"

qemu=$(arm_qemu) || fail "there is no qemu-aarch64 here: scripts/setup.sh qemu"
root=$(arm_root) || fail "there is no ARM C library here: scripts/setup.sh qemu"
mkdir -p target/instructions
cc -O2 -Wall -Wextra -shared -fPIC -o target/instructions/count.so benches/instructions/count.c
exec python3 benches/instructions/count.py --qemu "$qemu" --root "$root" --plugin target/instructions/count.so "$@"
